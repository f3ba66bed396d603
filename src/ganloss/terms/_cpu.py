"""The similarity on a CPU: a kernel in C, where a C compiler was there at installation."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ganloss.terms import _cpu_kernel  # pyright: ignore[reportAttributeAccessIssue]

#: Bits of the vectors that torch itself uses on this processor; `ATEN_CPU_CAPABILITY` limits both.
_BITS = {"AVX2": 256, "AVX512": 512}

_kernel: Any = _cpu_kernel


def fused_if_possible(
    x: Tensor, y: Tensor, c1: float | None, c2: float, taps: tuple[float, ...], count: int
) -> tuple[Tensor, list[Tensor]] | None:
    """What :func:`fused` gives, or None where the kernel does not suit."""
    suits = _suits(x) and _suits(y)
    return fused(x, y, c1, c2, taps, count, _bits()) if suits else None


def _suits(x: Tensor) -> bool:
    """Whether the memory of a tensor is in reach, and holds its values."""
    plain = type(x) is Tensor and x.device.type == "cpu" and x.dtype == torch.float32
    return plain and not x.is_neg() and not x._is_zerotensor()


def fused(
    x: Tensor,
    y: Tensor,
    c1: float | None,
    c2: float,
    taps: tuple[float, ...],
    count: int,
    bits: int,
) -> tuple[Tensor, list[Tensor]]:
    """Mean similarity of each plane, and halves of its gradients times the number of places.

    As everywhere in the fused computation, both lack a factor of 2 where there is a luminance.

    Args:
        x: float32 planes ``(P, H, W)`` on the CPU, no smaller than the window.
        y: the same for the other image.
        c1: constant of the luminance; None leaves the luminance out.
        c2: constant of contrast and structure.
        taps: weights of the window.
        count: how many gradients to compute: none, that by x, or both.
        bits: widest vectors to use; results differ by rounding only.
    """
    x, y = x.contiguous(), y.contiguous()
    means = x.new_empty(x.shape[0])
    gradients = [torch.empty_like(x) for _ in range(count)]
    by_x, by_y = [gradient.data_ptr() for gradient in gradients] + [0] * (2 - count)
    weights = _twice(taps)  # held here: another thread may push it out of the cache meanwhile
    _kernel.similarity(
        x.data_ptr(), y.data_ptr(), means.data_ptr(), by_x, by_y, weights.data_ptr(),
        *x.shape, len(taps), c1 or 0.0, c2, c1 is not None, torch.get_num_threads(), bits,
    )  # fmt: skip
    return means, gradients


@lru_cache(maxsize=1)
def _bits() -> int:
    return _BITS.get(torch.backends.cpu.get_cpu_capability(), 128)


@lru_cache(maxsize=16)
def _twice(taps: tuple[float, ...]) -> Tensor:
    return torch.tensor(taps * 2, dtype=torch.float32, device="cpu")
