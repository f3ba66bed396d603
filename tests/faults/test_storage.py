"""Disks, users, other processes and clocks in the way of a run."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.runs import environment, start
from faults.commands import Commands, Ended
from faults.homes import COMPARE, GENERATE, RING, copy, only
from faults.ledger import Fault, Ledger
from faults.whole import damaged, differences, fingerprint

ROOT = os.geteuid() == 0

GOES_ON = (
    "one sentence and exit code 6; what was there is whole; with room it ends bit for bit as "
    "the undisturbed command"
)
FULL = Fault("a disk that fills up (tmpfs of a random size)", GOES_ON, 3, 20)
LIMITED = Fault("a file that may not grow (RLIMIT_FSIZE)", GOES_ON, 3, 20)
READ_ONLY = Fault(
    "a folder that may not be written to",
    "one sentence and exit code 6; data are read all the same, and a cache is done without",
    5, 10,
)  # fmt: skip
LOCKED = Fault(
    "a second process on the folder of a run",
    "it ends with one sentence and exit code 6; the first one ends as if undisturbed",
    1, 3,
)  # fmt: skip
CROWDED = Fault(
    "eight processes that make runs in one folder at once", "each has a folder of its own, whole",
    1, 5,
)  # fmt: skip
CHANGING = Fault(
    "images that are removed or spoilt while a run reads them",
    "cached ones do not matter; else one sentence, exit code 3, and with the images back the "
    "run ends bit for bit as the undisturbed one",
    3, 9,
)  # fmt: skip
WORKER = Fault(
    "SIGKILL of a worker of `ganloss compare`", "its job is done again, with the same result", 1, 4
)
RANK = Fault(
    "SIGKILL of one of two processes of a run",
    "the other says so and ends with exit code 6; resumed, the run ends bit for bit as the "
    "uninterrupted one",
    0, 2,
)  # fmt: skip
CLOCK = Fault(
    "a clock that goes backwards, at every look and between two runs",
    "the run ends bit for bit as with a good clock; no time is negative", 2, 4,
)  # fmt: skip

#: Commands that write, beside training; each with the exit codes of a full disk.
OTHERS: Sequence[Sequence[str]] = (
    ("sample", "made.run", "--seeds", "0-3"),
    ("translate", "paired.run", "photos", "--overwrite"),
    ("evaluate", "photos", "made.run", "--json", "scores.json"),
    ("data", "check", "photos"),
    ("report", "compared.run"),
)
TRAIN = (*GENERATE, "--resume")


def command(number: int) -> Sequence[str]:
    """Every other try is training."""
    return TRAIN if number % 2 == 0 else OTHERS[number // 2 % len(OTHERS)]


class Calm:
    """What undisturbed commands make, each found once."""

    def __init__(self, template: Path, folder: Path, commands: Commands) -> None:
        self._template, self._folder, self._commands = template, folder, commands
        self._found: dict[tuple[str, ...], dict[str, Any]] = {}

    def __call__(self, words: Sequence[str]) -> dict[str, Any]:
        key = tuple(words)
        if key not in self._found:
            home = self._folder / "calm"
            copy(self._template, home)
            ended = self._commands(*words, cwd=home)
            assert not ended.fault((0,)), ended.fault((0,))
            self._found[key] = fingerprint(home)
            shutil.rmtree(home)
        return self._found[key]


@pytest.fixture
def calm(template: Path, folder: Path, commands: Commands) -> Calm:
    return Calm(template, folder, commands)


def go_on(home: Path, words: Sequence[str], commands: Commands, wanted: dict[str, Any]) -> str:
    """Run a command again, now undisturbed; what is lost."""
    ended = commands(*words, cwd=home)
    return ended.fault((0,)) or differences(fingerprint(home), wanted)


def what_is_missing(ended: Ended, home: Path, wanted: dict[str, Any]) -> str:
    """A command that says all is well has written everything."""
    return differences(fingerprint(home), wanted) if ended.code == 0 else ""


@contextmanager
def small_disk(home: Path, kilobytes: int) -> Iterator[None]:
    options = f"size={kilobytes}k,mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(home)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)


def can_mount() -> bool:
    """Root in a container may be kept from mounting."""
    if not ROOT or shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        words = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", folder]
        return subprocess.run(words, capture_output=True).returncode == 0


def used_kilobytes(folder: Path) -> int:
    """Room that files take on a tmpfs, in pages."""
    return sum(4 * (-(-p.lstat().st_size // 4096) + 1) for p in folder.rglob("*")) + 64


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not can_mount(), reason="a small disk can be mounted by root only")
def test_a_full_disk(
    template: Path, folder: Path, commands: Commands, ledger: Ledger, calm: Calm
) -> None:
    home = folder / "disk"
    home.mkdir()
    for number in ledger.left(FULL):
        words, rng = command(number), FULL.random(number)
        wanted = calm(words)
        room = int(10 ** rng.uniform(0, 3.7))
        with small_disk(home, used_kilobytes(template) + room):
            copy(template, home)
            ended = commands(*words, cwd=home)
            lost = ended.fault((0, 6)) or "; ".join(damaged(home))
            lost = lost or what_is_missing(ended, home, wanted)
            subprocess.run(["mount", "-o", "remount,size=200m", str(home)], check=True)
            lost = lost or go_on(home, words, commands, wanted)
        ledger.note(FULL, number, lost and f"{room} kB left, {' '.join(words[:2])}: {lost}")
    assert not ledger.lost(FULL)


@pytest.mark.timeout(3600)
def test_a_limit_on_the_size_of_files(
    template: Path, folder: Path, commands: Commands, ledger: Ledger, calm: Calm
) -> None:
    for number in ledger.left(LIMITED):
        words, rng, home = command(number), LIMITED.random(number), folder / "home"
        wanted = calm(words)
        copy(template, home)
        limit = int(10 ** rng.uniform(0.0, 6.5))
        ended = commands(*words, cwd=home, bytes=limit)
        # What is said goes to a file as well, which may not grow: sentences are not looked at.
        lost = "" if ended.code in (0, 6) else ended.fault((0, 6))
        lost = lost or "; ".join(damaged(home)) or what_is_missing(ended, home, wanted)
        lost = lost or go_on(home, words, commands, wanted)
        ledger.note(LIMITED, number, lost and f"{limit} bytes, {' '.join(words[:2])}: {lost}")
        shutil.rmtree(home)
    assert not ledger.lost(LIMITED)


@pytest.mark.timeout(3600)
def test_a_read_only_folder(
    template: Path, folder: Path, commands: Commands, ledger: Ledger
) -> None:
    for number in ledger.left(READ_ONLY):
        words, home = (TRAIN, *OTHERS)[number % 6], folder / "home"
        copy(template, home)
        for path in (home, *home.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        before = fingerprint(home)
        ended = commands(*words, cwd=home, powerless=True)
        lost = ended.fault((6,)) or differences(fingerprint(home), before)
        if not lost and words[0] == "train":
            # Only the folder of results may be written to: that is enough.
            (folder / "out").mkdir()
            (folder / "out").chmod(0o777)
            ended = commands(*words, "--out", str(folder / "out"), cwd=home,
                             allowed=(folder,), powerless=True)  # fmt: skip
            lost = ended.fault((0,)) or differences(fingerprint(home), before)
            shutil.rmtree(folder / "out")
        ledger.note(READ_ONLY, number, lost and f"{' '.join(words[:2])}: {lost}")
        for path in (home, *home.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        shutil.rmtree(home)
    assert not ledger.lost(READ_ONLY)


def wait_for(condition: Callable[[], object], seconds: float = 90) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.mark.timeout(3600)
def test_two_processes_on_one_run(folder: Path, commands: Commands, ledger: Ledger) -> None:
    words = (*RING[:-6], "--steps", "200", "--snap", "10", "--threads", "1")
    wanted: dict[str, Any] = {}
    for number in ledger.left(LOCKED):
        if not wanted:
            (folder / "calm").mkdir()
            assert commands(*words, cwd=folder / "calm").code == 0
            wanted = fingerprint(folder / "calm")
        home = folder / f"home{number}"
        home.mkdir()
        first = start(*words, cwd=home)
        wait_for(lambda home=home: list(home.glob("runs/*/checkpoints/last.pt")))
        second = commands("train", "generate", "--resume", f"runs/{only(home / 'runs').name}",
                          cwd=home)  # fmt: skip
        met = first.poll() is None
        lost = second.fault((6,)) if met else ""
        if not lost and met and "another process is training" not in second.err:
            lost = second.err
        if first.wait(timeout=280) != 0 or not lost:
            lost = lost or differences(fingerprint(home), wanted)
        ledger.note(LOCKED, number, lost, times=int(met))
    assert not ledger.lost(LOCKED)


CROWD = """
import os, sys
from pathlib import Path
from ganloss.runs.folder import create
from ganloss.runs.settings import GenerateSettings
children = []
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        for _ in range(5):
            create(GenerateSettings(data="demo:ring", out=sys.argv[1]), "ring")
        os._exit(0)
    children.append(pid)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
