"""The Gaussian window of SSIM, as sums of shifted images along one axis and then the other."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from ganloss.terms._scratch import scratch

#: Up to this many pixels a side, a few products of matrices are faster than many sums.
_SMALL = 48


def gaussian(window: int, sigma: float) -> tuple[float, ...]:
    """Weights of a Gaussian window of odd length; they sum to 1.

    >>> [round(w, 4) for w in gaussian(3, 1.5)]
    [0.3078, 0.3844, 0.3078]
    """
    radius = window // 2
    weights = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(-radius, radius + 1)]
    total = sum(weights)
    return tuple(w / total for w in weights)


def blur(maps: Tensor, taps: tuple[float, ...]) -> Tensor:
    """Filter ``(..., H, W)`` along both axes where the window fits; differentiable."""
    for axis in (-1, -2):
        length = maps.shape[axis] - len(taps) + 1
        total = taps[0] * maps.narrow(axis, 0, length)
        for i, tap in enumerate(taps[1:], 1):
            total = torch.add(total, maps.narrow(axis, i, length), alpha=tap)
        maps = total
    return maps


def average(maps: Tensor, taps: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Filter contiguous ``maps (..., H, W)`` without a graph, and give scratch memory as well.

    Small images are multiplied by banded matrices, which is one call for each axis. Larger ones
    are filtered in place: the last ``len(taps) - 1`` rows and columns, where windows would run
    over the edge, then stay, and hold no meaningful values.
    """
    if not _is_small(maps):
        spare = scratch("spare", maps, *maps.shape)
        blur_in_place(maps, spare, taps)
        return maps, spare
    *_, height, width = maps.shape
    left, right = _band(height, taps, maps.dtype), _band(width, taps, maps.dtype)
    with torch.autocast("cpu", enabled=False):
        rows = (maps.view(-1, width) @ right.T).view(-1, height, len(right))
        averaged = (left @ rows).view(*maps.shape[:-2], len(left), len(right))
    return averaged, scratch("spare", averaged, *averaged.shape)


def spread(
    slopes: Tensor, size: tuple[int, int], scratch: Tensor, taps: tuple[float, ...]
) -> Tensor:
    """Transpose of :func:`average`: from the places of the window to the pixels ``size``."""
    if slopes.shape[-2:] == size:
        spread_in_place(slopes, scratch, taps)
        return slopes
    (height, width), (rows, columns) = size, slopes.shape[-2:]
    left, right = _band(height, taps, slopes.dtype), _band(width, taps, slopes.dtype)
    with torch.autocast("cpu", enabled=False):
        wide = (slopes.view(-1, columns) @ right).view(-1, rows, width)
        return (left.T @ wide).view(*slopes.shape[:-2], height, width)


def _is_small(maps: Tensor) -> bool:
    # Elsewhere, or when asked to, products may be rounded to fewer digits than the type has.
    exact = maps.device.type == "cpu" and torch.get_float32_matmul_precision() == "highest"
    return exact and max(maps.shape[-2:]) <= _SMALL


@lru_cache(maxsize=16)
def _band(length: int, taps: tuple[float, ...], dtype: torch.dtype) -> Tensor:
    """Matrix that filters a line, ``(places, length)``."""
    matrix = torch.zeros(length - len(taps) + 1, length, dtype=dtype)
    for i in range(len(matrix)):
        matrix[i, i : i + len(taps)] = torch.tensor(taps, dtype=dtype)
    return matrix


def blur_in_place(maps: Tensor, spare: Tensor, taps: tuple[float, ...]) -> None:
    """Filter contiguous ``maps (..., H, W)`` in place, without a graph.

    Memory is treated as one line, where a step to the next pixel is 1 and to the next row W:
    long sums over contiguous memory. The last ``len(taps) - 1`` rows and columns of the result,
    where windows would run over the edge, hold no meaningful values.

    Args:
        maps: input and result.
        spare: scratch memory of the same size.
        taps: weights of the window.
    """
    line, other = maps.view(-1), spare.view(-1)
    for source, result, step in ((line, other, 1), (other, line, maps.shape[-1])):
        end = source.numel() - (len(taps) - 1) * step
        total = torch.mul(source[:end], taps[0], out=result[:end])
        for i, tap in enumerate(taps[1:], 1):
            total.add_(source[i * step : i * step + end], alpha=tap)


def spread_in_place(maps: Tensor, spare: Tensor, taps: tuple[float, ...]) -> None:
    """Transpose of :func:`blur_in_place`, without a graph.

    The last ``len(taps) - 1`` rows and columns of ``maps`` are taken as zero, and made so: they
    are the padding between one row, or image, and the next.
    """
    margin = len(taps) - 1
    maps[..., maps.shape[-2] - margin :, :] = 0
    maps[..., maps.shape[-1] - margin :] = 0
    line, other = maps.view(-1), spare.view(-1)
    for source, result, step in ((line, other, 1), (other, line, maps.shape[-1])):
        torch.mul(source, taps[0], out=result)
        for i, tap in enumerate(taps[1:], 1):
            result[i * step :].add_(source[: -i * step], alpha=tap)
