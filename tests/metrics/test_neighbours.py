"""Precision, recall, density, coverage: closed forms, a formula in NumPy, torch-fidelity 0.4."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ganloss.metrics.neighbours import density_coverage, neighbourhoods, precision_recall


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


REAL, FAKE = column(0, 1, 3, 7), column(0.5, 5, 5.5, 20)
"""Balls to the nearest neighbour, by hand.

Reals: [-1, 1], [0, 2], [1, 5], [3, 11]. Fakes: [-4, 5], [4.5, 5.5], [5, 6], [5.5, 34.5].
Fake 0.5 lies in two balls of reals, 5 in two, 5.5 in one, 20 in none. Reals 0, 1, 3 lie in the
first ball of a fake, 7 in the last. Each ball of a real holds a fake.
"""


def test_small_sets_by_hand() -> None:
    assert precision_recall(REAL, FAKE, neighbours=1) == (3 / 4, 1.0)
    assert density_coverage(REAL, FAKE, neighbours=1) == (5 / 4, 1.0)
    found = neighbourhoods(REAL, FAKE, precision_neighbours=1, density_neighbours=1)
    assert found.precision.tolist() == [1, 1, 1, 0]
    assert found.density.tolist() == [2, 2, 1, 0]


def test_two_neighbours_by_hand() -> None:
    """Radii of the reals are then 3, 2, 3, 6; of the fakes 5, 4.5, 5, 15."""
    found = neighbourhoods(REAL, FAKE, precision_neighbours=2, density_neighbours=2)
    assert found.precision.tolist() == [1, 1, 1, 0]
    assert found.density.tolist() == [3 / 2, 2 / 2, 2 / 2, 0]
    assert found.recall.tolist() == [1, 1, 1, 1]
    assert found.coverage.tolist() == [1, 1, 1, 1]


def test_one_point_repeated_has_precision_without_coverage() -> None:
    fake = REAL[:1].repeat(4, 1)
    assert precision_recall(REAL, fake, neighbours=1) == (1.0, 1 / 4)
    assert density_coverage(REAL, fake, neighbours=1) == (2.0, 2 / 4)


def in_numpy(
    real: np.ndarray, fake: np.ndarray, k: int, *, self_is_neighbour: bool
) -> dict[str, float]:
    """The definitions of both papers, written as loops."""

    def radii(points: np.ndarray) -> list[float]:
        found: list[float] = []
        for i, p in enumerate(points):
            away = sorted(
                float(np.sqrt(((p - q) ** 2).sum()))
                for j, q in enumerate(points)
                if self_is_neighbour or i != j
            )
            found.append(away[k - 1])
        return found

    def inside(point: np.ndarray, centre: np.ndarray, radius: float) -> bool:
        return float(np.sqrt(((point - centre) ** 2).sum())) <= radius

    of_real, of_fake = radii(real), radii(fake)
    member = [[inside(f, r, d) for r, d in zip(real, of_real, strict=True)] for f in fake]
    reached = [[inside(r, f, d) for f, d in zip(fake, of_fake, strict=True)] for r in real]
    return {
        "precision": float(np.mean([any(row) for row in member])),
        "recall": float(np.mean([any(row) for row in reached])),
        "density": float(np.sum(member)) / (k * len(fake)),
        "coverage": float(np.mean(np.any(member, axis=0))),
    }


def ours(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, float]:
    a, b = torch.from_numpy(real), torch.from_numpy(fake)
    precision, recall = precision_recall(a, b, k)
    density, coverage = density_coverage(a, b, k)
    return {"precision": precision, "recall": recall, "density": density, "coverage": coverage}


def clouds(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 3)), rng.normal(0.8, 0.7, size=(count, 3))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_formulas_in_numpy(k: int) -> None:
    real, fake = clouds()
    assert ours(real, fake, k) == pytest.approx(in_numpy(real, fake, k, self_is_neighbour=False))


def test_control_a_point_that_is_its_own_neighbour_gives_other_numbers() -> None:
    real, fake = clouds()
    wrong = in_numpy(real, fake, 3, self_is_neighbour=True)
    for name, value in ours(real, fake, 3).items():
        assert value > wrong[name], name


@pytest.mark.parametrize("low_memory", [False, True])
def test_precision_and_recall_equal_torch_fidelity(low_memory: bool) -> None:
    from torch_fidelity.metric_prc import prc_features_to_metric

    generator = torch.Generator().manual_seed(0)
    real = torch.randn(600, 12, generator=generator, dtype=torch.float64)
    fake = 1.4 * torch.randn(600, 12, generator=generator, dtype=torch.float64) + 0.3
    theirs = prc_features_to_metric(
        fake, real, prc_neighborhood=3, save_cpu_ram=low_memory, verbose=False
    )
    precision, recall = precision_recall(real, fake)
    assert 0.1 < precision < 0.9
    assert 0.1 < recall < 0.99
    # Their means are of float32.
    assert precision == pytest.approx(theirs["precision"], abs=1e-6)
    assert recall == pytest.approx(theirs["recall"], abs=1e-6)


def test_density_is_about_one_for_the_same_distribution() -> None:
    """Expected density of two sets of one distribution is 1, coverage 1 - 2^-k (their eq. 5)."""
    real, fake = torch.randn(2, 1500, 4, generator=torch.Generator().manual_seed(0))
    density, coverage = density_coverage(real, fake)
    assert density == pytest.approx(1.0, abs=0.06)
    assert coverage == pytest.approx(1 - 2**-5, abs=0.02)


def test_misuse_says_how_to_mend_it() -> None:
    x = torch.randn(8, 2)
    with pytest.raises(ValueError, match="equal numbers of samples"):
        precision_recall(x, x[:5])
    with pytest.raises(ValueError, match="more samples than neighbours"):
        density_coverage(x[:5], x[:5])
    with pytest.raises(ValueError, match="at least one neighbour"):
        precision_recall(x, x, neighbours=0)
    with pytest.raises(ValueError, match="look for NaN"):
        precision_recall(x, x / 0)
