"""Grids and films of a run."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from ganloss.runs.pictures import grid, save_png, write_gif
from runs.fake_run import digits

GUTTER = 2


def test_a_grid_of_64_small_digits_is_about_600_pixels_wide():
    sheet = grid(digits(), 8)
    assert sheet.mode == "L"
    assert sheet.size == (8 * 72 + 7 * GUTTER, 8 * 72 + 7 * GUTTER)


def test_small_images_are_enlarged_without_smoothing_and_in_reading_order():
    images = torch.arange(3 * 4, dtype=torch.uint8).reshape(3, 1, 2, 2) * 10
    sheet = np.asarray(grid(images, columns=2, cell=6))
    assert sheet.shape == (14, 14)
    assert (sheet[:3, :3] == 0).all() and (sheet[3:6, 3:6] == 30).all()
    assert (sheet[:3, 8:11] == 40).all()
    assert (sheet[8:11, :3] == 80).all()
    gutters = [sheet[6:8], sheet[:, 6:8], sheet[8:, 8:]]
    assert all((part == sheet[6, 0]).all() for part in gutters)


def test_images_larger_than_a_cell_keep_their_size():
    assert grid(torch.zeros(2, 3, 700, 500, dtype=torch.uint8), 2).size == (1002, 700)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_one_to_four_channels_are_shown(channels, mode):
    colour = torch.tensor([10, 20, 30, 40], dtype=torch.uint8)[:channels].reshape(1, channels, 1, 1)
    sheet = grid(colour.expand(2, channels, 4, 4), 2, cell=4)
    assert sheet.mode == mode
    assert np.asarray(sheet)[0, 0].flatten().tolist() == [10, 20, 30, 40][:channels]


def test_a_grid_refuses_what_it_cannot_show():
    with pytest.raises(TypeError, match=r"uint8 images and these are torch\.float32"):
        grid(torch.zeros(1, 1, 2, 2), 1)
    for shape in [(1, 2, 2), (0, 1, 2, 2), (1, 5, 2, 2)]:
        with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
            grid(torch.zeros(shape, dtype=torch.uint8), 1)
    with pytest.raises(ValueError, match="columns is 0"):
        grid(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), 0)


def test_a_png_replaces_the_old_one_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "samples" / "000200.png"
    for value in (0, 255):
        save_png(Image.new("L", (3, 3), value), path)
    with Image.open(path) as picture:
        assert picture.getpixel((0, 0)) == 255
    assert [entry.name for entry in path.parent.iterdir()] == ["000200.png"]


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save_png(Image.new("L", (3, 3)), path)
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(Exception, match="No space left"):
        save_png(Image.new("L", (3, 3), 255), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def frames(folder, count, mode="L", size=(32, 16)):
    paths = [folder / f"{i:06d}.png" for i in range(count)]
    for i, path in enumerate(paths):
        Image.new(mode, size, i if mode == "L" else (i, 255 - i, 7)).save(path)
    return paths


def durations(path):
    with Image.open(path) as film:
        found = []
        for i in range(film.n_frames):
            film.seek(i)
            found.append(film.info["duration"])
        return found


def corner(path, frame):
    """Colour of the first pixel of a frame, which is its number in these films."""
    with Image.open(path) as film:
        film.seek(frame)
        return film.convert("RGB").getpixel((0, 0))


def write(target, paths):
    write_gif(paths, target, [f"step {int(path.stem)}" for path in paths])
    return target


def test_a_film_has_at_most_60_frames_with_the_first_and_the_last(tmp_path):
    film = write(tmp_path / "a.gif", frames(tmp_path, 200))
    assert len(durations(film)) == 60
    assert corner(film, 0) == (0, 0, 0)
    assert corner(film, 59) == (199, 199, 199)


def test_the_last_frame_stays_longer_and_the_film_repeats(tmp_path):
    film = write(tmp_path / "a.gif", frames(tmp_path, 3))
    *others, last = durations(film)
    assert len(others) == 2
    assert last > 10 * max(others)
    with Image.open(film) as opened:
        assert opened.info["loop"] == 0


def test_the_same_frames_give_the_same_bytes(tmp_path):
    paths = frames(tmp_path, 4, "RGB")
    first, second = write(tmp_path / "a.gif", paths), write(tmp_path / "b.gif", paths)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
    assert digests[0] == digests[1]


def test_each_frame_carries_its_caption_below_the_picture(tmp_path):
    paths = frames(tmp_path, 2, size=(300, 40))
    write_gif(paths, tmp_path / "a.gif", ["step 0", "step 12,345"])
    with Image.open(tmp_path / "a.gif") as film:
        assert film.width == 300
        assert film.height > 60
        inked = []
        for i in range(2):
            film.seek(i)
            strip = np.asarray(film.convert("L"))[52:]
            inked.append(int((strip < 100).sum()))
    assert 0 < inked[0] < inked[1]


def test_wide_and_transparent_frames_become_a_film(tmp_path):
    Image.new("RGBA", (2000, 1000), (255, 0, 0, 0)).save(tmp_path / "0.png")
    film = write(tmp_path / "a.gif", [tmp_path / "0.png"])
    with Image.open(film) as opened:
        assert opened.width == 640
    assert corner(film, 0) == (255, 255, 255)


def test_no_frames_give_no_film(tmp_path):
    write_gif([], tmp_path / "a.gif", [])
    assert list(tmp_path.iterdir()) == []


def test_every_frame_needs_a_caption(tmp_path):
    with pytest.raises(ValueError, match="1 frames and 0 captions"):
        write_gif(frames(tmp_path, 1), tmp_path / "a.gif", [])
