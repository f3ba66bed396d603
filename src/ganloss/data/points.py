"""Points in the plane around known modes: what a GAN drops can be counted."""

from dataclasses import dataclass

import torch
from torch import Tensor

_COUNT = 10_000


@dataclass(frozen=True)
class PointSet:
    """Points of a mixture of Gaussians.

    Args:
        name: short name of the set.
        points: ``(N, 2)``, float32.
        modes: the Gaussians' means, ``(K, 2)``.
        spread: their standard deviation.
        held_out: as many points, never trained on.
        labels: mode of each point, ``(N,)``, where classes were asked for.
        class_names: what the modes are called.

    >>> points = ring()
    >>> points.name, points.shape, points.modes.shape, points.where
    ('ring', (2,), torch.Size([8, 2]), 'in memory')
    >>> len(points.values) == len(points.held_out)
    True
    """

    name: str
    points: Tensor
    modes: Tensor
    spread: float
    held_out: Tensor
    labels: Tensor | None = None
    class_names: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def values(self) -> Tensor:
        """What is trained on."""
        return self.points

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one point."""
        return (2,)

    @property
    def where(self) -> str:
        """Where they are kept, in words."""
        return "in memory"


def ring(count: int = _COUNT, seed: int = 0, *, cond: bool = False) -> PointSet:
    """Eight Gaussians of standard deviation 0.02 on a circle of radius 2.

    References:
        Metz et al., "Unrolled Generative Adversarial Networks", ICLR 2017, arXiv:1611.02163,
        appendix A.

    >>> ring(count=100).modes[0]
    tensor([2., 0.])
    """
    angles = torch.arange(8) * (torch.pi / 4)
    modes = 2 * torch.stack([angles.cos(), angles.sin()], 1)
    return _mixture("ring", modes, 0.02, count, seed, cond)


def grid(count: int = _COUNT, seed: int = 0, *, cond: bool = False) -> PointSet:
    """Twenty-five Gaussians of standard deviation 0.05, two apart.

    References:
        Srivastava et al., "VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational
        Learning", NeurIPS 2017, arXiv:1705.07761, section 5.1.

    >>> tuple(grid(count=100).modes.shape)
    (25, 2)
    """
    line = torch.arange(-4.0, 5.0, 2.0)
    return _mixture("grid", torch.cartesian_prod(line, line), 0.05, count, seed, cond)


def _mixture(
    name: str, modes: Tensor, spread: float, count: int, seed: int, cond: bool
) -> PointSet:
    points, labels = _draw(modes, spread, count, seed)
    held_out, _ = _draw(modes, spread, count, seed + 1)
    names = tuple(f"mode {i}" for i in range(len(modes))) if cond else ()
    return PointSet(name, points, modes, spread, held_out, labels if cond else None, names)


def _draw(modes: Tensor, spread: float, count: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(len(modes), (count,), generator=generator)
    return modes[labels] + spread * torch.randn(count, 2, generator=generator), labels


def point_set(name: str, cond: bool = False) -> PointSet:
    """Give ``ring`` or ``grid``.

    >>> len(point_set("ring").modes), len(point_set("grid").modes)
    (8, 25)
    """
    return ring(cond=cond) if name == "ring" else grid(cond=cond)
