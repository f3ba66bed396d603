"""Numbers of the gradient penalties worked out by hand (sources in the comments)."""

import math

import pytest
import torch
from torch import Tensor

import ganloss as gl


def test_one_epsilon_is_shared_by_the_coordinates_of_a_sample() -> None:
    """D = (x0 + x1)^2 / 2, real (3, 1), fake (1, 3): the sum is 4 at every interpolate, so the
    norm is 4 sqrt 2 and the penalty (4 sqrt 2 - 1)^2 = 21.6862915."""
    real, fake = torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 3.0]])
    for seed in range(5):
        torch.manual_seed(seed)
        loss = gl.GradientPenalty()(lambda x: x.sum(1) ** 2 / 2, real=real, fake=fake)
        assert loss.item() == pytest.approx((4 * math.sqrt(2) - 1) ** 2, rel=1e-6)
    assert (4 * math.sqrt(2) - 1) ** 2 == pytest.approx(21.6862915, abs=1e-7)


def test_each_sample_has_an_epsilon_of_its_own() -> None:
    """For D = x^2 / 2 the gradient is the interpolate itself."""
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.square().sum(1) / 2

    gl.GradientPenalty()(critic, real=torch.ones(64, 1), fake=torch.zeros(64, 1))
    assert len(seen[0].unique()) > 60
    assert 0 <= seen[0].min() < 0.2
    assert 0.8 < seen[0].max() <= 1


def test_the_mean_for_a_quadratic_critic_is_the_integral() -> None:
    """D = x^2 / 2, real 3, fake 1: E (xhat - 1)^2 = 4 E eps^2 = 4/3."""
    torch.manual_seed(0)
    real = torch.full((200_000, 1), 3.0, dtype=torch.float64)
    loss = gl.GradientPenalty()(lambda x: x.square().sum(1) / 2, real=real, fake=real / 3)
    assert loss.item() == pytest.approx(4 / 3, rel=0.01)


def test_center_and_side() -> None:
    """Linear critic with norm 5: (5 - c)^2; one-sided is 0 below the centre."""
    x = torch.zeros(2, 2)

    def critic(x: Tensor) -> Tensor:
        return x @ torch.tensor([3.0, 4.0])

    assert gl.GradientPenalty(center=0.0)(critic, real=x, fake=x).item() == pytest.approx(25)
    assert gl.GradientPenalty(center=7.0)(critic, real=x, fake=x).item() == pytest.approx(4)
    one_sided = gl.GradientPenalty(center=7.0, one_sided=True)
    assert one_sided(critic, real=x, fake=x).item() == 0
    assert gl.GradientPenalty(one_sided=True)(critic, real=x, fake=x).item() == pytest.approx(16)


@pytest.mark.parametrize(("points", "expected"), [("real", 9.0), ("fake", 1.0)])
def test_points_may_be_the_real_or_the_fake_samples(points: str, expected: float) -> None:
    """D = x^2 / 2 has gradient x: (4 - 1)^2 at the real, (2 - 1)^2 at the fake sample."""
    penalty = gl.GradientPenalty(points=points)
    assert penalty.needs == (points,)
    loss = penalty(
        lambda x: x.square().sum(1) / 2, real=torch.tensor([[4.0]]), fake=torch.tensor([[2.0]])
    )
    assert loss.item() == pytest.approx(expected)


def test_conditions_are_passed_on_and_not_differentiated() -> None:
    label = torch.ones(3, 1, requires_grad=True)
    critic = gl.Critic(lambda x, y: (x * y).sum(1))
    x = torch.ones(3, 2)
    assert critic(x, label) is critic(x, label)
    assert critic(x, label).shape == (3,)


def test_extreme_gradients_stay_exact_in_fp32() -> None:
    """Norms of 1e-4 and 1e4: squares of fp16 gradients would underflow and overflow."""
    for norm in (1e-4, 1e4):
        weight = torch.full((4,), norm / 2)
        loss = gl.R1()(lambda x, w=weight: x @ w, real=torch.zeros(2, 4))
        assert loss.item() == pytest.approx(norm**2 / 2, rel=1e-6)
