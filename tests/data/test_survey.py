"""A look at data before training: it tells what is odd, and stops where training would."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.folders import fill, write_deep, zipped
from ganloss._errors import DataError
from ganloss.data.images import load_images
from ganloss.data.pairs import load_pairs
from ganloss.data.survey import survey


def picture(seed: int, width: int = 16, height: int = 16) -> Image.Image:
    rng = np.random.default_rng(1000 + seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def said(folder: Path) -> dict[str, tuple[str, ...]]:
    """What is odd, without the remark that a generator would memorise so few images."""
    return {o.what: o.examples for o in survey(folder).oddities if "memorise" not in o.what}


def tiny(folder: Path) -> None:
    picture(0, 7, 20).save(folder / "narrow.png")
    picture(1, 20, 7).save(folder / "low.png")
    picture(2, 8, 8).save(folder / "small-enough.png")


def long(folder: Path) -> None:
    picture(0, 65, 16).save(folder / "wide.png")
    picture(1, 16, 65).save(folder / "high.png")
    picture(2, 64, 16).save(folder / "wide-enough.png")


def transparent(folder: Path) -> None:
    """In each way that a PNG can say it: a channel, or one colour or entry of the palette."""
    picture(0).convert("RGBA").save(folder / "rgba.png")
    picture(1).convert("LA").save(folder / "la.png")
    picture(2).quantize(8).save(folder / "palette.png", transparency=0)
    picture(3).save(folder / "one-colour.png", transparency=(0, 0, 0))
    picture(4).quantize(8).save(folder / "palette-without.png")


def gray(folder: Path) -> None:
    picture(0).convert("L").save(folder / "gray.png")


def copies(folder: Path) -> None:
    """BMP files of one size have one length, whatever they show."""
    for i, seed in enumerate((0, 1, 1, 0)):
        picture(seed).save(folder / f"{i}.bmp")


def one_copy(folder: Path) -> None:
    """No third file has their length."""
    for name in ("a", "copy"):
        picture(0, 30, 20).save(folder / f"{name}.png")


@pytest.mark.parametrize(
    ("make", "what", "examples"),
    [
        (tiny, "2 images are smaller than 8 px, and will be enlarged", ("low.png", "narrow.png")),
        (long, "2 images are over 4 times as long as wide", ("high.png", "wide.png")),
        (
            transparent,
            "4 images are transparent in places, which will be white",
            ("la.png", "one-colour.png", "palette.png"),
        ),
        (gray, "1 image is gray among colour ones, and will be colour", ("gray.png",)),
        (one_copy, "1 file is a copy of another", ("copy.png = a.png",)),
        (copies, "2 files are copies of others", ("2.bmp = 1.bmp", "3.bmp = 0.bmp")),
    ],
)
def test_each_oddity_is_told_alone_with_its_files(
    make: Callable[[Path], None], what: str, examples: tuple[str, ...], tmp_path: Path
) -> None:
    fill(tmp_path, 10)
    assert said(tmp_path) == {}
    make(tmp_path)
    assert said(tmp_path) == {what: examples}


def test_gray_images_among_themselves_are_not_odd(tmp_path: Path) -> None:
    for i in range(9):
        picture(i).convert("L").save(tmp_path / f"{i}.png")
    assert said(tmp_path) == {}


@pytest.mark.parametrize(("sound", "stops"), [(19, False), (18, True)])
def test_damaged_pixels_stop_the_check_where_they_stop_training(
    sound: int, stops: bool, tmp_path: Path
) -> None:
    """One in twenty is the 5 % that are skipped; the header of the damaged file is whole."""
    fill(tmp_path, sound + 1)
    damaged = tmp_path / "000.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    found = survey(tmp_path)
    first = found.oddities[0] if stops else found.oddities[-1]
    then = "stops training" if stops else "is skipped"
    assert first.what == f"1 file cannot be read and {then}"
    assert first.examples[0].startswith("000.png: ")
    assert found.trainable is not stops
    assert trains(load_images, tmp_path) is not stops


def trains(load: Callable[[str, int], object], folder: Path, size: int = 8) -> bool:
    try:
        load(str(folder), size)
    except DataError:
        return False
    return True


@pytest.mark.parametrize(
    ("parts", "count"),
    [
        ({"": 7}, 7),
        ({"": 8}, 8),
        ({"train": 7, "test": 9}, 7),
        ({"train": 8, "test": 1}, 8),
        ({"trainA": 9, "trainB": 7}, 7),
        ({"trainA": 8, "trainB": 8}, 8),
    ],
)
def test_what_is_too_few_is_counted_in_the_part_that_is_trained_on(
    parts: dict[str, int], count: int, tmp_path: Path
) -> None:
    for i, (name, files) in enumerate(parts.items()):
        fill(tmp_path / name, files, seed=i)
    found = survey(tmp_path)
    assert found.oddities[0].what.startswith(f"{count} images are ")
    load = load_pairs if "trainA" in parts else load_images
    assert found.trainable is trains(load, tmp_path) is (count >= 8)


@pytest.mark.parametrize("count", [199, 200])
def test_below_200_images_a_generator_is_said_to_memorise(count: int, tmp_path: Path) -> None:
    for i in range(count):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.bmp")
    assert [o.what for o in survey(tmp_path).oddities] == [
        f"{count} images are few: a generator will memorise them"
    ][: 200 - count]


def test_sizes_are_of_upright_images_and_the_most_frequent_comes_first(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    for i in range(9):
        picture(i, 40, 70).save(tmp_path / f"{i}.jpg")
        picture(i + 20, 70, 40).save(tmp_path / f"turned{i}.jpg", exif=exif)
    picture(40, 100, 90).convert("L").save(tmp_path / "0-first.png")
    found = survey(tmp_path, largest=64)
    assert list(found.sizes.items()) == [((40, 70), 18), ((100, 90), 1)]
    assert found.formats == {"colour": 18, "gray": 1}
    assert found.image_size == 32


@pytest.mark.parametrize(
    ("folders", "kind", "counts"),
    [
        (["cats", "dogs", "dogs/old"], "classes", {"cats": 5, "dogs": 10}),
        (["train/a", "train/b", "test/a"], "classes", {"a": 5, "b": 5}),
        (["train", "val"], "flat", {"train": 5, "val": 5}),
        (["trainA", "trainB", "testA"], "domains", {"testA": 5, "trainA": 5, "trainB": 5}),
        (["", "more"], "nested", {"images": 10}),
        (["one/deep"], "nested", {"images": 5}),
    ],
)
@pytest.mark.parametrize("pack", [False, True])
def test_layouts_and_the_images_of_their_parts(
    folders: list[str], kind: str, counts: dict[str, int], pack: bool, tmp_path: Path
) -> None:
    for i, name in enumerate(folders):
        fill(tmp_path / "a" / name, 5, seed=i)
    found = survey(zipped(tmp_path / "a", tmp_path / "a.zip") if pack else tmp_path / "a")
    assert (found.kind, found.counts) == (kind, counts)


@pytest.mark.parametrize(("left", "some"), [(1, "1 image"), (4, "4 images")])
def test_images_without_a_partner_are_told(left: int, some: str, tmp_path: Path) -> None:
    fill(tmp_path / "trainA", 12)
    fill(tmp_path / "trainB", 12 - left, seed=1)
    has = "has" if left == 1 else "have"
    what = f"{some} of trainA and trainB {has} no partner of the same name"
    assert said(tmp_path) == {what: ("011",) if left == 1 else ("008", "009", "010")}
    assert survey(tmp_path).pairs == 12 - left


@pytest.mark.parametrize(("largest", "size"), [(64, 64), (256, 128), (32, 32)])
def test_the_default_size_is_a_power_of_two_below_the_short_side_and_the_largest(
    largest: int, size: int, tmp_path: Path
) -> None:
    """Of 150 × 130 the short side is 130, and 128 the largest power of two below."""
    fill(tmp_path, 8, size=130, width=150)
    assert survey(tmp_path, largest).image_size == size


def test_kinds_of_pixels_are_counted_by_their_depth(tmp_path: Path) -> None:
    fill(tmp_path, 8)
    for suffix in ("png", "tif"):
        write_deep(np.zeros((16, 16, 3), np.uint16), tmp_path / f"colour.{suffix}")
        write_deep(np.zeros((16, 16, 4), np.uint16), tmp_path / f"clear.{suffix}")
        write_deep(np.zeros((16, 16, 1), np.uint16), tmp_path / f"gray.{suffix}")
    Image.fromarray(np.zeros((16, 16), np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(np.zeros((16, 16), np.int32)).save(tmp_path / "integers.tif")
    assert survey(tmp_path).formats == {
        "colour": 8,
        "16-bit colour": 2,
        "16-bit colour with transparency": 2,
        "16-bit gray": 2,
        "floating-point gray": 1,
        "32-bit gray": 1,
    }


def test_a_tiny_image_does_not_make_the_suggested_size_tiny(tmp_path: Path) -> None:
    fill(tmp_path, 8, size=100)
    picture(0, 1, 1).save(tmp_path / "dot.png")
    found = survey(tmp_path)
    assert found.image_size == 64
    assert said(tmp_path) == {"1 image is smaller than 8 px, and will be enlarged": ("dot.png",)}
    assert load_images(str(tmp_path)).shape == (3, 64, 64)  # what training takes by default


def test_the_suggested_size_is_that_of_tiny_images_among_themselves(tmp_path: Path) -> None:
    fill(tmp_path, 9, size=7)
    assert survey(tmp_path).image_size == 8


@pytest.mark.parametrize(
    ("trained", "others"), [(["train"], ["test"]), (["trainA", "trainB"], ["testA"])]
)
def test_the_suggested_size_is_that_of_the_images_that_are_trained_on(
    trained: list[str], others: list[str], tmp_path: Path
) -> None:
    for name in trained:
        fill(tmp_path / name, 8, size=32)
    for name in others:
        fill(tmp_path / name, 12, size=16)
    assert survey(tmp_path).image_size == 32
