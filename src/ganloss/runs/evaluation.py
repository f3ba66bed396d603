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
from ganloss.metrics.features import (
    FeatureNet,
    StackedDigitsFeatures,
    digits_features,
    random_vgg_features,
)
from ganloss.metrics.modes import class_shares
from ganloss.metrics.reference import reference_rows
from ganloss.metrics.selftest import FEWEST_IMAGES, SelfTest, self_test
from ganloss.metrics.synthetic import (
    MemberReport,
    ModeReport,
    RadialFeatures,
    members_shown,
    mode_report,
    modes_of_points,
)
from ganloss.runs.metric import Metric

Finding = ModeReport | MemberReport

MOST_SAMPLES, MOST_HELD_OUT = 1000, 2000
#: Images, small or large, on which the metric is tried at the start of a run: seconds at most.
_MOST_TRIED, _MOST_LARGE_TRIED, _LARGE = 256, 128, 32
FEWEST_SAMPLES = 8
_DIGITS = 10


@dataclass(frozen=True)
class Evaluation:
    """A Fréchet distance against fixed reals, with its reference rows.

    Args:
        name: metric, features and number of samples, e.g. ``fd-digits@897``.
        count: samples on each side.
        reference: score of other real samples of the same number.
        reference_meaning: what those were.
        noise: score of uniform noise.
        looked_at: samples that :meth:`findings` wants; at least ``count``.
        trial: how the metric did on the real images; None if it was not tried.

    >>> import torch
    >>> from ganloss.data.demo import demo_set
    >>> data = demo_set("digits")
    >>> evaluation = evaluation_for(data)
    >>> evaluation.metric.name, evaluation.findings(data.held_out)
    ('fd-digits@897', None)
    >>> evaluation.score(data.held_out) < 1e-9, len(evaluation.shares(data.held_out))
    (True, 10)
    """

    name: str
    count: int
    reference: float
    reference_meaning: str
    noise: float
    looked_at: int
    trial: SelfTest | None
    _features: FeatureNet
    _reals: Tensor
    _classify: Callable[[Tensor], Tensor] | None = None
    _findings: Callable[[Tensor], Finding] | None = None

    @property
    def warning(self) -> str:
        """Why this metric cannot judge this data; empty if it can, or was not tried."""
        return "" if self.trial is None or self.trial.passed else self.trial.sentence

    @property
    def metric(self) -> Metric:
        """What the run's page says of it."""
        return Metric(
            self.name,
            "Fréchet distance between samples and real images; lower is better",
            self.reference,
            self.reference_meaning,
            self.noise,
            self.warning,
            tried=self.trial is not None,
        )

    def score(self, samples: Tensor) -> float:
        """Fréchet distance of the first samples: images as uint8, or points."""
        return frechet_distance(self._reals, self._features(samples[: self.count]))

    def shares(self, samples: Tensor) -> list[float] | None:
        """Share of each class among the samples, where a classifier is known."""
        if self._classify is None:
            return None
        return class_shares(self._classify(samples), _DIGITS)

    def findings(self, samples: Tensor) -> Finding | None:
        """What can be counted where the distribution is known."""
        return None if self._findings is None else self._findings(samples)


def can_be_scored(data: ImageSet | PointSet) -> bool:
    """Whether there are samples enough on both sides for a distance.

    >>> from ganloss.data.demo import demo_set
    >>> can_be_scored(demo_set("digits"))
    True
    """
    return data.held_out is not None or len(data.values) // 2 >= FEWEST_SAMPLES


