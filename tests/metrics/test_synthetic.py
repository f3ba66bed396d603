"""Known distributions: what is counted is exact."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from ganloss.data.points import PointSet, grid, ring
from ganloss.data.polygons import triangles
from ganloss.metrics.distances import frechet_distance
from ganloss.metrics.synthetic import (
    RadialFeatures,
    members_shown,
    mode_report,
    modes_of_points,
)


def test_the_ring_itself_covers_its_modes():
    data = ring()
    report = modes_of_points(data.held_out, data.modes, data.spread)
    assert (report.modes, report.covered) == (8, 8)
    # A two-dimensional normal lies within 3 standard deviations with probability 1 - exp(-9/2).
    expected = 1 - math.exp(-4.5)
    assert report.good == pytest.approx(expected, abs=4 * math.sqrt(expected * 0.0111 / 10_000))
    # 2 N KL is chi-squared with 7 degrees of freedom for equal shares.
    assert report.reverse_kl < 25 / (2 * 9_880)


@pytest.mark.parametrize("kept", [1, 5, 24])
def test_dropped_modes_are_counted(kept: int):
    data = grid()
    nearest = torch.cdist(data.points, data.modes).argmin(1)
    report = modes_of_points(data.points[nearest < kept], data.modes, data.spread)
    assert report.covered == kept
    # Equal shares of ``kept`` of 25 modes: KL = log(25 / kept).
    assert report.reverse_kl == pytest.approx(math.log(25 / kept), abs=0.005)


def test_points_between_the_modes_are_not_good():
    data = grid()
    report = modes_of_points(data.modes + 1.0, data.modes, data.spread)
    assert (report.covered, report.good, report.reverse_kl) == (0, 0.0, math.inf)


def test_reverse_kl_against_numpy():
    labels = torch.tensor([0, 0, 0, 1, 3])
    q = np.array([3, 1, 0, 1]) / 5
    expected = sum(p * math.log(p / 0.25) for p in q if p > 0)
    assert mode_report(labels, 4).reverse_kl == pytest.approx(expected, rel=1e-12)


def test_triangles_are_2148_different_images():
    split = triangles()
    every = torch.cat([split.train, split.held_out]).flatten(1)
    # C(25, 3) = 2300 triples of lattice points, 152 of them on a line.
    assert len(every) == 2300 - 152
    assert len(every.unique(dim=0)) == len(every)


def test_precision_and_recall_are_exact_on_triangles():
    split = triangles()
    every = torch.cat([split.train, split.held_out])
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (300, 1, 16, 16), generator=generator, dtype=torch.uint8)

    def shown(samples: torch.Tensor) -> tuple[float, float]:
        report = members_shown(samples, every, split.held_out)
        return report.precision, report.recall

    assert shown(every) == (1.0, 1.0)
    assert shown(noise) == (0.0, 0.0)
    assert shown(torch.cat([split.held_out[:100], noise[:100]])) == (
        0.5,
        _near(split.held_out, 100),
    )
    memorised = members_shown(split.train, every, split.held_out)
    assert memorised.precision == 1.0
    assert memorised.recall < 0.15


def _near(members: torch.Tensor, shown: int) -> float:
    """Share of members within 0.1 root mean square of the first ones, in plain NumPy."""
    x = members.numpy().reshape(len(members), -1).astype(np.float64) / 255
    rms = np.sqrt(((x[:, None] - x[None, :shown]) ** 2).mean(-1))
    return float((rms.min(1) <= 0.1).mean())


@pytest.mark.parametrize(("difference", "shown"), [(25, 1.0), (26, 0.0)])
def test_a_picture_shows_a_member_up_to_a_tenth_of_the_range(difference: int, shown: float):
    """Equal differences have themselves as root mean square: 25 / 255 < 0.1 < 26 / 255."""
    members = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    report = members_shown(members + difference, members, members)
    assert report.numbers() == {"precision": shown, "recall": shown}


def test_no_good_sample_is_written_as_null():
    report = mode_report(torch.tensor([], dtype=torch.long), modes=8, good=0.0)
    assert json.loads(json.dumps(report.numbers(), allow_nan=False)) == {
        "modes covered": 0.0, "good samples": 0.0, "reverse KL": None
    }  # fmt: skip


def test_features_of_points_see_the_collapse_that_mean_and_covariance_hide():
    """Every other mode of the ring has the mean, 0, and the covariance, 2 I, of all eight.

    Features of points on modes far apart are unit vectors. With P and Q the projections onto what
    is orthogonal to (1, ..., 1) in 8 and in the 4 dimensions, the covariances are P / 8 and Q / 4,
    and P Q = Q, so that the distance is 4 (1/4 - 1/8)^2 + 4 / 8^2 + c (7/8 + 3/4 - 2 * 3 / sqrt 32)
    with c = n / (n - 1).
    """
    data, n = ring(count=8), 800
    every, half = data.modes.repeat(n // 8, 1), data.modes[::2].repeat(n // 4, 1)
    features = RadialFeatures(data.modes, data.spread)
    assert frechet_distance(every, half) == pytest.approx(0, abs=1e-6)
    expected = 1 / 8 + n / (n - 1) * (7 / 8 + 3 / 4 - 6 / math.sqrt(32))
    assert frechet_distance(features(every), features(half)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("make", "modes"), [(ring, 8), (grid, 25)])
def test_labels_of_points_are_the_modes_they_were_drawn_around(
    make: Callable[..., PointSet], modes: int
):
    """E |x - m|^2 = 2 s^2, and the mean of n squares deviates by 2 s^2 / sqrt(n)."""
    data = make(count=10_000, cond=True)
    assert data.labels is not None
    squares = (data.points - data.modes[data.labels]).square().sum(1) / (2 * data.spread**2)
    assert float(squares.mean()) == pytest.approx(1, abs=4 / 100)
    counts = torch.bincount(data.labels)
    assert (len(counts), len(data.class_names)) == (modes, modes)
    assert len(torch.cat([data.points, data.held_out]).unique(dim=0)) == 20_000
