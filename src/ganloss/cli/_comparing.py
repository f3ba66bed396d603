"""How a comparison looks in a terminal."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from ganloss._errors import DivergedError, GanlossError
from ganloss.lab.results import Comparison, table
from ganloss.lab.verdict import judge, metric_of
from ganloss.runs.reading import Row, finite
from ganloss.runs.wording import duration, listed, number

if TYPE_CHECKING:
    from ganloss.lab.plan import Job, Plan


class TerminalWatcher:
    """Writes one line for each run that ends, and a live bar with the time left on a terminal.

    Use it as a context manager.
    """

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._shares: dict[str, float] = {}
        self._count = 0
        self._done = 0
        self._before = 0
        self._began = time.monotonic()

    def __enter__(self) -> "TerminalWatcher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def started(
        self, folder: Path, plan: "Plan", jobs: "Sequence[Job]", ended: Sequence[Row]
    ) -> None:
        """Show what is going to happen."""
        for line in in_lines(plan):
            self._console.print(line, markup=False)
        if jobs[0].draw is not None:
            self._line("search", f"{plan.draws} random settings for each; then the runs that count")
        if ended:
            self._line(
                "resumed", f"{len(ended)} of {len(ended) + len(jobs)} runs have ended before"
            )
        self._line("folder", str(folder))
        self._done = self._before = len(ended)
        self._count = len(ended) + len(jobs)
        self._began = time.monotonic()
        if self._console.is_terminal:
            self._stop()
            self._bar = Progress(
                TextColumn("[dim]comparing[/dim]"),
                BarColumn(bar_width=32, complete_style="cyan", finished_style="cyan"),
                TextColumn("{task.percentage:>3.0f} %  {task.fields[words]}"),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=1.0, words="")

    def progressed(self, job: str, done: float) -> None:
        """Move the bar."""
        self._shares[job] = done
        self._update()

    def ended(self, row: Row) -> None:
        """Print a line of numbers."""
        self._shares.pop(row["job"], None)
        self._done += 1
        score = finite(row["score"])
        words = f"{(row.get('metric') or {}).get('key', 'score')} {number(score)}" if score else ""
        outcome = words if row["state"] == "finished" else row["state"]
        took = f"{duration(row['trained'])} of training" if finite(row.get("trained")) else ""
        left = f"about {duration(self._left())} left" if self._done < self._count else ""
        parts = [
            f"{self._done:>4}/{self._count}",
            f"{row['job']:<24}",
            f"{outcome:<14}",
            took,
            left,
        ]
        self._console.print("  ".join(part for part in parts if part), markup=False)
        if row["state"] != "finished":
            self._console.print(f"{'':11}{row['message']}", markup=False)
        self._update()

    def _share(self) -> float:
        return (self._done + sum(self._shares.values())) / max(self._count, 1)

    def _left(self) -> float:
        """Seconds left, from the pace since the start."""
        before = self._before / max(self._count, 1)
        share = self._share() - before
        took = time.monotonic() - self._began
        return took * (1 - before - share) / share if share > 0 else 0.0

    def _update(self) -> None:
        if self._bar is not None and self._task is not None:
            words = f"run {self._done} of {self._count} done, about {duration(self._left())} left"
            self._bar.update(self._task, completed=self._share(), words=words)

    def _line(self, word: str, text: str) -> None:
        self._console.print(f"{word:<9}{text}", markup=False)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def in_lines(plan: "Plan") -> list[str]:
    """What will be done, and what it can show."""
    names = listed([variant.name for variant in plan.variants])
    runs = len(plan.variants) * len(plan.seeds)
    search = len(plan.variants) * plan.draws
    before = f"{search} runs of a search, then " if search else ""
    threads = plan.settings.threads or 1
    against = f", each against {plan.baseline}" if plan.baseline else ", all pairs"
    return [
        f"{'plan':<9}{names}",
        f"{'runs':<9}{before}{len(plan.variants)} variants × {len(plan.seeds)} seeds = {runs} runs "
        f"of {plan.budget}, {plan.workers} at a time with {threads} thread(s)",
        f"{'seeds':<9}{plan.promise}{against}",
    ]


def conclude(comparison: Comparison) -> int:
    """Print the table and the verdict; give the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    verdict, metric = judge(comparison), metric_of(comparison)
    shown = Table(box=None, pad_edge=False, header_style="dim")
    shown.add_column("loss")
    for name in ("runs", "mean", "95 % interval", "× real", "ms/step"):
        shown.add_column(name, justify="right")
    for line in sorted(table(comparison), key=lambda line: verdict.order.index(line.variant)):
        interval = (
            f"{number(line.low)} to {number(line.high)}"
            if line.mean is not None and math.isfinite(line.low)
            else "–"
        )
        shown.add_row(
            line.variant,
            f"{line.runs - line.failed} of {line.runs}",
            _dash(line.mean),
            interval,
            _dash(line.mean / metric.reference if line.mean and metric.reference else None),
            _dash(line.ms_per_step),
        )
    console.print()
    console.print(shown)
    console.print(f"\n[dim]{metric.name}; lower is better[/dim]")
    console.print(f"\n{verdict.sentence}", markup=False, style="bold")
    for limit in verdict.limits:
        console.print(limit, markup=False)
    console.print(f"\nreport    {comparison.folder / 'report.html'}", markup=False, style="bold")
    if not verdict.complete:
        console.print(f"go on     ganloss compare --resume {comparison.folder}", markup=False)
    states = {row["state"] for row in comparison.rows}
    if "finished" in states or not states:
        return 0
    return DivergedError.exit_code if states == {"diverged"} else GanlossError.exit_code


def _dash(value: float | None) -> str:
    return "–" if value is None else number(value)
