"""Frozen networks: torchvision's layers by the names of papers, and terms of their feature maps."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from ganloss._errors import WeightsError
from ganloss._lazy import require, suggest
from ganloss._scores import Reduction
from ganloss._settings import check_number
from ganloss._weights import WEIGHTS, locate, read
from ganloss.terms._term import checked_images, reduced

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class Frozen(nn.Module, ABC):
    """A term that holds a network which is no part of the model.

    The network's weights are in no ``parameters()`` and no ``state_dict``, and ``train()`` and
    ``requires_grad_()`` of a parent do not reach it; ``.to()``, ``.half()``, copies and pickles do.
    A subclass writes :meth:`values`.
    """

    def __init__(self, *hidden: Any) -> None:
        super().__init__()
        for part in hidden:
            if isinstance(part, nn.Module):
                part.eval().requires_grad_(False)
        # A tuple is not registered: what is in it belongs to no state_dict, parameters() or mode.
        self._hidden = hidden

    @abstractmethod
    def maps(self, images: Tensor) -> list[Tensor]:
        """Give the feature maps of images."""

    @abstractmethod
    def values(self, ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
        """Give the loss of each sample from the maps of input and target, ``(N,)``."""

    @final
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
            theirs = self.maps(target.detach())
        return reduced(self.values(self.maps(input), theirs), weight, reduction)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "Frozen":
        for part in self._hidden:
            if isinstance(part, nn.Module):
                part._apply(fn, recurse)
        super()._apply(fn, recurse)
        return self


class FeatureTerm(Frozen):
    """A weighted sum, over the layers of a frozen network, of distances between maps.

    A subclass writes :meth:`distances` of the two maps of one layer.
    """

    def __init__(
        self,
        features: str | Callable[..., Any],
        layers: Sequence[str],
        weights: Sequence[float] | None,
        pretrained: str | Path,
        value_range: tuple[float, float] | None,
    ) -> None:
        given = None if weights is None else tuple(check_number(w, "weights") for w in weights)
        normalise = None if value_range is None else Normalise(value_range)
        if isinstance(features, str):
            _check_named(features, layers, given, value_range)
            description = f"{features!r}, layers={tuple(layers)}, pretrained={pretrained!r}"
            features = _vgg(features, tuple(layers), pretrained)
        else:
            description = repr(features)
        super().__init__(normalise, features)
        self._description = description
        self.weights = given
        self.value_range = value_range

    @abstractmethod
    def distances(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """Give the distance between two maps of a layer, for each sample."""

    @final
    def values(self, ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
        """Give the weighted sum over layers, for each sample."""
        weights = (1.0,) * len(ours) if self.weights is None else self.weights
        if not len(ours) == len(theirs) == len(weights):
            raise ValueError(
                f"the features gave {len(ours)} maps of the input and {len(theirs)} of the "
                f"target for {len(weights)} weights; these numbers must agree"
            )
        total = ours[0].new_zeros(())
        for w, a, b in zip(weights, ours, theirs, strict=True):
            distance = self.distances(a, b)
            total = total + (distance if w == 1 else w * distance)
        return total

    @final
    def maps(self, images: Tensor) -> list[Tensor]:
        """Give the feature maps of images, which are normalised first if they have a range."""
        normalise, network = self._hidden
        if normalise is not None:
            images = normalise(images)
            if isinstance(network, nn.Module):
                images = images.to(weights_dtype(network, images.dtype))
        maps = network(images)
        if not isinstance(maps, list | tuple) or not maps:
            raise TypeError(
                f"the features returned {type(maps).__name__}; a list of maps is needed, one per "
                "layer, even if there is only one: [map]"
            )
        return list(maps)

    def extra_repr(self) -> str:
        """Describe the network and the settings."""
        return f"{self._description}, weights={self.weights}, value_range={self.value_range}"


class Normalise(nn.Module):
    """From a value range to ImageNet's mean and spread, as one product and sum."""

    scale: Tensor
    shift: Tensor

    def __init__(self, value_range: tuple[float, float]) -> None:
        super().__init__()
        pair = isinstance(value_range, (tuple, list)) and len(value_range) == 2  # pyright: ignore[reportUnnecessaryIsInstance, reportUnnecessaryComparison]
        if not pair:
            raise TypeError(f"value_range is {value_range!r}; pass (black, white), e.g. (-1, 1)")
        low, high = (check_number(end, "value_range") for end in value_range)
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


def weights_dtype(network: nn.Module, default: torch.dtype) -> torch.dtype:
    return next((p.dtype for p in network.parameters() if p.is_floating_point()), default)


class Layers(nn.Module):
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


def torchvision_features(name: str, what: str) -> nn.Sequential:
    """Build the layers of torchvision's network of that name, without memory for their weights."""
    vision = require(
        "torchvision.models",
        "install torch and torchvision together: pip install torch torchvision",
        f"{what} with a network by name",
    )
    # The classifier, which is not needed, is most of the network. SqueezeNet draws its weights
    # whatever is asked for, which on the meta device changes nothing.
    with torch.device("meta"):
        options = {"init_weights": False} if name in _VGGS else {}
        return getattr(vision, name)(weights=None, **options).features


def _vgg(name: str, names: tuple[str, ...], pretrained: str | Path) -> Layers:
    """Build torchvision's network up to the last of the named layers, with its weights."""
    layers = torchvision_features(name, "Perceptual or Style")
    positions = layer_names(layers)
    for layer in names:
        if layer not in positions:
            raise ValueError(f"{name} has no layer {layer!r}{suggest(layer, positions)}")
    taken = tuple(positions[layer] for layer in names)
    layers = layers[: max(taken) + 1]
    state = random_state(layers) if pretrained == "random" else _state(name, pretrained)
    load(layers, state, name, pretrained)
    return Layers(layers, taken)


def layer_names(layers: nn.Sequential) -> dict[str, int]:
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


def random_state(layers: nn.Sequential) -> dict[str, Tensor]:
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


def load(
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
