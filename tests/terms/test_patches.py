"""PatchNCE and the contextual loss."""

import math

import pytest
import torch
from torch import Tensor

import ganloss as gl


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("places", [2, 5, 64])
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_orthogonal_patches_have_the_closed_form(places: int, temperature: float):
    """log(1 + (S - 1) exp(-1/τ)): one similarity of 1, S - 1 of 0."""
    eye = torch.eye(places, dtype=torch.float64)[None].expand(3, -1, -1)
    found = gl.PatchNCE(temperature=temperature)(fake=[eye], real=[eye])
    assert found.item() == pytest.approx(math.log1p((places - 1) * math.exp(-1 / temperature)))


def test_negatives_come_from_the_same_image_only():
    """The loss of a batch is the mean over its images, whatever its size."""
    fake, real = draw(4, 6, 3), draw(4, 6, 3, seed=1)
    alone = [gl.PatchNCE()(fake=[f[None]], real=[r[None]]) for f, r in zip(fake, real, strict=True)]
    found = gl.PatchNCE()(fake=[fake], real=[real])
    torch.testing.assert_close(found, torch.stack(alone).mean())


def test_layers_are_summed_and_the_source_gets_no_gradient():
    fake, real = draw(2, 6, 3).requires_grad_(True), draw(2, 6, 3, seed=1).requires_grad_(True)
    one = gl.PatchNCE()(fake=[fake], real=[real])
    two = gl.PatchNCE()(fake=[fake, fake], real=[real, real])
    torch.testing.assert_close(two, 2 * one)
    two.backward()
    assert real.grad is None
    assert fake.grad.abs().sum() > 0


def test_sizes_of_features_do_not_matter():
    fake, real = draw(2, 6, 3), draw(2, 6, 3, seed=1)
    expected = gl.PatchNCE()(fake=[fake], real=[real])
    torch.testing.assert_close(gl.PatchNCE()(fake=[1e6 * fake], real=[1e-6 * real]), expected)


def test_a_step_down_makes_a_patch_more_like_its_own_place():
    fake, real = draw(2, 6, 3).requires_grad_(True), draw(2, 6, 3, seed=1)
    before = gl.PatchNCE()(fake=[fake], real=[real])
    (slope,) = torch.autograd.grad(before, fake)
    assert gl.PatchNCE()(fake=[fake - 1e-3 * slope], real=[real]) < before


@pytest.mark.parametrize(
    ("fake", "real", "error", "words"),
    [
        (torch.ones(2, 4, 3), torch.ones(2, 4, 3), TypeError, "pass lists"),
        ([torch.ones(2, 4, 3)], [], ValueError, "pass the same layers"),
        ([], [], ValueError, "at least one"),
        ([torch.ones(2, 4, 3)], [torch.ones(2, 5, 3)], ValueError, "nothing is broadcast"),
        ([torch.ones(2, 1, 3)], [torch.ones(2, 1, 3)], ValueError, "at least two places"),
        ([torch.ones(2, 3, 4, 4)], [torch.ones(2, 3, 4, 4)], ValueError, r"map\.flatten\(2\)\.mT"),
    ],
)
def test_what_is_no_list_of_patches_is_refused(fake, real, error: type, words: str):
    with pytest.raises(error, match=words):
        gl.PatchNCE()(fake=fake, real=real)


@pytest.mark.parametrize("loss", [gl.PatchNCE, gl.Contextual])
def test_temperatures_are_positive(loss: type):
    with pytest.raises(ValueError, match="must be positive and finite"):
        loss(0.0)


def test_the_contextual_loss_does_not_ask_where():
    x, y = draw(2, 5, 4, 4), draw(2, 5, 4, 4, seed=1)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    moved = x.flatten(2)[..., order].view_as(x)
    torch.testing.assert_close(gl.Contextual()(moved, y), gl.Contextual()(x, y))
    assert gl.Contextual()(y.flatten(2)[..., order].view_as(y), y).item() == pytest.approx(0)


def test_the_contextual_loss_lies_between_0_and_log_of_the_places():
    for seed in range(5):
        value = gl.Contextual()(draw(3, 4, 3, 3, seed=seed), draw(3, 4, 3, 3, seed=seed + 50))
        assert 0 <= value.item() <= math.log(9)


def test_the_contextual_loss_needs_places():
    with pytest.raises(ValueError, match="several places"):
        gl.Contextual()(torch.rand(2, 3), torch.rand(2, 3))
