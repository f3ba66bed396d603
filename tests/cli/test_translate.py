"""`ganloss translate`: depth, names of results, what is refused, and what a Ctrl-C leaves."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from data.folders import fill, write_deep
from ganloss.cli import main, translate
from ganloss.data.cache import Transform
from ganloss.data.files import list_images
from ganloss.networks.load import Description, write_export
from ganloss.networks.translate import Translator
from ganloss.runs import translating
from ganloss.runs.translating import Translation


def exported(folder: Path, outputs: int) -> Path:
    torch.manual_seed(0)
    translator = Translator("unet", 3, outputs, width=4, depth=1)
    about = Description((outputs, 16, 16), 0, translator=translator, tile=16)
    write_export(folder, about, translator.build())
    return folder


@pytest.fixture(scope="module")
def to_colour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("colour"), 3)


@pytest.fixture(scope="module")
def to_gray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("gray"), 1)


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


UNCHANGED = Translation(
    nn.Identity(), Description((1, 8, 8), 0, translator=Translator("unet", 1, 1, 4, 1), tile=32)
)


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(0, 1, 64).astype(np.float32),
        np.linspace(-0.5, 0.8, 64).astype(np.float32),
        np.linspace(0, 1.02, 64).astype(np.float32),
        np.linspace(0, 200, 64).astype(np.float32),
        np.linspace(0, 65535, 64).astype(np.uint16),
        np.linspace(-9, 50_000, 64).astype(np.int32),
    ],
    ids=["unit", "negative", "overshooting", "of 255", "uint16", "int32"],
)
def test_deep_gray_is_read_as_in_training(values: np.ndarray, tmp_path: Path) -> None:
    """Training has v / 257 of the 16 bits that an unchanged image is written with."""
    (tmp_path / "in").mkdir()
    Image.fromarray(values.reshape(8, 8)).save(tmp_path / "in" / "x.tif")
    trained = Transform(8, 1, "crop").read(list_images(tmp_path / "in").files[0])[0]
    UNCHANGED.folder(str(tmp_path / "in"), tmp_path / "out")
    made = pixels(tmp_path / "out" / "x.tif")
    assert made.dtype == np.uint16
    assert np.abs(made / 257 - trained).max() <= 0.5 + 1 / 257
    assert trained.max() > 100


def test_what_is_transparent_is_white_to_the_network_as_in_training(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    values = np.zeros((8, 8, 4), np.uint8)
    values[2:6, 2:6] = (200, 100, 50, 255)
    values[6, :] = (0, 0, 0, 128)
    Image.fromarray(values).save(tmp_path / "in" / "x.png")
    colour = Description((3, 8, 8), 0, translator=Translator("unet", 3, 3, 4, 1), tile=32)
    trained = Transform(8, 3, "crop").read(list_images(tmp_path / "in").files[0])
    Translation(nn.Identity(), colour).folder(str(tmp_path / "in"), tmp_path / "out")
    made = pixels(tmp_path / "out" / "x.png")
    assert (made[..., :3] == trained.transpose(1, 2, 0)).all()
    assert (made[..., 3] == values[..., 3]).all()
    assert made[0, 0, 0] == 255


def test_deep_colour_has_no_more_than_8_bits_in_gray_either(
    to_gray: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pillow reads 8 of them, so a result of 16 would say more than is there."""
    (tmp_path / "in").mkdir()
    deep(tmp_path / "in" / "x.png")
    words = ["translate", str(to_gray), str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert main(words) == 3
    assert "add --eight-bit" in capsys.readouterr().err
    assert main([*words, "--eight-bit"]) == 0
    assert pixels(tmp_path / "out" / "x.png").dtype == np.uint8


def test_floats_that_are_not_finite_are_skipped_as_in_training(tmp_path: Path) -> None:
    fill(tmp_path / "in", 1)
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(tmp_path / "in" / "x.tif")
    done = UNCHANGED.folder(str(tmp_path / "in"), tmp_path / "out")
    assert done.skipped == [("x.tif", "some of its pixels are not finite numbers")]


def deep(path: Path, channels: int = 3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.random.default_rng(0).integers(0, 65536, (16, 16, channels), dtype=np.uint16)
    write_deep(levels, path)


def floating(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)).save(path)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("x.png", deep),
        ("x.tif", deep),
        ("clear.tif", lambda path: deep(path, 4)),
        ("gray.tif", lambda path: deep(path, 1)),
        ("float.tif", floating),
    ],
)
def test_depth_is_lost_on_request_alone_and_nothing_is_written_before(
    name: str,
    make: Callable[[Path], None],
    to_colour: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill(tmp_path / "in", 2)  # which come first
    make(tmp_path / "in" / name)
    out = tmp_path / "out"
    words = ["translate", str(to_colour), str(tmp_path / "in"), "--out", str(out)]
    assert main(words) == 3
    said = capsys.readouterr().err
    assert f"{out / name} would have 8 bits" in said
    assert "add --eight-bit" in said
    assert not out.exists()
    assert main([*words, "--eight-bit"]) == 0
    assert names(out) == sorted(["000.png", "001.png", name])
    assert pixels(out / name).dtype == np.uint8


def test_of_many_deep_images_some_are_named(
    to_colour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(5):
        deep(tmp_path / "in" / f"{i}.tif")
    out = str(tmp_path / "out")
    assert main(["translate", str(to_colour), str(tmp_path / "in"), "--out", out]) == 3
    said = capsys.readouterr().err
    assert "2.tif and 2 more would have 8 bits" in said
    assert "3.tif" not in said


def test_gray_results_keep_the_depth_of_a_float(to_gray: Path, tmp_path: Path) -> None:
    floating(tmp_path / "x.tif")
    out = tmp_path / "y.png"
    assert main(["translate", str(to_gray), str(tmp_path / "x.tif"), "--out", str(out)]) == 0
    assert pixels(out).dtype == np.uint16


@pytest.mark.parametrize(
    ("name", "kind"), [("x.jpg", "JPEG"), ("x.jpeg", "JPEG"), ("x.bmp", "BMP")]
)
def test_a_result_that_cannot_be_transparent_is_refused(
    name: str, kind: str, to_gray: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pillow reads no transparency from the bitmaps it writes."""
    fill(tmp_path / "in", 1)
    Image.new("RGBA", (16, 16)).save(tmp_path / "in" / name, format="PNG")
    words = ["translate", str(to_gray), str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert main(words) == 3
    assert f"{name} would lose transparency, which no {kind} keeps" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_image_may_have_its_result_named(to_colour: Path, tmp_path: Path) -> None:
    fill(tmp_path, 1)
    words = ["translate", str(to_colour), str(tmp_path / "000.png"), "--out"]
    assert main([*words, str(tmp_path / "new" / "x.jpg")]) == 0
    with Image.open(tmp_path / "new" / "x.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (16, 16))
    assert main([*words, str(tmp_path / "a.folder")]) == 0
    assert names(tmp_path / "a.folder") == ["000.png"]


@pytest.mark.parametrize(
    ("source", "out", "sentence"),
    [
        (".", "x.png", "x.png is named like an image, and . holds 2; give a folder"),
        ("000.png", "x.gif", ".gif is not written; use .jpg"),
        ("000.png", "001.png", "001.png exists already"),
        ("000.png", "000.png", "would replace 000.png itself"),
    ],
)
def test_names_that_do_not_fit_are_refused(
    source: str,
    out: str,
    sentence: str,
    to_colour: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path, 2)
    assert main(["translate", str(to_colour), source, "--out", out]) == 2
    assert sentence in capsys.readouterr().err
    assert names(tmp_path) == ["000.png", "001.png"]


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Press Ctrl-C in one of the images, counted from 0."""
    calls: list[int] = []
    whole = translating.tiled

    def tiled(*inputs: Any) -> Tensor:
        if len(calls) == at:
            raise KeyboardInterrupt
        calls.append(at)
        return whole(*inputs)

    monkeypatch.setattr(translating, "tiled", tiled)


@pytest.mark.parametrize(
    ("at", "words", "sentence"),
    [
        (0, [], "interrupted; nothing was written yet; the same command begins anew"),
        (2, [], "interrupted; 2 of 4 images are done, and their results in OUT; --resume trans"),
        (2, ["--overwrite"], "are done, and their results in OUT; the same command begins anew"),
    ],
)
def test_an_interruption_says_what_is_done_and_how_to_go_on(
    at: int,
    words: list[str],
    sentence: str,
    to_colour: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill(tmp_path / "in", 4)
    out = tmp_path / "out"
    command = ["translate", str(to_colour), str(tmp_path / "in"), "--out", str(out), *words]
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, at)
        assert main(command) == 130
    assert sentence.replace("OUT", str(out)) in capsys.readouterr().err
    assert len(list(out.glob("*.png"))) == at


def test_an_interrupted_translation_goes_on_with_what_is_missing(
    to_colour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "in", 4)
    words = ["translate", str(to_colour), str(tmp_path / "in"), "--out"]
    assert main([*words, str(tmp_path / "calm")]) == 0
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 2)
        main([*words, str(out)])
    first = (out / "000.png").stat().st_mtime_ns
    assert main([*words, str(out)]) == 2, "without being asked, nothing is kept or replaced"
    assert "add --resume to translate only what is missing" in capsys.readouterr().err
    assert main([*words, str(out), "--resume"]) == 0
    assert f"images  2 in {out}, and 2 that were there already" in capsys.readouterr().out
    assert (out / "000.png").stat().st_mtime_ns == first
    for name in names(tmp_path / "calm"):
        assert (out / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()
    assert main([*words, str(out), "--resume"]) == 0, "nothing is left to do"
    assert main([*words, str(out), "--resume", "--overwrite"]) == 2


@pytest.mark.parametrize(("terminal", "lines"), [(False, 2), (True, 4)])
def test_progress_is_seen_while_it_is_made(
    terminal: bool, lines: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every half minute in a file, more often on a terminal; a buffer would keep the lines."""
    clock = iter(range(0, 200, 20))
    monkeypatch.setattr(translate, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with (tmp_path / "log").open("w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
        progress = translate._Progress()
        for done in range(1, 5):
            progress(done, 10)
        said = (tmp_path / "log").read_text().splitlines()
    assert len(said) == lines
    assert said[-1] == "    80 s  4 of 10 images, 120 s left"
