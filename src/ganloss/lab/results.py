"""What a comparison found: the rows in its folder, and tables of them."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from ganloss._errors import UsageError
from ganloss.lab.jobs import run_folder
from ganloss.lab.plan import Job, Plan
from ganloss.lab.search import SEARCHED
from ganloss.lab.statistics import mean_and_interval
from ganloss.runs.reading import Row, finite, mapping, numbers, parse, read_text, text

#: States of a row that are results; any other is tried again.
RESULTS = ("finished", "diverged")


class Comparison(Sequence[Row]):
    """The rows of a comparison, with its folder and plan.

    Args:
        folder: of the comparison, ``compare-0001-…``.

    Raises:
        UsageError: it is none.
        CheckpointError: its plan is damaged.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> with TemporaryDirectory() as out:  # planned, nothing has run yet
    ...     found = Comparison(create(plan(settings, ["ns", "r3gan"], seeds=[0, 1]), Path(out)))
    ...     print(found.folder.name, found.rows, found.draws, found.log(), len(found))
    compare-0001-ring [] [] [] 0
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "plan.yaml").exists():
            raise UsageError(
                f"{folder} is no comparison: it has no plan.yaml. Name the folder that `ganloss "
                "compare` made, e.g. runs/compare-0001-digits"
            )
        self.folder = folder
        self.plan = Plan.read(folder / "plan.yaml")

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """All jobs of the plan by name, those of a search first."""
        return {job.name: job for job in [*self.plan.search(), *self.plan.jobs()]}

    @property
    def rows(self) -> list[Row]:
        """The rows of runs that count, in the order of the plan; the last of a job counts."""
        found = {row["job"]: row for row in self.log() if row.get("draw") is None}
        return [found[name] for name in self.jobs if name in found]

    @property
    def results(self) -> list[Row]:
        """The rows that are results; a run that crashed is none, and is tried again."""
        return [row for row in self.rows if row["state"] in RESULTS]

    @property
    def draws(self) -> list[Row]:
        """The rows of the search, where there was one."""
        found = {row["job"]: row for row in self.log() if row.get("draw") is not None}
        return list(found.values())

    def log(self) -> list[Row]:
        """Every row of ``results.jsonl``; what is half-written, or of no job, is left out."""
        jobs = self.jobs
        lines = read_text(self.folder / "results.jsonl").splitlines()
        rows = [mapping(parse(line)) for line in lines]
        return [_sound(row, jobs[name]) for row in rows if (name := text(row.get("job"))) in jobs]

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)


def _sound(row: Mapping[str, Any], job: Job) -> Row:
    """A row whose job is that of the plan, and whose numbers are numbers."""
    return {
        **row,
        "job": job.name,
        "variant": job.variant,
        "seed": job.seed,
        "draw": job.draw,
        "state": text(row.get("state")),
        "message": text(row.get("message")),
        "score": finite(row.get("score")),
    }


