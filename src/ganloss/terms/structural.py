"""Structural similarity, single- and multi-scale, with a gradient written out by hand."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import avg_pool2d

from ganloss.terms._gaussian import average, blur, can_be_banded, gaussian, padded_slopes, spread
from ganloss.terms._scratch import scratch
from ganloss.terms._term import Term, check_positive, checked_images

#: Planes are worked off in pieces of about this many pixels, so that scratch memory stays small.
_PIXELS_PER_PIECE = 2**18


@final
@dataclass(frozen=True)
class SSIM(Term):
    r"""One minus the structural similarity of images; in [0, 2].

    .. math::
        L = 1 - E\left[\frac{(2\mu_x\mu_y + C_1)(2\sigma_{xy} + C_2)}
                            {(\mu_x^2 + \mu_y^2 + C_1)(\sigma_x^2 + \sigma_y^2 + C_2)}\right],
        \qquad C_i = (K_i R)^2,\ K = (0.01, 0.03)

    Means, variances and the covariance are taken under a Gaussian window at every place where it
    fits into the image, per channel; R is the data range. Images ``(N, C, H, W)`` are centred
    first, so flat bright patches keep their digits. Exact gradients for both arguments, twice
    differentiable. SSIM is not shift invariant: map [-1, 1] to [0, 1] to get published numbers.

    Args:
        data_range: distance from black to white: 1 for [0, 1], 2 for [-1, 1], 255 for 0..255.
        window: odd width of the window.
        sigma: standard deviation of the window, in pixels.

    Raises:
        ValueError: an image is smaller than the window, or is not ``(N, C, H, W)``.

    Shapes: images ``(N, C, H, W)`` no smaller than the window.

    Range: [0, 2]; 0 for equal images.

    Use: Restoration, beside L1, where structure matters more than exact colour.

    Cost: Four filtered maps and an analytic gradient.

    Peers: piq (which shrinks images from 384 pixels), pytorch-msssim (data_range=255 unless told),
    torchmetrics (guesses the range unless told): index the same. kornia's loss is half of ours.

    References:
        Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity",
        IEEE TIP 13(4), 2004, eqs. 13-17.

    >>> import torch
    >>> x = torch.full((2, 3, 16, 16), 0.5)
    >>> SSIM(data_range=1.0)(x, x / 2)
    tensor(0.1999)
    >>> SSIM(data_range=1.0).index(x, x / 2)
    tensor([0.8001, 0.8001])
    """

    data_range: float
    window: int = 11
    sigma: float = 1.5

    def __post_init__(self) -> None:
        _check_settings(self.data_range, self.window, self.sigma)

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Give one minus the index of each image."""
        return 1 - self._index(input, target)

    def index(self, input: Tensor, target: Tensor) -> Tensor:
        """Structural similarity of each image, ``(N,)``, in [-1, 1]; higher is better.

        >>> import torch
        >>> x = torch.rand(2, 3, 16, 16)
        >>> SSIM(data_range=1.0).index(x, x)
        tensor([1., 1.])
        """
        return self._index(*checked_images(input, target))

    def _index(self, input: Tensor, target: Tensor) -> Tensor:
        _check_images(input)
        if min(input.shape[2:]) < self.window:
            raise ValueError(
                f"images are {_size(input)} and smaller than the window of {self.window}; pass "
                f"larger images or a smaller odd window, e.g. SSIM(..., window="
                f"{max(1, (min(input.shape[2:]) - 1) // 2 * 2 + 1)})"
            )
        formula = _formula(self.data_range, self.window, self.sigma)
        return _plane_means(input, target, formula).mean(1)


