"""Gradient penalties as others got them wrong: the closed form of a linear critic tells.

For D(x) = w.x the penalty is (|w| - 1)^2 whatever the batch, the shape and epsilon. Each bug is
written again from its description; the conformance suite runs the same check over ours.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import ganloss as gl

Function = Callable[..., Tensor]


def linear_critic(shape: tuple[int, ...], norm: float) -> Function:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    weight = weight * (norm / weight.norm())
    return lambda x: (x * weight).flatten(1).sum(1)


def gives_the_closed_form(
    penalty: Function, shape: tuple[int, ...], count: int, norm: float
) -> bool:
    generator = torch.Generator().manual_seed(1)
    real, fake = (torch.randn(count, *shape, generator=generator) for _ in range(2))
    found = penalty(linear_critic(shape, norm), real=real, fake=fake).item()
    return abs(found - (norm - 1) ** 2) < 1e-4


def passes(penalty: Function) -> bool:
    cases = [((3, 4, 4), 4, 1.0), ((3, 4, 4), 8, 5.0), ((6,), 4, 1.0), ((6,), 4, 3.0)]
    return all(gives_the_closed_form(penalty, *case) for case in cases)


def gradient_at(critic: Function, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]


def mix(real: Tensor, fake: Tensor, epsilon: Tensor) -> Tensor:
    return epsilon * real + (1 - epsilon) * fake


def per_sample_epsilon(x: Tensor) -> Tensor:
    return torch.rand(len(x), *[1] * (x.dim() - 1))


def norm_over_channels(critic: Function, real: Tensor, fake: Tensor) -> Tensor:
    """BasicSR: ``norm(2, dim=1)`` on NCHW is a norm per pixel."""
    gradient = gradient_at(critic, mix(real, fake, per_sample_epsilon(real)))
    return (gradient.norm(2, dim=1) - 1).square().mean()


def norm_over_the_whole_batch(critic: Function, real: Tensor, fake: Tensor) -> Tensor:
    """torchgan: ``gradients.norm(2)`` grows with the root of the batch size."""
    gradient = gradient_at(critic, mix(real, fake, per_sample_epsilon(real)))
    return (gradient.norm(2) - 1) ** 2


def epsilon_for_images(critic: Function, real: Tensor, fake: Tensor) -> Tensor:
    """The article: epsilon (N, 1, 1, 1) on vectors (N, D) mixes every sample with every other."""
    mixed = mix(real, fake, torch.rand(len(real), 1, 1, 1))
    gradient = gradient_at(critic, mixed)
    return (gradient.reshape(len(gradient), -1).norm(2, dim=1) - 1).square().mean()


def mean_of_scores(critic: Function, real: Tensor, fake: Tensor) -> Tensor:
    """Differentiating the mean over the batch divides each gradient by its size."""
    x = mix(real, fake, per_sample_epsilon(real)).requires_grad_(True)
    gradient = torch.autograd.grad(critic(x).mean(), x, create_graph=True)[0]
    return (gradient.flatten(1).norm(2, dim=1) - 1).square().mean()


def squared_norm(critic: Function, real: Tensor, fake: Tensor) -> Tensor:
    """(|g|^2 - 1)^2 has its minimum at the right place and is another penalty."""
    gradient = gradient_at(critic, mix(real, fake, per_sample_epsilon(real)))
    return (gradient.flatten(1).square().sum(1) - 1).square().mean()


BUGS = [
    norm_over_channels,
    norm_over_the_whole_batch,
    epsilon_for_images,
    mean_of_scores,
    squared_norm,
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_the_closed_form_of_a_linear_critic_catches(bug: Function):
    assert not passes(bug)


def test_ours_passes_the_same_check():
    assert passes(gl.GradientPenalty())


def test_the_whole_batch_norm_of_a_1_lipschitz_critic_is_the_root_of_the_batch():
    """(sqrt 64 - 1)^2 = 49 where 0 is right."""
    x = torch.randn(64, 6)
    found = norm_over_the_whole_batch(linear_critic((6,), 1.0), real=x, fake=x)
    assert found.item() == pytest.approx(49, rel=1e-4)


@pytest.mark.parametrize(("count", "expected"), [(1, 1.0), (4, 9.0), (16, 49.0)])
def test_the_articles_epsilon_on_vectors_gives_two_roots_of_n(count: int, expected: float):
    """With |w| = 2, (2 sqrt N - 1)^2 where 1 is right."""
    x = torch.randn(count, 6)
    weight = torch.full((6,), 2 / 6**0.5)
    found = epsilon_for_images(lambda x: x @ weight, real=x, fake=x)
    assert found.item() == pytest.approx(expected, rel=1e-4)


def shared_epsilon(critic: Function, real: Tensor, fake: Tensor) -> Tensor:
    """torchgan: one epsilon for the whole batch; right in the mean, far too noisy."""
    gradient = gradient_at(critic, mix(real, fake, torch.rand(1)))
    return (gradient.flatten(1).norm(2, dim=1) - 1).square().mean()


def epsilon_per_coordinate(critic: Function, real: Tensor, fake: Tensor) -> Tensor:
    """``rand_like``: points of a box instead of a line."""
    gradient = gradient_at(critic, mix(real, fake, torch.rand_like(real)))
    return (gradient.flatten(1).norm(2, dim=1) - 1).square().mean()


def distinct_epsilons(penalty: Function) -> int:
    """How many epsilons a batch of 64 sees: D = x^2 / 2 has the interpolate as its gradient."""
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.square().flatten(1).sum(1) / 2

    penalty(critic, real=torch.ones(64, 1), fake=torch.zeros(64, 1))
    return len(seen[-1].unique())


def test_a_shared_epsilon_is_seen_by_counting():
    assert distinct_epsilons(shared_epsilon) == 1
    assert distinct_epsilons(gl.GradientPenalty()) > 60


def stays_on_the_line(penalty: Function) -> bool:
    """D = (x0 + x1)^2 / 2 between (3, 1) and (1, 3): x0 + x1 = 4 on the line, 21.6862915."""
    real, fake = torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 3.0]])
    found = [penalty(lambda x: x.sum(1) ** 2 / 2, real=real, fake=fake).item() for _ in range(5)]
    return all(abs(value - 21.6862915) < 1e-4 for value in found)


def test_an_epsilon_per_coordinate_leaves_the_line():
    assert not stays_on_the_line(epsilon_per_coordinate)
    assert stays_on_the_line(gl.GradientPenalty())


def graph_on_the_callers_batch(critic: Function, real: Tensor, fake: Tensor) -> Tensor:
    """CUT: ``real_data.requires_grad_(True)`` on the caller's own tensor."""
    real.requires_grad_(True)
    gradient = torch.autograd.grad(critic(real).sum(), real, create_graph=True)[0]
    return (gradient.flatten(1).norm(2, dim=1) - 1).square().mean()


