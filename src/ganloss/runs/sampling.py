"""New pictures from a finished generator: one seed, one picture, for ever."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ganloss._random import Draws
from ganloss.data.batches import to_uint8
from ganloss.networks.generate import ConvGenerator, MLPGenerator
from ganloss.runs.pictures import grid, save_png, write_film

Generator = MLPGenerator | ConvGenerator

_BATCH = 64
#: Pictures of a walk from one seed to the next, and seeds on its way.
STEPS_BETWEEN, MOST_STOPS = 12, 16


def latents(generator: Generator, seeds: Sequence[int]) -> Tensor:
    """Latents of some seeds, ``(N, latent)``; a seed's latent depends on nothing else."""
    return torch.cat([Draws(seed, 0, 1).normal("sample", 1, generator.latent) for seed in seeds])


def pictures(generator: Generator, z: Tensor) -> Tensor:
    """Images of latents, uint8 ``(N, C, H, W)``."""
    with torch.no_grad():
        return torch.cat([to_uint8(generator(piece)) for piece in z.split(_BATCH)])


def write_files(images: Tensor, seeds: Sequence[int], folder: Path) -> list[Path]:
    """Write each picture to a file named after its seed."""
    paths = [folder / f"seed{seed:06d}.png" for seed in seeds]
    for image, path in zip(images, paths, strict=True):
        save_png(grid(image[None], 1, cell=image.shape[-1]), path)
    return paths


def write_grid(images: Tensor, path: Path) -> None:
    """Write all pictures as one sheet, about as wide as high."""
    save_png(grid(images, max(1, round(len(images) ** 0.5))), path)


def walk(generator: Generator, seeds: Sequence[int]) -> Tensor:
    """Images on the way from seed to seed and back to the first, ``(frames, C, H, W)``.

    The way keeps the length of the latents (a great circle): a straight line would lead through
    the middle, where a generator has hardly ever been.
    """
    z = latents(generator, seeds)
    stops = zip(z, z.roll(-1, 0), strict=True)
    shares = torch.arange(STEPS_BETWEEN) / STEPS_BETWEEN
    return pictures(generator, torch.cat([_arc(a, b, shares) for a, b in stops]))


def _arc(a: Tensor, b: Tensor, shares: Tensor) -> Tensor:
    """Spherical interpolation (Shoemake 1985) of directions; lengths change evenly."""
    angle = torch.acos(torch.cosine_similarity(a, b, dim=0).clamp(-1, 1)).clamp_min(1e-6)
    t = shares[:, None]
    direction = torch.sin((1 - t) * angle) * a / a.norm() + torch.sin(t * angle) * b / b.norm()
    return direction / torch.sin(angle) * ((1 - t) * a.norm() + t * b.norm())


def write_walk(generator: Generator, seeds: Sequence[int], path: Path) -> None:
    """Write the walk through the first 16 seeds as a film that runs in a circle."""
    images = walk(generator, seeds[:MOST_STOPS])
    write_film([grid(image[None], 1, cell=256) for image in images], path)
