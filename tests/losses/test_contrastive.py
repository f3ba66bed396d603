"""Contrastive and softmax pairs: what sets them apart from elementwise ones."""

import math

import pytest
import torch
from torch import Tensor

import ganloss as gl


@pytest.mark.parametrize("count", [1, 5, 64])
def test_equal_scores_give_two_log_n_plus_one(count: int) -> None:
    scores = torch.full((count,), 1234.5)
    found = gl.DualContrastive().discriminator(real=scores, fake=scores)
    assert found.item() == pytest.approx(2 * math.log(count + 1), rel=1e-6)


def slope_of_g(pair: gl.GANLoss, height: float) -> Tensor:
    """Gradient of G where D is sure: real scores ``height``, fake ones minus that."""
    real, fake = torch.full((4,), height), torch.full((4,), -height, requires_grad=True)
    (slope,) = torch.autograd.grad(pair.generator(real=real, fake=fake), fake)
    return slope


def test_the_generator_learns_where_d_is_sure_unless_it_saturates() -> None:
    """Exchanged sides: each half gives -1/N; the paper's game gives e^-40."""
    torch.testing.assert_close(slope_of_g(gl.DualContrastive(), 20.0), torch.full((4,), -0.5))
    assert slope_of_g(gl.DualContrastive(saturating=True), 20.0).abs().max() < 1e-15


def test_patches_are_contrasted_place_by_place() -> None:
    """Each of 9 places of 4 samples is a batch of its own: the mean of nine losses."""
    real, fake = torch.randn(4, 3, 3).double(), torch.randn(4, 3, 3).double()
    for pair in (gl.DualContrastive(), gl.SoftmaxGAN()):
        whole = pair.discriminator(real=real, fake=fake)
        places = [
            pair.discriminator(real=real[:, i, j], fake=fake[:, i, j])
            for i in range(3)
            for j in range(3)
        ]
        torch.testing.assert_close(whole, torch.stack(places).mean())


def test_softmax_is_the_cross_entropy_of_torch() -> None:
    """Targets 1/N on real samples for D, 1/(2N) on all for G (torch.nn.functional)."""
    real, fake = torch.randn(5).double(), torch.randn(5).double()
    logits = torch.cat([real, fake])[None]
    d_target = torch.cat([torch.full((5,), 0.2), torch.zeros(5)])[None].double()
    cross_entropy = torch.nn.functional.cross_entropy
    d_loss = gl.SoftmaxGAN().discriminator(real=real, fake=fake)
    torch.testing.assert_close(d_loss, cross_entropy(logits, d_target))
    g_loss = gl.SoftmaxGAN().generator(real=real, fake=fake)
    torch.testing.assert_close(g_loss, cross_entropy(logits, torch.full_like(logits, 0.1)))


def test_boundary_seeking_moves_samples_from_both_sides_to_the_boundary() -> None:
    fake = torch.tensor([3.0, -2.0], requires_grad=True)
    gl.BoundarySeeking().generator(fake=fake, reduction="sum").backward()
    torch.testing.assert_close(fake.grad, torch.tensor([3.0, -2.0]))
