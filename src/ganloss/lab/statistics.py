"""Which losses differ: permutations within seeds, the maximum over all declared comparisons.

Runs of one seed share data order, initial weights and latents, so a seed is a block. If no loss
mattered, the scores of a block could have been dealt to the losses in any order. The test deals
them anew, within every seed, and asks how often the largest difference is as large as the one seen:
that probability is right for the whole family of comparisons at once.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 0.05
#: Above so many arrangements, as many are drawn instead of visiting all.
MOST_ARRANGEMENTS = 9999
_CHUNK = 20_000


@dataclass(frozen=True)
class Difference:
    """Two losses compared.

    Args:
        first, second: positions of the losses.
        p: probability, over the whole family, of a difference as large as this by chance.
        ratio: score of the first over that of the second, a geometric mean over seeds; None where
            scores are not all positive, or a run failed.
        low, high: 95 % interval of that ratio, for this comparison alone; None for one seed.
        wins, losses: seeds in which the first has the lower score, and the higher.

    >>> (found,) = differences(np.array([[1.0, 2, 3, 4, 5, 6], [2.0, 4, 6, 8, 10, 12]]), [(0, 1)])
    >>> found.clear, round(found.ratio, 3), found.turned().ratio
    (True, 0.5, 2.0)
    """

    first: int
    second: int
    p: float
    ratio: float | None
    low: float | None
    high: float | None
    wins: int
    losses: int

    def turned(self) -> "Difference":
        """The same comparison, the second one first."""
        ratio, low, high = (None if v is None else 1 / v for v in (self.ratio, self.high, self.low))
        return Difference(self.second, self.first, self.p, ratio, low, high, self.losses, self.wins)

    @property
    def clear(self) -> bool:
        """Whether chance is a poor explanation."""
        return self.p <= LEVEL


def all_pairs(losses: int) -> list[tuple[int, int]]:
    """Every loss against every other.

    >>> all_pairs(3)
    [(0, 1), (0, 2), (1, 2)]
    """
    return list(itertools.combinations(range(losses), 2))


def against(baseline: int, losses: int) -> list[tuple[int, int]]:
    """Every loss against one.

    >>> against(1, 3)
    [(1, 0), (1, 2)]
    """
    return [(baseline, other) for other in range(losses) if other != baseline]


def differences(
    scores: Array, pairs: Sequence[tuple[int, int]], *, seed: int = 0
) -> list[Difference]:
    r"""Compare losses by their scores; lower is better.

    With the logarithms of the scores :math:`y_{ls}` of loss *l* and seed *s* (their ranks within
    the seed where a run failed, the scores themselves where one is not positive) and the mean
    square :math:`m` of what is left of them without the means of losses and seeds, the statistic
    of a pair is :math:`|\bar y_a - \bar y_b| / \sqrt{2 m / S}`.

    Losses of which every run failed are compared with the others in a family of their own, by the
    failures alone: they would make the differences between the others look sure.

    Args:
        scores: one row for each loss, one column for each seed; infinite where a run failed.
        pairs: the comparisons, declared before the scores were seen.
        seed: of the arrangements, where they are too many to visit all.

    References:
        Westfall & Young, "Resampling-Based Multiple Testing", 1993, section 2.3 (maximum
        statistics); Phipson & Smyth, "Permutation P-values Should Never Be Zero", 2010.

    >>> clear = differences(np.array([[1.0, 2, 3, 4, 5, 6], [2.0, 4, 6, 8, 10, 12.1]]), [(0, 1)])
    >>> clear[0].p, clear[0].wins
    (0.03125, 6)
    """
    scores = np.asarray(scores, dtype=np.float64)
    failed, kept = ~np.isfinite(scores), _kept(scores)
    inside = [(a, b) for a, b in pairs if a in kept and b in kept]
    outside = [pair for pair in pairs if pair not in inside]
    among = [(kept.index(a), kept.index(b)) for a, b in inside]
    p = dict(zip(inside, _family(comparable(scores[kept]), among, seed), strict=True))
    p |= dict(zip(outside, _family(failed.astype(np.float64), outside, seed), strict=True))
    return [_difference(scores, a, b, p[a, b]) for a, b in pairs]


def typical(scores: Array) -> Array:
    """Of each loss, the mean of what is compared: of two that differ, the lower is the better one.

    >>> typical(np.array([[1.0, 1.0], [np.inf, np.inf], [np.e, np.e]])).tolist()
    [0.0, inf, 1.0]
    """
    found = np.full(len(scores), np.inf)
    kept = _kept(scores)
    if kept:
        found[kept] = comparable(scores[kept]).mean(1)
    return found


def _kept(scores: Array) -> list[int]:
    """Losses of which not every run failed."""
    return np.flatnonzero(np.isfinite(scores).any(1)).tolist()


def _family(values: Array, pairs: Sequence[tuple[int, int]], seed: int) -> list[float]:
    """The p of each comparison, over all of these at once."""
    losses, seeds = values.shape
    if losses < 2 or seeds < 2 or not pairs:
        return [1.0] * len(pairs)
    observed = _statistics(values.T[None], pairs)[0]
    largest = np.concatenate(
        [_statistics(dealt, pairs).max(1) for dealt in _arrangements(values.T, seed)]
    )
    exact = _arrangement_count(losses, seeds) <= MOST_ARRANGEMENTS
    # Equal arrangements may differ in the last digit.
    reached = (largest[:, None] >= observed * (1 - 1e-9)).sum(0)
    p = reached / len(largest) if exact else (reached + 1) / (len(largest) + 1)
    return p.tolist()


def bound_text(p: float) -> str:
    """A probability as people write it, rounded up: it is a bound.

    >>> bound_text(0.0001), bound_text(2 / 64), bound_text(0.4), bound_text(1 / 36)
    ('0.0001', '0.032', '0.4', '0.028')
    """
    digit = 10.0 ** (math.floor(math.log10(p)) - 1)
    return f"{math.ceil(round(p / digit, 6)) * digit:.2g}"


def smallest_p(losses: int, seeds: int, *, baseline: bool = False) -> float:
    """The smallest probability that so many seeds can ever give.

    >>> smallest_p(2, 5), smallest_p(2, 6), smallest_p(3, 3)
    (0.0625, 0.03125, 0.027777777777777776)
    """
    if losses < 2 or seeds < 2:
        return 1.0
    count = _arrangement_count(losses, seeds)
    if count > MOST_ARRANGEMENTS:
        return 1 / (MOST_ARRANGEMENTS + 1)
    # Renaming losses in all seeds alike keeps the largest gap; against a baseline, where that stays
    # at one end of the scores.
    alike = 2 * math.factorial(losses - 1) if baseline else math.factorial(losses)
    return alike / count


def seeds_needed(losses: int, *, baseline: bool = False, level: float = LEVEL) -> int:
    """The fewest seeds that can show a difference.

    >>> seeds_needed(2), seeds_needed(3), seeds_needed(5)
    (6, 3, 2)
    """
    seeds = 2
    while smallest_p(losses, seeds, baseline=baseline) > level:
        seeds += 1
    return seeds


def seeds_for_one_apart(losses: int, level: float = LEVEL) -> int:
    """The fewest seeds that show one loss far from all others, where those come in any order.

    The others' scores can be dealt as one likes, so of L losses and S seeds its p is that of the
    arrangements in which some loss stands apart throughout: L out of L to the power of S.

    >>> seeds_for_one_apart(2), seeds_for_one_apart(3), seeds_for_one_apart(5)
    (6, 4, 3)
    """
    seeds = 2
    while losses ** (1 - seeds) > level:
        seeds += 1
    return seeds


def mean_and_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean with its 95 % interval by Student's t; the interval is infinite for one value.

    >>> [round(x, 3) for x in mean_and_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    found = np.asarray(values, dtype=np.float64)
    mean = float(found.mean())
    if not np.isfinite(found).all():
        return mean, -math.inf, math.inf
    half = _half_width(found)
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class BestOf:
    """The best of some runs, if one chose among so many at random.

    Args:
        runs: how many.
        median, low, high: of the best score, with the middle 80 % of cases.

    >>> best_of([3.0, 1.0, 2.0])[0].median
    2.0
    """

    runs: int
    median: float
    low: float
    high: float


def best_of(values: Sequence[float]) -> list[BestOf]:
    r"""The best score against the number of runs, by the bootstrap, without drawing.

    Of *k* runs drawn with replacement from *n* sorted scores, the best is at most the *i*-th with
    probability :math:`1 - (1 - i/n)^k`.

    References:
        Lucic et al., "Are GANs Created Equal?", NeurIPS 2018, section 5 (the best score against
        the budget of a search).

    >>> [(b.runs, b.median) for b in best_of([3.0, 1.0, 2.0])]
    [(1, 2.0), (2, 1.0), (3, 1.0)]
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    below = np.arange(1, len(ordered) + 1) / len(ordered)
    found: list[BestOf] = []
    for runs in range(1, len(ordered) + 1):
        reached = 1 - (1 - below) ** runs
        low, median, high = (
            float(ordered[np.searchsorted(reached, q - 1e-12)]) for q in (0.1, 0.5, 0.9)
        )
        found.append(BestOf(runs, median, low, high))
    return found


