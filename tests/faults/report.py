"""docs/reliability.md from a ledger: ``python -m faults.report LEDGERS PAGE``."""

import json
import os
import platform
import sys
from collections import defaultdict
from importlib import metadata
from pathlib import Path
from typing import Any

from faults.ledger import Ledger

HEAD = """\
# Reliability

A user can kill it, starve it, feed it garbage and hand it a stranger's run; the worst that happens
is a clear sentence. This page is written by `make faults`, which makes every try below with the
real command line, on real files, in processes of their own; a short form of it runs with every
change. A try that broke its promise would be counted as lost, and fail the suite.

The suite is tried as well: a write that is not atomic, an error that is swallowed and a name that
is not escaped, put into copies of the package, are each caught (`tests/faults/test_controls.py`).

"""
TAIL = """
Each try has a number from which its random choices follow, so it can be made again. "SIGKILL" is
sent at a random moment, before a random change on disk, or in the middle of writing a file.
"""


def table(rows: list[dict[str, Any]]) -> str:
    """One line for each fault; what differs after a colon only is counted together."""
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in sorted(rows, key=lambda row: row["fault"]):
        counts = found[row["fault"].partition(": ")[0], row["promise"]]
        counts[0] += row["times"]
        counts[1] += bool(row["lost"])
    lines = ["| fault | promise | times tried | lost |", "|---|---|--:|--:|"]
    lines += [f"| {f} | {p} | {tried:,} | {lost:,} |" for (f, p), (tried, lost) in found.items()]
    tried, lost = (sum(counts[i] for counts in found.values()) for i in (0, 1))
    return "\n".join([*lines, f"| **together** | | **{tried:,}** | **{lost:,}** |"]) + "\n"


def machine() -> str:
    """Where it was tried, in general words."""
    kernel = ".".join(platform.release().split(".")[:2])
    python = ".".join(platform.python_version_tuple()[:2])
    torch = ".".join(metadata.version("torch").split(".")[:2])
    cores = f"{os.cpu_count()} cores"
    return f"{cores}, {platform.system()} {kernel}, Python {python}, torch {torch}"


def page(ledger: Ledger) -> str:
    """The whole page."""
    commits = dict.fromkeys(f"`{row['commit']}`" for row in ledger.rows())
    tried = f"Tried at commit {', '.join(commits)}, on {machine()}."
    return f"{HEAD}{tried}\n\n{table(ledger.rows())}{TAIL}"


if __name__ == "__main__":
    folder, target = map(Path, sys.argv[1:])
    target.write_text(page(Ledger(folder / "tries.jsonl")), encoding="utf-8")
    print(json.dumps({"page": str(target)}))
