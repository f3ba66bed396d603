"""A comparison: plan, jobs, rows and report, in a folder that can be taken up again."""

import json
import re
import shutil
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal, Protocol, get_args

from ganloss._errors import (
    CheckpointError,
    DataError,
    StorageError,
    UsageError,
    WeightsError,
)
from ganloss.lab.jobs import run_folder
from ganloss.lab.names import file_name
from ganloss.lab.plan import Job, Plan, plan
from ganloss.lab.report import write_report
from ganloss.lab.results import RESULTS, Comparison, best_draws
from ganloss.runs.folder import environment, make_next, storage, write_text
from ganloss.runs.page import PLOTLY, provide_plotly
from ganloss.runs.reading import Row, read_text
from ganloss.runs.settings import (
    LENGTHS,
    GenerateSettings,
    RunSettings,
    settings_from_file,
)

Where = Literal["local", "ray"]
Tuning = Literal["paper", "shared"]

#: Updates of the generator, where no length is asked for.
USUAL_STEPS = 2000

#: Settings that say where and how fast a run is, not what it is.
_WHERE = frozenset({"out", "name", "device", "devices", "num_nodes", "threads", "workers", "cache"})
_NUMBERED = re.compile(r"^compare-(\d{4,})-")


class Watcher(Protocol):
    """Where a comparison tells how it goes.

    >>> class Quiet:
    ...     def started(self, folder, plan, jobs, ended): ...
    ...     def progressed(self, job, done): ...
    ...     def ended(self, row): ...
    >>> watcher: Watcher = Quiet()
    >>> watcher.started(Path(), None, [], []), watcher.progressed("ns-s0", 0.5), watcher.ended({})
    (None, None, None)
    """

    def started(self, folder: Path, plan: Plan, jobs: Sequence[Job], ended: Sequence[Row]) -> None:
        """These jobs are to be done; so many have ended before."""
        ...

    def progressed(self, job: str, done: float) -> None:
        """A job went on; ``done`` is its share between 0 and 1."""
        ...

    def ended(self, row: Row) -> None:
        """A job has its row."""
        ...


def create(plan: Plan, out: Path) -> Path:
    """Make the next numbered folder of a comparison; it appears whole.

    Raises:
        StorageError: ``out`` is not writable.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.plan import plan
    >>> planned = plan(GenerateSettings(data="demo:ring", steps=10), ["ns", "r3gan"])
    >>> with TemporaryDirectory() as out:
    ...     folder = create(planned, Path(out))
    ...     folder.name, sorted(path.name for path in folder.iterdir())
    ('compare-0001-ring', ['env.json', 'jobs', 'plan.yaml', 'runs'])
    """

    def name(taken: Sequence[str]) -> str:
        matches = (_NUMBERED.match(old) for old in taken)
        number = max((int(match[1]) for match in matches if match), default=0) + 1
        return f"compare-{number:04d}-{_words_of(plan)}"

    return make_next(out, name, lambda folder: _fill(folder, plan))


def _fill(folder: Path, plan: Plan) -> None:
    (folder / "runs").mkdir()
    (folder / "jobs").mkdir()
    write_text(folder / "plan.yaml", plan.to_yaml())
    write_text(folder / "env.json", json.dumps(environment(), indent=1))
    _write_jobs(folder, [*plan.search(), *plan.jobs()])
    provide_plotly(folder / "runs" / PLOTLY)


def _write_jobs(folder: Path, jobs: Sequence[Job]) -> None:
    """Write what each run is told, as ``train --config`` takes it."""
    for job in jobs:
        write_text(folder / "jobs" / f"{job.name}.yaml", job.settings.to_yaml())


def _words_of(plan: Plan) -> str:
    source = plan.settings.data or str(getattr(plan.settings, "lq", ""))
    word = Path(source).name if "demo:" not in source else source.partition(":")[2]
    return "-".join(file_name(part) for part in (word, plan.settings.name) if part)


