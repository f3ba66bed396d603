"""DCGAN's game in a loop of your own: the non-saturating loss on handwritten digits."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torchvision.utils import save_image

import ganloss as gl


def main(steps: int) -> None:
    torch.manual_seed(0)
    real = torch.from_numpy(load_digits().images).float()[:, None] / 8 - 1  # 8 x 8, in [-1, 1]
    G = nn.Sequential(
        nn.Unflatten(1, (64, 1, 1)),
        nn.ConvTranspose2d(64, 128, 4), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(128, 1, 4, stride=2, padding=1), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        nn.Conv2d(1, 64, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(128, 1),
    )  # fmt: skip
    adv = gl.NonSaturating()
    opt_g = torch.optim.Adam(G.parameters(), 2e-4, (0.5, 0.999))
    opt_d = torch.optim.Adam(D.parameters(), 2e-4, (0.5, 0.999))

    def noise() -> Tensor:
        return torch.randn(64, 64)

    for step in range(steps):
        critic = gl.Critic(D)  # detaches, so that no gradient reaches G
        x, fake = real[torch.randint(len(real), (64,))], G(noise())
        d_loss = adv.discriminator(real=critic(x), fake=critic(fake))
        opt_d.zero_grad()
        d_loss.backward()
        opt_d.step()

        g_loss = adv.generator(fake=D(G(noise())))
        opt_g.zero_grad()
        g_loss.backward()
        opt_g.step()
        if step % 500 == 0 or step == steps - 1:
            print(f"step {step}: D {d_loss.item():.3f}, G {g_loss.item():.3f}")
    with torch.no_grad():
        save_image(G(torch.randn(64, 64)), "dcgan.png", normalize=True, value_range=(-1, 1))
    print("samples: dcgan.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000)
    main(parser.parse_args().steps)
