"""Each file is decoded once: for the next run, for a parallel run, and never from stale pixels."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from data.folders import fill
from ganloss._errors import DataError
from ganloss.data import cache
from ganloss.data.images import load_images


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Names of the files that were decoded, with a cache of its own."""
    names: list[str] = []
    read = cache.read_square

    def counted(file: cache.ImageFile, *rest: object, **options: object) -> object:
        names.append(file.name)
        return read(file, *rest, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(cache, "read_square", counted)
    monkeypatch.setenv("GANLOSS_CACHE", str(tmp_path / "cache"))
    return names


def test_a_file_is_decoded_once(decoded: list[str], tmp_path: Path) -> None:
    fill(tmp_path / "a", 10)
    first = load_images(str(tmp_path / "a"), 8)
    assert len(decoded) == 10
    second = load_images(str(tmp_path / "a"), 8)
    assert len(decoded) == 10
    assert torch.equal(first.images[:], second.images[:])
    assert second.where == f"0.0 MB in {next((tmp_path / 'cache').glob('*/entry.json')).parent}"


def test_what_changes_the_pixels_decodes_again(decoded: list[str], tmp_path: Path) -> None:
    fill(tmp_path / "a", 10)
    load_images(str(tmp_path / "a"), 8)
    load_images(str(tmp_path / "a"), 16)
    load_images(str(tmp_path / "a"), 8, fit="stretch")
    assert len(decoded) == 30
    fill(tmp_path / "b", 1, seed=7)
    (tmp_path / "b" / "000.png").replace(tmp_path / "a" / "003.png")
    changed = load_images(str(tmp_path / "a"), 8)
    assert len(decoded) == 40
    assert torch.equal(changed.images[:], load_images(str(tmp_path / "a"), 8, keep="ram").images[:])


def test_the_data_folder_is_never_written_to(decoded: list[str], tmp_path: Path) -> None:
    fill(tmp_path / "a", 10)
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "a").iterdir()}
    load_images(str(tmp_path / "a"), 8)
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "a").iterdir()} == before


def test_writing_to_the_images_does_not_reach_the_cache(decoded: list[str], tmp_path: Path) -> None:
    fill(tmp_path / "a", 10)
    data = load_images(str(tmp_path / "a"), 8)
    assert isinstance(data.images, torch.Tensor)
    data.images.zero_()
    again = load_images(str(tmp_path / "a"), 8)
    assert isinstance(again.images, torch.Tensor)
    assert again.images.float().mean() > 50


def test_without_a_cache_the_pixels_are_the_same(decoded: list[str], tmp_path: Path) -> None:
    fill(tmp_path / "a", 10)
    kept = load_images(str(tmp_path / "a"), 8).images
    lazy = load_images(str(tmp_path / "a"), 8, keep="off").images
    rows = torch.tensor([3, 9, 3, 0])
    assert torch.equal(kept[rows], lazy[rows])
    assert torch.equal(kept[2:5], lazy[2:5])
    assert lazy.shape == kept.shape
    (tmp_path / "a" / "003.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"003.png cannot be read"):
        lazy[rows]


def test_a_folder_that_cannot_be_written_to_costs_only_time(
    decoded: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill(tmp_path / "a", 10)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANLOSS_CACHE", str(tmp_path / "file" / "below"))
    assert load_images(str(tmp_path / "a"), 8).where == "0.0 MB in memory"


def test_the_longest_unused_entries_make_room(
    decoded: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill(tmp_path / "a", 10)
    one = 10 * 3 * 8 * 8
    monkeypatch.setattr(cache, "CAP_BYTES", 2 * one)
    for i, fit in enumerate(("crop", "pad", "stretch")):
        load_images(str(tmp_path / "a"), 8, fit=fit)  # pyright: ignore[reportArgumentType]
        newest = max((tmp_path / "cache").glob("*/entry.json"), key=lambda p: p.stat().st_mtime_ns)
        os.utime(newest, (i, i))
    assert len(list((tmp_path / "cache").glob("*/entry.json"))) == 2
    load_images(str(tmp_path / "a"), 8, fit="crop")
    assert len(decoded) == 40, "the oldest entry should have gone"
    monkeypatch.setattr(cache, "CAP_BYTES", one - 1)
    assert load_images(str(tmp_path / "a"), 8).where == "decoded again for every batch"


def test_what_a_killed_decoding_left_is_removed_a_day_later(
    decoded: list[str], tmp_path: Path
) -> None:
    fill(tmp_path / "a", 10)
    old, new = tmp_path / "cache" / ".new-old", tmp_path / "cache" / ".new-running"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "pixels.bin").write_bytes(b"half")
    yesterday = time.time() - 90_000
    os.utime(old, (yesterday, yesterday))
    load_images(str(tmp_path / "a"), 8)
    assert not old.exists()
    assert new.exists()


def test_two_processes_at_once_decode_once(decoded: list[str], tmp_path: Path) -> None:
    fill(tmp_path / "a", 200, size=64)
    code = (
        "import sys; from ganloss.data.images import load_images;"
        "d = load_images(sys.argv[1], 32); print(d.where, int(d.images.sum()))"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "a")]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=200)[0] for process in both]
    assert said[0] == said[1] != ""
    assert len(list((tmp_path / "cache").glob("*/entry.json"))) == 1
    assert not list((tmp_path / "cache").glob(".new-*"))


