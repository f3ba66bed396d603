"""Recipes that translate: recurrences of CycleGAN and pix2pix, and what each term does."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganloss as gl
from ganloss.engine.loop import Engine
from ganloss.games import Game
from ganloss.recipes.paired import paired
from ganloss.recipes.unpaired import Translators, unpaired

RATE = 0.001
LEAST_SQUARES = Game(gl.LeastSquares())


class Shift(nn.Module):
    """x to x + c."""

    def __init__(self, c: float) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.tensor(c, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.c


class Scale(nn.Module):
    """x to w x, or to the sum of w_i x_i over channels."""

    def __init__(self, *w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.w.view(1, -1, 1, 1)).sum(1, keepdim=True)


def image(value: float) -> Tensor:
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def constant(value: float) -> Callable[[int], Tensor]:
    return lambda k: image(value)


def translators(pool: int = 0) -> Translators:
    """G x + a, F y + b, D_A u x, D_B v y with a, b, u, v = .5, -.3, .2, .1."""
    pools = [gl.ImagePool(pool) for _ in range(2)]
    return Translators(Shift(0.5), Shift(-0.3), Scale(0.2), Scale(0.1), *pools)


def cyclegan(nets: Translators, **options: Any) -> Engine:
    phases = unpaired(LEAST_SQUARES, nets, adversarial=2.0, **options)
    optimisers = {p.name: torch.optim.SGD(p.trains.parameters(), RATE) for p in phases}
    return Engine(
        phases, optimisers, batches=constant(3.0), sources=constant(1.0), batch_size=1,
        controllers={"pool_a": nets.pool_a, "pool_b": nets.pool_b},
    )  # fmt: skip


def numbers(nets: Translators) -> list[float]:
    parameters = (*nets.generators.parameters(), *nets.discriminators.parameters())
    return [p.item() for p in parameters]


def by_formula(steps: int, cycle: float = 10.0, identity: float = 5.0) -> list[float]:
    """Gradients of |.| and of squares written out; A = 1, B = 3, SGD."""
    a, b, u, v = 0.5, -0.3, 0.2, 0.1

    def sign(x: float) -> int:
        return (x > 0) - (x < 0)

    for _ in range(steps):
        fake_b, fake_a = 1 + a, 3 + b
        around = 2 * cycle * sign(a + b)  # both cycles end at x + a + b
        da = around + identity * sign(a) + 2 * (v * fake_b - 1) * v
        db = around + identity * sign(b) + 2 * (u * fake_a - 1) * u
        du = (u * 1 - 1) * 1 + u * fake_a**2  # ½ of each square, derived
        dv = (v * 3 - 1) * 3 + v * fake_b**2
        a, b, u, v = a - RATE * da, b - RATE * db, u - RATE * du, v - RATE * dv
    return [a, b, u, v]


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_cyclegan_follows_its_recurrence(steps: int):
    nets = translators()
    engine = cyclegan(nets)
    for _ in range(steps):
        engine.advance()
    assert numbers(nets) == pytest.approx(by_formula(steps), abs=1e-12)


def test_the_recurrence_is_the_published_one():
    """Worked out separately, with G first and D on the same fakes."""
    assert by_formula(1) == pytest.approx([0.47517, -0.314816, 0.199342, 0.101875], abs=1e-9)
    five = [0.3758812874, -0.3740674183, 0.1969199688, 0.1092422438]
    assert by_formula(5) == pytest.approx(five, abs=1e-9)


@pytest.mark.parametrize("weights", [{"cycle": 0.0}, {"identity": 0.0}, {"cycle": 3.0}])
def test_the_weights_of_cycle_and_identity(weights: dict[str, float]):
    nets = translators()
    engine = cyclegan(nets, **weights)
    losses = [engine.advance().losses["g"] for _ in range(3)]
    assert numbers(nets) == pytest.approx(by_formula(3, **weights), abs=1e-12)
    left_out = {name for name, weight in weights.items() if weight == 0}
    assert {"adv", "cycle", "identity"} - losses[0].terms.keys() == left_out


def test_control_discriminators_first_is_another_recurrence():
    nets = translators()
    phases = unpaired(LEAST_SQUARES, nets, adversarial=2.0)[::-1]
    optimisers = {p.name: torch.optim.SGD(p.trains.parameters(), RATE) for p in phases}
    engine = Engine(phases, optimisers, batches=constant(3.0), sources=constant(1.0), batch_size=1)
    for _ in range(5):
        engine.advance()
    assert numbers(nets) != pytest.approx(by_formula(5), abs=1e-9)


def test_pools_are_part_of_the_state():
    straight, first, second = (translators(pool=2) for _ in range(3))
    engine = cyclegan(straight)
    for _ in range(36):
        engine.advance()
    begun = cyclegan(first)
    for _ in range(6):
        begun.advance()
    resumed = cyclegan(second)
    resumed.load(begun.state())
    for _ in range(30):
        resumed.advance()
    assert numbers(second) == numbers(straight)
    forgotten = cyclegan(second := translators(pool=2))
    state = begun.state()
    state["controllers"] = forgotten.state()["controllers"]
    forgotten.load(state)
    for _ in range(30):
        forgotten.advance()
    assert numbers(second) != numbers(straight), "the pools would not matter"


def pix2pix_by_formula(steps: int, l1: float) -> list[float]:
    """G(x) = x + c, D = p x + q y on the pair; x = 1, y = 3; D first, halved."""
    c, p, q = 0.5, 0.2, 0.1
    for _ in range(steps):
        fake = 1 + c
        real_score, fake_score = p + 3 * q, p + fake * q
        dp = 0.5 * ((real_score - 1) + fake_score)
        dq = 0.5 * ((real_score - 1) * 3 + fake_score * fake)
        p, q = p - RATE * dp, q - RATE * dq
        dc = (p + fake * q - 1) * q + l1 * (-1 if fake < 3 else 1)
        c -= RATE * dc
    return [c, p, q]


@pytest.mark.parametrize("l1", [0.0, 100.0])
def test_pix2pix_follows_its_recurrence(l1: float):
    g, d = Shift(0.5), Scale(0.2, 0.1)
    phases = paired(LEAST_SQUARES, g, d, {"l1": (gl.L1(), l1)}, discriminator_weight=0.5)
    optimisers = {p.name: torch.optim.SGD(p.trains.parameters(), RATE) for p in phases}
    engine = Engine(phases, optimisers, batches=constant(3.0), sources=constant(1.0), batch_size=1)
    for _ in range(7):
        engine.advance()
    found = [g.c.item(), *d.w.tolist()]
    assert found == pytest.approx(pix2pix_by_formula(7, l1), abs=1e-12)


def test_without_an_adversarial_weight_there_is_no_discriminator():
    g, d = Shift(0.5), Scale(0.2, 0.1)
    phases = paired(LEAST_SQUARES, g, d, {"mse": (gl.MSE(), 1.0)}, adversarial=0.0)
    assert [phase.name for phase in phases] == ["g"]
    engine = Engine(
        phases, {"g": torch.optim.SGD(g.parameters(), 0.1)},
        batches=constant(3.0), sources=constant(1.0), batch_size=1,
    )  # fmt: skip
    engine.advance()
    assert g.c.item() == pytest.approx(0.5 - 0.1 * 2 * (1.5 - 3))


def test_recipes_say_when_there_is_nothing_to_translate():
    phases = paired(LEAST_SQUARES, Shift(0.5), Scale(0.2, 0.1), {"l1": (gl.L1(), 1.0)})
    optimisers = {p.name: torch.optim.SGD(p.trains.parameters(), RATE) for p in phases}
    engine = Engine(phases, optimisers, batches=constant(3.0), batch_size=1)
    with pytest.raises(ValueError, match="give the engine sources="):
        engine.advance()
