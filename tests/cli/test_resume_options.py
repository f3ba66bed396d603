"""Every option that changes a step: broken off after a snap and resumed, it is the same run."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.runs import fingerprint, only_run
from ganloss._errors import UsageError
from ganloss.cli import main
from ganloss.cli.train import _parse
from ganloss.engine import checkpoint
from ganloss.engine.loop import Engine
from ganloss.runs.folder import RunFolder, create, find_resumable
from ganloss.runs.settings import GenerateSettings
from ganloss.runs.training import Outcome, _Session, train

STEPS, SNAP, BROKEN_AT = 12, 3, 6


class Silent:
    """A reporter that says nothing, and may break a run off where a kill would hurt most.

    A snap's row and samples are written by then, and its checkpoint is not.
    """

    def __init__(self, break_at: int | None = None) -> None:
        self.break_at = break_at

    def started(self, run: object) -> None: ...

    def progressed(self, step: int, total: int | None, done: float) -> None: ...

    def snapped(self, row: Mapping[str, Any]) -> None:
        if row["step"] == self.break_at:
            raise Killed


class Killed(BaseException):
    """What nothing in a run catches."""


BASE = GenerateSettings(
    data="demo:digits", loss="ns", steps=STEPS, snap=SNAP, batch_size=16, threads=1
)
CASES: dict[str, dict[str, Any]] = {
    "moving average": {"ema_kimg": 0.001},
    "linear decay": {"lr_schedule": "linear", "lr_decay_from": 0.25},
    "cosine decay with warm-up": {"lr_schedule": "cosine", "lr_warmup": 4},
    "warm-up alone": {"lr_warmup": 8},
    "micro-batches of a spectral norm": {"loss": "hinge", "accumulate": 4},
    "clipped gradients": {"clip_grad": 0.1, "loss": "wgan"},
    "augmentation": {"diffaugment": "color,translation,cutout"},
    "adaptive augmentation": {"aug": "ada", "aug_kimg": 0.5},
    "lazy penalties": {"loss": "r3gan", "penalty_every": 5},
    "classes": {"loss": "hinge", "cond": True, "accumulate": 2},
    "everything": {
        "loss": "wgan-gp", "critic_steps": 2, "accumulate": 2, "clip_grad": 1.0, "mirror": True,
        "lr_schedule": "cosine", "diffaugment": "color,cutout", "penalty_every": 2,
    },
}  # fmt: skip


def uninterrupted(settings: GenerateSettings, out: Path) -> dict[str, Any]:
    train(replace(settings, out=str(out)), Silent())
    return fingerprint(only_run(out))


def broken_and_resumed(settings: GenerateSettings, out: Path) -> dict[str, Any]:
    settings = replace(settings, out=str(out))
    with pytest.raises(Killed):
        train(settings, Silent(break_at=BROKEN_AT))
    assert RunFolder(only_run(out)).rows()[-1]["step"] == BROKEN_AT
    train(settings, Silent(), resume="auto")
    return fingerprint(only_run(out))


@pytest.mark.parametrize("case", CASES)
def test_broken_off_and_resumed_equals_uninterrupted(case: str, tmp_path: Path) -> None:
    settings = replace(BASE, **CASES[case])
    expected = uninterrupted(settings, tmp_path / "calm")
    assert broken_and_resumed(settings, tmp_path / "rough") == expected


@pytest.fixture
def ended(tmp_path: Path) -> tuple[RunFolder, dict[str, Any]]:
    """A run of 12 steps with a best.pt of step 6, and what it was before that was put there."""
    expected = uninterrupted(BASE, tmp_path)
    folder = RunFolder(only_run(tmp_path))
    other = RunFolder(tmp_path / "other" / folder.path.name)
    with pytest.raises(Killed):
        train(replace(BASE, out=str(tmp_path / "other")), Silent(break_at=9))
    shutil.copy(other.last, folder.best)  # broken off in snap 9, the checkpoint is of step 6
    return folder, expected


def test_a_run_whose_last_checkpoint_is_damaged_goes_on_from_the_one_that_is_named(
    ended: tuple[RunFolder, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run, expected = ended
    run.last.write_bytes(run.last.read_bytes()[:1000])
    command = ["train", "generate", "--resume"]
    assert main([*command, str(run.path)]) == 7
    assert f"Go on from another one with --resume {run.best}" in capsys.readouterr().err
    assert main([*command, str(run.best)]) == 0
    assert "continued at step 6" in capsys.readouterr().out
    assert fingerprint(run.path) == expected


def test_a_run_that_goes_back_and_is_broken_off_has_no_gap(
    ended: tuple[RunFolder, dict[str, Any]],
) -> None:
    """The rows after step 6 are forgotten; so is the checkpoint of step 12, before them."""
    run, expected = ended
    with pytest.raises(Killed):
        train(replace(BASE, out=str(run.path.parent)), Silent(break_at=9), str(run.best))
    assert checkpoint.load(run.last)["engine"]["step"] == 6
    train(replace(BASE, out=str(run.path.parent)), Silent(), resume="auto")
    assert fingerprint(run.path) == expected


def test_a_checkpoint_that_is_not_there_is_not_replaced_by_another(
    ended: tuple[RunFolder, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    missing = ended[0].best.with_name("bset.pt")
    assert main(["train", "generate", "--resume", str(missing)]) == 7
    assert f"there is no checkpoint {missing}" in capsys.readouterr().err


def test_control_every_option_changes_the_run(tmp_path: Path) -> None:
    """An option without an effect would resume exactly as well."""
    plain = [uninterrupted(BASE, tmp_path / "plain")["state"]]
    for name, options in CASES.items():
        if "loss" not in options:
            plain.append(uninterrupted(replace(BASE, **options), tmp_path / name)["state"])
    for loss, name in (("r3gan", "lazy penalties"), ("wgan", "clipped gradients")):
        for options in ({"loss": loss}, CASES[name]):
            out = tmp_path / f"{name} {len(options)}"
            plain.append(uninterrupted(replace(BASE, **options), out)["state"])
    assert len(set(plain)) == len(plain)


def test_control_a_schedule_that_forgets_its_step_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting from the start of the process, as a scheduler that is not saved would."""
    settings = replace(BASE, **CASES["linear decay"])
    expected = uninterrupted(settings, tmp_path / "calm")
    original = Engine._set_rates
    starts: dict[int, int] = {}

    def forgetful(engine: Engine) -> None:
        step, start = engine.step, starts.setdefault(id(engine), engine.step)
        engine.step = step - start
        original(engine)
        engine.step = step

    monkeypatch.setattr(Engine, "_set_rates", forgetful)
    assert broken_and_resumed(settings, tmp_path / "rough")["state"] != expected["state"]


