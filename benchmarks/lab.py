"""A comparison with two workers against one worker that may use all threads."""

import tempfile
import time
from pathlib import Path

from benchmarks._timing import Row, compare
from ganloss import lab
from ganloss.runs.settings import GenerateSettings

LOSSES, SEEDS, ROUNDS = ("ns", "r3gan"), (0, 1), 3
STEPS = {"demo:ring": 3000, "demo:digits": 1500}


def seconds_per_step(data: str, workers: int, threads: int) -> float:
    """Of a whole comparison, start, scores, pictures, pages and report included."""
    with tempfile.TemporaryDirectory() as out:
        settings = GenerateSettings(
            data=data, steps=STEPS[data], threads=threads, out=str(Path(out))
        )
        began = time.perf_counter()
        rows = lab.compare(LOSSES, seeds=SEEDS, settings=settings, workers=workers)
        return (time.perf_counter() - began) / sum(row["steps"] for row in rows)


def rows() -> list[Row]:
    """How much faster two workers are, on points in the plane and on small images."""
    return [_row(data) for data in STEPS]


def _row(data: str) -> Row:
    one, two = "one worker, all threads", "two workers"
    times: dict[str, list[float]] = {two: [], one: []}
    for _ in range(ROUNDS):
        times[one].append(seconds_per_step(data, workers=1, threads=2))
        times[two].append(seconds_per_step(data, workers=2, threads=1))
    return compare(f"a step of compare on {data}", times, two, one, 1.7)
