"""Zips are read in place, and those that mean harm are refused."""

import json
import os
import zipfile
from pathlib import Path

import pytest
import torch

from data.folders import fill, zipped
from ganloss._errors import DataError
from ganloss.data.files import list_images
from ganloss.data.images import load_images


def test_a_zip_gives_the_same_images_as_its_folder(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "cats", 5)
    fill(tmp_path / "a" / "dogs", 5, seed=1)
    archive = zipped(tmp_path / "a", tmp_path / "a.zip")
    folder, packed = (load_images(str(p), 16, cond=True) for p in (tmp_path / "a", archive))
    assert torch.equal(folder.images[:], packed.images[:])
    assert packed.class_names == ("cats", "dogs")
    assert packed.labels is not None
    assert packed.labels.tolist() == [0] * 5 + [1] * 5
    assert packed.name == "a"


def test_labels_of_a_dataset_json(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "00000", 8)
    labels = [[f"00000/{i:03d}.png", i % 3] for i in range(8)]
    (tmp_path / "a" / "dataset.json").write_text(json.dumps({"labels": labels}))
    for source in (tmp_path / "a", zipped(tmp_path / "a", tmp_path / "a.zip")):
        data = load_images(str(source), 16, cond=True)
        assert data.labels is not None
        assert data.labels.tolist() == [i % 3 for i in range(8)]


def test_a_folder_named_train_beside_test_is_what_is_trained_on(tmp_path: Path) -> None:
    for split, count in (("train", 8), ("test", 3)):
        fill(tmp_path / split / "a", count)
        fill(tmp_path / split / "b", count, seed=1)
    data = load_images(str(tmp_path), 16, cond=True)
    assert len(data.images) == 16
    assert data.class_names == ("a", "b")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("../evil.png", "leads out of the archive"), ("/etc/evil.png", "leads out of the archive"),
     ("C:/evil.png", "leads out of the archive"), ("..\\evil.png", "leads out of the archive")],
)  # fmt: skip
def test_names_that_lead_out_of_a_zip(name: str, sentence: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(DataError, match=sentence):
        list_images(tmp_path / "x.zip")
    assert [p.name for p in tmp_path.iterdir()] == ["x.zip"]


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(64 << 20))
    with pytest.raises(DataError, match=r"grows to 67 MB .* this is no image"):
        list_images(tmp_path / "x.zip")


def test_damaged_and_locked_zips(tmp_path: Path) -> None:
    fill(tmp_path / "a", 8)
    whole = zipped(tmp_path / "a", tmp_path / "a.zip").read_bytes()
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="is a damaged zip, or none; pack or download it again"):
        list_images(tmp_path / "half.zip")
    locked = bytearray(whole)
    for start in range(len(locked) - 10):  # set the flag of encryption in every header
        if locked[start : start + 4] == b"PK\x01\x02":
            locked[start + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    with pytest.raises(DataError, match="locked by a password"):
        list_images(tmp_path / "locked.zip")


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [(9, 8, "can't decode byte 0xff"), (6, 99, "zip file version 9.9")],
    ids=["a name that is no UTF-8", "a version to come"],
)
def test_directories_of_zips_that_cannot_be_read(
    place: int, value: int, reason: str, tmp_path: Path
) -> None:
    fill(tmp_path / "a", 8)
    raw = bytearray(zipped(tmp_path / "a", tmp_path / "a.zip").read_bytes())
    first = raw.find(b"PK\x01\x02")  # version, flags and name are at 6, 8 and 46
    raw[first + place] = value
    raw[first + 46] = 0xFF
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(DataError, match=rf"a\.zip is a damaged zip \(.*{reason}"):
        list_images(tmp_path / "a.zip")


