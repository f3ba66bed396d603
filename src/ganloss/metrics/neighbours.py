"""Precision, recall, density, coverage: whether samples lie among the reals, and reach all of them.

All four ask which samples lie in which balls. A ball reaches from one feature vector to its k-th
nearest neighbour in its own set, the vector itself not counted, and includes its surface. Equal
numbers on both sides are needed: balls of a larger set are smaller. All in float64 on the CPU.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganloss.metrics.distances import check_features

#: Neighbours that the papers use.
PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS = 3, 5
_ROWS = 512  # distances computed at a time


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """What each single sample adds to the four numbers; each number is the mean of its values.

    Args:
        precision: 1 for a fake in the ball of any real, else 0, ``(N,)``.
        recall: 1 for a real in the ball of any fake, else 0, ``(N,)``.
        density: number of reals in whose ball a fake lies, over k, ``(N,)``.
        coverage: 1 for a real with any fake in its ball, else 0, ``(N,)``.

    >>> found = neighbourhoods(torch.eye(8), torch.eye(8))
    >>> found.precision.mean().item(), found.coverage.mean().item()
    (1.0, 1.0)
    """

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


def neighbourhoods(
    real: Tensor,
    fake: Tensor,
    *,
    precision_neighbours: int = PRECISION_NEIGHBOURS,
    density_neighbours: int = DENSITY_NEIGHBOURS,
) -> Neighbourhoods:
    """Values of all four measures for each sample, from one pass over the distances.

    Args:
        real: features ``(N, d)``.
        fake: features ``(N, d)``.
        precision_neighbours: k of precision and recall.
        density_neighbours: k of density and coverage.

    Raises:
        ValueError: different numbers, too few samples for k neighbours, or features that are not
            finite.

    >>> apart = neighbourhoods(torch.eye(8), torch.eye(8) + 10)
    >>> apart.precision.sum().item(), apart.recall.sum().item()
    (0.0, 0.0)
    """
    check_features(real, fake)
    most = max(precision_neighbours, density_neighbours)
    if min(precision_neighbours, density_neighbours) < 1 or real.shape[0] <= most:
        raise ValueError(
            f"{real.shape[0]} samples on each side have no {most} neighbours each; at least one "
            "neighbour and more samples than neighbours are needed"
        )
    real, fake = real.double().cpu(), fake.double().cpu()
    near_real = _neighbour_distances(real, most)
    fake_radius = _neighbour_distances(fake, most)[:, precision_neighbours - 1]
    across = _distances(real, fake)
    in_small = across <= near_real[:, precision_neighbours - 1, None]
    in_large = across <= near_real[:, density_neighbours - 1, None]
    return Neighbourhoods(
        precision=in_small.any(0).double(),
        recall=(across <= fake_radius).any(1).double(),
        density=in_large.double().sum(0) / density_neighbours,
        coverage=in_large.any(1).double(),
    )


def precision_recall(
    real: Tensor, fake: Tensor, neighbours: int = PRECISION_NEIGHBOURS
) -> tuple[float, float]:
    r"""Share of fakes among the reals (precision) and of reals among the fakes (recall).

    .. math::
        \frac{1}{N} \sum_j 1\big[\exists i: \lVert f_j - r_i \rVert \le
        \lVert r_i - \mathrm{NN}_k(r_i) \rVert\big]

    and the same with the two sets exchanged.

    Args:
        real: features ``(N, d)``.
        fake: features ``(N, d)``, as many.
        neighbours: k.

    Raises:
        ValueError: as :func:`neighbourhoods`.

    References:
        Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative
        Models", NeurIPS 2019, arXiv:1904.06991, eqs. 1 and 2 (k = 3).

    >>> real = torch.tensor([[0.0], [1.0], [2.0], [9.0]])
    >>> precision_recall(real, torch.tensor([[0.5], [0.6], [30.0], [31.0]]), neighbours=1)
    (0.5, 0.0)
    """
    found = neighbourhoods(
        real, fake, precision_neighbours=neighbours, density_neighbours=neighbours
    )
    return float(found.precision.mean()), float(found.recall.mean())


def density_coverage(
    real: Tensor, fake: Tensor, neighbours: int = DENSITY_NEIGHBOURS
) -> tuple[float, float]:
    r"""How densely fakes lie among the reals (density), and how many reals have one (coverage).

    .. math::
        \frac{1}{kN} \sum_j \sum_i 1[f_j \in B_k(r_i)], \qquad
        \frac{1}{N} \sum_i 1[\exists j: f_j \in B_k(r_i)]

    with the balls of the reals only, which an outlier among the fakes cannot enlarge. Density is
    about 1 for fakes distributed as the reals, and may be more.

    Args:
        real: features ``(N, d)``.
        fake: features ``(N, d)``, as many.
        neighbours: k.

    Raises:
        ValueError: as :func:`neighbourhoods`.

    References:
        Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020,
        arXiv:2002.09797, eqs. 3 and 4 (k = 5). Their code leaves the surface of the balls out; in
        float features that matters for copies alone.

    >>> real = torch.tensor([[0.0], [1.0], [2.0], [9.0]])
    >>> density_coverage(real, torch.tensor([[0.5], [0.6], [30.0], [31.0]]), neighbours=1)
    (1.0, 0.5)
    """
    found = neighbourhoods(
        real, fake, precision_neighbours=neighbours, density_neighbours=neighbours
    )
    return float(found.density.mean()), float(found.coverage.mean())


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances ``(N, M)``; without the shortcut that makes copies differ by 1e-8."""
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cat([torch.cdist(rows, b, compute_mode=exact) for rows in a.split(_ROWS)])


def _neighbour_distances(features: Tensor, most: int) -> Tensor:
    """Distances to the nearest neighbours within a set, nearest first, ``(N, most)``."""
    within = _distances(features, features).fill_diagonal_(float("inf"))
    return within.topk(most, dim=1, largest=False).values
