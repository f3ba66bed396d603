"""The suite is tried: faults put into copies of the package are caught, one by one."""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import pytest

import ganloss
from faults.commands import Commands
from faults.homes import GENERATE, gradients, only
from faults.test_kills import Case, Home, kill_and_go_on
from faults.test_storage import what_is_missing
from faults.whole import damaged, fingerprint

HOSTILE = "<img src=x onerror=alert(1)>"
TRAIN = (*GENERATE, "--resume")

#: File of the package, what stands there, and the fault that is put in its place.
NOT_ATOMIC = (
    "engine/checkpoint.py",
    'handle, temporary = tempfile.mkstemp(PART, f".{path.name}-", path.parent)',
    "handle, temporary = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), str(path)",
)
SWALLOWED = (
    "engine/checkpoint.py",
    '        raise StorageError(\n            f"{path} could not be written ({error}); free some',
    '        return\n        raise StorageError(\n            f"{path} ({error}); free some',
)
NOT_ESCAPED = ("runs/page.py", "autoescape=True", "autoescape=False")


@contextmanager
def faulty(fault: tuple[str, str, str], folder: Path) -> Iterator[Commands]:
    """The commands of a copy of the package with a fault in it."""
    file, right, wrong = fault
    source = Path(ganloss.__file__).parent
    shutil.copytree(source, folder / "src" / "ganloss",
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    path = folder / "src" / "ganloss" / file
    text = path.read_text("utf-8")
    assert text.count(right) == 1, f"{file} has changed: this control puts its fault nowhere"
    path.write_text(text.replace(right, wrong), "utf-8")
    (folder / "scratch").mkdir()
    commands = Commands(folder / "scratch", folder / "src")
    assert commands.package == folder / "src" / "ganloss"
    yield commands
    commands.close()


@pytest.fixture
def template(tmp_path: Path) -> Path:
    gradients(tmp_path / "template" / "photos", 24)
    return tmp_path / "template"


def test_a_write_that_is_not_atomic_is_caught(tmp_path: Path, template: Path) -> None:
    with faulty(NOT_ATOMIC, tmp_path) as commands:
        home = Home(tmp_path / "home", template, Case(TRAIN, 1, 1, resumes=True), commands)
        calm, wanted = home.calm()
        found = [kill_and_go_on(home, random.Random(n), calm, wanted)[1] for n in (1, 2)]
    assert any(found)


def test_an_error_that_is_swallowed_is_caught(
    tmp_path: Path, template: Path, commands: Commands
) -> None:
    shutil.copytree(template, tmp_path / "calm")
    assert commands(*TRAIN, cwd=tmp_path / "calm").code == 0
    wanted = fingerprint(tmp_path / "calm")
    with faulty(SWALLOWED, tmp_path) as bad:
        shutil.copytree(template, tmp_path / "home")
        ended = bad(*TRAIN, cwd=tmp_path / "home", bytes=20_000)
        assert not damaged(tmp_path / "home")
        lost = "" if ended.code == 6 else ended.fault((0, 6))
        lost = lost or what_is_missing(ended, tmp_path / "home", wanted)
    assert lost


class Marks(HTMLParser):
    """Elements of a page that only a name can have brought there."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if any(name.startswith("on") for name, _ in attrs):
            self.found.append(tag)


def marks_of(commands: Commands, home: Path) -> list[str]:
    """What a hostile folder name brings into the page of a run."""
    gradients(home / HOSTILE, 8)
    words = ("train", "generate", "--data", HOSTILE, "--loss", "ns", "--image-size", "8",
             "--batch-size", "4", "--steps", "1", "--metrics", "none")  # fmt: skip
    ended = commands(*words, cwd=home)
    assert ended.code == 0, ended.err
    marks = Marks()
    marks.feed((only(home / "runs") / "index.html").read_text("utf-8"))
    return marks.found


def test_a_name_that_is_not_escaped_is_caught(tmp_path: Path, commands: Commands) -> None:
    assert marks_of(commands, tmp_path / "good") == []
    with faulty(NOT_ESCAPED, tmp_path) as bad:
        assert "img" in marks_of(bad, tmp_path / "bad")
