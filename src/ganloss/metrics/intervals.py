"""Bootstrap intervals: how much a number would change with other samples of the same kind.

What is resampled are features, or values of single samples, that are computed already; no network
runs again. An interval tells how far the draw of the images matters. It does not tell how far the
training of the generator does: for that, train with several seeds.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganloss.metrics.distances import Distance

RESAMPLES = 100
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval that contains the estimate.

    Args:
        low: lower end.
        high: upper end.

    >>> Interval(low=1.0, high=2.0).high
    2.0
    """

    low: float
    high: float


def mean_interval(
    values: Tensor, *, resamples: int = 1000, seed: int = 0, level: float = LEVEL
) -> Interval:
    """Interval of a mean: the values of single samples are drawn again with replacement.

    For precision, recall, density and coverage these are the values of
    :func:`~ganloss.metrics.neighbours.neighbourhoods`: the balls stay as they are.

    Args:
        values: one value per sample, ``(N,)``.
        resamples: how often to draw.
        seed: of the draws.
        level: probability that the interval is made for.

    References:
        Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3 (percentiles).

    >>> mean_interval(torch.tensor([1.0, 1.0, 1.0]))
    Interval(low=1.0, high=1.0)
    """
    means = resample_counts(len(values), resamples, seed) @ values.double() / len(values)
    return _percentiles(means, level)


def distance_interval(
    distance: Distance,
    real: Tensor,
    fake: Tensor,
    estimate: float,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Interval:
    """Interval of a distance between two sets: the rows of both are drawn again.

    A resample repeats some rows, and sets with repeats are farther apart. The percentiles are
    therefore moved by the difference of the estimate and the resamples' mean: the interval is one
    for the distance at this number of samples, around the estimate.

    Args:
        distance: such as :data:`~ganloss.metrics.distances.FRECHET`.
        real: features ``(N, d)``.
        fake: features ``(N, d)``.
        estimate: the distance of the two sets as they are.
        resamples: how often to draw.
        seed: of the draws.
        level: probability that the interval is made for.

    >>> from ganloss.metrics.distances import FRECHET
    >>> generator = torch.Generator().manual_seed(0)
    >>> real, fake = torch.randn(2, 64, 3, generator=generator, dtype=torch.float64)
    >>> estimate = FRECHET.value(real, fake + 1)
    >>> found = distance_interval(FRECHET, real, fake + 1, estimate, resamples=50)
    >>> found.low < estimate < found.high
    True
    """
    counts = resample_counts(len(real), 2 * resamples, seed)
    values = distance.resampled(real, fake, counts[:resamples], counts[resamples:])
    found = _percentiles(values - values.mean() + estimate, level)
    return Interval(max(found.low, distance.lowest), found.high)


def resample_counts(count: int, resamples: int, seed: int) -> Tensor:
    """How often each of ``count`` samples is drawn, ``(resamples, count)``; rows sum to count.

    >>> resample_counts(5, 2, seed=0).sum(1)
    tensor([5., 5.], dtype=torch.float64)
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(count, (resamples, count), generator=generator)
    counts = torch.zeros(resamples, count, dtype=torch.float64)
    return counts.scatter_add_(1, drawn, torch.ones(1, 1, dtype=torch.float64).expand_as(drawn))


def _percentiles(values: Tensor, level: float) -> Interval:
    tail = (1 - level) / 2
    low, high = values.quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return Interval(low, high)