def entry_of(tmp_path: Path) -> Path:
    (about,) = (tmp_path / "cache").glob("*/entry.json")
    return about.parent


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: os.truncate(entry / "pixels.bin", 5),
        lambda entry: (entry / "pixels.bin").unlink(),
        lambda entry: (entry / "entry.json").unlink(),
        lambda entry: (entry / "entry.json").write_text(""),
        lambda entry: (entry / "entry.json").write_text("{}"),
        lambda entry: (entry / "entry.json").write_text("[]"),
    ],
)
def test_a_damaged_entry_is_written_again(
    damage: Callable[[Path], object], decoded: list[str], tmp_path: Path
) -> None:
    fill(tmp_path / "a", 10)
    first = load_images(str(tmp_path / "a"), 8).images[:].clone()
    damage(entry_of(tmp_path))
    for _ in range(2):
        assert torch.equal(load_images(str(tmp_path / "a"), 8).images[:], first)
    assert len(decoded) == 20
    assert entry_of(tmp_path).joinpath("pixels.bin").stat().st_size == 10 * 3 * 8 * 8


def test_labels_are_those_of_the_readable_images_also_from_the_cache(
    decoded: list[str], tmp_path: Path
) -> None:
    """Images of a class are as bright as its number says."""
    for i in range(60):
        folder = tmp_path / "a" / str(i % 3)
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 100 * (i % 3)).save(folder / f"{i}.png")
    (tmp_path / "a" / "0" / "30.png").write_bytes(b"")
    (tmp_path / "a" / "1" / "1.png").write_bytes(b"")
    for _ in range(2):
        data = load_images(str(tmp_path / "a"), 8, cond=True)
        assert data.labels is not None
        assert torch.equal(data.images[:][:, 0, 0, 0], 100 * data.labels)
        assert torch.bincount(data.labels).tolist() == [19, 19, 20]
        assert [name for name, _ in data.skipped] == ["0/30.png", "1/1.png"]
    assert entry_of(tmp_path).joinpath("pixels.bin").stat().st_size == 58 * 8 * 8


def test_that_nothing_is_readable_is_said_again_from_the_cache(
    decoded: list[str], tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    for i in range(8):
        (tmp_path / "a" / f"{i}.png").write_text("no image")
    for _ in range(2):
        with pytest.raises(DataError, match=r"8 of 8 images .*4.png: cannot identify.* …\. Remove"):
            load_images(str(tmp_path / "a"), 8)
    assert len(decoded) == 8


@pytest.mark.parametrize("system", ["Linux", "macOS"])
@pytest.mark.parametrize("size", [5, 3 << 20, (3 << 20) + 5])
def test_room_is_taken_to_the_byte(
    system: str, size: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if system == "macOS":  # where files grow by being written
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    cache._reserve(tmp_path / "pixels.bin", size)
    assert (tmp_path / "pixels.bin").stat().st_size == size
