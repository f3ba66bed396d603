"""The similarity on a GPU: one kernel for means and slopes, one for the gradients.

A program works off a tile of one plane. The window runs along its columns as shifted reads, which
the cache serves, and along its rows as a product with a banded matrix. (Two products for both axes
took twice the time on an H200: a tile then changes its layout between them.) The formulas, and what
the names mean, are those of :func:`ganloss.terms._similarity._fill`.
"""

# Kernels are not Python, although they look like it: their arguments have no Python types.
# pyright: reportMissingParameterType=false, reportGeneralTypeIssues=false
# pyright: reportPossiblyUnboundVariable=false, reportCallIssue=false
# pyright: reportOperatorIssue=false, reportArgumentType=false

import warnings
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

#: Rows that a program reads; all but the margin of the window give a row of results.
_ROWS = 64
_COLUMNS = 32
_WARPS = 4
#: Wider windows would leave a program too few rows of results.
_WIDEST = 33


def fused_if_possible(
    x: Tensor, y: Tensor, c1: float | None, c2: float, taps: tuple[float, ...], count: int
) -> tuple[Tensor, list[Tensor]] | None:
    """What :func:`fused` gives, or None where the kernels do not suit or cannot be compiled."""
    alike = x.device == y.device and x.dtype == y.dtype == torch.float32
    if not alike or len(taps) > _WIDEST or x.device in _without:
        return None
    if not _keeps_the_digits(x.device):
        return None
    try:
        return fused(x, y, c1, c2, taps, count)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        # There may be no compiler, which Triton needs and nothing else here does.
        _without.add(x.device)
        warnings.warn(f"SSIM goes without its kernels on {x.device}: {error}", stacklevel=2)
        return None


#: Devices on which the kernels could not be compiled.
_without: set[torch.device] = set()


@lru_cache(maxsize=16)
def _keeps_the_digits(device: torch.device) -> bool:
    """Whether the matrix units can make float32 products of three shorter ones."""
    return not torch.version.hip and torch.cuda.get_device_capability(device) >= (8, 0)


def fused(
    x: Tensor, y: Tensor, c1: float | None, c2: float, taps: tuple[float, ...], count: int
) -> tuple[Tensor, list[Tensor]]:
    """Mean similarity of each plane, and halves of its gradients times the number of places.

    As everywhere in the fused computation, both lack a factor of 2 where there is a luminance.

    Args:
        x: float32 planes ``(P, H, W)`` on a GPU.
        y: the same for the other image.
        c1: constant of the luminance; None leaves the luminance out.
        c2: constant of contrast and structure.
        taps: weights of the window.
        count: how many gradients to compute: none, that by x, or both.
    """
    x, y = x.contiguous(), y.contiguous()
    planes, height, width = x.shape
    rows, columns = height - len(taps) + 1, width - len(taps) + 1
    step = _ROWS - len(taps) + 1
    weights = _weights(taps, x.device)
    tiles = triton.cdiv(rows, step) * triton.cdiv(columns, _COLUMNS)
    sums = x.new_empty(planes, tiles)
    slopes = x.new_empty((2 + count if count else 0, planes, rows, columns))
    gradients = [torch.empty_like(x) for _ in range(count)]
    options = {
        "WINDOW": len(taps), "COUNT": count, "ROWS": _ROWS, "COLUMNS": _COLUMNS,
        "num_warps": _WARPS,
    }  # fmt: skip
    with _on(x.device):
        _fill_slopes[(planes * tiles,)](
            x, y, weights, sums, slopes, planes, height, width, c1 or 0.0, c2,
            LUMINANCE=c1 is not None, **options,
        )  # fmt: skip
        if count:
            tiles = triton.cdiv(height, step) * triton.cdiv(width, _COLUMNS)
            _fill_gradients[(planes * tiles,)](
                x, y, weights, slopes, gradients[0], gradients[-1], planes, height, width,
                **options,
            )  # fmt: skip
    return sums.sum(1), gradients


