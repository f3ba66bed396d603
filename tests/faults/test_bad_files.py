"""Bad images, archives, configurations, checkpoints and reports: a sentence, never a traceback."""

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from faults.bad_archives import bad_archive
from faults.bad_images import bad_image, stuck
from faults.bad_texts import bad_checkpoint, bad_json, bad_lines, bad_yaml, spoil_text
from faults.commands import Commands, Ended
from faults.homes import copy, gradients
from faults.ledger import Fault, Ledger

SAYS = (
    "an exit code of its own and one sentence, or it is skipped and named, or read; no traceback, "
    "nothing run, nothing written outside"
)
IMAGES = Fault("a bad image among good ones", SAYS, 60, 400)
ARCHIVES = Fault("a bad zip", SAYS, 16, 110)
ALONE = Fault("a bad image alone", SAYS, 14, 100)

TRAIN = ("train", "generate", "--image-size", "8", "--steps", "1", "--metrics", "none", "--loss",
         "ns", "--batch-size", "4", "--cache", "ram", "--threads", "1", "--data")  # fmt: skip
#: What reads a folder or archive ``bad``.
READERS: Sequence[Sequence[str]] = (
    ("data", "check", "bad"),
    ("data", "check", "bad"),
    (*TRAIN, "bad"),
    ("evaluate", "bad", "bad", "--pairs", "--no-self-test"),
)


def lost_by(ended: Ended, home: Path, codes: Sequence[int] = (0, 2, 3, 4, 6, 7)) -> str:
    """What is wrong with how it ended and what it left."""
    left = [p for name in ("ran", "outside*") for p in (*home.glob(name), *home.parent.glob(name))]
    if left:
        return f"it made {left[0]}"
    return ended.fault(codes) or (f"it started {ended.started}" if ended.started else "")