@final
@dataclass(frozen=True)
class MultiScaleSSIM(Term):
    r"""One minus the multi-scale structural similarity of images; in [0, 1].

    .. math:: L = 1 - E_c\Big[ l_M^{w_M} \prod_{j=1}^{M} cs_j^{w_j} \Big]

    with the contrast-structure mean cs of each scale, the luminance l of the last, and scales made
    by 2×2 means (a last odd row or column is left out). The product is taken per channel, then
    averaged over channels. Terms that are not positive (below rounding) count as 0 and pass no
    gradient, so the gradient stays finite.

    Args:
        data_range: distance from black to white: 1 for [0, 1], 2 for [-1, 1], 255 for 0..255.
        window: odd width of the window.
        sigma: standard deviation of the window, in pixels.
        weights: exponent of each scale, finest first; the paper's five by default.

    Raises:
        ValueError: an image is too small for that many scales (five need 176 pixels), or is not
            ``(N, C, H, W)``.

    Shapes: images ``(N, C, H, W)``, each side 16 windows or more: 176 pixels.

    Range: [0, 1]; 0 for equal images.

    Use: As SSIM, for images of 176 pixels and more that are looked at from different distances.

    Cost: About 1.3 times SSIM's.

    Peers: pytorch-msssim and piq at sizes all scales divide; they pad odd ones. kornia mixes up
    channels.

    References:
        Wang et al., "Multi-scale structural similarity for image quality assessment", Asilomar
        2003, eqs. 7 and section 3.2 (the weights).

    >>> import torch
    >>> x = torch.full((1, 1, 176, 176), 0.5)
    >>> MultiScaleSSIM(data_range=1.0)(x, x / 2)
    tensor(0.0293)
    """

    data_range: float
    window: int = 11
    sigma: float = 1.5
    weights: tuple[float, ...] = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

    def __post_init__(self) -> None:
        _check_settings(self.data_range, self.window, self.sigma)
        object.__setattr__(self, "weights", tuple(self.weights))
        if not self.weights or min(self.weights) <= 0:
            raise ValueError(f"weights are {self.weights}; pass one positive number per scale")

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Give one minus the index of each image."""
        return 1 - self._index(input, target)

    def index(self, input: Tensor, target: Tensor) -> Tensor:
        """Multi-scale structural similarity of each image, ``(N,)``, in [0, 1].

        >>> import torch
        >>> x = torch.rand(2, 3, 176, 176)
        >>> MultiScaleSSIM(data_range=1.0).index(x, x)
        tensor([1., 1.])
        """
        return self._index(*checked_images(input, target))

    def _index(self, input: Tensor, target: Tensor) -> Tensor:
        _check_images(input)
        self._check_scales(input)
        formula = _formula(self.data_range, self.window, self.sigma)
        *finer, coarsest = self.weights
        product: Tensor | float = 1.0
        for weight in finer:
            contrast = _plane_means(input, target, formula._replace(c1=None))
            product = _power(contrast, weight) * product
            input, target = _halved(input), _halved(target)
        return (_power(_plane_means(input, target, formula), coarsest) * product).mean(1)

    def _check_scales(self, images: Tensor) -> None:
        smallest, possible = min(images.shape[2:]), 0
        while smallest >> possible >= self.window:
            possible += 1
        if possible < len(self.weights):
            needed = self.window * 2 ** (len(self.weights) - 1)
            raise ValueError(
                f"images are {_size(images)}; {len(self.weights)} scales with a window of "
                f"{self.window} need {needed} pixels, and this size allows {possible} scales: "
                f"pass larger images, a smaller window, or weights={self.weights[:possible]}"
            )


def _check_settings(data_range: float, window: int, sigma: float) -> None:
    check_positive(data_range, "data_range", "e.g. 1 for images in [0, 1]")
    check_positive(sigma, "sigma", "1.5 in the paper")
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window is {window}; it must be odd and positive, 11 in the paper")


def _check_images(images: Tensor) -> None:
    if images.dim() != 4:
        raise ValueError(
            f"images have shape {tuple(images.shape)}; (N, C, H, W) is needed: add the missing "
            "dimensions with unsqueeze, or fold frames into the batch"
        )


def _size(images: Tensor) -> str:
    return f"{images.shape[2]}×{images.shape[3]}"


def _power(base: Tensor, exponent: float) -> Tensor:
    """Power of the positive entries, 0 with gradient 0 elsewhere."""
    # The slope of x^w is infinite at 0. Below eps a mean of ratios near 1 is rounding noise.
    none = base <= torch.finfo(base.dtype).eps
    return torch.where(none, 0.0, torch.where(none, 1.0, base) ** exponent)


def _halved(images: Tensor) -> Tensor:
    """Means of 2×2 pixels; a last odd row or column is left out."""
    even = images.shape[-2] % 2 == images.shape[-1] % 2 == 0
    if not even or torch.compiler.is_compiling():
        return avg_pool2d(images, 2)
    return _Halve.apply(images)


class _Halve(Function):
    """avg_pool2d for even sizes, seven times faster on a CPU: rows are contiguous."""

    generate_vmap_rule = True

    @staticmethod
    def forward(images: Tensor) -> Tensor:
        rows = images[..., ::2, :] + images[..., 1::2, :]
        return (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        quarter = (0.25 * upstream[0])[..., :, None, :, None]
        *batch, rows, _, columns, _ = quarter.shape
        doubled = quarter.expand(*batch, rows, 2, columns, 2)
        return doubled.reshape(*batch, 2 * rows, 2 * columns)


class _Formula(NamedTuple):
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


def _formula(data_range: float, window: int, sigma: float) -> _Formula:
    return _Formula((0.01 * data_range) ** 2, (0.03 * data_range) ** 2, gaussian(window, sigma))


def _plane_means(input: Tensor, target: Tensor, formula: _Formula) -> Tensor:
    """Mean similarity of each channel of each image, ``(N, C)``."""
    if torch.compiler.is_compiling():
        # The compiler fuses and differentiates the plain formula by itself.
        means = _plain_means(input, target, formula)
        # Rounding is taken off the value only: a clamp would stop the gradient.
        return means + (means.clamp(-1, 1) - means).detach()
    graph = torch.is_grad_enabled()
    wanted = (graph and input.requires_grad, graph and target.requires_grad)
    return _PlaneMeans.apply(input, target, formula, wanted)[0]


class _PlaneMeans(Function):
    """Mean similarity of each plane, its gradients computed on the way while all is in cache.

    The gradients, up to a factor, are outputs too, so that the backward pass is one product. When
    the gradients' own graph is asked for, they are computed again from differentiable steps.
    """

    @staticmethod
    def forward(
        input: Tensor, target: Tensor, formula: _Formula, wanted: tuple[bool, bool]
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
            x, y = (d.mul_(g) if n else None for d, n in zip(gradients, needs, strict=True))
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


def _fold(x: Tensor, dim: int | None, count: int) -> Tensor:
    batched = x.expand(count, *x.shape) if dim is None else x.movedim(dim, 0)
    return batched.flatten(0, 1)


def _fused(
    input: Tensor, target: Tensor, formula: _Formula, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean similarity of each plane, and the gradients of those means where wanted."""
    if wanted == (False, True):
        # The similarity is symmetric, and the first argument's gradient is computed first.
        means, gradient, nothing = _fused(target, input, formula, (True, False))
        return means, nothing, gradient
    x, y = input.flatten(0, 1), target.flatten(0, 1)
    means = x.new_empty(x.shape[0])
    gradients = [x.new_empty(x.shape) for want in wanted if want]
    count = _planes_per_piece(x)
    for start in range(0, x.shape[0], count):
        piece = slice(start, start + count)
        _fuse_piece(x[piece], y[piece], formula, means[piece], [g[piece] for g in gradients])
    shaped = [g.view(input.shape) for g in gradients] + [x.new_empty(0)] * 2
    means.mul_(formula.scale).clamp_(-1, 1)  # rounding could lead out
    return means.view(input.shape[:2]), shaped[0], shaped[1]


