"""Checks of terms: what they are called with, and where they like to break."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganloss._importing import told
from ganloss.check import term_inputs
from ganloss.check._report import Finding, Wrong, examine
from ganloss.check._subject import Inputs, Subject, accepts, normal, parameters, uniform
from ganloss.check.properties import EVERY, agrees_with, is_a_value
from ganloss.terms import TERMS

#: How a term is called.
Shape = Literal[
    "images",
    "image",
    "classes",
    "gaussians",
    "features",
    "translation",
    "patches",
    "labels",
    "embeddings",
    "codes",
]

#: Entries of TERMS that are not called with (input, target) images.
SHAPES: dict[str, Shape] = {
    "kl": "classes",
    "gaussian-kl": "gaussians",
    "feature-matching": "features",
    "mean-feature-matching": "features",
    "cycle": "translation",
    "identity": "translation",
    "total-variation": "image",
    "patch-nce": "patches",
    "ac-gan": "labels",
    "tac-gan": "labels",
    "adc-gan": "labels",
    "multi-hinge": "labels",
    "2c": "embeddings",
    "d2d-ce": "embeddings",
    "infogan": "codes",
}

#: Samples that terms of images and of vectors are tried with, smallest first.
_SAMPLE_SHAPES = (
    *((3, side, side) for side in (8, 16, 32, 64)),
    (1, 192, 192),
    (6,),
    (4, 6),
    (2400,),
)


def check_term(term: Any, reference: Any = None, shape: Shape | None = None) -> list[Finding]:
    """Findings about a term.

    Args:
        term: a :class:`~ganloss.Term`, or any callable of the given shape.
        reference: a term it should agree with.
        shape: how it is called; found out from its parameters if None.

    >>> from ganloss import L1, MSE
    >>> any(finding.verdict == "failed" for finding in check_term(L1()))
    False
    >>> check_term(L1(), MSE())[-2].verdict
    'failed'
    """
    shape = shape or _guess(term)
    both = [_in_float64(term)] if reference is None else [_in_float64(x) for x in (term, reference)]
    try:
        subject, *other = _subjects(both, shape)
    except Wrong as wrong:
        return [Finding("Batches of images or of vectors are accepted", "failed", str(wrong))]
    properties: list[Any] = [*EVERY, *map(agrees_with, other)]
    return [*examine(subject, properties), *examine(term, [is_a_value])]


def shape_of(thing: object) -> Shape | None:
    """How one of our own terms is called, or None for anything else.

    >>> from ganloss import KLDivergence, L1
    >>> shape_of(KLDivergence()), shape_of(L1()), shape_of(abs)
    ('classes', 'images', None)
    """
    names = (name for name, cls in TERMS.items() if type(thing) is cls)
    return next((SHAPES.get(name, "images") for name in names), None)


def looks_like_a_side(function: object) -> bool:
    """Whether a function takes ``fake`` or ``real`` by name, and is no term of lists of maps.

    >>> from ganloss import CycleConsistency, FeatureMatching
    >>> looks_like_a_side(lambda fake_scores: fake_scores.mean())
    True
    >>> looks_like_a_side(FeatureMatching()), looks_like_a_side(CycleConsistency())
    (False, False)
    """
    if not callable(function) or shape_of(function) is not None:
        return False
    names = [name.lower() for name in parameters(function)]
    if {"real_a", "real_b"} <= set(names) or not any("real" in n or "fake" in n for n in names):
        return False
    if {"fake", "real"} <= set(names):
        maps = [[normal(2, 3, seed=0)]]
        try:
            function(fake=maps, real=maps)
        except Exception:
            return True
        return False
    return True


def _in_float64(term: Any) -> Any:
    """Copy of a network in float64, so that finite differences have digits to work with."""
    return copy.deepcopy(term).double() if isinstance(term, nn.Module) else term


def _guess(term: Any) -> Shape:
    names = set(parameters(term))
    if {"real_a", "real_b"} <= names:
        return "translation"
    if {"fake", "real"} <= names:
        return "features"
    if any(word in name.lower() for name in names for word in ("log_var", "logvar", "lnvar")):
        return "gaussians"
    if "embeddings" in names:
        return "embeddings"
    if "logits" in names:
        return "codes" if "categories" in names else "classes"
    return "image" if "input" in names and "target" not in names else "images"


def _subjects(terms: Sequence[Any], shape: Shape) -> list[Subject]:
    """What is tried of terms that are compared: images that suit them all, a window's size too."""
    if shape != "images":
        return [_subject(term, shape) for term in terms]
    sample = _accepted_shape(terms)
    return [_images(term, sample) for term in terms]


