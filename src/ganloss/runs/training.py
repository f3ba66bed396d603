"""One training run from settings to a finished folder."""

import math
import signal
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ganloss._errors import DivergedError, GanlossError, StorageError, UsageError
from ganloss._random import Draws
from ganloss.data.batches import Batches, to_uint8
from ganloss.data.images import load_images
from ganloss.engine import checkpoint
from ganloss.engine.ema import moving_average
from ganloss.engine.hardware import connect
from ganloss.engine.loop import Engine, StepRecord
from ganloss.games import GAMES, Adam, Game, Optimisers, canonical_name
from ganloss.networks.generate import reference_networks
from ganloss.recipes.generate import generate
from ganloss.runs import folder as folders
from ganloss.runs.evaluation import Evaluation, evaluation_for, memorisation
from ganloss.runs.folder import RunFolder
from ganloss.runs.page import write_page
from ganloss.runs.pictures import grid, save_png, write_gif
from ganloss.runs.settings import GenerateSettings

GRID_COLUMNS = 8
SNAPS_PER_RUN = 20
TICKS_PER_SNAP = 5


class Reporter(Protocol):
    """Where a run tells how it goes."""

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
        state: ``"finished"``, ``"interrupted"``, or ``"already finished"``.
        score: last value of the metric, if it was measured.
        evaluation: the metric with its reference rows.
        extra: further facts by name, in words.
        next: commands one may want now.
    """

    run: RunFolder
    state: str
    score: float | None
    evaluation: Evaluation | None
    extra: Mapping[str, str]
    next: tuple[str, ...] = ()


def game_for(settings: GenerateSettings) -> Game:
    """Build the game that the flags ask for.

    Raises:
        UsageError: an unknown loss or penalty, or gamma without R1 and R2.
    """
    try:
        game = GAMES[canonical_name(settings.loss)]
        for item in settings.penalty or []:
            name, _, weight = item.partition("=")
            game = game.with_penalty(name, float(weight or 1.0))
        if settings.gamma is not None:
            game = game.with_gamma(settings.gamma)
        if settings.penalty_every > 1:
            game = game.lazily(settings.penalty_every)
    except KeyError as error:
        raise UsageError(f"{error.args[0]}; see `ganloss losses list`") from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    return _with_rates(
        replace(game, critic_steps=settings.critic_steps or game.critic_steps), settings
    )


def _with_rates(game: Game, settings: GenerateSettings) -> Game:
    optimisers = game.optimisers
    if settings.betas is not None:
        optimisers = _with_betas(optimisers, settings.betas)
    g_lr, d_lr = settings.g_lr or settings.lr, settings.d_lr or settings.lr
    if g_lr is not None:
        optimisers = replace(optimisers, generator=replace(optimisers.generator, lr=g_lr))
    if d_lr is not None:
        optimisers = replace(optimisers, discriminator=replace(optimisers.discriminator, lr=d_lr))
    return replace(game, optimisers=optimisers)


def _with_betas(optimisers: Optimisers, text: str) -> Optimisers:
    players = (optimisers.generator, optimisers.discriminator)
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--betas is {text!r}; give two numbers, e.g. 0.5,0.9") from error
    if not all(isinstance(player, Adam) for player in players):
        raise UsageError("--betas are Adam's, and this loss is trained with another optimiser")
    generator, discriminator = (Adam(player.lr, (first, second)) for player in players)
    return Optimisers(generator, discriminator)


class Run:
    """A run that is set up: data, networks, engine and folder.

    Args:
        settings: what is asked for; checked.
        resume: None for a new run, ``"auto"`` for the newest that fits, or a run folder's path.
    """

    def __init__(self, settings: GenerateSettings, resume: str | None = None) -> None:
        self.settings = settings
        self.game = game_for(settings)
        self.hardware = connect(settings.device, settings.devices, settings.precision)
        largest = 128 if self.hardware.device.type == "cuda" else 64
        self.data = load_images(
            settings.data, settings.image_size, fit=settings.fit, largest=largest
        )
        self.total = settings.total_steps(len(self.data.images), self.game.critic_steps)
        self._build()
        self.folder = self._find_folder(resume)
        self.resumed = self.folder.last.exists()
        self.seconds = 0.0
        if self.resumed:
            self._load()

    def _build(self) -> None:
        """Make networks, optimisers and engine; weights depend on the seed alone."""
        channels, size, _ = self.data.shape
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed)
            generator, discriminator = reference_networks(size, channels)
            if self.game.constraint is not None:
                self.game.constraint.prepare(discriminator)
        self.latent = generator.latent
        self.generator = self._place(generator)
        self.discriminator = self._place(discriminator)
        self.average = moving_average(
            self.generator, self.settings.batch_size, self.settings.ema_kimg
        )
        optimisers = self.game.optimisers
        self.engine = Engine(
            generate(self.game, self.generator, self.discriminator, self.latent),
            {
                "d": optimisers.discriminator.build(self.discriminator.parameters()),
                "g": optimisers.generator.build(self.generator.parameters()),
            },
            batches=self._batches(),
            batch_size=self.settings.batch_size,
            seed=self.settings.seed,
            hardware=self.hardware,
            average=self.average,
            averaged=self.generator,
        )

    def _place(self, network: nn.Module) -> nn.Module:
        return network.to(self.hardware.device, self.hardware.dtype)

    def _batches(self) -> Batches:
        return Batches(
            self.data.images,
            self.settings.batch_size,
            seed=self.settings.seed,
            hardware=self.hardware,
            mirror=self.settings.mirror,
        )

    def _find_folder(self, resume: str | None) -> RunFolder:
        path = ""
        if self.hardware.is_main:
            found = None
            if resume == "auto":
                found = folders.find_resumable(self.settings)
            elif resume is not None:
                found = folders.open_run(resume)
            path = str((found or folders.create(self.settings, self.data.name)).path)
        return folders.RunFolder(folders.Path(self.hardware.broadcast(path)))

    def _load(self) -> None:
        state = checkpoint.load(self.folder.last)
        self.engine.load(state["engine"])
        self.seconds = state["seconds"]

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """The metric with its reference rows, or None."""
        return evaluation_for(self.data) if self.settings.metrics == "fd" else None

    @property
    def snap(self) -> int | None:
        """Steps between snaps, or None when time decides."""
        if self.settings.snap is not None:
            return self.settings.snap
        return None if self.total is None else max(1, self.total // SNAPS_PER_RUN)

    @property
    def threads(self) -> int:
        """CPU threads to compute with; tiny networks lose time waiting for a second one."""
        tiny = self.data.shape[1] <= 8
        return self.settings.threads or (1 if tiny else torch.get_num_threads())

    @property
    def parameters(self) -> tuple[int, int]:
        """Numbers of parameters of generator and discriminator."""
        return _count(self.generator), _count(self.discriminator)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        if self.total is not None:
            return self.engine.step >= self.total
        limit = self.settings.time_limit
        return limit is not None and self.seconds >= limit

    @property
    def done(self) -> float:
        """Share of the run that is behind us."""
        if self.total is not None:
            return self.engine.step / self.total
        return min(1.0, self.seconds / (self.settings.time_limit or math.inf))

    def samples(self, count: int) -> Tensor:
        """Images of the averaged generator from fixed latents, uint8; a latent never changes."""
        draws = Draws(self.settings.seed, 0, count, device=self.hardware.device)
        z = self.sample_latents(draws, count)
        with torch.no_grad():
            pieces = [to_uint8(self.average(piece)) for piece in z.split(256)]
        return torch.cat(pieces)

    def sample_latents(self, draws: Draws, count: int) -> Tensor:
        """Latents of the sample grid and of the metric, on a stream of their own."""
        return draws.normal("samples", count, self.latent, dtype=self.hardware.dtype)


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def train(settings: GenerateSettings, reporter: Reporter, resume: str | None = None) -> Outcome:
    """Train until the settings' length is reached, and leave a finished folder behind.

    Raises:
        GanlossError: each with its exit code; what was saved before stays.
    """
    settings.check()
    run = Run(settings, resume)
    lock = run.folder.locked() if run.hardware.is_main else nullcontext()
    with _threads(run.threads), lock:
        return _train(run, reporter)


def _train(run: Run, reporter: Reporter) -> Outcome:
    session = _Session(run, reporter)
    if run.resumed and run.finished:
        return session.finish_again()
    try:
        state = session.loop()
    except torch.OutOfMemoryError as error:
        raise StorageError(
            f"out of memory: lower --batch-size (now {run.settings.batch_size}) or --image-size"
        ) from error
    except GanlossError as error:
        session.write_page("diverged" if isinstance(error, DivergedError) else "failed", str(error))
        raise
    return session.finish(state)


class _Session:
    """One process's work on a run: the loop and what is written along the way."""

    def __init__(self, run: Run, reporter: Reporter) -> None:
        self.run = run
        self.reporter = reporter
        self.extra: dict[str, str] = {}
        self.main = run.hardware.is_main
        self._started = time.monotonic() - run.seconds
        self._next_snap_at = 0.0

    def loop(self) -> str:
        run = self.run
        if self.main:
            run.folder.cut_back_to(run.engine.step if run.resumed else -1)
            self._begin()
        reported = 0.0
        with _interruptible() as interrupted:
            while not run.finished:
                due, tick = self._due(run.engine.step + 1)
                record = run.engine.advance(measure=tick)
                self._clock()
                last = run.finished
                if tick or last:
                    self._tick(record, snap=due or last)
                if due or last:
                    self._save()
                if self.main and run.seconds - reported > 0.1:
                    reported = run.seconds
                    self.reporter.progressed(run.engine.step, run.total, run.done)
                if (tick or run.hardware.processes == 1) and self._agree(interrupted()):
                    self._save()
                    return "interrupted"
        return "finished"

    def _begin(self) -> None:
        run = self.run
        if not run.resumed:
            reals = run.data.images[: GRID_COLUMNS**2]
            save_png(grid(reals, GRID_COLUMNS), run.folder.path / "reals.png")
            self._write_row({"step": 0, "images": 0, "seconds": 0.0}, snap=True)
            self._save()
        self.reporter.started(run)

    def _clock(self) -> None:
        """Read the run's clock; the main process's time counts for all."""
        seconds = time.monotonic() - self._started
        if self.run.hardware.processes > 1 and self.run.total is None:
            seconds = float(self.run.hardware.broadcast(repr(seconds)))
        self.run.seconds = seconds

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
        interval = (run.settings.time_limit or 600.0) / SNAPS_PER_RUN
        if run.seconds >= self._next_snap_at:
            self._next_snap_at = run.seconds + interval
            return True, True
        return False, step % 20 == 0

    def _tick(self, record: StepRecord, *, snap: bool) -> None:
        row = self._row(record)
        _check_finite(row, self.run.folder)
        if self.main:
            self._write_row(row, snap=snap)

    def _row(self, record: StepRecord) -> dict[str, Any]:
        run = self.run
        batch = run.settings.batch_size * run.game.critic_steps
        row: dict[str, Any] = {
            "step": run.engine.step,
            "images": run.engine.step * batch,
            "seconds": round(run.seconds, 3),
        }
        for phase, losses in record.losses.items():
            terms = {"total": losses.total.detach(), **losses.terms}
            row[phase] = {name: self._global(value) for name, value in terms.items()}
        row["gradient"] = {name: float(norm) for name, norm in record.gradient_norms.items()}
        row["scores"] = self._scores()
        return row

    def _global(self, value: Tensor) -> float:
        return float(self.run.hardware.mean(value.clone()))

    def _scores(self) -> dict[str, float]:
        """Scores of one batch of real and of fixed fake images; leaves no trace in the networks."""
        run = self.run
        real = run.engine.peek_batch()
        draws = Draws(run.settings.seed, 0, run.settings.batch_size, device=run.hardware.device)
        z = run.sample_latents(draws, len(real))
        run.discriminator.eval()
        with torch.no_grad():
            real_scores = run.discriminator(real).float()
            fake_scores = run.discriminator(run.generator(z)).float()
        run.discriminator.train()
        above = (real_scores > fake_scores.median()).float().mean()
        means = {"real": real_scores.mean(), "fake": fake_scores.mean(), "gap_accuracy": above}
        return {name: self._global(value) for name, value in means.items()}

    def _write_row(self, row: dict[str, Any], *, snap: bool) -> None:
        """Append a row; at a snap, draw and score samples first."""
        run = self.run
        if snap:
            row |= self._score()
            samples = run.samples(GRID_COLUMNS**2)
            save_png(grid(samples, GRID_COLUMNS), run.folder.sample(run.engine.step))
        run.folder.append(row)
        if snap and run.engine.step > 0:
            self.reporter.snapped(row)

    def _score(self) -> dict[str, Any]:
        evaluation = self.run.evaluation
        if evaluation is None:
            return {}
        samples = self.run.samples(evaluation.count)
        shares = evaluation.shares(samples)
        scores: dict[str, Any] = {"fd": evaluation.score(samples)}
        return scores if shares is None else scores | {"shares": shares}

    def _save(self) -> None:
        """Write the checkpoint; on the best score so far, a second copy."""
        run = self.run
        if self.main:
            state = {"engine": run.engine.state(), "seconds": run.seconds}
            checkpoint.save(state, run.folder.last)
            scores = [row["fd"] for row in run.folder.rows() if "fd" in row]
            if scores and scores[-1] == min(scores):
                checkpoint.save(state, run.folder.best)
            self.write_page("running", "")
        run.hardware.barrier()

    def finish_again(self) -> Outcome:
        """End a run whose last step is made; it may have been killed before its end was written."""
        if self.main and self.run.folder.state == "finished":
            write_page(self.run.folder.path)
            return Outcome(self.run.folder, "already finished", None, None, {})
        return self.finish("finished")

    def finish(self, state: str) -> Outcome:
        """Write what only an ended run has: film, export and the last page."""
        run = self.run
        score, evaluation = None, run.evaluation if self.main else None
        if self.main:
            rows = [row for row in run.folder.rows() if "fd" in row]
            score = rows[-1]["fd"] if rows else None
            if state == "finished":
                self._conclude(rows)
            frames = sorted(run.folder.samples.glob("*.png"))
            captions = [f"step {int(frame.stem):,}" for frame in frames]
            write_gif(frames, run.folder.path / "progress.gif", captions)
            self.write_page(state, "")
        return Outcome(run.folder, state, score, evaluation, self.extra, tuple(next_commands(run)))

    def _conclude(self, rows: list[dict[str, Any]]) -> None:
        """Export the generator and look once more at the samples."""
        run = self.run
        export(run)
        if run.evaluation is None:
            return
        samples = run.samples(run.evaluation.count)
        ratio = memorisation(samples, run.data)
        if ratio is not None:
            self.extra["Nearest neighbours"] = (
                f"samples are {ratio:.2f} times as far from the nearest training image as from the "
                "nearest held-out one (1 means nothing was memorised)"
            )
        if rows and "shares" in rows[-1]:
            shares = rows[-1]["shares"]
            self.extra["Rarest class"] = f"{min(shares):.1%} of the samples"

    def write_page(self, state: str, message: str) -> None:
        """Write ``status.json`` and the page."""
        if not self.main:
            return
        self.run.folder.write_status(_status(self.run, state, message, self.extra))
        write_page(self.run.folder.path)