def leaves_the_batch_alone(penalty: Function) -> bool:
    real = torch.randn(4, 6)
    penalty(linear_critic((6,), 2.0), real=real, fake=torch.randn(4, 6))
    return not real.requires_grad


def test_a_changed_batch_is_seen():
    assert not leaves_the_batch_alone(graph_on_the_callers_batch)
    assert leaves_the_batch_alone(gl.GradientPenalty(points="real"))


def root_of_a_sum(critic: Function, real: Tensor, fake: Tensor) -> Tensor:
    """sqrt(sum g^2) has no derivative at a dead critic: nan, not 0."""
    gradient = gradient_at(critic, mix(real, fake, per_sample_epsilon(real)))
    return (gradient.flatten(1).square().sum(1).sqrt() - 1).square().mean()


def dead_critic_gradient(penalty: Function) -> Tensor:
    weight = torch.zeros(6, requires_grad=True)
    penalty(lambda x: x @ weight, real=torch.randn(4, 6), fake=torch.randn(4, 6)).backward()
    return weight.grad


def test_the_gradient_of_a_dead_critic_is_finite():
    assert torch.isnan(dead_critic_gradient(root_of_a_sum)).any()
    assert torch.isfinite(dead_critic_gradient(gl.GradientPenalty())).all()


def patches_summed(critic: Function, real: Tensor, fake: Tensor) -> Tensor:
    """The article on a patch critic: the gradient of the sum of patches."""
    gradient = gradient_at(critic, real)
    return (gradient.flatten(1).norm(2, dim=1) - 1).square().mean()


def patch_penalty(penalty: Function) -> float:
    """Nine equal patches of a critic of norm 2: the mean gives (2 - 1)^2, the sum (18 - 1)^2."""
    linear = linear_critic((6,), 2.0)
    real = torch.randn(4, 6)
    return penalty(lambda x: linear(x)[:, None].expand(-1, 9), real=real, fake=real).item()


def test_patches_are_averaged_not_added():
    assert patch_penalty(patches_summed) == pytest.approx(289, rel=1e-4)
    assert patch_penalty(gl.GradientPenalty()) == pytest.approx(1, rel=1e-4)


def without_create_graph(critic: Function, real: Tensor, fake: Tensor) -> Tensor:
    """A penalty cut from the parameters: a number nobody learns from."""
    x = mix(real, fake, per_sample_epsilon(real)).requires_grad_(True)
    gradient = torch.autograd.grad(critic(x).sum(), x)[0]
    return (gradient.flatten(1).norm(2, dim=1) - 1).square().mean()


def test_a_penalty_that_teaches_nothing_is_seen():
    weight = torch.ones(6, requires_grad=True)
    data = {"real": torch.randn(4, 6), "fake": torch.randn(4, 6)}
    assert not without_create_graph(lambda x: x @ weight, **data).requires_grad
    assert gl.GradientPenalty()(lambda x: x @ weight, **data).requires_grad
