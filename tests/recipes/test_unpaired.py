"""CycleGAN: the value of each loss, and whose images the discriminators see."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganloss as gl
from ganloss._random import Draws
from ganloss.engine.phase import Phase, Turn
from ganloss.recipes.unpaired import Translators, unpaired


class Line(nn.Module):
    """slope · x + shift, and what it was shown."""

    def __init__(self, slope: float, shift: float = 0.0) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))
        self.shift = shift
        self.seen: list[float] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.flatten()[0].item())
        return self.slope * x + self.shift


def seen(network: nn.Module) -> list[float]:
    assert isinstance(network, Line)
    return network.seen


A, B = torch.full((2, 1, 1, 1), 1.0), torch.full((2, 1, 1, 1), 3.0)


def turn(rows: int = 2, first: int = 0) -> Turn:
    return Turn(0, B, Draws(seed=0, step=0, rows=rows, first=first), source=A)


def networks(pool: int = 0) -> Translators:
    """Maps 2x and ½y + .1 as in the table of cycle consistency; critics x and 10 x."""
    lines = Line(2.0), Line(0.5, 0.1), Line(1.0), Line(10.0)
    return Translators(*lines, gl.ImagePool(pool), gl.ImagePool(pool))


def phases_of(nets: Translators, game: str = "wgan", **options: Any) -> dict[str, Phase]:
    return {phase.name: phase for phase in unpaired(gl.GAMES[game], nets, **options)}


def test_the_generators_loss() -> None:
    """B becomes 1.6 and A 2: −1.6 − 10 · 2 adversarially; cycle .3 and identity 3.4."""
    result = phases_of(networks())["g"].loss(turn())
    assert result.terms["adv"].item() == pytest.approx(-1.6 - 20.0)
    assert result.terms["cycle"].item() == pytest.approx(0.3)
    assert result.terms["identity"].item() == pytest.approx(3.4)
    assert result.total.item() == pytest.approx(-21.6 + 10 * 0.3 + 5 * 3.4, rel=1e-6)


def test_weights_of_ones_own_and_an_identity_that_is_not_computed() -> None:
    nets = networks()
    result = phases_of(nets, cycle=2.0, identity=0.0, adversarial=0.5)["g"].loss(turn())
    assert result.total.item() == pytest.approx(0.5 * -21.6 + 2 * 0.3, rel=1e-6)
    assert "identity" not in result.terms
    assert 3.0 not in seen(nets.a_to_b)


def test_the_discriminators_loss_is_that_of_both_domains() -> None:
    """D_A: 1.6 − 1; D_B: 10 · 2 − 10 · 3."""
    phases = phases_of(networks())
    phases["g"].loss(turn())
    result = phases["d"].loss(turn())
    assert result.total.item() == pytest.approx((1.6 - 1.0) + (20.0 - 30.0))
    assert result.total.item() == pytest.approx(result.terms["adv"].item())


def test_they_judge_what_was_made_before_the_generators_update() -> None:
    nets = networks()
    phases = phases_of(nets)
    phases["g"].loss(turn())
    with torch.no_grad():
        for line in (nets.a_to_b, nets.b_to_a):
            line.get_parameter("slope").zero_()
    assert phases["d"].loss(turn()).total.item() == pytest.approx(-9.4)


def test_without_a_generators_turn_they_translate_themselves() -> None:
    """More critic steps than one: the second has nothing that was made."""
    phases = phases_of(networks())
    assert phases["d"].loss(turn()).total.item() == pytest.approx(-9.4)


def test_a_pool_shows_older_images() -> None:
    """A pool of one holds the first; images of 1.6 and then of .1 are swapped half of the time."""
    nets = networks(pool=1)
    phases = phases_of(nets)
    for step in range(20):
        phases["g"].loss(turn())
        phases["d"].loss(Turn(step, B, Draws(seed=0, step=step, rows=2), source=A))
        with torch.no_grad():
            nets.b_to_a.get_parameter("slope").zero_()
    shown = [round(value, 3) for value in seen(nets.d_a)]
    assert shown.count(1.6) >= 1
    assert shown.count(0.1) >= 1


def test_each_process_is_shown_its_share_of_what_the_whole_pool_shows() -> None:
    """Two processes of one sample each: the second is handed row 1 of what was gathered."""
    nets = networks()
    whole = torch.tensor([7.0, 9.0]).view(2, 1, 1, 1)
    phases = phases_of(nets, gather=lambda rows: whole[: 2 * len(rows)])
    mine = Turn(0, B[:1], Draws(seed=0, step=0, rows=2, first=1), source=A[:1])
    phases["d"].loss(mine)
    assert 9.0 in seen(nets.d_a)
    assert 7.0 not in seen(nets.d_a)


def test_both_generators_and_both_discriminators_are_trained_together() -> None:
    nets = networks()
    phases = phases_of(nets)
    phases["g"].loss(turn()).total.backward()
    assert all(p.grad is not None for p in nets.generators.parameters())
    nets.generators.zero_grad()
    nets.discriminators.zero_grad()
    phases["d"].loss(turn()).total.backward()
    assert all(p.grad is None for p in nets.generators.parameters())
    assert all(p.grad is not None for p in nets.discriminators.parameters())


def test_clipping_holds_for_both_discriminators() -> None:
    nets = networks()
    after_update = phases_of(nets)["d"].after_update
    assert after_update is not None
    after_update()
    weights = [p.item() for p in nets.discriminators.parameters()]
    assert weights == pytest.approx([0.01, 0.01])
