"""Scoring samples during a run: the metric, and the rows that give its number a meaning."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganloss.data.batches import take
from ganloss.data.images import ImageSet
from ganloss.data.order import Order
from ganloss.data.points import PointSet
from ganloss.metrics.distances import frechet_distance, nearest_neighbour_ratio
from ganloss.metrics.features import FeatureNet
from ganloss.metrics.modes import class_shares

Features = Callable[[Tensor], Tensor]

MOST_SAMPLES = 1000
#: Images, small or large, on which the metric is tried at the start of a run: seconds at most.
_MOST_TRIED, _MOST_LARGE_TRIED, _LARGE = 256, 128, 32
FEWEST_SAMPLES = 8


@dataclass(frozen=True)
class Evaluation:
    """A Fréchet distance against fixed reals, with its reference rows.

    Args:
        name: metric, features and number of samples, e.g. ``fd-digits@897``.
        count: samples on each side.
        reference: score of other real images of the same number.
        reference_meaning: what those were.
        noise: score of uniform noise.
        warning: why this metric cannot judge this data; empty if it can, or was not tried.
    """

    name: str
    count: int
    reference: float
    reference_meaning: str
    noise: float
    warning: str
    _features: Features
    _reals: Tensor
    _classify: Callable[[Tensor], Tensor] | None
    _classes: int

    def score(self, samples: Tensor) -> float:
        """Fréchet distance of uint8 samples ``(count, C, H, W)``."""
        return frechet_distance(self._reals, self._features(samples))

    def shares(self, samples: Tensor) -> list[float] | None:
        """Share of each class among the samples, where a classifier is known."""
        if self._classify is None:
            return None
        return class_shares(self._classify(samples), self._classes)


def can_be_scored(data: ImageSet | PointSet) -> bool:
    """Whether there are samples enough on both sides for a distance."""
    return data.held_out is not None or len(data.values) // 2 >= FEWEST_SAMPLES


def evaluation_for(data: ImageSet | PointSet) -> Evaluation | None:
    """Choose features for a data set and measure the reference rows; None if it is too small."""
    from ganloss.metrics.features import digits_features, random_vgg_features
    from ganloss.metrics.reference import reference_rows

    if isinstance(data, PointSet) or not can_be_scored(data):
        return None
    if data.judge == "digits" and data.held_out is not None:
        net = digits_features()
        count = min(len(data.images), len(data.held_out))
        reals, others = data.held_out[:count], take(data.images, torch.arange(count))
        meaning = f"{count} training images against the same held-out ones"
        classify = net.classify
    else:
        count = min(len(data.images) // 2, MOST_SAMPLES)
        net, classify = random_vgg_features(), None
        # Shuffled: in a folder of classes the first half would be other classes than the second.
        shuffled = take(data.images, Order(len(data.images), seed=0).indices(0, 2 * count))
        reals, others = shuffled[:count], shuffled[count:]
        meaning = f"{count} other real images against the same ones"
    rows = reference_rows(net, others, reals)
    return Evaluation(
        name=f"fd-{net.name}@{count}",
        count=count,
        reference=rows.real,
        reference_meaning=meaning,
        noise=rows.noise,
        warning=_warning(data, net),
        _features=net,
        _reals=net(reals),
        _classify=classify,
        _classes=10,
    )


def _warning(data: ImageSet, features: FeatureNet) -> str:
    """Try the metric on some of the real images, and say so if it fails."""
    from ganloss.metrics.selftest import FEWEST_IMAGES, self_test

    if len(data.images) < FEWEST_IMAGES:
        return ""
    most = _MOST_TRIED if max(data.shape) <= _LARGE else _MOST_LARGE_TRIED
    # Not by class: drawn from all over a folder, as the images of the reference rows.
    chosen = Order(len(data.images), seed=0).indices(0, min(most, len(data.images)))
    tried = self_test(take(data.images, chosen), features)
    return "" if tried.passed else tried.sentence


def memorisation(samples: Tensor, data: ImageSet | PointSet) -> float | None:
    """Nearest-neighbour ratio to training and held-out images; None without held-out ones."""
    if isinstance(data, PointSet) or data.held_out is None:
        return None
    count = min(len(data.images), len(data.held_out))
    return nearest_neighbour_ratio(
        samples, take(data.images, torch.arange(count)), data.held_out[:count]
    )
