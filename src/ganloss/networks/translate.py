"""Networks from images to images, of any size: U-Net, ResNet, super-resolution, PatchGAN.

Images are in [-1, 1]. Instance normalisation, where there is any, looks at single images.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, pad, relu


@dataclass(frozen=True)
class Translator:
    """Which network translates images, so that it can be built again.

    Args:
        network: ``"unet"``, ``"resnet"`` or ``"sr"`` (residual, for outputs near their inputs).
        inputs: channels of what is translated.
        outputs: channels of the result.
        width: channels of the widest map at full size.
        depth: halvings of a U-Net, or residual blocks.
        scale: how many times larger the result is; of ``"sr"`` alone.
        normalise: whether there is instance normalisation; ``"sr"`` has none.

    >>> Translator("sr", 3, 3, width=8, depth=1, scale=2).build()(torch.zeros(1, 3, 4, 4)).shape
    torch.Size([1, 3, 8, 8])
    """

    network: Literal["unet", "resnet", "sr"]
    inputs: int
    outputs: int
    width: int
    depth: int
    scale: int = 1
    normalise: bool = True

    def build(self) -> nn.Module:
        """Make the network, with random weights."""
        if self.network == "sr":
            return SuperResolution(self.outputs, self.scale, self.width, self.depth)
        kind = UNet if self.network == "unet" else ResNetGenerator
        return kind(self.inputs, self.outputs, self.width, self.depth, normalise=self.normalise)


class UNet(nn.Module):
    """Encoder and decoder with skip connections, for outputs that keep the input's layout.

    Sides that ``2**depth`` does not divide are padded by reflection and cut again.

    References:
        Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR
        2017, arXiv:1611.07004, section 6.1.1; without dropout, with nearest-neighbour upsampling.

    >>> UNet(3, 1)(torch.zeros(2, 3, 70, 51)).shape
    torch.Size([2, 1, 70, 51])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 32,
        depth: int = 4,
        *,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        widths = [min(width * 2**level, width * 8) for level in range(depth + 1)]
        self._multiple = 2**depth
        self._normalise = normalise
        bias = not normalise  # which the normalisation would take away again
        self.first = nn.Conv2d(inputs, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1, bias=bias) for a, b in pairwise(widths)
        )
        self.up = nn.ModuleList(
            nn.Conv2d(b + a, a, 3, padding=1, bias=bias) for a, b in reversed([*pairwise(widths)])
        )
        self.last = nn.Conv2d(widths[0], outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(N, inputs, H, W)`` to images ``(N, outputs, H, W)`` in [-1, 1]."""
        _check_images(x, self.first.in_channels)
        height, width = x.shape[2:]
        x = leaky_relu(self.first(_padded(x, self._multiple)), 0.2)
        skips: list[Tensor] = []
        for convolve in self.down:
            skips.append(x)
            x = leaky_relu(self._after(convolve(x)), 0.2)
        for convolve, skip in zip(self.up, reversed(skips), strict=True):
            x = torch.cat([interpolate(x, scale_factor=2.0, mode="nearest"), skip], 1)
            x = relu(self._after(convolve(x)))
        return torch.tanh(self.last(x))[..., :height, :width]

    def _after(self, x: Tensor) -> Tensor:
        return _normalised(x) if self._normalise else x


class ResNetGenerator(nn.Module):
    """Two strided convolutions down, residual blocks, and up again: CycleGAN's generator.

    References:
        Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
        ECCV 2016, arXiv:1603.08155; Zhu et al., ICCV 2017, arXiv:1703.10593, section 4.

    >>> ResNetGenerator(3, 3, blocks=2)(torch.zeros(1, 3, 30, 41)).shape
    torch.Size([1, 3, 30, 41])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 32,
        blocks: int = 6,
        *,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self._normalise = normalise
        bias = not normalise
        self.first = nn.Conv2d(inputs, width, 7, bias=bias)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1, bias=bias)
            for a, b in pairwise((width, 2 * width, 4 * width))
        )
        self.blocks = nn.ModuleList(
            _Residual(4 * width, normalise=normalise) for _ in range(blocks)
        )
        self.up = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=bias)
            for a, b in pairwise((4 * width, 2 * width, width))
        )
        self.last = nn.Conv2d(width, outputs, 7)

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(N, inputs, H, W)`` to images ``(N, outputs, H, W)`` in [-1, 1]."""
        _check_images(x, self.first.in_channels)
        height, width = x.shape[2:]
        x = relu(self._after(self.first(_reflected(_padded(x, 4), 3))))
        for convolve in self.down:
            x = relu(self._after(convolve(x)))
        for block in self.blocks:
            x = block(x)
        for convolve in self.up:
            x = relu(self._after(convolve(interpolate(x, scale_factor=2.0, mode="nearest"))))
        return torch.tanh(self.last(_reflected(x, 3)))[..., :height, :width]

    def _after(self, x: Tensor) -> Tensor:
        return _normalised(x) if self._normalise else x


class SuperResolution(nn.Module):
    """Residual blocks at the input's size, then sub-pixel upsampling; adds to the bicubic image.

    References:
        Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative
        Adversarial Network", CVPR 2017, arXiv:1609.04802, section 2.1.1; without batch
        normalisation, as in Lim et al., "EDSR", CVPRW 2017, arXiv:1707.02921.

    >>> SuperResolution(3, scale=4, blocks=2)(torch.zeros(1, 3, 10, 13)).shape
    torch.Size([1, 3, 40, 52])
    """

    def __init__(self, channels: int, scale: int = 4, width: int = 48, blocks: int = 6) -> None:
        super().__init__()
        self._scale = scale
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks = nn.ModuleList(_Residual(width, normalise=False) for _ in range(blocks))
        self.up = nn.Conv2d(width, channels * scale**2, 3, padding=1, bias=False)
        nn.init.zeros_(self.up.weight)  # training starts from the bicubic image

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to ``(N, C, scale·H, scale·W)``."""
        _check_images(x, self.first.in_channels)
        features = first = relu(self.first(x))
        for block in self.blocks:
            features = block(features)
        detail = torch.pixel_shuffle(self.up(features + first), self._scale)
        return interpolate(x, scale_factor=float(self._scale), mode="bicubic") + detail


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches, at one or more scales of the image.

    With several scales the scores are a list, the finest first, and each scale sees the image at
    half the size of the one before.

    References:
        Isola et al., CVPR 2017, arXiv:1611.07004, section 3.2.2; Wang et al., "High-Resolution
        Image Synthesis and Semantic Manipulation with Conditional GANs", CVPR 2018,
        arXiv:1711.11585, section 3.2 (scales), eq. 4 (features).

    >>> D = PatchDiscriminator(4, scales=2)
    >>> [tuple(s.shape) for s in D(torch.zeros(2, 4, 64, 64))]
    [(2, 1, 8, 8), (2, 1, 4, 4)]
    """

    def __init__(self, channels: int, width: int = 32, layers: int = 3, scales: int = 1) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_Patches(channels, width, layers) for _ in range(scales))

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Give raw scores ``(N, 1, h, w)`` of patches; a list of them with several scales."""
        maps = self.features(x)
        return maps[0][-1] if len(maps) == 1 else [scale[-1] for scale in maps]

    def features(self, x: Tensor) -> list[list[Tensor]]:
        """Give the maps of every layer of every scale; the last of each are its scores.

        >>> maps = PatchDiscriminator(4, scales=2).features(torch.zeros(2, 4, 64, 64))
        >>> len(maps), maps[1][-1].shape
        (2, torch.Size([2, 1, 4, 4]))
        """
        found: list[list[Tensor]] = []
        for i, scale in enumerate(self.scales):
            found.append(scale(x if i == 0 else avg_pool2d(x, 2**i)))
        return found


