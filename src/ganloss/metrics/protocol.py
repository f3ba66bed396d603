"""All numbers about two sets of images, each with its protocol, interval and reference rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ganloss.metrics.degrade import uniform_noise
from ganloss.metrics.distances import FRECHET, KERNEL, Distance
from ganloss.metrics.features import FeatureNet
from ganloss.metrics.intervals import Interval, distance_interval, mean_interval
from ganloss.metrics.neighbours import Neighbourhoods, neighbourhoods

FEWEST_IMAGES = 16
#: Images on a side for what compares every image with every other: the memory grows as the square.
MOST_COMPARED = 10_000
_MEANS = ("precision", "recall", "density", "coverage")
_DISTANCES = (FRECHET, KERNEL)


@dataclass(frozen=True)
class Number:
    """One number about samples, with what gives it a meaning.

    Args:
        name: its protocol: measure, features and images on each side, ``fd-digits@897``.
        value: of the samples.
        interval: bootstrap interval.
        real: the same of other real images, None where there is no such row.
        noise: the same of uniform noise, None where there is no such row.
        higher_is_better: whether a larger value is the better one.

    >>> Number("fd-digits@897", 2.0, Interval(1.9, 2.2), real=0.3).interval.low
    1.9
    """

    name: str
    value: float
    interval: Interval
    real: float | None = None
    noise: float | None = None
    higher_is_better: bool = False


@dataclass(frozen=True)
class Measurement:
    """Every number of one pair of image sets.

    Args:
        numbers: in the order in which they are read.
        count: images on each side.
        reference_count: images on each side of the row of other real images.

    >>> found = Measurement((Number("fd-digits@897", 2.0, Interval(1.9, 2.2)),), 897, 897)
    >>> found.number("fd").value
    2.0
    """

    numbers: tuple[Number, ...]
    count: int
    reference_count: int

    def number(self, measure: str) -> Number:
        """Give one number by the first part of its name, e.g. ``"fd"``."""
        return next(n for n in self.numbers if n.name.partition("-")[0] == measure)


def measure(
    real: Tensor,
    fake: Tensor,
    features: FeatureNet,
    *,
    others: Tensor | None = None,
    seed: int = 0,
) -> Measurement:
    """Fréchet and kernel distance, precision, recall, density and coverage of two image sets.

    All but the Fréchet distance compare every image with every other, and so at most the first
    10,000 of a side; their names tell.

    Args:
        real: uint8 ``(N, C, H, W)``, at least 16, in random order if there are more than 10,000.
        fake: as many, of the same shape.
        features: the network whose features are compared.
        others: N more real images for the reference row; without them, the row compares two
            halves of ``real``, at half the number of images.
        seed: of the bootstrap and of the noise.

    Raises:
        ValueError: different shapes, or too few images.

    >>> from ganloss.metrics.features import digits_features
    >>> from ganloss.data.demo import digits
    >>> reals = digits().held_out_images
    >>> found = measure(reals[:64], reals[64:128], digits_features())
    >>> [number.name for number in found.numbers][:2]
    ['fd-digits@64', 'kid-digits@64']
    """
    _check(real, fake, others)
    target, samples = features(real), features(fake)
    half = len(real) // 2
    first = target if others is not None else target[:half]
    second = features(others) if others is not None else target[half : 2 * half]
    found = _near(target, samples)
    values = _values(target, samples, found)
    of_real = _values(first, second, _near(first, second))
    noise = features(uniform_noise(real, seed))
    of_noise = _values(target, noise, _near(target, noise))
    numbers = [
        Number(
            f"{name}-{features.name}@{_compared(name, len(real))}",
            values[name],
            interval,
            of_real[name],
            of_noise[name],
            higher_is_better=name in _MEANS,
        )
        for name, interval in _intervals(target, samples, found, values, seed).items()
    ]
    return Measurement(tuple(numbers), len(real), len(first))


def _compared(name: str, count: int) -> int:
    """How many images of a side a number is of."""
    return count if name == FRECHET.name else min(count, MOST_COMPARED)


def _near(real: Tensor, fake: Tensor) -> Neighbourhoods:
    return neighbourhoods(real[:MOST_COMPARED], fake[:MOST_COMPARED])


def _values(real: Tensor, fake: Tensor, found: Neighbourhoods) -> dict[str, float]:
    distances = {
        distance.name: distance.value(*_sides(distance, real, fake)) for distance in _DISTANCES
    }
    return distances | {name: float(values.mean()) for name, values in _of(found).items()}


def _intervals(
    real: Tensor, fake: Tensor, found: Neighbourhoods, values: Mapping[str, float], seed: int
) -> dict[str, Interval]:
    """Of distances by drawing features again; of the others by drawing single samples' values."""
    distances = {
        distance.name: distance_interval(
            distance, *_sides(distance, real, fake), values[distance.name], seed=seed
        )
        for distance in _DISTANCES
    }
    return distances | {n: mean_interval(v, seed=seed) for n, v in _of(found).items()}


def _sides(distance: Distance, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    count = _compared(distance.name, len(real))
    return real[:count], fake[:count]


def _of(found: Neighbourhoods) -> dict[str, Tensor]:
    return dict(
        zip(
            _MEANS,
            (found.precision, found.recall, found.density, found.coverage),
            strict=True,
        )
    )


def _check(real: Tensor, fake: Tensor, others: Tensor | None) -> None:
    shapes = [tuple(x.shape) for x in (real, fake, others) if x is not None]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"images are {' and '.join(map(str, shapes))}; equal numbers of images of one size are "
            "needed, since every one of these numbers depends on how many there are"
        )
    if len(real) < FEWEST_IMAGES:
        raise ValueError(f"{len(real)} images on each side; at least {FEWEST_IMAGES} are needed")
