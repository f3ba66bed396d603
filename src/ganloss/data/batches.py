"""Batches of real samples: batch *k* is a function of (seed, k), for any number of processes."""

import torch
from torch import Tensor

from ganloss._random import Draws
from ganloss.data.cache import LazyImages
from ganloss.data.order import Order
from ganloss.engine.hardware import Hardware

#: Sets up to this size are moved to the device once.
RESIDENT_BYTES = 1 << 30


class Batches:
    """Gives this process's share of the global batch *k*; images scaled to [-1, 1].

    Args:
        samples: images ``(N, C, H, W)``, uint8, or points ``(N, 2)``, which stay as they are.
        batch_size: samples in a global batch.
        seed: seed of the run.
        hardware: device, number format and processes.
        mirror: flip each image left to right with probability one half.
        labels: class of each sample, ``(N,)``.

    >>> batches = Batches(
    ...     torch.zeros(6, 1, 8, 8, dtype=torch.uint8), batch_size=4, seed=0, hardware=Hardware(),
    ...     mirror=True, labels=torch.arange(6),
    ... )
    >>> batches(0).shape, batches(0).unique()
    (torch.Size([4, 1, 8, 8]), tensor([-1.]))
    >>> sorted(set(batches.labels(0).tolist()) | set(batches.labels(1).tolist()))
    [0, 1, 2, 3, 4, 5]
    """

    def __init__(
        self,
        samples: Tensor | LazyImages,
        batch_size: int,
        *,
        seed: int,
        hardware: Hardware,
        mirror: bool,
        labels: Tensor | None = None,
    ) -> None:
        if isinstance(samples, Tensor) and samples.numel() <= RESIDENT_BYTES:
            samples = samples.to(hardware.device)
        self._samples = samples
        self._labels = None if labels is None else labels.to(hardware.device)
        self._order = Order(len(samples), seed)
        self._total = batch_size
        self._first, self._count = hardware.share(batch_size)
        self._seed = seed
        self._hardware = hardware
        self._mirror = mirror

    def __call__(self, k: int) -> Tensor:
        """Give batch ``k``, ``(n, C, H, W)`` or ``(n, 2)``."""
        batch = take(self._samples, self._rows(k))
        points = batch.is_floating_point()
        batch = moved(batch, self._hardware.device).to(self._hardware.dtype)
        if points:
            return batch
        batch.div_(127.5).sub_(1)
        return self._flip(batch, k) if self._mirror else batch

    def labels(self, k: int) -> Tensor | None:
        """Give the classes of batch ``k``, ``(n,)``, where there are classes."""
        return None if self._labels is None else take(self._labels, self._rows(k))

    def _rows(self, k: int) -> Tensor:
        return self._order.indices(k * self._total + self._first, self._count)

    def _flip(self, batch: Tensor, k: int) -> Tensor:
        draws = Draws(self._seed, k, self._total, self._first)
        flipped = draws.uniform("mirror", self._count, 1, 1, 1) < 0.5
        return torch.where(moved(flipped, batch.device), batch.flip(3), batch)


def take(samples: Tensor | LazyImages, rows: Tensor) -> Tensor:
    """Give some samples, wherever they are kept.

    >>> take(torch.tensor([5, 6, 7]), torch.tensor([2, 0]))
    tensor([7, 5])
    """
    return samples[moved(rows, samples.device)] if isinstance(samples, Tensor) else samples[rows]


def moved(values: Tensor, device: torch.device) -> Tensor:
    """Give values on a device, without waiting for what it still has to do.

    A GPU fetches them from pinned memory when it comes to it; torch keeps them there until then.

    >>> moved(torch.ones(2), torch.device("cpu"))
    tensor([1., 1.])
    """
    if values.device.type != "cpu" or device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def from_uint8(images: Tensor) -> Tensor:
    """Convert uint8 images to [-1, 1] in float32.

    >>> from_uint8(torch.tensor([0, 255], dtype=torch.uint8))
    tensor([-1.,  1.])
    """
    return images.float().div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> Tensor:
    """Convert images in [-1, 1] to uint8 on the CPU.

    >>> to_uint8(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([  0, 128, 255], dtype=torch.uint8)
    """
    return images.float().add(1).mul(127.5).round_().clamp_(0, 255).to(torch.uint8).cpu()
