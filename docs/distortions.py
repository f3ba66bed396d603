"""One photograph, made worse in seven ways by exactly the same squared error."""

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch import Tensor
from torch.nn.functional import affine_grid, conv2d, grid_sample, pad

from ganloss import (
    L1,
    LPIPS,
    MSE,
    PSNR,
    SSIM,
    Charbonnier,
    Cosine,
    FocalFrequency,
    MultiScaleSSIM,
    Perceptual,
    Style,
)

SIDE, QUALITY = 192, 4
Change = Callable[[Tensor, float], Tensor]


def photo() -> Tensor:
    """A cat (CC0, S. van der Walt), ``(1, 3, 192, 192)`` in [0, 1]."""
    pixels = data.chelsea()[30:286, 90:346]
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)[None].double() / 255


def _jpeg(x: Tensor) -> Tensor:
    stream = io.BytesIO()
    pixels = (x[0].permute(1, 2, 0) * 255).round().byte().numpy()
    Image.fromarray(pixels).save(stream, format="JPEG", quality=QUALITY)
    loaded = np.asarray(Image.open(stream)).copy()
    return torch.from_numpy(loaded).permute(2, 0, 1)[None].double() / 255


def _blur(x: Tensor, sigma: float) -> Tensor:
    radius = 12
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / max(sigma, 1e-3)) ** 2).double()
    taps = taps / taps.sum()
    y = pad(x.transpose(0, 1), (radius,) * 4, mode="replicate")
    return conv2d(conv2d(y, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1)).transpose(0, 1)


def _shift(x: Tensor, pixels: float) -> Tensor:
    move = torch.tensor([[[1, 0, 2 * pixels / SIDE], [0, 1, pixels / SIDE]]]).double()
    grid = affine_grid(move, list(x.shape), align_corners=False)
    return grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _noise(x: Tensor, size: float) -> Tensor:
    draw = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    return (x + size * draw).clamp(0, 1)


def _specks(x: Tensor, share: float) -> Tensor:
    draw = torch.rand(x.shape[2:], generator=torch.Generator().manual_seed(1))
    return torch.where(draw < share, torch.where(draw < share / 2, 0.0, 1.0), x)


#: The range in which the strength is looked for.
CHANGES: dict[str, tuple[Change, float]] = {
    "noise": (_noise, 0.5),
    "specks": (_specks, 0.3),
    "blur": (_blur, 10.0),
    "shift": (_shift, 8.0),
    "contrast": (lambda x, c: x.mean() + (1 - c) * (x - x.mean()), 0.95),
    "brightness": (lambda x, b: (x + b).clamp(0, 1), 0.5),
}


@cache
def distorted() -> dict[str, Tensor]:
    """All versions; JPEG's error is what the others are given by bisection."""
    x = photo()
    versions = {"JPEG": _jpeg(x)}
    goal = (versions["JPEG"] - x).square().mean()
    for name, (change, most) in CHANGES.items():
        low, high = 0.0, most
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (
                (middle, high) if (change(x, middle) - x).square().mean() < goal else (low, middle)
            )
        versions[name] = change(x, high)
    return versions


def write(folder: Path) -> None:
    """Write the pictures for the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in {"original": photo(), **distorted()}.items():
        pixels = (image[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
        Image.fromarray(pixels).save(folder / f"{name.lower()}.webp", quality=92)


TERMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": L1(),
    "mse": MSE(),
    "psnr": PSNR(data_range=1.0),
    "cosine": Cosine(dim=1),
    "ssim": SSIM(data_range=1.0),
    "ms-ssim": MultiScaleSSIM(data_range=1.0),
    "charbonnier": Charbonnier(0.001),
    "focal-frequency": FocalFrequency(),
}


NETWORKS = ("perceptual", "style", "lpips")


def networks() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Terms with a network; its weights are random here, so that nothing is downloaded."""
    torch.manual_seed(0)
    options = {"pretrained": "random", "value_range": (0.0, 1.0)}
    return {
        "perceptual": Perceptual(**options), "style": Style(**options), "lpips": LPIPS(**options),
    }  # fmt: skip


def values(term: Callable[[Tensor, Tensor], Tensor]) -> dict[str, float]:
    """What a term says of each version."""
    x = photo().float()
    with torch.no_grad():
        return {name: float(term(image.float(), x)) for name, image in distorted().items()}
