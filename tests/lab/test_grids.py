"""The pictures of a report, which is written again and again while runs go on."""

import os

from PIL import Image

from ganloss.lab.grids import grids_of
from ganloss.lab.jobs import run_folder
from lab.comparisons import pretended


def test_a_picture_is_encoded_once_and_anew_when_it_has_changed(tmp_path, monkeypatch):
    comparison = pretended(tmp_path, {"ns": [1.0, 2.0], "hinge": [2.0, 1.0]})
    first = grids_of(comparison)
    opened = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda path: opened.append(path) or real(path))
    assert grids_of(comparison) == first
    assert not opened
    last = sorted((run_folder(comparison.folder, "ns-s0") / "samples").glob("*.png"))[-1]
    Image.new("RGB", (32, 32), "red").save(last)
    os.utime(last, ns=(0, last.stat().st_mtime_ns + 1))
    again = grids_of(comparison)
    assert set(opened) == {last}
    assert again.pictures["ns"][0][-1] != first.pictures["ns"][0][-1]
    assert again.pictures["hinge"] == first.pictures["hinge"]


def test_runs_of_few_pictures_are_shown_of_every_seed(tmp_path):
    comparison = pretended(tmp_path, {"ns": [1.0, 2.0], "hinge": [2.0, 1.0]})
    for folder in (comparison.folder / "runs").iterdir():
        for picture in sorted((folder / "samples").glob("*.png"))[:-2]:
            picture.unlink()
    found = grids_of(comparison)
    assert (len(found.moments), found.seeds) == (2, (0, 1))
