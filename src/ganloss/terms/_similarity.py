"""Mean similarity of images under a window, with a gradient written out by hand."""

import math
from functools import lru_cache
from importlib import import_module
from inspect import signature
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from ganloss.terms._gaussian import average, blur, can_be_banded, gaussian, padded_slopes, spread
from ganloss.terms._scratch import scratch

#: Planes are worked off in pieces of about this many pixels, so that scratch memory stays small.
_PIXELS_PER_PIECE = 2**18
_KERNELS = {"cpu": "ganloss.terms._cpu", "cuda": "ganloss.terms._gpu"}


class Formula(NamedTuple):
    """Constants and window of the similarity. Without ``c1``: contrast and structure only."""

    c1: float | None
    c2: float
    taps: tuple[float, ...]

    @property
    def scale(self) -> float:
        """Factor left out until the end: half of the luminance is computed."""
        return 1.0 if self.c1 is None else 2.0

    def places(self, images: Tensor) -> tuple[int, int]:
        """Count the rows and columns of places where the window fits."""
        margin = len(self.taps) - 1
        return images.shape[-2] - margin, images.shape[-1] - margin


def formula_of(data_range: float, window: int, sigma: float) -> Formula:
    """Constants of Wang et al., 2004, for a data range and a Gaussian window."""
    return Formula((0.01 * data_range) ** 2, (0.03 * data_range) ** 2, gaussian(window, sigma))


def plane_means(input: Tensor, target: Tensor, formula: Formula) -> Tensor:
    """Mean similarity of each channel of each image, ``(N, C)``."""
    if torch.compiler.is_compiling() or _is_recorded():
        # A compiler fuses and differentiates the plain formula by itself.
        means = _plain_means(input, target, formula)
        # Rounding is taken off the value only: a clamp would stop the gradient.
        return means + (means.clamp(-1, 1) - means).detach()
    graph = torch.is_grad_enabled()
    wanted = (graph and input.requires_grad, graph and target.requires_grad)
    return _PlaneMeans.apply(input, target, formula, wanted)[0]


def _is_recorded() -> bool:
    """Whether torch's calls are recorded or replaced, by what would not see a kernel."""
    tracing = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    return tracing or is_in_torch_dispatch_mode()


def signed(function: Any) -> Any:
    """Keep the signature of a function, which torch works out anew in each call of a Function.

    That takes 60 µs, a twentieth of the time of a batch of small images.
    """
    function.__signature__ = signature(function)
    return function


class _PlaneMeans(Function):
    """Mean similarity of each plane, its gradients computed on the way while all is in cache.

    The gradients, up to a factor, are outputs too, so that the backward pass is one product. When
    the gradients' own graph is asked for, they are computed again from differentiable steps.
    """

    @staticmethod
    @signed
    def forward(
        input: Tensor, target: Tensor, formula: Formula, wanted: tuple[bool, bool]
    ) -> tuple[Tensor, Tensor, Tensor]:
        return _fused(input, target, formula, wanted)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        input, target, ctx.formula, ctx.wanted = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(input, target)
        # Not among the saved tensors: the first backward pass takes them and writes its result
        # over them, since fresh memory of the images' size costs as much as the product.
        ctx.gradients = output[1:]

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        input, target = ctx.saved_tensors
        g, needs = upstream[0], ctx.needs_input_grad[:2]
        if g is None:
            return None, None, None, None
        ready = all(w or not n for w, n in zip(ctx.wanted, needs, strict=True))
        if torch.is_grad_enabled() or not ready:
            x, y = _plain_gradients(input, target, ctx.formula, g)
        else:
            gradients = ctx.gradients or _fused(input, target, ctx.formula, ctx.wanted)[1:]
            ctx.gradients = None
            rows, columns = ctx.formula.places(input)
            # The gradients are halves.
            g = (g * (2 * ctx.formula.scale / (rows * columns)))[..., None, None]
            x, y = (_times(d, g) if n else None for d, n in zip(gradients, needs, strict=True))
        return x, y, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *arguments: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, int | None, int | None]]:
        # One more batch of independent images: folded into the samples, and unfolded again.
        count = info.batch_size
        images = [_fold(x, dim, count) for x, dim in zip(arguments[:2], in_dims[:2], strict=True)]
        means, *gradients = _PlaneMeans.apply(*images, *arguments[2:])
        wanted = arguments[3]
        unfolded = [
            d.unflatten(0, (count, -1)) if w else d for d, w in zip(gradients, wanted, strict=True)
        ]
        dims = tuple(0 if w else None for w in wanted)
        return (means.unflatten(0, (count, -1)), *unfolded), (0, dims[0], dims[1])


