"""Zips are read in place, and those that mean harm are refused."""

import json
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
    with pytest.raises(DataError, match="is a file; --data takes the folder, or a zip"):
        list_images(tmp_path / "half.zip")
    locked = bytearray(whole)
    for start in range(len(locked) - 10):  # set the flag of encryption in every header
        if locked[start : start + 4] == b"PK\x01\x02":
            locked[start + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    with pytest.raises(DataError, match="locked by a password"):
        list_images(tmp_path / "locked.zip")


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
