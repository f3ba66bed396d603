"""Published games: what a name promises, what people type, and what changes a game."""

import copy
import dataclasses
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

import ganloss as gl
from ganloss.games import ALIASES, canonical_name


@pytest.mark.parametrize(
    ("name", "pair", "penalties", "critic_steps"),
    [
        ("minimax", gl.Minimax(), {}, 1),
        ("ns", gl.NonSaturating(), {}, 1),
        ("lsgan", gl.LeastSquares(), {}, 1),
        ("wgan", gl.Wasserstein(), {}, 5),
        ("wgan-gp", gl.Wasserstein(), {"gp": 10.0}, 5),
        ("wgan-div", gl.Wasserstein(), {"wgan-div": 2.0}, 5),
        ("hinge", gl.Hinge(), {}, 1),
        ("ns-r1", gl.NonSaturating(), {"r1": 10.0}, 1),
        ("rgan", gl.Relativistic(gl.NonSaturating()), {}, 1),
        ("dragan", gl.NonSaturating(), {"dragan": 10.0}, 1),
        ("ragan", gl.RelativisticAverage(gl.NonSaturating()), {}, 1),
        ("ralsgan", gl.RelativisticAverage(gl.LeastSquares(-1, 1)), {}, 1),
        ("rahinge", gl.RelativisticAverage(gl.Hinge()), {}, 1),
        ("r3gan", gl.Relativistic(gl.NonSaturating()), {"r1": 1.0, "r2": 1.0}, 1),
        ("wgan-lp", gl.Wasserstein(), {"gp": 10.0}, 5),
        ("lecam", gl.Hinge(), {"lecam": 0.3}, 1),
        ("cr-gan", gl.Hinge(), {"consistency": 10.0}, 1),
        ("bcr-gan", gl.Hinge(), {"consistency": 10.0}, 1),
        ("ebgan", gl.EnergyBased(10.0), {"pulling-away": 0.1}, 1),
        ("began", gl.BoundaryEquilibrium(), {}, 1),
        ("mmd-gan", gl.MaximumMeanDiscrepancy("gaussian"), {}, 5),
        ("sphere", gl.Sphere(), {}, 1),
        ("realness", gl.Realness(), {}, 1),
        ("fgan-kl", gl.FDivergence("kl"), {}, 1),
        ("fgan-total-variation", gl.FDivergence("total-variation"), {}, 1),
        ("dual-contrastive", gl.DualContrastive(), {"r1": 10.0}, 1),
        ("softmax-gan", gl.SoftmaxGAN(), {}, 1),
        ("bgan", gl.BoundarySeeking(), {}, 1),
    ],
)
def test_a_name_carries_its_pair_and_its_penalties(
    name: str, pair: gl.GANLoss, penalties: dict[str, float], critic_steps: int
):
    game = gl.GAMES[name]
    assert game.pair == pair
    assert {key: weighted.weight for key, weighted in game.penalties.items()} == penalties
    assert game.critic_steps == critic_steps
    objectives = (game.discriminator_objective(), game.generator_objective())
    assert {name for o in objectives for name in o.weights} == {"adv", *penalties}


def test_the_constraints_and_optimisers_of_the_papers():
    assert gl.GAMES["wgan"].constraint == gl.ClipWeights(0.01)
    assert gl.GAMES["wgan"].optimisers == gl.Optimisers.both(gl.RMSprop(5e-5))
    assert gl.GAMES["wgan-gp"].optimisers == gl.Optimisers.both(gl.Adam(1e-4, (0.0, 0.9)))
    assert gl.GAMES["hinge"].constraint == gl.SpectralNorm()


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_the_same_game(alias: str):
    assert gl.GAMES[alias] == gl.GAMES[ALIASES[alias]]


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("vanilla", "ns"),
        ("bce", "ns"),
        ("wgangp", "wgan-gp"),
        ("mse", "lsgan"),
        ("WGAN_GP", "wgan-gp"),
        ("RaSGAN", "ragan"),
        ("dcl", "dual-contrastive"),
    ],
)
def test_names_people_type(typed: str, name: str):
    assert canonical_name(typed) == name