def evaluation_for(data: ImageSet | PointSet) -> Evaluation | None:
    """Choose features for a data set and measure the reference rows; None if it is too small.

    >>> from ganloss.data.points import ring
    >>> evaluation_for(ring()).name
    'fd-modes@2000'
    """
    if not can_be_scored(data):
        return None
    if isinstance(data, PointSet):
        features = RadialFeatures(data.modes, data.spread)

        def modes(points: Tensor) -> ModeReport:
            return modes_of_points(points, data.modes, data.spread)

        return _evaluation(data, features, findings=modes)
    if data.judge == "digits":
        net = digits_features()
        return _evaluation(data, net, classify=net.classify)
    if data.judge == "stacked-digits":
        return _evaluation(data, StackedDigitsFeatures(), findings=_modes_of_digits)
    if data.judge == "triangles" and data.held_out is not None:
        held_out = data.held_out
        members = torch.cat([data.images[:], held_out])
        return _evaluation(
            data,
            random_vgg_features(),
            findings=lambda samples: members_shown(samples, members, held_out),
            looked_at=len(members),
        )
    return _evaluation(data, random_vgg_features())


def _evaluation(
    data: ImageSet | PointSet,
    features: FeatureNet,
    classify: Callable[[Tensor], Tensor] | None = None,
    findings: Callable[[Tensor], Finding] | None = None,
    looked_at: int = 0,
) -> Evaluation:
    others, reals, meaning = _two_halves(data)
    rows = reference_rows(features, others, reals)
    count = len(reals)
    return Evaluation(
        name=f"fd-{features.name}@{count}",
        count=count,
        reference=rows.real,
        reference_meaning=meaning,
        noise=rows.noise,
        looked_at=max(count, looked_at),
        trial=_trial(data, features),
        _features=features,
        _reals=features(reals),
        _classify=classify,
        _findings=findings,
    )


def _two_halves(data: ImageSet | PointSet) -> tuple[Tensor, Tensor, str]:
    """Real samples to score others against, as many others, and what those are."""
    if data.held_out is not None:
        count = min(len(data.values), len(data.held_out), MOST_HELD_OUT)
        others = take(data.values, torch.arange(count))
        meaning = f"{count} training {_kind(data)} against the same held-out ones"
        return others, data.held_out[:count], meaning
    count = min(len(data.values) // 2, MOST_SAMPLES)
    # Shuffled: in a folder of classes the first half would be other classes than the second.
    shuffled = take(data.values, Order(len(data.values), seed=0).indices(0, 2 * count))
    return shuffled[count:], shuffled[:count], f"{count} other real images against the same ones"


def _kind(data: ImageSet | PointSet) -> str:
    return "points" if isinstance(data, PointSet) else "images"


def _modes_of_digits(images: Tensor) -> ModeReport:
    """Count the three-digit numbers that samples show; with a channel that shows none, none."""
    digits = StackedDigitsFeatures().classify(images)
    good = (digits < _DIGITS).all(1)
    numbers = (digits[good] * torch.tensor([100, 10, 1])).sum(1)
    return mode_report(numbers, _DIGITS**3, good.double().mean().item())


def _trial(data: ImageSet | PointSet, features: FeatureNet) -> SelfTest | None:
    """Try the metric on some of the real images; None where there are none, or too few."""
    if isinstance(data, PointSet) or len(data.images) < FEWEST_IMAGES:
        return None
    most = _MOST_TRIED if max(data.shape) <= _LARGE else _MOST_LARGE_TRIED
    # Not by class: drawn from all over a folder, as the images of the reference rows.
    chosen = Order(len(data.images), seed=0).indices(0, min(most, len(data.images)))
    return self_test(take(data.images, chosen), features)


def memorisation(samples: Tensor, data: ImageSet | PointSet) -> float | None:
    """Nearest-neighbour ratio to all training images and held-out ones; None without those.

    >>> from ganloss.data.demo import demo_set
    >>> data = demo_set("digits")
    >>> memorisation(data.images[:64], data)  # copies of training images
    0.0
    """
    if isinstance(data, PointSet) or data.held_out is None:
        return None
    trained_on = take(data.images, torch.arange(len(data.images)))
    return nearest_neighbour_ratio(samples, trained_on, data.held_out[:MOST_HELD_OUT])
