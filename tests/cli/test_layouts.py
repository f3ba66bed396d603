"""Every layout and kind of image, from the command line to samples."""

import json
from pathlib import Path

import pytest
from PIL import Image

from cli.runs import only_run
from data.folders import every_kind, fill, zipped
from ganloss.cli import main
from ganloss.networks.load import load_generator, read_description

SHORT = ("--steps", "2", "--metrics", "none", "--batch-size", "8")


def train(data: object, out: Path, *more: str) -> Path:
    words = ["train", "generate", "--data", str(data), *SHORT, "--out", str(out), *more]
    assert main(words) == 0
    return only_run(out)


def status(run: Path) -> dict[str, object]:
    return json.loads((run / "status.json").read_text(encoding="utf-8"))["data"]


def flat(folder: Path) -> Path:
    fill(folder, 12)
    return folder


def nested(folder: Path) -> Path:
    fill(folder / "x" / "deep", 6)
    fill(folder, 6)
    return folder


def split(folder: Path) -> Path:
    fill(folder / "train", 12)
    fill(folder / "test", 4)
    return folder


def packed(folder: Path) -> Path:
    return zipped(nested(folder), folder.with_suffix(".zip"))


@pytest.mark.parametrize("make", [flat, nested, split, packed])
def test_layouts_of_one_pile(make, tmp_path: Path) -> None:
    run = train(make(tmp_path / "my data é"), tmp_path / "runs")
    assert status(run)["images"] == 12
    assert load_generator(run)


@pytest.mark.parametrize("pack", [False, True])
def test_classes_are_learnt_and_sampled(pack: bool, tmp_path: Path) -> None:
    for name in ("cats", "dogs", "& <b>"):
        fill(tmp_path / "a" / name, 6)
    source = zipped(tmp_path / "a", tmp_path / "a.zip") if pack else tmp_path / "a"
    run = train(source, tmp_path / "runs", "--cond", "--loss", "hinge")
    assert status(run)["classes"] == ["& <b>", "cats", "dogs"]
    assert read_description(run).class_names == ("& <b>", "cats", "dogs")
    out = tmp_path / "out"
    for label, seeds in (("dogs", "0-3"), ("2", "4-5")):
        words = ["sample", str(run), "--class", label, "--seeds", seeds, "--out", str(out)]
        assert main(words) == 0
    assert len(list(out.glob("seed*.png"))) == 6


def test_an_unknown_class_suggests_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cats", "dogs"):
        fill(tmp_path / "a" / name, 6)
    run = train(tmp_path / "a", tmp_path / "runs", "--cond")
    assert main(["sample", str(run), "--class", "cat"]) == 2
    assert "no class 'cat'; did you mean 'cats'? (known: cats, dogs)" in capsys.readouterr().err


def test_every_kind_of_image(tmp_path: Path) -> None:
    count = every_kind(tmp_path / "a")
    run = train(tmp_path / "a", tmp_path / "runs", "--image-size", "16")
    assert status(run)["images"] == count
    assert status(run)["skipped"] == []
    assert status(run)["shape"] == [3, 16, 16]


def test_files_that_are_no_images_are_skipped_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "a", 40)
    Image.new("L", (1, 1)).save(tmp_path / "a" / "dot.png")
    Image.new("1", (20_001, 1)).save(tmp_path / "a" / "wide.png")
    (tmp_path / "a" / "text.jpg").write_text("no image")
    run = train(tmp_path / "a", tmp_path / "runs", "--image-size", "16")
    assert status(run)["images"] == 41, "a picture of one pixel is one, if a poor one"
    assert status(run)["skipped"] == [
        ["text.jpg", "cannot identify image file"],
        ["wide.png", "20001x1 is more than 20,000 pixels a side"],
    ]
    said = capsys.readouterr().out
    assert "2 unreadable skipped" in said
    assert "text.jpg: cannot identify image file\n" in said


@pytest.mark.parametrize("name", ["photos", "ring", "grid", "triangles", "stacked-digits"])
def test_bundled_sets(name: str, tmp_path: Path) -> None:
    small = ("--image-size", "16") if name == "photos" else ()
    run = train(f"demo:{name}", tmp_path / "runs", *small)
    with Image.open(run / "samples" / "000002.png") as sheet:
        assert min(sheet.size) >= 500
    assert main(["sample", str(run), "--seeds", "0-9", "--out", str(tmp_path / "out")]) == 0
    files = {p.name for p in (tmp_path / "out").iterdir()}
    expected = "points.csv" if name in ("ring", "grid") else "seed000009.png"
    assert {"grid.png", expected} <= files


def test_the_cache_can_be_left_out(tmp_path: Path) -> None:
    fill(tmp_path / "a", 12)
    a, b = (
        train(tmp_path / "a", tmp_path / keep, "--cache", keep) / "export/generator.safetensors"
        for keep in ("ram", "off")
    )
    assert a.read_bytes() == b.read_bytes()


def test_data_check_says_what_it_sees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "a" / "cats", 6)
    fill(tmp_path / "a" / "dogs", 6)
    assert main(["data", "check", "a"]) == 0
    said = capsys.readouterr().out
    assert "a: a folder for each class, 12 images" in said
    assert "6 files are copies of others" in said
    assert "ganloss train generate --data a --image-size 16 --cond" in said
    assert (tmp_path / "data-check-a.png").exists()


@pytest.mark.parametrize(
    ("make", "sentence", "code"),
    [
        (lambda p: fill(p, 200), "one folder of images, 200 images", 0),
        (lambda p: fill(p, 3), "3 images are too few; at least 8 are needed", 3),
        (lambda p: fill(p, 12, width=32), "pairs A|B side by side", 0),
        (lambda p: (fill(p / "trainA", 9), fill(p / "trainB", 8)), "8 images have a partner", 0),
        (lambda p: every_kind(p), "1 CMYK", 0),
        (
            lambda p: (fill(p, 10), (p / "x.png").write_text("no")),
            "1 file cannot be read and stops training",
            3,
        ),
    ],
)
def test_data_check_of(
    make, sentence: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "a")
    assert main(["data", "check", str(tmp_path / "a"), "--no-sheet"]) == code
    assert sentence in capsys.readouterr().out
    assert not list(tmp_path.glob("*.png"))


def test_what_data_check_suggests_can_be_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shlex

    fill(tmp_path / "my data" / "a b", 6)
    fill(tmp_path / "my data" / "c", 6)
    main(["data", "check", str(tmp_path / "my data"), "--no-sheet"])
    lines = [line for line in capsys.readouterr().out.splitlines() if "ganloss train" in line]
    assert len(lines) == 2
    for i, line in enumerate(lines):
        command = line[line.index("ganloss") :].split("    (")[0]
        words = [*shlex.split(command)[1:], *SHORT, "--out", str(tmp_path / f"runs{i}")]
        assert main(words) == 0