def test_an_unknown_game_gets_the_nearest_name():
    with pytest.raises(KeyError, match="did you mean 'hinge'"):
        canonical_name("hnge")


def test_clipping_keeps_the_weights_in_the_box():
    layer = nn.Linear(4, 4)
    gl.ClipWeights(0.01).prepare(layer)
    assert max(p.abs().max().item() for p in layer.parameters()) <= 0.01


def test_clipping_after_a_step_moves_only_what_left_the_box() -> None:
    layer = nn.Linear(3, 1)
    layer.weight.data, layer.bias.data = torch.tensor([[0.3, -0.02, 0.004]]), torch.tensor([-7.0])
    gl.ClipWeights(0.02).after_step(layer)
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[0.02, -0.02, 0.004]]))
    assert layer.bias.item() == pytest.approx(-0.02)
    assert layer.weight.requires_grad


def test_spectral_norm_brings_the_largest_singular_value_to_one():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 6), nn.Conv2d(2, 3, 3))
    gl.SpectralNorm().prepare(network)
    for _ in range(50):  # one power iteration per forward pass
        weight = network[0].weight
    assert torch.linalg.svdvals(weight)[0].item() == pytest.approx(1, abs=1e-4)
    assert parametrize.is_parametrized(network[1])


@pytest.mark.parametrize("kind", [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d])
def test_spectral_norm_reaches_transposed_convolutions(kind: Any) -> None:
    network = nn.Sequential(kind(3, 5, 2))
    gl.SpectralNorm().prepare(network)
    for _ in range(50):
        weight = network[0].weight
    largest = torch.linalg.matrix_norm(weight.detach().transpose(0, 1).flatten(1), 2)
    assert largest.item() == pytest.approx(1.0, rel=1e-2)


def test_changing_weights_makes_a_new_game():
    game = gl.GAMES["wgan-gp"]
    assert game.with_penalty("gp", 1.0).penalties["gp"].weight == 1.0
    assert game.with_penalty("gp", 0.0).penalties == {}
    assert gl.GAMES["wgan-gp"].penalties["gp"].weight == 10.0
    gammas = gl.GAMES["r3gan"].with_gamma(0.05).penalties.values()
    assert [weighted.weight for weighted in gammas] == [0.05, 0.05]


def test_another_weight_leaves_the_penalty_and_everything_else_as_the_paper_has_them() -> None:
    """WGAN-LP's penalty is one-sided, and the usual one of that name is not."""
    paper = gl.GAMES["wgan-lp"]
    changed = paper.with_penalty("gp", 1.0)
    assert changed.penalties["gp"] == gl.Weighted(gl.GradientPenalty(one_sided=True), 1.0)
    assert (changed.pair, changed.critic_steps) == (gl.Wasserstein(), 5)
    assert changed.optimisers == gl.Optimisers.both(gl.Adam(1e-4, (0.0, 0.9)))
    both = gl.GAMES["stylegan2"].with_gamma(3.0)
    assert both.penalties["path-length"] == gl.Weighted(gl.PathLength(), gl.every(4, 2.0))


def test_another_weight_leaves_a_lazy_penalty_as_rare_as_it_was() -> None:
    changed = gl.GAMES["stylegan2"].with_gamma(5.0)
    assert changed.penalties["r1"].weight == gl.every(16, 5.0)
    assert changed.lazily(8).penalties["r1"].weight == gl.every(8, 5.0)
    assert changed.lazily(8).penalties["path-length"].weight == gl.every(8, 2.0)
    assert "r1" not in gl.GAMES["stylegan2"].with_penalty("r1", 0.0).penalties


def test_a_penalty_with_a_state_gives_its_game_one() -> None:
    assert not gl.GAMES["hinge"].has_state
    assert gl.GAMES["hinge"].with_penalty("lecam", 0.3).has_state
    assert not gl.GAMES["lecam"].with_penalty("lecam", 0.0).has_state