"""


def test_many_runs_that_begin_at_once(tmp_path: Path, ledger: Ledger) -> None:
    for number in ledger.left(CROWDED):
        out = tmp_path / str(number)
        done = subprocess.run([sys.executable, "-c", CROWD, str(out)], env=environment())
        names = sorted(path.name for path in out.iterdir())
        lost = "" if done.returncode == 0 else f"exit code {done.returncode}"
        if [int(name[:5]) for name in names if name[0] != "."] != list(range(40)):
            lost = f"folders {names}"
        lost = lost or "; ".join(damaged(out))
        ledger.note(CROWDED, number, lost)
    assert not ledger.lost(CROWDED)


#: Wait for the first checkpoint, then spoil some of the images.
SPOILER = """
import threading, time
from pathlib import Path
def spoil():
    while not list(Path("runs").glob("*/checkpoints/last.pt")):
        time.sleep(0.001)
    time.sleep({wait})
    for path in sorted(Path("photos").iterdir())[{first}::3]:
        path.write_bytes(b"spoilt") if {overwrite} else path.unlink()
threading.Thread(target=spoil, daemon=True).start()
"""


@pytest.mark.timeout(3600)
def test_images_that_change_while_they_are_read(
    template: Path, folder: Path, commands: Commands, ledger: Ledger, calm: Calm
) -> None:
    for number in ledger.left(CHANGING):
        rng, home = CHANGING.random(number), folder / "home"
        keep = ("off", "disk", "ram")[number % 3]
        words = (*TRAIN, "--cache", keep)
        wanted = calm(words)
        copy(template, home)
        spoiler = SPOILER.format(
            wait=rng.uniform(0, 0.1), first=rng.randrange(3), overwrite=rng.random() < 0.5
        )
        ended = commands(*words, cwd=home, before=spoiler)
        lost = ended.fault((0, 3) if keep == "off" else (0,)) or "; ".join(damaged(home / "runs"))
        shutil.rmtree(home / "photos")
        shutil.copytree(template / "photos", home / "photos")
        lost = lost or go_on(home, words, commands, wanted)
        ledger.note(CHANGING, number, lost and f"--cache {keep}: {lost}")
        shutil.rmtree(home)
    assert not ledger.lost(CHANGING)


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()[1:]]
    return [child for child, parent in pairs if parent == pid]


def rows_of(home: Path) -> list[tuple[Any, ...]]:
    from ganloss.lab.results import Comparison

    rows = Comparison(only(home / "runs"))
    return sorted((r["job"], r["state"], r["score"], r["steps"]) for r in rows)


@pytest.mark.timeout(3600)
def test_a_worker_of_a_comparison_is_killed(
    folder: Path, commands: Commands, ledger: Ledger
) -> None:
    words = COMPARE
    wanted: list[tuple[Any, ...]] = []
    for number in ledger.left(WORKER):
        rng = WORKER.random(number)
        if not wanted:
            (folder / "calm").mkdir()
            assert commands(*words, cwd=folder / "calm").code == 0
            wanted = rows_of(folder / "calm")
        home = folder / f"home{number}"
        home.mkdir()
        process = start(*words, cwd=home)
        wait_for(lambda process=process: len(children_of(process.pid)) == 2)
        if number % 2:
            wait_for(lambda home=home: list(home.glob("runs/*/runs/*/checkpoints/last.pt")))
        victims = children_of(process.pid)
        if victims:
            os.kill(rng.choice(victims), 9)
        code = process.wait(timeout=280)
        lost = f"exit code {code}" if code else ""
        if not lost and rows_of(home) != wanted:
            lost = f"{rows_of(home)} instead of {wanted}"
        ledger.note(WORKER, number, lost, times=len(victims[:1]))
    assert not ledger.lost(WORKER)


@pytest.mark.timeout(3600)
def test_a_rank_is_killed(folder: Path, ledger: Ledger) -> None:
    words = (*RING[:-6], "--steps", "120", "--snap", "10", "--threads", "1", "--devices", "2")
    wanted: dict[str, Any] = {}
    for number in ledger.left(RANK):
        if not wanted:
            (folder / "calm").mkdir()
            assert start(*words, cwd=folder / "calm").wait(timeout=280) == 0
            wanted = fingerprint(folder / "calm")
        home, rng = folder / f"home{number}", RANK.random(number)
        home.mkdir()
        process = start(*words, cwd=home)
        wait_for(lambda home=home: list(home.glob("runs/*/checkpoints/last.pt")))
        time.sleep(rng.uniform(0, 0.5))
        victims = children_of(process.pid)
        for victim in victims:
            os.kill(victim, 9)
        code = process.wait(timeout=280)
        lost = "" if code in (0, 6) else f"exit code {code}"
        again = start(*words, "--resume", cwd=home).wait(timeout=280)
        lost = lost or (f"resumed, exit code {again}" if again else "")
        lost = lost or differences(fingerprint(home), wanted)
        ledger.note(RANK, number, lost, times=int(code == 6))
    assert not ledger.lost(RANK)


#: The time of day goes back an hour at every look; what is measured monotonically does not.
BACKWARDS = """
import datetime, time
import ganloss.runs.folder as folder
now, looks = time.time, []
def back():
    looks.append(1)
    return now() - 3600.0 * len(looks)