class _Patches(nn.Module):
    """One scale of a patch discriminator; gives the maps of all layers."""

    def __init__(self, channels: int, width: int, layers: int) -> None:
        super().__init__()
        widths = [channels, *(min(width * 2**level, width * 8) for level in range(layers))]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths)
        )
        self.score = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps: list[Tensor] = []
        for convolve in self.layers:
            x = leaky_relu(convolve(x), 0.2)
            maps.append(x)
        return [*maps, self.score(x)]


class _Residual(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, width: int, *, normalise: bool = True) -> None:
        super().__init__()
        self._normalise = normalise
        # The normalisation would take a bias away again.
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=not normalise)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=not normalise)

    def forward(self, x: Tensor) -> Tensor:
        change = self.first(x)
        change = relu(_normalised(change) if self._normalise else change)
        change = self.second(change)
        return x + (_normalised(change) if self._normalise else change)


def _check_images(x: Tensor, channels: int) -> None:
    if x.dim() != 4 or x.shape[1] != channels:
        raise ValueError(
            f"images have the shape {list(x.shape)}; this generator takes (N, {channels}, H, W), "
            "floating point in [-1, 1]"
        )


def _normalised(x: Tensor) -> Tensor:
    """Instance normalisation; maps of a single pixel, which it would erase, stay."""
    return x if x.shape[2] * x.shape[3] == 1 else nn.functional.instance_norm(x)


def _padded(x: Tensor, multiple: int) -> Tensor:
    """Continue an image to the right and below until its sides are multiples."""
    height, width = x.shape[2:]
    return _edges(x, 0, -width % multiple, 0, -height % multiple)


def _reflected(x: Tensor, margin: int) -> Tensor:
    return _edges(x, margin, margin, margin, margin)


def _edges(x: Tensor, left: int, right: int, top: int, bottom: int) -> Tensor:
    """Reflect at the edges; images too small for that are continued by their last pixels."""
    small = max(left, right) >= x.shape[3] or max(top, bottom) >= x.shape[2]
    return pad(x, (left, right, top, bottom), "replicate" if small else "reflect")
