"""Batches of real images: batch *k* is a function of (seed, k), for any number of processes."""

import torch
from torch import Tensor

from ganloss._random import Draws
from ganloss.data.order import Order
from ganloss.engine.hardware import Hardware

#: Image sets up to this size are moved to the device once.
RESIDENT_BYTES = 1 << 30


class Batches:
    """Gives this process's share of the global batch *k*, scaled to [-1, 1].

    Args:
        images: ``(N, C, H, W)``, uint8.
        batch_size: images in a global batch.
        seed: seed of the run.
        hardware: device, number format and processes.
        mirror: flip each image left to right with probability one half.
    """

    def __init__(
        self, images: Tensor, batch_size: int, *, seed: int, hardware: Hardware, mirror: bool
    ) -> None:
        resident = images.numel() <= RESIDENT_BYTES
        self._images = images.to(hardware.device) if resident else images
        self._order = Order(len(images), seed)
        self._total = batch_size
        self._first, self._count = hardware.share(batch_size)
        self._seed = seed
        self._hardware = hardware
        self._mirror = mirror

    def __call__(self, k: int) -> Tensor:
        """Give batch ``k``, ``(n, C, H, W)``."""
        rows = self._order.indices(k * self._total + self._first, self._count)
        batch = self._images[rows.to(self._images.device)]
        batch = batch.to(self._hardware.device, self._hardware.dtype).div_(127.5).sub_(1)
        return self._flip(batch, k) if self._mirror else batch

    def _flip(self, batch: Tensor, k: int) -> Tensor:
        draws = Draws(self._seed, k, self._total, self._first)
        flipped = draws.uniform("mirror", self._count, 1, 1, 1) < 0.5
        return torch.where(flipped.to(batch.device), batch.flip(3), batch)


def to_uint8(images: Tensor) -> Tensor:
    """Convert images in [-1, 1] to uint8 on the CPU.

    >>> to_uint8(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([  0, 128, 255], dtype=torch.uint8)
    """
    return images.float().add(1).mul(127.5).round_().clamp_(0, 255).to(torch.uint8).cpu()
