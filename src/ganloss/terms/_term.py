"""The term: a loss of an input against a target, checked and reduced once for all."""

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor

from ganloss._scores import (
    Reduction,
    check_reduction,
    check_same_shape,
    check_tensor,
    check_weight,
    per_sample,
    reduce,
)


class Term(ABC):
    """A loss ``term(input, target)`` of tensors of equal shape ``(N, ...)``.

    The value of a sample is the mean over its elements. A subclass writes one hook,
    :meth:`values`; this class checks, promotes half precision to fp32, weighs and reduces.

    >>> class Quartic(Term):
    ...     def values(self, input, target):
    ...         return (input - target) ** 4
    >>> Quartic()(torch.tensor([1.0, 2.0]), torch.zeros(2), reduction="none")
    tensor([ 1., 16.])
    >>> Quartic().values(torch.ones(1, 2), torch.zeros(1, 2))
    tensor([[1., 1.]])
    """

    @abstractmethod
    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Losses of checked tensors: one per element ``(N, ...)`` or one per sample ``(N,)``."""

    @final
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> Tensor:
        """Loss of ``input`` against ``target``.

        Args:
            input: what the generator made, floating point, ``(N, ...)``.
            target: what it should be, of the same shape.
            weight: weight of each sample, ``(N,)``.
            reduction: ``"mean"`` Σwl/Σw, ``"sum"`` Σwl, ``"none"`` w·l, ``(N,)``.

        Raises:
            TypeError: an argument is not a tensor of floating point numbers.
            ValueError: shapes differ, a batch is empty, or a weight has a wrong shape.
        """
        input, target = checked_images(input, target)
        return reduced(self.values(input, target), weight, reduction)


def checked_images(
    input: object, target: object, input_name: str = "input", target_name: str = "target"
) -> tuple[Tensor, Tensor]:
    """Return both tensors in one floating type, fp32 or better, after refusing what is wrong."""
    a, b = check_tensor(input, input_name), check_tensor(target, target_name)
    check_same_shape(a, b, input_name, target_name)
    if a.dtype != b.dtype:
        wide = torch.promote_types(a.dtype, b.dtype)
        a, b = a.to(wide), b.to(wide)
    return a, b


def reduced(values: Tensor, weight: Tensor | None, reduction: Reduction) -> Tensor:
    """Reduce elementwise or per-sample losses as :class:`Term` promises."""
    if weight is None and reduction == "mean":
        # Every sample has as many elements, so the mean of means is the mean.
        return values.mean()
    check_reduction(reduction)
    samples = per_sample(values)
    if weight is not None:
        weight = check_weight(weight, samples.shape[0], "weight")
    return reduce(samples, weight, reduction)


def check_positive(value: float, name: str, example: str) -> None:
    """Refuse a parameter that is not a positive finite number."""
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} is {value}; it must be positive and finite, {example}")


def directions(x: Tensor) -> Tensor:
    """Unit vectors along the last dimension; a zero vector stays zero, with zero gradient."""
    size = x.detach().abs().amax(-1, keepdim=True)
    # The direction does not depend on the size, so the size needs no gradient.
    scaled = x / torch.where(size == 0, 1.0, size)
    norm = torch.linalg.vector_norm(scaled, dim=-1, keepdim=True)
    return scaled / torch.where(size == 0, 1.0, norm)


def check_labels(
    labels: object, samples: Tensor, name: str, labels_name: str, classes: int | None = None
) -> Tensor:
    """Return the class of each sample, ``(N,)``, as int64.

    Args:
        labels: what was given.
        samples: what they belong to, ``(N, ...)``.
        name: of the samples, for messages.
        labels_name: of the labels, for messages.
        classes: how many there are; None if any number from 0 on will do.

    Raises:
        TypeError: not a tensor of integers.
        ValueError: not one per sample, or one that is no class. Only labels on the CPU are looked
            at, since those of a device would have to be waited for.
    """
    if not isinstance(labels, Tensor):
        raise TypeError(
            f"{labels_name} must be a tensor of integers, the class of each sample, not "
            f"{type(labels).__name__}: pass torch.tensor(...)"
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(
            f"{labels_name} has dtype {labels.dtype}; integers are needed, the class of each "
            f"sample: pass {labels_name}.long(), or for one-hot rows {labels_name}.argmax(1)"
        )
    if labels.shape != samples.shape[:1]:
        raise ValueError(
            f"{labels_name} has shape {tuple(labels.shape)} and {name} {tuple(samples.shape)}; one "
            f"class per sample is needed, ({samples.shape[0]},)"
        )
    found = labels.long()
    _check_range(found, labels_name, classes)
    return found


def _check_range(labels: Tensor, name: str, classes: int | None) -> None:
    if labels.device.type != "cpu" or torch.compiler.is_compiling():
        return
    try:
        low, high = (int(end) for end in labels.aminmax())
    except RuntimeError:  # inside torch.func.vmap no number can be read
        return
    if low < 0 or (classes is not None and high >= classes):
        wrong = low if low < 0 else high
        last = "" if classes is None else f" to {classes - 1}"
        raise ValueError(
            f"{name} holds the class {wrong}; classes are counted from 0{last}: leave samples "
            "without a class out, and let the logits have one column per class"
        )
