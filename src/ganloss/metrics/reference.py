"""Reference rows: what a score means on this very data."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ganloss.metrics.degrade import uniform_noise
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
