"""Pairs of features: MMD and the sphere."""

import math

import pytest
import torch

import ganloss as gl


def test_the_unbiased_estimate_is_zero_in_the_mean_for_equal_distributions() -> None:
    """2,000 draws of 8 + 8 samples: the mean is within four standard errors of 0."""
    generator = torch.Generator().manual_seed(0)
    loss = gl.MaximumMeanDiscrepancy("rational-quadratic")
    batches = torch.randn(2000, 2, 8, 3, generator=generator, dtype=torch.float64)
    found = torch.stack([loss.generator(real=r, fake=f) for r, f in batches])
    assert abs(found.mean()) < 4 * found.std() / math.sqrt(len(found))
    biased = gl.MaximumMeanDiscrepancy("rational-quadratic", unbiased=False)
    assert min(biased.generator(real=r, fake=f) for r, f in batches[:100]) > 0


def test_descent_on_g_brings_the_samples_together() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(32, 2) + 3, torch.randn(32, 2, requires_grad=True)
    loss = gl.MaximumMeanDiscrepancy("gaussian")
    for _ in range(200):
        (slope,) = torch.autograd.grad(loss.generator(real=real, fake=fake), fake)
        fake.data -= 10 * slope
    distance = (fake.detach().mean(0) - real.mean(0)).norm()
    assert distance < 0.2 * 3 * math.sqrt(2), "four fifths of the way and more"


def test_misuse() -> None:
    with pytest.raises(ValueError, match="did you mean 'gaussian'"):
        gl.MaximumMeanDiscrepancy("gausian")
    with pytest.raises(ValueError, match="unbiased=False"):
        gl.MaximumMeanDiscrepancy("gaussian").generator(
            real=torch.ones(1, 2), fake=torch.ones(2, 2)
        )
    with pytest.raises(ValueError, match="at least 1"):
        gl.Sphere(moments=0)


@pytest.mark.parametrize(("length", "angle"), [(0.0, math.pi), (1.0, math.pi / 2)])
def test_the_distance_from_the_pole(length: float, angle: float) -> None:
    found = gl.Sphere(moments=1).generator(fake=torch.tensor([[length, 0.0, 0.0]]))
    assert found.item() == pytest.approx(-angle, rel=1e-6)


def test_far_features_near_the_pole_keep_their_digits() -> None:
    """2 atan(1/|u|) = 2/|u| to 1e-8 at 1e4, where arccos of 1 - 2e-8 has no digits in fp32."""
    found = gl.Sphere(moments=1).generator(fake=torch.tensor([[1e4]]))
    assert found.item() == pytest.approx(-2e-4, rel=1e-6)
