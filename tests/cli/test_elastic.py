"""torchrun starts all processes again when one is lost: the same command goes on where it was."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from cli.runs import environment, only_run, run
from ganloss.engine import checkpoint
from ganloss.runs.folder import RunFolder

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs Linux's /proc"),
]
STEPS = 300
#: Seconds that a slow machine may take to start the processes of one attempt, or to end them.
WAIT = 400
WORDS = ("train", "generate", "--data", "demo:digits", "--loss", "ragan", "--metrics", "none",
         "--steps", str(STEPS), "--snap", "25", "--device", "cpu", "--precision", "64",
         "--batch-size", "16")  # fmt: skip


def torchrun(*options: str, cwd: Path, name: str, **variables: str) -> subprocess.Popen[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "1"]
    with (cwd / f"{name}.txt").open("w") as log:
        return subprocess.Popen(
            [*launcher, *options, "-m", "ganloss", *WORDS], cwd=cwd,
            env=environment() | variables, stdout=log, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(word) for word in listed.split()]


def kill_with_children(launcher: subprocess.Popen[str]) -> None:
    if launcher.poll() is None:
        for pid in (*children(launcher.pid), launcher.pid):
            os.kill(pid, signal.SIGKILL)
        launcher.wait()


def wait_until(done: Callable[[], bool], cwd: Path, *launchers: subprocess.Popen[str]) -> None:
    """Wait while the launchers run; what they said is the message where it is in vain."""
    deadline = time.monotonic() + WAIT
    while not done():
        late = time.monotonic() > deadline
        if late or any(launcher.poll() is not None for launcher in launchers):
            said = "\n".join(f"{p.name}:\n{p.read_text('utf-8')}" for p in cwd.glob("*.txt"))
            pytest.fail(f"{'waited too long' if late else 'a launcher has ended'}\n{said}")
        time.sleep(0.05)


def rows(out: Path) -> int:
    return max((len(RunFolder(p.parent).rows()) for p in out.glob("*/metrics.jsonl")), default=0)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def networks(folder: Path) -> Mapping[str, Any]:
    return checkpoint.load(folder / "checkpoints" / "last.pt")["engine"]["networks"]


def worst_difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> float:
    """Largest difference of any weight, relative to the largest weight of its tensor."""
    return max(
        float((value - b[player][name]).abs().max() / b[player][name].abs().max().clamp(min=1e-30))
        for player, values in a.items()
        for name, value in values.items()
        if isinstance(value, torch.Tensor)
    )


def uninterrupted(tmp_path: Path) -> Mapping[str, Any]:
    done = run(*WORDS, "--out", "alone", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return networks(only_run(tmp_path / "alone"))


def test_a_lost_machine_is_replaced_by_fewer_processes(tmp_path: Path) -> None:
    """Two launchers, one process each, stand for two machines; one of them dies."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    options = (
        "--nnodes", "1:2", "--max-restarts", "3", "--rdzv-backend", "c10d", "--rdzv-id", "job",
        "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-conf", "last_call_timeout=3",
    )  # fmt: skip
    # Without it, torch 2.14 hangs or fails where the second one is late (docs/processes.md).
    own_stores = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    first = torchrun(*options, cwd=tmp_path, name="first", **own_stores)
    try:
        # The first launcher keeps the meeting place.
        wait_until(lambda: listens(port), tmp_path, first)
        second = torchrun(*options, cwd=tmp_path, name="second", **own_stores)
        try:
            wait_until(lambda: rows(tmp_path / "runs") >= 4, tmp_path, first, second)
        finally:
            kill_with_children(second)
        wait_until(lambda: first.poll() is not None, tmp_path)
    finally:
        kill_with_children(first)
    log = (tmp_path / "first.txt").read_text("utf-8")
    assert first.returncode == 0, log
    folder = only_run(tmp_path / "runs")
    noted = RunFolder(folder).log.read_text("utf-8")
    assert "2 processes" in noted and "1 process" in noted.split("resumed after step")[1], noted
    assert worst_difference(networks(folder), uninterrupted(tmp_path)) < 1e-8


def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    launcher = torchrun(
        "--standalone", "--nproc-per-node", "2", "--max-restarts", "1", cwd=tmp_path, name="one"
    )
    wait_until(lambda: rows(tmp_path / "runs") >= 4, tmp_path, launcher)
    os.kill(children(launcher.pid)[-1], signal.SIGKILL)
    assert launcher.wait(timeout=WAIT) == 0, (tmp_path / "one.txt").read_text("utf-8")
    folder = only_run(tmp_path / "runs")
    assert "resumed after step" in RunFolder(folder).log.read_text("utf-8")
    steps = [row["step"] for row in RunFolder(folder).rows()]
    assert steps == sorted(set(steps)) and steps[-1] == STEPS
    assert worst_difference(networks(folder), uninterrupted(tmp_path)) < 1e-8


def test_control_another_launch_of_the_same_command_is_another_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        done = torchrun("--standalone", cwd=tmp_path, name=name)
        assert done.wait(timeout=WAIT) == 0
    assert len([p for p in (tmp_path / "runs").iterdir() if p.name[0].isdigit()]) == 2