def _subject(term: Any, shape: Shape) -> Subject:
    makers: dict[Shape, Callable[[Any], Subject]] = {
        "images": _images,
        "classes": _classes,
        "gaussians": _gaussians,
        "features": _features,
        "translation": _translation,
        "image": term_inputs.image,
        "patches": term_inputs.patches,
        "labels": term_inputs.labels,
        "embeddings": term_inputs.embeddings,
        "codes": term_inputs.codes,
    }
    return makers[shape](term)


def _two(term: Any) -> tuple[Callable[[Inputs], Tensor], Callable[[Inputs], Tensor] | None]:
    """The call with two positional tensors, and the one for each sample if there is one."""

    def call(inputs: Inputs) -> Tensor:
        return term(*inputs.values())

    def none(inputs: Inputs) -> Tensor:
        return term(*inputs.values(), reduction="none")

    return call, none if accepts(term, "reduction") else None


def _misuses(first: str, second: str, sample: Sequence[int], good: Tensor) -> dict[str, Inputs]:
    x = good[:4]
    wrong = {
        "other batch sizes": (x, x[:1]),
        "empty batches": (x[:0], x[:0]),
        "integers": ((255 * x).byte(), (255 * x).byte()),
        "single numbers": (x.mean(), x.mean()),
        "a tuple": ((x, x), x),
    }
    if len(sample) == 1:
        wrong["(N, D, 1) against (N, D)"] = (x[..., None], x)
    else:
        one = x[:, :1]
        wrong["one channel against several"] = (one, one.expand(-1, sample[0] + 1, *sample[1:]))
    return {name: {first: a, second: b} for name, (a, b) in wrong.items()}


def _images(term: Any, sample: tuple[int, ...] | None = None) -> Subject:
    call, none = _two(term)
    sample = _accepted_shape([term]) if sample is None else sample

    def draw(samples: int, seed: int) -> Inputs:
        x = uniform(samples, *sample, seed=seed)
        return {"input": x, "target": 0.7 * x + 0.3 * uniform(samples, *sample, seed=seed + 100)}

    x, y = draw(4, 3).values()
    ones = torch.ones_like(x)
    return Subject(
        call,
        draw,
        learns=("input",),
        none=none,
        batch_statistic=bool(getattr(term, "batch_statistic", False)),
        constant_weights=bool(getattr(term, "constant_weights", False)),
        degenerate={
            "identical": {"input": x, "target": x.clone()},
            "zero": {"input": 0 * ones, "target": 0 * ones},
            "zero against an image": {"input": 0 * ones, "target": x},
            "constant": {"input": 0.5 * ones, "target": 0.25 * ones},
            "opposite": {"input": x, "target": 1 - x},
            "a little outside [0, 1]": {"input": 1.2 * x - 0.1, "target": x},
        },
        misuses=_misuses("input", "target", sample, x),
        least=(
            {"input": x.clone(), "target": x},
            [{"input": value, "target": x} for value in (y, 1 - x, x * y, 1 - (1 - x) * y)],
        ),
    )


def _accepted_shape(terms: Sequence[Any]) -> tuple[int, ...]:
    """Smallest kind of sample that all of some terms take, if there is one with finite values."""
    accepted: list[tuple[int, ...]] = []
    problems: dict[tuple[int, ...], Exception] = {}
    for shape in _SAMPLE_SHAPES:
        x, y = (uniform(2, *shape, seed=seed) for seed in (0, 1))
        try:
            values = [term(x, y) for term in terms]
        except Exception as error:
            problems[shape] = error
            continue
        accepted.append(shape)
        if all(torch.isfinite(v).all() for v in values if isinstance(v, Tensor)):
            return shape
    if accepted:
        return accepted[0]
    reasons = "; ".join(f"{(2, *s)}: {told(problems[s])}" for s in ((3, 64, 64), (6,)))
    raise Wrong(f"no batch of images or of vectors in float64 was accepted; {reasons}")


