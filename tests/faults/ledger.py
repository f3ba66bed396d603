"""What was tried: a line for each try, so that a long run can be cut off and gone on with."""

import json
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
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
    """Tries in a file of JSON lines; a half-written last line is not counted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def rows(self) -> list[dict[str, Any]]:
        text = self.path.read_text("utf-8") if self.path.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def left(self, fault: Fault) -> Iterator[int]:
        """Numbers of the tries that are still to be made."""
        done = {row["number"] for row in self.rows() if row["fault"] == fault.name}
        return (number for number in range(fault.tries) if number not in done)

    def note(self, fault: Fault, number: int, lost: str, times: int = 1) -> None:
        """Write down what came of a try; ``lost`` says in which way the promise was broken."""
        row = {"fault": fault.name, "promise": fault.promise, "number": number, "times": times,
               "lost": lost}  # fmt: skip
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")

    def lost(self, fault: Fault) -> list[str]:
        """What was lost, with the number of the try."""
        rows = [row for row in self.rows() if row["fault"] == fault.name and row["lost"]]
        return [f"{fault.name}, try {row['number']}: {row['lost']}" for row in rows]


def commit() -> str:
    """The commit that is tried; marked where files of the project differ from it."""
    changed = _git("status", "--porcelain", "--", "src", "tests/faults")
    return (_git("rev-parse", "--short=12", "HEAD") or "unknown") + ("-changed" * bool(changed))


def _git(*words: str) -> str:
    found = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip()


def open_ledger() -> Ledger:
    """The ledger of this commit; in the short form, one that goes away."""
    if LONG:
        return Ledger(Path(LONG) / f"{commit()}.jsonl")
    return Ledger(Path(tempfile.mkdtemp(prefix="ganloss-faults-")) / "tries.jsonl")
