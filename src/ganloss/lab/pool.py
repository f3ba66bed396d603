"""Jobs on this machine: some worker processes, each doing one job after the other.

A worker is a process of its own that speaks lines of JSON, so a job that is killed, or that takes
its process down, is one row and nothing more.
"""

import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganloss import _errors
from ganloss._errors import GanlossError
from ganloss.lab.jobs import crashed, to_message
from ganloss.lab.plan import Job
from ganloss.runs.reading import Row, finite

#: How often a job may take its process down before that is its result.
ATTEMPTS = 2
_SECONDS_TO_STOP = 60

#: Told a job's name and how much of it is done.
Told = Callable[[str, float], None]


def run_locally(jobs: Sequence[Job], comparison: Path, workers: int, told: Told) -> Iterator[Row]:
    """Run jobs in so many processes, in order; give each row when it is there.

    Raises:
        GanlossError: one that every job would meet, e.g. no data.
        KeyboardInterrupt: after the workers have saved where they are.
    """
    pool = _Pool(jobs, comparison, told)
    try:
        pool.start(min(workers, len(jobs)))
        yield from pool.rows()
    except BaseException:
        pool.interrupt()
        raise
    finally:
        pool.close()


@dataclass
class _Worker:
    """A process with the job it is at."""

    process: subprocess.Popen[str]
    log: Path
    said_before: int
    job: Job | None = None


@dataclass
class _Pool:
    jobs: Sequence[Job]
    comparison: Path
    told: Told
    heard: "queue.Queue[tuple[_Worker, dict[str, Any] | None]]" = field(
        default_factory=lambda: queue.Queue()
    )

    def __post_init__(self) -> None:
        self._waiting = deque(self.jobs)
        self._attempts = dict.fromkeys((job.name for job in self.jobs), 0)
        self._took: dict[str, float] = {}
        self._workers: list[_Worker] = []
        self._listeners: list[threading.Thread] = []

    def start(self, count: int) -> None:
        for number in range(count):
            self._begin(self._open(number))

    def rows(self) -> Iterator[Row]:
        while any(worker.job for worker in self._workers):
            worker, message = self.heard.get()
            if message is None:
                if worker in self._workers:
                    yield from self._died(worker)
            elif message["kind"] == "progress" and worker.job is not None:
                self.told(worker.job.name, message["done"])
            elif message["kind"] == "error":
                raise _error(message)
            elif message["kind"] == "row":
                if message["row"] is None:
                    raise KeyboardInterrupt
                self.learn(message["row"])
                self._begin(worker)  # at once: who is given the row may write a report first
                yield message["row"]

    def _open(self, number: int) -> _Worker:
        log = self.comparison / "logs" / f"worker-{number}.log"
        log.parent.mkdir(exist_ok=True)
        job = self._waiting[0] if self._waiting else self.jobs[0]
        with log.open("ab") as stream:
            said_before = stream.tell()
            process = subprocess.Popen(
                [sys.executable, "-m", "ganloss.lab.jobs"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                encoding="utf-8",
                env=os.environ | {"OMP_NUM_THREADS": str(job.settings.threads or 1)},
                # Ctrl-C is for us; what it means for them is said in interrupt().
                start_new_session=os.name == "posix",
            )
        worker = _Worker(process, log, said_before)
        listener = threading.Thread(target=self._listen, args=(worker,), daemon=True)
        listener.start()
        self._listeners.append(listener)
        self._workers.append(worker)
        return worker

    def _listen(self, worker: _Worker) -> None:
        if worker.process.stdout is not None:
            with worker.process.stdout as said:
                for line in said:
                    with suppress(ValueError):
                        self.heard.put((worker, json.loads(line)))
        self.heard.put((worker, None))

    def _begin(self, worker: _Worker) -> None:
        worker.job = self.next_job()
        stdin = worker.process.stdin
        if worker.job is None or stdin is None:
            return
        self._attempts[worker.job.name] += 1
        request = {"job": to_message(worker.job), "folder": str(self.comparison)}
        with suppress(OSError):  # a dead process is heard of soon
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()

    def next_job(self) -> Job | None:
        """The next job; of those of the last seed the longest, or one worker would end it alone."""
        if not self._waiting:
            return None
        job = self._waiting[0]
        if len({(job.seed, job.draw) for job in self._waiting}) == 1:
            # A variant of which no run has ended takes longer than those of which one has.
            job = max(self._waiting, key=lambda job: self._took.get(job.variant, math.inf))
        self._waiting.remove(job)
        return job

    def learn(self, row: Row) -> None:
        """Remember how long the runs of a variant take."""
        self._took[row["variant"]] = finite(row.get("seconds")) or 0.0

    def _died(self, worker: _Worker) -> Iterator[Row]:
        """Try the job again in a new process; the second time, that is its result."""
        self._workers.remove(worker)
        job, code = worker.job, _ended(worker)
        if job is None:
            return
        if self._attempts[job.name] < ATTEMPTS:
            self._waiting.appendleft(job)
        else:
            said = _said(worker).strip().splitlines()[-1:]
            yield crashed(job, "; ".join([f"its process ended with code {code}", *said]))
        if self._waiting:
            self._begin(self._open(len(self._listeners)))

    def interrupt(self) -> None:
        """Let every worker finish its step and save."""
        busy = [worker for worker in self._workers if worker.job is not None]
        for worker in busy:
            with suppress(OSError):
                worker.process.send_signal(signal.SIGINT) if os.name == "posix" else None
        if os.name != "posix":
            return
        waiting = {id(worker) for worker in busy}
        with suppress(queue.Empty):
            while waiting:
                worker, message = self.heard.get(timeout=_SECONDS_TO_STOP)
                if message is None or message["kind"] != "progress":
                    waiting.discard(id(worker))

    def close(self) -> None:
        """End the processes; what they saved stays."""
        for worker in self._workers:
            _ended(worker)
        for listener in self._listeners:
            listener.join(timeout=10)
        self._workers = []


def _said(worker: _Worker) -> str:
    """What a worker wrote to its log; earlier ones may have written to the same."""
    try:
        return worker.log.read_bytes()[worker.said_before :].decode("utf-8", "replace")
    except OSError:
        return ""


def _ended(worker: _Worker) -> int:
    """Close what a worker listens to, which ends it; give its exit code."""
    if worker.process.stdin is not None:
        with suppress(OSError):
            worker.process.stdin.close()
    try:
        return worker.process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        worker.process.kill()
        return worker.process.wait()


def _error(message: dict[str, Any]) -> GanlossError:
    kind = getattr(_errors, str(message["type"]), GanlossError)
    return kind(message["message"])
