"""Reference rows: what a score means on this very data."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganloss.metrics.distances import frechet_distance


@dataclass(frozen=True)
class ReferenceRows:
    """Scores that bracket those of a generator.

    Args:
        real: score of other real images.
        noise: score of uniform noise.

    >>> ReferenceRows(real=0.3, noise=130.0).noise
    130.0
    """

    real: float
    noise: float


def reference_rows(
    features: Callable[[Tensor], Tensor], others: Tensor, reals: Tensor, seed: int = 0
) -> ReferenceRows:
    """Score other real samples, and uniform noise, against the reals; equal numbers.

    >>> from ganloss.metrics.features import digits_features
    >>> from ganloss.data.demo import digits
    >>> split = digits()
    >>> rows = reference_rows(digits_features(), split.train_images[:897], split.held_out_images)
    >>> rows.real < 1 < 100 < rows.noise
    True
    """
    target = features(reals)
    return ReferenceRows(
        real=frechet_distance(target, features(others)),
        noise=frechet_distance(target, features(uniform_noise(reals, seed))),
    )


def uniform_noise(reals: Tensor, seed: int) -> Tensor:
    """Uniform noise of this shape: over 0..255 for uint8 images, else over the reals' range.

    >>> points = torch.tensor([[0.0, 5.0], [1.0, 5.0]])
    >>> uniform_noise(points, seed=0)[:, 1]
    tensor([5., 5.])
    """
    generator = torch.Generator().manual_seed(seed)
    shape = tuple(reals.shape)
    if reals.dtype == torch.uint8:
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    low, high = reals.amin(0), reals.amax(0)
    return low + (high - low) * torch.rand(shape, generator=generator)
