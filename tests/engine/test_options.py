"""Clipped gradients, schedules of the learning rate, and what micro-batches refuse."""

import math

import pytest
import torch
from torch import Tensor, nn

from ganloss import WeightedSum
from ganloss._errors import UsageError
from ganloss.engine.hardware import Hardware
from ganloss.engine.loop import Engine
from ganloss.engine.phase import Phase, Turn
from ganloss.engine.rates import RateSchedule
from ganloss.objective import Losses, Schedule


def engine_with_gradient(
    gradient: list[float],
    *,
    clip: float | None = None,
    schedule: Schedule | None = None,
    lr: float = 1.0,
) -> tuple[Engine, Tensor]:
    """A player of SGD whose gradient is known: the loss is its inner product with the weights."""
    layer = nn.Linear(len(gradient), 1, bias=False).double()
    nn.init.zeros_(layer.weight)
    direction = torch.tensor([gradient], dtype=torch.float64)

    def loss(turn: Turn) -> Losses:
        return WeightedSum(adv=1.0)(adv=layer(direction).sum())

    engine = Engine(
        (Phase("d", layer, loss),),
        {"d": torch.optim.SGD(layer.parameters(), lr=lr)},
        batches=lambda k: torch.zeros(4, 1),
        batch_size=4,
        clip_norm=clip,
        schedule=schedule,
    )
    return engine, layer.weight


def test_a_long_gradient_is_cut_to_the_norm_and_recorded_before() -> None:
    engine, weight = engine_with_gradient([3.0, 4.0], clip=2.0)
    record = engine.advance(measure=True)
    # torch divides by (norm + 1e-6): 2 / 5.000001 of the gradient.
    expected = [-3.0 * 2 / (5 + 1e-6), -4.0 * 2 / (5 + 1e-6)]
    assert weight.detach().flatten().tolist() == pytest.approx(expected, rel=1e-12)
    assert float(record.gradient_norms["d"]) == pytest.approx(5.0)


def test_a_short_gradient_is_left_alone() -> None:
    engine, weight = engine_with_gradient([3.0, 4.0], clip=5.5)
    engine.advance()
    assert weight.detach().flatten().tolist() == [-3.0, -4.0]


def test_control_without_clipping_the_whole_gradient_is_applied() -> None:
    engine, weight = engine_with_gradient([3.0, 4.0])
    engine.advance()
    assert weight.detach().flatten().tolist() == [-3.0, -4.0]


def test_clipping_is_per_player() -> None:
    """Two players with norms 5 and 0.5: only the first is cut."""
    torch.manual_seed(0)
    d, g = (nn.Linear(1, 1, bias=False).double() for _ in range(2))
    nn.init.zeros_(d.weight)
    nn.init.zeros_(g.weight)
    one = torch.ones(1, 1, dtype=torch.float64)
    phases = (
        Phase("d", d, lambda turn: WeightedSum(adv=5.0)(adv=d(one).sum())),
        Phase("g", g, lambda turn: WeightedSum(adv=0.5)(adv=g(one).sum())),
    )
    optimisers = {n: torch.optim.SGD(p.parameters(), lr=1.0) for n, p in (("d", d), ("g", g))}
    engine = Engine(phases, optimisers, batches=lambda k: one, batch_size=1, clip_norm=1.0)
    engine.advance()
    assert d.weight.item() == pytest.approx(-5 / (5 + 1e-6), rel=1e-12)
    assert g.weight.item() == -0.5


def linear(t: int, total: int, start: float) -> float:
    return 1.0 if t <= start * total else (total - t) / (total - start * total)


@pytest.mark.parametrize("start", [0.0, 0.5, 0.9])
def test_linear_is_constant_and_then_falls_to_zero(start: float) -> None:
    schedule = RateSchedule("linear", total=40, decay_from=start)
    for t in range(41):
        assert schedule(t) == pytest.approx(linear(t, 40, start), abs=1e-12)


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_decays_agree_with_torch(kind: str) -> None:
    """torch's LambdaLR with CycleGAN's rule, and CosineAnnealingLR, step by step."""
    parameter = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=0.1)
    theirs = (
        torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=30)
        if kind == "cosine"
        else torch.optim.lr_scheduler.LambdaLR(optimiser, lambda t: 1 - max(0, t - 15) / 15)
    )
    ours = RateSchedule(kind, total=30)  # type: ignore[arg-type]
    for t in range(30):
        assert 0.1 * ours(t) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9)
        optimiser.step()
        theirs.step()


def test_warm_up_multiplies_the_decay() -> None:
    schedule = RateSchedule("cosine", total=10, warmup=4)
    for t in range(10):
        expected = min(1, (t + 1) / 4) * (1 + math.cos(math.pi * t / 10)) / 2
        assert schedule(t) == pytest.approx(expected, rel=1e-12)


def test_the_engine_follows_the_schedule_and_says_so() -> None:
    """With gradient 1 the weight is minus the sum of the learning rates so far."""
    schedule = RateSchedule("linear", total=8, warmup=2, decay_from=0.25)
    engine, weight = engine_with_gradient([1.0], schedule=schedule, lr=0.1)
    travelled = 0.0
    for t in range(8):
        engine.advance()
        rate = 0.1 * min(1, (t + 1) / 2) * linear(t, 8, 0.25)
        travelled += rate
        assert engine.rates["d"] == pytest.approx(rate)
        assert weight.item() == pytest.approx(-travelled)


def test_control_without_a_schedule_rates_stay() -> None:
    engine, weight = engine_with_gradient([1.0], lr=0.1)
    for _ in range(4):
        engine.advance()
    assert weight.item() == pytest.approx(-0.4)
    assert engine.rates == {}


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "linear"},
        {"kind": "cosine", "total": 0},
        {"kind": "exponential", "total": 5},
        {"warmup": -1},
        {"kind": "linear", "total": 5, "decay_from": 1.0},
    ],
)
def test_a_schedule_that_cannot_be_meant_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"kind is|total is|warmup is"):
        RateSchedule(**values)  # type: ignore[arg-type]


def engine_in_parts(d: nn.Module, accumulate: int, hardware: Hardware) -> Engine:
    return Engine(
        (Phase("d", d, lambda turn: WeightedSum(adv=1.0)(adv=d(turn.real).mean())),),
        {"d": torch.optim.SGD(d.parameters())},
        batches=lambda k: torch.zeros(4, 3),
        batch_size=8,
        hardware=hardware,
        accumulate=accumulate,
    )


@pytest.mark.parametrize(("processes", "accumulate"), [(1, 3), (2, 8), (1, 0)])
def test_micro_batches_must_be_equal(processes: int, accumulate: int) -> None:
    with pytest.raises(UsageError, match=r"do not divide into .* micro-batches"):
        engine_in_parts(nn.Linear(3, 1), accumulate, Hardware(processes=processes))


def test_batch_normalisation_in_micro_batches_is_refused() -> None:
    d = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    with pytest.raises(UsageError, match="layer '1' of player 'd' is a BatchNorm1d"):
        engine_in_parts(d, 2, Hardware())
    engine_in_parts(d, 1, Hardware())


def test_normalisation_of_single_samples_is_welcome() -> None:
    d = nn.Sequential(nn.Linear(3, 4), nn.GroupNorm(2, 4), nn.Linear(4, 1))
    engine_in_parts(d, 2, Hardware())
