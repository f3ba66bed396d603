"""The image pool: half of what is shown is old, every image is shown, processes agree."""

import torch

from ganloss._random import Draws
from ganloss.engine.pool import ImagePool


def shown(pool: ImagePool, steps: int, batch: int = 1) -> list[list[float]]:
    """What the pool shows when image number k is k."""
    fresh = torch.arange(float(steps * batch)).view(steps, batch, 1)
    return [
        pool(x, Draws(seed=0, step=k, rows=batch)).flatten().tolist() for k, x in enumerate(fresh)
    ]


def test_a_filling_pool_shows_what_is_fresh():
    assert shown(ImagePool(50, (1,)), 50) == [[float(k)] for k in range(50)]


def test_without_room_everything_is_fresh():
    assert shown(ImagePool(0, (1,)), 100) == [[float(k)] for k in range(100)]


def test_half_of_what_is_shown_is_old_and_nothing_is_shown_twice_while_kept():
    rows = [row[0] for row in shown(ImagePool(50, (1,)), 4050)]
    old = sum(value != k for k, value in enumerate(rows[50:], 50))
    assert abs(old / 4000 - 0.5) < 4 * (0.25 / 4000) ** 0.5  # four standard errors
    # An image is shown when it is fresh and not kept, or when it leaves the pool; those of the
    # filling phase are shown both times.
    later = [value for value in rows if value >= 50]
    assert len(later) == len(set(later))


def test_the_pool_is_that_of_the_global_batch():
    together = ImagePool(3, (1,))
    a, b = ImagePool(3, (1,)), ImagePool(3, (1,))
    for k in range(20):
        fresh = torch.randn(4, 1, generator=torch.Generator().manual_seed(k))
        whole = together(fresh, Draws(seed=1, step=k, rows=4))
        halves = [
            pool(fresh, Draws(seed=1, step=k, rows=4, first=first))[first : first + 2]
            for pool, first in ((a, 0), (b, 2))
        ]
        assert torch.equal(whole, torch.cat(halves))


def test_shown_images_do_not_change_with_the_pool():
    pool = ImagePool(1, (1,))
    first = pool(torch.ones(1, 1), Draws(seed=0, step=0, rows=1))
    for k in range(1, 20):
        pool(torch.full((1, 1), float(k + 1)), Draws(seed=0, step=k, rows=1))
    assert first.item() == 1.0
