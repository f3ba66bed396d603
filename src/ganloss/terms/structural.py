"""Structural similarity, single- and multi-scale."""

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import avg_pool2d

from ganloss._settings import check_settings
from ganloss.terms._similarity import formula_of, plane_means, signed
from ganloss.terms._term import Term, check_positive, checked_images


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
        TypeError: a setting is not of its type.
        ValueError: an image is smaller than the window, or is not ``(N, C, H, W)``.

    Shapes: images ``(N, C, H, W)`` no smaller than the window.

    Range: [0, 2]; 0 for equal images.

    Use: Restoration, beside L1, where structure matters more than exact colour.

    Cost: One pass over float32 images for value and gradient, in compiled code; seven filtered maps
    in torch where there is none (`ganloss doctor` tells).

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
        check_settings(self)
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
                f"larger images or a smaller odd window, e.g. SSIM(..., "
                f"window={_odd_within(input)})"
            )
        formula = formula_of(self.data_range, self.window, self.sigma)
        return plane_means(input, target, formula).mean(1)


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
        TypeError: a setting is not of its type.
        ValueError: an image is too small for that many scales (five need 176 pixels), or is not
            ``(N, C, H, W)``.

    Shapes: images ``(N, C, H, W)``, each side 16 windows or more: 176 pixels.

    Range: [0, 1]; 0 for equal images.

    Use: As SSIM, for images of 176 pixels and more that are looked at from different distances.

    Cost: One and a half times to twice SSIM's.

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
        check_settings(self)
        _check_settings(self.data_range, self.window, self.sigma)
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
        formula = formula_of(self.data_range, self.window, self.sigma)
        *finer, coarsest = self.weights
        product: Tensor | float = 1.0
        for weight in finer:
            contrast = plane_means(input, target, formula._replace(c1=None))
            product = _power(contrast, weight) * product
            input, target = _halved(input), _halved(target)
        return (_power(plane_means(input, target, formula), coarsest) * product).mean(1)

    def _check_scales(self, images: Tensor) -> None:
        smallest, possible = min(images.shape[2:]), 0
        while smallest >> possible >= self.window:
            possible += 1
        if possible < len(self.weights):
            needed = self.window * 2 ** (len(self.weights) - 1)
            mend = f"a smaller window, or weights={self.weights[:possible]}"
            if not possible:
                mend = f"or use SSIM(..., window={_odd_within(images)}), which has one scale"
            raise ValueError(
                f"images are {_size(images)}; {len(self.weights)} scales with a window of "
                f"{self.window} need {needed} pixels, and this size allows {possible} scales: "
                f"pass larger images, {mend}"
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


def _odd_within(images: Tensor) -> int:
    """Largest odd window that fits."""
    return (min(images.shape[2:]) - 1) // 2 * 2 + 1


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
    @signed
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