def comparable(scores: Array) -> Array:
    """Values whose differences mean something: logarithms, or ranks where a run failed.

    >>> comparable(np.array([[1.0, np.inf], [np.e, 3.0]])).tolist()
    [[1.0, 2.0], [2.0, 1.0]]
    """
    if not np.isfinite(scores).all():
        from scipy.stats import rankdata

        return rankdata(np.where(np.isfinite(scores), scores, np.inf), axis=0)
    return np.log(scores) if (scores > 0).all() else scores


def _statistics(dealt: Array, pairs: Sequence[tuple[int, int]]) -> Array:
    """The statistic of each pair, for arrangements ``(B, S, L)``."""
    _, seeds, losses = dealt.shape
    centred = dealt - dealt.mean(2, keepdims=True)
    means = centred.mean(1)
    total = (centred**2).sum((1, 2))
    left = np.maximum(((centred - means[:, None]) ** 2).sum((1, 2)), 1e-12 * total)
    square = left / ((losses - 1) * (seeds - 1))
    first, second = np.array(pairs).T
    gaps = np.abs(means[:, first] - means[:, second])
    scale = np.sqrt(2 * square / seeds)[:, None]
    return np.divide(gaps, scale, out=np.zeros_like(gaps), where=scale > 0)


def _arrangement_count(losses: int, seeds: int) -> int:
    return math.factorial(losses) ** seeds


