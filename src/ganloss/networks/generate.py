"""Generators ``G(z)`` and discriminators ``D(x)`` from noise to images, 8 to 256 pixels.

Images are in [-1, 1]. No batch normalisation: gradient penalties are about single samples, and
batch statistics would make the result depend on the number of processes.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from ganloss._errors import UsageError


class MLPGenerator(nn.Module):
    """Three-layer generator for tiny images.

    >>> MLPGenerator(image_size=8, channels=1)(torch.zeros(2, 32)).shape
    torch.Size([2, 1, 8, 8])
    """

    def __init__(self, image_size: int, channels: int, latent: int = 32, width: int = 256) -> None:
        super().__init__()
        self.latent = latent
        self._shape = (channels, image_size, image_size)
        self.layers = nn.Sequential(
            nn.Linear(latent, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, math.prod(self._shape)),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Map latents ``(N, latent)`` to images ``(N, C, H, W)`` in [-1, 1]."""
        return self.layers(z).view(-1, *self._shape)


class MLPDiscriminator(nn.Module):
    """Three-layer discriminator for tiny images.

    >>> MLPDiscriminator(image_size=8, channels=1)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2])
    """

    def __init__(self, image_size: int, channels: int, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * image_size**2, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Give one raw score per image, ``(N,)``."""
        return self.layers(x).squeeze(1)


def _normalise_features(x: Tensor) -> Tensor:
    """Scale each pixel's feature vector to unit root mean square (pixel norm).

    Karras et al., "Progressive Growing of GANs", ICLR 2018, arXiv:1710.10196, section 4.2.
    """
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


def _widths(image_size: int, base: int) -> list[int]:
    """Feature maps at half the image size, a quarter, ..., 4 pixels; at most 8 times ``base``.

    >>> _widths(32, 32)
    [32, 64, 128]
    """
    return [min(base * 2**level, base * 8) for level in range(int(math.log2(image_size)) - 2)]


class ConvGenerator(nn.Module):
    """Convolutional generator with nearest-neighbour upsampling (no checkerboard) and pixel norm.

    >>> ConvGenerator(image_size=32, channels=3)(torch.zeros(2, 64)).shape
    torch.Size([2, 3, 32, 32])
    """

    def __init__(self, image_size: int, channels: int, latent: int = 64, width: int = 32) -> None:
        super().__init__()
        widths = _widths(image_size, width)[::-1]
        self.latent = latent
        self._start = widths[0]
        self.stem = nn.Linear(latent, widths[0] * 16)
        self.blocks = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths)
        )
        self.to_image = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Map latents ``(N, latent)`` to images ``(N, C, H, W)`` in [-1, 1]."""
        x = self.stem(z).view(-1, self._start, 4, 4)
        x = _normalise_features(leaky_relu(x, 0.2))
        for convolve in self.blocks:
            x = convolve(interpolate(x, scale_factor=2.0, mode="nearest"))
            x = _normalise_features(leaky_relu(x, 0.2))
        return torch.tanh(self.to_image(interpolate(x, scale_factor=2.0, mode="nearest")))


class ConvDiscriminator(nn.Module):
    """Convolutional discriminator with strided convolutions, as in DCGAN.

    >>> ConvDiscriminator(image_size=32, channels=3)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2])
    """

    def __init__(self, image_size: int, channels: int, width: int = 32) -> None:
        super().__init__()
        widths = [channels, *_widths(image_size, width)]
        self.blocks = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in pairwise(widths)
        )
        self.head = nn.Linear(widths[-1] * 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Give one raw score per image, ``(N,)``."""
        for convolve in self.blocks:
            x = leaky_relu(convolve(x), 0.2)
        return self.head(x.flatten(1)).squeeze(1)


def reference_networks(
    image_size: int, channels: int
) -> tuple[MLPGenerator | ConvGenerator, nn.Module]:
    """Give the reference generator and discriminator: MLPs at 8 px, convolutions above.

    Raises:
        UsageError: the size is not a power of two from 8 to 256.
    """
    sizes = [8, 16, 32, 64, 128, 256]
    if image_size not in sizes:
        raise UsageError(
            f"--image-size {image_size} is not one of {', '.join(map(str, sizes))}, "
            "which the reference networks of `generate` are made for"
        )
    if image_size == 8:
        return MLPGenerator(8, channels), MLPDiscriminator(8, channels)
    return ConvGenerator(image_size, channels), ConvDiscriminator(image_size, channels)
