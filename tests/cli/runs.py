"""Running the command line as a user does: in a process of its own.

Most of a short command is the import of PyTorch. `run` forks its processes from one that has
imported it already; `start`, and whoever uses `COMMAND`, begin with a new interpreter.
"""

import atexit
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from ganloss.engine import checkpoint

COMMAND = (sys.executable, "-W", "error", "-m", "ganloss")


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "120", "CUDA_VISIBLE_DEVICES": ""}


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["cli.runs", "torch._dynamo", "torchvision", "sklearn.datasets", "jsonargparse",
     "plotly.graph_objects", "PIL.Image"]
)  # fmt: skip


def run(*words: str, cwd: Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        streams = [multiprocessing.reduction.DupFd(file.fileno()) for file in (out, err)]
        process = _FORKS.Process(target=_ganloss, args=(words, cwd, environment(), streams))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, timeout)
        texts = [os.pread(f.fileno(), 1 << 26, 0).decode("utf-8") for f in (out, err)]
    return subprocess.CompletedProcess(words, process.exitcode, *texts)


def _ganloss(words: tuple[str, ...], cwd: Path, environment: dict[str, str], streams: Any) -> None:
    """What ``python -W error -m ganloss`` does, in a fork."""
    for number, stream in zip((1, 2), streams, strict=True):
        os.dup2(stream.detach(), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = words
    warnings.simplefilter("error")
    try:
        runpy.run_module("ganloss", run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()


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
