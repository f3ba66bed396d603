"""Distances between features, against closed forms and torch-fidelity 0.4."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from ganloss.metrics.distances import frechet_distance, kernel_distance, nearest_neighbour_ratio


def samples_with(mean: Tensor, covariance: Tensor, count: int = 200) -> Tensor:
    """Samples whose estimated mean and covariance are exactly these."""
    dims = len(mean)
    raw = torch.randn(
        count, dims, dtype=torch.float64, generator=torch.Generator().manual_seed(dims)
    )
    raw = raw - raw.mean(0)
    whitened = raw @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(raw.T))).T
    return mean + whitened @ torch.linalg.cholesky(covariance).T


def diagonal(*values: float) -> Tensor:
    return torch.diag(torch.tensor(values, dtype=torch.float64))


def test_frechet_distance_of_gaussians_with_diagonal_covariances() -> None:
    """Closed form: |m1 - m2|^2 + sum (s1 - s2)^2."""
    a = samples_with(torch.tensor([0.0, 1.0], dtype=torch.float64), diagonal(4.0, 9.0))
    b = samples_with(torch.tensor([3.0, 5.0], dtype=torch.float64), diagonal(1.0, 25.0))
    assert frechet_distance(a, b) == pytest.approx(25 + (2 - 1) ** 2 + (3 - 5) ** 2, rel=1e-10)


def test_frechet_distance_of_a_set_to_itself_is_zero() -> None:
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_equals_torch_fidelity() -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    generator = torch.Generator().manual_seed(0)
    a = torch.randn(300, 16, generator=generator)
    b = torch.randn(300, 16, generator=generator) @ torch.randn(16, 16, generator=generator)
    theirs = fid_statistics_to_metric(
        fid_features_to_statistics(a), fid_features_to_statistics(b), verbose=False
    )["frechet_inception_distance"]
    assert frechet_distance(a, b) == pytest.approx(theirs, rel=1e-6)


def test_kernel_distance_equals_the_formula_in_numpy() -> None:
    """Unbiased MMD^2 with k(a, b) = (a.b / d + 1)^3, written as loops."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(12, 5)), rng.normal(1.0, size=(12, 5))

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 5 + 1) ** 3)

    n = len(a)
    within = sum(k(x[i], x[j]) for x in (a, b) for i in range(n) for j in range(n) if i != j)
    across = sum(k(x, y) for x in a for y in b)
    expected = within / (n * (n - 1)) - 2 * across / n**2
    assert kernel_distance(torch.tensor(a), torch.tensor(b)) == pytest.approx(expected, rel=1e-10)


def test_frechet_distance_of_fewer_samples_than_features_equals_torch_fidelity() -> None:
    """Theirs takes roots of a product of singular matrices; ours works on the samples' side."""
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    generator = torch.Generator().manual_seed(0)
    a = torch.randn(40, 64, generator=generator, dtype=torch.float64)
    b = 1.5 * torch.randn(40, 64, generator=generator, dtype=torch.float64) + 0.2
    theirs = fid_statistics_to_metric(
        fid_features_to_statistics(a), fid_features_to_statistics(b), verbose=False
    )["frechet_inception_distance"]
    assert frechet_distance(a, b) == pytest.approx(theirs, rel=1e-5)


def test_kernel_distance_equals_torch_fidelity_where_its_subset_is_everything() -> None:
    from torch_fidelity.metric_kid import kid_features_to_metric

    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 300, 16, generator=generator, dtype=torch.float64)
    b = 0.8 * b + 0.3
    whole = {"kid_subsets": 1, "kid_subset_size": 300, "verbose": False, "rng_seed": 0}
    theirs = kid_features_to_metric(a, b, **whole)["kernel_inception_distance_mean"]
    assert kernel_distance(a, b) == pytest.approx(theirs, rel=1e-9)


def test_kernel_distance_is_what_torch_fidelity_s_subsets_estimate() -> None:
    """The mean over random subsets has the whole set's distance as its expectation, nearly:
    within a subset each pair (real, fake) is as likely as in the whole."""
    from torch_fidelity.metric_kid import kid_features_to_metric

    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 400, 8, generator=generator, dtype=torch.float64)
    b = b + 0.5
    subsets = {"kid_subsets": 400, "kid_subset_size": 100, "verbose": False, "rng_seed": 0}
    theirs = kid_features_to_metric(a, b, **subsets)
    error = theirs["kernel_inception_distance_std"] / 400**0.5
    mean = theirs["kernel_inception_distance_mean"]
    assert kernel_distance(a, b) == pytest.approx(mean, abs=4 * error)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_misuse_says_how_to_mend_it(distance: Callable[[Tensor, Tensor], float]) -> None:
    x = torch.randn(4, 2)
    with pytest.raises(ValueError, match="equal numbers of samples"):
        distance(x, x[:3])
    with pytest.raises(ValueError, match="at least two samples on each side"):
        distance(x[:1], x[:1])
    with pytest.raises(ValueError, match="look for NaN"):
        distance(x, x * float("nan"))


def test_nearest_neighbour_ratio_tells_copies_from_fresh_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    train, held_out, fresh = torch.rand(3, 200, 4, generator=generator)
    assert nearest_neighbour_ratio(train, train, held_out) == 0.0
    assert nearest_neighbour_ratio(fresh, train, held_out) == pytest.approx(1.0, abs=0.15)
    with pytest.raises(ValueError, match="at least two are needed"):
        nearest_neighbour_ratio(fresh, train, held_out[:1])


def test_nearest_neighbour_ratio_tells_copies_where_few_images_are_held_out() -> None:
    """Against as many training images as are held out, nine copies in ten would be missed."""
    generator = torch.Generator().manual_seed(0)
    train = torch.rand(5000, 4, generator=generator)
    held_out, fresh = torch.rand(2, 500, 4, generator=generator)
    copies = train[torch.randperm(5000, generator=generator)[:300]]
    assert nearest_neighbour_ratio(copies, train, held_out) == 0.0
    assert nearest_neighbour_ratio(copies, train[:500], held_out) > 0.8
    assert nearest_neighbour_ratio(fresh, train, held_out) == pytest.approx(1.0, abs=0.1)
    to_train = np.linalg.norm(fresh.numpy()[:, None] - train.numpy()[None], axis=2).min(1)
    apart = np.linalg.norm(held_out.numpy()[:, None] - held_out.numpy()[None], axis=2)
    to_held = np.linalg.norm(fresh.numpy()[:, None] - held_out.numpy()[None], axis=2).min(1)
    reals = np.linalg.norm(held_out.numpy()[:, None] - train.numpy()[None], axis=2).min(1)
    reals = reals / (apart + np.where(np.eye(500), np.inf, 0)).min(1)
    # torch's median is the lower of the two in the middle
    lower = [np.sort(x)[249] for x in (to_train / to_held, reals)]
    expected = lower[0] / lower[1]
    assert nearest_neighbour_ratio(fresh, train, held_out) == pytest.approx(expected, rel=1e-5)
