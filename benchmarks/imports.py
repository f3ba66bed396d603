"""What importing costs, in processes of their own."""

import subprocess
import sys
from statistics import median

from benchmarks import _timing
from benchmarks._timing import Row

ROUNDS = 9


def milliseconds(statements: str, rounds: int = ROUNDS) -> float:
    """Median time of statements in a fresh interpreter, its own start-up left out."""
    script = (
        f"from time import {_timing.clock.__name__} as clock; t = clock()\n"
        f"{statements}\n"
        "print((clock() - t) * 1e3)"
    )
    runs = (subprocess.check_output([sys.executable, "-c", script]) for _ in range(rounds))
    return median(float(output) for output in runs)


def rows() -> list[Row]:
    bare = milliseconds("import ganloss")
    loss = milliseconds("import torch; t = clock(); import ganloss; ganloss.Hinge()")
    return [
        Row(f"import ganloss: {bare:.1f} ms, share of 20 ms", bare / 1e3, "nothing imported", 0.0,
            bare / 20, 0.0, 1.0, at_most=True),
        Row(f"first loss after torch: {loss:.1f} ms, share of 20 ms", loss / 1e3, "import torch",
            0.0, loss / 20, 0.0, 1.0, at_most=True),
    ]  # fmt: skip
