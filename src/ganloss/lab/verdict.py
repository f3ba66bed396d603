"""The answer of a comparison, in words, with its limits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ganloss.engine.health import is_improving
from ganloss.lab.fairness import optimisers_of
from ganloss.lab.plan import Plan
from ganloss.lab.results import RESULTS, Comparison, runs_of, scores, table
from ganloss.lab.statistics import (
    Array,
    Difference,
    against,
    all_pairs,
    bound_text,
    differences,
    seeds_for_one_apart,
    seeds_needed,
    typical,
)
from ganloss.runs.metric import Metric
from ganloss.runs.reading import Row, Status, numbers, read_metric, read_rows
from ganloss.runs.wording import listed, number


@dataclass(frozen=True)
class Verdict:
    """The answer.

    Args:
        sentence: which variant is best, or why nobody can say.
        limits: what the sentence does not say.
        order: variants, the lowest mean score first; where a run failed, the lowest mean rank.
        leaders: those that may be the best.
        differences: the comparisons that were declared; positions are those of the plan.
        complete: whether every planned run has its row.
    """

    sentence: str
    limits: tuple[str, ...]
    order: tuple[str, ...]
    leaders: tuple[str, ...]
    differences: tuple[Difference, ...]
    complete: bool


def judge(comparison: Comparison) -> Verdict:
    """Say what the rows show; seeds in which a run is missing are left out.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> with TemporaryDirectory() as out:  # planned, nothing has run yet
    ...     print(judge(Comparison(create(plan(settings, ["ns", "r3gan"]), Path(out)))).sentence)
    No seed is complete yet, so nothing can be said on demo:ring after 10 steps.
    """
    return _Judgement(comparison).verdict()


class _Judgement:
    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.plan: Plan = comparison.plan
        self.names = [variant.name for variant in self.plan.variants]
        self.found = scores(comparison)
        self.seeds = [s for s in self.plan.seeds if all(s in self.found[n] for n in self.names)]
        self.table = self._table()

    def _table(self) -> Array:
        rows = [
            [math.inf if (v := self.found[n][s]) is None else v for s in self.seeds]
            for n in self.names
        ]
        return np.array(rows, dtype=np.float64).reshape(len(self.names), len(self.seeds))

    @cached_property
    def differences(self) -> list[Difference]:
        count = len(self.names)
        base = self.plan.baseline
        pairs = against(self.names.index(base), count) if base else all_pairs(count)
        return differences(self.table, pairs)

    @cached_property
    def means(self) -> Array:
        """Mean of what the test compares, so that both agree on which of two is the better."""
        return typical(self.table)

    @cached_property
    def order(self) -> list[int]:
        return sorted(range(len(self.names)), key=lambda i: self.means[i])

    @property
    def _mean(self) -> str:
        """What that mean is called."""
        compared = self.table[np.isfinite(self.means)]
        if not np.isfinite(compared).all():
            return "mean rank, since runs failed"
        return "geometric mean of scores" if (compared > 0).all() else "mean score"

    def verdict(self) -> Verdict:
        sentence, leaders = self._answer()
        rows = self.comparison.rows
        return Verdict(
            sentence=sentence,
            limits=tuple(self._limits(rows)),
            order=tuple(self.names[i] for i in self.order),
            leaders=tuple(self.names[i] for i in leaders),
            differences=tuple(self.differences),
            complete=len(self.comparison.results) == len(self.names) * len(self.plan.seeds),
        )

    def _answer(self) -> tuple[str, list[int]]:
        where = f"on {data_of(self.plan)} after {self.plan.budget}"
        if not self.seeds:
            return f"No seed is complete yet, so nothing can be said {where}.", []
        if np.isinf(self.table).all():
            first = self.comparison.results[0]["message"]
            return f"Every run failed {where}. The first: {first}", []
        warning = metric_of(self.comparison).warning
        if warning:
            return f"This comparison cannot name a best loss: {warning}", []
        if len(self.seeds) < seeds_needed(len(self.names), baseline=bool(self.plan.baseline)):
            return self._too_few(where), []
        if self.plan.baseline:
            return self._against_baseline(where)
        return self._best(where)

    def _too_few(self, where: str) -> str:
        needed = seeds_needed(len(self.names), baseline=bool(self.plan.baseline))
        first = [self.names[i] for i in self.order if self.means[i] == self.means[self.order[0]]]
        found = f"{first[0]} has the lowest {self._mean}, and chance alone could do that"
        if len(first) > 1:
            found = f"{listed(first)} have the same {self._mean}"
        return (
            f"{_count(len(self.seeds), 'seed')} cannot show a difference {where}: {found}; "
            f"{needed} seeds would do."
        )

    def _best(self, where: str) -> tuple[str, list[int]]:
        top = self.order[0]
        worse = {self._other(d, top): d for d in self.differences if d.clear and top in _pair(d)}
        leaders = [i for i in self.order if i not in worse]
        if not any(d.clear for d in self.differences):
            least = min(d.p for d in self.differences)
            return (
                f"No loss is clearly best {where}: the differences between all {len(self.names)} "
                f"are within what chance explains (smallest p = {bound_text(least)}).",
                leaders,
            )
        if len(leaders) == 1:
            return self._alone(top, worse, where), leaders
        names = listed([self.names[i] for i in leaders])
        behind = [self.names[i] for i in self.order if i in worse]
        if not behind:
            return (
                f"{names} cannot be told apart {where}: {self.names[top]} has the lowest "
                f"{self._mean}, and no other is clearly worse than it.",
                leaders,
            )
        return (
            f"{names} are the best {where} and cannot be told apart; "
            f"{listed(behind)} {'is' if len(behind) == 1 else 'are'} clearly worse than "
            f"{self.names[top]} (p ≤ {bound_text(max(d.p for d in worse.values()))}).",
            leaders,
        )

    def _alone(self, top: int, worse: dict[int, Difference], where: str) -> str:
        second = self.order[1]
        largest = bound_text(max(d.p for d in worse.values()))
        sentence = f"{self.names[top]} is the best of {len(self.names)} {where}"
        many = len(self.names) > 2
        sentence += (
            f": it beats {'every other one' if many else self.names[second]} (p ≤ {largest})"
        )
        found = self._ratio(worse[second], top)
        if found is None:
            return sentence + "."
        ratio, low, high = found
        next_best = f"that of the next, {self.names[second]}" if many else "the other's"
        return (
            f"{sentence}, and its score is {number(ratio)} times {next_best} (95 % interval "
            f"{number(low)} to {number(high)})."
        )

    def _against_baseline(self, where: str) -> tuple[str, list[int]]:
        base = self.names.index(self.plan.baseline)
        clear = {self._other(d, base): d for d in self.differences if d.clear}
        better = [
            i for i in self.order if i in clear and self.order.index(i) < self.order.index(base)
        ]
        worse = [i for i in self.order if i in clear and i not in better]
        rest = [i for i in self.order if i != base and i not in clear]
        found = [self._are(better, "better"), self._are(worse, "worse")]
        parts = [" and ".join(part for part in found if part)] if clear else []
        if clear:
            parts[0] += f" (p ≤ {bound_text(max(d.p for d in clear.values()))})"
        if rest:
            parts.append(self._are(rest, "not clearly different"))
        return f"Compared with {self.plan.baseline} {where}, {'; '.join(parts)}.", better or [base]

    def _are(self, group: Sequence[int], what: str) -> str:
        names = listed([self.names[i] for i in group]) if group else ""
        return f"{names} {'is' if len(group) == 1 else 'are'} {what}" if group else ""

    @staticmethod
    def _other(difference: Difference, one: int) -> int:
        return difference.second if difference.first == one else difference.first

    @staticmethod
    def _ratio(difference: Difference, first: int) -> tuple[float, float, float] | None:
        found = difference if difference.first == first else difference.turned()
        if found.ratio is None or found.low is None or found.high is None:
            return None
        return found.ratio, found.low, found.high

    def _limits(self, rows: Sequence[Row]) -> list[str]:
        """What the verdict does not say."""
        metric, plan = metric_of(self.comparison), self.plan
        found = self._crashes(rows)
        if not self.seeds or np.isinf(self.table).all():
            return found + self._missing()
        found += [
            f"It holds for these data, these networks, {_count(len(self.seeds), 'seed')}, "
            f"{plan.budget} and {optimisers_of(plan)}; more seeds or a longer budget could change "
            "it.",
            f"The score is {metric.name}, of the averaged generator at the end of each run, not at "
            "its best moment; lower is better.",
        ]
        found += self._few_seeds()
        found += self._failures(rows)
        found += self._distance_from_real(metric)
        improving = self._still_improving()
        if improving:
            found.append(
                f"The score of {listed(improving)} was still falling at the end: a longer budget "
                "may well change the order."
            )
        return found + self._missing()

    def _missing(self) -> list[str]:
        planned = len(self.names) * len(self.plan.seeds)
        missing = planned - len(self.comparison.results)
        if not missing:
            return []
        return [
            f"{_count(missing, 'run')} of {planned} {'is' if missing == 1 else 'are'} not there "
            "yet; seeds in which one is missing do not count."
        ]

    def _crashes(self, rows: Sequence[Row]) -> list[str]:
        """Runs that ended without a result, which is no fault of their loss."""
        crashed = [row for row in rows if row["state"] not in RESULTS]
        if not crashed:
            return []
        names = listed([row["job"] for row in crashed[:5]])
        more = f" and {len(crashed) - 5} more" if len(crashed) > 5 else ""
        return [
            f"{names}{more} crashed and {'does' if len(crashed) == 1 else 'do'} not count "
            f"({crashed[0]['message']}); going on with the comparison tries again."
        ]

    def _few_seeds(self) -> list[str]:
        """That one loss may stand apart from the rest and still not be clear."""
        count, needed = len(self.names), seeds_for_one_apart(len(self.names))
        if self.plan.baseline or not seeds_needed(count) <= len(self.seeds) < needed:
            return []
        if any(d.clear for d in self.differences):
            return []
        return [
            f"{_count(len(self.seeds), 'seed')} show differences only if losses come in one order "
            f"in every seed; {needed} seeds show one that stands apart from the rest."
        ]

    def _failures(self, rows: Sequence[Row]) -> list[str]:
        failed = [row for row in rows if row["state"] == "diverged"]
        if not failed:
            return []
        names = [n for n in self.names if any(row["variant"] == n for row in failed)]
        counts = [sum(row["variant"] == n for row in failed) for n in names]
        words = listed([f"{n} in {_count(c, 'run')}" for n, c in zip(names, counts, strict=True)])
        return [f"Some runs failed and count as the worst of their seed: {words}."]

    def _distance_from_real(self, metric: Metric) -> list[str]:
        # Of the means in the table, so that both say the same number.
        best = min((m for row in table(self.comparison) if (m := row.mean) is not None),
                   default=math.inf)  # fmt: skip
        if metric.noise is not None and math.isfinite(best) and best >= metric.noise:
            return [
                f"Even the best mean score is no better than that of {metric.noise_meaning} "
                f"({number(metric.noise)}): nothing has been learnt yet."
            ]
        if metric.reference is None or not math.isfinite(best) or best < 3 * metric.reference:
            return []
        return [
            f"Even the best mean score is {best / metric.reference:.3g} times that of "
            f"{metric.reference_meaning}: after this budget all samples are still far from real."
        ]

    def _still_improving(self) -> list[str]:
        found: list[str] = []
        for name in self.names:
            falling = 0
            runs = runs_of(self.comparison, name)
            for folder in runs.values():
                metric = Status.read(folder).metric
                key = metric.key if metric else "fd"
                values = numbers(read_rows(folder), key)
                falling += is_improving(values)
            if runs and falling > len(runs) / 2:
                found.append(name)
        return found


def metric_of(comparison: Comparison) -> Metric:
    """The metric of the runs, from the first that has one.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> with TemporaryDirectory() as out:  # planned, nothing has run yet
    ...     metric_of(Comparison(create(plan(settings, ["ns", "r3gan"]), Path(out)))).name
    'the score'
    """
    for row in comparison.log():
        if isinstance(row.get("metric"), dict):
            return read_metric(row["metric"])
    return Metric("the score", "", None, "", None)


def _pair(difference: Difference) -> tuple[int, int]:
    return difference.first, difference.second


def data_of(plan: Plan) -> str:
    """Name of the data, without the folders it lies in.

    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> data_of(plan(GenerateSettings(data="demo:ring", steps=10), ["ns", "r3gan"]))
    'demo:ring'
    """
    source = plan.settings.data or str(getattr(plan.settings, "gt", ""))
    return Path(source).name if Path(source).exists() else source


def _count(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
