"""The engine's rules: who trains, who is frozen, and what is refused."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ganloss import GAMES, ScoreOutput, WeightedSum
from ganloss.engine.ema import moving_average
from ganloss.engine.hardware import Hardware
from ganloss.engine.loop import Engine
from ganloss.engine.phase import Phase, Turn
from ganloss.objective import Losses
from ganloss.recipes.generate import generate


def players() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return nn.Linear(2, 3), nn.Linear(3, 1)


def batches(k: int) -> Tensor:
    return torch.full((4, 3), float(k))


def engine_for(name: str) -> tuple[Engine, nn.Module, nn.Module]:
    g, d = players()
    game = GAMES[name]
    if game.constraint is not None:
        game.constraint.prepare(d)
    engine = Engine(
        generate(game, g, d, 2),
        {
            "d": game.optimisers.discriminator.build(d.parameters()),
            "g": game.optimisers.generator.build(g.parameters()),
        },
        batches=batches,
        batch_size=4,
    )
    return engine, g, d


OF_SCORES = [
    n for n, g in sorted(GAMES.items()) if g.output == ScoreOutput() and not g.needs_images
]


@pytest.mark.parametrize("name", OF_SCORES)
def test_every_game_makes_steps_that_change_both_players(name: str) -> None:
    engine, g, d = engine_for(name)
    before = [p.detach().clone() for p in (*g.parameters(), *d.parameters())]
    for _ in range(3):
        record = engine.advance(measure=True)
    after = [*g.parameters(), *d.parameters()]
    assert sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) >= 3
    assert set(record.losses) == set(record.gradient_norms) == {"d", "g"}
    assert all(torch.isfinite(losses.total) for losses in record.losses.values())


def test_weight_clipping_holds_after_every_step() -> None:
    engine, _, d = engine_for("wgan")
    engine.advance()
    assert max(float(p.detach().abs().max()) for p in d.parameters()) <= 0.01


def test_only_the_phase_that_trains_requires_gradients() -> None:
    g, d = players()
    seen: list[tuple[bool, bool]] = []

    def watch(turn: Turn) -> Losses:
        seen.append((g.weight.requires_grad, d.weight.requires_grad))
        return WeightedSum(adv=1.0)(adv=d(g(torch.ones(1, 2))).mean())

    optimisers = {"d": torch.optim.SGD(d.parameters()), "g": torch.optim.SGD(g.parameters())}
    phases = (Phase("d", d, watch, repeats=2), Phase("g", g, watch))
    Engine(phases, optimisers, batches=batches, batch_size=4).advance()
    assert seen == [(False, True), (False, True), (True, False)]


def test_critic_steps_see_fresh_batches() -> None:
    _, d = players()
    seen: list[float] = []

    def watch(turn: Turn) -> Losses:
        seen.append(float(turn.real[0, 0]))
        return WeightedSum(adv=1.0)(adv=d(turn.real).mean())

    engine = Engine(
        (Phase("d", d, watch, repeats=3),),
        {"d": torch.optim.SGD(d.parameters())},
        batches=batches,
        batch_size=4,
    )
    engine.advance()
    engine.advance()
    assert seen == [0, 1, 2, 3, 4, 5]


def test_swapped_optimisers_are_refused() -> None:
    g, d = players()
    phases = generate(GAMES["ns"], g, d, 2)
    optimisers = {"d": torch.optim.SGD(g.parameters()), "g": torch.optim.SGD(d.parameters())}
    with pytest.raises(ValueError, match="does not train; were the optimisers swapped"):
        Engine(phases, optimisers, batches=batches, batch_size=4)


def test_a_missing_optimiser_is_refused() -> None:
    g, d = players()
    with pytest.raises(ValueError, match="give one optimiser for each phase"):
        Engine(
            generate(GAMES["ns"], g, d, 2),
            {"d": torch.optim.SGD(d.parameters())},
            batches=batches,
            batch_size=4,
        )


def test_two_phases_of_one_name_are_refused() -> None:
    g, d = players()
    phase, _ = generate(GAMES["ns"], g, d, 2)
    with pytest.raises(ValueError, match="share a name"):
        Engine(
            (phase, replace(phase)),
            {"d": torch.optim.SGD(d.parameters())},
            batches=batches,
            batch_size=4,
        )


@pytest.mark.parametrize("name", ["wgan-gp", "hinge", "r3gan", "ns-r1"])
def test_a_state_continues_the_same_trajectory(name: str) -> None:
    engine, *_ = engine_for(name)
    for _ in range(3):
        engine.advance()
    state = engine.state()
    saved = {k: v.clone() for k, v in state["networks"]["g"].items()}
    other, g, _ = engine_for(name)
    other.load(copy.deepcopy(state))
    assert all(torch.equal(v, g.state_dict()[k]) for k, v in saved.items())
    expected, found = engine.advance(), other.advance()
    assert torch.equal(expected.losses["d"].total, found.losses["d"].total)
    assert torch.equal(expected.losses["g"].total, found.losses["g"].total)


def test_bf16_keeps_weights_in_fp32() -> None:
    g, d = players()
    game = GAMES["wgan-gp"]
    engine = Engine(
        generate(game, g, d, 2),
        {
            "d": game.optimisers.discriminator.build(d.parameters()),
            "g": game.optimisers.generator.build(g.parameters()),
        },
        batches=batches,
        batch_size=4,
        hardware=Hardware(precision="bf16"),
    )
    record = engine.advance()
    assert g.weight.dtype == torch.float32
    assert torch.isfinite(record.losses["d"].total)


def test_the_moving_average_has_the_buffers_of_now() -> None:
    """Running means of a normalisation belong to the weights that are averaged."""
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = moving_average(network, batch_size=4, half_life_kimg=1.0)
    for _ in range(3):
        network(torch.randn(4, 2))
        average.update_parameters(network)
    for name, value in network.named_buffers():
        assert torch.equal(dict(average.module.named_buffers())[name], value), name
    assert network[1].num_batches_tracked == 3


@pytest.mark.parametrize("step", [-1, 1.5, "3", None])
def test_a_step_that_cannot_be_is_refused(step: object) -> None:
    engine, *_ = engine_for("ns")
    with pytest.raises(ValueError, match="its step is"):
        engine.load({**engine.state(), "step": step})


def test_what_an_optimiser_remembers_of_other_parameters_is_refused() -> None:
    """The generator is 2 → 3 and the discriminator 3 → 1: moments of other shapes."""
    engine, *_ = engine_for("ns")
    engine.advance()
    state = copy.deepcopy(engine.state())
    memory = state["optimisers"]["d"]["state"][0]
    memory["exp_avg"] = torch.zeros(7)
    with pytest.raises(ValueError, match="remembers other parameters"):
        engine_for("ns")[0].load(state)


def test_a_state_keeps_the_rates_of_the_configuration() -> None:
    """A learning rate is a setting: what a checkpoint says of it does not count."""
    engine, *_ = engine_for("ns")
    engine.advance()
    state = copy.deepcopy(engine.state())
    state["optimisers"]["g"]["param_groups"][0]["lr"] = 99.0
    other, g, _ = engine_for("ns")
    other.load(state)
    before = g.get_parameter("weight").detach().clone()
    other.advance()
    assert (g.get_parameter("weight").detach() - before).abs().max() < 0.01


def test_what_is_not_finite_is_named_with_its_player() -> None:
    engine, g, d = engine_for("ns")
    engine.advance()
    assert engine.not_finite() == []
    with torch.no_grad():
        g.get_parameter("bias")[1] = torch.inf
        d.get_parameter("weight")[0, 0] = torch.nan
    assert engine.not_finite() == ["d's weight weight", "g's weight bias"]


def test_an_optimisers_state_that_is_not_finite_is_named() -> None:
    engine, *_ = engine_for("ns")
    engine.advance()
    state = copy.deepcopy(engine.state())
    state["optimisers"]["d"]["state"][0]["exp_avg_sq"].fill_(torch.inf)
    other, *_ = engine_for("ns")
    other.load(state)
    assert other.not_finite() == ["d's optimiser state weight.exp_avg_sq"]


def test_the_batch_to_look_at_is_the_first_of_the_last_step() -> None:
    """Five critic steps a step: batches 0 to 4, then 5 to 9."""
    engine, *_ = engine_for("wgan-gp")
    assert engine.peek_batch()[0][0, 0].item() == 0
    engine.advance()
    engine.advance()
    assert engine.peek_batch()[0][0, 0].item() == 5
