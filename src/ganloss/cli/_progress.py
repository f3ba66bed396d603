"""How a run looks in a terminal: a bar where there is one, lines everywhere else."""

import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ganloss.runs.wording import samples

if TYPE_CHECKING:
    from ganloss.runs.training import Outcome, Run


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
        generator, discriminator = run.parameters
        skipped = f", {len(run.data.skipped)} unreadable skipped" if run.data.skipped else ""
        data = samples(len(run.data.values), run.data.shape)
        classes = f", {run.classes} classes" if run.classes else ""
        self._line("data", f"{data}{classes}{skipped}, {run.data.where}")
        self._line("networks", f"G {_count(generator)}, D {_count(discriminator)} parameters, "
                               f"on {run.hardware.device}")  # fmt: skip
        penalties = "".join(f" + {w.weight} × {name}" for name, w in run.game.penalties.items())
        self._line("game", f"{run.settings.loss}: {run.game.pair!r}{penalties}, "
                           f"{run.game.critic_steps} D step(s) per G step")  # fmt: skip
        evaluation = run.evaluation
        if evaluation is not None:
            self._line("metric", f"{evaluation.name}, lower is better; "
                                 f"real images {_short(evaluation.reference)}, "
                                 f"noise {_short(evaluation.noise)}")  # fmt: skip
            if evaluation.warning:
                self._line("warning", evaluation.warning)
        for name, reason in run.data.skipped[:5]:
            self._line("skipped", f"{name}: {reason}")
        again = f"  (continued at step {run.engine.step:,})" if run.resumed else ""
        self._line("folder", f"{run.folder.path}{again}")

    def _line(self, word: str, text: str) -> None:
        self._console.print(f"[dim]{word:<9}[/dim]", end="")
        self._console.print(text, markup=False)

    def progressed(self, step: int, total: int | None, done: float) -> None:
        """Move the bar."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, step=step)

    def snapped(self, row: Mapping[str, Any]) -> None:
        """Print a line of numbers."""
        parts = [f"{row['seconds']:6.0f} s", f"step {row['step']:>7,}"]
        parts += [f"{player.upper()} {row[player]['total']:>8.3f}" for player in ("d", "g")]
        if "fd" in row:
            parts.append(f"fd {_short(row['fd']):>6}")
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
            self._console.print(f"  ganloss train generate --resume {run.path}", markup=False)
        if outcome.message:
            self._console.print(outcome.message, markup=False)
        if outcome.score is not None and outcome.evaluation is not None:
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
    evaluation = outcome.evaluation
    if evaluation is None:
        return f"score {_short(score)}"
    return (f"{evaluation.warning} " if evaluation.warning else "") + (
        f"{evaluation.name} {_short(score)}: {score / evaluation.reference:.2f} times the score of "
        f"{evaluation.reference_meaning} ({_short(evaluation.reference)}); uniform noise scores "
        f"{_short(evaluation.noise)}"
    )


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