def _on(device: torch.device) -> AbstractContextManager[object]:
    """Triton starts kernels on the current GPU. On a CPU it interprets them, for tests."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@lru_cache(maxsize=16)
def _weights(taps: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(taps, device=device)


@triton.jit
def _band(weights, WINDOW: tl.constexpr, ROWS: tl.constexpr):
    """Matrix that filters a column of ``ROWS`` numbers; its last rows, the margin, are cut off."""
    tap = tl.arange(0, ROWS)[None, :] - tl.arange(0, ROWS)[:, None]
    return tl.load(weights + tap, mask=(tap >= 0) & (tap < WINDOW), other=0.0)


@triton.jit
def _filtered(band, maps):
    """Filter columns; three short products keep the digits of float32."""
    return tl.dot(band, maps, input_precision="tf32x3")


@triton.jit
def _centre(plane, height, width):
    """About the mean of a plane, from 64 of its pixels."""
    row = tl.arange(0, 8)[:, None] * height // 8
    column = tl.arange(0, 8)[None, :] * width // 8
    return tl.sum(tl.load(plane + row * width + column)) / 64


@triton.jit
def _tile(height, width, STEP: tl.constexpr, COLUMNS: tl.constexpr):
    """Plane of this program, and where its tile starts in an area of that size."""
    tile = tl.program_id(0)
    down, across = tl.cdiv(height, STEP), tl.cdiv(width, COLUMNS)
    plane = (tile // (down * across)).to(tl.int64)
    return plane, tile // across % down * STEP, tile % across * COLUMNS


@triton.jit(do_not_specialize=["planes", "height", "width"])
def _fill_slopes(
    x_planes, y_planes, weights, sums, slopes, planes, height, width, c1, c2,
    LUMINANCE: tl.constexpr, WINDOW: tl.constexpr, COUNT: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Give the share of a tile of places in the mean similarity, and its slopes there."""
    rows, columns = height - WINDOW + 1, width - WINDOW + 1
    plane, top, left = _tile(rows, columns, ROWS - WINDOW + 1, COLUMNS)
    x_plane, y_plane = x_planes + plane * height * width, y_planes + plane * height * width
    x_centre, y_centre = _centre(x_plane, height, width), _centre(y_plane, height, width)
    down = tl.arange(0, ROWS)[:, None]
    row, column = top + down, left + tl.arange(0, COLUMNS)[None, :]
    energy = tl.zeros((ROWS, COLUMNS), tl.float32)
    product = tl.zeros((ROWS, COLUMNS), tl.float32)
    x = tl.zeros((ROWS, COLUMNS), tl.float32)
    y = tl.zeros((ROWS, COLUMNS), tl.float32)
    for k in tl.range(WINDOW, num_stages=1):
        inside = (row < height) & (column + k < width)
        pixel = row * width + column + k
        weight = tl.load(weights + k)
        x_pixel = tl.load(x_plane + pixel, mask=inside, other=0.0) - x_centre
        y_pixel = tl.load(y_plane + pixel, mask=inside, other=0.0) - y_centre
        x += weight * x_pixel
        y += weight * y_pixel
        energy += weight * (x_pixel * x_pixel + y_pixel * y_pixel)
        product += weight * (x_pixel * y_pixel)
    band = _band(weights, WINDOW, ROWS)
    x, y = _filtered(band, x), _filtered(band, y)
    variances = _filtered(band, energy) - x * x - y * y + c2
    contrast = (2 * (_filtered(band, product) - x * y) + c2) / variances
    similarity = contrast
    by_product = 1 / variances
    if LUMINANCE:
        x_mean, y_mean = x + x_centre, y + y_centre
        denominator = x_mean * x_mean + y_mean * y_mean + c1
        luminance = (x_mean * y_mean + c1 / 2) / denominator
        similarity = contrast * luminance
        by_product = luminance / variances
    within = (down <= ROWS - WINDOW) & (row < rows) & (column < columns)
    share = tl.sum(tl.where(within, similarity, 0.0)) / (rows * columns)
    tl.store(sums + tl.program_id(0), share)
    if COUNT:
        by_energy = contrast * by_product
        by_x = x * by_energy - y * by_product
        by_y = y * by_energy - x * by_product
        if LUMINANCE:
            rest = 0.5 * contrast / denominator
            by_x += rest * (y_mean - 2 * x_mean * luminance)
            by_y += rest * (x_mean - 2 * y_mean * luminance)
        size = planes.to(tl.int64) * rows * columns
        place = slopes + (plane * rows + row) * columns + column
        tl.store(place, by_energy, mask=within)
        tl.store(place + size, by_product, mask=within)
        tl.store(place + 2 * size, by_x, mask=within)
        if COUNT == 2:
            tl.store(place + 3 * size, by_y, mask=within)


@triton.jit(do_not_specialize=["planes", "height", "width"])
def _fill_gradients(
    x_planes, y_planes, weights, slopes, x_gradients, y_gradients, planes, height, width,
    WINDOW: tl.constexpr, COUNT: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Spread the slopes over a tile of pixels, and give the gradients there."""
    rows, columns = height - WINDOW + 1, width - WINDOW + 1
    plane, top, left = _tile(height, width, ROWS - WINDOW + 1, COLUMNS)
    size = planes.to(tl.int64) * rows * columns
    down, across = tl.arange(0, ROWS)[:, None], tl.arange(0, COLUMNS)[None, :]
    row, column = top + down - WINDOW + 1, left + across - WINDOW + 1
    energy = tl.zeros((ROWS, COLUMNS), tl.float32)
    product = tl.zeros((ROWS, COLUMNS), tl.float32)
    by_x = tl.zeros((ROWS, COLUMNS), tl.float32)
    by_y = tl.zeros((ROWS, COLUMNS), tl.float32)
    for k in tl.range(WINDOW, num_stages=1):
        inside = (row >= 0) & (row < rows) & (column + k >= 0) & (column + k < columns)
        place = slopes + (plane * rows + row) * columns + column + k
        weight = tl.load(weights + k)
        energy += weight * tl.load(place, mask=inside, other=0.0)
        product += weight * tl.load(place + size, mask=inside, other=0.0)
        by_x += weight * tl.load(place + 2 * size, mask=inside, other=0.0)
        if COUNT == 2:
            by_y += weight * tl.load(place + 3 * size, mask=inside, other=0.0)
    band = _band(weights, WINDOW, ROWS)
    energy, product = _filtered(band, energy), _filtered(band, product)
    row, column = top + down, left + across
    within = (down <= ROWS - WINDOW) & (row < height) & (column < width)
    offset = plane * height * width
    pixel = offset + row * width + column
    x_centre = _centre(x_planes + offset, height, width)
    y_centre = _centre(y_planes + offset, height, width)
    x = tl.load(x_planes + pixel, mask=within, other=0.0) - x_centre
    y = tl.load(y_planes + pixel, mask=within, other=0.0) - y_centre
    tl.store(x_gradients + pixel, _filtered(band, by_x) - x * energy + y * product, mask=within)
    if COUNT == 2:
        tl.store(y_gradients + pixel, _filtered(band, by_y) - y * energy + x * product, mask=within)
