"""A run that is set up: settings turned into a task, an engine and a folder."""

import math
import os
import shlex
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from ganloss._errors import CheckpointError, UsageError
from ganloss.engine import checkpoint
from ganloss.engine.hardware import connect
from ganloss.engine.launch import find_launch
from ganloss.engine.loop import Engine
from ganloss.runs import folder as folders
from ganloss.runs.folder import RunFolder
from ganloss.runs.options import schedule_for
from ganloss.runs.settings import RunSettings
from ganloss.runs.tasks import task_for

SNAPS_PER_RUN = 20


class Run:
    """A run that is set up: a task with its data and networks, engine and folder.

    Args:
        settings: what is asked for; checked.
        resume: None for a new run, ``"auto"`` for the newest that fits, or the path of a run folder
            or of one of its checkpoints.
        at: the run's folder, new or to be continued, instead of the next number in ``--out``.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.runs.settings import GenerateSettings
    >>> with TemporaryDirectory() as out:
    ...     run = Run(GenerateSettings(data="demo:ring", steps=10, snap=5, threads=1, out=out))
    ...     run.save(run.folder.last)
    ...     run.snap, run.threads, run.finished, run.done, sorted(run.parameters), run.clock < 60
    ...     status(run, "running", "", {})["steps"], len(next_commands(run)) > 1
    (5, 1, False, 0.0, ['Discriminator', 'Generator'], True)
    (10, True)
    """

    def __init__(
        self, settings: RunSettings, resume: str | None = None, at: folders.Path | None = None
    ) -> None:
        self.settings = settings
        self.task = task_for(settings)
        self.hardware = connect(
            settings.device, settings.devices, settings.precision, settings.num_nodes
        )
        self.task.load(self.hardware)
        if settings.patience is not None and self.task.unscored:
            raise UsageError(f"--patience waits for a better score; {self.task.unscored}")
        self.total = settings.total_steps(len(self.task.data.values), self.task.game.critic_steps)
        self.engine = self._build()
        self.folder = self._find_folder(resume, at)
        self.checkpoint = folders.checkpoint_of(self.folder, resume)
        self.resumed = self.checkpoint.exists()
        self.seconds = 0.0
        self.trained = 0.0
        self.stopped_early = ""
        if self.resumed:
            self._load()

    def _build(self) -> Engine:
        players, settings = self.task.build(), self.settings
        given = {
            "d": players.optimisers.discriminator,
            "g": players.optimisers.generator,
        }
        return Engine(
            players.phases,
            {p.name: given[p.name].build(p.trains.parameters()) for p in players.phases},
            batches=players.batches,
            labels=players.labels,
            sources=players.sources,
            batch_size=settings.batch_size,
            seed=settings.seed,
            hardware=self.hardware,
            average=players.average,
            averaged=players.averaged,
            accumulate=settings.accumulate,
            clip_norm=settings.clip_grad,
            schedule=schedule_for(settings, self.total),
            controllers=players.controllers,
        )

    def _find_folder(self, resume: str | None, at: folders.Path | None) -> RunFolder:
        path = ""
        if self.hardware.is_main:
            found = None
            if at is not None:
                found = folders.open_or_create(at, self.settings)
            elif resume == "auto":
                found = folders.find_resumable(self.settings)
            elif resume is not None:
                found = folders.open_run(resume)
            else:
                found = folders.find_launched(self.settings, find_launch(os.environ))
            path = str((found or folders.create(self.settings, self.task.data.name)).path)
        return folders.RunFolder(folders.Path(self.hardware.broadcast(path)))

    def _load(self) -> None:
        """Go on from the checkpoint.

        Raises:
            CheckpointError: it is damaged, or of another run than the configuration says.
        """
        state = checkpoint.load(self.checkpoint)
        try:
            self.engine.load(state["engine"])
            self.seconds = float(state["seconds"])
            self.trained = float(state.get("trained", self.seconds))
        except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"{self.checkpoint} does not belong to this configuration ({str(error)[:200]}); "
                "use the config.yaml it was made with, or start without --resume"
            ) from error

    def save(self, path: folders.Path) -> None:
        """Write a checkpoint."""
        clocks = {"seconds": self.seconds, "trained": self.trained}
        checkpoint.save({"engine": self.engine.state(), **clocks}, path)

    @property
    def snap(self) -> int | None:
        """Steps between snaps, or None when time decides."""
        if self.settings.snap is not None:
            return self.settings.snap
        return None if self.total is None else max(1, self.total // SNAPS_PER_RUN)

    @property
    def threads(self) -> int:
        """CPU threads to compute with; tiny networks lose time waiting for a second one."""
        tiny = self.task.data.shape[-1] <= 8
        return self.settings.threads or (1 if tiny else torch.get_num_threads())

    @property
    def parameters(self) -> dict[str, int]:
        """Numbers of parameters of the networks."""
        return {name: _count(network) for name, network in self.task.networks.items()}

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        if self.total is not None:
            return self.engine.step >= self.total
        limit = self.settings.time_limit
        return limit is not None and self.clock >= limit

    @property
    def done(self) -> float:
        """Share of the run that is behind us."""
        if self.total is not None:
            return self.engine.step / self.total
        return min(1.0, self.clock / (self.settings.time_limit or math.inf))

    @property
    def clock(self) -> float:
        """Seconds that count where time is the limit."""
        return self.seconds if self.settings.seconds is None else self.trained


@contextmanager
def threads(count: int) -> Generator[None]:
    """Compute with so many CPU threads.

    >>> before = torch.get_num_threads()
    >>> with threads(1):
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def status(run: Run, state: str, message: str, extra: Mapping[str, str]) -> dict[str, Any]:
    """What ``status.json`` says about a run."""
    task, metric = run.task, run.task.metric
    return {
        "state": state,
        "message": message,
        "task": run.settings.task,
        "step": run.engine.step,
        "steps": run.total,
        "seconds": run.seconds,
        "trained": run.trained,
        "title": task.title,
        "data": {
            "name": task.data.name,
            "images": len(task.data.values),
            "shape": list(task.data.shape),
            "kept": task.data.where,
            "classes": list(task.data.class_names),
            "skipped": [list(item) for item in task.data.skipped],
        },
        "metric": None if metric is None else asdict(metric),
        "facts": {
            **{name: f"{count:,} parameters" for name, count in run.parameters.items()},
            **task.facts,
            **_options(run),
            "Device": str(run.hardware),
            "Precision": run.settings.precision,
        },
        "next": next_commands(run),
        "extra": dict(extra),
    }


def _options(run: Run) -> dict[str, str]:
    """What was chosen beside the game, in words; nothing for what was left alone."""
    settings, schedule = run.settings, schedule_for(run.settings, run.total)
    facts: dict[str, str] = {}
    if schedule is not None:
        facts["Learning rates"] = repr(schedule)
    if settings.clip_grad is not None:
        facts["Gradients"] = f"clipped to norm {settings.clip_grad:g}"
    if settings.accumulate > 1:
        facts["Micro-batches"] = f"{settings.accumulate} per update"
    if settings.patience is not None:
        facts["Patience"] = f"{settings.patience} snaps"
    return facts


def next_commands(run: Run) -> list[str]:
    """Commands a user may want after this run."""
    folder = shlex.quote(str(run.folder.path))
    again = f"ganloss train {run.settings.task} --resume {folder}"
    if run.stopped_early:
        longer = [f"{again} --patience {2 * (run.settings.patience or 1)}"]
    else:  # a decayed learning rate has reached 0: there is nothing to continue with
        longer = [] if run.settings.decays else [f"{again} --steps {2 * max(run.engine.step, 1)}"]
    first, *others = run.task.next_commands(folder)
    return [first, *longer, *others]
