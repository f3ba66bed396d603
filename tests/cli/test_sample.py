"""New pictures from a finished run: the same seed, the same picture, on every machine."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.runs import environment, only_run, run
from ganloss.cli import main
from ganloss.networks.generate import reference_generator
from ganloss.networks.load import Description, write_export


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cwd = tmp_path_factory.mktemp("finished")
    words = ("train", "generate", "--data", "demo:digits", "--loss", "ns", "--steps", "3")
    done = run(*words, "--metrics", "none", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return only_run(cwd / "runs")


def test_a_seed_is_a_picture(finished: Path, tmp_path: Path) -> None:
    first = run("sample", str(finished), "--seeds", "0-8", "--out", "a", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert len(list((tmp_path / "a").glob("seed*.png"))) == 9
    run("sample", str(finished), "--seeds", "7", "--out", "b", cwd=tmp_path)
    same = [(tmp_path / folder / "seed000007.png").read_bytes() for folder in "ab"]
    assert same[0] == same[1]
    with Image.open(tmp_path / "a" / "seed000007.png") as image:
        assert image.size == (8, 8)


def test_the_sheet_and_the_walk(finished: Path, tmp_path: Path) -> None:
    words = ("--seeds", "0-3", "--no-files", "--walk", "--out", ".")
    done = run("sample", str(finished), *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["grid.png", "walk.gif"]
    with Image.open(tmp_path / "walk.gif") as film:
        assert film.n_frames == 48
        first = np.asarray(film.convert("L"), dtype=float)
        film.seek(1)
        assert 0 < np.abs(np.asarray(film.convert("L"), dtype=float) - first).mean() < 40


def test_nothing_of_an_earlier_command_is_replaced(finished: Path, tmp_path: Path) -> None:
    """Another sheet gets a number, and so does its film; the same one is the same file again."""
    words = ["sample", str(finished), "--walk", "--out", str(tmp_path), "--seeds"]
    assert main([*words, "0-3"]) == 0
    earlier = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main([*words, "2-8"]) == 0
    assert main([*words, "0-3"]) == 0
    assert {path: path.read_bytes() for path in earlier} == earlier
    new = {path.name for path in tmp_path.iterdir()} - {path.name for path in earlier}
    assert new == {"grid-2.png", "walk-2.gif", *(f"seed{seed:06d}.png" for seed in range(4, 9))}
    assert (tmp_path / "walk-2.gif").read_bytes() != earlier[tmp_path / "walk.gif"]


def test_the_picture_of_a_seed_is_not_replaced_by_another(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sample", str(finished), "--out", str(tmp_path), "--seeds", "0-3"]
    assert main(words) == 0
    second = tmp_path / "seed000002.png"
    with Image.open(second) as image:
        pixels = np.array(image)
    Image.fromarray(np.where(pixels > 127, pixels - 1, pixels + 1).astype(np.uint8)).save(second)
    assert main(words) == 0, "rounding is no other picture"
    Image.fromarray(255 - pixels).save(second)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(words) == 2
    assert f"{second} is another picture; choose another --out" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert main([*words, "--overwrite"]) == 0
    with Image.open(second) as image:
        assert (np.array(image) == pixels).all()


def test_points_have_tables_that_stay_and_no_walk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = reference_generator((2,))
    write_export(tmp_path / "export", Description((2,), generator.latent), generator)
    words = ["sample", str(tmp_path / "export"), "--out", str(tmp_path / "made"), "--seeds"]
    assert main([*words, "0-3", "--walk"]) == 2
    assert "a walk is a film of images; leave --walk out" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
    assert main([*words, "0-3"]) == 0
    first = (tmp_path / "made" / "points.csv").read_bytes()
    assert main([*words, "4-9"]) == 0
    assert (tmp_path / "made" / "points.csv").read_bytes() == first
    assert (tmp_path / "made" / "points-2.csv").read_text().splitlines()[1].startswith("4,")


FIVE_LINES = """
import sys
import torch
import ganloss as gl
G = gl.load_generator({path!r})
images = G(torch.randn(16, G.latent))
print(tuple(images.shape), bool((images.abs() <= 1).all()), "lightning_fabric" in sys.modules)
"""


@pytest.mark.parametrize("part", ["", "export"])
def test_the_export_loads_in_five_lines_without_the_command_line(
    finished: Path, part: str, tmp_path: Path
) -> None:
    code = FIVE_LINES.format(path=str(finished / part))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "(16, 1, 8, 8) True False", done.stderr


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("nowhere",), 7, "there is no run nowhere; give the folder of a run"),
        ((".",), 7, "there is no generator in .; give the folder of a run"),
        (("RUN", "--seeds", "a-b"), 2, "give numbers and ranges"),
        (("RUN", "--seeds", "9-3"), 2, "a range goes up"),
        (("RUN", "--colour"), 2, "See `ganloss sample --help`"),
        ((), 2, "RUN"),
    ],
)
def test_mistakes(
    finished: Path, tmp_path: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    done = run("sample", *(w.replace("RUN", str(finished)) for w in words), cwd=tmp_path)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [b"", b"not weights", None])
def test_a_damaged_export_is_named(finished: Path, tmp_path: Path, content: bytes | None) -> None:
    export = tmp_path / "export"
    export.mkdir()
    (export / "config.json").write_bytes((finished / "export" / "config.json").read_bytes())
    if content is not None:
        (export / "generator.safetensors").write_bytes(content)
    done = run("sample", str(export), cwd=tmp_path)
    assert done.returncode == 7
    assert "export it again" in done.stderr
