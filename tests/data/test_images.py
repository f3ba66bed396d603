"""Folders of images: every kind that is found in the wild, and what is said about the rest."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.folders import fill, write_deep
from ganloss._errors import DataError, UsageError
from ganloss.data import decode
from ganloss.data.decode import Fit, Header
from ganloss.data.files import ImageFile, list_images
from ganloss.data.images import default_size, load_images


def read_square(path: Path, size: int, fit: Fit) -> np.ndarray:
    return decode.read_square(ImageFile(path.name, (0, 0), lambda: path.open("rb")), size, fit)


def test_a_nested_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    fill(tmp_path / "b", 5)
    fill(tmp_path / "a" / "deep", 5)
    names = [file.name for file in list_images(tmp_path).files]
    assert names == sorted(names)
    data = load_images(str(tmp_path), 16)
    assert data.images.shape == (10, 3, 16, 16)
    assert data.images.dtype == torch.uint8


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "1", "I;16", "LA", "YCbCr"])
def test_every_mode_becomes_gray_or_rgb(mode: str, tmp_path: Path) -> None:
    gradient = np.tile(np.linspace(0, 255, 16).astype(np.uint8), (16, 1))
    if mode == "I;16":
        image = Image.fromarray(gradient.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(gradient).convert(mode)
    suffix = {"CMYK": "tiff", "YCbCr": "jpg", "I;16": "png"}.get(mode, "png")
    file = tmp_path / f"x.{suffix}"
    image.save(file)
    pixels = read_square(file, 16, "crop").astype(float)
    assert pixels.shape[2] == (1 if mode in ("L", "1", "I;16") else 3)
    assert pixels[:, -4:].mean() > pixels[:, :4].mean() + 100


@pytest.mark.parametrize(("brightest", "level"), [(255, 1), (256, 1), (25_700, 100), (65_535, 255)])
def test_sixteen_bits_have_one_white_however_dark_an_image_is(
    brightest: int, level: int, tmp_path: Path
) -> None:
    """Level = 255 v / 65535 = v / 257, rounded."""
    values = np.linspace(0, brightest, 64).astype(np.uint16).reshape(8, 8)
    for suffix in ("png", "tif"):
        Image.fromarray(values).save(tmp_path / f"x.{suffix}")
        pixels = read_square(tmp_path / f"x.{suffix}", 8, "crop")
        assert pixels.max() == level
        np.testing.assert_array_equal(pixels[..., 0], np.round(values / 257))


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_floats_are_scaled_by_the_least_range_that_holds_them(white: float, tmp_path: Path) -> None:
    values = (np.linspace(0, 0.8, 64) * white).astype(np.float32).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "x.tif")
    pixels = read_square(tmp_path / "x.tif", 8, "crop")[..., 0]
    np.testing.assert_array_equal(pixels, np.round(np.linspace(0, 0.8, 64) * 255).reshape(8, 8))


def test_transparent_pixels_are_put_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "x.png")
    assert (read_square(tmp_path / "x.png", 8, "crop") == 255).all()


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=exif)
    upright = read_square(tmp_path / "x.png", 8, "crop")[..., 0]
    assert upright[:4].max() == 0
    assert upright[4:].min() == 255


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_file_says_itself_how_deep_it_is(
    depth: int, channels: int, suffix: str, tmp_path: Path
) -> None:
    """Pillow opens colour of 16 bits as it opens colour of 8."""
    levels = np.zeros((4, 6, channels), f"uint{depth}")
    path = tmp_path / f"x.{suffix}"
    if depth == 16:
        write_deep(levels, path)
    else:
        Image.fromarray(levels[..., 0] if channels == 1 else levels).save(path)
    header = decode.read_header(list_images(tmp_path).files[0])
    mode = {1: "I;16" if depth == 16 else "L", 3: "RGB", 4: "RGBA"}[channels]
    assert header == (6, 4, mode, depth)
    assert header.deep is (depth == 16)
    assert header.transparent is (channels == 4)


@pytest.mark.parametrize(("kind", "mode"), [(np.float32, "F"), (np.int32, "I")])
def test_other_gray_is_deep_too(kind: type, mode: str, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 6), kind)).save(tmp_path / "x.tif")
    assert decode.read_header(list_images(tmp_path).files[0]) == (6, 4, mode, 32)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_before_reading_is_that_of_the_upright_image(
    orientation: int, tmp_path: Path
) -> None:
    """Exif 2.3, tag 0x0112: from 5 on, the rows that are stored are columns of the scene."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (12, 20)).save(tmp_path / "x.png", exif=exif)
    (file,) = list_images(tmp_path).files
    expected = (20, 12) if orientation >= 5 else (12, 20)
    assert decode.read_header(file) == (*expected, "RGB", 8)
    assert decode.read_upright(file).size == expected