def best_draws(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """Of each variant, the settings of the draw with the best score.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> with TemporaryDirectory() as out:  # planned, nothing has run yet
    ...     best_draws(Comparison(create(plan(settings, ["ns", "r3gan"], draws=2), Path(out))))
    {}
    """
    searched = {job.name: job for job in comparison.plan.search()}
    best: dict[str, tuple[float, Job]] = {}
    for row in comparison.draws:
        score, job = finite(row["score"]), searched.get(row["job"])
        if score is not None and job and (row["variant"] not in best or
                                          score < best[row["variant"]][0]):  # fmt: skip
            best[row["variant"]] = (score, job)
    return {
        variant: {name: getattr(job.settings, name) for name in SEARCHED}
        for variant, (_, job) in best.items()
    }


def scores(comparison: Comparison) -> dict[str, dict[int, float | None]]:
    """Final score of each variant and seed that has a result; None where the run diverged.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> with TemporaryDirectory() as out:
    ...     folder = create(plan(settings, ["ns", "r3gan"], seeds=[0, 1]), Path(out))
    ...     row = '{"job": "ns-s1", "variant": "ns", "seed": 1, "score": 0.5, "state": "finished"}'
    ...     _ = (folder / "results.jsonl").write_text(row)
    ...     scores(Comparison(folder))
    {'ns': {1: 0.5}, 'r3gan': {}}
    """
    found: dict[str, dict[int, float | None]] = {v.name: {} for v in comparison.plan.variants}
    for row in comparison.results:
        found[row["variant"]][row["seed"]] = finite(row["score"])
    return found


@dataclass(frozen=True)
class Line:
    """One variant in the table.

    Args:
        variant: its name.
        runs, failed: how many have ended, and how many of those failed.
        mean, low, high: of the final scores, with the 95 % interval of the mean; None without any.
        best: the lowest final score.
        trained: seconds of training of a run.
        cpu_seconds, ms_per_step, peak_mb: what a run costs; None where it is not known.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> with TemporaryDirectory() as out:  # planned, nothing has run yet
    ...     lines = table(Comparison(create(plan(settings, ["ns", "r3gan"]), Path(out))))
    >>> [(line.variant, line.runs, line.mean) for line in lines]
    [('ns', 0, None), ('r3gan', 0, None)]
    """

    variant: str
    runs: int
    failed: int
    mean: float | None
    low: float
    high: float
    best: float | None
    trained: float | None
    cpu_seconds: float | None
    ms_per_step: float | None
    peak_mb: float | None


def table(comparison: Comparison) -> list[Line]:
    """One line for each variant, in the order of the plan.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> with TemporaryDirectory() as out:  # planned, nothing has run yet
    ...     len(table(Comparison(create(plan(settings, ["ns", "r3gan"]), Path(out)))))
    2
    """
    return [_line(v.name, comparison.rows) for v in comparison.plan.variants]


def _line(variant: str, rows: Sequence[Row]) -> Line:
    rows = [row for row in rows if row["variant"] == variant]
    values = numbers(rows, "score")
    mean, low, high = mean_and_interval(values) if values else (None, -math.inf, math.inf)
    if math.isfinite(low) and min(values) >= 0:
        low = max(low, 0.0)  # distances and errors are never below 0
    return Line(
        variant,
        len(rows),
        len(rows) - len(values),
        mean,
        low,
        high,
        min(values, default=None),
        mean_of(rows, "trained"),
        mean_of(rows, "cpu_seconds"),
        _ms_per_step(rows),
        mean_of(rows, "peak_mb"),
    )


def summary(comparison: Comparison) -> str:
    """The table for other programs.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> with TemporaryDirectory() as out:  # planned, nothing has run yet
    ...     found = Comparison(create(plan(settings, ["ns", "r3gan"]), Path(out)))
    >>> summary(found).splitlines()[0][:40]
    'variant,runs,failed,mean,low,high,best,t'
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([f.name for f in fields(Line)])
    writer.writerows(astuple(line) for line in table(comparison))
    return stream.getvalue()


def mean_of(rows: Iterable[Row], name: str) -> float | None:
    """The mean of a column, of the rows that have it; None without any.

    >>> mean_of([{"peak_mb": 3.0}, {}, {"peak_mb": 5.0}], "peak_mb")
    4.0
    """
    found = numbers(rows, name)
    return sum(found) / len(found) if found else None


def _ms_per_step(rows: Sequence[Row]) -> float | None:
    found = [
        {"ms": 1000 * trained / steps}
        for row in rows
        if (trained := finite(row.get("trained"))) and (steps := finite(row.get("steps")))
    ]
    return mean_of(found, "ms")


def runs_of(comparison: Comparison, variant: str) -> Mapping[int, Path]:
    """Run folders of a variant by seed, as far as they exist.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> with TemporaryDirectory() as out:
    ...     found = Comparison(create(plan(settings, ["ns", "r3gan"]), Path(out)))
    ...     run_folder(found.folder, "ns-s0").mkdir(parents=True)
    ...     list(runs_of(found, "ns"))
    [0]
    """
    found = {
        job.seed: run_folder(comparison.folder, job.name)
        for job in comparison.jobs.values()
        if job.variant == variant and job.draw is None
    }
    return {seed: path for seed, path in found.items() if path.is_dir()}
