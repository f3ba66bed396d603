"""WGAN-GP in a loop of your own: five critic steps on fresh batches, the penalty in the sum."""

import argparse
import itertools

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torchvision.utils import save_image

import ganloss as gl


def mlp(*widths: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.LeakyReLU(0.2)]
    return layers[:-1]


def main(steps: int) -> None:
    torch.manual_seed(0)
    real = torch.from_numpy(load_digits().images).float()[:, None] / 8 - 1
    G = nn.Sequential(*mlp(32, 256, 256, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
    D = nn.Sequential(nn.Flatten(), *mlp(64, 256, 256, 1))
    adv, gp = gl.Wasserstein(), gl.GradientPenalty()
    objective = gl.WeightedSum(adv=1.0, gp=10.0)
    opt_g = torch.optim.Adam(G.parameters(), 1e-3, (0.0, 0.9))
    opt_d = torch.optim.Adam(D.parameters(), 1e-3, (0.0, 0.9))

    def fakes() -> Tensor:
        return G(torch.randn(64, 32))

    for step in range(steps):
        for _ in range(5):
            critic = gl.Critic(D)
            x, fake = real[torch.randint(len(real), (64,))], fakes()
            losses = objective(
                adv=adv.discriminator(real=critic(x), fake=critic(fake)),
                gp=lambda critic=critic, x=x, fake=fake: gp(critic, real=x, fake=fake),
            )
            opt_d.zero_grad()
            losses.total.backward()
            opt_d.step()

        g_loss = adv.generator(fake=D(fakes()))
        opt_g.zero_grad()
        g_loss.backward()
        opt_g.step()
        if step % 200 == 0 or step == steps - 1:
            said = ", ".join(f"{name} {value.item():.3f}" for name, value in losses.terms.items())
            print(f"step {step}: {said}")
    with torch.no_grad():
        save_image(fakes(), "wgan_gp.png", normalize=True, value_range=(-1, 1))
    print("samples: wgan_gp.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    main(parser.parse_args().steps)
