"""Terms that compare images by the feature maps of a network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, final

from torch import Tensor

from ganloss._processes import gathered
from ganloss._scores import check_same_shape, check_tensor, check_trailing_shapes, named, product
from ganloss._settings import check_settings
from ganloss.terms._networks import FeatureTerm
from ganloss.terms._term import Term
from ganloss.terms.pixel import MSE

#: Feature maps of one discriminator, or of several: [layer] or [discriminator][layer].
Maps: TypeAlias = list[Tensor] | list[list[Tensor]]

_MSE = MSE()


@final
class Perceptual(FeatureTerm):
    r"""Distance between the feature maps of a frozen network.

    .. math:: L = \sum_j w_j\, \frac{1}{C_j H_j W_j} \lVert \phi_j(x) - \phi_j(y) \rVert_2^2

    averaged over the batch. The network is no part of the model: its weights are in no
    ``parameters()`` and no ``state_dict``, and ``train()`` and ``requires_grad_()`` of a parent do
    not reach it; ``.to()``, ``.half()``, copies and pickles do. The target gets no gradient.

    Args:
        features: ``"vgg16"``, ``"vgg19"``, or any callable that returns a list of maps. A module
            is frozen in place: evaluation mode, no gradients for its weights.
        layers: names such as ``"relu2_2"``, ``"conv3_1"`` or ``"pool4"``; the network ends at the
            last one. Does not apply to a callable.
        weights: weight of each layer's distance; 1 by default.
        pretrained: ``"auto"``, torchvision's ImageNet weights from torch's cache or the network;
            a path to such a file (``.pth`` or ``.safetensors``) or its folder; or ``"random"``,
            the same random weights every time. Does not apply to a callable.
        distance: a term that compares two maps.
        value_range: ``(black, white)`` of the images, from which they are normalised as for
            ImageNet; gray images are repeated. None, for a callable only: images reach it
            unchanged.

    Raises:
        WeightsError: the weights are not here and cannot be had, or are not those of the network.
        ValueError: an unknown network or layer, or a wrong number of weights.

    Shapes: images ``(N, C, H, W)``, C 1 or 3 for a VGG; what a callable takes otherwise.

    Range: [0, ∞).

    Use: Super-resolution and style: textures that look right rather than pixels that are right.
    Add a pixel term to keep colours.

    Cost: One pass of the network's first layers for the target and one, with backward, for the
    input.

    Peers: Johnson's own code; BasicSR PerceptualLoss (L1 by default), of equal distances and
    layers the same; piq ContentLoss sums over channels, so each layer counts as many times as much.

    References:
        Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
        ECCV 2016, arXiv:1603.08155, eq. 2 (relu2_2 for super-resolution, relu3_3 for transfer).

    >>> import torch
    >>> perceptual = Perceptual(features=lambda x: [x, 3 * x, x * x], value_range=None)
    >>> x = torch.ones(2, 1, 4, 4)
    >>> perceptual(x, x / 2)
    tensor(3.0625)
    """

    def __init__(
        self,
        features: str | Callable[..., Any] = "vgg16",
        layers: Sequence[str] = ("relu2_2",),
        weights: Sequence[float] | None = None,
        pretrained: str | Path = "auto",
        distance: Term = _MSE,
        *,
        value_range: tuple[float, float] | None,
    ) -> None:
        super().__init__(features, layers, weights, pretrained, value_range)
        self.distance = distance

    def distances(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """Give the distance between two maps of a layer, for each sample."""
        return self.distance(ours, theirs, reduction="none")

    def extra_repr(self) -> str:
        """Describe the network and the settings."""
        return f"{super().extra_repr()}, distance={self.distance!r}"


@final
class Style(FeatureTerm):
    r"""Distance between the Gram matrices of a frozen network's feature maps.

    .. math:: L = \sum_j w_j\, \lVert G_j(x) - G_j(y) \rVert_F^2, \qquad
        G_j(x) = \frac{1}{C_j H_j W_j} \sum_{h,w} \phi_j(x)_{h,w}\, \phi_j(x)_{h,w}^T

    averaged over the batch. Which features occur together counts, where they do does not. Gatys'
    loss of a layer, whose matrices are sums and whose square is divided by 4 C² (HW)², is a
    quarter of this one. The network is frozen as that of :class:`Perceptual`, and half precision
    is multiplied in fp32. To compare a batch with one image, ``expand`` that image.

    Args:
        features: ``"vgg16"``, ``"vgg19"``, or any callable that returns a list of maps
            ``(N, C, ...)``. A module is frozen in place.
        layers: names such as ``"relu2_2"``. Does not apply to a callable.
        weights: weight of each layer's distance; 1 by default.
        pretrained: ``"auto"``, a path or ``"random"``, as for :class:`Perceptual`.
        value_range: ``(black, white)`` of the images. None, for a callable only: images reach it
            unchanged.

    Raises:
        WeightsError: the weights are not here and cannot be had, or are not those of the network.
        ValueError: an unknown network or layer, or a wrong number of weights.

    Shapes: images ``(N, C, H, W)``, C 1 or 3 for a VGG; what a callable takes otherwise.

    Range: [0, ∞).

    Use: Textures and style transfer, beside a perceptual term for the content.

    Cost: As the perceptual loss to the same layer, and one product of C x HW by HW x C per map.

    Peers: BasicSR style loss: same matrices, compared by L1 by default. piq does not divide by CHW.

    References:
        Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
        ECCV 2016, arXiv:1603.08155, eqs. 3 and 4.
        Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, eqs. 3
        to 5.

    >>> import torch
    >>> style = Style(features=lambda x: [x], value_range=None)
    >>> x = torch.ones(2, 4, 3, 3)
    >>> style(x, 0 * x)  # all 16 entries of G are 9 / 36
    tensor(1.)
    """

    def __init__(
        self,
        features: str | Callable[..., Any] = "vgg16",
        layers: Sequence[str] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
        weights: Sequence[float] | None = None,
        pretrained: str | Path = "auto",
        *,
        value_range: tuple[float, float] | None,
    ) -> None:
        super().__init__(features, layers, weights, pretrained, value_range)

    def distances(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """Give the squared distance between two Gram matrices, for each sample."""
        check_same_shape(ours, theirs, "a map of the input", "that of the target")
        return (_gram(ours) - _gram(theirs)).square().sum((1, 2))


def _gram(maps: Tensor) -> Tensor:
    """Gram matrices over channels, ``(N, C, ...)`` to ``(N, C, C)``, divided by all elements."""
    check_tensor(maps, "a map of the features")
    if maps.dim() < 3:
        raise ValueError(f"maps (N, C, ...) have a Gram matrix, {tuple(maps.shape)} has none")
    # Divided before the product, which could overflow fp32, by a root on each side.
    flat = check_tensor(maps, "maps").flatten(2) / (maps[0].numel() ** 0.5)
    return product(flat, flat.mT)


@final
@dataclass(frozen=True)
class FeatureMatching:
    r"""Distance between the discriminator's feature maps of real and generated samples.

    .. math:: L = \sum_k \sum_i \frac{1}{N_i} E\big[\lVert D_k^{(i)}(x) - D_k^{(i)}(G(s)) \rVert_1
        \big]

    over discriminators k and layers i, with N_i elements in a map. Sample i of one batch meets
    sample i of the other: for generators without pairs use :class:`MeanFeatureMatching`. Real maps
    are detached. The paper's weight is 10; leave the scores themselves out of the lists.

    Shapes: maps as ``[layer]`` or ``[discriminator][layer]``, each pair of one shape ``(N,
    ...)``.

    Range: [0, ∞).

    Use: Paired generators (pix2pixHD, vocoders) beside the adversarial loss; it steadies training.

    Cost: One elementwise pass per map; the maps come from scores computed anyway.

    Peers: pix2pixHD divides by the number of discriminators and layers, times 4; HiFi-GAN's
    feature_loss is twice ours.

    References:
        Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional
        GANs", CVPR 2018, arXiv:1711.11585, eq. 4 (pix2pixHD).

    >>> import torch
    >>> fake = [[torch.ones(2, 4), torch.full((2, 3), 2.0)], [torch.full((2, 4), 3.0)]]
    >>> real = [[torch.zeros(2, 4), torch.zeros(2, 3)], [torch.zeros(2, 4)]]
    >>> FeatureMatching()(fake=fake, real=real)
    tensor(6.)
    """

    @named("loss(fake=..., real=...)")
    def __call__(self, *, fake: Maps, real: Maps) -> Tensor:
        """Sum over discriminators and layers, a 0-d tensor.

        Args:
            fake: maps of generated samples, [discriminator][layer] or [layer].
            real: maps of real samples, in the same structure; get no gradient.

        Raises:
            TypeError: not lists of floating tensors.
            ValueError: the structures or shapes differ.
        """
        if isinstance(fake, Tensor) or isinstance(real, Tensor):
            raise TypeError(
                "pass lists of feature maps, fake=[layer, ...] or [discriminator][layer]; a single "
                "tensor would be taken apart sample by sample"
            )
        total: Tensor | None = None
        for name, ours, theirs in _matching(fake, real):
            check_same_shape(ours, theirs, f"fake{name}", f"real{name}")
            distance = (ours - theirs.detach()).abs().mean()
            total = distance if total is None else total + distance
        return _present(total)


@final
@dataclass(frozen=True)
class MeanFeatureMatching:
    r"""Distance between the mean features of real and of generated samples.

    .. math:: L = \sum_i \lVert E[f_i(x)] - E[f_i(G(z))] \rVert_2^2

    with the mean over the batch only and the squared norm over the rest. Samples need no partner,
    and the batches may differ in size. Real features are detached. A statistic of the whole batch.

    Args:
        across_processes: take the means over all processes; otherwise they are local.

    Raises:
        TypeError: a setting is not of its type.

    Shapes: features ``(N, ...)`` or a list; batches may differ in size.

    Range: [0, ∞).

    Use: Unpaired generators that oscillate; semi-supervised learning.

    Cost: One mean per map.

    Peers: StudioGAN: the mean absolute difference. torchgan compares unpaired samples one by
    one, which is another loss.

    References:
        Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, arXiv:1606.03498,
        section 3.1.

    >>> import torch
    >>> fake = torch.tensor([[0.0, 2.0], [4.0, 6.0]])
    >>> MeanFeatureMatching()(fake=fake, real=torch.ones(2, 2))
    tensor(10.)
    """

    across_processes: bool = False

    batch_statistic: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_settings(self)

    @named("loss(fake=..., real=...)")
    def __call__(self, *, fake: Tensor | Maps, real: Tensor | Maps) -> Tensor:
        """Sum over layers, a 0-d tensor.

        Args:
            fake: features of generated samples ``(N, ...)``, or a list of them.
            real: features of real samples, in the same structure; get no gradient.

        Raises:
            TypeError: not floating tensors or lists of them.
            ValueError: the structures, or the shapes after the batch, differ.
        """
        total: Tensor | None = None
        for name, ours, theirs in _matching(fake, real):
            check_trailing_shapes(ours, theirs, f"fake{name}", f"real{name}")
            distance = (self._mean(ours) - self._mean(theirs.detach())).square().sum()
            total = distance if total is None else total + distance
        return _present(total)

    def _mean(self, features: Tensor) -> Tensor:
        local = features.mean(0, keepdim=True)
        return gathered(local, across_processes=self.across_processes).mean(0)


def _matching(fake: object, real: object) -> list[tuple[str, Tensor, Tensor]]:
    """Pair the maps of both sides with the place they were found at."""
    ours, theirs = _places(fake, "fake"), _places(real, "real")
    if list(ours) != list(theirs):
        missing = sorted(set(ours) ^ set(theirs))[0]
        raise ValueError(
            f"fake has {len(ours)} maps and real has {len(theirs)}, and only one of them has "
            f"{missing}; pass the maps of the same discriminators and layers for both"
        )
    return [(place, ours[place], theirs[place]) for place in ours]


def _places(maps: object, name: str, place: str = "") -> dict[str, Tensor]:
    if not isinstance(maps, list):
        return {place: check_tensor(maps, name + place)}
    if not maps:
        raise ValueError(f"{name}{place} is an empty list; pass one map per layer")
    found: dict[str, Tensor] = {}
    for i, part in enumerate(maps):
        found |= _places(part, name, f"{place}[{i}]")
    return found


def _present(total: Tensor | None) -> Tensor:
    if total is None:
        raise ValueError("there are no feature maps to compare")
    return total
