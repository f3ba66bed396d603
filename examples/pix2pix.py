"""pix2pix in a loop of your own: contours to photographs, with pairs."""

import argparse

import torch
from skimage import color, data, filters
from torch import Tensor
from torchvision.utils import save_image

import ganloss as gl
from ganloss.networks.translate import PatchDiscriminator, UNet


def pairs(count: int = 4) -> tuple[Tensor, Tensor]:
    """Contours ``(N, 1, 64, 64)`` and the photographs ``(N, 3, 64, 64)`` they were drawn from."""
    photo = data.astronaut()
    edges = 1 - 4 * filters.sobel(color.rgb2gray(photo)).clip(0, 0.5)  # in [-1, 1]
    x = torch.from_numpy(edges)[None].float()
    y = torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / 127.5 - 1
    places = torch.randint(512 - 64, (count, 2)).tolist()
    cut = [(slice(None), slice(r, r + 64), slice(c, c + 64)) for r, c in places]
    return torch.stack([x[place] for place in cut]), torch.stack([y[place] for place in cut])


def main(steps: int) -> None:
    torch.manual_seed(0)
    G, D = UNet(1, 3, width=16, depth=3), PatchDiscriminator(4)
    adv, l1 = gl.NonSaturating(), gl.L1()
    objective = gl.WeightedSum(adv=1.0, l1=100.0)
    opt_g = torch.optim.Adam(G.parameters(), 1e-3, (0.5, 0.999))
    opt_d = torch.optim.Adam(D.parameters(), 1e-3, (0.5, 0.999))

    for step in range(steps):
        x, y = pairs()
        made = G(x)
        real, fake = torch.cat([x, y], 1), torch.cat([x, made], 1)  # D sees both sides

        critic = gl.Critic(D)
        d_loss = 0.5 * adv.discriminator(real=critic(real), fake=critic(fake))
        opt_d.zero_grad()
        d_loss.backward()
        opt_d.step()

        losses = objective(adv=adv.generator(fake=D(fake)), l1=l1(made, y))
        opt_g.zero_grad()
        losses.total.backward()
        opt_g.step()
        if step % 50 == 0 or step == steps - 1:
            said = ", ".join(f"{name} {value.item():.3f}" for name, value in losses.terms.items())
            print(f"step {step}: D {d_loss.item():.3f}, {said}")
    x, y = pairs()
    with torch.no_grad():
        rows = torch.cat([x.expand(-1, 3, -1, -1), G(x), y])
    save_image(rows, "pix2pix.png", nrow=4, normalize=True, value_range=(-1, 1))
    print("contours, made, photographs: pix2pix.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    main(parser.parse_args().steps)
