"""Training loops on one-parameter networks against recurrences worked out by hand.

D(x) = w x and G(z) = theta, so every gradient is a formula in w and theta. The loops below use
the library as its README shows; the expected numbers follow from the formulas in plain Python.
"""

import math

import pytest
import torch
from torch import Tensor, nn

import ganloss as gl


class Scale(nn.Module):
    """x to w x."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x


class Constant(nn.Module):
    """Any latent to theta."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        return self.theta.expand(len(z), 1)


def update(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def alternating(steps: int) -> tuple[float, float]:
    """Algorithm 1 of the GAN paper with the non-saturating G, SGD .1, x = 1, w = .5, theta = 2."""
    d, g, adv = Scale(0.5), Constant(2.0), gl.NonSaturating()
    opt_d, opt_g = (torch.optim.SGD(m.parameters(), lr=0.1) for m in (d, g))
    real, noise = torch.ones(4, 1, dtype=torch.float64), torch.zeros(4, 1)
    for _ in range(steps):
        critic, fake = gl.Critic(d), g(noise)
        update(opt_d, adv.discriminator(real=critic(real), fake=critic(fake)))
        update(opt_g, adv.generator(fake=d(fake)))
    return d.w.item(), g.theta.item()


def alternating_by_formula(steps: int) -> tuple[float, float]:
    """dD/dw = -x s(-wx) + theta s(w theta); dG/dtheta = -w s(-w theta), with the new w."""
    w, theta = 0.5, 2.0
    for _ in range(steps):
        w -= 0.1 * (-sigmoid(-w) + theta * sigmoid(w * theta))
        theta += 0.1 * w * sigmoid(-w * theta)
    return w, theta


@pytest.mark.parametrize(
    ("steps", "published"),
    [
        (1, (0.3915423512, 2.0122809390)),
        (2, (0.2935570355, 2.0227453621)),
        (25, (-0.3556166532, 1.7220503390)),
    ],
)
def test_the_alternating_loop_follows_its_recurrence(steps: int, published: tuple[float, float]):
    assert alternating_by_formula(steps) == pytest.approx(published, abs=1e-9)
    assert alternating(steps) == pytest.approx(published, abs=1e-9)


def wgan_gp(steps: int, *, train_generator: bool = True) -> tuple[float, float]:
    """Five critic steps, then G; SGD .01, x = 3, w = .3, theta = 0, lambda = 10."""
    d, g = Scale(0.3), Constant(0.0)
    adv, gp, objective = gl.Wasserstein(), gl.GradientPenalty(), gl.WeightedSum(adv=1.0, gp=10.0)
    opt_d, opt_g = (torch.optim.SGD(m.parameters(), lr=0.01) for m in (d, g))
    real, noise = torch.full((4, 1), 3.0, dtype=torch.float64), torch.zeros(4, 1)
    for _ in range(steps):
        for _ in range(5):
            critic, fake = gl.Critic(d), g(noise)
            losses = objective(
                adv=adv.discriminator(real=critic(real), fake=critic(fake)),
                gp=gp(critic, real=real, fake=fake),
            )
            update(opt_d, losses.total)
        if train_generator:
            update(opt_g, adv.generator(fake=d(g(noise))))
    return d.w.item(), g.theta.item()


def wgan_gp_by_formula(steps: int) -> tuple[float, float]:
    """dD/dw = theta - x + 2 lambda (w - 1) for w > 0; dG/dtheta = -w."""
    w, theta = 0.3, 0.0
    for _ in range(steps):
        for _ in range(5):
            w -= 0.01 * (theta - 3 + 20 * (w - 1))
        theta += 0.01 * w
    return w, theta


@pytest.mark.parametrize(
    ("steps", "published"),
    [
        (1, (0.871472, 0.00871472)),
        (2, (1.0584389909, 0.0192991099)),
        (20, (1.1396048929, 0.2248566070)),
    ],
)
def test_the_wgan_gp_loop_follows_its_recurrence(steps: int, published: tuple[float, float]):
    assert wgan_gp_by_formula(steps) == pytest.approx(published, abs=1e-9)
    assert wgan_gp(steps) == pytest.approx(published, abs=1e-9)


def test_the_critic_overshoots_to_1_plus_d_over_2_lambda():
    """WGAN-GP's slope between points at distance 3 is 1 + 3/20, not 1."""
    w, _ = wgan_gp(80, train_generator=False)
    assert w == pytest.approx(1.15, abs=1e-6)


def test_control_a_saturating_generator_takes_another_path():
    d, g = Scale(0.5), Constant(2.0)
    adv = gl.Minimax()
    opt_d, opt_g = (torch.optim.SGD(m.parameters(), lr=0.1) for m in (d, g))
    real, noise = torch.ones(4, 1, dtype=torch.float64), torch.zeros(4, 1)
    critic, fake = gl.Critic(d), g(noise)
    update(opt_d, adv.discriminator(real=critic(real), fake=critic(fake)))
    update(opt_g, adv.generator(fake=d(fake)))
    assert (d.w.item(), g.theta.item()) != pytest.approx(alternating_by_formula(1), abs=1e-6)
