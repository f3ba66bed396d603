"""Interleaved timing: contenders take turns in one process, so that drift hits all alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

#: The clock that is read. ``time.process_time`` is fairer where others use the same cores.
clock = time.perf_counter


@dataclass(frozen=True)
class Row:
    """One comparison.

    Args:
        what: what was timed.
        ours: our median seconds.
        other: name of what it is compared with.
        theirs: its median seconds.
        ratio: median over rounds of theirs / ours (or ours / theirs when ``at_most``).
        spread: interquartile range of that ratio over rounds.
        bound: the ratio that is required.
        at_most: the ratio is a cost (ours / theirs) that must not exceed the bound.
    """

    what: str
    ours: float
    other: str
    theirs: float
    ratio: float
    spread: float
    bound: float
    at_most: bool = False

    @property
    def holds(self) -> bool:
        return self.ratio <= self.bound if self.at_most else self.ratio >= self.bound

    def __str__(self) -> str:
        relation = "≤" if self.at_most else "≥"
        verdict = "ok" if self.holds else "MISSED"
        return (
            f"{self.what:<44} {self.ours * 1e3:9.3f} ms  {self.other:<26} "
            f"{self.theirs * 1e3:9.3f} ms  {self.ratio:6.2f}x ±{self.spread:4.2f}  "
            f"({relation} {self.bound:g}x)  {verdict}"
        )


def interleaved(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int, repeats: int = 1
) -> dict[str, list[float]]:
    """Seconds per call of each contender, one value per round; the order turns every round."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for name in names:
        contenders[name]()
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            start = clock()
            for _ in range(repeats):
                contenders[name]()
            times[name].append((clock() - start) / repeats)
    return times


def compare(
    what: str, times: Mapping[str, list[float]], ours: str, other: str, bound: float,
    *, at_most: bool = False,
) -> Row:  # fmt: skip
    """Row for one contender against ours, from the ratios of each round."""
    mine, theirs = times[ours], times[other]
    ratios = [m / t if at_most else t / m for m, t in zip(mine, theirs, strict=True)]
    quartiles = statistics.quantiles(ratios, n=4)
    return Row(
        what,
        statistics.median(mine),
        other,
        statistics.median(theirs),
        statistics.median(ratios),
        quartiles[2] - quartiles[0],
        bound,
        at_most,
    )


def two_threads() -> None:
    torch.set_num_threads(2)