def _status(run: Run, state: str, message: str, extra: Mapping[str, str]) -> dict[str, Any]:
    evaluation = run.evaluation
    metric = None
    if evaluation is not None:
        metric = {
            "name": evaluation.name,
            "meaning": "Fréchet distance between samples and real images; lower is better",
            "reference": evaluation.reference,
            "reference_meaning": evaluation.reference_meaning,
            "noise": evaluation.noise,
        }
    generator, discriminator = run.parameters
    return {
        "state": state,
        "message": message,
        "step": run.engine.step,
        "steps": run.total,
        "seconds": run.seconds,
        "title": f"{run.settings.loss} on {run.data.name}",
        "data": {
            "name": run.data.name,
            "images": len(run.data.images),
            "shape": list(run.data.shape),
            "skipped": [list(item) for item in run.data.skipped],
        },
        "metric": metric,
        "facts": {
            "Generator": f"{generator:,} parameters",
            "Discriminator": f"{discriminator:,} parameters",
            "Pair": repr(run.game.pair),
            "Penalties": ", ".join(
                f"{weighted.penalty!r} × {weighted.weight}"
                for weighted in run.game.penalties.values()
            )
            or "none",
            "Constraint": repr(run.game.constraint) if run.game.constraint else "none",
            "Updates of D per step": str(run.game.critic_steps),
            "Optimisers": f"G {run.game.optimisers.generator!r}, "
            f"D {run.game.optimisers.discriminator!r}",
            "Device": f"{run.hardware.device}, {run.hardware.processes} process(es)",
            "Precision": run.settings.precision,
        },
        "next": next_commands(run),
        "extra": dict(extra),
    }


