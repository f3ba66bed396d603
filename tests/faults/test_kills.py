"""SIGKILL at any moment, in every command that writes: what was finished is whole, and goes on.

Three ways to die: at a moment in time, before a change on disk (opening, renaming, removing …),
and in the middle of writing a file, by the system's limit on its size.
"""

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from faults.commands import Commands, Ended
from faults.homes import COMPARE, GENERATE, PAIRED, RING, UNPAIRED, copy, step_of
from faults.ledger import Fault, Ledger
from faults.whole import damaged, differences, fingerprint

WHOLE = "each file is whole or not there; doing it again gives what an undisturbed command gives"
RESUMES = (
    "no file is half-written, no checkpoint goes back, and the resumed run ends bit for bit as "
    "the uninterrupted one"
)
#: Most kills of one run before it may end.
MOST_KILLS = 4

#: A file that is downloaded from a folder: no network is needed to be killed at it.
SERVED = """
from dataclasses import replace
from pathlib import Path
from ganloss import _weights
served = next(Path("served").iterdir())
found = replace(_weights.WEIGHTS["inception"], url=served.resolve().as_uri())
_weights.WEIGHTS["inception"] = found
"""


@dataclass(frozen=True)
class Case:
    """A command that writes.

    Args:
        words: the command.
        again: the words to go on with after a kill, knowing the folder; by default the same.
        resumes: whether it goes on from a checkpoint.
        short, long: kills.
        before: Python to run first.
    """

    words: Sequence[str]
    short: int
    long: int
    again: Callable[[Path], Sequence[str]] | None = None
    resumes: bool = False
    before: str = ""

    def next(self, home: Path) -> Sequence[str]:
        return self.words if self.again is None else self.again(home)


def _demo_again(home: Path) -> Sequence[str]:
    """A demo makes a new run; what it began is gone on with by `train --resume`."""
    runs = sorted((home / "runs").glob("0*")) if (home / "runs").exists() else []
    resume = ("train", "generate", "--resume")
    return (*resume, f"runs/{runs[0].name}") if runs else CASES["demo"].words


CASES = {
    "train generate": Case((*GENERATE, "--resume"), 6, 40, resumes=True),
    "train generate, points": Case((*RING, "--resume"), 4, 32, resumes=True),
    "train paired": Case((*PAIRED, "--resume"), 4, 24, resumes=True),
    "train unpaired": Case((*UNPAIRED, "--resume"), 4, 24, resumes=True),
    "demo": Case(("demo", "ring", "--steps", "12"), 4, 24, _demo_again, resumes=True),
    "compare": Case((*COMPARE, "--resume"), 2, 12, resumes=True),
    "report": Case(("report", "compared.run"), 2, 12),
    "sample": Case(("sample", "made.run", "--seeds", "0-7", "--walk"), 2, 12),
    "translate": Case(("translate", "paired.run", "photos", "--overwrite"), 2, 12),
    "evaluate": Case(("evaluate", "photos", "made.run", "--json", "scores.json"), 1, 8),
    "data check": Case(("data", "check", "photos"), 2, 12),
    "weights fetch": Case(("weights", "fetch", "inception"), 2, 12, before=SERVED),
}


def fault_of(name: str) -> Fault:
    case = CASES[name]
    promise = RESUMES if case.resumes else WHOLE
    return Fault(f"SIGKILL in `ganloss {name}`", promise, case.short, case.long)


@dataclass
class Home:
    """A folder with everything a command needs, and what an undisturbed one makes of it."""

    folder: Path
    template: Path
    case: Case
    commands: Commands

    def fresh(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        copy(self.template, self.folder)

    def run(self, words: Sequence[str], **how: Any) -> Ended:
        env = {"TORCH_HOME": str(self.folder / "torch")}
        return self.commands(*words, cwd=self.folder, env=env, before=self.case.before, **how)

    def calm(self) -> tuple[Ended, dict[str, Any]]:
        self.fresh()
        ended = self.run(self.case.words)
        assert ended.code == 0, ended.err
        assert not damaged(self.folder)
        return ended, fingerprint(self.folder)


def deaths(rng: random.Random, calm: Ended) -> Iterator[dict[str, Any]]:
    """Ways to die, one after the other."""
    while True:
        kind = rng.choice(("moment", "change", "change", "size"))
        if kind == "moment":
            yield {"after": rng.uniform(0.0, calm.seconds)}
        elif kind == "change":
            yield {"event": rng.randint(1, calm.changes)}
        else:
            yield {"bytes": int(10 ** rng.uniform(0, 6)), "deadly": True}


def kill_and_go_on(
    home: Home, rng: random.Random, calm: Ended, wanted: dict[str, Any]
) -> tuple[int, str]:
    """Kill a command some times, let it end, and say how often it died and what was lost."""
    home.fresh()
    kills, most, step = 0, rng.randint(1, MOST_KILLS), -1
    for death in deaths(rng, calm):
        if kills == most:
            break
        ended = home.run(home.case.next(home.folder), **death)
        kills += ended.killed
        if not ended.killed:  # it ended before
            if ended.fault((0,)):
                return kills, ended.fault((0,))
            break
        if broken := damaged(home.folder):
            return kills, f"after {death}: {'; '.join(broken)}"
        if step_of(home.folder) < step:
            return kills, f"after {death}: the checkpoint of step {step} is gone"
        step = step_of(home.folder)
    ended = home.run(home.case.next(home.folder))
    lost = ended.fault((0,)) or differences(fingerprint(home.folder), wanted)
    return kills, lost


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CASES)
def test_killed_at_any_moment(
    name: str, tmp_path: Path, template: Path, commands: Commands, ledger: Ledger
) -> None:
    fault, case = fault_of(name), CASES[name]
    home = Home(tmp_path / "home", template, case, commands)
    kills = sum(row["times"] for row in ledger.rows() if row["fault"] == fault.name)
    if kills < fault.tries:
        calm, wanted = home.calm()
        number = 1 + max(
            (r["number"] for r in ledger.rows() if r["fault"] == fault.name), default=-1
        )
        while kills < fault.tries:
            times, lost = kill_and_go_on(home, fault.random(number), calm, wanted)
            ledger.note(fault, number, lost, times)
            kills, number = kills + times, number + 1
    assert not ledger.lost(fault)


def test_commands_that_only_speak_write_nothing(tmp_path: Path, commands: Commands) -> None:
    (tmp_path / "own.py").write_text("def loss(x, y):\n    return ((x - y) ** 2).mean()\n")
    for words in (
        ("losses",), ("losses", "show", "hinge"), ("check", "own.py:loss", "--as", "mse"),
        ("doctor",), ("weights",), ("--help",), ("train", "generate", "--help"),
        ("train", "generate", "--data", "demo:ring", "--steps", "3", "-n"),
    ):  # fmt: skip
        ended = commands(*words, cwd=tmp_path)
        assert ended.code in (0, 1), ended.err  # 1: a loss of one's own that fails a check
        assert ended.outside == []
        assert [path.name for path in tmp_path.iterdir()] == ["own.py"], words