SCORES = {0: 9.0, 3: 4.0, 6: 5.0, 9: 4.5, 12: 1.0}


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """Scores by step, given instead of measured."""
    table = dict(SCORES)
    monkeypatch.setattr(_Session, "_score", lambda self: {"fd": table[self.run.engine.step]})
    return table


def start(out: Path, **options: Any) -> Outcome:
    return train(replace(BASE, out=str(out), **options), Silent(), resume="auto")


def test_patience_ends_a_run_and_says_which_step_was_best(
    tmp_path: Path, scores: dict[int, float]
) -> None:
    outcome = start(tmp_path, patience=2)
    assert outcome.state == "finished"
    assert outcome.message == (
        "stopped early at step 9: no score of the last 2 was better than 4, which step 3 "
        "reached; checkpoints/best.pt holds it"
    )
    folder = RunFolder(only_run(tmp_path))
    assert [row["step"] for row in folder.rows() if "fd" in row] == [0, 3, 6, 9]
    assert folder.state == "finished"
    for text in (folder.log, folder.page, folder.path / "status.json"):
        assert "no score of the last 2" in text.read_text(encoding="utf-8")
    assert checkpoint.load(folder.best)["engine"]["step"] == 3
    assert checkpoint.load(folder.last)["engine"]["step"] == 9
    assert any("--patience 4" in command for command in outcome.next)


def test_a_run_that_was_stopped_early_is_finished_until_patience_grows(
    tmp_path: Path, scores: dict[int, float], capsys: pytest.CaptureFixture[str]
) -> None:
    start(tmp_path, patience=2)
    before = RunFolder(only_run(tmp_path)).last.read_bytes()
    again = start(tmp_path, patience=2)
    assert again.state == "already finished"
    assert "stopped early at step 9" in again.message
    assert main(["train", "generate", "--resume", str(only_run(tmp_path))]) == 0
    assert "finished already; nothing to do. It stopped early" in capsys.readouterr().out
    assert RunFolder(only_run(tmp_path)).last.read_bytes() == before

    longer = start(tmp_path, patience=3)
    assert (longer.state, longer.message) == ("finished", "")
    assert fingerprint(only_run(tmp_path)) == uninterrupted(BASE, tmp_path / "calm")


def test_patience_is_the_same_when_the_run_was_broken_off(
    tmp_path: Path, scores: dict[int, float]
) -> None:
    settings = replace(BASE, patience=2)
    expected = uninterrupted(settings, tmp_path / "calm")
    assert broken_and_resumed(settings, tmp_path / "rough") == expected
    assert len(expected["rows"]) < len(uninterrupted(BASE, tmp_path / "patient")["rows"])


def test_a_longer_run_is_refused_where_the_length_decides(tmp_path: Path) -> None:
    start(tmp_path, lr_schedule="linear", steps=2)
    words = ["train", "generate", "--resume", str(only_run(tmp_path))]
    with pytest.raises(UsageError, match="--steps 4 would be another run from its first step"):
        _parse("generate", [*words[2:], "--steps", "4"])
    assert main(words) == 0  # finished already

    # Found by its settings, the run is another one as soon as the length differs.
    train(replace(BASE, out=str(tmp_path), lr_schedule="linear", steps=4), Silent(), resume="auto")
    assert len([p for p in tmp_path.iterdir() if p.name[0].isdigit()]) == 2


def test_best_is_not_replaced_by_a_step_that_was_not_scored(
    tmp_path: Path, scores: dict[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C saves last.pt between two snaps; the best score so far belongs to an earlier step."""
    monkeypatch.setattr(_Session, "_agree", lambda self, _: self.run.engine.step == 5)
    assert start(tmp_path).state == "interrupted"
    folder = RunFolder(only_run(tmp_path))
    assert checkpoint.load(folder.last)["engine"]["step"] == 5
    assert checkpoint.load(folder.best)["engine"]["step"] == 3


def test_a_run_of_two_processes_may_go_on_with_one(tmp_path: Path) -> None:
    """1 is the default of --devices, and typed all the same."""
    run = create(replace(BASE, out=str(tmp_path), devices=2), "ring")
    words = ["--resume", str(run.path), "--devices"]
    assert _parse("generate", [*words, "1"])[0].devices == 1
    assert _parse("generate", [*words, "4"])[0].devices == 4
    assert _parse("generate", words[:2])[0].devices == 2


def test_a_run_of_another_version_is_passed_over(tmp_path: Path) -> None:
    settings = replace(BASE, out=str(tmp_path))
    older, newer = (create(settings, "ring") for _ in range(2))
    newer.config.write_text(newer.config.read_text() + "a_setting_of_tomorrow: 1\n")
    found = find_resumable(settings)
    assert found is not None
    assert found.path == older.path
