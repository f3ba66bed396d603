"""The focal frequency loss: its weights, its gradient, its limits."""

import numpy as np
import pytest
import torch
from torch import Tensor

import ganloss as gl


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def test_without_focus_it_is_the_squared_error():
    """Parseval's theorem for the orthonormal transform."""
    x, y = draw(2, 3, 7, 6), draw(2, 3, 7, 6, seed=1)
    x.requires_grad_(True)
    found = gl.FocalFrequency(alpha=0.0)(x, y)
    assert found.item() == pytest.approx(torch.nn.functional.mse_loss(x, y).item(), rel=1e-12)
    (slope,) = torch.autograd.grad(found, x)
    torch.testing.assert_close(slope, 2 * (x - y).detach() / x.numel())


def test_the_gradient_is_that_of_the_formula_with_constant_weights():
    """d/dx of mean w |F|^2 with F unitary: 2/n times the inverse transform of w F."""
    x, y = draw(2, 1, 6, 5).requires_grad_(True), draw(2, 1, 6, 5, seed=1)
    (slope,) = torch.autograd.grad(gl.FocalFrequency()(x, y), x)
    spectrum = np.fft.fft2((x - y).detach().numpy(), norm="ortho")
    distance = np.abs(spectrum)
    weight = distance / distance.max((2, 3), keepdims=True)
    expected = 2 / x.numel() * np.fft.ifft2(weight * spectrum, norm="ortho").real
    np.testing.assert_allclose(slope.numpy(), expected, rtol=1e-10, atol=1e-15)


def test_weights_are_normalised_for_each_image_and_channel():
    """A far worse neighbour changes nothing about an image, nor does another channel."""
    x, y = draw(1, 1, 8, 8), draw(1, 1, 8, 8, seed=1)
    alone = gl.FocalFrequency()(x, y)
    for dim in (0, 1):
        wide = torch.cat([x, x + 100], dim), torch.cat([y, y], dim)
        worse = gl.FocalFrequency()(x + 100, y)
        torch.testing.assert_close(gl.FocalFrequency()(*wide), (alone + worse) / 2)


def test_the_worst_frequency_counts_most():
    """Two waves of amplitudes 1 and 1/2: the loss is (1 + 1/8) / 2 of the squares' 1 + 1/4."""
    t = torch.arange(16, dtype=torch.float64) * 2 * torch.pi / 16
    wave = (t.cos() + (3 * t).cos() / 2).expand(1, 1, 16, 16)
    assert gl.FocalFrequency()(wave, 0 * wave).item() == pytest.approx((1 + 0.125) / 2)


def test_equal_images_have_no_loss_and_no_gradient():
    x = torch.rand(2, 3, 8, 8, requires_grad=True)
    value = gl.FocalFrequency()(x, x.detach().clone())
    value.backward()
    assert value.item() == 0
    assert torch.equal(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("alpha", [-1.0, float("inf"), float("nan")])
def test_other_alphas_are_refused(alpha: float):
    with pytest.raises(ValueError, match=r"0 or more|must be finite"):
        gl.FocalFrequency(alpha=alpha)


def test_only_images_have_a_spectrum():
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        gl.FocalFrequency()(torch.rand(2, 3), torch.rand(2, 3))
