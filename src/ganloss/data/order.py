"""Order of the data: a function of (seed, epoch, sample), so that it needs no state."""

from functools import lru_cache

import torch
from torch import Tensor

from ganloss._random import seed_of


class Order:
    """Endless shuffled passes over ``count`` samples, addressed by position.

    Every sample comes once per epoch; batches may straddle two epochs, so none is ever short.

    >>> order = Order(count=5, seed=0)
    >>> sorted(order.indices(0, 5).tolist())
    [0, 1, 2, 3, 4]
    >>> bool((order.indices(0, 8)[3:] == order.indices(3, 5)).all())
    True
    """

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._epoch = lru_cache(maxsize=4)(lambda epoch: _permutation(count, seed, epoch))

    def indices(self, first: int, count: int) -> Tensor:
        """Give the samples at positions ``first`` to ``first + count - 1`` of the endless order."""
        epoch, offset = divmod(first, self._count)
        pieces: list[Tensor] = []
        while count > 0:
            piece = self._epoch(epoch)[offset : offset + count]
            pieces.append(piece)
            count -= len(piece)
            epoch, offset = epoch + 1, 0
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _permutation(count: int, seed: int, epoch: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    return torch.randperm(count, generator=generator)