@pytest.mark.timeout(3600)
def test_bad_images_among_good_ones(folder: Path, commands: Commands, ledger: Ledger) -> None:
    home = folder / "home"
    gradients(home / "bad", 24)
    for number in ledger.left(IMAGES):
        rng = IMAGES.random(number)
        what, suffix, data = bad_image(number, rng)
        path = home / "bad" / f"x.{suffix}"
        if number % 20 == 19:
            what = stuck(path, rng)
        else:
            path.write_bytes(data)
        words = READERS[(number // 60 + number) % len(READERS)]
        ended = commands(*words, cwd=home, limit=60)
        pairs = words[0] == "evaluate"  # one of few pairs is more than can be skipped
        lost = lost_by(ended, home, (0, 3) if pairs else (0,))
        ledger.note(IMAGES, number, lost and f"{what}, {words[0]}: {lost}")
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(home / "runs", ignore_errors=True)
    assert not ledger.lost(IMAGES)


@pytest.mark.timeout(3600)
def test_bad_images_alone(template: Path, folder: Path, commands: Commands, ledger: Ledger) -> None:
    home = folder / "home"
    copy(template / "paired.run", home / "paired.run")
    for number in ledger.left(ALONE):
        what, suffix, data = bad_image(number, ALONE.random(number))
        path = home / f"x.{suffix}"
        path.write_bytes(data)
        ended = commands("translate", "paired.run", path.name, "--overwrite", "--out", "t",
                         cwd=home, limit=60)  # fmt: skip
        ledger.note(ALONE, number, (lost := lost_by(ended, home, (0, 3))) and f"{what}: {lost}")
        path.unlink()
    assert not ledger.lost(ALONE)


@pytest.mark.timeout(3600)
def test_bad_archives(folder: Path, commands: Commands, ledger: Ledger) -> None:
    home = folder / "home"
    home.mkdir()
    for number in ledger.left(ARCHIVES):
        rng = ARCHIVES.random(number)
        what, data = bad_archive(number, rng)
        (home / "bad.zip").write_bytes(data)
        words = (
            ("data", "check", "bad.zip"),
            (*TRAIN, "bad.zip", *(("--cond",) if "labels" in what else ())),
        )[number % 2]
        ended = commands(*words, cwd=home, limit=60)
        ledger.note(ARCHIVES, number, (lost := lost_by(ended, home)) and f"{what}: {lost}")
        shutil.rmtree(home / "runs", ignore_errors=True)
    assert not ledger.lost(ARCHIVES)


@dataclass(frozen=True)
class Text:
    """A file that people and programs write, and what reads it.

    Args:
        file: its path in a home.
        words: the command that reads it.
        how: makes it bad: text, or bytes where it is a checkpoint.
        short, long: tries.
    """

    file: str
    words: Sequence[str]
    how: Callable[[str, random.Random], str] | None
    short: int
    long: int


RESUME = ("train", "generate", "--resume", "made.run", "--steps", "13")
TEXTS: Mapping[str, Text] = {
    "configuration (`--config`)": Text(
        "made.run/config.yaml", ("train", "generate", "--config", "made.run/config.yaml", "-n"),
        bad_yaml, 6, 60,
    ),
    "config.yaml of a run": Text("made.run/config.yaml", RESUME, bad_yaml, 6, 60),
    "checkpoint": Text("made.run/checkpoints/last.pt", RESUME, None, 10, 90),
    "metrics.jsonl of a run": Text("made.run/metrics.jsonl", RESUME, bad_lines, 6, 60),
    "status.json of a run": Text(
        "made.run/status.json", ("train", "generate", "--resume", "made.run"), bad_json, 5, 40
    ),
    "description of a generator": Text(
        "made.run/export/config.json", ("sample", "made.run", "--seeds", "0-1"), bad_json, 6, 50
    ),
    "weights of a generator": Text(
        "made.run/export/generator.safetensors", ("sample", "made.run", "--seeds", "0-1"), None,
        3, 25,
    ),
    "plan of a comparison": Text("compared.run/plan.yaml", ("report", "compared.run"), bad_yaml,
                                 6, 60),
    "rows of a comparison": Text(
        "compared.run/results.jsonl", ("report", "compared.run"), bad_lines, 8, 70
    ),
    "status.json in a comparison": Text(
        "compared.run/runs/ns-s0/status.json", ("report", "compared.run"), bad_json, 3, 30
    ),
    "metrics.jsonl in a comparison": Text(
        "compared.run/runs/hinge-s0/metrics.jsonl", ("report", "compared.run"), bad_lines, 5, 40
    ),
}  # fmt: skip


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TEXTS)
def test_bad_texts(
    name: str, template: Path, folder: Path, commands: Commands, ledger: Ledger
) -> None:
    text = TEXTS[name]
    fault = Fault(f"a bad {name}", SAYS, text.short, text.long)
    home, parts = folder / "home", ("photos", text.file.split("/")[0])
    for number in ledger.left(fault):
        rng = fault.random(number)
        for part in parts:
            copy(template / part, home / part)
        path = home / text.file
        if text.how is None:
            path.write_bytes(bad_checkpoint_or_bytes(path, rng))
        else:
            spoil_text(path, text.how, rng)
        before = path.read_bytes()
        ended = commands(*text.words, cwd=home, limit=60)
        lost = lost_by(ended, home)
        ledger.note(fault, number, lost and f"{before[:300]!r}: {lost}")
        shutil.rmtree(home)
    assert not ledger.lost(fault)


def bad_checkpoint_or_bytes(path: Path, rng: random.Random) -> bytes:
    from faults.bad_images import SPOILERS

    data = path.read_bytes()
    return bad_checkpoint(data, rng) if path.suffix == ".pt" else rng.choice(SPOILERS)(data, rng)


def test_the_generators_make_what_they_say(folder: Path, commands: Commands) -> None:
    """The control: whole images of most kinds are read, and a good zip is."""
    gradients(folder / "bad", 24)
    assert commands("data", "check", "bad", cwd=folder).code == 0
    read = 0
    for number in range(30):
        _, suffix, data = bad_image(number, random.Random(number))
        path = folder / "bad" / f"x.{suffix}"
        path.write_bytes(data)
        ended = commands("data", "check", "bad", cwd=folder)
        read += "cannot be read" not in ended.out
        path.unlink()
    assert 18 <= read < 30
