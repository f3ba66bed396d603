"""A comparison with two workers against one worker that may use all threads."""

import tempfile
import time
from pathlib import Path

from benchmarks._timing import Row, compare
from ganloss import lab
from ganloss.runs.settings import GenerateSettings

DATA = ("demo:ring", "demo:digits")
LOSSES, SEEDS, ROUNDS = ("ns", "r3gan"), (0, 1), 3
#: So many that the start of a process, the same for one worker as for two, is a small part.
STEPS = 3000


def seconds_per_step(data: str, workers: int, threads: int) -> float:
    """Of a whole comparison, start, scores, pictures, pages and report included."""
    with tempfile.TemporaryDirectory() as out:
        settings = GenerateSettings(data=data, steps=STEPS, threads=threads, out=str(Path(out)))
        began = time.perf_counter()
        rows = lab.compare(LOSSES, seeds=SEEDS, settings=settings, workers=workers)
        return (time.perf_counter() - began) / sum(row["steps"] for row in rows)


def rows() -> list[Row]:
    """How much faster two workers are, on points in the plane and on small images."""
    return [row for data in DATA for row in _rows(data)]


def _rows(data: str) -> list[Row]:
    """Beside a worker with all threads, and one with a thread.

    What a second thread gives a worker depends on the processor; two workers can be no more than
    twice as fast as one with a thread.
    """
    ways = {
        "two workers": (2, 1),
        "one worker, all threads": (1, 2),
        "one worker, a thread": (1, 1),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (workers, threads) in ways.items():
            times[name].append(seconds_per_step(data, workers, threads))
    two, *others = ways
    return [compare(f"a step of compare on {data}", times, two, one, 1.7) for one in others]