def _times(gradient: Tensor, upstream: Tensor) -> Tensor:
    """Write over the gradient, which a batch of upstreams has no room in."""
    try:
        return gradient.mul_(upstream)
    except RuntimeError:
        return gradient * upstream


def _fold(x: Tensor, dim: int | None, count: int) -> Tensor:
    batched = x.expand(count, *x.shape) if dim is None else x.movedim(dim, 0)
    return batched.flatten(0, 1)


def _fused(
    input: Tensor, target: Tensor, formula: Formula, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean similarity of each plane, and the gradients of those means where wanted."""
    if wanted == (False, True):
        # The similarity is symmetric, and the first argument's gradient is computed first.
        means, gradient, nothing = _fused(target, input, formula, (True, False))
        return means, nothing, gradient
    x, y = input.flatten(0, 1), target.flatten(0, 1)
    kernels = _kernels(x.device.type)
    found = kernels and kernels.fused_if_possible(x, y, *formula, sum(wanted))
    means, gradients = found or _fused_in_pieces(x, y, formula, sum(wanted))
    shaped = [g.view(input.shape) for g in gradients] + [x.new_empty(0)] * 2
    means.mul_(formula.scale).clamp_(-1, 1)  # rounding could lead out
    return means.view(input.shape[:2]), shaped[0], shaped[1]


@lru_cache(maxsize=16)
def _kernels(device: str) -> ModuleType | None:
    """Compiled code for a device; None where there is no Triton, or was no C compiler."""
    try:
        return import_module(_KERNELS[device]) if device in _KERNELS else None
    except ImportError:
        return None


def _fused_in_pieces(
    x: Tensor, y: Tensor, formula: Formula, count: int
) -> tuple[Tensor, list[Tensor]]:
    """Mean similarity of each plane, and ``count`` of its gradients, up to factors."""
    means = x.new_empty(x.shape[0])
    gradients = [x.new_empty(x.shape) for _ in range(count)]
    pieces = _planes_per_piece(x)
    for start in range(0, x.shape[0], pieces):
        piece = slice(start, start + pieces)
        _fuse_piece(x[piece], y[piece], formula, means[piece], [g[piece] for g in gradients])
    return means, gradients


def _planes_per_piece(planes: Tensor) -> int:
    """All planes at once, except on a CPU, whose cache is small."""
    if planes.device.type != "cpu" or planes.numel() <= 2 * _PIXELS_PER_PIECE:
        return planes.shape[0]
    return max(1, _PIXELS_PER_PIECE // (planes.shape[1] * planes.shape[2]))


def _fuse_piece(
    x: Tensor, y: Tensor, formula: Formula, means: Tensor, gradients: list[Tensor]
) -> None:
    """Fill the means, and the gradients of x and y as far as there is room, of a few planes."""
    banded = can_be_banded(x)
    _fill(x, y, formula, means, gradients, banded=banded)
    # A band multiplies its neighbours by 0, which is harmless while they are finite.
    if banded and not math.isfinite(float(means.sum())):
        _fill(x, y, formula, means, gradients, banded=False)


def _fill(
    x: Tensor,
    y: Tensor,
    formula: Formula,
    means: Tensor,
    gradients: list[Tensor],
    *,
    banded: bool,
) -> None:
    """Fill the means and gradients.

    With the local moments m_x, m_y, e = E[x² + y²], p = E[xy] of centred images,

        C = (2 p - 2 m_x m_y + C₂) / (e - m_x² - m_y² + C₂)        contrast and structure
        L = (X Y + C₁/2) / (X² + Y² + C₁)                          half the luminance

    where X is m_x + centre, the similarity is 2 C L. Each pass over memory counts, so steps work
    in place, and factors of 2 come in at the end. Maps are laid out ``(rows, maps, planes,
    columns)``: one row of all maps and planes behind the other.
    """
    planes, height, width = x.shape
    rows, columns = formula.places(x)
    centres = _centre(x).view(planes, 1), _centre(y).view(planes, 1)
    products = scratch("products", x, height, 4, planes, width)
    _fill_products(products, (x, y), centres, formula.c2)
    maps = average(products, formula.taps, banded=banded)
    contrast = _fill_contrast(maps)
    spare = scratch("spare", x, 5, *contrast.shape)
    luminance = _fill_luminance(maps, spare, centres, formula.c1)
    similarity = contrast
    if luminance is not None:
        similarity = torch.mul(contrast, luminance, out=spare[4])
    torch.mean(similarity[..., :columns], (0, 2), out=means)
    if gradients:
        slopes = padded_slopes(x, formula.taps, rows, 2 + len(gradients), *contrast.shape[1:])
        margin = height - rows
        _fill_slopes(slopes[margin : margin + rows], maps, spare, luminance)
        by_pixel = spread(slopes, width, formula.taps, banded=banded)
        _fill_gradients(gradients, by_pixel, products[:, 2:])


def _fill_products(
    maps: Tensor, images: tuple[Tensor, Tensor], centres: tuple[Tensor, Tensor], c2: float
) -> None:
    """Fill in what is averaged under the window: x² + y² + C₂, 2xy + C₂, and centred x and y."""
    energy, product, x, y = maps.unbind(1)
    for image, centre, centred in zip(images, centres, (x, y), strict=True):
        torch.sub(image.transpose(0, 1), centre, out=centred)
    constant = _constant(c2, x.dtype, x.device)  # the average of a constant is the constant
    torch.addcmul(constant, x, x, out=energy).addcmul_(y, y)
    torch.addcmul(constant, x, y, value=2, out=product)


def _fill_contrast(maps: Tensor) -> Tensor:
    """Turn the first map into the denominator of C, and the second into C, which is returned."""
    variances, covariance, x, y = maps.unbind(1)
    variances.addcmul_(x, x, value=-1).addcmul_(y, y, value=-1)
    return covariance.addcmul_(x, y, value=-2).div_(variances)


def _fill_luminance(
    maps: Tensor, spare: Tensor, centres: tuple[Tensor, Tensor], c1: float | None
) -> Tensor | None:
    """Fill the spare maps with X, Y, the denominator of L, and L, which is returned."""
    if c1 is None:
        return None
    x, y, denominator, luminance, _ = spare.unbind(0)
    torch.add(maps[:, 2], centres[0], out=x)
    torch.add(maps[:, 3], centres[1], out=y)
    torch.addcmul(_constant(c1, x.dtype, x.device), x, x, out=denominator).addcmul_(y, y)
    half = _constant(c1 / 2, x.dtype, x.device)
    return torch.addcmul(half, x, y, out=luminance).div_(denominator)


def _fill_slopes(slopes: Tensor, maps: Tensor, spare: Tensor, luminance: Tensor | None) -> None:
    """Fill in minus the derivative of C L by e, and half those by p, m_x and (with room) m_y."""
    variances, contrast, *means = maps.unbind(1)
    energy, product, *own_slopes = slopes.unbind(1)
    step = spare[4]
    if luminance is None:
        torch.reciprocal(variances, out=product)
    else:
        torch.div(luminance, variances, out=product)
    torch.mul(contrast, product, out=energy)
    for i, slope in enumerate(own_slopes):
        own, other = means[i], means[1 - i]
        torch.mul(own, energy, out=slope).addcmul_(other, product, value=-1)
        if luminance is not None:
            torch.addcmul(spare[1 - i], spare[i], luminance, value=-2, out=step)
            slope.addcdiv_(step.mul_(contrast), spare[2], value=0.5)


def _fill_gradients(gradients: list[Tensor], slopes: Tensor, images: Tensor) -> None:
    """Fill in halves of the gradients from the slopes spread over the pixels."""
    energy, product, *own_slopes = slopes.unbind(1)
    for i, gradient in enumerate(gradients):
        own, other = images[:, i], images[:, 1 - i]
        by_row = gradient.transpose(0, 1)
        torch.addcmul(own_slopes[i], other, product, out=by_row)
        by_row.addcmul_(own, energy, value=-1)


@lru_cache(maxsize=64)
def _constant(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(value, dtype=dtype, device=device)


def _centre(x: Tensor) -> Tensor:
    """Give about the mean of each plane, from an eighth of its rows.

    The similarity does not depend on it, so neither does the gradient.
    """
    return x.detach()[..., ::8, :].mean((-2, -1), keepdim=True)


def _plain_gradients(
    x: Tensor, y: Tensor, formula: Formula, upstream: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients by both images, themselves differentiable."""

    def means(x: Tensor, y: Tensor) -> Tensor:
        return _plain_means(x, y, formula)

    pull_back: Any = torch.func.vjp(means, x, y)[1]
    return pull_back(upstream)


def _plain_means(x: Tensor, y: Tensor, formula: Formula) -> Tensor:
    """Mean similarity of each plane, from steps that can be traced and differentiated twice."""
    centres = _centre(x), _centre(y)
    x, y = x - centres[0], y - centres[1]
    maps = torch.stack([x.square() + y.square(), x * y, x, y])
    energy, product, x, y = blur(maps, formula.taps).unbind(0)
    similarity = (2 * (product - x * y) + formula.c2) / (
        energy - x.square() - y.square() + formula.c2
    )
    if formula.c1 is not None:
        x, y = x + centres[0], y + centres[1]
        luminance = (2 * x * y + formula.c1) / (x.square() + y.square() + formula.c1)
        similarity = similarity * luminance
    return similarity.mean((-2, -1))
