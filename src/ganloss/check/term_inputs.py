"""What terms of single images, patches, classes and codes are tried with."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ganloss.check._subject import Inputs, Subject, accepts, normal, parameters, uniform

_CLASSES = 4


def image(term: Any) -> Subject:
    """Terms of one batch of images, ``term(input)``.

    >>> from ganloss import TotalVariation
    >>> subject = image(TotalVariation())
    >>> [tuple(x.shape) for x in subject.draw(2, 0).values()]
    [(2, 3, 8, 8)]
    """

    def call(inputs: Inputs) -> Tensor:
        return term(inputs["input"])

    def none(inputs: Inputs) -> Tensor:
        return term(inputs["input"], reduction="none")

    def draw(samples: int, seed: int) -> Inputs:
        return {"input": uniform(samples, 3, 8, 8, seed=seed)}

    x = draw(4, 3)["input"]
    return Subject(
        call,
        draw,
        learns=("input",),
        none=none if accepts(term, "reduction") else None,
        degenerate={"constant": {"input": 0 * x}, "one pixel": {"input": x[..., :1, :1]}},
        misuses={
            "empty batches": {"input": x[:0]},
            "integers": {"input": (255 * x).byte()},
            "single numbers": {"input": x.mean()},
            "a tuple": {"input": (x, x)},
        },
        least=({"input": 0.5 + 0 * x}, [{"input": x}]),
    )


def patches(term: Any) -> Subject:
    """Terms of features at several places, ``term(fake=[(N, S, C)], real=...)``.

    >>> from ganloss import PatchNCE
    >>> subject = patches(PatchNCE())
    >>> inputs = subject.draw(2, 0)
    >>> [tuple(x.shape) for x in inputs["real"]], subject.call(inputs).shape
    ([(2, 5, 3), (2, 4, 6)], torch.Size([]))
    """

    def call(inputs: Inputs) -> Tensor:
        return term(fake=inputs["fake"], real=inputs["real"])

    def draw(samples: int, seed: int) -> Inputs:
        def maps(seed: int) -> list[Tensor]:
            return [normal(samples, 5, 3, seed=seed), normal(samples, 4, 6, seed=seed + 1)]

        return {"fake": maps(seed), "real": maps(seed + 100)}

    fake, real = draw(4, 3).values()
    zero = [0 * x for x in real]
    return Subject(
        call,
        draw,
        learns=("fake",),
        constants=("real",),
        degenerate={
            "identical": {"fake": fake, "real": fake},
            "zero": {"fake": zero, "real": zero},
            "large": {"fake": [1e4 * x for x in fake], "real": real},
        },
        misuses={
            "another number of layers": {"fake": fake, "real": real[:1]},
            "other batch sizes": {"fake": fake, "real": [x[:1] for x in real]},
            "another number of places": {"fake": fake, "real": [x[:, :1] for x in real]},
            "empty batches": {"fake": [x[:0] for x in fake], "real": [x[:0] for x in real]},
            "no layers": {"fake": [], "real": []},
            "a tensor in place of a list": {"fake": fake[0], "real": real[0]},
        },
        least=({"fake": real, "real": real}, [{"fake": fake, "real": real}]),
    )


def labels(term: Any) -> Subject:
    """Terms of classifiers with a side for each player, of which the checks see a weighted sum.

    >>> from ganloss import AuxiliaryClassifier
    >>> subject = labels(AuxiliaryClassifier())
    >>> sorted(subject.draw(2, 0))
    ['fake', 'fake_labels', 'real', 'real_labels']
    """
    sides = [term.discriminator, term.generator]
    logits = sorted({n for side in sides for n in parameters(side) if not n.endswith("_labels")})

    def call(inputs: Inputs) -> Tensor:
        given = _with_integers(inputs, "real_labels", "fake_labels")
        first, second = (side(**{name: given[name] for name in parameters(side)}) for side in sides)
        return first + 0.7 * second  # a plain sum lets what players disagree on cancel

    def draw(samples: int, seed: int) -> Inputs:
        places = enumerate(logits)
        drawn = {name: normal(samples, 2 * _CLASSES, seed=seed + 7 * i) for i, name in places}
        return {
            **drawn,
            "real_labels": _classes(samples, seed),
            "fake_labels": _classes(samples, seed + 1),
        }

    inputs = draw(4, 3)
    return Subject(
        call,
        draw,
        learns=logits,
        degenerate={
            "large logits": _changed(inputs, logits, lambda x: 1e3 * x),
            "zero": _changed(inputs, logits, lambda x: 0 * x),
        },
        misuses={
            "labels as one-hot rows": {**inputs, "fake_labels": torch.ones(4, _CLASSES)},
            "other numbers of labels": {**inputs, "fake_labels": inputs["fake_labels"][:1]},
            "logits without classes": _changed(inputs, logits, lambda x: x[:, 0]),
            "empty batches": {name: x[:0] for name, x in inputs.items()},
            "logits as integers": _changed(inputs, logits, lambda x: x.byte()),
        },
    )


def embeddings(term: Any) -> Subject:
    """Terms of embeddings of samples and of their classes.

    >>> from ganloss import ConditionalContrastive
    >>> subject = embeddings(ConditionalContrastive())
    >>> subject.draw(3, 0)["labels"].tolist()
    [0.0, 1.0, 0.0]
    """

    def call(inputs: Inputs) -> Tensor:
        return term(**_with_integers(inputs, "labels"))

    def draw(samples: int, seed: int) -> Inputs:
        return {
            "embeddings": normal(samples, 3, seed=seed),
            "proxies": normal(samples, 3, seed=seed + 1),
            "labels": torch.arange(samples, dtype=torch.float64) % 2,
        }

    inputs = draw(4, 3)
    both = ("embeddings", "proxies")
    return Subject(
        call,
        draw,
        learns=both,
        batch_statistic=bool(getattr(term, "batch_statistic", False)),
        compares_samples=bool(getattr(term, "compares_samples", False)),
        degenerate={
            "zero": _changed(inputs, both, lambda x: 0 * x),
            "identical": _changed(inputs, both, lambda x: torch.ones_like(x)),
            "large": _changed(inputs, both, lambda x: 1e4 * x),
            "one class": {**inputs, "labels": 0 * inputs["labels"]},
            "one sample": {name: x[:1] for name, x in inputs.items()},
        },
        misuses={
            "other shapes": {**inputs, "proxies": inputs["proxies"][:, :1]},
            "other batch sizes": {**inputs, "proxies": inputs["proxies"][:1]},
            "one proxy for each class": {**inputs, "proxies": inputs["proxies"][:2]},
            "other numbers of labels": {**inputs, "labels": inputs["labels"][:1]},
            "empty batches": {name: x[:0] for name, x in inputs.items()},
        },
    )


def codes(term: Any) -> Subject:
    """Terms of codes and what a network reads of them.

    >>> from ganloss import MutualInformation
    >>> sorted(codes(MutualInformation()).draw(2, 0))
    ['categories', 'codes', 'log_variance', 'logits', 'mean']
    """

    def call(inputs: Inputs) -> Tensor:
        return term(**_with_integers(inputs, "categories"))

    def draw(samples: int, seed: int) -> Inputs:
        names = enumerate(("codes", "mean", "log_variance"))
        return {
            "logits": normal(samples, _CLASSES, seed=seed),
            "categories": _classes(samples, seed),
            **{name: normal(samples, 2, seed=seed + 1 + i) for i, name in names},
        }

    inputs = draw(4, 3)
    sure = {**inputs, "mean": inputs["codes"]}
    learns = ("logits", "mean", "log_variance")
    return Subject(
        call,
        draw,
        learns=learns,
        degenerate={
            "zero": _changed(inputs, ("codes", *learns), lambda x: 0 * x),
            "large logits": _changed(inputs, ("logits",), lambda x: 1e4 * x),
        },
        misuses={
            "other shapes": {**inputs, "mean": inputs["mean"][:, :1]},
            "other batch sizes": {**inputs, "mean": inputs["mean"][:1]},
            "a code without its mean": {**inputs, "mean": None},
            "logits without categories": {**inputs, "categories": torch.ones(4, _CLASSES)},
            "empty batches": {name: x[:0] for name, x in inputs.items()},
        },
        least=(sure, [inputs]),
    )


def _classes(samples: int, seed: int) -> Tensor:
    # In float64, so that precisions can be changed and NaN put in as everywhere else.
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(_CLASSES, (samples,), generator=generator).double()


def _with_integers(inputs: Inputs, *names: str) -> dict[str, Any]:
    """Inputs whose labels are integers, as users have them; NaN is class 0."""
    found = dict(inputs)
    for name in names:
        value = found[name]
        if isinstance(value, Tensor) and value.is_floating_point() and value.dim() == 1:
            found[name] = value.detach().nan_to_num().long()
    return found


def _changed(
    inputs: Inputs, names: tuple[str, ...] | list[str], change: Callable[[Tensor], Tensor]
) -> dict[str, Any]:
    return {name: change(x) if name in names else x for name, x in inputs.items()}
