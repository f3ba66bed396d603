"""The range a card gives holds for scores and samples of every size."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import ganloss as gl
from conformance.test_terms import TERMS, call, make, tensors
from ganloss.cards import card, cards
from ganloss.check import example

_INTERVAL = re.compile(r"([\[(])(−?[\d.∞-]+), (−?[\d.∞-]+)([\])])")


def bounds(text: str) -> tuple[float, float]:
    """Lowest and highest value of the first interval in a text."""
    found = _INTERVAL.search(text)
    assert found, text
    low, high = (x.replace("∞", "inf").replace("−", "-") for x in found.group(2, 3))
    return float(low), float(high)


def sides(text: str) -> dict[str, tuple[float, float]]:
    """What a card says of the discriminator's and of the generator's loss."""
    split = re.split(r"\bD (?=[\[(])|, G (?=[\[(])", text)
    parts = split[1:] if len(split) == 3 else [text, text]
    return dict(zip(("discriminator", "generator"), map(bounds, parts), strict=True))


def inside(value: Tensor, limits: tuple[float, float]) -> bool:
    slack = 1e-5 * (1 + abs(value.item()))
    return limits[0] - slack <= value.item() <= limits[1] + slack


@pytest.mark.parametrize("scale", [0.1, 3.0, 50.0])
@pytest.mark.parametrize("name", gl.LOSSES)
def test_pairs(name: str, scale: float) -> None:
    pair, limits = example(name), sides(card(name).range)
    for seed in range(20):
        torch.manual_seed(seed)
        real, fake = scale * torch.randn(2, 6, 5, dtype=torch.float64)
        if pair.real_is_low:
            real, fake = real.abs(), fake.abs()
        for side, (low, high) in limits.items():
            value = getattr(pair, side)(real=real, fake=fake)
            assert inside(value, (low, high)), (side, value)


@pytest.mark.parametrize("name", gl.PENALTIES)
def test_penalties_are_never_negative(name: str) -> None:
    penalty, limits = example(name), bounds(card(name).range)
    for scale in (1e-3, 1.0, 10.0):
        torch.manual_seed(0)
        critic = torch.nn.Sequential(torch.nn.Linear(192, 4), torch.nn.Tanh())
        networks = torch.nn.Sequential(torch.nn.Flatten(), critic)
        with torch.no_grad():
            critic[0].weight.mul_(scale)
        images = torch.rand(2, 4, 3, 8, 8)
        assert inside(penalty(networks, real=images[0], fake=images[1]), limits)


@pytest.mark.parametrize("expression", TERMS)
def test_terms(expression: str) -> None:
    (found,) = [c for c in cards() if c.cls.__name__ == expression.partition("(")[0]]
    side = expression.rpartition(").")[2]
    limits = sides(found.range).get(side) or bounds(found.range)
    for seed in range(5):
        arguments: Any = TERMS[expression].draw(np.random.default_rng(seed))
        value = call(make(expression, torch.float64), tensors(arguments))
        assert inside(value, limits), value


@pytest.mark.parametrize("name", [c.name for c in cards()])
def test_every_card_gives_a_range_and_shapes(name: str) -> None:
    assert bounds(card(name).range)
    assert card(name).shapes


def test_control_a_wrong_range_is_seen() -> None:
    assert sides("D [0, ∞), G (−∞, 0].") == {
        "discriminator": (0.0, float("inf")),
        "generator": (float("-inf"), 0.0),
    }
    assert not inside(gl.Minimax().generator(fake=torch.zeros(2)), (0.0, float("inf")))
    assert not inside(gl.Cosine()(torch.ones(1, 2), -torch.ones(1, 2)), (0.0, 1.0))
