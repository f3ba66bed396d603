"""RelativisticAverage: the published numbers, its weights, and its bases."""

import pytest
import torch

import ganloss as gl

REAL = torch.tensor([0.8, 0.4], dtype=torch.float64)
FAKE = torch.tensor([0.3, -0.2], dtype=torch.float64)


def test_twice_the_average_over_least_squares_is_the_published_ralsgan() -> None:
    """E(r - .05 - 1)^2 = .1825 and E(f - .6 + 1)^2 = .325; G: 2.2825 and 2.625 likewise."""
    pair = gl.RelativisticAverage(gl.LeastSquares(-1.0, 1.0))
    assert 2 * pair.discriminator(real=REAL, fake=FAKE).item() == pytest.approx(0.5075, rel=1e-12)
    assert 2 * pair.generator(real=REAL, fake=FAKE).item() == pytest.approx(4.9075, rel=1e-12)


def test_weights_do_not_enter_the_inner_means() -> None:
    """Weight 0 on all but the first: a(r_0 - E f) + b(f_0 - E r) with the plain means."""
    pair, first = gl.RelativisticAverage(gl.Hinge()), torch.tensor([1.0, 0.0]).double()
    found = pair.discriminator(real=REAL, fake=FAKE, real_weight=first, fake_weight=first)
    assert found.item() == pytest.approx((1 - (0.8 - 0.05)) + (1 + (0.3 - 0.6)), rel=1e-12)


def test_the_inner_means_run_over_all_patches_of_a_scale() -> None:
    real, fake = torch.randn(3, 1, 4, 4).double(), torch.randn(3, 1, 4, 4).double()
    pair = gl.RelativisticAverage(gl.NonSaturating())
    found = pair.discriminator(real=real, fake=fake)
    flat = pair.discriminator(real=real.flatten(), fake=fake.flatten())
    torch.testing.assert_close(found, flat)


def test_both_players_get_gradients_through_the_means() -> None:
    real, fake = REAL.clone().requires_grad_(True), FAKE.clone().requires_grad_(True)
    loss = gl.RelativisticAverage(gl.LeastSquares(-1.0, 1.0)).generator(real=real, fake=fake)
    assert all(g.any() for g in torch.autograd.grad(loss, (real, fake)))


@pytest.mark.parametrize("base", [gl.Relativistic(gl.Hinge()), gl.DualContrastive(), "hinge"])
def test_a_base_without_two_sides_is_refused(base: object) -> None:
    with pytest.raises(TypeError, match=r"e\.g\. RelativisticAverage\(NonSaturating\(\)\)"):
        gl.RelativisticAverage(base)


def test_equal_scores_of_another_height_change_nothing() -> None:
    """Relativistic losses see differences only."""
    pair = gl.RelativisticAverage(gl.NonSaturating())
    found = pair.discriminator(real=REAL + 7, fake=FAKE + 7)
    torch.testing.assert_close(found, pair.discriminator(real=REAL, fake=FAKE))
