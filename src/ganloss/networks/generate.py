"""Generators ``G(z)`` and discriminators ``D(x)``: points in the plane, images of 8 to 256 pixels.

With classes they are called ``G(z, y)`` and ``D(x, y)``. Images are in [-1, 1]. No batch
normalisation: gradient penalties are about single samples, and batch statistics would make the
result depend on the number of processes.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from ganloss._errors import UsageError
from ganloss.outputs import EnergyOutput, FeatureOutput, Output, ScoreOutput

#: Points lie in the plane, and so do their latents: a generator with more of them has to fold
#: space, and leaves threads of points between modes (docs/explanation/modes.md has the numbers).
_POINT_LATENT, _POINT_WIDTH, _POINT_DEPTH = 2, 256, 3
#: Points in the plane are given back through a single number, or every point would be.
_POINT_CODE = 1
_SCORES = ScoreOutput()


class Generator(nn.Module):
    """What the generators share: the length of their latents, and their classes.

    Args:
        latent: length of a latent vector.
        classes: number of classes, or 0.

    >>> base = Generator(latent=4, classes=3)
    >>> base.inputs, base.join(torch.zeros(2, 4), torch.tensor([0, 2])).shape
    (8, torch.Size([2, 8]))
    """

    def __init__(self, latent: int, classes: int) -> None:
        super().__init__()
        self.latent = latent
        self.classes = classes
        self.embed = nn.Embedding(classes, latent) if classes else None

    @property
    def inputs(self) -> int:
        """Numbers that go in: the latent, and as many for the class."""
        return self.latent * (2 if self.classes else 1)

    def join(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Append the class's vector to the latent.

        Raises:
            TypeError: labels are missing, or there are no classes.
            ValueError: latents or labels have another shape.

        >>> Generator(latent=4, classes=0).join(torch.zeros(2, 3), None)
        Traceback (most recent call last):
        ValueError: latents have the shape [2, 3]; this generator takes (N, 4), ...
        """
        if z.dim() != 2 or z.shape[1] != self.latent:
            raise ValueError(
                f"latents have the shape {list(z.shape)}; this generator takes (N, {self.latent}), "
                f"e.g. torch.randn(16, {self.latent})"
            )
        if self.embed is None:
            if labels is not None:
                raise TypeError("this generator has no classes: call it as G(z)")
            return z
        if labels is None:
            raise TypeError(f"this generator has {self.classes} classes: call it as G(z, labels)")
        if labels.dim() != 1 or labels.shape[0] != z.shape[0] or labels.is_floating_point():
            raise ValueError(
                f"labels have the shape {list(labels.shape)} and the dtype {labels.dtype}; "
                f"{z.shape[0]} latents need one class each, whole numbers from 0 to "
                f"{self.classes - 1}: ({z.shape[0]},)"
            )
        return torch.cat([z, self.embed(labels)], 1)


