"""Every game by its name: 500 steps of a real run, and resuming where there is a state."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import ganloss as gl
from ganloss.engine import checkpoint
from ganloss.games import ALIASES
from ganloss.runs.settings import GenerateSettings
from ganloss.runs.tasks import generate
from ganloss.runs.training import Outcome, train

NAMES = [name for name in gl.GAMES if name not in ALIASES]
#: Those that go their own ways in training.
SHORT = ["r3gan", "stylegan2", "lecam", "ebgan", "began"]
STEPS = 500


def some(*short: str) -> list[Any]:
    """Every game; what is not among these is in `make long`."""
    return [n if n in short else pytest.param(n, marks=pytest.mark.long) for n in NAMES]


class Silent:
    def started(self, run: object) -> None: ...

    def progressed(self, step: int, total: int | None, done: float) -> None: ...

    def snapped(self, row: Mapping[str, Any]) -> None: ...


def settings_for(name: str, out: Path, **changes: Any) -> GenerateSettings:
    data = "demo:digits" if gl.GAMES[name].needs_images else "demo:ring"
    asked = GenerateSettings(
        data=data, loss=name, steps=STEPS, snap=STEPS, batch_size=32, threads=1, metrics="none",
        out=str(out),
    )  # fmt: skip
    return replace(asked, **changes)


@pytest.mark.parametrize("name", some(*SHORT))
def test_trains_500_steps(name: str, tmp_path: Path) -> None:
    outcome = train(settings_for(name, tmp_path), Silent())
    assert outcome.state == "finished"
    assert outcome.run.rows()[-1]["step"] == STEPS
    for value in weights(last_state(outcome)):
        assert value.isfinite().all()
        assert value.abs().max() < 100, "weights ran away"


@pytest.mark.parametrize("precision", ["bf16", "16"])
@pytest.mark.parametrize("name", some("hinge", "began"))
def test_trains_in_half_precision(name: str, precision: str, tmp_path: Path) -> None:
    """With power iterations, and with a controller; weights stay in fp32."""
    outcome = train(settings_for(name, tmp_path, precision=precision, steps=10), Silent())
    assert outcome.state == "finished"
    for value in weights(last_state(outcome)):
        assert value.dtype == torch.float32 and value.isfinite().all()


def last_state(outcome: Outcome) -> Mapping[str, Any]:
    return checkpoint.load(outcome.run.last)["engine"]


def weights(state: Mapping[str, Any]) -> list[torch.Tensor]:
    return [value for part in state["networks"].values() for value in part.values()]


def whole_and_resumed(
    name: str, out: Path, **changes: Any
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    def asked(where: str, steps: int) -> GenerateSettings:
        return settings_for(name, out / where, steps=steps, batch_size=16, snap=5, **changes)

    whole = train(asked("whole", 20), Silent())
    half = train(asked("half", 10), Silent())
    resumed = train(asked("half", 20), Silent(), resume=str(half.run.path))
    return last_state(whole), last_state(resumed)


@pytest.mark.parametrize("name", [name for name in NAMES if gl.GAMES[name].has_state])
def test_a_state_is_in_the_checkpoint_and_resumed(name: str, tmp_path: Path) -> None:
    whole, resumed = whole_and_resumed(name, tmp_path)
    state = whole["controllers"]["game"]
    assert any(value.abs().sum() > 0 for value in state.values()), "it never moved"
    for key, value in state.items():
        assert torch.equal(value, resumed["controllers"]["game"][key]), key
    for first, second in zip(weights(whole), weights(resumed), strict=True):
        assert torch.equal(first, second)


def test_control_a_forgotten_state_is_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "states_of", lambda **rules: {})
    whole, resumed = whole_and_resumed("lecam", tmp_path)
    pairs = zip(weights(whole), weights(resumed), strict=True)
    assert not all(torch.equal(first, second) for first, second in pairs)


@pytest.mark.parametrize("precision", ["bf16", "16"])
def test_half_precision_is_resumed_to_the_bit(precision: str, tmp_path: Path) -> None:
    whole, resumed = whole_and_resumed("wgan-gp", tmp_path, precision=precision)
    assert checkpoint.digest(whole) == checkpoint.digest(resumed)
    assert set(whole["scalers"]) == ({"d", "g"} if precision == "16" else set())
