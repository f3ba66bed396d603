"""One job of a comparison: train, and say in a row how it ended."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganloss._errors import DivergedError, UsageError
from ganloss.lab.plan import Job
from ganloss.runs.folder import write_text
from ganloss.runs.reading import Row, Status, finite, mapping, parse, read_rows, read_text
from ganloss.runs.settings import TASKS

if TYPE_CHECKING:
    from ganloss.runs.run import Run
    from ganloss.runs.tasks import Task

#: Told how much of a job is done, between 0 and 1.
Told = Callable[[float], None]

ROW = "row.json"


def run_folder(comparison: Path, job: str) -> Path:
    """Where a job trains.

    >>> run_folder(Path("runs/compare-0001-ring"), "ns-s0").as_posix()
    'runs/compare-0001-ring/runs/ns-s0'
    """
    return comparison / "runs" / job


def to_message(job: Job) -> dict[str, Any]:
    """The job as plain values, to be sent to another process.

    >>> from ganloss.runs.settings import GenerateSettings
    >>> job = Job("ns-s0", "ns", 0, GenerateSettings(data="demo:ring", steps=10))
    >>> to_message(job)["task"], to_message(job)["settings"]["steps"]
    ('generate', 10)
    """
    values = asdict(job.settings)
    return {**asdict(job), "settings": values, "task": job.settings.task}


def from_message(values: Mapping[str, Any]) -> Job:
    """The job that was sent.

    >>> from ganloss.runs.settings import GenerateSettings
    >>> job = Job("ns-s0", "ns", 0, GenerateSettings(data="demo:ring", steps=10))
    >>> from_message(to_message(job)) == job
    True
    """
    settings = TASKS[values["task"]](**values["settings"])
    return Job(values["name"], values["variant"], values["seed"], settings, values["draw"])


def run_job(job: Job, comparison: Path, told: Told) -> Row | None:
    """Train the job, new or from its last checkpoint; None if it was interrupted.

    A diverged run is a result; every other error is raised.
    """
    from ganloss.runs.training import train

    folder = run_folder(comparison, job.name)
    before = parse(read_text(folder / ROW))
    if isinstance(before, dict) and before.get("job") == job.name:
        return before
    state, message, cost = "finished", "", _Cost(resumed=folder.exists())
    try:
        outcome = train(job.settings, _Quiet(told), at=folder)
        if outcome.state == "interrupted":
            return None
    except DivergedError as error:
        state, message = "diverged", str(error)
    row = {**_described(job, state, message), **_measured(folder), **cost.row()}
    if state != "finished":
        row["score"] = None
    write_text(folder / ROW, json.dumps(row, ensure_ascii=False))
    return row


def refuse_unscored(task: "Task[Any, Any]") -> None:
    """Refuse data on which there is no score to compare by.

    Raises:
        UsageError: with the reason, and how to get one.
    """
    if task.metric is None:
        raise UsageError(f"a comparison needs scores; {task.unscored}")


def crashed(job: Job, message: str) -> Row:
    """The row of a job whose process died, again and again.

    >>> from ganloss.runs.settings import GenerateSettings
    >>> job = Job("ns-s0", "ns", 0, GenerateSettings(data="demo:ring", steps=10))
    >>> row = crashed(job, "out of memory")
    >>> row["state"], row["score"], row["message"]
    ('crashed', None, 'out of memory')
    """
    return _described(job, "crashed", message) | {"score": None}


def _described(job: Job, state: str, message: str) -> Row:
    return {
        "job": job.name,
        "variant": job.variant,
        "seed": job.seed,
        "draw": job.draw,
        "state": state,
        "message": message,
    }


def _measured(folder: Path) -> Row:
    """What the run folder says about its end."""
    status, rows = Status.read(folder), read_rows(folder)
    key = status.metric.key if status.metric else "fd"
    scored = [row for row in rows if finite(row.get(key)) is not None]
    last = rows[-1] if rows else {}
    final = scored[-1] if scored else {}
    return {
        "score": finite(final.get(key)),
        "best": min((row[key] for row in scored), default=None),
        "metric": None if status.metric is None else asdict(status.metric),
        "steps": last.get("step"),
        "images": last.get("images"),
        "trained": status.trained,
        "seconds": last.get("seconds"),
        "scores": {k: v for k, v in final.items() if k in ("psnr", "ssim", "cycle")},
        "found": dict(mapping(final.get("found"))),
        "shares": final.get("shares"),
    }


class _Quiet:
    """Tells one number, and that seldom."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._last = 0.0

    def started(self, run: "Run") -> None:
        """Refuse to train what cannot be scored, and so not be compared."""
        refuse_unscored(run.task)

    def progressed(self, step: int, total: int | None, done: float) -> None:
        """Pass the share on, twice a second at most."""
        now = time.monotonic()
        if now - self._last > 0.5:
            self._last = now
            self._told(done)

    def snapped(self, row: Mapping[str, Any]) -> None:
        """Nothing to say."""


class _Cost:
    """CPU time and memory of one job among many of a process; unknown where it was continued."""

    def __init__(self, *, resumed: bool) -> None:
        self._resumed = resumed
        self._seconds = time.process_time()
        _forget_peak()

    def row(self) -> Row:
        if self._resumed:
            return {"cpu_seconds": None, "peak_mb": None}
        return {
            "cpu_seconds": round(time.process_time() - self._seconds, 3),
            "peak_mb": _peak_mb(),
        }


def _forget_peak() -> None:
    """Let the process's memory peak start anew, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_mb() -> float | None:
    for line in read_text(Path("/proc/self/status")).splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    return None


def serve() -> None:
    """Do jobs that come as lines on standard input; answer with lines on standard output.

    When the other side goes away, so does this process, in the middle of a step: its last
    checkpoint stays.
    """
    import os
    import queue
    import threading

    from ganloss._errors import GanlossError

    answers, sys.stdout = sys.stdout, sys.stderr  # nothing else may write between the answers
    asked: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            asked.put(json.loads(line))
        os._exit(0)

    def answer(kind: str, **values: Any) -> None:
        answers.write(json.dumps({"kind": kind, **values}) + "\n")
        answers.flush()

    threading.Thread(target=read, daemon=True).start()
    while True:
        request = asked.get()
        try:
            job = from_message(request["job"])
            row = run_job(job, Path(request["folder"]), lambda done: answer("progress", done=done))
            answer("row", row=row)
        except KeyboardInterrupt:
            answer("row", row=None)
        except GanlossError as error:
            answer("error", type=type(error).__name__, message=str(error))


if __name__ == "__main__":
    serve()
