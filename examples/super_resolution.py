"""Twice as large with L1 and SSIM, beside the bicubic image, on a photograph not trained on."""

import argparse

import torch
from skimage import data
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.utils import save_image

import ganloss as gl
from ganloss.networks.translate import SuperResolution


def crops(name: str, count: int = 8) -> tuple[Tensor, Tensor]:
    """Squares of 48 pixels, and what they looked like at 96."""
    image = torch.from_numpy(getattr(data, name)().copy()).permute(2, 0, 1).float() / 255
    places = [
        [torch.randint(side - 96, ()).item() for side in image.shape[1:]] for _ in range(count)
    ]
    large = torch.stack([image[:, r : r + 96, c : c + 96] for r, c in places])
    return interpolate(large, scale_factor=0.5, mode="bicubic", antialias=True).clamp(0, 1), large


def main(steps: int) -> None:
    torch.manual_seed(0)
    G = SuperResolution(3, scale=2, width=32, blocks=3)
    l1, ssim, psnr = gl.L1(), gl.SSIM(data_range=1.0), gl.PSNR(data_range=1.0)
    objective = gl.WeightedSum(l1=1.0, ssim=0.2)
    optimiser = torch.optim.Adam(G.parameters(), 1e-3)
    for step in range(steps):
        small, large = crops("astronaut")
        made = G(small)
        losses = objective(l1=l1(made, large), ssim=ssim(made, large))
        optimiser.zero_grad()
        losses.total.backward()
        optimiser.step()
        if step % 50 == 0 or step == steps - 1:
            said = ", ".join(f"{name} {value.item():.4f}" for name, value in losses.terms.items())
            print(f"step {step}: {said}")

    small, large = crops("coffee")
    with torch.no_grad():
        images = {"bicubic": interpolate(small, scale_factor=2, mode="bicubic"), "made": G(small)}
    for name, image in images.items():
        image = image.clamp(0, 1)
        decibels, index = psnr.decibels(image, large).mean(), ssim.index(image, large).mean()
        print(f"{name:<8} PSNR {decibels.item():.2f} dB, SSIM {index.item():.4f}")
    save_image(torch.cat([*images.values(), large])[:24], "super_resolution.png", nrow=8)
    print("bicubic, made, original: super_resolution.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    main(parser.parse_args().steps)
