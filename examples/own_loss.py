"""A pair of your own: three lines, checked by the battery, then trained on eight Gaussians."""

import argparse
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import ganloss as gl
from ganloss.check import check


@dataclass(frozen=True)
class Sharp(gl.ElementwisePair):
    """The non-saturating loss of scores times a factor."""

    factor: float = 2.0

    def real_side(self, scores: Tensor) -> Tensor:
        return softplus(-self.factor * scores)

    def fake_side(self, scores: Tensor) -> Tensor:
        return softplus(self.factor * scores)

    def generator_side(self, scores: Tensor) -> Tensor:
        return softplus(-self.factor * scores)


def ring(count: int) -> Tensor:
    angles = torch.randint(8, (count,)) * math.pi / 4
    return torch.stack([angles.cos(), angles.sin()], 1) + 0.02 * torch.randn(count, 2)


def mlp(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.LeakyReLU(0.2),
        nn.Linear(128, outputs),
    )  # fmt: skip


def main(steps: int) -> None:
    torch.manual_seed(0)
    print(check(Sharp()))
    G, D, adv, r1 = mlp(8, 2), mlp(2, 1), gl.Relativistic(Sharp()), gl.R1()  # a pair over a pair
    objective = gl.WeightedSum(adv=1.0, r1=0.1)
    opt_g, opt_d = (torch.optim.Adam(n.parameters(), 1e-3, (0.0, 0.9)) for n in (G, D))
    for step in range(steps):
        critic, x, fake = gl.Critic(D), ring(256), G(torch.randn(256, 8))
        losses = objective(
            adv=adv.discriminator(real=critic(x), fake=critic(fake)), r1=r1(critic, real=x)
        )
        opt_d.zero_grad()
        losses.total.backward()
        opt_d.step()

        g_loss = adv.generator(fake=D(G(torch.randn(256, 8))), real=D(x))
        opt_g.zero_grad()
        g_loss.backward()
        opt_g.step()
        if step % 500 == 0 or step == steps - 1:
            print(f"step {step}: D {losses.total.item():.3f}, G {g_loss.item():.3f}")
    with torch.no_grad():
        samples = G(torch.randn(2000, 8))
    centres = torch.stack(
        [torch.tensor([math.cos(a), math.sin(a)]) for a in torch.arange(8) * math.pi / 4]
    )
    distance, nearest = torch.cdist(samples, centres).min(1)
    good = nearest[distance < 0.06]  # three standard deviations
    print(
        f"{len(good.unique())} of 8 modes are covered, {len(good) / 2000:.0%} of samples are good"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    main(parser.parse_args().steps)
