"""Batches from a folder of JPEGs: ours after the first epoch against ImageFolder with a resize."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from benchmarks._timing import Row, compare, interleaved, two_threads
from benchmarks.training import engine_step
from ganloss.data.batches import Batches
from ganloss.data.images import load_images
from ganloss.engine.hardware import Hardware

IMAGES, SIDE, SIZE, BATCH, WORKERS = 512, 256, 64, 64, 2


def write_photos(folder: Path, count: int = IMAGES) -> None:
    """JPEGs with smooth colours and some noise: about as hard to decode as photographs."""
    rng = np.random.default_rng(0)
    (folder / "only").mkdir(parents=True)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = smooth + rng.integers(-12, 13, smooth.shape, dtype=np.int16)
        picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
        picture.save(folder / "only" / f"{i:04d}.jpg", quality=90)


def our_epochs(folder: Path, workers: int = WORKERS) -> Callable[[], None]:
    """One epoch of batches in [-1, 1] a call; the images are decoded before the first."""
    data = load_images(str(folder), SIZE, workers=workers)
    batches = Batches(data.images, BATCH, seed=0, hardware=Hardware(), mirror=True)
    counter = iter(range(1 << 40))

    def epoch() -> None:
        for _ in range(len(data.images) // BATCH):
            batches(next(counter))

    return epoch


def their_epochs(folder: Path, workers: int = WORKERS) -> Callable[[], None]:
    """The same with a DataLoader, its workers kept from epoch to epoch."""
    transform = transforms.Compose(
        [
            transforms.Resize(SIZE),
            transforms.CenterCrop(SIZE),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
        datasets.ImageFolder(str(folder), transform),
        BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )

    def epoch() -> None:
        for _ in loader:
            pass

    return epoch


def epoch_row(folder: Path, images: int = IMAGES, workers: int = WORKERS, rounds: int = 7) -> Row:
    """An epoch after the first against one of ImageFolder."""
    write_photos(folder, images)
    contenders = {
        "ours": our_epochs(folder, workers),
        "ImageFolder + resize": their_epochs(folder, workers),
    }
    times = interleaved(contenders, rounds=rounds)
    what = f"epoch of {images} JPEGs of {SIDE} px at {SIZE} px"
    return compare(what, times, "ours", "ImageFolder + resize", 3.0)


def wait_row(folder: Path) -> Row:
    """Making a step's batches against the whole step, 64 px, WGAN-GP: five batches of D."""
    data = load_images(str(folder), SIZE, workers=WORKERS)
    batches = Batches(data.images, BATCH, seed=0, hardware=Hardware(), mirror=True)
    counter = iter(range(1 << 40))

    def wait() -> None:
        for _ in range(6):
            batches(next(counter))

    times = interleaved({"ours": wait, "step": engine_step(SIZE, 3)}, rounds=6)
    return compare("data of a step, 64 px, batch 64", times, "ours", "step", 0.05, at_most=True)


def rows() -> Iterator[Row]:
    two_threads()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        os.environ["GANLOSS_CACHE"] = str(Path(name, "cache"))
        photos = Path(name, "photos")
        yield epoch_row(photos)
        yield wait_row(photos)
