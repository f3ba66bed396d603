"""Penalties of generators as others got them wrong: each check fails on theirs, not on ours."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

import ganloss as gl


def normalised_over_the_batch(codes: Tensor) -> Tensor:
    """torchgan's pulling-away: unit columns in place of unit codes, and the diagonal is kept."""
    unit = normalize(codes, dim=0)
    return (unit @ unit.T).square().mean()


def without_the_square(codes: Tensor) -> Tensor:
    """PyTorch-GAN's pulling-away: opposite codes are rewarded."""
    unit, count = normalize(codes, dim=1), len(codes)
    return ((unit @ unit.T).sum() - count) / (count * (count - 1))


CODES = {
    "orthogonal": (torch.eye(4) * torch.tensor([1.0, 2.0, 3.0, 4.0]), 0.0),
    "identical": (torch.tensor([[1.0, 2.0]]).expand(4, 2), 1.0),
    "opposite": (torch.tensor([[1.0, 2.0], [-1.0, -2.0]]), 1.0),
}


def gives_the_closed_forms(pulling_away: Callable[[Tensor], Tensor]) -> bool:
    return all(abs(float(pulling_away(codes)) - wanted) < 1e-6 for codes, wanted in CODES.values())


@pytest.mark.parametrize("bug", [normalised_over_the_batch, without_the_square])
def test_closed_forms_of_codes_catch(bug: Callable[[Tensor], Tensor]) -> None:
    assert not gives_the_closed_forms(bug)


def test_ours_gives_the_closed_forms() -> None:
    assert gives_the_closed_forms(gl.PullingAway())


def root_of_a_sum(generator: Callable[[Tensor], Tensor], *, latents: Tensor) -> Tensor:
    """StudioGAN, mmgeneration, BasicSR: the length of a path is a root, without a slope at 0."""
    z = latents.detach().requires_grad_(True)
    images = generator(z)
    noise = torch.randn_like(images)
    (gradient,) = torch.autograd.grad((images * noise).sum(), z, create_graph=True)
    return (gradient.square().sum(1).sqrt() - 1).square().mean()


def gradient_of_a_dead_generator(penalty: Callable[..., Tensor]) -> Tensor:
    """Of one that ignores its latents so far: a weight of 0."""
    weight = torch.zeros(3, 8, requires_grad=True)
    penalty(lambda z: (z @ weight).view(-1, 2, 2, 2), latents=torch.ones(4, 3)).backward()
    assert weight.grad is not None
    return weight.grad


def test_a_dead_generator_gets_no_nan() -> None:
    assert gradient_of_a_dead_generator(root_of_a_sum).isnan().any()
    assert gradient_of_a_dead_generator(gl.PathLength(average=1.0)).isfinite().all()
