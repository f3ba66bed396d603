"""The same command under torchrun: one folder, one voice, the numbers of one process."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from cli.runs import COMMAND, environment, only_run, run, run_in_two_processes
from ganloss.runs.folder import RunFolder

WORDS = ("train", "generate", "--data", "demo:digits", "--loss", "wgan-gp", "--steps", "12")


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    alone = run(*WORDS, "--out", "one", cwd=tmp_path)
    together = run_in_two_processes(*WORDS, "--out", "two", cwd=tmp_path)
    assert alone.returncode == together.returncode == 0, together.stderr
    assert together.stdout.count("fd-digits@897") == alone.stdout.count("fd-digits@897")
    one, two = (RunFolder(only_run(tmp_path / name)).rows() for name in ("one", "two"))
    assert [row["step"] for row in one] == [row["step"] for row in two]
    for a, b in zip(one[1:], two[1:], strict=True):
        for player in ("d", "g"):
            # fp32: sums over halves of a batch round differently.
            assert b[player] == pytest.approx(a[player], rel=1e-3, abs=1e-4)
        assert b["scores"] == pytest.approx(a["scores"], rel=1e-3, abs=1e-4)


@pytest.mark.long
def test_two_processes_lose_patience_at_the_same_step(tmp_path: Path) -> None:
    """A generator that does not move gives the same samples, which never score better."""
    still = ("--g-lr", "1e-12", "--snap", "2", "--patience", "2", "--accumulate", "4")
    done = run_in_two_processes(*WORDS, *still, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    sentence = "stopped early at step 4: no score of the last 2 was better than"
    assert done.stdout.count(sentence) == 1
    folder = RunFolder(only_run(tmp_path / "runs"))
    assert folder.rows()[-1]["step"] == 4
    assert "step 0 reached" in folder.log.read_text(encoding="utf-8")


SHORT = (*WORDS[:-2], "--metrics", "none", "--steps", "4", "--snap", "2", "--device", "cpu")


def commands(
    tmp_path: Path, environments: list[dict[str, str]], *words: str, folders: bool = False
) -> list[tuple[int, str, str]]:
    """Give the same command with each of these environments, at once; exit codes and words.

    With ``folders`` each is given in a folder of its own, named by its number.
    """
    started = [
        subprocess.Popen(
            [*COMMAND, *words], cwd=tmp_path / str(i) if folders else tmp_path,
            env=environment() | more, text=True, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for i, more in enumerate(environments)
    ]  # fmt: skip
    said = [process.communicate(timeout=280) for process in started]
    return [(p.returncode, *texts) for p, texts in zip(started, said, strict=True)]


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


@pytest.mark.long
def test_two_tasks_of_srun_are_one_run(tmp_path: Path) -> None:
    """As srun sets them; the machines, with one task each, are both this one."""
    common = {
        "SLURM_JOB_ID": "42", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_NNODES": "2",
        "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_TASKS_PER_NODE": "1(x2)", "SLURM_LOCALID": "0",
        "SLURM_TASKS_PER_NODE": "1(x2)", "SLURM_STEP_NODELIST": "localhost,127.0.0.1",
        "MASTER_PORT": free_port(),
    }  # fmt: skip
    tasks = [common | {"SLURM_PROCID": str(i), "SLURM_NODEID": str(i)} for i in range(2)]
    (code, said, errors), (other, silent, _) = commands(tmp_path, tasks, *SHORT)
    assert code == other == 0, errors
    status = json.loads((only_run(tmp_path / "runs") / "status.json").read_text("utf-8"))
    assert status["state"] == "finished"
    assert "2 process" in status["facts"]["Device"]
    assert "demo:digits" in said and silent == ""


@pytest.mark.long
def test_an_allocation_without_srun_does_not_wait_for_tasks(tmp_path: Path) -> None:
    salloc = {"SLURM_JOB_ID": "42", "SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "4",
              "SLURM_TASKS_PER_NODE": "4", "SLURM_JOB_NAME": "train"}  # fmt: skip
    ((code, _, errors),) = commands(tmp_path, [salloc], *SHORT, "--devices", "2")
    assert code == 0, errors
    assert "Device" in (folder := only_run(tmp_path / "runs")).joinpath("status.json").read_text()
    assert json.loads((folder / "env.json").read_text())["launch"] == "slurm 42"


@pytest.mark.long
def test_the_same_command_on_two_machines(tmp_path: Path) -> None:
    """Without torchrun and SLURM: --num-nodes, and where to meet."""
    found = commands(tmp_path, two_machines(), *SHORT, "--num-nodes", "2")
    assert [code for code, *_ in found] == [0, 0], found
    only_run(tmp_path / "runs")


def two_machines() -> list[dict[str, str]]:
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    return [meet | {"NODE_RANK": str(i)} for i in range(2)]


@pytest.mark.long
def test_data_that_one_machine_does_not_see_stop_both(tmp_path: Path) -> None:
    """Before the first step: the folder was not mounted there."""
    for i in range(2):
        (tmp_path / str(i)).mkdir()
    (tmp_path / "0" / "photos").mkdir()
    for i in range(8):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / "0" / "photos" / f"{i}.png")
    words = ("train", "generate", "--data", "photos", "--steps", "4", "--batch-size", "4",
             "--metrics", "none", "--device", "cpu", "--num-nodes", "2")  # fmt: skip
    first, second = commands(tmp_path, two_machines(), *words, folders=True)
    assert second[0] == 3 and "photos" in second[2], second
    assert first[0] == 6 and "another process of this run has stopped" in first[2], first
    assert "Traceback" not in first[2] + second[2]


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a shell with ulimit")
def test_a_disk_the_first_process_cannot_write_to_stops_both(tmp_path: Path) -> None:
    """Files may have half a MiB here, and a checkpoint has more."""
    command = shlex.join([*COMMAND, *SHORT, "--devices", "2"])
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 1024; exec {command}"], cwd=tmp_path, env=environment(),
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    assert "could not be written" in done.stderr
    assert "another process of this run has stopped" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_a_run_that_diverges_stops_all(tmp_path: Path) -> None:
    found = commands(tmp_path, two_machines(), *SHORT, "--lr", "1e30", "--num-nodes", "2")
    assert [code for code, *_ in found] == [5, 5], found
    assert all("diverged" in said for *_, said in found)


def children(pid: int) -> list[int]:
    """Processes started by this one, as Linux tells."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(word) for word in listed.split()]


