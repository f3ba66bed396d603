"""Terms that compare two tensors element by element, or vector by vector."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ganloss._scores import Reduction, check_tensor, per_sample
from ganloss._settings import check_settings
from ganloss.terms._term import Term, check_positive, checked_images, reduced


@final
@dataclass(frozen=True)
class L1(Term):
    r"""Mean absolute error.

    .. math:: L = \tfrac1n \sum_i |x_i - y_i|

    torch's ``l1_loss``, except that shapes must be equal. The gradient at equality is 0.

    Shapes: both ``(N, ...)``, floating point, of one shape.

    Range: [0, ∞).

    Use: Paired translation beside a GAN loss, with a large weight (100): sharper than MSE.

    Cost: One elementwise pass.

    Peers: torch L1Loss, pix2pix: same scale, but they broadcast.

    References:
        Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks",
        CVPR 2017, arXiv:1611.07004, eq. 3 (pix2pix; weight 100 there).

    >>> import torch
    >>> L1()(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]]))
    tensor(1.5000)
    """

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Give the absolute differences."""
        return (input - target).abs()


@final
@dataclass(frozen=True)
class MSE(Term):
    r"""Mean squared error.

    .. math:: L = \tfrac1n \sum_i (x_i - y_i)^2

    torch's ``mse_loss``, except that shapes must be equal.

    Shapes: both ``(N, ...)``, floating point, of one shape.

    Range: [0, ∞).

    Use: Where the mean is the answer: denoising, PSNR. It blurs what is uncertain.

    Cost: One elementwise pass.

    Peers: torch MSELoss: same scale, but it broadcasts.

    References:
        Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative
        Adversarial Network", CVPR 2017, arXiv:1609.04802, eq. 4 (as a content loss).

    >>> import torch
    >>> MSE()(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]]))
    tensor(2.5000)
    """

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Give the squared differences."""
        return (input - target).square()


@final
@dataclass(frozen=True)
class Charbonnier(Term):
    r"""Mean absolute error with a rounded corner.

    .. math:: L = \tfrac1n \sum_i \sqrt{(x_i - y_i)^2 + \epsilon^2}

    It is ε at equality, not 0; its gradient lies between -1 and 1 and is 0 at equality.

    Args:
        eps: ε, the size of a difference at which squares turn into absolute values, positive.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``eps`` is not positive.

    Shapes: both ``(N, ...)``, floating point, of one shape.

    Range: (0, ∞); eps for equal tensors.

    Use: In place of L1 where training should settle instead of jumping to and fro at equality.

    Cost: One elementwise pass.

    Peers: BasicSR CharbonnierLoss takes our ε² (1e-12, so ε = 1e-6). kornia charbonnier_loss fixes
    ε = 1 and subtracts 1.

    References:
        Lai et al., "Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution", CVPR
        2017, arXiv:1704.03915, section 3.2 (ε = 1e-3).

    >>> import torch
    >>> Charbonnier(eps=3.0)(torch.tensor([[4.0, 0.0]]), torch.zeros(1, 2))
    tensor(4.)
    """

    eps: float = 1e-3

    def __post_init__(self) -> None:
        check_settings(self)
        check_positive(self.eps, "eps", "e.g. 1e-3")

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Give the smoothed absolute differences."""
        difference = input - target
        # Without squares, which overflow, or drown a small ε.
        return torch.hypot(difference, torch.full_like(difference, self.eps))