class Projection(nn.Module):
    """Final scores, with the inner product of features and class vector where there are classes.

    References:
        Miyato & Koyama, "cGANs with Projection Discriminator", ICLR 2018, arXiv:1802.05637, eq. 3.

    >>> Projection(features=4, classes=3)(torch.zeros(2, 4), torch.tensor([0, 2])).shape
    torch.Size([2])
    """

    def __init__(self, features: int, classes: int = 0) -> None:
        super().__init__()
        self.score = nn.Linear(features, 1)
        self.embed = nn.Embedding(classes, features) if classes else None

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map features ``(N, d)``, and classes ``(N,)``, to raw scores ``(N,)``.

        >>> projection = Projection(features=4, classes=3)
        >>> projection(torch.zeros(2, 4))
        Traceback (most recent call last):
        TypeError: this discriminator has classes: call it as D(x, labels)
        """
        score = self.score(features).squeeze(1)
        if self.embed is None:
            return score
        if labels is None:
            raise TypeError("this discriminator has classes: call it as D(x, labels)")
        # Scaled so that the sum over the features starts at the size of the score.
        match = (self.embed(labels) * features).sum(1) / features.shape[1] ** 0.5
        return score + match


def _hidden_layers(inputs: int, width: int, depth: int) -> list[nn.Module]:
    sizes = [inputs, *[width] * depth]
    pairs = ((nn.Linear(a, b), nn.LeakyReLU(0.2)) for a, b in pairwise(sizes))
    return [layer for pair in pairs for layer in pair]


class MLPGenerator(Generator):
    """Generator of ``depth`` hidden layers for tiny images, or for points.

    >>> MLPGenerator((1, 8, 8))(torch.zeros(2, 32)).shape
    torch.Size([2, 1, 8, 8])
    >>> MLPGenerator((2,), latent=2)(torch.zeros(5, 2)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        latent: int = 32,
        width: int = 256,
        classes: int = 0,
        depth: int = 2,
    ) -> None:
        super().__init__(latent, classes)
        self._shape = shape
        self.layers = nn.Sequential(
            *_hidden_layers(self.inputs, width, depth),
            nn.Linear(width, math.prod(shape)),
            # Images are bounded, points are not.
            nn.Tanh() if len(shape) == 3 else nn.Identity(),
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents ``(N, latent)`` to samples ``(N, *shape)``, images in [-1, 1]."""
        return self.layers(self.join(z, labels)).view(-1, *self._shape)


def _head(inputs: int, classes: int, features: int) -> nn.Module:
    return nn.Linear(inputs, features) if features else Projection(inputs, classes)


def _given_classes(head: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    return head(x, labels) if isinstance(head, Projection) else head(x)


class MLPDiscriminator(nn.Module):
    """Discriminator of ``depth`` hidden layers for tiny images, or for points.

    >>> MLPDiscriminator((1, 8, 8))(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2])
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 256,
        classes: int = 0,
        features: int = 0,
        depth: int = 2,
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), *_hidden_layers(math.prod(shape), width, depth))
        self.head = _head(width, classes, features)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Give one raw score per sample, ``(N,)``, or its features."""
        return _given_classes(self.head, self.layers(x), labels)


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


class ConvGenerator(Generator):
    """Convolutional generator with nearest-neighbour upsampling (no checkerboard) and pixel norm.

    >>> ConvGenerator((3, 32, 32))(torch.zeros(2, 64)).shape
    torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self, shape: tuple[int, ...], latent: int = 64, width: int = 32, classes: int = 0
    ) -> None:
        super().__init__(latent, classes)
        channels, size, _ = shape
        widths = _widths(size, width)[::-1]
        self._start = widths[0]
        self.stem = nn.Linear(self.inputs, widths[0] * 16)
        self.blocks = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths)
        )
        self.to_image = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents ``(N, latent)`` to images ``(N, C, H, W)`` in [-1, 1]."""
        x = self.stem(self.join(z, labels)).view(-1, self._start, 4, 4)
        x = _normalise_features(leaky_relu(x, 0.2))
        for convolve in self.blocks:
            x = convolve(interpolate(x, scale_factor=2.0, mode="nearest"))
            x = _normalise_features(leaky_relu(x, 0.2))
        return torch.tanh(self.to_image(interpolate(x, scale_factor=2.0, mode="nearest")))


class ConvDiscriminator(nn.Module):
    """Convolutional discriminator with strided convolutions, as in DCGAN.

    >>> ConvDiscriminator((3, 32, 32))(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2])
    """

    def __init__(
        self, shape: tuple[int, ...], width: int = 32, classes: int = 0, features: int = 0
    ) -> None:
        super().__init__()
        channels, size, _ = shape
        widths = [channels, *_widths(size, width)]
        self.blocks = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in pairwise(widths)
        )
        self.head = _head(widths[-1] * 16, classes, features)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Give one raw score per image, ``(N,)``, or its features."""
        for convolve in self.blocks:
            x = leaky_relu(convolve(x), 0.2)
        return _given_classes(self.head, x.flatten(1), labels)