@pytest.mark.long
@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs Linux's /proc")
def test_a_killed_process_stops_the_other_and_one_process_goes_on_alike(tmp_path: Path) -> None:
    """Randomness does not depend on how many there are, so the trajectory is the same."""
    words = ("train", "generate", "--data", "demo:digits", "--loss", "ns", "--metrics", "none",
             "--steps", "1000", "--snap", "50", "--device", "cpu")  # fmt: skip
    main = subprocess.Popen(
        [*COMMAND, *words, "--devices", "2", "--out", "two"],
        cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, encoding="utf-8",
    )  # fmt: skip
    deadline = time.monotonic() + 200
    while not (found := list(tmp_path.glob("two/*/metrics.jsonl"))) or (
        len(RunFolder(found[0].parent).rows()) < 4
    ):
        assert main.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    other = max(children(main.pid))
    killed = time.monotonic()
    os.kill(other, signal.SIGKILL)
    _, said = main.communicate(timeout=60)
    assert time.monotonic() - killed < 60
    assert main.returncode == 6
    assert "another process of this run has stopped" in said
    assert "Traceback" not in said
    folder = only_run(tmp_path / "two")
    reached = RunFolder(folder).rows()[-1]["step"]
    steps = str(50 * (reached // 50 + 1))
    done = run("train", "generate", "--resume", str(folder), "--steps", steps, "--devices", "1",
               cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    alone = run(*words[:-6], "--steps", steps, "--snap", "50", "--device", "cpu", "--out", "one",
                cwd=tmp_path)  # fmt: skip
    assert alone.returncode == 0, alone.stderr
    ours, whole = (RunFolder(p).rows()[-1] for p in (folder, only_run(tmp_path / "one")))
    assert ours["step"] == whole["step"] == int(steps)
    for player in ("d", "g"):
        assert ours[player] == pytest.approx(whole[player], rel=0.02, abs=0.01)
    assert re.search(r"resumed after step \d+", RunFolder(folder).log.read_text(encoding="utf-8"))
