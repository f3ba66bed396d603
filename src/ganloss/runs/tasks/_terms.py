"""What a paired generator minimises beside the game, from ``--term NAME=WEIGHT``."""

import math
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from ganloss._errors import UsageError, WeightsError
from ganloss._lazy import suggest
from ganloss.recipes.paired import PairTerm
from ganloss.terms import TERMS

_RANGE = (-1.0, 1.0)
#: Terms that compare an image with its target, and how they are made for images in [-1, 1].
_MAKE: dict[str, Callable[[str], Callable[..., Tensor]]] = {
    "l1": lambda features: TERMS["l1"](),
    "mse": lambda features: TERMS["mse"](),
    "charbonnier": lambda features: TERMS["charbonnier"](),
    "cosine": lambda features: TERMS["cosine"](dim=1),
    "focal-frequency": lambda features: TERMS["focal-frequency"](),
    "ssim": lambda features: TERMS["ssim"](data_range=2.0),
    "ms-ssim": lambda features: TERMS["ms-ssim"](data_range=2.0),
    "psnr": lambda features: TERMS["psnr"](data_range=2.0),
    "perceptual": lambda features: TERMS["perceptual"](pretrained=features, value_range=_RANGE),
    "style": lambda features: TERMS["style"](pretrained=features, value_range=_RANGE),
    "lpips": lambda features: TERMS["lpips"](pretrained=features, value_range=_RANGE),
}
FEATURE_MATCHING = "feature-matching"


def term_weights(given: Sequence[str]) -> dict[str, float]:
    """Read ``NAME=WEIGHT``; a weight of 0 leaves a term out.

    Raises:
        UsageError: an unknown term, one that compares no images, or no weight.

    >>> term_weights(["l1=100", "ssim=10", "l1=1"])
    {'l1': 1.0, 'ssim': 10.0}
    """
    weights: dict[str, float] = {}
    for item in given:
        name, _, weight = item.partition("=")
        name = name.strip().lower().replace("_", "-")
        _check_name(name)
        try:
            weights[name] = float(weight)
        except ValueError as error:
            raise UsageError(f"--term {item}: say how much it weighs, e.g. {name}=10") from error
        if not 0 <= weights[name] < math.inf:
            raise UsageError(
                f"--term {item}: all terms are minimised, so a weight is at least 0 and finite"
            )
    return {name: weight for name, weight in weights.items() if weight}


def _check_name(name: str) -> None:
    known = (*_MAKE, "total-variation", FEATURE_MATCHING)
    if name in known:
        return
    if name in TERMS:
        raise UsageError(
            f"term {name} does not compare an image with its target; those that do: "
            f"{', '.join(known)}"
        )
    raise UsageError(f"no term {name!r}{suggest(name, known)} (known: {', '.join(known)})")


def pair_terms(
    weights: dict[str, float], features: str, place: Callable[[nn.Module], nn.Module]
) -> dict[str, tuple[PairTerm, float]]:
    """Make the terms; pretrained weights are looked for now, before any work.

    Raises:
        WeightsError: they are not here, with two ways out.
    """
    terms: dict[str, tuple[PairTerm, float]] = {}
    for name, weight in weights.items():
        if name == FEATURE_MATCHING:
            continue  # it needs the discriminator's maps
        if name == "total-variation":
            smooth = TERMS[name]()
            terms[name] = (lambda made, target, smooth=smooth: smooth(made), weight)
            continue
        try:
            term = _MAKE[name](features)
        except WeightsError as error:
            raise WeightsError(
                f"{error} (here: --features FOLDER, or --features random, or leave out --term "
                f"{name})"
            ) from error
        terms[name] = (place(term) if isinstance(term, nn.Module) else term, weight)
    return terms