def _arrangements(blocks: Array, seed: int) -> Iterator[Array]:
    """Scores dealt anew within each seed, ``(B, S, L)``: every way, or many random ones."""
    seeds, losses = blocks.shape
    count = _arrangement_count(losses, seeds)
    if count <= MOST_ARRANGEMENTS:
        orders = np.array(list(itertools.permutations(range(losses))))
        choices = np.indices((len(orders),) * seeds).reshape(seeds, -1).T
        dealt = orders[choices]
        yield np.take_along_axis(np.broadcast_to(blocks, dealt.shape), dealt, 2)
        return
    random = np.random.default_rng(seed)
    for start in range(0, MOST_ARRANGEMENTS, _CHUNK):
        size = min(_CHUNK, MOST_ARRANGEMENTS - start)
        dealt = random.random((size, seeds, losses)).argsort(2)
        yield np.take_along_axis(np.broadcast_to(blocks, dealt.shape), dealt, 2)


def _difference(scores: Array, first: int, second: int, p: float) -> Difference:
    a, b = scores[first], scores[second]
    counts = int((a < b).sum()), int((a > b).sum())
    if not len(a) or not (np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)).all():
        return Difference(first, second, p, None, None, None, *counts)
    logs = np.log(a) - np.log(b)
    ratio = float(np.exp(logs.mean()))
    if len(logs) < 2:
        return Difference(first, second, p, ratio, None, None, *counts)
    half = _half_width(logs)
    low, high = (float(np.exp(logs.mean() + side)) for side in (-half, half))
    return Difference(first, second, p, ratio, low, high, *counts)


def _half_width(values: Array) -> float:
    """Half of the 95 % interval of a mean, by Student's t."""
    if len(values) < 2:
        return math.inf
    from scipy.special import stdtrit  # scipy.stats takes five times as long to load

    spread = float(values.std(ddof=1)) / math.sqrt(len(values))
    return float(stdtrit(len(values) - 1, 1 - LEVEL / 2)) * spread
