"""Score maps: what a discriminator returns, checked and reduced in one place.

*Scores* are raw discriminator outputs (no sigmoid) of any shape ``(N, ...)``; a list holds one
entry per scale. The value of a sample is the mean over its elements, summed over scales. All
checks read metadata only, so they never wait for a device.
"""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Literal, ParamSpec, TypeAlias, TypeVar, get_args

import torch
from torch import Tensor

Scores: TypeAlias = Tensor | list[Tensor]
Reduction: TypeAlias = Literal["mean", "sum", "none"]

P = ParamSpec("P")
T = TypeVar("T")

_HALF = (torch.float16, torch.bfloat16)


def named(call: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a method with keyword-only arguments, to say how it is called.

    Python itself would say only how many positional arguments there may be.

    >>> class Loss:
    ...     @named("generator(fake=...)")
    ...     def generator(self, *, fake): return fake
    >>> Loss().generator(fake=3)
    3
    >>> Loss().generator(3)
    Traceback (most recent call last):
    TypeError: Loss takes these arguments by name, so that none can be swapped: generator(fake=...)
    """

    def decorate(method: Callable[P, T]) -> Callable[P, T]:
        arguments = signature(method).parameters.values()
        most = sum(a.kind is a.POSITIONAL_OR_KEYWORD for a in arguments)

        @wraps(method)
        def called(*positional: P.args, **by_name: P.kwargs) -> T:
            if positional[most:]:
                raise TypeError(
                    f"{type(positional[0]).__name__} takes these arguments by name, so that none "
                    f"can be swapped: {call}"
                )
            return method(*positional, **by_name)

        return called

    return decorate


def check_tensor(value: object, name: str) -> Tensor:
    """Return a floating tensor ``(N, ...)`` with at least one sample, in fp32 or better.

    Raises:
        TypeError: not a tensor, a tuple, a sparse tensor, or not floating point.
        ValueError: 0-d, or an empty batch.
    """
    if not isinstance(value, Tensor):
        raise TypeError(_not_a_tensor(value, name))
    if value.layout is not torch.strided:
        raise TypeError(not_strided(value, name))
    if not value.dtype.is_floating_point:
        raise TypeError(_not_floating(value, name))
    if value.dim() == 0:
        raise ValueError(
            f"{name} is a single number; pass the raw output of the network, shape (N, ...), "
            "not its mean"
        )
    if value.shape[0] == 0 or value.numel() == 0:
        raise ValueError(f"{name} is empty, shape {tuple(value.shape)}; pass at least one sample")
    return value.float() if value.dtype in _HALF else value


def not_strided(value: Tensor, name: str) -> str:
    """Say what to do with sparse and nested tensors, which few operations of torch can take.

    >>> not_strided(torch.ones(2, 2).to_sparse(), "input")
    'input has the layout sparse_coo; pass input.to_dense()'
    """
    layout = str(value.layout).removeprefix("torch.")
    mend = "pad it" if value.is_nested else f"pass {name}.to_dense()"
    return f"{name} has the layout {layout}; {mend}"


def _not_a_tensor(value: object, name: str) -> str:
    """Say what to do with what is no tensor."""
    kind = type(value).__name__
    if isinstance(value, tuple):
        return f"{name} is a tuple; if a network returns (scores, features), unpack them first"
    if isinstance(value, list):
        return f"{name} is a list; one tensor is needed: torch.cat or torch.stack its entries"
    if kind == "ndarray":
        return f"{name} is an array of NumPy; pass a tensor: torch.from_numpy({name})"
    return f"{name} must be a tensor, not {kind}"


def _not_floating(value: Tensor, name: str) -> str:
    mend = f"e.g. {name}.float() (and divide images by 255)"
    if value.is_complex():
        mend = f"{name}.abs(), or both parts by torch.view_as_real({name})"
    return f"{name} has dtype {value.dtype}; floating point is needed: convert it first, {mend}"


def scales(scores: object, name: str) -> list[Tensor]:
    """Split scores into their checked scales.

    Raises:
        TypeError, ValueError: as :func:`check_tensor`, an empty list, or scales of other batches.
    """
    if isinstance(scores, Tensor):
        return [check_tensor(scores, name)]
    if isinstance(scores, tuple):
        raise TypeError(f"{_not_a_tensor(scores, name)}; several scales go into a list")
    if not isinstance(scores, list):
        raise TypeError(_not_a_tensor(scores, name))
    if not scores:
        raise ValueError(f"{name} is an empty list; pass one tensor per scale")
    found = [check_tensor(scale, f"{name}[{i}]") for i, scale in enumerate(scores)]
    for i, scale in enumerate(found):
        if scale.shape[0] != found[0].shape[0]:
            raise ValueError(
                f"{name}[0] has {found[0].shape[0]} samples and {name}[{i}] has {scale.shape[0]}, "
                "but a sample's value is summed over its scales; pass equal batches, or a loss for "
                "each scale"
            )
    return found


def mark_cut_off(scores: object) -> None:
    """Remember of scores that samples were detached for them, so that G cannot learn from them."""
    if isinstance(scores, Tensor):
        scores._ganloss_cut_off = scores.requires_grad  # pyright: ignore[reportAttributeAccessIssue]
    elif isinstance(scores, list):
        for scale in scores:
            mark_cut_off(scale)


def check_not_cut_off(fake: Scores) -> None:
    """Refuse scores of a ``Critic`` in the generator's loss.

    Raises:
        ValueError: with the mend.
    """
    for scale in fake if isinstance(fake, list) else [fake]:
        if getattr(scale, "_ganloss_cut_off", False):
            raise ValueError(
                "fake are scores of a Critic, which detaches samples, so G would learn nothing "
                "from them; score them by the discriminator itself: generator(fake=D(G(z)))"
            )


def check_same_scales(real: list[Tensor], fake: list[Tensor], *, paired: bool) -> None:
    """Refuse real and fake scores that would broadcast, or be cut short by a zip.

    Args:
        real: checked scales of the real scores.
        fake: checked scales of the fake scores.
        paired: sample *i* of one meets sample *i* of the other, so batch sizes must agree too.
    """
    if len(real) != len(fake):
        raise ValueError(
            f"real has {len(real)} scales and fake has {len(fake)}; "
            "pass the same discriminators' outputs for both"
        )
    for r, f in zip(real, fake, strict=True):
        check_trailing_shapes(r, f, "real", "fake")
        if paired:
            check_equal_batches(r, f, "real", "fake")


def check_trailing_shapes(a: Tensor, b: Tensor, a_name: str, b_name: str) -> None:
    """Refuse two tensors whose per-sample shapes differ."""
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(
            f"{a_name} {tuple(a.shape)} and {b_name} {tuple(b.shape)} would broadcast; "
            "their shapes after the batch must be equal (flatten or unsqueeze one of them)"
        )


def check_equal_batches(a: Tensor, b: Tensor, a_name: str, b_name: str) -> None:
    """Refuse two tensors with different numbers of samples."""
    if a.shape[0] != b.shape[0]:
        raise ValueError(
            f"{a_name} has {a.shape[0]} samples and {b_name} has {b.shape[0]}, but sample i of "
            "one is compared with sample i of the other; pass equal batches"
        )


def check_same_shape(a: Tensor, b: Tensor, a_name: str = "input", b_name: str = "target") -> None:
    """Refuse two tensors of different shapes, instead of broadcasting them, or devices."""
    if a.device != b.device:
        raise ValueError(
            f"{a_name} is on {a.device} and {b_name} on {b.device}; move one to the other: "
            f"{b_name}.to({a_name}.device)"
        )
    if a.shape != b.shape:
        raise ValueError(
            f"{a_name} {tuple(a.shape)} and {b_name} {tuple(b.shape)} must have the same shape; "
            "nothing is broadcast"
        )


def check_reduction(reduction: str) -> None:
    """Refuse an unknown reduction."""
    if reduction not in get_args(Reduction):
        raise ValueError(f'reduction is {reduction!r}; use "mean", "sum" or "none"')


def check_weight(weight: object, samples: int, name: str) -> Tensor:
    """Return per-sample weights ``(N,)`` as a floating tensor."""
    if not isinstance(weight, Tensor):
        raise TypeError(f"{name} must be a tensor of shape ({samples},), one weight per sample")
    if weight.is_complex():
        raise TypeError(f"{name} has dtype {weight.dtype}; a weight is a real number")
    if weight.shape != (samples,):
        raise ValueError(
            f"{name} has shape {tuple(weight.shape)}; one weight per sample is needed, ({samples},)"
        )
    return weight.float() if not weight.is_floating_point() or weight.dtype in _HALF else weight


def softplus(x: Tensor) -> Tensor:
    """log(1 + e^x), exact in float64 as well: torch rounds it to x from 20 on by default.

    >>> softplus(torch.tensor([25.0], dtype=torch.float64)).item() > 25
    True
    """
    return torch.nn.functional.softplus(x, threshold=60.0)


def product(a: Tensor, b: Tensor) -> Tensor:
    """Matrix product in the precision of its factors, whatever autocast would make of it."""
    with torch.autocast(a.device.type, enabled=False):
        return a @ b


def per_sample(elements: Tensor) -> Tensor:
    """Mean over everything but the batch, ``(N, ...)`` to ``(N,)``."""
    return elements if elements.dim() == 1 else elements.flatten(1).mean(1)


def reduce(values: Tensor, weight: Tensor | None, reduction: Reduction) -> Tensor:
    """Reduce per-sample values ``(N,)``: the mean is Σwl/Σw, the sum Σwl, none w·l."""
    if weight is not None:
        values = values * weight
    if reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    return values.mean() if weight is None else values.sum() / weight.sum()
