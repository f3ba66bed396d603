"""A copy of the project, to do in it what CONTRIBUTING says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def copied(copy: Path) -> Path:
    for folder in ("src/ganloss", "tests/conformance", "docs"):
        ignored = shutil.ignore_patterns("_build", "__pycache__")
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    return copy


def after(path: Path, line: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(line) == 1, line
    path.write_text(text.replace(line, line + new), encoding="utf-8")


def run(copy: Path, *words: str) -> str:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, (copy / "src", copy / "docs", copy / "tests"))),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "120",
    }
    done = subprocess.run(
        [sys.executable, *words], cwd=copy, env=environment, capture_output=True, text=True,
        encoding="utf-8", timeout=240,
    )  # fmt: skip
    return f"{done.stdout}{done.stderr}\nended with {done.returncode}"