def test_half_transparent_pixels_are_mixed_with_white(tmp_path: Path) -> None:
    """Over white, a colour c of opacity a is a c + (1 - a) 255."""
    alpha = np.array([0, 1, 64, 128, 200, 255], np.uint8)
    pixels = np.stack([np.full(6, 90, np.uint8), alpha], -1)[None]
    Image.fromarray(pixels).save(tmp_path / "x.png")
    share = alpha / 255
    found = np.asarray(decode.read_upright(list_images(tmp_path).files[0]))[0, :, 1]
    assert np.abs(found - (share * 90 + (1 - share) * 255)).max() <= 0.5 + 1e-9


def test_sixteen_bits_become_eight_by_division_by_257(tmp_path: Path) -> None:
    """65535 = 255 x 257, so v / 65535 x 255 = v / 257."""
    values = np.random.default_rng(0).integers(0, 65536, (8, 8), dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "x.png")
    assert (read_square(tmp_path / "x.png", 8, "crop")[..., 0] == np.rint(values / 257)).all()


def test_gray_images_among_colour_ones_have_three_equal_channels(tmp_path: Path) -> None:
    fill(tmp_path, 8)
    levels = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    Image.fromarray(levels).save(tmp_path / "0-gray.png")
    first = load_images(str(tmp_path), 16).images[:][0].numpy()
    assert (first == levels).all()
    assert first.shape == (3, 16, 16)


def test_fit_crops_pads_or_stretches(tmp_path: Path) -> None:
    pixels = np.zeros((8, 16), np.uint8)
    pixels[:, 4:12] = 200
    Image.fromarray(pixels).save(tmp_path / "x.png")
    crop, pad, stretch = (
        read_square(tmp_path / "x.png", 8, fit)[..., 0] for fit in ("crop", "pad", "stretch")
    )
    assert crop.min() == 200
    assert pad[:2].max() == 0
    assert pad[3:5, 3:5].min() > 150
    assert stretch[:, 0].max() < 60
    assert stretch[:, 3:5].min() > 150


def test_the_default_size_is_the_largest_power_of_two_most_images_allow(tmp_path: Path) -> None:
    fill(tmp_path, 20, size=40)
    assert load_images(str(tmp_path)).shape == (3, 32, 32)
    assert load_images(str(tmp_path), largest=16).shape == (3, 16, 16)


@pytest.mark.parametrize(
    ("small", "of", "largest", "size"),
    [(1, 10, 64, 64), (2, 10, 64, 16), (2, 20, 64, 64), (3, 20, 64, 16), (0, 1, 127, 64)],
)
def test_one_image_in_ten_may_be_smaller_than_the_default_size(
    small: int, of: int, largest: int, size: int
) -> None:
    wide, high = Header(31, 500, "RGB"), Header(500, 64, "RGB")
    assert default_size([high] * (of - small) + [wide] * small, largest) == size


def test_a_few_unreadable_files_are_skipped_and_listed(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    (tmp_path / "broken.png").write_bytes(b"")
    data = load_images(str(tmp_path), 16)
    assert len(data.images) == 40
    assert data.skipped[0][0] == "broken.png"


def test_many_unreadable_files_stop(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    (tmp_path / "truncated.png").write_bytes((tmp_path / "000.png").read_bytes()[:60])
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"2 of 22 images .* cannot be read.*Remove or replace"):
        load_images(str(tmp_path), 16)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: None, "there is no folder"),
        (lambda p: p.write_text("x"), "is a file; --data takes the folder"),
        (lambda p: p.mkdir(), "no images below"),
        (lambda p: fill(p, 1), "1 image below .*; a GAN needs at least 8"),
    ],
)
def test_unusable_folders_are_named(
    make: Callable[[Path], object], sentence: str, tmp_path: Path
) -> None:
    target = tmp_path / "data"
    make(target)
    with pytest.raises(DataError, match=sentence):
        load_images(str(target))


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    fill(tmp_path / "a", 10)
    os.symlink(tmp_path, tmp_path / "a" / "again", target_is_directory=True)
    assert len(list_images(tmp_path).files) == 10


def test_names_in_any_script_and_form(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    for i, form in enumerate(("NFC", "NFD")):
        name = unicodedata.normalize(form, f"é {i} 数.png")
        (tmp_path / "000.png").rename(tmp_path / name) if i == 0 else None
    assert len(load_images(str(tmp_path), 16).images) == 10


def test_unknown_bundled_sets_suggest_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'digits'"):
        load_images("demo:digit")
    with pytest.raises(UsageError, match="leave --image-size 16 out"):
        load_images("demo:digits", 16)
