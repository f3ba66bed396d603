"""The metric on trial: can it tell the user's own real images from worse ones?

The reals are split in half. One half is made worse, step by step, in four ways; the metric between
it and the other half has to rise along each of them, from its value for two halves as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganloss.metrics.degrade import blurred, clusters, noisy, replaced, uniform_noise
from ganloss.metrics.degrade import without_groups as without
from ganloss.metrics.distances import FRECHET, Distance
from ganloss.metrics.features import FeatureNet
from ganloss.metrics.intervals import Interval, distance_interval

FEWEST_IMAGES = 64
MOST_IMAGES = 1000
SIGMAS, NOISE_SHARES = (0.5, 1.0, 2.0), (0.1, 0.3, 0.6)
DROPPED_SHARES, MIXED_SHARES = (1 / 4, 1 / 2), (0.1, 0.3)
_CLUSTERS = 8
_FEWEST_CLUSTERS = 4
_RESAMPLES = 50
_WITHIN = "differs by no more than another choice of images would"
#: Below, good metrics fail by chance: of 40 draws of the digits 6 with 32 a side, 1 with 64.
_FEW = 128
_FEW_HINT = " With so few images that may be chance; more would tell."


@dataclass(frozen=True)
class Trial:
    """One way to make images worse, with the metric at each step.

    Args:
        name: what was done, e.g. ``"blur"``.
        levels: the steps in words; the first is the images as they are.
        values: the metric at each step.
        failure: what is wrong with the order, empty if nothing is.

    >>> Trial("blur", ("as they are", "a little"), (1.0, 0.5), failure="falls").failure
    'falls'
    """

    name: str
    levels: tuple[str, ...]
    values: tuple[float, ...]
    failure: str = ""


@dataclass(frozen=True)
class SelfTest:
    """Whether a metric orders the user's own images, better before worse.

    Args:
        metric: protocol of the metric, e.g. ``fd-digits@450``.
        count: images on each side.
        interval: bootstrap interval of the metric for two halves as they are.
        trials: the four ways.

    >>> falls = Trial("blur", ("as they are", "a little"), (1.0, 0.5), failure="it falls")
    >>> tried = SelfTest("fd-digits@450", 450, Interval(0.9, 1.1), (falls,))
    >>> tried.passed, tried.sentence[:20]
    (False, 'fd-digits@450 cannot')
    """

    metric: str
    count: int
    interval: Interval
    trials: tuple[Trial, ...]

    @property
    def passed(self) -> bool:
        """Whether every order holds."""
        return not any(trial.failure for trial in self.trials)

    @property
    def sentence(self) -> str:
        """The verdict in plain words; it comes before any score."""
        if self.passed:
            ways = _listed([trial.name for trial in self.trials])
            return (
                f"{self.metric} can judge this data: tried on the real images themselves, it "
                f"rises with {ways}."
            )
        failed = [trial for trial in self.trials if trial.failure]
        causes = "; ".join(f"{trial.name}: {trial.failure}" for trial in failed)
        return (
            f"{self.metric} cannot judge this data: tried on the real images themselves, it does "
            f"not rise with {_listed([trial.name for trial in failed], 'or')} ({causes})."
            + (_FEW_HINT if self.count < _FEW else "")
        )


def _listed(names: Sequence[str], word: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def self_test(
    images: Tensor,
    features: FeatureNet,
    *,
    labels: Tensor | None = None,
    distance: Distance = FRECHET,
    most: int = MOST_IMAGES,
    seed: int = 0,
) -> SelfTest:
    """Try a metric on real images.

    Along each row the metric must rise at every step. A step back counts as a tie, and is allowed,
    only within the bootstrap interval of the step before; and the last step has to lie above the
    interval of the images as they are.

    Args:
        images: reals, uint8 ``(N, C, H, W)``, at least 64.
        features: the network whose features are compared.
        labels: class of each image, ``(N,)``; without them, or with fewer than four, images are
            grouped by k-means of their thumbnails.
        distance: the metric.
        most: images to use at most, both halves together.
        seed: of the split, the noise and the bootstrap.

    Raises:
        ValueError: too few images.

    >>> from ganloss.metrics.features import digits_features
    >>> from ganloss.data.demo import digits
    >>> split = digits()
    >>> self_test(split.train_images, digits_features(), labels=split.train_labels).passed
    True
    """
    if len(images) < FEWEST_IMAGES:
        raise ValueError(
            f"{len(images)} images; trying a metric takes at least {FEWEST_IMAGES}, half of them "
            "for each side"
        )
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    count = min(len(images), most) // 2
    others, chosen = order[:count], order[count : 2 * count]
    judge = _Judge(distance, features(images[others]), features(images[chosen]), seed)
    groups = _groups(images[chosen], None if labels is None else labels[chosen], seed)
    trials = _trials(judge, images[chosen], features, groups, seed)
    return SelfTest(
        f"{distance.name}-{features.name}@{count}", count, judge.interval, tuple(trials)
    )


class _Judge:
    """Measures how far features are from those of the other half, and judges orders."""

    def __init__(self, distance: Distance, others: Tensor, chosen: Tensor, seed: int) -> None:
        self._distance, self._others, self._seed = distance, others, seed
        self.chosen = chosen
        self.value = distance.value(others, chosen)
        self.interval = self._interval(chosen, self.value)

    def _interval(self, features: Tensor, value: float) -> Interval:
        return distance_interval(
            self._distance,
            self._others,
            features,
            value,
            resamples=_RESAMPLES,
            seed=self._seed,
        )

    def trial(self, name: str, levels: Sequence[str], worse: Sequence[Tensor]) -> Trial:
        """Measure one row."""
        steps = [self.chosen, *worse]
        values = [self.value, *(self._distance.value(self._others, step) for step in worse)]
        levels = ("as they are", *levels)
        return Trial(name, levels, tuple(values), self._failure(levels, values, steps))

    def _failure(
        self, levels: Sequence[str], values: Sequence[float], steps: Sequence[Tensor]
    ) -> str:
        for i in range(1, len(values)):
            if values[i] > values[i - 1]:
                continue
            # Measured only here: orders that hold need no interval.
            if values[i] < self._interval(steps[i - 1], values[i - 1]).low:
                return (
                    f"{values[i]:.4g} at {levels[i]} after {values[i - 1]:.4g} at {levels[i - 1]}"
                )
        if values[-1] <= self.interval.high:
            return f"{values[-1]:.4g} at {levels[-1]} {_WITHIN}, {values[0]:.4g}"
        return ""


def _trials(
    judge: _Judge, images: Tensor, features: Callable[[Tensor], Tensor], groups: Tensor, seed: int
) -> list[Trial]:
    scale = max(1.0, min(images.shape[-2:]) / 32)  # the same blur to the eye at every size
    sigmas = [scale * sigma for sigma in SIGMAS]
    noise = uniform_noise(images, seed + 1)
    noise_features = features(noise)
    trials = [
        judge.trial(
            "blur",
            [f"σ = {sigma:g} px" for sigma in sigmas],
            [features(blurred(images, sigma)) for sigma in sigmas],
        ),
        judge.trial(
            "noise",
            [f"{share:.0%} in every pixel" for share in NOISE_SHARES],
            [features(noisy(images, noise, share)) for share in NOISE_SHARES],
        ),
        judge.trial(
            "noise images mixed in",
            [f"{share:.0%} of the images" for share in MIXED_SHARES],
            [replaced(judge.chosen, noise_features, share) for share in MIXED_SHARES],
        ),
    ]
    if len(groups.unique()) >= _FEWEST_CLUSTERS:
        kinds = [f"{share:.0%} of the kinds" for share in DROPPED_SHARES]
        fewer = [judge.chosen[without(groups, share)] for share in DROPPED_SHARES]
        trials.append(judge.trial("dropped kinds of images", kinds, fewer))
    return trials


def _groups(images: Tensor, labels: Tensor | None, seed: int) -> Tensor:
    """Kinds of images: classes where there are enough, clusters elsewhere."""
    if labels is not None and len(labels.unique()) >= _FEWEST_CLUSTERS:
        return labels
    different = len(images.flatten(1).unique(dim=0))
    return clusters(images, min(_CLUSTERS, different), seed)
