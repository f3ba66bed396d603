"""Each file is decoded once: for the next run, for a parallel run, and never from stale pixels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

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
