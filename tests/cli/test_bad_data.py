"""Data that cannot be used, from the command line: one sentence, exit code 3, nothing left over."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cli.runs import only_run
from data.folders import fill, zipped
from ganloss.cli import main


def bomb(path: Path) -> Path:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(64 << 20))
    return path.with_suffix(".zip")


def escape(path: Path) -> Path:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        archive.writestr("../outside.png", b"x")
    return path.with_suffix(".zip")


def empty(path: Path) -> Path:
    path.mkdir()
    return path


def one(path: Path) -> Path:
    fill(path, 1)
    return path


def unreadable(path: Path) -> Path:
    fill(path, 10)
    whole = (path / "000.png").read_bytes()
    (path / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (path / "zero.png").write_bytes(b"")
    return path


def two_domains(path: Path) -> Path:
    fill(path / "trainA", 8)
    fill(path / "trainB", 8)
    return path


def huge(path: Path) -> Path:
    fill(path, 8)
    for i in range(2):
        Image.new("1", (20_001, 20_001)).save(path / f"huge{i}.png")
    return path


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (empty, "no images below"),
        (one, "1 image below"),
        (unreadable, "2 of 12 images"),
        (two_domains, "holds two domains, trainA, trainB"),
        (huge, "2 of 10 images"),
        (bomb, "this is no image"),
        (escape, "leads out of the archive"),
        (lambda path: path, "there is no folder"),
    ],
)
def test_one_sentence_and_nothing_left_over(
    make: Callable[[Path], Path], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = make(tmp_path / "data"), tmp_path / "runs"
    words = ["train", "generate", "--data", str(source), "--steps", "1", "--out", str(out)]
    assert main(words) == 3
    said = capsys.readouterr().err
    assert said.startswith("ganloss: ")
    assert sentence in said
    assert "Traceback" not in said
    assert not out.exists()
    assert not (tmp_path.parent / "outside.png").exists()


def mixed_sizes(path: Path) -> Path:
    for i, size in enumerate((8, 20, 33)):
        fill(path / str(i), 4, size=size)
    return path


def link_in_a_circle(path: Path) -> Path:
    fill(path / "a", 12)
    os.symlink(path, path / "a" / "again", target_is_directory=True)
    return path


def packed(path: Path) -> Path:
    fill(path, 12)
    return zipped(path, path.with_suffix(".zip"))


def torchvision_set(path: Path) -> str:
    """MNIST's own files, with twelve images, where torchvision looks for them."""
    raw = Path(os.environ["GANLOSS_CACHE"]) / "torchvision" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (12, 28, 28))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + bytes(12 * 28 * 28))
        labels = bytes([0, 0, 8, 1]) + (12).to_bytes(4, "big") + bytes(range(10)) + bytes(2)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    return "torchvision:MNIST"


@pytest.mark.parametrize("make", [mixed_sizes, link_in_a_circle, packed, torchvision_set])
def test_what_looks_odd_and_works(
    make: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANLOSS_CACHE", str(tmp_path / "cache"))
    source, out = make(tmp_path / "data"), tmp_path / "runs"
    short = ("--steps", "1", "--metrics", "none", "--batch-size", "4", "--image-size", "8")
    assert main(["train", "generate", "--data", str(source), *short, "--out", str(out)]) == 0
    assert '"images": 12' in (only_run(out) / "status.json").read_text(encoding="utf-8")
