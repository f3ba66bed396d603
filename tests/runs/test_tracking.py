"""Trackers get every row of metrics.jsonl, once."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganloss._errors import UsageError
from ganloss.runs.folder import RunFolder
from ganloss.runs.settings import GenerateSettings
from ganloss.runs.tracking import scalars, tracker_names
from ganloss.runs.training import train

SETTINGS = GenerateSettings(
    data="demo:digits", loss="ns", steps=6, snap=2, batch_size=16, threads=1, metrics="none"
)


class Killed(BaseException):
    """What nothing in a run catches."""


class Reporter:
    def __init__(self, break_at: int | None = None) -> None:
        self.break_at = break_at

    def started(self, run: object) -> None: ...

    def progressed(self, step: int, total: int | None, done: float) -> None: ...

    def snapped(self, row: Mapping[str, Any]) -> None:
        if row["step"] == self.break_at:
            raise Killed


def run_broken_at_4(out: Path, track: str) -> RunFolder:
    settings = replace(SETTINGS, out=str(out), track=track)
    with pytest.raises(Killed):
        train(settings, Reporter(break_at=4))
    train(settings, Reporter(), resume="auto")
    (path,) = [p for p in out.iterdir() if p.name[0].isdigit()]
    return RunFolder(path)


@pytest.mark.filterwarnings("default")
def test_tensorboard_holds_every_row_once_even_after_a_kill(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = run_broken_at_4(tmp_path, "tensorboard")
    events = EventAccumulator(str(folder.path / "tensorboard"))
    events.Reload()
    rows = folder.rows()
    expected: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        for name, value in scalars(row).items():
            expected.setdefault(name, []).append((row["step"], value))
    assert set(events.Tags()["scalars"]) == set(expected)
    for name, points in expected.items():
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert [step for step, _ in found] == [step for step, _ in points]
        assert [v for _, v in found] == pytest.approx([v for _, v in points], rel=1e-6)
    assert [event.step for event in events.Images("samples")] == [0, 2, 4, 6]
    # The kill left a file of its own: steps 3 and 4 were written twice and count once.
    assert len(list((folder.path / "tensorboard").iterdir())) == 2


class FakeWandb:
    """What is used of wandb 0.2x: init, Settings, Image, and a run's log and finish."""

    def __init__(self) -> None:
        self.inits: list[dict[str, Any]] = []
        self.logged: list[int] = []
        self.pictures: list[int] = []

    def init(self, **options: Any) -> "FakeWandb":
        self.inits.append(options)
        return self

    def Settings(self, **options: Any) -> dict[str, Any]:
        return options

    def Image(self, picture: object) -> str:
        return "picture"

    def log(self, values: dict[str, Any], step: int) -> None:
        self.logged.append(step)
        if "samples" in values:
            self.pictures.append(step)

    def finish(self) -> None: ...


def test_wandb_is_offline_and_told_every_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    wandb = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", wandb)  # type: ignore[arg-type]
    folder = run_broken_at_4(tmp_path, "wandb")
    assert wandb.logged == [row["step"] for row in folder.rows()]
    assert wandb.pictures == [0, 2, 4, 6]
    first, second = wandb.inits
    assert first["mode"] == second["mode"] == "offline"
    assert first["id"] == second["id"]
    assert first["dir"] == str(folder.path)


def test_a_missing_package_is_named_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match=r"pip install 'ganloss\[track\]' or pip install wandb"):
        train(replace(SETTINGS, out=str(tmp_path), track="wandb"), Reporter())
    assert list(tmp_path.iterdir()) == []


def test_names_are_a_list_without_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", FakeWandb())  # type: ignore[arg-type]
    assert tracker_names(replace(SETTINGS, track="wandb, WandB,")) == ["wandb"]
    with pytest.raises(UsageError, match="--track takes tensorboard, wandb"):
        tracker_names(replace(SETTINGS, track="mlflow"))