def _planes_per_piece(planes: Tensor) -> int:
    """All planes at once, except on a CPU, whose cache is small."""
    if planes.device.type != "cpu" or planes.numel() <= 2 * _PIXELS_PER_PIECE:
        return planes.shape[0]
    return max(1, _PIXELS_PER_PIECE // (planes.shape[1] * planes.shape[2]))


def _fuse_piece(
    x: Tensor, y: Tensor, formula: _Formula, means: Tensor, gradients: list[Tensor]
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
    formula: _Formula,
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
    spare = scratch("spare", x, 5, rows, planes, width)
    luminance = _fill_luminance(maps, spare, centres, formula.c1)
    similarity = contrast
    if luminance is not None:
        similarity = torch.mul(contrast, luminance, out=spare[4])
    torch.mean(similarity[..., :columns], (0, 2), out=means)
    if gradients:
        slopes = padded_slopes(x, formula.taps, rows, 2 + len(gradients), planes, width)
        margin = height - rows
        _fill_slopes(slopes[margin : margin + rows], maps, spare, luminance)
        by_pixel = spread(slopes, formula.taps, banded=banded)
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
    x: Tensor, y: Tensor, formula: _Formula, upstream: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients by both images, themselves differentiable."""

    def means(x: Tensor, y: Tensor) -> Tensor:
        return _plain_means(x, y, formula)

    pull_back: Any = torch.func.vjp(means, x, y)[1]
    return pull_back(upstream)


def _plain_means(x: Tensor, y: Tensor, formula: _Formula) -> Tensor:
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