def _classes(term: Any) -> Subject:
    call, none = _two(term)

    def draw(samples: int, seed: int) -> Inputs:
        return {
            "logits": normal(samples, 4, seed=seed),
            "target": normal(samples, 4, seed=seed + 100).softmax(1),
        }

    logits, target = draw(4, 3).values()
    zero = torch.zeros_like(target)
    point = torch.nn.functional.one_hot(torch.tensor([0, 1, 2, 3])).double()
    return Subject(
        call,
        draw,
        learns=("logits", "target"),
        none=none,
        degenerate={
            "a target of zeros and ones": {"logits": logits, "target": point},
            "large logits": {"logits": 100 * logits, "target": target},
            "a certain model": {"logits": 1e4 * point, "target": point},
        },
        misuses={
            "other numbers of classes": {"logits": logits, "target": target[:, :1]},
            "other batch sizes": {"logits": logits, "target": target[:1]},
            "empty batches": {"logits": logits[:0], "target": target[:0]},
            "labels in place of probabilities": {
                "logits": logits,
                "target": torch.tensor([0, 1, 2, 3]),
            },
        },
        least=(
            {"logits": target.log(), "target": target},
            [{"logits": logits, "target": target}, {"logits": zero, "target": target}],
        ),
    )


def _gaussians(term: Any) -> Subject:
    call, none = _two(term)

    def draw(samples: int, seed: int) -> Inputs:
        return {
            "mean": normal(samples, 3, seed=seed),
            "log_variance": normal(samples, 3, seed=seed + 100),
        }

    mean, log_variance = draw(4, 3).values()
    zero = torch.zeros_like(mean)
    return Subject(
        call,
        draw,
        learns=("mean", "log_variance"),
        none=none,
        degenerate={
            "the prior itself": {"mean": zero, "log_variance": zero},
            "a point": {"mean": mean, "log_variance": zero - 80},
        },
        misuses={
            "other shapes": {"mean": mean, "log_variance": log_variance[:, :1]},
            "other batch sizes": {"mean": mean, "log_variance": log_variance[:1]},
            "empty batches": {"mean": mean[:0], "log_variance": mean[:0]},
        },
        least=(
            {"mean": zero, "log_variance": zero},
            [{"mean": sign * mean.abs(), "log_variance": zero} for sign in (1, -1)]
            + [{"mean": zero, "log_variance": sign * log_variance.abs()} for sign in (1, -1)],
        ),
    )


def _features(term: Any) -> Subject:
    def call(inputs: Inputs) -> Tensor:
        return term(fake=inputs["fake"], real=inputs["real"])

    def draw(samples: int, seed: int) -> Inputs:
        def maps(seed: int) -> list[list[Tensor]]:
            first = [normal(samples, 2, 3, 3, seed=seed), normal(samples, 4, seed=seed + 1)]
            return [first, [normal(samples, 3, seed=seed + 2)]]

        return {"fake": maps(seed), "real": maps(seed + 100)}

    fake, real = draw(4, 3).values()
    above, below = ([[m + sign * m.abs() for m in d] for d in real] for sign in (1, -1))
    return Subject(
        call,
        draw,
        learns=("fake",),
        constants=("real",),
        batch_statistic=bool(getattr(term, "batch_statistic", False)),
        degenerate={"identical": {"fake": fake, "real": fake}},
        misuses={
            "another number of discriminators": {"fake": fake, "real": real[:1]},
            "another number of layers": {"fake": fake, "real": [real[0][:1], real[1]]},
            "maps of another shape": {"fake": fake, "real": [[real[0][0], real[1][0]], real[1]]},
            "no maps": {"fake": [], "real": []},
        },
        least=(
            {"fake": real, "real": real},
            [{"fake": value, "real": real} for value in (fake, above, below)],
        ),
    )


def _translation(term: Any) -> Subject:
    # Curved, so that swapped generators give another number; a generator has a precision of its
    # own, which is not what is checked.
    def a_to_b(x: Tensor) -> Tensor:
        return x.double().square() + 0.1

    def b_to_a(y: Tensor) -> Tensor:
        return 0.5 * y.double() + 0.2

    def call(inputs: Inputs) -> Tensor:
        return term(**inputs, a_to_b=a_to_b, b_to_a=b_to_a)

    def draw(samples: int, seed: int) -> Inputs:
        shape = (samples, 3, 4, 4)
        return {"real_a": 2 + uniform(*shape, seed=seed), "real_b": uniform(*shape, seed=seed + 9)}

    real_a, real_b = draw(4, 3).values()
    return Subject(
        call,
        draw,
        learns=("real_a", "real_b"),
        degenerate={"zero": {"real_a": 0 * real_a, "real_b": 0 * real_b}},
        misuses={
            "empty batches": {"real_a": real_a[:0], "real_b": real_b[:0]},
            "integers": {"real_a": real_a.byte(), "real_b": real_b.byte()},
        },
    )
