"""The curves of a report, as data for its script and in words for everybody else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganloss.lab.results import Comparison, runs_of
from ganloss.lab.statistics import best_of
from ganloss.runs.charts import AXES, thin
from ganloss.runs.reading import Row, Status, finite, read_rows
from ganloss.runs.wording import number

_AXES = ("images", "seconds", "step")
_MOST_POINTS = 200


@dataclass(frozen=True)
class Curve:
    """The scores of one variant over time.

    Args:
        name: of the variant.
        seeds: each run's values by axis, with ``"y"``.
        typical: for each axis ``"x"``, the median over seeds ``"y"``, and ``"low"`` and ``"high"``.
        failed: the last point of each failed run by axis, with ``"y"``.
        words: the curve for those who do not see it.
        spark: points of a small picture of it, as an SVG polyline in a box of 100 by 24.
    """

    name: str
    seeds: list[dict[str, list[float]]]
    typical: dict[str, dict[str, list[float]]]
    failed: list[dict[str, float]]
    words: str
    spark: str


def curves_of(comparison: Comparison, key: str) -> list[Curve]:
    """A curve for each variant that has scores.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> with TemporaryDirectory() as out:  # planned, nothing has run yet
    ...     found = Comparison(create(plan(settings, ["ns", "r3gan"]), Path(out)))
    ...     [curve.name for curve in curves_of(found, "fd")]
    ['ns', 'r3gan']
    """
    finished = {row["job"] for row in comparison.rows if row["state"] == "finished"}
    failed = {row["job"] for row in comparison.rows} - finished
    return [_curve(comparison, v.name, key, finished, failed) for v in comparison.plan.variants]


def axes_for(comparison: Comparison) -> dict[str, str]:
    """Axes, the one that was equal first.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", kimg=1.0)
    >>> with TemporaryDirectory() as out:
    ...     list(axes_for(Comparison(create(plan(settings, ["ns", "r3gan"]), Path(out)))))
    ['images', 'seconds', 'step']
    """
    settings = comparison.plan.settings
    first = "step" if settings.steps is not None else "images" if settings.kimg else "seconds"
    return {first: AXES[first], **AXES}


def _curve(
    comparison: Comparison, name: str, key: str, finished: set[str], failed: set[str]
) -> Curve:
    runs = runs_of(comparison, name).values()
    films = {path.name: _points(path, scored, key) for path in runs
             if (scored := _scored(path, key))}  # fmt: skip
    seeds = list(films.values())
    # A run that failed or has just begun would cut the median of all short.
    whole = [points for job, points in films.items() if job in finished]
    typical = {axis: _typical(whole or seeds, axis) for axis in _AXES}
    crosses = [
        {axis: values[-1] for axis, values in points.items()}
        for job, points in films.items()
        if job in failed
    ]
    middle = typical["step"]["y"]
    return Curve(name, seeds, typical, crosses, _in_words(middle), _spark(middle))


def _typical(seeds: Sequence[dict[str, list[float]]], axis: str) -> dict[str, list[float]]:
    """Median, lowest and highest of the runs, at moments that all of them have reached."""
    if not seeds:
        return {"x": [], "y": [], "low": [], "high": []}
    x = np.array(max((run[axis] for run in seeds), key=len))
    if any(run[axis] != seeds[0][axis] for run in seeds):  # snaps fell on different moments
        x = np.linspace(0.0, min(run[axis][-1] for run in seeds), len(x))
    together = np.array([np.interp(x, run[axis], run["y"]) for run in seeds])
    rows = {"y": np.median(together, 0), "low": together.min(0), "high": together.max(0)}
    return {"x": x.round(6).tolist(), **{name: row.tolist() for name, row in rows.items()}}


def _scored(run: Path, key: str) -> list[Row]:
    rows = [row for row in read_rows(run) if finite(row.get(key)) is not None]
    return list(thin(rows, _MOST_POINTS))


def _points(run: Path, scored: Sequence[Row], key: str) -> dict[str, list[float]]:
    """Of each score, the images, steps and seconds it took; training alone counts."""
    steps = [finite(row.get("step")) or 0.0 for row in scored]
    status = Status.read(run)
    each = (status.trained or 0.0) / (status.step or 1)  # every step costs the same
    return {
        "images": [finite(row.get("images")) or 0.0 for row in scored],
        "seconds": [round(step * each, 6) for step in steps],
        "step": steps,
        "y": [finite(row.get(key)) or 0.0 for row in scored],
    }


def _in_words(values: Sequence[float]) -> str:
    if not values:
        return "no scores"
    first, last, lowest = (number(value) for value in (values[0], values[-1], min(values)))
    return f"median score from {first} to {last}, lowest {lowest}"


def _spark(values: Sequence[float]) -> str:
    """A logarithmic line, the start left out: it is far from everything else."""
    shown = [math.log(max(value, 1e-9)) for value in values[1:]]
    if len(shown) < 2:
        return ""
    low, high = min(shown), max(shown)
    spread = (high - low) or 1.0
    step = 100 / (len(shown) - 1)
    return " ".join(
        f"{i * step:.1f},{22 - 20 * (value - low) / spread:.1f}" for i, value in enumerate(shown)
    )


def budgets_of(comparison: Comparison) -> list[dict[str, Any]]:
    """The best score against the number of runs, of each variant: draws of a search, else seeds."""
    rows = comparison.draws or comparison.rows
    found: list[dict[str, Any]] = []
    for variant in comparison.plan.variants:
        scores = [finite(row["score"]) for row in rows if row["variant"] == variant.name]
        values = [math.inf if score is None else score for score in scores]  # a failed run
        curve = best_of(values) if any(map(math.isfinite, values)) else []
        median = [finite(point.median) for point in curve]
        whole = [math.isfinite(point.high) for point in curve]  # of a band both sides are known
        found.append(
            {
                "name": variant.name,
                "runs": [point.runs for point in curve],
                "median": median,
                "low": [p.low if known else None for p, known in zip(curve, whole, strict=True)],
                "high": [p.high if known else None for p, known in zip(curve, whole, strict=True)],
                "words": _of_budget(median),
            }
        )
    return found


def _of_budget(medians: Sequence[float | None]) -> str:
    if not medians:
        return ""
    first, last = (
        "a failure" if value is None else number(value) for value in (medians[0], medians[-1])
    )
    return f"from {first} with one to {last} with {len(medians)}"
