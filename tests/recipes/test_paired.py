"""Translation with targets: what each network is shown, and what the losses come to."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganloss as gl
from ganloss._random import Draws
from ganloss.engine.phase import Phase, Turn
from ganloss.objective import Losses
from ganloss.recipes.paired import paired


class Times(nn.Module):
    """G(x) = factor · x."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class Watched(nn.Module):
    """Scores are the mean of the last channels, times a weight; keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen: list[Tensor] = []

    def forward(self, pair: Tensor) -> Tensor:
        self.seen.append(pair.detach())
        return self.weight * pair[:, 1:].mean((1, 2, 3))

    def features(self, pair: Tensor) -> list[list[Tensor]]:
        """Two maps, and the scores, which are no features."""
        return [[pair[:, 1:], 2 * pair[:, 1:], 100 * self(pair)]]


def turn_of(source: Tensor, target: Tensor) -> Turn:
    return Turn(0, target, Draws(seed=0, step=0, rows=len(target)), source=source)


def loss(phases: tuple[Phase, ...], name: str, turn: Turn) -> Losses:
    return next(phase for phase in phases if phase.name == name).loss(turn)


X, Y = torch.full((2, 1, 2, 2), 3.0), torch.full((2, 1, 2, 2), 5.0)


def test_the_discriminator_sees_inputs_beside_outputs() -> None:
    """Of inputs 3 and targets 5 the generator 2x makes 6."""
    watched = Watched()
    phases = paired(gl.GAMES["wgan"], Times(2.0), watched, {})
    result = loss(phases, "d", turn_of(X, Y))
    assert sorted(seen[0, :, 0, 0].tolist() for seen in watched.seen) == [[3.0, 5.0], [3.0, 6.0]]
    assert result.terms["adv"].item() == 6.0 - 5.0


def test_its_half_weight_is_a_factor_of_its_adversarial_loss_alone() -> None:
    """Of the critic's slope 1/4 in each of 4 pixels, the norm is 1/2: the penalty 10 · 1/4."""
    game = gl.GAMES["wgan-gp"]
    phases = paired(game, Times(2.0), Watched(), {}, discriminator_weight=0.5)
    result = loss(phases, "d", turn_of(X, Y))
    assert result.terms["gp"].item() == pytest.approx(0.25)
    assert result.total.item() == pytest.approx(0.5 * (6.0 - 5.0) + 10 * 0.25)


def test_the_generator_adds_up_its_terms() -> None:
    """Adversarial −6; L1 |6 − 5| = 1, weighted 100; MSE 1, weighted 10."""
    terms: dict[str, Any] = {"l1": (gl.L1(), 100.0), "mse": (gl.MSE(), 10.0)}
    phases = paired(gl.GAMES["wgan"], Times(2.0), Watched(), terms, adversarial=3.0)
    result = loss(phases, "g", turn_of(X, Y))
    assert {name: term.item() for name, term in result.terms.items()} == {
        "adv": -6.0,
        "l1": 1.0,
        "mse": 1.0,
    }
    assert result.total.item() == 3 * -6.0 + 100.0 + 10.0


def test_feature_matching_leaves_the_scores_out() -> None:
    """Maps differ by 1 and by 2: 3, times the weight."""
    phases = paired(gl.GAMES["wgan"], Times(2.0), Watched(), {}, feature_matching=10.0)
    result = loss(phases, "g", turn_of(X, Y))
    assert result.terms["fm"].item() == pytest.approx(3.0)
    assert result.total.item() == pytest.approx(-6.0 + 10 * 3.0)


def test_a_relativistic_generator_is_shown_the_targets_too() -> None:
    """Paired hinge of G: max(0, 1 − (f − r)) = max(0, 1 − (6 − 5)) = 0."""
    game = gl.Game(gl.Relativistic(gl.Hinge()))
    result = loss(paired(game, Times(2.0), Watched(), {}), "g", turn_of(X, Y))
    assert result.terms["adv"].item() == 0.0
    other = loss(paired(game, Times(1.0), Watched(), {}), "g", turn_of(X, Y))
    assert other.terms["adv"].item() == 1 - (3.0 - 5.0)


def test_small_inputs_are_laid_beside_large_outputs() -> None:
    """Of one pixel for four, each is shown four times."""
    watched = Watched()
    small = torch.tensor([[[[1.0, 2.0]]]])
    enlarge = nn.Upsample(scale_factor=2.0)
    large = torch.zeros(1, 1, 2, 4)
    loss(paired(gl.GAMES["ns"], enlarge, watched, {}), "d", turn_of(small, large))
    assert watched.seen[0][0, 0].tolist() == [[1.0, 1.0, 2.0, 2.0]] * 2


def test_without_a_say_there_is_no_discriminator_and_it_is_never_asked() -> None:
    watched = Watched()
    terms: dict[str, Any] = {"l1": (gl.L1(), 1.0)}
    phases = paired(gl.GAMES["ns"], Times(2.0), watched, terms, adversarial=0.0)
    assert [phase.name for phase in phases] == ["g"]
    assert loss(phases, "g", turn_of(X, Y)).total.item() == 1.0
    assert watched.seen == []


def test_the_generator_learns_nothing_in_the_discriminators_turn() -> None:
    generator = Times(2.0)
    phases = paired(gl.GAMES["ns"], generator, Watched(), {})
    loss(phases, "d", turn_of(X, Y)).total.backward()
    assert generator.factor.grad is None
