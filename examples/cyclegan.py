"""CycleGAN in a loop of your own: photographs and their negatives, without pairs."""

import argparse
from itertools import chain

import torch
from skimage import data
from torch import Tensor
from torchvision.utils import save_image

import ganloss as gl
from ganloss.networks.translate import PatchDiscriminator, UNet


def crops(name: str, count: int = 4) -> Tensor:
    """Random squares of 64 pixels of one of scikit-image's photographs, in [-1, 1]."""
    image = torch.from_numpy(getattr(data, name)().copy()).permute(2, 0, 1).float() / 127.5 - 1
    rows = torch.randint(image.shape[1] - 64, (count,)).tolist()
    columns = torch.randint(image.shape[2] - 64, (count,)).tolist()
    return torch.stack(
        [image[:, r : r + 64, c : c + 64] for r, c in zip(rows, columns, strict=True)]
    )


def main(steps: int) -> None:
    torch.manual_seed(0)
    a_to_b, b_to_a = UNet(3, 3, width=16, depth=3), UNet(3, 3, width=16, depth=3)
    d_a, d_b = PatchDiscriminator(3), PatchDiscriminator(3)
    pool_a, pool_b = gl.ImagePool(50), gl.ImagePool(50)
    adv, cycle, identity = gl.LeastSquares(), gl.CycleConsistency(), gl.Identity()
    # The paper's least squares has no 1/2 for G, hence the 2.
    objective = gl.WeightedSum(adv=2.0, cycle=10.0, identity=5.0)
    generators = chain(a_to_b.parameters(), b_to_a.parameters())
    opt_g = torch.optim.Adam(generators, 5e-4, (0.5, 0.999))
    judges = chain(d_a.parameters(), d_b.parameters())
    opt_d = torch.optim.Adam(judges, 5e-4, (0.5, 0.999))

    for step in range(steps):
        a, b = crops("chelsea"), -crops("coffee")  # a cat, and a negative of something else
        maps = {"a_to_b": a_to_b, "b_to_a": b_to_a}
        fake_a, fake_b = b_to_a(b), a_to_b(a)
        losses = objective(
            adv=adv.generator(fake=d_a(fake_a)) + adv.generator(fake=d_b(fake_b)),
            cycle=cycle(real_a=a, real_b=b, fake_a=fake_a, fake_b=fake_b, **maps),
            identity=identity(real_a=a, real_b=b, **maps),
        )
        opt_g.zero_grad()
        losses.total.backward()
        opt_g.step()

        d_loss = adv.discriminator(real=d_a(a), fake=d_a(pool_a(fake_a)))
        d_loss = d_loss + adv.discriminator(real=d_b(b), fake=d_b(pool_b(fake_b)))
        opt_d.zero_grad()
        d_loss.backward()
        opt_d.step()
        if step % 50 == 0 or step == steps - 1:
            said = ", ".join(f"{name} {value.item():.3f}" for name, value in losses.terms.items())
            print(f"step {step}: D {d_loss.item():.3f}, {said}")
    with torch.no_grad():
        a = crops("chelsea")
        rows = torch.cat([a, a_to_b(a), b_to_a(a_to_b(a))])
    save_image(rows, "cyclegan.png", nrow=4, normalize=True, value_range=(-1, 1))
    print("there and back: cyclegan.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    main(parser.parse_args().steps)
