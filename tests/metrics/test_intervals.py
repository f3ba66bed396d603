"""Bootstrap intervals: what they contain, how often, and that a seed fixes them."""

import math
from statistics import NormalDist

import pytest
import torch
from scipy.stats import binom
from torch import Tensor

from ganloss.metrics.distances import (
    FRECHET,
    KERNEL,
    Distance,
    frechet_distance,
    resampled_frechet_distances,
)
from ganloss.metrics.intervals import distance_interval, mean_interval, resample_counts

both = pytest.mark.parametrize("distance", [FRECHET, KERNEL], ids=["fd", "kid"])


def sets(count: int, dims: int, seed: int = 0, shift: float = 0.5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    real, fake = torch.randn(2, count, dims, generator=generator, dtype=torch.float64)
    return real, fake + shift


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    """For many values the bootstrap tends to mean ± 1.96 s / √n."""
    values = torch.randn(2000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = mean_interval(values, resamples=4000)
    half = NormalDist().inv_cdf(0.975) * float(values.std(correction=0)) / math.sqrt(2000)
    assert found.low == pytest.approx(float(values.mean()) - half, abs=0.05 * half)
    assert found.high == pytest.approx(float(values.mean()) + half, abs=0.05 * half)


def test_counts_are_of_draws_with_replacement() -> None:
    counts = resample_counts(400, 50, seed=3)
    assert (counts.sum(1) == 400).all()
    # A sample is missed with probability (1 - 1/n)^n, about 1/e.
    assert float((counts == 0).double().mean()) == pytest.approx(math.exp(-1), abs=0.01)


@pytest.mark.parametrize("dims", [3, 60], ids=["features are few", "samples are few"])
@both
def test_a_resample_is_the_distance_of_the_repeated_rows(distance: Distance, dims: int) -> None:
    real, fake = sets(30, dims)
    a, b = resample_counts(30, 3, seed=1), resample_counts(30, 3, seed=2)
    found = distance.resampled(real, fake, a, b)
    expected = [
        distance.value(real.repeat_interleave(i.long(), 0), fake.repeat_interleave(j.long(), 0))
        for i, j in zip(a, b, strict=True)
    ]
    assert found.tolist() == pytest.approx(expected, rel=1e-9)


@both
def test_an_interval_contains_its_estimate_and_repeats_with_its_seed(distance: Distance) -> None:
    real, fake = sets(60, 8, shift=0.0)
    estimate = distance.value(real, fake)
    first = distance_interval(distance, real, fake, estimate)
    assert first.low < estimate < first.high
    assert first == distance_interval(distance, real, fake, estimate)
    assert first != distance_interval(distance, real, fake, estimate, seed=1)


def test_percentiles_that_are_not_moved_miss_the_estimate() -> None:
    """The control: repeated rows alone raise a Fréchet distance, here beyond its own estimate."""
    real, fake = sets(60, 30, shift=0.0)
    counts = resample_counts(60, 200, seed=0)
    values = resampled_frechet_distances(real, fake, counts[:100], counts[100:])
    assert float(values.quantile(0.025)) > frechet_distance(real, fake)


@both
def test_intervals_contain_the_expected_distance_as_often_as_they_say(
    distance: Distance,
) -> None:
    """150 pairs of sets; the distance expected at this number of samples is their mean."""
    trials, count, dims = 150, 80, 3
    pairs = [sets(count, dims, seed) for seed in range(trials)]
    estimates = [distance.value(*pair) for pair in pairs]
    expected = sum(estimates) / trials
    inside = 0
    for (real, fake), estimate in zip(pairs, estimates, strict=True):
        found = distance_interval(distance, real, fake, estimate)
        inside += found.low <= expected <= found.high
    assert 0.86 <= inside / trials <= 0.99


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_of_a_share_is_that_of_the_binomial_distribution(level: float) -> None:
    """Of 40 draws from 12 ones and 28 zeros, the ones are binomial (40, 0.3)."""
    values = torch.tensor([1.0] * 12 + [0.0] * 28)
    found = mean_interval(values, resamples=20_000, level=level)
    low, high = binom.ppf([(1 - level) / 2, (1 + level) / 2], 40, 0.3) / 40
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


def test_only_a_distance_that_cannot_be_negative_is_cut_off_at_zero() -> None:
    """A set is at distance 0 from itself: half of the moved resamples lie below."""
    same, _ = sets(40, 3)
    assert distance_interval(FRECHET, same, same, 0.0).low == 0.0
    assert distance_interval(KERNEL, same, same, 0.0).low < 0.0


@both
def test_an_interval_moves_with_its_estimate(distance: Distance) -> None:
    real, fake = sets(40, 3, shift=2.0)
    first, moved = (distance_interval(distance, real, fake, estimate) for estimate in (50.0, 57.0))
    assert (moved.low - first.low, moved.high - first.high) == pytest.approx((7.0, 7.0))
