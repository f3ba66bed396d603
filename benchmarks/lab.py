"""A comparison with two workers against one worker that may use all threads."""

import tempfile
import time
from pathlib import Path

from benchmarks._timing import Row, compare
from ganloss import lab
from ganloss.runs.settings import GenerateSettings

LOSSES, SEEDS, STEPS, ROUNDS = ("ns", "r3gan"), (0, 1), 3000, 3


def seconds_per_step(workers: int, threads: int) -> float:
    """Of a whole comparison of points in the plane, start, scores, pages and report included."""
    with tempfile.TemporaryDirectory() as out:
        settings = GenerateSettings(
            data="demo:ring", steps=STEPS, snap=STEPS, threads=threads, out=str(Path(out))
        )
        began = time.perf_counter()
        rows = lab.compare(LOSSES, seeds=SEEDS, settings=settings, workers=workers)
        return (time.perf_counter() - began) / sum(row["steps"] for row in rows)


def rows() -> list[Row]:
    """One row: how much faster two workers are."""
    one, two = "one worker, all threads", "two workers"
    times: dict[str, list[float]] = {two: [], one: []}
    for _ in range(ROUNDS):
        times[one].append(seconds_per_step(workers=1, threads=2))
        times[two].append(seconds_per_step(workers=2, threads=1))
    return [compare("a step of compare on demo:ring", times, two, one, 1.7)]
