"""Suggestions of the nearest name."""

from pathlib import Path

import pytest

import ganloss as gl
from ganloss._errors import CheckpointError
from ganloss._lazy import suggest, suggest_beside


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("wgan-pg", "wgan-gp"), ("wgan-l", "wgan-lp"), ("HINGEE", "hinge"), ("r3gna", "r3gan")],
)
def test_letters_that_changed_places_count_for_less_than_other_letters(
    typed: str, meant: str
) -> None:
    assert suggest(typed, gl.GAMES) == f"; did you mean {meant!r}?"


def test_a_path_that_leads_to_nothing_gets_what_lies_beside(tmp_path: Path) -> None:
    (tmp_path / "00001-ns-photos-s0").mkdir()
    assert suggest_beside(tmp_path / "00000-ns-photos-s0") == "; did you mean '00001-ns-photos-s0'?"
    assert suggest_beside(tmp_path / "00001-ns-photos-s0") == ""


def test_a_folder_that_may_not_be_listed_suggests_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``/home`` of many machines; for root there is none, so it is made up."""

    def refused(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(CheckpointError, match="no-such-run"):
        gl.load_generator("no-such-run")