def test_a_damaged_member_is_skipped(tmp_path: Path) -> None:
    fill(tmp_path / "a", 40)
    archive = zipped(tmp_path / "a", tmp_path / "a.zip")
    raw = bytearray(archive.read_bytes())
    raw[100] ^= 0xFF  # inside the first picture: its checksum no longer fits
    archive.write_bytes(raw)
    data = load_images(str(archive), 16)
    assert len(data.images) == 39
    assert data.skipped[0][0] == "000.png"


def test_classes_that_are_incomplete(tmp_path: Path) -> None:
    fill(tmp_path / "a", 8)
    with pytest.raises(DataError, match="has 1 folder with images; make one folder for each class"):
        load_images(str(tmp_path), 16, cond=True)
    fill(tmp_path / "b", 8)
    fill(tmp_path, 2)
    with pytest.raises(DataError, match=r"2 images of .* lie outside the class folders: 000.png"):
        load_images(str(tmp_path), 16, cond=True)


def test_two_domains_are_not_one_set(tmp_path: Path) -> None:
    fill(tmp_path / "trainA", 8)
    fill(tmp_path / "trainB", 8)
    with pytest.raises(DataError, match=r"two domains, trainA, trainB; .* use --data .*trainA"):
        load_images(str(tmp_path), 16)


@pytest.mark.parametrize("pack", [False, True])
def test_what_systems_hide_among_images_is_none_of_them(pack: bool, tmp_path: Path) -> None:
    for name in ("a", "a/.thumbnails", "a/__MACOSX/b", "a/b.c", "a/b.c/.d"):
        fill(tmp_path / name, 1)
    (tmp_path / "a" / "._000.png").write_bytes(b"a resource fork")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    source = zipped(tmp_path / "a", tmp_path / "a.zip") if pack else tmp_path / "a"
    assert [file.name for file in list_images(source).files] == ["000.png", "b.c/000.png"]


def test_of_several_links_to_a_folder_the_first_in_order_is_followed(tmp_path: Path) -> None:
    fill(tmp_path / "m" / "below", 1)
    for name in "kbzcaqdxyj":
        os.symlink(tmp_path / "m", tmp_path / name, target_is_directory=True)
    assert [file.name for file in list_images(tmp_path).files] == ["a/below/000.png"]


@pytest.mark.parametrize("pack", [False, True])
def test_a_set_with_splits_has_its_own_name_and_the_labels_of_its_training_part(
    pack: bool, tmp_path: Path
) -> None:
    for i, split in enumerate(("train", "test")):
        fill(tmp_path / "birds" / split, 8, seed=i)
    labels = [[f"{s}/{i:03d}.png", i % 4] for s in ("train", "test") for i in range(8)]
    (tmp_path / "birds" / "dataset.json").write_text(json.dumps({"labels": labels}))
    source = tmp_path / "birds"
    data = load_images(
        str(zipped(source, tmp_path / "birds.zip") if pack else source), 8, cond=True
    )
    assert (data.name, data.class_names) == ("birds", ("0", "1", "2", "3"))
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2, 3] * 2


@pytest.mark.parametrize("unlabelled", [None, -1])
def test_images_that_dataset_json_gives_no_class(unlabelled: int | None, tmp_path: Path) -> None:
    """Left out, or marked by the number that no class has."""
    fill(tmp_path, 8)
    labels = {f"{i:03d}.png": i for i in range(8)} | {"003.png": unlabelled}
    rows = [[name, label] for name, label in labels.items() if label is not None]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": rows}))
    with pytest.raises(DataError, match=r"1 images of .* no label in dataset.json: 003.png"):
        load_images(str(tmp_path), 8, cond=True)


@pytest.mark.parametrize("text", ["{", "[]", '{"labels": null}', '{"labels": [["0/000.png"]]}'])
def test_a_dataset_json_of_something_else_leaves_folders_as_classes(
    text: str, tmp_path: Path
) -> None:
    for name in ("x", "y"):
        fill(tmp_path / name, 4)
    (tmp_path / "dataset.json").write_text(text)
    assert load_images(str(tmp_path), 8, cond=True).class_names == ("x", "y")