@final
@dataclass(frozen=True)
class TotalVariation:
    r"""Mean absolute slope of images: smooths what is made, and needs no target.

    .. math:: L = \frac{1}{CHW} \sum_{c,h,w} \big(|d_v| + |d_h|\big), \qquad
        d_v = x_{c,h+1,w} - x_{c,h,w},\ d_h = x_{c,h,w+1} - x_{c,h,w}

    averaged over the batch; with ``isotropic=True`` the summand is the length of the vector
    (d_v, d_h), which does not prefer edges along the axes. Differences over the border are 0. A
    vertical edge of height a in an image of width W is a/W either way. Where nothing changes the
    gradient is 0.

    Args:
        isotropic: whether the two differences are taken as one vector.

    Raises:
        TypeError: a setting is not of its type.

    Shapes: images ``(N, C, H, W)``.

    Range: [0, ∞).

    Use: A small weight against noise and checkerboards: 1e-4 or less of the main term.

    Cost: Two elementwise passes.

    Peers: tf.image.total_variation, kornia: our anisotropic value times CHW. piq sums as well, and
    its isotropic gradient is NaN on a flat image. BasicSR averages both directions apart.

    References:
        Rudin et al., "Nonlinear total variation based noise removal algorithms", Physica D 60, 1992
        (isotropic).

    >>> import torch
    >>> step = torch.zeros(1, 1, 4, 4)
    >>> step[..., 2:] = 1
    >>> TotalVariation()(step)
    tensor(0.2500)
    """

    isotropic: bool = False

    def __post_init__(self) -> None:
        check_settings(self)

    def __call__(
        self, input: Tensor, *, weight: Tensor | None = None, reduction: Reduction = "mean"
    ) -> Tensor:
        """Total variation of images.

        Args:
            input: images ``(N, C, H, W)``, floating point.
            weight: weight of each sample, ``(N,)``.
            reduction: ``"mean"`` Σwl/Σw, ``"sum"`` Σwl, ``"none"`` w·l, ``(N,)``.

        Raises:
            TypeError: not a tensor of floating point numbers.
            ValueError: not images, an empty batch, or a weight of a wrong shape.
        """
        x = check_tensor(input, "input")
        if x.dim() != 4:
            raise ValueError(f"input has shape {tuple(x.shape)}; images (N, C, H, W) are needed")
        vertical = torch.nn.functional.pad(x.diff(dim=-2), (0, 0, 0, 1))
        horizontal = torch.nn.functional.pad(x.diff(dim=-1), (0, 1))
        if self.isotropic:
            squares = vertical.square() + horizontal.square()
            flat = squares == 0  # where the root has no gradient, and that of the norm is 0
            values = torch.where(flat, 0.0, torch.where(flat, 1.0, squares).sqrt())
        else:
            values = vertical.abs() + horizontal.abs()
        return reduced(values, weight, reduction)


