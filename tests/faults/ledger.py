"""What was tried: a line for each try, so that a long run can be cut off and gone on with."""

import json
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
#: Folder of the ledgers of ``make faults``; unset in the short form.
LONG = os.environ.get("GANLOSS_FAULTS", "")


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, and what is promised then.

    Args:
        name: what goes wrong.
        promise: what holds all the same.
        short: tries in CI.
        long: tries in ``make faults``.
    """

    name: str
    promise: str
    short: int
    long: int

    @property
    def tries(self) -> int:
        return self.long if LONG else self.short

    def random(self, number: int) -> random.Random:
        """The random numbers of one try: it can be made again by its number."""
        return random.Random(f"{self.name}/{number}")


class Ledger:
    """Tries in a file of JSON lines, each with the commit that was tried.

    A half-written last line is not counted. What was lost is tried again, and the last try counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def rows(self) -> list[dict[str, Any]]:
        text = self.path.read_text("utf-8") if self.path.exists() else ""
        lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        found = {(row["fault"], row["number"]): row for row in map(json.loads, lines)}
        return list(found.values())

    def left(self, fault: Fault) -> Iterator[int]:
        """Numbers of the tries that are still to be made."""
        rows = self.rows()
        done = {r["number"] for r in rows if r["fault"] == fault.name and not r["lost"]}
        return (number for number in range(fault.tries) if number not in done)

    def note(self, fault: Fault, number: int, lost: str, times: int = 1) -> None:
        """Write down what came of a try; ``lost`` says in which way the promise was broken."""
        row = {"fault": fault.name, "promise": fault.promise, "number": number, "times": times,
               "lost": lost, "commit": commit()}  # fmt: skip
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")

    def lost(self, fault: Fault) -> list[str]:
        """What was lost, with the number of the try."""
        rows = [row for row in self.rows() if row["fault"] == fault.name and row["lost"]]
        return [f"{fault.name}, try {row['number']}: {row['lost']}" for row in rows]


@cache
def commit() -> str:
    """The commit that is tried; marked where files of the project differ from it."""
    changed = _git("status", "--porcelain", "--", "src", "tests/faults")
    return (_git("rev-parse", "--short=12", "HEAD") or "unknown") + ("-changed" * bool(changed))


def _git(*words: str) -> str:
    found = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip()


def open_ledger() -> Ledger:
    """The ledger to go on with; in the short form, one that goes away."""
    if LONG:
        return Ledger(Path(LONG) / "tries.jsonl")
    return Ledger(Path(tempfile.mkdtemp(prefix="ganloss-faults-")) / "tries.jsonl")
