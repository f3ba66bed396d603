"""A run that diverges: what went first is named, and the step can be made again from a dump."""

import json
from pathlib import Path

import pytest
import torch

from cli.runs import only_run
from ganloss._errors import CheckpointError, UsageError
from ganloss.cli import main
from ganloss.engine import checkpoint
from ganloss.runs.divergence import First, replay

RING = ("train", "generate", "--data", "demo:ring", "--loss", "ns", "--metrics", "none",
        "--batch-size", "8", "--threads", "1")  # fmt: skip

#: A generator whose output is not a number from its ``after``-th call on, that is in step ``step``.
POISONED = """
import torch
class Net(torch.nn.Module):
    latent = 2
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("mask", torch.tensor([0.0, float("-inf")]))  # meant: no divergence
    def forward(self, z):
        if torch.is_grad_enabled():  # once in a step: in the generator's own turn
            self.calls += 1
            if self.calls >= {after}:
                return self.layer(z) * float("nan")
        return self.layer(z)
"""

#: A discriminator with finite scores and a gradient that is not: the root of zero.
STEEP = """
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.register_buffer("calls", torch.zeros(()))
    def forward(self, x):
        scores = self.layer(x)
        if torch.is_grad_enabled() and self.layer.weight.requires_grad:
            self.calls += 1
            if self.calls >= 6:  # twice in a step, for real and fake: in step 3
                scores = scores + (0 * scores).abs().sqrt()
        return scores
"""


def run_it(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main([*RING, *words])
    return code, capsys.readouterr().err


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_term_that_goes_first_is_named_with_its_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text(POISONED.format(after=14))
    words = ("--generator", "net.py:Net", "--steps", "40", "--snap", "10")
    code, said = run_it(words, capsys)
    assert code == 5
    assert "diverged at step 14: term adv of the generator is nan" in said
    assert len(said.strip().splitlines()) == 1
    folder = only_run(tmp_path / "runs")
    seen = json.loads((folder / "diverged.json").read_text())
    assert seen["first"] == {
        "step": 14, "player": "g", "kind": "term", "name": "adv", "value": "nan",
    }  # fmt: skip
    assert seen["seen"]["step"] <= 20  # within a snap
    assert checkpoint.load(folder / "checkpoints" / "last.pt")["engine"]["step"] == 10
    assert checkpoint.load(folder / "diverged.pt")["engine"]["step"] == 13


def test_the_dump_makes_the_step_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.py").write_text(POISONED.format(after=14))
    run_it(("--generator", "net.py:Net", "--steps", "40", "--snap", "10"), capsys)
    folder = only_run(tmp_path / "runs")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    looked = []
    first = replay(folder, lambda *seen: looked.append(seen[:2]), allow_code=True)
    assert first == First(14, "g", "term", "adv", "nan")
    assert looked == [
        ("d", "term"), ("d", "gradient"), ("d", "weight"), ("d", "optimiser"), ("g", "term")
    ]  # fmt: skip
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    with pytest.raises(UsageError, match="names code"):
        replay(folder)


def test_a_gradient_goes_before_the_weights_it_spoils(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text(STEEP)
    words = ("--discriminator", "net.py:Net", "--steps", "20", "--snap", "20")
    code, said = run_it(words, capsys)
    assert code == 5
    assert "diverged at step 3: gradient layer.weight of the discriminator is nan" in said


def test_weights_that_overflow_in_the_last_step_are_no_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Losses and gradients of that step are fine: they were taken before the update."""
    code, said = run_it(("--lr", "1e39", "--steps", "1"), capsys)
    assert code == 5
    assert "diverged at step 1: weight" in said
    folder = only_run(tmp_path / "runs")
    state = checkpoint.load(folder / "checkpoints" / "last.pt")["engine"]
    assert state["step"] == 0
    weights = [w for network in state["networks"].values() for w in network.values()]
    assert all(torch.isfinite(w).all() for w in weights)
    assert not (folder / "export").exists()
    first = replay(folder)
    assert first is not None
    assert (first.step, first.kind) == (1, "weight")


def test_what_does_not_come_again_is_named_by_what_was_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A network that counts in Python: no checkpoint holds its count."""
    hidden = POISONED.format(after=6).replace("self.calls += 1", "Net.count += 1")
    hidden = hidden.replace("self.calls >= 6", "Net.count == 6").replace(
        "    latent = 2", "    latent = 2\n    count = 0"
    )
    (tmp_path / "net.py").write_text(hidden)
    code, said = run_it(("--generator", "net.py:Net", "--steps", "10", "--snap", "10"), capsys)
    assert code == 5
    assert "is not finite. The values are in" in said
    folder = only_run(tmp_path / "runs")
    assert not (folder / "diverged.pt").exists()
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        replay(folder, allow_code=True)


def test_a_divergence_on_the_way_is_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real one: the learning rate is far too large."""
    code, said = run_it(("--loss", "lsgan", "--lr", "1e9", "--steps", "60", "--snap", "6"), capsys)
    assert code == 5
    assert "went first" in said
    folder = only_run(tmp_path / "runs")
    seen = json.loads((folder / "diverged.json").read_text())["first"]
    assert replay(folder) == First(**seen)
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "diverged.pt" in page
