"""Distances between sets of features; all in float64 on the CPU."""

import torch
from torch import Tensor


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    r"""Fréchet distance between Gaussians fitted to two sets of features.

    .. math::
        \lVert \mu_r - \mu_f \rVert^2
        + \mathrm{tr}\big(C_r + C_f - 2 (C_r^{1/2} C_f C_r^{1/2})^{1/2}\big)

    Args:
        real: features ``(N, d)``.
        fake: features ``(N, d)``, as many: the distance depends on the number of samples.

    Raises:
        ValueError: different numbers, fewer than two samples, or features that are not finite.

    References:
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017,
        arXiv:1706.08500, eq. 6; Dowson & Landau, J. Multivariate Analysis 12, 1982, eq. 4.

    >>> x = torch.tensor([[0.0], [2.0]])
    >>> frechet_distance(x, x + 3)
    9.0
    """
    _check(real, fake)
    mean_r, cov_r = _moments(real)
    mean_f, cov_f = _moments(fake)
    root_r = _matrix_root(cov_r)
    cross = torch.linalg.eigvalsh(root_r @ cov_f @ root_r).clamp_min(0).sqrt().sum()
    distance = (mean_r - mean_f).square().sum() + cov_r.trace() + cov_f.trace() - 2 * cross
    return max(float(distance), 0.0)


def _check(real: Tensor, fake: Tensor) -> None:
    if real.dim() != 2 or real.shape != fake.shape:
        raise ValueError(
            f"features are {tuple(real.shape)} and {tuple(fake.shape)}; pass equal numbers of "
            "samples (N, d) on both sides, since the distance depends on N"
        )
    if real.shape[0] < 2:
        raise ValueError("a Fréchet distance needs at least two samples on each side")
    if not (real.isfinite().all() and fake.isfinite().all()):
        raise ValueError("features are not finite; look for NaN in the samples")


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    features = features.double()
    return features.mean(0), torch.cov(features.T).reshape(features.shape[1], -1)


def _matrix_root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    r"""Squared maximum mean discrepancy with the cubic kernel (KID), unbiased.

    .. math::
        k(a, b) = (a^\top b / d + 1)^3

    Raises:
        ValueError: as :func:`frechet_distance`.

    References:
        Bińkowski et al., "Demystifying MMD GANs", ICLR 2018, arXiv:1801.01401, section 4 and
        eq. 2 of appendix D.

    >>> x = torch.tensor([[0.0], [1.0]])
    >>> kernel_distance(x, x)
    -3.5
    """
    _check(real, fake)
    real, fake = real.double(), fake.double()
    count = real.shape[0]

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def off_diagonal_mean(k: Tensor) -> Tensor:
        return (k.sum() - k.diagonal().sum()) / (count * (count - 1))

    within = off_diagonal_mean(kernel(real, real)) + off_diagonal_mean(kernel(fake, fake))
    return float(within - 2 * kernel(real, fake).mean())


def nearest_neighbour_ratio(samples: Tensor, train: Tensor, held_out: Tensor) -> float:
    """How much closer samples lie to training images than to held-out ones, in pixels.

    The median over samples of (distance to the nearest training image) / (distance to the nearest
    held-out image): 1 when nothing was memorised, far below 1 when samples copy training images.

    Args:
        samples: images ``(N, ...)``.
        train: images ``(M, ...)``.
        held_out: images ``(M, ...)``, as many as ``train``.

    >>> train, held_out = torch.tensor([[0.0]]), torch.tensor([[2.0]])
    >>> nearest_neighbour_ratio(torch.tensor([[0.5]]), train, held_out)
    0.3333333333333333
    """
    if len(train) != len(held_out):
        raise ValueError(
            f"{len(train)} training and {len(held_out)} held-out images; equal numbers are needed, "
            "or the larger set is nearer by chance"
        )
    flat = [x.double().flatten(1) for x in (samples, train, held_out)]
    to_train, to_held_out = (torch.cdist(flat[0], x).amin(1) for x in flat[1:])
    return float((to_train / to_held_out.clamp_min(1e-12)).median())
