"""The battery: properties every loss should have, for ours and for yours.

``check(MyLoss())`` tries them and says what it tried; ``check(my_psnr, like="psnr")`` compares the
values with ours as well. ``ganloss check losses.py:MyLoss`` is the same from the command line.
"""

import warnings
from collections.abc import Mapping
from typing import Any, cast

from ganloss.check._report import Finding as Finding
from ganloss.check._report import Report as Report
from ganloss.losses import LOSSES
from ganloss.penalties import PENALTIES
from ganloss.terms import TERMS

__all__ = ["Finding", "Report", "check"]

_REGISTRIES = (LOSSES, PENALTIES, TERMS)


def check(thing: Any, like: str | None = None) -> Report:
    """Check a pair, a penalty or a term.

    Args:
        thing: an object with ``discriminator(real=, fake=)`` and ``generator(fake=)``, a penalty
            ``(critic, real=, fake=)``, or a term ``(input, target)``; functions will do.
        like: name of ours that it should agree with, e.g. ``"psnr"``, ``"gp"``,
            ``"least-squares"``, ``"LeastSquares(-1, 1, 0)"``; for one side of a pair written as a
            function ``"hinge.discriminator"`` or ``"hinge.generator"``.

    Raises:
        UsageError: an unknown name.

    >>> from ganloss import Hinge
    >>> check(Hinge()).ok
    True
    >>> print(check(lambda x, y: (x - y).abs().sum()).failed[0].check)
    A batch written twice has the same loss, unless its size is declared to matter
    """
    with warnings.catch_warnings():
        # Inputs are odd on purpose, and whether a loss takes them is told by the findings.
        warnings.simplefilter("ignore")
        return _check(thing, like)


def _check(thing: Any, like: str | None) -> Report:
    from ganloss.check import pairs, penalties, terms
    from ganloss.penalties import Penalty

    name = getattr(thing, "__name__", None) or repr(thing)
    reference, side, shape = _reference(like)
    shape = shape or terms.shape_of(thing)
    against = f", compared with {like}" if like else ""
    if side is not None:
        findings = pairs.check_side(thing, reference, cast("pairs.Player", side))
        return Report(f"{name} as a {side}'s loss{against}", findings)
    if shape is None and hasattr(thing, "discriminator") and hasattr(thing, "generator"):
        return Report(f"{name} as a pair{against}", pairs.check_pair(thing, reference))
    if isinstance(thing, Penalty) or isinstance(reference, Penalty) or _takes_a_critic(thing):
        return Report(f"{name} as a penalty{against}", penalties.check_penalty(thing, reference))
    findings = terms.check_term(thing, reference, shape)
    return Report(f"{name} as a term{against}", findings)


def _takes_a_critic(thing: Any) -> bool:
    from ganloss.check._subject import parameters

    first = next(iter(parameters(thing)), "").lower()
    return any(word in first for word in ("critic", "disc", "crit", "netd")) or first == "d"


def _reference(like: str | None) -> tuple[Any, str | None, Any]:
    """Find ours of that name, the side that is meant, and how it is called."""
    if like is None:
        return None, None, None
    from ganloss._errors import UsageError
    from ganloss._lazy import suggest
    from ganloss.augment import DiffAugment
    from ganloss.check.terms import SHAPES

    classes = {cls.__name__: cls for registry in _REGISTRIES for cls in registry.values()}
    arguments: dict[str, type] = {"DiffAugment": DiffAugment}
    entries = {name: cls for registry in _REGISTRIES for name, cls in registry.items()}
    name, _, side = like.partition(".") if "(" not in like else (like, "", "")
    if side and side not in ("discriminator", "generator"):
        raise UsageError(f"a pair has no side {side!r}; use .discriminator or .generator")
    if name not in entries and name not in classes and "(" not in name:
        hint = suggest(name, [*classes, *entries])
        raise UsageError(f"there is no loss {like!r}{hint}; see `ganloss losses list`")
    found = _build(name, entries, classes | arguments)
    entry = next((key for key, cls in entries.items() if isinstance(found, cls)), None)
    if entry is None:
        raise UsageError(f"{like!r} is no loss, penalty or term; see `ganloss losses list`")
    return found, side or None, SHAPES.get(entry)


def example(name: str) -> Any:
    """Make an entry of a registry by its name, with the usual arguments where it needs any.

    >>> example("boundary-equilibrium").k
    0.5
    """
    from ganloss.augment import DiffAugment

    entries = {name: cls for registry in _REGISTRIES for name, cls in registry.items()}
    classes = {cls.__name__: cls for cls in (*entries.values(), DiffAugment)}
    return _build(name, entries, classes)


def _build(name: str, entries: Mapping[str, type], classes: Mapping[str, type]) -> Any:
    from ganloss.check.load import build

    cls = entries.get(name)
    expression = name if cls is None else _EXAMPLES.get(name, cls.__name__)
    return build(expression, dict(classes), "ganloss")


#: Entries that cannot be made without arguments, with the usual ones.
_EXAMPLES = {
    "relativistic": "Relativistic(NonSaturating())",
    "relativistic-average": "RelativisticAverage(NonSaturating())",
    "mmd": 'MaximumMeanDiscrepancy("rational-quadratic")',
    "boundary-equilibrium": "BoundaryEquilibrium(k=0.5)",
    "f-divergence": 'FDivergence("kl")',
    "lecam": "LeCam(real_average=1.0, fake_average=-1.0)",
    "consistency": "Consistency(DiffAugment())",
    "cosine": "Cosine(dim=1)",
    "perceptual": 'Perceptual(pretrained="random", value_range=(0, 1))',
    "style": 'Style(pretrained="random", value_range=(0, 1))',
    "lpips": 'LPIPS(pretrained="random", value_range=(0, 1))',
    "mel": "MelSpectrogram(sample_rate=22050)",
}
