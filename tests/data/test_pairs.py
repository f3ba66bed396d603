"""Pairs in every layout: the same scene on both sides, whatever the files are called."""

import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.folders import fill, zipped
from ganloss._errors import DataError
from ganloss.data.pairs import PairSet, load_folders, load_pairs, load_targets


def negatives(source: Path, target: Path, suffix: str = ".png") -> None:
    """The partner of each image is its negative, so that pairs can be told."""
    target.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        with Image.open(file) as image:
            pixels = 255 - np.asarray(image)
        Image.fromarray(pixels).save(target / (file.stem + suffix))


def are_pairs(data: PairSet) -> bool:
    return torch.equal(data.inputs[:], 255 - data.targets[:])


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    fill(tmp_path / "d" / "trainA", 10)
    negatives(tmp_path / "d" / "trainA", tmp_path / "d" / "trainB", ".bmp")
    fill(tmp_path / "d" / "testA", 3, seed=1)
    negatives(tmp_path / "d" / "testA", tmp_path / "d" / "testB")
    return tmp_path / "d"


@pytest.mark.parametrize("pack", [False, True])
def test_domains_are_matched_by_name_without_suffix(folders: Path, pack: bool, tmp_path: Path):
    source = zipped(folders, tmp_path / "d.zip") if pack else folders
    data = load_pairs(str(source), 16)
    assert are_pairs(data)
    assert data.inputs.shape == (10, 3, 16, 16)
    assert data.held_out_inputs is not None
    assert data.held_out_targets is not None
    assert torch.equal(data.held_out_inputs[:], 255 - data.held_out_targets[:])
    assert len(data.held_out_inputs) == 3


def test_the_direction_swaps_the_sides(folders: Path):
    there, back = (load_pairs(str(folders), 16, direction=d) for d in ("AtoB", "BtoA"))  # type: ignore[arg-type]
    assert torch.equal(there.inputs[:], back.targets[:])
    assert torch.equal(there.targets[:], back.inputs[:])


def test_names_are_compared_in_one_form_of_unicode(folders: Path):
    for side, form in (("trainA", "NFC"), ("trainB", "NFD")):
        (file,) = (folders / side).glob("003.*")
        file.rename(folders / side / (unicodedata.normalize(form, "é") + file.suffix))
    data = load_pairs(str(folders), 16)
    assert len(data.inputs) == 10
    assert are_pairs(data)


@pytest.mark.parametrize("split", [False, True])
def test_side_by_side(folders: Path, split: bool, tmp_path: Path):
    target = tmp_path / "both" / ("train" if split else "")
    target.mkdir(parents=True)
    for a in (folders / "trainA").iterdir():
        with Image.open(a) as left, Image.open(folders / "trainB" / f"{a.stem}.bmp") as right:
            sheet = Image.new("RGB", (32, 16))
            sheet.paste(left, (0, 0))
            sheet.paste(right, (16, 0))
        sheet.save(target / a.name)
    if split:
        shutil.copytree(target, tmp_path / "both" / "val")
    data = load_pairs(str(tmp_path / "both"), 16)
    assert data.inputs.shape == (10, 3, 16, 16)
    assert are_pairs(data)
    assert (data.held_out_inputs is not None) is split


def test_two_named_folders(folders: Path):
    assert are_pairs(load_folders(str(folders / "trainA"), str(folders / "trainB"), 16))


def test_gray_targets_stay_gray(folders: Path):
    for file in (folders / "trainB").iterdir():
        with Image.open(file) as image:
            image.convert("L").save(file)
    data = load_pairs(str(folders), 16)
    assert (data.inputs.shape[1], data.targets.shape[1]) == (3, 1)


def test_a_pair_with_one_unreadable_side_is_left_out(folders: Path):
    (folders / "trainB" / "004.bmp").write_bytes(b"")
    data = load_pairs(str(folders), 16)
    assert len(data.inputs) == len(data.targets) == 9
    assert are_pairs(data)
    assert data.skipped[0][0] == "004.bmp"


def test_an_image_without_a_partner_is_left_out_and_listed(folders: Path):
    (folders / "trainB" / "007.bmp").unlink()
    data = load_pairs(str(folders), 16)
    assert len(data.inputs) == 9
    assert data.skipped == (("007", "has no partner of the same name"),)


def test_the_second_file_of_a_name_is_left_out_and_listed(folders: Path):
    shutil.copy(folders / "trainB" / "007.bmp", folders / "trainB" / "007.png")
    data = load_pairs(str(folders), 16)
    assert len(data.inputs) == 10
    assert are_pairs(data)
    assert data.skipped == (("007.png", "has the same name as 007.bmp"),)


def test_many_without_a_partner_stop(folders: Path):
    for i in range(4):
        (folders / "trainB" / f"00{i}.bmp").rename(folders / "trainB" / f"x{i}.bmp")
    with pytest.raises(DataError, match=r"2 images|4 of|8 of|at least 8 are needed"):
        load_pairs(str(folders), 16)


