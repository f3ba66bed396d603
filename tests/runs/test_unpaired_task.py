"""What an unpaired run is scored on and shows, whatever names and numbers its images have."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganloss.cli import main
from ganloss.engine.hardware import Hardware
from ganloss.runs.settings import UnpairedSettings
from ganloss.runs.tasks.unpaired import UnpairedTask


def fill(folder: Path, count: int, level: int, seed: int) -> None:
    """Noise around a level, 16 pixels wide."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for i in range(count):
        values = random.normal(level, 20, (16, 16, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(values).save(folder / f"{i:03d}.png")


def loaded(folder: Path) -> UnpairedTask:
    task = UnpairedTask(UnpairedSettings(data=str(folder), image_size=16, width=4, depth=1))
    task.load(Hardware())
    return task


def test_real_images_are_drawn_from_all_over_a_folder_and_not_by_name(tmp_path: Path) -> None:
    """Half of them are by day and half by night: other real images are as near as can be."""
    for side in ("trainA", "trainB"):
        fill(tmp_path / side / "day", 60, 200, seed=len(side) + ord(side[-1]))
        fill(tmp_path / side / "night", 60, 40, seed=99 + ord(side[-1]))
    task = loaded(tmp_path)
    assert task.metric is not None
    assert task.metric.reference is not None
    by_name = [x.float().mean() for x in (task.data.inputs[:12], task.held_out_a)]
    assert by_name[0] > 150 > by_name[1] > 70
    fill(tmp_path / "of one kind" / "trainA", 120, 200, seed=1)
    fill(tmp_path / "of one kind" / "trainB", 120, 40, seed=2)
    apart = loaded(tmp_path / "of one kind").metric
    assert apart is not None
    assert apart.noise is not None
    assert task.metric.reference < 0.1 * apart.noise


@pytest.mark.parametrize(
    ("a", "b", "size"), [(2, 10, (4, 1)), (10, 2, (4, 1)), (9, 20, (8, 2)), (1, 1, (2, 1))]
)
def test_left_of_the_sheet_is_a_and_right_is_b(
    a: int, b: int, size: tuple[int, int], tmp_path: Path
) -> None:
    fill(tmp_path / "trainA", 10, 200, seed=1)
    fill(tmp_path / "trainB", 10, 40, seed=2)
    fill(tmp_path / "testA", a, 200, seed=3)
    fill(tmp_path / "testB", b, 40, seed=4)
    sheet = np.asarray(loaded(tmp_path).reals().convert("L"), dtype=float)
    half = sheet.shape[1] // 2
    assert sheet[:, :half].mean() > 150
    assert sheet[:, half:].mean() < 80
    columns, rows = size
    cell = sheet.shape[1] / columns
    assert abs(sheet.shape[0] / rows - cell) <= 0.2 * cell


def test_held_out_copies_of_training_images_are_no_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side, level in (("A", 200), ("B", 40)):
        fill(tmp_path / f"train{side}", 12, level, seed=level)
        shutil.copytree(tmp_path / f"train{side}", tmp_path / f"test{side}")
    metric = loaded(tmp_path).metric
    assert metric is not None
    assert metric.reference is None
    words = ["train", "unpaired", "--data", str(tmp_path), "--image-size", "16", "--width", "4"]
    assert main([*words, "--depth", "1", "--steps", "1", "--out", str(tmp_path / "runs")]) == 0
    assert "no translation at all scores" in capsys.readouterr().out


def test_translations_of_both_directions_have_a_folder_each(tmp_path: Path) -> None:
    fill(tmp_path / "trainA", 12, 200, seed=1)
    fill(tmp_path / "trainB", 12, 40, seed=2)
    words = ["train", "unpaired", "--data", str(tmp_path), "--image-size", "16", "--width", "4"]
    words += ["--depth", "1", "--steps", "1", "--metrics", "none"]
    assert main([*words, "--out", str(tmp_path / "runs")]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    for side, direction in (("trainA", "AtoB"), ("trainB", "BtoA")):
        assert main(["translate", str(run), str(tmp_path / side), "--direction", direction]) == 0
    for folder in ("translated", "translated_BtoA"):
        assert len(list((run / folder).iterdir())) == 12
    page = (run / "index.html").read_text(encoding="utf-8")
    assert "generator_b_to_a.safetensors" in page
    assert "2 × G" in page