def find_resumable(plan: Plan, out: Path) -> Path | None:
    """Give the newest comparison below ``out`` with this plan, if there is one.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.plan import plan
    >>> planned = plan(GenerateSettings(data="demo:ring", steps=10), ["ns", "r3gan"])
    >>> with TemporaryDirectory() as out:
    ...     created = create(planned, Path(out))
    ...     find_resumable(planned, Path(out)) == created
    True
    """
    folders = [p for p in out.iterdir() if _NUMBERED.match(p.name)] if out.is_dir() else []
    for folder in sorted(folders, key=lambda p: p.name, reverse=True):
        with suppress(CheckpointError):
            if Plan.read(folder / "plan.yaml") == plan:
                return folder
    return None


def run(
    folder: Path, watcher: Watcher, *, where: Where = "local", fresh: bool = False
) -> Comparison:
    """Do what is left of a comparison, and write its report.

    Args:
        folder: made by :func:`create`, perhaps half done.
        watcher: told how it goes.
        where: ``"local"``: processes of this machine; ``"ray"``: a Ray cluster.
        fresh: the folder was made for this call, and is removed if nothing can be trained at all.

    Raises:
        GanlossError: no job could run; what has ended is kept.
        KeyboardInterrupt: interrupted; every running job has saved where it is.
    """
    comparison = Comparison(folder)
    with _removed_if_refused(folder, fresh), _locked(folder), _interruptible() as interrupted:
        watcher = _Asking(watcher, interrupted)
        _cut_half_lines(folder)
        with _reported(comparison):
            if not _counted_runs_began(comparison):  # they keep what the search found for them
                _do(comparison, comparison.plan.search(), watcher, where)
            jobs = comparison.plan.jobs(best_draws(comparison))
            _write_jobs(folder, jobs)  # with what the search found
            _do(comparison, jobs, watcher, where)
    return comparison


@contextmanager
def _reported(comparison: Comparison) -> Generator[None]:
    """Write the report of what there is, also where the comparison is cut short."""
    try:
        yield
    except BaseException:
        with suppress(StorageError):
            if comparison.rows:
                write_report(comparison)
        raise
    write_report(comparison)


def _counted_runs_began(comparison: Comparison) -> bool:
    jobs = comparison.plan.jobs()
    return any(run_folder(comparison.folder, job.name).exists() for job in jobs)


def compare(
    losses: Sequence[str] = (),
    data: str = "",
    *,
    seeds: Sequence[int] = (),
    steps: int | None = None,
    settings: RunSettings | None = None,
    vary: Sequence[str] = (),
    baseline: str = "",
    tuning: Tuning = "paper",
    draws: int = 0,
    workers: int | None = None,
    where: Where = "local",
    watcher: Watcher | None = None,
) -> Comparison:
    """Train with every loss and seed, and give the rows; the report lies in their folder.

    Called again with the same arguments after an interruption, it goes on where it was.

    Args:
        losses: games to compare; by default five, or the settings' own if something varies.
        data: a folder, a zip or ``"demo:NAME"``, as ``ganloss train`` takes it.
        seeds: by default five, or as many as can show a difference.
        steps: updates of the generator in each run; by default those of ``settings``, or 2,000.
        settings: everything else that all runs share, and the task.
        vary: further settings to compare, as ``"NAME=A,B"``; each with each.
        baseline: compare all others with this variant, instead of all pairs.
        tuning: ``"paper"``: optimisers as published; ``"shared"``: those of the baseline for all.
        draws: settings to try for each variant first.
        workers: runs at a time; by default one for each core.
        where: ``"local"`` or ``"ray"``.
        watcher: told how it goes.

    Raises:
        GanlossError: each says what to mend; what has ended is kept.

    >>> compare(["ns"], "demo:digits")
    Traceback (most recent call last):
    ganloss._errors.UsageError: a comparison takes at least two variants; ...
    """
    if where not in get_args(Where):
        raise UsageError(f"where is {where!r}; it is 'local' or 'ray'")
    shared = settings or GenerateSettings()
    shared = replace(shared, data=data or shared.data)
    if steps is not None or all(getattr(shared, name) is None for name in LENGTHS):
        unset = dict.fromkeys(LENGTHS)
        shared = replace(shared, **unset | {"steps": USUAL_STEPS if steps is None else steps})
    made = plan(
        shared,
        losses,
        vary,
        seeds=seeds,
        baseline=baseline,
        tuning=tuning,
        draws=draws,
        workers=workers,
    )
    out = Path(shared.out)
    old = find_resumable(made, out)
    folder = old or create(made, out)
    return run(folder, watcher or _Silent(), where=where, fresh=old is None)


