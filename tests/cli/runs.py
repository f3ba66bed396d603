"""Running the command line as a user does: in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ganloss.engine import checkpoint

COMMAND = (sys.executable, "-W", "error", "-m", "ganloss")


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "120", "CUDA_VISIBLE_DEVICES": ""}


def run(*words: str, cwd: Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
    )


def run_in_two_processes(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    launcher = ("torch.distributed.run", "--nproc-per-node", "2", "--standalone")
    return subprocess.run(
        [sys.executable, "-m", *launcher, "-m", "ganloss", *words],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
    )


def start(*words: str, cwd: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *words],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def only_run(out: Path) -> Path:
    folders = [p for p in out.iterdir() if p.name[0].isdigit()]
    assert len(folders) == 1, folders
    return folders[0]


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything about a finished run that must not depend on how often it was killed."""
    state = checkpoint.load(folder / "checkpoints" / "last.pt")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {
        "state": checkpoint.digest(state["engine"]),
        "best": checkpoint.digest(checkpoint.load(folder / "checkpoints" / "best.pt")["engine"]),
        "rows": [{k: v for k, v in row.items() if k != "seconds"} for row in rows],
        "samples": {p.name: p.read_bytes() for p in sorted((folder / "samples").iterdir())},
        "gif": (folder / "progress.gif").read_bytes(),
        "export": (folder / "export" / "generator.safetensors").read_bytes(),
    }