class AutoencoderDiscriminator(nn.Module):
    """Scores a sample by how badly an autoencoder gives it back: an energy, low for real ones.

    Args:
        encoder: samples to codes ``(N, d)``.
        decoder: codes to samples.
        distance: ``"euclidean"`` or ``"absolute"``, as in :class:`~ganloss.EnergyOutput`.

    References:
        Zhao et al., "Energy-based Generative Adversarial Network", ICLR 2017, arXiv:1609.03126,
        section 2.3; Berthelot et al., "BEGAN", 2017, arXiv:1703.10717, section 3.1.

    >>> D = AutoencoderDiscriminator(nn.Identity(), nn.Identity(), "euclidean")
    >>> D(torch.ones(2, 3))
    tensor([0., 0.])
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, distance: str) -> None:
        super().__init__()
        self.encoder, self.decoder, self._distance = encoder, decoder, distance

    def codes(self, x: Tensor) -> Tensor:
        """Give the codes of samples, ``(N, d)``.

        >>> D = AutoencoderDiscriminator(nn.Linear(3, 2), nn.Linear(2, 3), "euclidean")
        >>> D.codes(torch.ones(4, 3)).shape
        torch.Size([4, 2])
        """
        return self.encoder(x)

    def forward(self, x: Tensor) -> Tensor:
        """Give the energy of each sample, ``(N,)``."""
        error = (x - self.decoder(self.codes(x))).flatten(1)
        if self._distance == "absolute":
            return error.abs().mean(1)
        # At an error of 0 the norm has the subgradient 0.
        return torch.linalg.vector_norm(error, dim=1)


def reference_generator(shape: tuple[int, ...], classes: int = 0) -> Generator:
    """Give the reference generator: an MLP for points and 8 px, convolutions above.

    Args:
        shape: of one sample: ``(2,)``, or channels, height and width.
        classes: number of classes, or 0.

    Raises:
        UsageError: the size is not a power of two from 8 to 256.

    >>> reference_generator((3, 32, 32))(torch.zeros(2, 64)).shape
    torch.Size([2, 3, 32, 32])
    """
    if len(shape) == 1:
        return MLPGenerator(shape, _POINT_LATENT, _POINT_WIDTH, classes, _POINT_DEPTH)
    _check_size(shape)
    if shape[1] == 8:
        return MLPGenerator(shape, classes=classes)
    return ConvGenerator(shape, classes=classes)


def reference_discriminator(
    shape: tuple[int, ...], classes: int = 0, output: Output = _SCORES
) -> nn.Module:
    """Give the reference discriminator.

    Args:
        shape: of one sample: ``(2,)``, or channels, height and width.
        classes: number of classes, or 0.
        output: what it gives for each sample: a score, an autoencoder's error, or features.

    Raises:
        UsageError: the size is not a power of two from 8 to 256, or there are classes and no score.

    >>> reference_discriminator((1, 8, 8), output=FeatureOutput(16))(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 16])
    """
    if classes and not isinstance(output, ScoreOutput):
        raise UsageError(
            "this loss looks at energies or features, and the reference discriminator knows "
            "classes only by a score; leave --cond out, or choose another loss, e.g. --loss hinge"
        )
    if isinstance(output, EnergyOutput):
        decoder = reference_generator(shape)
        encoder = _discriminator(shape, 0, _POINT_CODE if len(shape) == 1 else decoder.latent)
        if len(shape) == 1:
            decoder = MLPGenerator(shape, _POINT_CODE, _POINT_WIDTH, depth=_POINT_DEPTH)
        return AutoencoderDiscriminator(encoder, decoder, output.distance)
    return _discriminator(shape, classes, output.count if isinstance(output, FeatureOutput) else 0)


def _discriminator(shape: tuple[int, ...], classes: int, features: int) -> nn.Module:
    if len(shape) == 1:
        return MLPDiscriminator(shape, _POINT_WIDTH, classes, features, _POINT_DEPTH)
    _check_size(shape)
    if shape[1] == 8:
        return MLPDiscriminator(shape, classes=classes, features=features)
    return ConvDiscriminator(shape, classes=classes, features=features)


def _check_size(shape: tuple[int, ...]) -> None:
    sizes = [8, 16, 32, 64, 128, 256]
    if shape[1] not in sizes:
        raise UsageError(
            f"--image-size {shape[1]} is not one of {', '.join(map(str, sizes))}, "
            "which the reference networks of `generate` are made for"
        )