class _Silent:
    """Watches, and says nothing."""

    def started(self, folder: Path, plan: Plan, jobs: Sequence[Job], ended: Sequence[Row]) -> None:
        pass

    def progressed(self, job: str, done: float) -> None:
        pass

    def ended(self, row: Row) -> None:
        pass


def _do(comparison: Comparison, jobs: Sequence[Job], watcher: Watcher, where: Where) -> None:
    _refuse_other_settings(jobs, comparison.folder)
    final = {row["job"]: row for row in comparison.log() if row["state"] in RESULTS}
    ended = [final[job.name] for job in jobs if job.name in final]
    left = [job for job in jobs if job.name not in final]
    if not left:
        return
    watcher.started(comparison.folder, comparison.plan, left, ended)
    writing = _Reports(comparison)
    for row in _rows(left, comparison, watcher, where):
        results = comparison.folder / "results.jsonl"
        with storage(results), results.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        watcher.ended(row)
        writing.maybe()


def _refuse_other_settings(jobs: Sequence[Job], folder: Path) -> None:
    """Refuse runs that were made of another plan, as after a change of ``plan.yaml``."""
    for job in jobs:
        config, names = run_folder(folder, job.name) / "config.yaml", []
        with suppress(CheckpointError):  # gone or damaged, which matters to a run that goes on
            made = asdict(settings_from_file(config))
            names = [n for n, v in asdict(job.settings).items() if n not in _WHERE and v != made[n]]
        if names:
            raise UsageError(
                f"{config.parent} was made with other settings than the plan has: "
                f"{', '.join(names)}. Mend plan.yaml, or start a new comparison"
            )


class _Reports:
    """Writes the report while runs go on, in a fiftieth of the time at most."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._due = time.monotonic()

    def maybe(self) -> None:
        began = time.monotonic()
        if began < self._due or not self._comparison.rows:
            return
        write_report(self._comparison)
        ended = time.monotonic()
        self._due = ended + 50 * (ended - began)


def _rows(
    jobs: Sequence[Job], comparison: Comparison, watcher: Watcher, where: Where
) -> Iterator[Row]:
    if where == "ray":
        from ganloss.lab.cluster import run_on_ray

        return run_on_ray(jobs, comparison.folder, comparison.plan.workers)
    from ganloss.lab.pool import run_locally

    return run_locally(jobs, comparison.folder, comparison.plan.workers, watcher.progressed)


def _cut_half_lines(folder: Path) -> None:
    """Leave out a last line that a killed process began."""
    results = folder / "results.jsonl"
    lines = read_text(results).splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        write_text(results, "".join(lines[:-1]))


@contextmanager
def _removed_if_refused(folder: Path, fresh: bool) -> Generator[None]:
    """Leave nothing of a comparison whose data, flags or weights no run could use."""
    try:
        yield
    except (UsageError, DataError, WeightsError):
        if fresh and not (folder / "results.jsonl").exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=5)
    except Timeout as error:
        raise StorageError(
            f"another process works on {folder}; wait for it, or stop it first"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _interruptible() -> Generator[list[int]]:
    """Take SIGTERM for Ctrl-C; give a list of the signals that came.

    Python drops an exception that is raised in a destructor or a callback of the garbage
    collector, and Ctrl-C may come there; the list still holds it.
    """
    came: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        del frame
        came.append(number)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    try:
        previous = [signal.signal(number, interrupt) for number in numbers]
    except ValueError:  # not in the main thread: somebody else handles signals
        yield came
        return
    try:
        yield came
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


class _Asking:
    """A watcher that lets no interruption get lost."""

    def __init__(self, watcher: Watcher, interrupted: Sequence[int]) -> None:
        self._watcher, self._interrupted = watcher, interrupted

    def started(self, folder: Path, plan: Plan, jobs: Sequence[Job], ended: Sequence[Row]) -> None:
        self._watcher.started(folder, plan, jobs, ended)

    def progressed(self, job: str, done: float) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._watcher.progressed(job, done)

    def ended(self, row: Row) -> None:
        self._watcher.ended(row)
        if self._interrupted:
            raise KeyboardInterrupt
