"""Terms that compare images by the feature maps of a network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, final

import torch
from torch import Tensor, nn

from ganloss._errors import WeightsError
from ganloss._lazy import require, suggest
from ganloss._scores import Reduction, check_same_shape, check_tensor, check_trailing_shapes
from ganloss._weights import WEIGHTS, locate, read
from ganloss.terms._term import Term, checked_images, reduced
from ganloss.terms.pixel import MSE

#: Feature maps of one discriminator, or of several: [layer] or [discriminator][layer].
Maps: TypeAlias = list[Tensor] | list[list[Tensor]]

_MSE = MSE()
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@final
class Perceptual(nn.Module):
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

    Use: Super-resolution and style: textures that look right rather than pixels that are right.
    Add a pixel term to keep colours.

    Cost: One pass of the network's first layers for the target and one, with backward, for the
    input.

    Peers: Johnson's own code; BasicSR PerceptualLoss (L1 by default), piq ContentLoss: same for
    equal distances and layers.

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
        super().__init__()
        self.weights = None if weights is None else tuple(weights)
        self.distance = distance
        self.value_range = value_range
        normalise = None if value_range is None else _Normalise(value_range)
        if isinstance(features, str):
            _check_named(features, layers, self.weights, value_range)
            self._description = f"{features!r}, layers={tuple(layers)}, pretrained={pretrained!r}"
            features = _vgg(features, tuple(layers), pretrained)
        else:
            self._description = repr(features)
        if isinstance(features, nn.Module):
            features.eval().requires_grad_(False)
        # A tuple is not registered: what is in it belongs to no state_dict, parameters() or mode.
        self._hidden = (normalise, features)

    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> Tensor:
        """Distance of the maps of ``input`` from those of ``target``.

        Args:
            input: generated images, ``(N, C, H, W)``.
            target: what they should be; gets no gradient.
            weight: weight of each sample, ``(N,)``.
            reduction: ``"mean"`` Σwl/Σw, ``"sum"`` Σwl, ``"none"`` w·l, ``(N,)``.

        Raises:
            TypeError: images are not floating tensors, or the features are not a list of tensors.
            ValueError: shapes, or the numbers of maps and weights, differ.
        """
        checked_images(input, target)
        with torch.no_grad():
            target_maps = self._maps(target.detach())
        maps = self._maps(input)
        weights = (1.0,) * len(maps) if self.weights is None else self.weights
        if not len(maps) == len(target_maps) == len(weights):
            raise ValueError(
                f"the features gave {len(maps)} maps of the input and {len(target_maps)} of the "
                f"target for {len(weights)} weights; these numbers must agree"
            )
        total = input.new_zeros(())
        for w, ours, theirs in zip(weights, maps, target_maps, strict=True):
            distance = self.distance(ours, theirs, reduction="none")
            total = total + (distance if w == 1 else w * distance)
        return reduced(total, weight, reduction)

    def _maps(self, images: Tensor) -> list[Tensor]:
        normalise, network = self._hidden
        if normalise is not None:
            images = normalise(images)
            if isinstance(network, nn.Module):
                images = images.to(_dtype(network, images.dtype))
        maps = network(images)
        if not isinstance(maps, list | tuple) or not maps:
            raise TypeError(
                f"the features returned {type(maps).__name__}; a list of maps is needed, one per "
                "layer, even if there is only one: [map]"
            )
        return list(maps)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "Perceptual":
        for part in self._hidden:
            if isinstance(part, nn.Module):
                part._apply(fn, recurse)
        super()._apply(fn, recurse)
        return self

    def extra_repr(self) -> str:
        """Describe the network and the settings."""
        return (
            f"{self._description}, weights={self.weights}, distance={self.distance!r}, "
            f"value_range={self.value_range}"
        )


class _Normalise(nn.Module):
    """From a value range to ImageNet's mean and spread, as one product and sum."""

    scale: Tensor
    shift: Tensor

    def __init__(self, value_range: tuple[float, float]) -> None:
        super().__init__()
        low, high = value_range
        if not low < high:
            raise ValueError(f"value_range is {value_range}; pass (black, white), e.g. (-1, 1)")
        mean, std = torch.tensor(_IMAGENET_MEAN), torch.tensor(_IMAGENET_STD)
        scale = 1 / (std * (high - low))
        self.register_buffer("scale", scale.view(3, 1, 1))
        self.register_buffer("shift", (-low * scale - mean / std).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        if images.dim() != 4 or images.shape[1] not in (1, 3):
            raise ValueError(
                f"images have shape {tuple(images.shape)}; (N, 3, H, W) or gray (N, 1, H, W) is "
                "needed to normalise them as for ImageNet"
            )
        # A gray image is repeated by the broadcast over the three channels.
        return torch.addcmul(self.shift, images, self.scale)


def _dtype(network: nn.Module, default: torch.dtype) -> torch.dtype:
    return next((p.dtype for p in network.parameters() if p.is_floating_point()), default)


class _Layers(nn.Module):
    """The first layers of a network; returns the outputs of some of them."""

    def __init__(self, layers: nn.Sequential, taken: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = layers
        self.taken = taken
        for i, layer in enumerate(layers):
            if isinstance(layer, nn.ReLU):
                # In place it would overwrite the map before it, if that one is wanted.
                layer.inplace = i - 1 not in taken

    def forward(self, x: Tensor) -> list[Tensor]:
        found: dict[int, Tensor] = {}
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i in self.taken:
                found[i] = x
        return [found[i] for i in self.taken]


_VGGS = ("vgg16", "vgg19")
_RANDOM_SEED = 1603


def _check_named(
    features: str,
    layers: Sequence[str],
    weights: tuple[float, ...] | None,
    value_range: tuple[float, float] | None,
) -> None:
    if features not in _VGGS:
        raise ValueError(
            f"no network {features!r}{suggest(features, _VGGS)}; use {' or '.join(_VGGS)}, or pass "
            "a callable that returns a list of maps"
        )
    if isinstance(layers, str) or not layers:
        raise ValueError(f"layers is {layers!r}; pass a tuple of names, e.g. ('relu2_2',)")
    if weights is not None and len(weights) != len(layers):
        raise ValueError(f"{len(weights)} weights for {len(layers)} layers; pass one for each")
    if value_range is None:
        raise TypeError(
            f"{features} needs the range of your images: pass value_range=(0, 1), or (-1, 1) for "
            "the output of a tanh"
        )


def _vgg(name: str, names: tuple[str, ...], pretrained: str | Path) -> _Layers:
    """Build torchvision's network up to the last of the named layers, with its weights."""
    vision = require(
        "torchvision.models",
        "install torch and torchvision together: pip install torch torchvision",
        "Perceptual with a network by name",
    )
    # Without memory: the classifier, which is not needed, is most of the network.
    with torch.device("meta"):
        layers: nn.Sequential = getattr(vision, name)(weights=None, init_weights=False).features
    positions = _layer_names(layers)
    for layer in names:
        if layer not in positions:
            raise ValueError(f"{name} has no layer {layer!r}{suggest(layer, positions)}")
    taken = tuple(positions[layer] for layer in names)
    layers = layers[: max(taken) + 1]
    state = _random_state(layers) if pretrained == "random" else _state(name, pretrained)
    _load(layers, state, name, pretrained)
    return _Layers(layers, taken)


def _layer_names(layers: nn.Sequential) -> dict[str, int]:
    """Name the layers as papers do: relu2_2 is the second in the second block."""
    names: dict[str, int] = {}
    block, number = 1, 0
    for i, layer in enumerate(layers):
        if isinstance(layer, nn.MaxPool2d):
            names[f"pool{block}"] = i
            block, number = block + 1, 0
        elif isinstance(layer, nn.Conv2d):
            number += 1
            names[f"conv{block}_{number}"] = i
        else:
            names[f"relu{block}_{number}"] = i
    return names


def _random_state(layers: nn.Sequential) -> dict[str, Tensor]:
    """He-initialised weights from a fixed seed, without touching the global generator."""
    generator = torch.Generator().manual_seed(_RANDOM_SEED)
    state: dict[str, Tensor] = {}
    for name, parameter in layers.named_parameters():
        weight = torch.zeros(parameter.shape)
        if weight.dim() > 1:
            fan_out = weight.shape[0] * weight[0, 0].numel()
            weight.normal_(0, (2 / fan_out) ** 0.5, generator=generator)
        state[name] = weight
    return state


def _state(name: str, pretrained: str | Path) -> dict[str, Tensor]:
    """Read the weights of ``pretrained``, or those of torch's cache, filled if need be."""
    by_hand, without = "pretrained=PATH", "pretrained='random', features without training"
    return read(locate(WEIGHTS[name], pretrained, by_hand=by_hand, without=without))


def _load(
    layers: nn.Sequential, state: dict[str, Tensor], name: str, pretrained: str | Path
) -> None:
    """Give the layers their weights: those of a whole VGG, or of its features alone."""
    prefix = "features." if any(key.startswith("features.") for key in state) else ""
    wanted = {key: state.get(prefix + key) for key, _ in layers.named_parameters()}
    wrong = [
        prefix + key
        for key, parameter in layers.named_parameters()
        if getattr(wanted[key], "shape", None) != parameter.shape
    ]
    if wrong:
        raise WeightsError(
            f"{pretrained} does not hold the weights of {name}: {', '.join(wrong[:3])} missing or "
            "of another shape; pass a file of torchvision's network of that name"
        )
    layers.load_state_dict(wanted, assign=True)
    layers.float()


@final
@dataclass(frozen=True)
class FeatureMatching:
    r"""Distance between the discriminator's feature maps of real and generated samples.

    .. math:: L = \sum_k \sum_i \frac{1}{N_i} E\big[\lVert D_k^{(i)}(x) - D_k^{(i)}(G(s)) \rVert_1
        \big]

    over discriminators k and layers i, with N_i elements in a map. Sample i of one batch meets
    sample i of the other: for generators without pairs use :class:`MeanFeatureMatching`. Real maps
    are detached. The paper's weight is 10; leave the scores themselves out of the lists.

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
    and the batches may differ in size. Real features are detached. A statistic of the whole
    (local) batch.

    Use: Unpaired generators that oscillate; semi-supervised learning.

    Cost: One mean per map.

    Peers: StudioGAN: same scale. torchgan compares unpaired samples one by one, which is another
    loss.

    References:
        Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, arXiv:1606.03498,
        section 3.1.

    >>> import torch
    >>> fake = torch.tensor([[0.0, 2.0], [4.0, 6.0]])
    >>> MeanFeatureMatching()(fake=fake, real=torch.ones(2, 2))
    tensor(10.)
    """

    batch_statistic: ClassVar[bool] = True

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
            distance = (ours.mean(0) - theirs.detach().mean(0)).square().sum()
            total = distance if total is None else total + distance
        return _present(total)


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
