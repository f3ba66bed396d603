"""A pool of generated images, from which the discriminator is shown old ones as well."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganloss._random import Draws


class ImagePool(nn.Module):
    """Keeps generated images; half of the time one of them is shown instead of a fresh one.

    While the pool fills, fresh images are shown and kept. Then, for each fresh image, with
    probability one half a random kept one is shown and the fresh one takes its place.

    The pool is that of the global batch: with several processes, each keeps the same copy.

    Args:
        size: images it keeps; with 0 all shown images are fresh.
        shape: of one image.

    References:
        Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial
        Training", CVPR 2017, arXiv:1612.07828, section 2.3; Zhu et al., ICCV 2017,
        arXiv:1703.10593, section 4 (50 images).

    >>> pool = ImagePool(size=2, shape=(1,))
    >>> pool(torch.tensor([[1.0], [2.0]]), Draws(seed=0, step=0, rows=2)).flatten().tolist()
    [1.0, 2.0]
    """

    images: Tensor
    count: Tensor

    def __init__(self, size: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forward(self, fresh: Tensor, draws: Draws) -> Tensor:
        """Give what is shown for the fresh images of the global batch, ``(N, ...)``, detached.

        Args:
            fresh: images of all processes, in the order of the global batch.
            draws: random numbers of this turn.
        """
        size = len(self.images)
        if size == 0:
            return fresh.detach()
        whole = Draws(draws.seed, draws.step, len(fresh))  # the same numbers in every process
        chances = whole.uniform("pool", len(fresh), 2).tolist()
        return torch.stack(
            [self._show(image, *pair) for image, pair in zip(fresh.detach(), chances, strict=True)]
        )

    def _show(self, fresh: Tensor, coin: float, place: float) -> Tensor:
        size, held = len(self.images), int(self.count)
        if held < size:
            self.images[held] = fresh
            self.count += 1
            return fresh
        if coin < 0.5:
            return fresh
        chosen = int(place * size)
        shown = self.images[chosen].clone()
        self.images[chosen] = fresh
        return shown