def next_commands(run: Run) -> list[str]:
    """Commands a user may want after this run."""
    import shlex

    data = shlex.quote(run.settings.data)
    other = "r3gan" if canonical_name(run.settings.loss) != "r3gan" else "hinge"
    return [
        f"ganloss train generate --data {data} --loss {other} --minutes 5",
        f"ganloss train generate --resume {shlex.quote(str(run.folder.path))} "
        f"--steps {2 * max(run.engine.step, 1)}",
        "ganloss train generate --data YOUR_FOLDER --image-size 32",
    ]


def export(run: Run) -> None:
    """Write the averaged generator for use without the command line."""
    import json

    from safetensors.torch import save as to_bytes

    channels, size, _ = run.data.shape
    weights = {k: v.contiguous() for k, v in run.average.module.state_dict().items()}
    payload = to_bytes(weights)
    checkpoint.write_atomically(
        run.folder.export / "generator.safetensors", lambda stream: stream.write(payload)
    )
    config = {"image_size": size, "channels": channels, "latent": run.latent, "range": [-1, 1]}
    folders.write_text(run.folder.export / "config.json", json.dumps(config, indent=1))


def _check_finite(row: Mapping[str, Any], folder: RunFolder) -> None:
    """Stop when a loss, gradient or score is not finite, and say which."""
    import json

    groups = {k: v for k, v in row.items() if isinstance(v, Mapping)}
    bad = [
        f"{group}.{name}"
        for group, values in groups.items()
        for name, value in values.items()
        if not math.isfinite(value)
    ]
    if not bad:
        return
    dump = folder.path / "diverged.json"
    folders.write_text(dump, json.dumps(row, indent=1))
    raise DivergedError(
        f"training diverged at step {row['step']}: {', '.join(bad)} is not finite. The values are "
        f"in {dump}, the last good checkpoint in {folder.last}. Lower --lr, or choose a loss with "
        "a penalty, e.g. --loss r3gan"
    )


@contextmanager
def _threads(count: int) -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