@final
@dataclass(frozen=True)
class PSNR(Term):
    r"""Negative peak signal-to-noise ratio: minimising it raises the decibels.

    .. math:: L = E\big[10 \log_{10}(\mathrm{MSE} / R^2 + 10^{-12})\big]

    with one MSE per image, R the data range. The small constant caps the loss at -120 and keeps
    its gradient finite, 0 at equality; :meth:`decibels` is the plain measure without it.

    Args:
        data_range: distance from black to white: 1 for [0, 1], 2 for [-1, 1], 255 for 0..255.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``data_range`` is not positive.

    Shapes: both ``(N, ...)``, floating point, of one shape.

    Range: [-120, ∞): minus the decibels, and -120 at equality.

    Use: To train for decibels: every image counts alike, however small its error is already.

    Cost: One elementwise pass.

    Peers: piq and torchmetrics give decibels, of which more is better: minus ours.

    References:
        Huynh-Thu & Ghanbari, "Scope of validity of PSNR in image/video quality assessment",
        Electronics Letters 44(13), 2008, eq. 1.

    >>> import torch
    >>> x = torch.full((2, 3, 4, 4), 0.1)
    >>> PSNR(data_range=1.0)(x, torch.zeros_like(x))
    tensor(-20.)
    >>> PSNR(data_range=1.0).decibels(x, torch.zeros_like(x))
    tensor([20., 20.])
    """

    data_range: float

    def __post_init__(self) -> None:
        check_settings(self)
        check_positive(self.data_range, "data_range", "e.g. 1 for images in [0, 1]")

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Give minus the decibels of each image, never below -120."""
        return 10 * (self._relative_error(input, target) + 1e-12).log10()

    def decibels(self, input: Tensor, target: Tensor) -> Tensor:
        """Peak signal-to-noise ratio of each image, ``(N,)``; higher is better, +inf if equal.

        >>> import torch
        >>> PSNR(data_range=255.0).decibels(torch.full((1, 2), 10.0), torch.zeros(1, 2))
        tensor([28.1308])
        """
        return -10 * self._relative_error(*checked_images(input, target)).log10()

    def _relative_error(self, input: Tensor, target: Tensor) -> Tensor:
        # Divided before the square, so that large values do not overflow.
        return per_sample(((input - target) / self.data_range).square())


@final
@dataclass(frozen=True)
class Cosine(Term):
    r"""Cosine distance between vectors along one dimension, in [0, 2].

    .. math:: L = 1 - \frac{x \cdot y}{\lVert x \rVert \lVert y \rVert}
                = \tfrac12 \Big\lVert \frac{x}{\lVert x \rVert}
                  - \frac{y}{\lVert y \rVert} \Big\rVert^2

    The second form keeps its digits at small angles. Vectors are scaled by their largest entry
    first, so any size in the range of fp32 will do. A zero vector has no direction: its distance
    is 1 and its gradient 0.

    Args:
        dim: where the vectors lie. None means the last dimension and is allowed up to rank 3; for
            images ``(N, C, H, W)`` say ``dim=1`` to compare the channels of each pixel. A tensor
            of rank 1 is one vector.

    Raises:
        TypeError: a setting is not of its type.

    Shapes: both ``(N, ...)``, floating point, of one shape.

    Range: [0, 2].

    Use: Embeddings and features whose size means nothing.

    Cost: Three elementwise passes.

    Peers: 1 - torch cosine_similarity, whose gradient at a zero vector is -1e8 and which depends
    on sizes below 1e-8.

    References:
        Salton & McGill, "Introduction to Modern Information Retrieval", 1983 (the measure).

    >>> import torch
    >>> Cosine()(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[4.0, 5.0, 6.0]]))
    tensor(0.0254)
    """

    dim: int | None = None

    def __post_init__(self) -> None:
        check_settings(self)

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Give the distance of each pair of vectors."""
        dim = vector_dim(input, self.dim)
        if input.dim() == 1:
            input, target, dim = input[None], target[None], 1
        u, no_u = _direction(input, dim)
        v, no_v = _direction(target, dim)
        distance = 0.5 * (u - v).square().sum(dim)
        return torch.where(no_u | no_v, 1.0, distance)


def vector_dim(x: Tensor, dim: int | None) -> int:
    """Give the non-negative dimension of the vectors of ``x``, or say what is missing.

    >>> vector_dim(torch.zeros(2, 3, 4, 4), 1), vector_dim(torch.zeros(2, 3), None)
    (1, 1)
    """
    if dim is None:
        if x.dim() > 3:
            raise ValueError(
                f"Cosine needs to know where the vectors of shape {tuple(x.shape)} lie: pass "
                "Cosine(dim=1) for the channels of each pixel, or flatten(1) to compare images"
            )
        return x.dim() - 1
    found = dim + x.dim() if dim < 0 else dim
    if not 0 <= found < x.dim():
        raise ValueError(f"dim is {dim}, but the shape {tuple(x.shape)} has no such dimension")
    if found == 0 and x.dim() > 1:
        raise ValueError(
            f"dim is {dim}, the batch of shape {tuple(x.shape)}; name a dimension after it"
        )
    return found


def _direction(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Unit vectors along ``dim``, and where there are none because the vector is zero."""
    size = x.detach().abs().amax(dim, keepdim=True)
    zero = size == 0
    # The direction does not depend on the size, so the size needs no gradient.
    scaled = x / torch.where(zero, 1.0, size)
    # vector_norm takes fifteen times as long along a dimension that is not the last.
    squares = scaled.square().sum(dim, keepdim=True)
    return scaled / torch.where(zero, 1.0, squares).sqrt(), zero.squeeze(dim)