@pytest.mark.parametrize(("missing", "stops"), [(2, False), (3, True)])
def test_the_share_without_a_partner_is_one_of_all_files(
    missing: int, stops: bool, tmp_path: Path
) -> None:
    """Of 40 files 2 are 5 %, also where some of the others are held out."""
    for side in ("trainA", "trainB"):
        fill(tmp_path / side, 40, size=8)
    for i in range(missing):
        (tmp_path / "trainB" / f"{i:03d}.png").unlink()
    if stops:
        with pytest.raises(DataError, match=r"3 of 40 images of .* cannot be used"):
            load_pairs(str(tmp_path), 8, hold_out=0.5)
    else:
        data = load_pairs(str(tmp_path), 8, hold_out=0.5)
        assert len(data.inputs) == 19
        assert len(data.skipped) == 2


def test_two_domains_need_no_partners(folders: Path):
    fill(folders / "trainB", 4, seed=9)
    data = load_pairs(str(folders), 16, matched=False)
    assert (len(data.inputs), len(data.targets)) == (10, 14)
    assert not data.matched


def test_a_folder_without_pairs_is_named(tmp_path: Path):
    fill(tmp_path / "a", 10)
    with pytest.raises(DataError, match="holds no pairs: there are neither trainA and trainB nor"):
        load_pairs(str(tmp_path / "a"), 16)
    with pytest.raises(DataError, match="holds no two domains: there are neither trainA and"):
        load_pairs(str(tmp_path / "a"), 16, matched=False)
    fill(tmp_path / "b", 10)
    for file in (tmp_path / "b").iterdir():
        file.rename(tmp_path / "b" / f"other{file.name}")
    with pytest.raises(DataError, match=r"has a partner .* \(e.g. 000 and other000\)"):
        load_folders(str(tmp_path / "a"), str(tmp_path / "b"), 16)


def bytes_of(images: object) -> set[bytes]:
    assert isinstance(images, torch.Tensor)
    return {image.numpy().tobytes() for image in images}


def test_more_than_leaves_enough_to_train_on_is_not_held_out(tmp_path: Path):
    for side in ("trainA", "trainB"):
        fill(tmp_path / side, 12)
    with pytest.raises(DataError, match=r"--held-out 0\.9 leaves 1 of the 12 images in .*lower it"):
        load_pairs(str(tmp_path), 8, hold_out=0.9)


@pytest.mark.parametrize(("share", "held_out"), [(0.01, 1), (0.1, 2), (0.25, 5)])
def test_a_share_is_held_out_of_both_sides_alike(share: float, held_out: int, tmp_path: Path):
    """Of 20 pairs 20 x share, and at least one; the same ones each time."""
    fill(tmp_path / "a", 20)
    negatives(tmp_path / "a", tmp_path / "b")
    first, again = (
        load_folders(str(tmp_path / "a"), str(tmp_path / "b"), 16, hold_out=share) for _ in "12"
    )
    assert are_pairs(first)
    assert first.held_out_inputs is not None
    assert first.held_out_targets is not None
    assert torch.equal(first.held_out_inputs[:], 255 - first.held_out_targets[:])
    parts = bytes_of(first.inputs), bytes_of(first.held_out_inputs)
    assert (len(parts[0]), len(parts[1])) == (20 - held_out, held_out)
    assert not parts[0] & parts[1]
    assert parts[1] == bytes_of(again.held_out_inputs)


def test_a_folder_of_tests_comes_before_a_share(folders: Path):
    data = load_pairs(str(folders), 16, hold_out=0.5)
    assert data.held_out_inputs is not None
    assert (len(data.inputs), len(data.held_out_inputs)) == (10, 3)


def test_of_two_domains_each_holds_its_own_share_out(folders: Path):
    for part in ("trainB", "testA", "testB"):
        shutil.rmtree(folders / part)
    fill(folders / "trainB", 30, seed=9)
    data = load_pairs(str(folders), 16, matched=False, hold_out=0.2)
    assert data.held_out_inputs is not None
    assert data.held_out_targets is not None
    assert (len(data.inputs), len(data.held_out_inputs)) == (8, 2)
    assert (len(data.targets), len(data.held_out_targets)) == (24, 6)
    assert not bytes_of(data.targets) & bytes_of(data.held_out_targets)


def test_two_domains_of_gray_and_colour_are_both_of_colour(folders: Path):
    for file in (folders / "trainB").iterdir():
        with Image.open(file) as image:
            image.convert("L").save(file)
    for direction in ("AtoB", "BtoA"):
        data = load_pairs(str(folders), 16, matched=False, direction=direction)
        assert data.inputs.shape[1] == data.targets.shape[1] == 3


@pytest.mark.parametrize("split", ["test", "val", None])
def test_targets_are_their_own_partners_and_tests_are_held_out(split: str | None, tmp_path: Path):
    fill(tmp_path / ("train" if split else ""), 12)
    if split:
        fill(tmp_path / split, 2, seed=1)
    data = load_targets(str(tmp_path), 16, hold_out=0.25)
    assert torch.equal(data.inputs[:], data.targets[:])
    assert data.held_out_targets is not None
    assert (len(data.targets), len(data.held_out_targets)) == ((12, 2) if split else (9, 3))
    assert not bytes_of(data.targets) & bytes_of(data.held_out_targets)
