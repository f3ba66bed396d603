"""Distances between sets of features; all in float64 on the CPU."""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

_PART = 4096  # images that others are compared with at a time
_COPY = 1e-12  # instead of a distance of 0


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
    check_features(real, fake)
    with _one_thread():
        return _frechet(_centred(real), _centred(fake))


def resampled_frechet_distances(
    real: Tensor, fake: Tensor, real_counts: Tensor, fake_counts: Tensor
) -> Tensor:
    """Fréchet distances of resampled features, ``(B,)``.

    Args:
        real: features ``(N, d)``.
        fake: features ``(N, d)``.
        real_counts: how often each real is drawn, ``(B, N)``; each row sums to N.
        fake_counts: the same for the fakes.

    >>> x, once = torch.tensor([[0.0], [2.0]]), torch.ones(1, 2)
    >>> resampled_frechet_distances(x, x + 3, once, once)
    tensor([9.], dtype=torch.float64)
    """
    check_features(real, fake)
    pairs = zip(real_counts, fake_counts, strict=True)
    with _one_thread():
        distances = [_frechet(_centred(real, a), _centred(fake, b)) for a, b in pairs]
    return torch.tensor(distances, dtype=torch.float64)


def check_features(real: Tensor, fake: Tensor) -> None:
    """Refuse features that cannot be compared.

    Raises:
        ValueError: different numbers, fewer than two samples, or features that are not finite.

    >>> check_features(torch.zeros(4, 2), torch.zeros(4, 2))
    >>> check_features(torch.zeros(1, 2), torch.zeros(1, 2))
    Traceback (most recent call last):
    ValueError: a distance between sets needs at least two samples on each side
    """
    if real.dim() != 2 or real.shape != fake.shape:
        raise ValueError(
            f"features are {tuple(real.shape)} and {tuple(fake.shape)}; pass equal numbers of "
            "samples (N, d) on both sides, since the distance depends on N"
        )
    if real.shape[0] < 2:
        raise ValueError("a distance between sets needs at least two samples on each side")
    if not (real.isfinite().all() and fake.isfinite().all()):
        raise ValueError("features are not finite; look for NaN in the samples")


def _centred(features: Tensor, counts: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean ``(d,)``, and rows ``A (M, d)`` whose product AᵀA is the covariance."""
    features, count = features.double().cpu(), features.shape[0]
    if counts is None:
        mean = features.mean(0)
        return mean, (features - mean) / (count - 1) ** 0.5
    # A resample holds about 63 % of the rows; the others need not be multiplied.
    features, weights = features[counts > 0], counts[counts > 0, None].double()
    mean = (weights * features).sum(0) / count
    return mean, (features - mean) * (weights / (count - 1)).sqrt()


def _frechet(real: tuple[Tensor, Tensor], fake: tuple[Tensor, Tensor]) -> float:
    (mean_r, rows_r), (mean_f, rows_f) = real, fake
    spread = rows_r.square().sum() + rows_f.square().sum()  # the traces of both covariances
    distance = (mean_r - mean_f).square().sum() + spread - 2 * _trace_of_root(rows_r, rows_f)
    return max(float(distance), 0.0)


def _trace_of_root(rows_r: Tensor, rows_f: Tensor) -> Tensor:
    """Trace of (C_r^(1/2) C_f C_r^(1/2))^(1/2) for covariances AᵀA and BᵀB.

    It is also the sum of the singular values of ABᵀ, a matrix of samples rather than of features:
    the cheaper one where samples are few.
    """
    samples, features = rows_r.shape
    if 3 * samples <= 4 * features:
        return torch.linalg.svdvals(rows_r @ rows_f.T).sum()
    root_r = _matrix_root(rows_r.T @ rows_r)
    values = torch.linalg.eigvalsh(root_r @ (rows_f.T @ rows_f) @ root_r)
    return values.clamp_min(0).sqrt().sum()


@contextmanager
def _one_thread() -> Generator[None]:
    """Compute with one thread: on a busy machine LAPACK's threads wait for each other, up to
    a hundred times longer than one of them takes alone.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
    once = torch.ones(1, len(real))
    return float(_resampled_kernel_distances(real, fake, once, once))


def _resampled_kernel_distances(
    real: Tensor, fake: Tensor, real_counts: Tensor, fake_counts: Tensor
) -> Tensor:
    """Kernel distances of resampled features, ``(B,)``; the kernels are computed once.

    Args: as :func:`resampled_frechet_distances`.
    """
    check_features(real, fake)
    real, fake = real.double().cpu(), fake.double().cpu()
    a, b, count = real_counts.double(), fake_counts.double(), real.shape[0]

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def off_diagonal_mean(k: Tensor, counts: Tensor) -> Tensor:
        total = ((counts @ k) * counts).sum(1) - counts @ k.diagonal()
        return total / (count * (count - 1))

    within = off_diagonal_mean(kernel(real, real), a) + off_diagonal_mean(kernel(fake, fake), b)
    return within - 2 * ((a @ kernel(real, fake)) * b).sum(1) / count**2


@dataclass(frozen=True)
class Distance:
    """A distance between sets of features, under the name that its numbers carry.

    Args:
        name: first part of the protocol, ``"fd"`` in ``fd-digits@897``.
        value: the distance of ``(real, fake)``.
        resampled: the same for resamples, ``(real, fake, real counts, fake counts)``.
        lowest: what it cannot be below.

    >>> FRECHET.name, FRECHET.value(torch.zeros(3, 2), torch.zeros(3, 2))
    ('fd', 0.0)
    """

    name: str
    value: Callable[[Tensor, Tensor], float]
    resampled: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    lowest: float = -math.inf


FRECHET = Distance("fd", frechet_distance, resampled_frechet_distances, lowest=0.0)
KERNEL = Distance("kid", kernel_distance, _resampled_kernel_distances)


def nearest_neighbour_ratio(samples: Tensor, train: Tensor, held_out: Tensor) -> float:
    """How much closer samples lie to training images than real images do, in pixels.

    The median over samples of (distance to the nearest training image) / (distance to the nearest
    held-out image), over the same median of the held-out images, each against the others: 1 when
    nothing was memorised, far below 1 when samples copy training images. Of the larger set some
    image is nearer by chance; the second median takes that out.

    Args:
        samples: images ``(N, ...)``.
        train: images ``(M, ...)``, all that were trained on.
        held_out: images ``(K, ...)``, at least two.

    Raises:
        ValueError: fewer than two held-out images.

    >>> train, held_out = torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [3.0]])
    >>> nearest_neighbour_ratio(torch.tensor([[0.25]]), train, held_out)
    0.6666666666666666
    """
    if len(held_out) < 2:
        raise ValueError(f"{len(held_out)} held-out image(s); at least two are needed")
    fakes, seen, unseen = (x.flatten(1) for x in (samples, train, held_out))
    of_fakes = _nearest(fakes, seen) / _nearest(fakes, unseen).clamp_min(_COPY)
    of_reals = _nearest(unseen, seen) / _nearest(unseen, unseen, itself=False).clamp_min(_COPY)
    return float(of_fakes.median() / of_reals.median().clamp_min(_COPY))


def _nearest(rows: Tensor, others: Tensor, *, itself: bool = True) -> Tensor:
    """Distance of each row to the nearest of the others; ``itself``: whether it may be the same."""
    distances: list[Tensor] = []
    for part in others.split(_PART):
        apart = torch.cdist(rows.double(), part.double())
        if not itself:
            apart.diagonal(-_PART * len(distances)).fill_(math.inf)
        distances.append(apart.amin(1))
    return torch.stack(distances).amin(0)
