"""fp16: one loss scale per player; what overflows is skipped and counted, and is no divergence."""

import copy
import json
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cli.runs import only_run, run
from ganloss import GAMES
from ganloss._errors import UsageError
from ganloss.engine.hardware import Hardware, check_precision
from ganloss.engine.loop import Engine
from ganloss.engine.scaling import LossScaler
from ganloss.recipes.generate import generate
from ganloss.runs.folder import RunFolder

CPU = torch.device("cpu")


class Steep(nn.Module):
    """A discriminator whose scores, and their gradients, are ``scale`` times as large."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Linear(8, 1))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) * self.scale


def engine_for(scale: float, game: str = "wgan-gp", device: str = "cpu") -> tuple[Engine, Steep]:
    torch.manual_seed(0)
    g, d = nn.Linear(2, 2).to(device), Steep(scale).to(device)
    # Without the penalty, which is computed in fp32 and would outweigh all.
    rules = GAMES[game].with_penalty("gp", 0.0) if game == "wgan-gp" else GAMES[game]
    engine = Engine(
        generate(rules, g, d, 2),
        {
            "d": rules.optimisers.discriminator.build(d.parameters()),
            "g": rules.optimisers.generator.build(g.parameters()),
        },
        batches=lambda k: torch.randn(4, 2, generator=torch.Generator().manual_seed(k)).to(device),
        batch_size=4,
        hardware=Hardware(torch.device(device), precision="16"),
    )
    return engine, d


def weights(network: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach().clone()


def test_an_update_is_that_of_fp32_where_nothing_overflows() -> None:
    scaled, plain = (nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2))
    adams = [torch.optim.Adam([p], 0.1, fused=True) for p in (scaled, plain)]
    scaler = LossScaler(CPU)
    for _ in range(3):
        for parameter in (scaled, plain):
            parameter.grad = None
        scaler.scaled((scaled**2).sum()).backward()
        (plain**2).sum().backward()
        scaler.unscale(adams[0])
        scaler.update(adams[0])
        adams[1].step()
    torch.testing.assert_close(scaled, plain, rtol=1e-6, atol=0)
    assert scaler.skipped == 0 and scaler.scale == 2.0**16


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "SGD"])
def test_a_skipped_update_leaves_weights_and_optimiser_as_they_are(name: str) -> None:
    weight = nn.Parameter(torch.ones(2))
    options = {"fused": True} if name == "Adam" else {}
    optimiser = getattr(torch.optim, name)([weight], lr=0.1, **options)
    scaler = LossScaler(CPU)

    def update(gradient: float) -> None:
        weight.grad = torch.full((2,), gradient)
        scaler.unscale(optimiser)
        scaler.update(optimiser)

    update(65536.0)
    before, state = weight.detach().clone(), copy.deepcopy(optimiser.state_dict()["state"])
    update(torch.inf)
    assert scaler.overflowed == 1 and scaler.skipped == 1 and scaler.scale == 2.0**15
    assert torch.equal(weight, before)
    after = optimiser.state_dict()["state"]
    assert repr(after) == repr(state)
    update(65536.0)
    assert scaler.overflowed == 0 and not torch.equal(weight, before)


def test_gradients_below_the_range_of_fp16_arrive_and_without_a_scale_they_do_not() -> None:
    def gradient(scaler: LossScaler) -> float:
        weight = nn.Parameter(torch.ones(1))
        with torch.autocast("cpu", torch.float16):
            loss = nn.functional.linear(torch.full((1, 1), 1e-3), weight[None]).float() * 1e-5
        scaler.scaled(loss.sum()).backward()
        optimiser = torch.optim.SGD([weight])
        scaler.unscale(optimiser)
        assert weight.grad is not None
        return weight.grad.item()

    assert gradient(LossScaler(CPU)) == pytest.approx(1e-8, rel=1e-2)
    assert gradient(LossScaler(CPU, enabled=False)) == 0.0


def test_each_player_has_a_scale_of_its_own() -> None:
    engine, _ = engine_for(3e4)
    for _ in range(30):
        record = engine.advance(measure=True)
    scales = {name: float(s.scale) for name, s in record.scalers.items()}
    skipped = {name: int(s.skipped) for name, s in record.scalers.items()}
    assert skipped["d"] > 0 and skipped["g"] > 0
    assert scales == {name: 2.0 ** (16 - skipped[name]) for name in ("d", "g")}
    assert record.scalers["d"].overflowed == 0
    assert torch.isfinite(record.losses["d"].total)
    assert torch.isfinite(record.gradient_norms["d"])


def test_a_state_with_scales_continues_the_same_trajectory() -> None:
    engine, mine = engine_for(3e4)
    for _ in range(2):
        engine.advance()
    state = copy.deepcopy(engine.state())
    assert state["scalers"]["d"]["skipped"] > 0
    other, theirs = engine_for(3e4)
    other.load(state)
    for _ in range(3):
        a, b = engine.advance(), other.advance()
        for name in ("d", "g"):
            assert a.scalers[name].scale == b.scalers[name].scale
            assert a.scalers[name].skipped == b.scalers[name].skipped
    assert torch.equal(weights(mine), weights(theirs))


def test_other_precisions_scale_nothing_and_save_nothing() -> None:
    scaler = Hardware(precision="bf16").loss_scaler()
    loss = torch.ones(())
    assert scaler.scaled(loss) is loss
    assert scaler.state() == {}


def test_a_device_that_cannot_is_refused_with_a_sentence() -> None:
    with pytest.raises(UsageError, match=r"meta does not compute with --precision 16 .* use --p"):
        check_precision(torch.device("meta"), "16")


NETS = """
import torch
from torch import nn

class Steep(nn.Module):
    scale, broken = 3e4, False
    def __init__(self, image_size, channels):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size ** 2, 1))
    def forward(self, x):
        scores = self.layers(x)
        # The square root of 0 has no derivative: a finite loss with a gradient that never is.
        return (scores - scores).sqrt() + scores if self.broken else scores * self.scale

class Broken(Steep):
    broken = True
"""
WORDS = ("train", "generate", "--data", "demo:digits", "--loss", "wgan", "--metrics", "none",
         "--steps", "40", "--snap", "20", "--precision", "16")  # fmt: skip


def test_a_run_counts_what_it_skipped_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS, encoding="utf-8")
    done = run(*WORDS, "--discriminator", "nets.py:Steep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = RunFolder(only_run(tmp_path / "runs")).rows()
    assert rows[-1]["skipped"]["g"] > 0
    assert rows[-1]["loss_scale"]["g"] == 2.0 ** (16 - rows[-1]["skipped"]["g"])


def test_gradients_that_are_never_finite_end_a_run_as_diverged(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS, encoding="utf-8")
    done = run(*WORDS, "--discriminator", "nets.py:Broken", cwd=tmp_path)
    assert done.returncode == 5, done.stderr
    assert re.search(r"diverged at step \d+: gradient .* of the discriminator is nan", done.stderr)
    assert "--precision bf16" in done.stderr
    dump = json.loads((only_run(tmp_path / "runs") / "diverged.json").read_text("utf-8"))
    assert dump["first"]["kind"] == "gradient"
    assert dump["seen"]["row"]["loss_scale"]["d"] < 1e-4