def test_games_are_a_dict_that_knows_the_nearest_name() -> None:
    with pytest.raises(KeyError, match="no loss 'Hinge'; did you mean 'hinge'"):
        gl.GAMES["Hinge"]
    with pytest.raises(KeyError, match="no loss 3"):
        gl.GAMES[3]  # pyright: ignore[reportArgumentType]
    assert "Hinge" not in gl.GAMES  # being asked for makes no entry
    assert gl.GAMES.get("Hinge") is None
    assert type(dict(gl.GAMES)) is dict
    for copied in (dict(gl.GAMES), copy.deepcopy(gl.GAMES), pickle.loads(pickle.dumps(gl.GAMES))):
        assert copied == gl.GAMES
    assert gl.GAMES["vanilla"] is gl.GAMES["ns"]


def test_gamma_without_r1_or_r2_is_refused():
    with pytest.raises(ValueError, match="add penalty r1"):
        gl.GAMES["hinge"].with_gamma(1.0)


def test_an_unknown_penalty_gets_the_nearest_name():
    with pytest.raises(KeyError, match="no penalty 'r11'; did you mean 'r1'"):
        gl.GAMES["ns"].with_penalty("r11", 1.0)


def test_lazy_penalties_keep_their_mean_weight():
    lazy = gl.GAMES["r3gan"].lazily(16)
    assert lazy.penalties["r2"].weight == gl.every(16, 1.0)
    changing = dataclasses.replace(lazy, penalties={"r1": gl.Weighted(gl.R1(), gl.ramp(0, 1, 9))})
    with pytest.raises(ValueError, match="a schedule already"):
        changing.lazily(2)


def test_a_game_without_critic_steps_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        gl.Game(gl.Hinge(), critic_steps=0)


@pytest.mark.parametrize("settings", [gl.Adam(1e-3, (0.0, 0.9)), gl.RMSprop(1e-3)])
def test_optimisers_move_the_parameters_by_about_the_learning_rate(settings: gl.Adam | gl.RMSprop):
    """Adam's first step is lr; RMSprop's is lr / sqrt(1 - alpha), here 10 lr."""
    p = nn.Parameter(torch.tensor(1.0))
    optimiser = settings.build([p])
    (3 * p).backward()
    optimiser.step()
    factor = 1 if isinstance(settings, gl.Adam) else 1 / math.sqrt(1 - settings.alpha)
    assert 1 - p.item() == pytest.approx(1e-3 * factor, rel=1e-3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gl.Adam(-1e-4), "lr is -0.0001; a learning rate is 0 or more"),
        (
            lambda: gl.Adam(betas=(2.0, 0.9)),
            r"betas are \(2.0, 0.9\); both are at",
        ),
        (lambda: gl.Adam(betas=(0.5, 1.0)), "below 1, e.g."),
        (lambda: gl.RMSprop(-1.0), "a learning rate is 0 or more"),
        (lambda: gl.RMSprop(alpha=1.0), "alpha is 1.0; it is at least 0 and below 1"),
    ],
)
def test_optimisers_refuse_what_torch_would_refuse_later(make: Callable[[], Any], words: str):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_game_carries_penalties_of_both_players():
    game = gl.GAMES["stylegan2"]
    assert game.discriminator_objective() == gl.WeightedSum(adv=1.0, r1=gl.every(16, 10.0))
    assert game.generator_objective().weights.keys() == {"adv", "path-length"}
    added = gl.GAMES["ns"].with_penalty("mode-seeking", 1.0)
    assert added.penalties == {"mode-seeking": gl.Weighted(gl.ModeSeeking(), 1.0)}
    assert added.discriminator_objective() == gl.WeightedSum(adv=1.0)


def test_games_say_what_their_discriminator_gives_and_whether_they_have_a_state():
    assert gl.GAMES["began"].output == gl.EnergyOutput("absolute")
    assert gl.GAMES["mmd-gan"].output == gl.FeatureOutput(16)
    names = [name for name in gl.GAMES if name not in ALIASES]
    assert {n for n in names if gl.GAMES[n].has_state} == {"began", "lecam", "stylegan2"}
    assert {n for n in names if gl.GAMES[n].needs_images} == {"cr-gan", "bcr-gan"}
