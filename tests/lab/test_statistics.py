"""The statistics of a comparison, against enumeration by hand, closed forms and simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from ganloss.lab import statistics as lab
from ganloss.lab.statistics import (
    LEVEL,
    against,
    all_pairs,
    best_of,
    differences,
    mean_and_interval,
    seeds_for_one_apart,
    seeds_needed,
    smallest_p,
)


def by_hand(scores: np.ndarray, pairs: list[tuple[int, int]]) -> list[float]:
    """The same test in loops: every dealing within every seed, a two-way analysis of variance."""
    losses, seeds = scores.shape

    def statistic(y: np.ndarray) -> list[float]:
        left = sum(
            (y[i, s] - y[i].mean() - y[:, s].mean() + y.mean()) ** 2
            for i in range(losses)
            for s in range(seeds)
        )
        m = left / ((losses - 1) * (seeds - 1))
        return [abs(y[a].mean() - y[b].mean()) / math.sqrt(2 * m / seeds) for a, b in pairs]

    logs = np.log(scores)
    seen = statistic(logs)
    orders = list(itertools.permutations(range(losses)))
    largest = []
    for choice in itertools.product(orders, repeat=seeds):
        dealt = np.array([[logs[choice[s][i], s] for s in range(seeds)] for i in range(losses)])
        largest.append(max(statistic(dealt)))
    return [np.mean([value >= t * (1 - 1e-9) for value in largest]) for t in seen]


@pytest.mark.parametrize(("losses", "seeds"), [(2, 4), (2, 6), (3, 3), (3, 4)])
@pytest.mark.parametrize("baseline", [False, True])
def test_p_values_are_those_of_exhaustive_enumeration(losses, seeds, baseline):
    scores = np.random.default_rng(seeds).lognormal(size=(losses, seeds))
    pairs = against(0, losses) if baseline else all_pairs(losses)
    found = [d.p for d in differences(scores, pairs)]
    assert found == pytest.approx(by_hand(scores, pairs), abs=1e-12)


def test_two_losses_are_the_paired_sign_flip_test_of_scipy():
    scores = np.random.default_rng(3).lognormal(sigma=0.3, size=(2, 8))
    logs = np.log(scores)
    known = stats.permutation_test(
        (logs[0], logs[1]),
        lambda a, b: abs((a - b).mean() / (a - b).std(ddof=1)),
        permutation_type="samples",
        alternative="greater",
        n_resamples=np.inf,
    )
    assert differences(scores, [(0, 1)])[0].p == pytest.approx(known.pvalue, abs=1e-12)


@pytest.mark.parametrize(("losses", "seeds"), [(2, 3), (2, 5), (2, 6), (3, 2), (3, 3), (3, 5)])
@pytest.mark.parametrize("baseline", [False, True])
def test_the_smallest_p_is_reached_by_scores_without_overlap_and_never_undercut(
    losses, seeds, baseline
):
    random = np.random.default_rng(0)
    pairs = against(0, losses) if baseline else all_pairs(losses)
    least = smallest_p(losses, seeds, baseline=baseline)
    found = []
    for spread in (1e-3, 0.1, 1.0):
        for _ in range(30):
            far = np.arange(losses)[:, None] * 10.0
            scores = np.exp(far + spread * random.normal(size=(losses, seeds)))
            found.append(min(d.p for d in differences(scores, pairs)))
    assert min(found) == pytest.approx(least)


def test_the_fewest_seeds_are_those_whose_smallest_p_is_small_enough():
    for losses, baseline in itertools.product(range(2, 7), (False, True)):
        seeds = seeds_needed(losses, baseline=baseline)
        assert smallest_p(losses, seeds, baseline=baseline) <= LEVEL
        assert smallest_p(losses, seeds - 1, baseline=baseline) > LEVEL
    assert smallest_p(2, 5) == 2 / 2**5
    assert smallest_p(4, 1) == 1.0


def any_clear(scores: np.ndarray, pairs: list[tuple[int, int]], seed: int) -> bool:
    return any(d.clear for d in differences(scores, pairs, seed=seed))


@pytest.fixture
def fewer_arrangements(monkeypatch):
    monkeypatch.setattr(lab, "MOST_ARRANGEMENTS", 499)


@pytest.mark.parametrize(
    ("losses", "seeds", "baseline"), [(2, 6, False), (5, 5, False), (5, 5, True), (3, 5, False)]
)
def test_at_most_five_percent_false_verdicts_on_2000_nulls(
    losses, seeds, baseline, fewer_arrangements
):
    """Seeds differ, losses do not. 5 % of 2,000 is 100; a chance excess of 3 sd is allowed."""
    random = np.random.default_rng(7)
    pairs = against(0, losses) if baseline else all_pairs(losses)
    seed_effect = random.normal(size=(2000, 1, seeds))
    scores = np.exp(0.3 * random.normal(size=(2000, losses, seeds)) + seed_effect)
    false = sum(any_clear(one, pairs, i) for i, one in enumerate(scores))
    assert false <= 100 + 3 * math.sqrt(2000 * 0.05 * 0.95)


def test_losses_that_are_alike_stay_so_beside_one_that_differs(fewer_arrangements):
    random = np.random.default_rng(11)
    noise = 0.3 * random.normal(size=(2000, 4, 5))
    noise[:, 3] += 3.0
    false = 0
    for i, one in enumerate(np.exp(noise)):
        found = differences(one, all_pairs(4), seed=i)
        false += any(d.clear for d in found if 3 not in (d.first, d.second))
    assert false <= 100 + 3 * math.sqrt(2000 * 0.05 * 0.95)


@pytest.mark.parametrize("losses", [2, 3, 5])
@pytest.mark.parametrize("baseline", [False, True])
def test_three_standard_deviations_are_found_with_the_default_seeds(
    losses, baseline, fewer_arrangements
):
    """The best loss is 3 sd better than each other; found means: clear against each given one."""
    from ganloss.lab.plan import default_seeds

    random = np.random.default_rng(5)
    pairs = against(0, losses) if baseline else all_pairs(losses)
    noise = 0.3 * random.normal(size=(400, losses, len(default_seeds(losses))))
    noise[:, 0] -= 3 * 0.3
    clear = [
        d.clear
        for i, one in enumerate(np.exp(noise))
        for d in differences(one, pairs, seed=i)
        if d.first == 0
    ]
    assert np.mean(clear) >= 0.8


def test_without_the_maximum_over_comparisons_false_verdicts_abound():
    """The control: ten pairs, each tested as if it were alone."""
    random = np.random.default_rng(1)
    scores = np.exp(random.normal(size=(200, 5, 6)))
    false = [any(differences(one[[a, b]], [(0, 1)])[0].clear for a, b in all_pairs(5))
             for one in scores]  # fmt: skip
    assert np.mean(false) > 0.15


def test_a_failed_run_is_the_worst_of_its_seed():
    scores = np.array([[1.0, 1.1, 0.9], [2.0, 2.2, math.inf], [4.0, 4.1, 4.2]])
    found = {(d.first, d.second): d for d in differences(scores, all_pairs(3))}
    assert found[0, 1].ratio is None
    assert found[0, 1].wins == 3
    assert found[0, 2].ratio == pytest.approx((1.1 * 0.9 / (4 * 4.1 * 4.2)) ** (1 / 3))
    assert found[1, 2].wins == 2


def test_equal_scores_are_no_difference():
    found = differences(np.ones((3, 5)), all_pairs(3))
    assert [d.p for d in found] == [1.0] * 3


def test_one_seed_shows_nothing():
    assert differences(np.array([[1.0], [100.0]]), [(0, 1)])[0].p == 1.0


def test_the_interval_of_a_ratio_is_students():
    scores = np.random.default_rng(2).lognormal(size=(2, 7))
    found = differences(scores, [(0, 1)])[0]
    logs = np.log(scores[0] / scores[1])
    known = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((np.exp(known.low), np.exp(known.high)))


def test_the_interval_of_a_mean_is_students():
    values = [3.0, 1.0, 4.0, 1.5]
    known = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_and_interval(values) == pytest.approx((np.mean(values), known.low, known.high))
    assert mean_and_interval([2.0])[1:] == (-math.inf, math.inf)


def test_the_best_of_k_is_the_enumerated_bootstrap():
    values = [5.0, 2.0, 9.0, 4.0]
    for found in best_of(values):
        drawn = [min(c) for c in itertools.product(values, repeat=found.runs)]
        for share, quantile in ((0.1, found.low), (0.5, found.median), (0.9, found.high)):
            assert np.mean(np.array(drawn) <= quantile) >= share - 1e-9
            assert np.mean(np.array(drawn) < quantile) < share


@pytest.mark.parametrize("losses", [3, 4, 5])
def test_one_loss_far_from_the_rest_is_shown_by_as_many_seeds_as_are_said(losses: int) -> None:
    """Of the others, drawn anew in every seed, it differs clearly; with a seed less it need not."""
    random = np.random.default_rng(losses)

    def largest(seeds: int) -> float:
        scores = np.exp(0.01 * random.standard_normal((losses, seeds)))
        scores[0] = 1e6
        return max(d.p for d in differences(scores, all_pairs(losses)) if d.first == 0)

    needed = seeds_for_one_apart(losses)
    assert max(largest(needed) for _ in range(5)) <= LEVEL
    assert max(largest(needed - 1) for _ in range(5)) > LEVEL


@pytest.mark.parametrize("failing", [1, 2])
def test_losses_that_always_fail_do_not_make_the_others_look_different(failing: int) -> None:
    """Four equal losses beside some that never end: false verdicts among the four stay at 5 %."""
    random = np.random.default_rng(failing)
    false = 0
    for _ in range(400):
        finite = np.exp(0.2 * random.standard_normal(5) + 0.1 * random.standard_normal((4, 5)))
        scores = np.concatenate([finite, np.full((failing, 5), np.inf)])
        found = differences(scores, all_pairs(len(scores)))
        false += any(d.clear for d in found if d.second < 4)
        assert all(d.clear for d in found if d.first < 4 <= d.second)
    assert false <= stats.binom.ppf(0.999, 400, LEVEL)
