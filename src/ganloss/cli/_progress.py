"""How a run looks in a terminal: a bar where there is one, lines everywhere else."""

import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ganloss.runs.wording import duration, samples

if TYPE_CHECKING:
    from ganloss.runs.training import Outcome, Run


#: Where there is no bar, a run says something at least this often.
SECONDS_OF_SILENCE = 30.0
#: Scores a line of a snap may show, where a row has them.
_SCORES = ("fd", "l1", "psnr", "ssim", "cycle")


def speaks() -> bool:
    """Whether this process writes to the terminal: of many, the first one alone."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "SLURM_PROCID"))


class TerminalReporter:
    """Writes one line per snap, and a live bar with the time left on a terminal.

    Use it as a context manager.
    """

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True, quiet=not speaks())
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._began: tuple[float, float] | None = None
        self._spoke = time.monotonic()

    def __enter__(self) -> "TerminalReporter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def started(self, run: "Run") -> None:
        """Show what is going to happen."""
        self._describe(run)
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("[dim]training[/dim]"),
                BarColumn(bar_width=32, complete_style="cyan", finished_style="cyan"),
                TextColumn("{task.percentage:>3.0f} %  step {task.fields[step]:,}  "),
                TimeRemainingColumn(),
                TextColumn("[dim]left[/dim]"),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=1.0, step=run.engine.step)

    def _describe(self, run: "Run") -> None:
        task, source = run.task, run.task.data
        skipped = f", {len(source.skipped)} unreadable skipped" if source.skipped else ""
        data = samples(len(source.values), source.shape)
        classes = f", {len(source.class_names)} classes" if source.class_names else ""
        self._line("data", f"{data}{classes}{skipped}, {source.where}")
        networks = (f"{name.lower()} {_count(count)}" for name, count in run.parameters.items())
        self._line("networks", f"{', '.join(networks)} parameters, on {run.hardware.device}")
        turns = f", {task.game.critic_steps} D step(s) per G step" if len(task.networks) > 1 else ""
        self._line("game", f"{task.in_a_line}{turns}")
        metric = task.metric
        if metric is not None:
            rows = [(metric.reference, "real images"), (metric.noise, metric.noise_meaning)]
            known = "".join(
                f"; {word} {_short(value)}" for value, word in rows if value is not None
            )
            self._line("metric", f"{metric.name}, lower is better{known}")
            if metric.warning:
                self._line("warning", metric.warning)
        elif task.unscored:
            self._line("no score", task.unscored)
        for name, reason in source.skipped[:5]:
            self._line("skipped", f"{name}: {reason}")
        again = f"  (continued at step {run.engine.step:,})" if run.resumed else ""
        self._line("folder", f"{run.folder.path}{again}")

    def _line(self, word: str, text: str) -> None:
        self._console.print(f"[dim]{word:<9}[/dim]", end="")
        self._console.print(text, markup=False)

    def progressed(self, step: int, total: int | None, done: float) -> None:
        """Move the bar; without one, say a line now and then."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, step=step)
            return
        now = time.monotonic()
        if self._began is None:
            self._began = now, done
        if now - self._spoke < SECONDS_OF_SILENCE:
            return
        self._spoke = now
        since, share = now - self._began[0], done - self._began[1]
        left = f", about {duration(since * (1 - done) / share)} left" if share > 0 else ""
        self._console.print(f"{'':8}  step {step:>7,}  {done:.0%} done{left}", markup=False)

    def snapped(self, row: Mapping[str, Any]) -> None:
        """Print a line of numbers."""
        self._spoke = time.monotonic()
        parts = [f"{row['seconds']:6.0f} s", f"step {row['step']:>7,}"]
        players = [player for player in ("d", "g") if player in row]
        parts += [f"{player.upper()} {row[player]['total']:>8.3f}" for player in players]
        parts += [f"{key} {_short(row[key]):>6}" for key in _SCORES if key in row]
        self._console.print("  ".join(parts), markup=False)

    def ended(self, outcome: "Outcome") -> None:
        """Print how it ended, where everything is, and what one may want next."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        run = outcome.run
        if outcome.state == "already finished":
            why = (
                f" It {outcome.message}. To go on, give a larger --patience."
                if outcome.message
                else ""
            )
            self._console.print(
                f"{run.path} is finished already; nothing to do.{why}", markup=False
            )
            return
        self._console.print()
        if outcome.state == "interrupted":
            self._console.print("interrupted: saved. Continue with", markup=False)
            again = f"ganloss train {outcome.task} --resume {run.path}"
            self._console.print(f"  {again}", markup=False)
        if outcome.message:
            self._console.print(outcome.message, markup=False)
        if outcome.score is not None:
            self._console.print(summary(outcome.score, outcome), markup=False)
        for name, text in outcome.extra.items():
            self._console.print(f"{name}: {text}", markup=False)
        self._console.print(f"\npage      {run.page}", markup=False, style="bold")
        self._console.print(f"film      {run.path / 'progress.gif'}", markup=False)

    def suggest(self, commands: list[str]) -> None:
        """Print the next commands."""
        for i, command in enumerate(commands):
            self._console.print(f"{'next' if i == 0 else '':<10}{command}", markup=False)


def summary(score: float, outcome: "Outcome") -> str:
    """Give the score its meaning; first, whether it can be trusted at all."""
    metric = outcome.metric
    if metric is None:
        return f"score {_short(score)}"
    warning = f"{metric.warning} " if metric.warning else ""
    parts = [f"{warning}{metric.name} {_short(score)}"]
    if metric.reference:
        parts[0] += (
            f": {score / metric.reference:.2f} times the score of {metric.reference_meaning} "
            f"({_short(metric.reference)})"
        )
    if metric.noise is not None:
        parts.append(f"{metric.noise_meaning} scores {_short(metric.noise)}")
    return "; ".join(parts)


def _count(number: int) -> str:
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def announce(text: str) -> None:
    """Print the first line at once, before anything heavy is imported."""
    if not speaks():
        return
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
