"""The learned perceptual distance."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, final

import torch
from torch import Tensor, nn

from ganloss._errors import WeightsError
from ganloss._lazy import suggest
from ganloss._weights import WEIGHTS, locate, read
from ganloss.terms._networks import (
    Frozen,
    Layers,
    Normalise,
    load,
    random_state,
    torchvision_features,
    weights_dtype,
)

Backbone: TypeAlias = Literal["alex", "vgg", "squeeze"]


@dataclass(frozen=True)
class _Network:
    """A backbone.

    Args:
        name: torchvision's.
        taken: positions of the layers that are compared.
        channels: of those layers.
        least: smallest side of an image that reaches the last of them.
    """

    name: str
    taken: tuple[int, ...]
    channels: tuple[int, ...]
    least: int


_NETWORKS = {
    "alex": _Network("alexnet", (1, 4, 7, 9, 11), (64, 192, 384, 256, 256), 31),
    "vgg": _Network("vgg16", (3, 8, 15, 22, 29), (64, 128, 256, 512, 512), 16),
    "squeeze": _Network(
        "squeezenet1_1", (1, 4, 7, 9, 10, 11, 12), (64, 128, 256, 384, 384, 512, 512), 17
    ),
}
_BY_HAND = "pretrained=FOLDER, which holds both files"
_WITHOUT = "pretrained='random', features and weights of layers without training"


@final
class LPIPS(Frozen):
    r"""Distance of normalised features, weighted as people judge: the learned perceptual metric.

    .. math:: L = \sum_l \frac{1}{H_l W_l} \sum_{h,w} \sum_c w_{lc}\,
        (\hat x_{lchw} - \hat y_{lchw})^2

    averaged over the batch, where the features of each place are scaled to length 1 over their
    channels and the weights w were fitted to human judgements (version 0.1). A place without any
    activation counts as zero and has gradient 0. The network is no part of the model: its weights
    are in no ``parameters()`` and no ``state_dict``, so that nothing can train them or switch them
    out of evaluation mode; ``.to()``, ``.half()``, copies and pickles reach it. The target gets no
    gradient.

    Args:
        backbone: ``"alex"`` (the authors' choice as a metric), ``"vgg"`` (as a loss) or
            ``"squeeze"``.
        pretrained: ``"auto"``, torchvision's ImageNet weights and the fitted ones from the
            weights' folders or the network; the path of a folder with both files, or of one file
            (``.pth`` or ``.safetensors``) with the tensors of both; or ``"random"``, the same
            random features every time, all of whose channels weigh 1 (the paper's baseline, half a
            cosine distance, for those features).
        value_range: ``(black, white)`` of the images; gray images are repeated.

    Raises:
        WeightsError: the weights are not here and cannot be had, or are not those of the network.
        ValueError: an unknown backbone.

    Shapes: images ``(N, C, H, W)``, C 1 or 3.

    Range: [0, ∞).

    Use: To compare restored images as people would; as a loss with ``backbone="vgg"`` beside a
    pixel term.

    Cost: One pass of the backbone for the target and one, with backward, for the input.

    Peers: lpips, piq, torchmetrics: same to rounding. lpips puts its constant outside the root, so
    that a dead place has NaN gradients; its weights can be trained by mistake.

    References:
        Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
        CVPR 2018, arXiv:1801.03924, eq. 1.

    >>> import torch
    >>> lpips = LPIPS(pretrained="random", value_range=(0, 1))
    >>> image = torch.rand(1, 3, 64, 64)
    >>> lpips(image, image).item()
    0.0
    """

    def __init__(
        self,
        backbone: Backbone = "alex",
        pretrained: str | Path = "auto",
        *,
        value_range: tuple[float, float],
    ) -> None:
        if backbone not in _NETWORKS:
            names = " or ".join(_NETWORKS)
            raise ValueError(f"no backbone {backbone!r}{suggest(backbone, _NETWORKS)}; use {names}")
        normalise = Normalise(value_range)
        super().__init__(normalise, *_parts(backbone, pretrained))
        self.backbone = backbone
        self.pretrained = pretrained
        self.value_range = value_range

    def maps(self, images: Tensor) -> list[Tensor]:
        """Give the features, of length 1 over the channels."""
        normalise, network, _ = self._hidden
        images = normalise(images)
        least = _NETWORKS[self.backbone].least
        if min(images.shape[-2:]) < least:
            raise ValueError(
                f"images of {images.shape[-2]} x {images.shape[-1]} pixels do not reach the last "
                f"layer of {self.backbone}: at least {least} a side are needed; enlarge them, or "
                "use backbone='vgg' (16)"
            )
        found = network(images.to(weights_dtype(network, images.dtype)))
        return [_unit(x if x.dtype == torch.float64 else x.float()) for x in found]

    def values(self, ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
        """Give the distance of each sample."""
        total = ours[0].new_zeros(())
        for head, a, b in zip(self._hidden[2], ours, theirs, strict=True):
            total = total + ((a - b).square() * head.to(a.dtype)).sum(1).mean((1, 2))
        return total

    def extra_repr(self) -> str:
        """Describe the network and the settings.

        >>> LPIPS(pretrained="random", value_range=(0, 1)).extra_repr()
        "'alex', pretrained='random', value_range=(0, 1)"
        """
        return f"{self.backbone!r}, pretrained={self.pretrained!r}, value_range={self.value_range}"


def _unit(x: Tensor) -> Tensor:
    squares = x.square().sum(1, keepdim=True)
    return x / torch.where(squares == 0, 1.0, squares).sqrt()


class _Heads(nn.Module):
    """Weights of the channels of each layer, ``(C, 1, 1)``."""

    def __init__(self, weights: list[Tensor]) -> None:
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(w.view(-1, 1, 1)) for w in weights])

    def __iter__(self):
        return iter(self.weights)


def _parts(backbone: str, pretrained: str | Path) -> tuple[Layers, _Heads]:
    """Build the frozen backbone and the weights of its layers; both files are looked for first."""
    network = _NETWORKS[backbone]
    layers = torchvision_features(network.name, "LPIPS")[: max(network.taken) + 1]
    if pretrained == "random":
        state = random_state(layers)
        heads = [torch.ones(channels) for channels in network.channels]
    else:
        state, found = _states(backbone, pretrained)
        heads = _heads(found, network.channels, backbone, pretrained)
    load(layers, state, network.name, pretrained)
    return Layers(layers, network.taken), _Heads(heads)


def _states(backbone: str, pretrained: str | Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Read the two files, or the one that holds both."""
    if pretrained != "auto" and Path(pretrained).expanduser().is_file():
        state = read(Path(pretrained).expanduser())
        return state, state
    names = f"lpips-{backbone}", _NETWORKS[backbone].name
    # The small file first: what is missing is known before 500 MB are read.
    paths = [
        locate(WEIGHTS[name], pretrained, by_hand=_BY_HAND, without=_WITHOUT) for name in names
    ]
    heads, state = map(read, paths)
    return state, heads


def _heads(
    state: dict[str, Tensor], channels: tuple[int, ...], backbone: str, pretrained: str | Path
) -> list[Tensor]:
    """Take the weights of the layers, which the authors' files call ``lin0.model.1.weight``."""
    found: list[Tensor] = []
    for i, count in enumerate(channels):
        weight = state.get(f"lin{i}.model.1.weight")
        if getattr(weight, "shape", None) != (1, count, 1, 1):
            raise WeightsError(
                f"{pretrained} does not hold the fitted weights of LPIPS for {backbone}: "
                f"lin{i}.model.1.weight missing or of another shape; pass a folder with "
                f"{WEIGHTS[f'lpips-{backbone}'].file}, which is at "
                f"{WEIGHTS[f'lpips-{backbone}'].url}, or do without: {_WITHOUT}"
            )
        found.append(state[f"lin{i}.model.1.weight"].float())
    return found
