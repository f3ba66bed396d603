"""Training: the loop of a run and everything written along the way."""

import signal
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from ganloss._errors import DivergedError, GanlossError, StorageError
from ganloss._version import __version__
from ganloss.engine.hardware import lost_a_process
from ganloss.engine.loop import StepRecord
from ganloss.runs.divergence import stop_if_diverged
from ganloss.runs.folder import RunFolder, command_line
from ganloss.runs.metric import Metric
from ganloss.runs.page import write_page
from ganloss.runs.patience import early_stop, is_new_best, scored
from ganloss.runs.pictures import save_png, write_gif
from ganloss.runs.run import SNAPS_PER_RUN, Run, next_commands, status, threads
from ganloss.runs.settings import RunSettings
from ganloss.runs.tasks import one_each
from ganloss.runs.tracking import Tracker, open_trackers, tracker_names

if TYPE_CHECKING:
    from PIL import Image

TICKS_PER_SNAP = 5
#: What torch says where the processor's memory is at its end; a device has an error of its own.
_NO_MEMORY = "can't allocate memory"


class Reporter(Protocol):
    """Where a run tells how it goes.

    >>> class Quiet:
    ...     def started(self, run): ...
    ...     def progressed(self, step, total, done): ...
    ...     def snapped(self, row): ...
    >>> reporter: Reporter = Quiet()
    >>> reporter.started(None), reporter.progressed(1, 10, 0.1), reporter.snapped({})
    (None, None, None)
    """

    def started(self, run: "Run") -> None:
        """The run is set up and its folder exists."""
        ...

    def progressed(self, step: int, total: int | None, done: float) -> None:
        """A step was made; ``done`` is the share of the run between 0 and 1."""
        ...

    def snapped(self, row: Mapping[str, Any]) -> None:
        """Samples, scores and a checkpoint were written."""
        ...


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        run: the run's folder.
        task: what was trained, as in ``ganloss train TASK``.
        state: ``"finished"``, ``"interrupted"``, or ``"already finished"``.
        score: last value of the metric, if it was measured.
        metric: the metric with its reference rows.
        extra: further facts by name, in words.
        next: commands one may want now.
        message: why it ended before its length, in a sentence.

    >>> outcome = Outcome(RunFolder(Path("runs/00000")), "generate", "finished", 0.5, None, {})
    >>> outcome.state, outcome.score
    ('finished', 0.5)
    """

    run: RunFolder
    task: str
    state: str
    score: float | None
    metric: Metric | None
    extra: Mapping[str, str]
    next: tuple[str, ...] = ()
    message: str = ""


def train(
    settings: RunSettings,
    reporter: Reporter,
    resume: str | None = None,
    *,
    at: Path | None = None,
) -> Outcome:
    """Train until the settings' length is reached, and leave a finished folder behind.

    Args:
        settings: what to train.
        reporter: told how it goes.
        resume: None for a new run, ``"auto"`` for the newest that fits, or the path of a run folder
            or of one of its checkpoints.
        at: the run's folder, new or to be continued, instead of the next number in ``--out``.

    Raises:
        GanlossError: each with its exit code; what was saved before stays.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.runs.settings import GenerateSettings
    >>> class Quiet:
    ...     def started(self, run): ...
    ...     def progressed(self, step, total, done): ...
    ...     def snapped(self, row): ...
    >>> with TemporaryDirectory() as out:
    ...     settings = GenerateSettings(data="demo:ring", steps=3, threads=1, out=out)
    ...     train(settings, Quiet()).state
    'finished'
    """
    settings.check()
    tracker_names(settings)
    with _failures_in_words(settings):
        run = Run(settings, resume, at)
        lock = run.folder.locked() if run.hardware.is_main else nullcontext()
        with threads(run.threads), lock:
            outcome = _train(run, reporter)
        run.hardware.leave()
    return outcome


def _train(run: Run, reporter: Reporter) -> Outcome:
    session = _Session(run, reporter)
    session.go_back()
    if run.resumed and (run.finished or session.out_of_patience()):
        return session.finish_again()
    try:
        with _failures_in_words(run.settings, str(run.folder.path)):
            state = session.loop()
    except GanlossError as error:
        session.write_page("diverged" if isinstance(error, DivergedError) else "failed", str(error))
        raise
    finally:
        session.close()
    return session.finish(state)


@contextmanager
def _failures_in_words(settings: RunSettings, folder: str = "RUN") -> Generator[None]:
    """Turn what a device or the other processes do to a run into sentences."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise StorageError(_out_of_memory(settings)) from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or _NO_MEMORY in str(error):
            raise StorageError(_out_of_memory(settings)) from error
        if not lost_a_process(error):
            raise
        raise StorageError(
            "another process of this run has stopped, so this one stops as well. Look for its "
            "own message above; without one it was killed, often for want of memory. What was "
            f"saved before is whole: `ganloss train {settings.task} --resume {folder}` "
            "goes on, with as many processes as you like"
        ) from error


def _out_of_memory(settings: RunSettings) -> str:
    return f"out of memory: lower --batch-size (now {settings.batch_size}) or --image-size"


