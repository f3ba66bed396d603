"""The Gaussian window of SSIM, along one axis and then the other.

Without a graph, both axes are filters of what lies in memory one behind the other: rows ``(R, M)``
whose neighbours are whole rows, and a line whose neighbours are single numbers. On a CPU each is a
product with a small banded matrix, which takes a fifth of the time of eleven shifted sums.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ganloss.terms._scratch import scratch

#: A band gives this many places at once, or more for wider windows: with fewer the products are
#: too small to be fast, with more they are mostly zeros.
_PLACES = 16
#: Lines of up to this many pixels are one product with the whole band, which leaves no margin.
_SHORT = 48


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


def average(maps: Tensor, taps: Sequence[float], *, banded: bool) -> Tensor:
    """Filter contiguous ``maps (H, ..., W)`` along both axes, without a graph.

    The result ``(H - margin, ..., W - margin)``, where the margin is ``len(taps) - 1``, is scratch
    memory. It may have W columns: then the last ones, where windows would run over the edge, hold
    no meaningful values.

    Args:
        maps: any number of maps; rows come first, so that each is one with those beside it.
        taps: weights of the window.
        banded: multiply by bands, which spreads what is not finite to other places.
    """
    height, *inner = maps.shape
    rows = height - len(taps) + 1
    count = rows * math.prod(inner)
    size = _whole_blocks(count, taps)
    tall, wide = scratch("rows", maps, size), scratch("places", maps, size)
    tall[count:] = 0
    _filter_rows(maps.view(height, -1), tall[:count].view(rows, -1), taps, banded=banded)
    if banded and inner[-1] <= _SHORT:
        band = _whole_band(inner[-1], tuple(taps), maps.dtype)
        lines = tall[:count].view(-1, len(band))
        sums = wide[: len(lines) * band.shape[1]].view(len(lines), -1)
        return torch.mm(lines, band, out=sums).view(rows, *inner[:-1], -1)
    _filter_line(tall, wide, taps, banded=banded)
    return wide[:count].view(rows, *inner)


def padded_slopes(like: Tensor, taps: Sequence[float], rows: int, *inner: int) -> Tensor:
    """Memory for :func:`spread`: ``rows``, and a margin of zeros before and behind them."""
    margin = len(taps) - 1
    slopes = scratch("slopes", like, rows + 2 * margin, *inner)
    slopes[:margin] = 0
    slopes[margin + rows :] = 0
    return slopes


def spread(slopes: Tensor, width: int, taps: Sequence[float], *, banded: bool) -> Tensor:
    """Transpose of :func:`average`: from the places of the window to the pixels.

    The result ``(H, ..., W)`` is scratch memory, the same as that of :func:`average`.

    Args:
        slopes: those of :func:`padded_slopes`, with the columns that :func:`average` gave. If they
            are W, the last ones are made zero: they are the padding between one row and the next.
        width: W.
        taps: weights of the window, which is symmetric.
        banded: as for :func:`average`.
    """
    margin = len(taps) - 1
    height, *inner, columns = slopes.shape
    height -= margin
    if columns < width:
        tall = scratch("rows", slopes, height, *inner, columns)
        _filter_rows(slopes.view(len(slopes), -1), tall.view(height, -1), taps, banded=banded)
        wide = scratch("places", slopes, height, *inner, width)
        band = _whole_band(width, tuple(taps), slopes.dtype)
        torch.mm(tall.view(-1, columns), band.T, out=wide.view(-1, width))
        return wide
    slopes[..., width - margin :] = 0
    count = height * math.prod(inner) * width
    size = _whole_blocks(count + margin, taps)
    tall, wide = scratch("rows", slopes, size), scratch("places", slopes, size)
    tall[:margin] = 0
    tall[margin + count :] = 0
    pixels = tall[margin : margin + count].view(height, -1)
    _filter_rows(slopes.view(len(slopes), -1), pixels, taps, banded=banded)
    _filter_line(tall, wide, taps, banded=banded)
    return wide[:count].view(height, *inner, width)


def _filter_rows(source: Tensor, result: Tensor, taps: Sequence[float], *, banded: bool) -> None:
    """Sum ``len(taps)`` rows of contiguous ``source (R + margin, M)`` into each of ``result``.

    Args:
        source: what is filtered; the margin is ``len(taps) - 1``.
        result: filled with the R rows of sums.
        taps: weights of the window.
        banded: multiply by bands, which spreads what is not finite to other places.
    """
    if not banded:
        _sum_shifted(source, result, taps)
        return
    places, band = _block(taps), _band(tuple(taps), result.dtype)
    full, rest = divmod(len(result), places)
    if full:
        row = source.shape[1]
        windows = source.as_strided((full, band.shape[1], row), (places * row, row, 1))
        sums = result[: full * places].view(full, places, row)
        torch.bmm(band.expand(full, -1, -1), windows, out=sums)
    if rest:
        start, last = full * places, band[:rest, : rest + len(taps) - 1]
        torch.mm(last, source[start:], out=result[start:])


def _filter_line(source: Tensor, result: Tensor, taps: Sequence[float], *, banded: bool) -> None:
    """Sum ``len(taps)`` numbers of ``source (L,)`` into each of ``result (L,)``.

    The last ``len(taps) - 1`` sums, where windows would run over the end, hold no meaningful
    values. L must be a multiple of :func:`_block`.
    """
    margin = len(taps) - 1
    if not banded:
        _sum_shifted(source, result[: len(result) - margin], taps)
        return
    places = _block(taps)
    band = _band(tuple(taps), result.dtype).T
    lines, sums = source.view(-1, places), result.view(-1, places)
    torch.mm(lines, band[:places], out=sums)
    sums[:-1].addmm_(lines[1:, :margin], band[places:])


def can_be_banded(like: Tensor) -> bool:
    """Whether products of matrices are fast here, and keep all the digits of the type."""
    return like.device.type == "cpu" and torch.get_float32_matmul_precision() == "highest"


def _block(taps: Sequence[float]) -> int:
    """Places a band gives at once; a multiple of 16 that is not smaller than the margin.

    >>> _block([0.0] * 11), _block([0.0] * 19)
    (16, 32)
    """
    return _PLACES * max(1, -(-(len(taps) - 1) // _PLACES))


def _whole_blocks(count: int, taps: Sequence[float]) -> int:
    """The least multiple of a block that is not below ``count``."""
    places = _block(taps)
    return -(-count // places) * places


@lru_cache(maxsize=16)
def _band(taps: tuple[float, ...], dtype: torch.dtype) -> Tensor:
    """Matrix that filters a line, ``(places, places + margin)``."""
    places = _block(taps)
    matrix = torch.zeros(places, places + len(taps) - 1, dtype=dtype, device="cpu")
    for i in range(places):
        matrix[i, i : i + len(taps)] = torch.tensor(taps, dtype=dtype, device="cpu")
    return matrix


@lru_cache(maxsize=16)
def _whole_band(length: int, taps: tuple[float, ...], dtype: torch.dtype) -> Tensor:
    """Matrix that filters whole lines, ``(length, length - margin)``."""
    matrix = torch.zeros(length, length - len(taps) + 1, dtype=dtype, device="cpu")
    for i in range(matrix.shape[1]):
        matrix[i : i + len(taps), i] = torch.tensor(taps, dtype=dtype, device="cpu")
    return matrix


def _sum_shifted(source: Tensor, result: Tensor, taps: Sequence[float]) -> None:
    """Fill ``result[i]`` with the sum of ``taps[k] * source[i + k]``."""
    torch.mul(source[: len(result)], taps[0], out=result)
    for i, tap in enumerate(taps[1:], 1):
        result.add_(source[i : i + len(result)], alpha=tap)
