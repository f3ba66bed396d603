"""A look before training: what is there, how large, and what is odd; the most serious first."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.folders import fill, zipped
from ganloss.data.survey import Survey, survey


def said(found: Survey) -> list[str]:
    return [oddity.what for oddity in found.oddities]


def plain(folder: Path, count: int = 200) -> Path:
    """So many different pictures that nothing is said of them; 9×8, to be small."""
    fill(folder, count, size=8, width=9)
    return folder


def test_nothing_is_said_of_what_is_as_it_should_be(tmp_path: Path) -> None:
    found = survey(plain(tmp_path / "set"))
    assert said(found) == []
    assert found.trainable
    assert found.counts == {"images": 200}
    assert found.formats == {"colour": 200}


def test_a_zip_is_looked_at_like_its_folder(tmp_path: Path) -> None:
    folder = plain(tmp_path / "set", 30)
    of_folder, of_zip = survey(folder), survey(zipped(folder, tmp_path / "set.zip"))
    for name in ("kind", "counts", "sizes", "formats", "oddities", "image_size"):
        assert getattr(of_zip, name) == getattr(of_folder, name)


@pytest.mark.parametrize(("count", "trainable"), [(7, False), (8, True), (199, True)])
def test_few_images(count: int, trainable: bool, tmp_path: Path) -> None:
    found = survey(plain(tmp_path / "set", count))
    assert found.trainable is trainable
    assert said(found)[0].startswith(f"{count} images are {'few' if trainable else 'too few'}")


def test_sizes_are_counted_the_most_frequent_first(tmp_path: Path) -> None:
    fill(tmp_path / "a", 3, size=40, width=50)
    fill(tmp_path / "b", 9, size=16, width=20)
    found = survey(tmp_path)
    assert list(found.sizes.items()) == [((20, 16), 9), ((50, 40), 3)]
    assert found.image_size == 16


@pytest.mark.parametrize(("largest", "size"), [(64, 64), (256, 128), (32, 32)])
def test_the_default_size_is_a_power_of_two_below_the_short_side_and_the_largest(
    largest: int, size: int, tmp_path: Path
) -> None:
    """Of 150 × 130 the short side is 130, and 128 the largest power of two below."""
    fill(tmp_path, 8, size=130, width=150)
    assert survey(tmp_path, largest).image_size == size


def test_classes_are_counted_by_name(tmp_path: Path) -> None:
    fill(tmp_path / "zebra", 4)
    fill(tmp_path / "ant", 6, seed=1)
    found = survey(tmp_path)
    assert found.kind == "classes"
    assert found.counts == {"ant": 6, "zebra": 4}


def test_partners_of_two_domains_and_those_without(tmp_path: Path) -> None:
    fill(tmp_path / "trainA", 12)
    fill(tmp_path / "trainB", 10, seed=1)
    found = survey(tmp_path)
    assert found.kind == "domains"
    assert found.counts == {"trainA": 12, "trainB": 10}
    assert found.pairs == 10
    assert "2 images of trainA and trainB have no partner of the same name" in said(found)


def test_domains_without_any_partner_are_no_pairs_and_nothing_is_odd(tmp_path: Path) -> None:
    fill(tmp_path / "trainA", 8)
    fill(tmp_path / "other", 8, seed=1)
    (tmp_path / "trainB").mkdir()
    for i, path in enumerate(sorted((tmp_path / "other").iterdir())):
        path.rename(tmp_path / "trainB" / f"z{i}.png")
    (tmp_path / "other").rmdir()
    found = survey(tmp_path)
    assert found.pairs == 0
    assert not any("partner" in what for what in said(found))


def test_copies_are_told_by_their_bytes_not_their_names(tmp_path: Path) -> None:
    """Of four equal files three are copies; one of equal length is none."""
    folder = tmp_path / "set"
    fill(folder, 9)
    for name in ("x", "y", "z"):
        shutil.copy(folder / "000.png", folder / f"{name}.png")
    changed = bytearray((folder / "000.png").read_bytes())
    changed[-1] ^= 1
    (folder / "changed.png").write_bytes(bytes(changed))
    copies = [oddity for oddity in survey(folder).oddities if "copies" in oddity.what]
    assert [oddity.what for oddity in copies] == ["3 files are copies of others"]
    assert copies[0].examples == ("x.png = 000.png", "y.png = 000.png", "z.png = 000.png")


def image(mode: str, width: int = 16, height: int = 16) -> Image.Image:
    rng = np.random.default_rng(width)
    colour = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return colour.convert(mode)


@pytest.mark.parametrize(
    ("odd", "words", "kind"),
    [
        (image("RGBA"), "1 image is transparent in places", "colour with transparency"),
        (image("LA"), "1 image is transparent in places", "gray with transparency"),
        (image("L"), "1 image is gray among colour ones", "gray"),
        (image("1"), "1 image is gray among colour ones", "black and white"),
        (image("RGB", 7, 20), "1 image is smaller than 8 px", "colour"),
        (image("RGB", 10, 41), "1 image is over 4 times as long as wide", "colour"),
        (image("P"), "", "palette"),
        (image("RGB", 10, 40), "", "colour"),
        (image("RGB", 8, 8), "", "colour"),
    ],
)
def test_one_odd_image_among_plain_ones(
    odd: Image.Image, words: str, kind: str, tmp_path: Path
) -> None:
    fill(tmp_path, 9)
    odd.save(tmp_path / "odd.png")
    found = survey(tmp_path)
    of_it = [oddity for oddity in found.oddities if oddity.examples == ("odd.png",)]
    assert found.trainable
    assert kind in found.formats
    assert [oddity.what.startswith(words) for oddity in of_it] == ([True] if words else [])


def test_gray_ones_alone_are_not_odd(tmp_path: Path) -> None:
    for i in range(9):
        image("L", 16 + i).save(tmp_path / f"{i}.png")
    assert not any("gray" in what for what in said(survey(tmp_path)))


@pytest.mark.parametrize(
    ("bad", "what", "stops"),
    [
        (1, "1 file cannot be read and is skipped", False),
        (2, "2 files cannot be read and are skipped", False),
        (3, "3 files cannot be read and stop training", True),
    ],
)
def test_more_than_one_in_twenty_unreadable_ones_stop(
    bad: int, what: str, stops: bool, tmp_path: Path
) -> None:
    """Of 40 files 2 are 5 %, which is still allowed."""
    fill(tmp_path, 40 - bad)
    for i in range(bad):
        (tmp_path / f"bad{i}.png").write_bytes(b"no image" + bytes([i]))
    found = survey(tmp_path)
    assert what in said(found)
    assert found.trainable is not stops
    assert not stops or said(found)[0] == what


def test_pixels_that_break_off_are_found_though_the_header_is_sound(tmp_path: Path) -> None:
    fill(tmp_path, 30, size=40)
    whole = (tmp_path / "000.png").read_bytes()
    (tmp_path / "000.png").write_bytes(whole[: len(whole) // 2])
    found = survey(tmp_path)
    (unreadable,) = (oddity for oddity in found.oddities if "cannot be read" in oddity.what)
    assert unreadable.what == "1 file cannot be read and is skipped"
    assert unreadable.examples[0].startswith("000.png: ")