time.time = back
class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(back(), tz)
folder.datetime = Clock
"""


@pytest.mark.timeout(3600)
def test_a_clock_that_goes_backwards(
    template: Path, folder: Path, commands: Commands, ledger: Ledger, calm: Calm
) -> None:
    for number in ledger.left(CLOCK):
        rng, home = CLOCK.random(number), folder / "home"
        wanted = calm(TRAIN)
        copy(template, home)
        tomorrow = time.time() + 86400 * rng.uniform(0, 1000)
        if number % 2:  # killed, and gone on with on an earlier day
            commands(*TRAIN, cwd=home, event=rng.randint(60, 160))
            for path in home.rglob("*"):
                os.utime(path, (tomorrow, tomorrow)) if "photos" not in path.parts else None
        ended = commands(*TRAIN, cwd=home, before=BACKWARDS)
        lost = ended.fault((0,)) or differences(fingerprint(home), wanted)
        times = [row["seconds"] for row in rows(home)]
        lost = lost or ("times go backwards" if times != sorted(times) or times[0] < 0 else "")
        ledger.note(CLOCK, number, lost)
        shutil.rmtree(home)
    assert not ledger.lost(CLOCK)


def rows(home: Path) -> list[dict[str, Any]]:
    import json

    text = (only(home / "runs") / "metrics.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]
