"""Triangles: images whose every member can be listed, so precision and recall are exact.

Lucic et al. ("Are GANs Created Equal?", NeurIPS 2018, arXiv:1711.10337, section 6) draw convex
polygons, so that the distance of a sample to the data's manifold can be computed. Here the corners
lie on a lattice: the manifold is a list of 2,148 images, and the distance a minimum over it.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

PIXELS = 16
_LATTICE = 5
_HELD_OUT = 430
_FINER = 8


@dataclass(frozen=True)
class TrianglesSplit:
    """All triangles, split once and for all.

    Args:
        train: ``(1718, 1, 16, 16)``, uint8.
        held_out: ``(430, 1, 16, 16)``, uint8; never trained on.

    >>> split = triangles()
    >>> split.train.shape, len(split.held_out)
    (torch.Size([1718, 1, 16, 16]), 430)
    """

    train: Tensor
    held_out: Tensor


@lru_cache(maxsize=1)
def triangles() -> TrianglesSplit:
    """Draw every triangle with corners on a lattice of 5×5 points, white on black.

    >>> split = triangles()
    >>> len(split.train), len(split.held_out)
    (1718, 430)
    """
    images = np.stack([_draw(corners) for corners in _corners()])
    order = np.random.default_rng(2018).permutation(len(images))
    shuffled = torch.from_numpy(images[order])[:, None]
    return TrianglesSplit(shuffled[_HELD_OUT:], shuffled[:_HELD_OUT])


def _corners() -> list[np.ndarray]:
    """Triples of lattice points that do not lie on a line; in pixels."""
    step = (PIXELS - 2) / (_LATTICE - 1)
    points = [np.array((x, y)) for x in range(_LATTICE) for y in range(_LATTICE)]
    return [np.stack(c) * step + 1 for c in combinations(points, 3) if _area(*c) != 0]


def _area(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """Twice the signed area."""
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _draw(corners: np.ndarray) -> np.ndarray:
    """Draw finely and average, so that edges are smooth."""
    from PIL import Image, ImageDraw

    fine = Image.new("L", (PIXELS * _FINER, PIXELS * _FINER))
    ImageDraw.Draw(fine).polygon([(x * _FINER, y * _FINER) for x, y in corners], fill=255)
    return np.asarray(fine.resize((PIXELS, PIXELS), Image.Resampling.BOX))