class _Session:
    """One process's work on a run: the loop and what is written along the way."""

    def __init__(self, run: Run, reporter: Reporter) -> None:
        self.run = run
        self.reporter = reporter
        self.extra: dict[str, str] = {}
        self.main = run.hardware.is_main
        self._task = run.settings.task
        metric = run.task.metric if self.main else None
        self._key = "fd" if metric is None else metric.key
        self._started = time.monotonic() - run.seconds
        self._next_snap_at = run.clock + self._interval
        self._trained_until = run.seconds
        self._trackers: list[Tracker] = []

    def go_back(self) -> None:
        """Make the checkpoint that was named the last one, before later rows are forgotten."""
        if self.main and self.run.resumed and self.run.checkpoint != self.run.folder.last:
            self.run.save(self.run.folder.last)

    def loop(self) -> str:
        run = self.run
        if self.main:
            run.folder.cut_back_to(run.engine.step if run.resumed else -1)
            self._begin()
        reported = 0.0
        with _interruptible() as interrupted:
            while not run.finished:
                due, tick = self._due(run.engine.step + 1)
                began = time.monotonic()
                record = run.engine.advance(measure=tick)
                if tick:  # its row is read anyway, and what it waits for is training
                    run.hardware.wait()
                self._clock(time.monotonic() - began)
                self._trained_until = run.seconds
                last = run.finished
                if tick or last:
                    self._tick(record, snap=due or last)
                if due or last:
                    self._save()
                    self._plan_snap()
                    if not last and self.out_of_patience():
                        return "finished"
                if self.main and run.seconds - reported > 0.1:
                    reported = run.seconds
                    self.reporter.progressed(run.engine.step, run.total, run.done)
                if (tick or run.hardware.processes == 1) and self._agree(interrupted()):
                    stop_if_diverged(run, {}, weights=True)
                    self._save()
                    return "interrupted"
        return "finished"

    def out_of_patience(self) -> bool:
        """Whether the run ends here for want of a better score; the main process decides."""
        run, patience = self.run, self.run.settings.patience
        if patience is None or run.finished:
            return False
        reason = (
            early_stop(run.folder.rows(), run.engine.step, patience, self._key) if self.main else ""
        )
        run.stopped_early = run.hardware.broadcast(reason)
        return bool(run.stopped_early)

    def close(self) -> None:
        """Close what was opened for the loop."""
        for tracker in self._trackers:
            tracker.close()
        self._trackers = []

    def _begin(self) -> None:
        run = self.run
        first = run.engine.step + 1 if run.resumed else 0
        self._trackers = open_trackers(run.settings, run.folder, first)
        if not run.resumed:
            save_png(run.task.reals(), run.folder.path / "reals.png")
            self._write_row({"step": 0, "images": 0, "seconds": 0.0}, snap=True)
            self._write_checkpoint()
        version = f"ganloss {__version__}, torch {torch.__version__}"
        start = f"resumed after step {run.engine.step}" if run.resumed else "started"
        run.folder.note(f"{start}: {version}, {run.hardware}: {command_line()}")
        self.reporter.started(run)

    def _clock(self, trained: float = 0.0) -> None:
        """Read the run's clocks; the main process's time counts for all."""
        seconds = time.monotonic() - self._started
        trained += self.run.trained
        if self.run.hardware.processes > 1 and self.run.total is None:
            text = self.run.hardware.broadcast(f"{seconds!r} {trained!r}")
            seconds, trained = map(float, text.split())
        self.run.seconds, self.run.trained = seconds, trained

    def _agree(self, interrupted: bool) -> bool:
        """Stop all processes at the same step when one is interrupted."""
        if self.run.hardware.processes == 1:
            return interrupted
        flag = torch.tensor(float(interrupted), device=self.run.hardware.device)
        return bool(self.run.hardware.mean(flag) > 0)

    def _due(self, step: int) -> tuple[bool, bool]:
        """Whether ``step`` ends with a snap, and whether its losses are recorded."""
        run = self.run
        if run.snap is not None:
            last = step == run.total
            tick = max(1, run.snap // TICKS_PER_SNAP)
            return step % run.snap == 0 or last, step % tick == 0 or step % run.snap == 0 or last
        due = run.clock >= self._next_snap_at
        return due, due or step % 20 == 0

    @property
    def _interval(self) -> float:
        """Seconds between snaps where time is the limit."""
        return (self.run.settings.time_limit or 600.0) / SNAPS_PER_RUN

    def _plan_snap(self) -> None:
        """Where time is the limit, train at least twelve times as long as the last snap took."""
        if self.run.snap is None:
            self._clock()
            took = self.run.seconds - self._trained_until
            self._next_snap_at = self.run.clock + max(self._interval, 12 * took)

    def _tick(self, record: StepRecord, *, snap: bool) -> None:
        row = self._row(record)
        stop_if_diverged(self.run, row, weights=snap)
        if self.main:
            self._write_row(row, snap=snap)

    def _row(self, record: StepRecord) -> dict[str, Any]:
        run = self.run
        batch = run.settings.batch_size * run.task.game.critic_steps
        row: dict[str, Any] = {
            "step": run.engine.step,
            "images": run.engine.step * batch,
            "seconds": round(run.seconds, 3),
        }
        for phase, losses in record.losses.items():
            terms = {"total": losses.total.detach(), **losses.terms}
            row[phase] = {name: self._global(value) for name, value in terms.items()}
        row["gradient"] = _used_norms(record)
        if record.scalers:
            row["loss_scale"] = {name: float(s.scale) for name, s in record.scalers.items()}
            row["skipped"] = {name: int(s.skipped) for name, s in record.scalers.items()}
        if run.engine.rates:
            row["lr"] = dict(run.engine.rates)
        row |= run.task.controlled()
        if (scores := self._scores()) is not None:
            row["scores"] = scores
        return row

    def _global(self, value: Tensor) -> float:
        return float(self.run.hardware.mean(value.clone()))

    def _scores(self) -> dict[str, float] | None:
        """Scores of one batch, real and generated; leaves no trace in the networks."""
        judged = self.run.task.judge(self.run.engine)
        if judged is None:
            return None
        real, fake = (self.run.hardware.gather(one_each(scores)) for scores in judged)
        above = (real > fake.median()).float().mean()
        means = {"real": real.mean(), "fake": fake.mean(), "gap_accuracy": above}
        return {name: float(value) for name, value in means.items()}

    def _write_row(self, row: dict[str, Any], *, snap: bool) -> None:
        """Append a row; at a snap, draw and score samples first."""
        run, picture = self.run, None
        if snap:
            row |= self._score()
            picture = write_samples(run)
        run.folder.append(row)
        for tracker in self._trackers:
            tracker.write(row, picture)
        if snap and run.engine.step > 0:
            score = f", {self._key} {row[self._key]:.4g}" if self._key in row else ""
            run.folder.note(f"step {run.engine.step}, {row['images']} images{score}")
            self.reporter.snapped(row)

    def _score(self) -> dict[str, Any]:
        return self.run.task.measure()

    def _save(self) -> None:
        """Write the checkpoint while the other processes wait."""
        if self.main:
            self._write_checkpoint()
        self.run.hardware.barrier()

    def _write_checkpoint(self) -> None:
        """Write ``last.pt``; on the best score so far, a second copy.

        The copy comes first: a run killed between the two makes this step again.
        """
        run = self.run
        if is_new_best(run.folder.rows(), run.engine.step, self._key):
            run.save(run.folder.best)
        run.save(run.folder.last)
        self.write_page("running", "")

    def finish_again(self) -> Outcome:
        """End a run whose last step is made; it may have been killed before its end was written."""
        if self.main and self.run.folder.state == "finished":
            write_page(self.run.folder.path)
            why = self.run.stopped_early
            done = "already finished"
            return Outcome(self.run.folder, self._task, done, None, None, {}, message=why)
        return self.finish("finished")

    def finish(self, state: str) -> Outcome:
        """Write what only an ended run has: film, export and the last page."""
        run = self.run
        score, metric = None, run.task.metric if self.main else None
        if self.main:
            rows = scored(run.folder.rows(), self._key)
            score = rows[-1][self._key] if rows else None
            if state == "finished":
                run.task.export(run.folder)
                self.extra |= run.task.conclude(rows)
            frames = sorted(run.folder.samples.glob("*.png"), key=lambda frame: int(frame.stem))
            captions = [f"step {int(frame.stem):,}" for frame in frames]
            write_gif(frames, run.folder.path / "progress.gif", captions)
            self.write_page(state, run.stopped_early)
        commands = tuple(next_commands(run))
        return Outcome(
            run.folder,
            self._task,
            state,
            score,
            metric,
            self.extra,
            commands,
            run.stopped_early,
        )

    def write_page(self, state: str, message: str) -> None:
        """Write ``status.json`` and the page."""
        if not self.main:
            return
        if state != "running":
            self.run.folder.note(f"{state}. {message}".strip())
        self.run.folder.write_status(status(self.run, state, message, self.extra))
        write_page(self.run.folder.path)


def write_samples(run: Run) -> "Image.Image":
    """Write the picture of results from fixed inputs, and return it."""
    picture = run.task.picture()
    save_png(picture, run.folder.sample(run.engine.step))
    for name, overlay in run.task.overlays().items():
        save_png(overlay, run.folder.path / name)
    return picture


def _used_norms(record: StepRecord) -> dict[str, float]:
    """Gradient norms of the updates that were made; an fp16 gradient that overflowed made none."""
    skipped = {name for name, scaler in record.scalers.items() if scaler.overflowed}
    return {
        name: float(norm) for name, norm in record.gradient_norms.items() if name not in skipped
    }


@contextmanager
def _interruptible() -> Generator[Callable[[], bool]]:
    """Let the first Ctrl-C or SIGTERM finish the step; a second one stops at once."""
    received = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal received
        if received:
            raise KeyboardInterrupt
        received = True

    wanted = (signal.SIGINT, signal.SIGTERM)
    try:
        previous = {number: signal.signal(number, handler) for number in wanted}
    except ValueError:  # not in the main thread: somebody else handles signals
        yield lambda: False
        return
    try:
        yield lambda: received
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
