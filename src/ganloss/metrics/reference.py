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
    """

    real: float
    noise: float


def reference_rows(
    features: Callable[[Tensor], Tensor], others: Tensor, reals: Tensor, seed: int = 0
) -> ReferenceRows:
    """Score other real images, and uniform noise, against the reals; uint8, equal numbers."""
    target = features(reals)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randint(0, 256, tuple(reals.shape), generator=generator, dtype=torch.uint8)
    return ReferenceRows(
        real=frechet_distance(target, features(others)),
        noise=frechet_distance(target, features(noise)),
    )
