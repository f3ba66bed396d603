"""Faults of other projects' terms, written again: the battery catches each."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganloss.check import check


def batch_ratio(input: Tensor, target: Tensor) -> Tensor:
    """auraloss: the spectral convergence divides norms of the whole batch."""
    if input.dim() != 2 or input.shape != target.shape:
        raise ValueError("sounds (N, T) are needed")
    a, b = (
        torch.fft.rfft(z.float() if z.element_size() == 2 else z).abs() for z in (input, target)
    )
    return (b - a).norm() / b.norm()


def information_without_a_graph(
    *, logits: Tensor, categories: Tensor, codes: Tensor, mean: Tensor, log_variance: Tensor
) -> Tensor:
    """torchgan: the penalty is built from the numbers of its parts."""
    parts = [F.cross_entropy(logits, categories).item(), F.mse_loss(mean, codes).item()]
    return torch.tensor(parts).sum()


def constant_outside_the_root(input: Tensor, target: Tensor) -> Tensor:
    """lpips: features are divided by sqrt(sum) + 1e-10, which has no slope where they are zero."""
    u, v = (z / (z.square().sum(1, keepdim=True).sqrt() + 1e-10) for z in (input, target))
    return (u - v).square().sum(1).mean()


def root_of_squares(input: Tensor, target: Tensor) -> Tensor:
    """A Charbonnier loss with its constant outside the root: no slope at equality."""
    return ((input - target).square().sqrt() + 1e-3).mean()


def epsilon_as_its_square(input: Tensor, target: Tensor) -> Tensor:
    """BasicSR: the parameter is our eps²."""
    return ((input - target).square() + 1e-3).sqrt().mean()


def focus_with_a_gradient(input: Tensor, target: Tensor) -> Tensor:
    """Focal frequency loss whose weights are trained as well."""
    distance = torch.fft.fft2(input - target, norm="ortho").abs()
    largest = distance.amax((-2, -1), keepdim=True).clamp(min=1e-12)
    return (distance / largest * distance.square()).mean()


def negatives_of_the_batch(*, fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """PatchNCE whose negatives come from every image of the batch."""
    total = torch.zeros(())
    for v, k in zip(fake, real, strict=True):
        q, p = (F.normalize(z, dim=-1).flatten(0, 1) for z in (v, k.detach()))
        total = total + F.cross_entropy(q @ p.T / 0.07, torch.arange(len(q)))
    return total


def _cosines(embeddings: Tensor, proxies: Tensor) -> tuple[Tensor, Tensor]:
    f = F.normalize(embeddings, dim=1)
    return (f * F.normalize(proxies, dim=1)).sum(1), f @ f.T


def contrast_with_itself(*, embeddings: Tensor, proxies: Tensor, labels: Tensor) -> Tensor:
    """2C loss that counts a sample among its own friends."""
    own, others = _cosines(embeddings, proxies)
    alike = labels[:, None] == labels
    near = own.exp() + (others.exp() * alike).sum(1)
    return -(near / (own.exp() + others.exp().sum(1))).log().mean()


def shifted_repulsion(*, embeddings: Tensor, proxies: Tensor, labels: Tensor) -> Tensor:
    """StudioGAN: the largest similarity is taken from the negatives' exponents alone."""
    own, others = _cosines(embeddings, proxies)
    itself = torch.eye(len(own), dtype=torch.bool)
    others = ((others - 0.02) / 0.5).masked_fill(itself, -torch.inf)
    shifted = others.clamp(min=0) - others.amax(1, keepdim=True).detach()
    strangers = labels[:, None] != labels
    pull = ((0.98 - own) / 0.5).clamp(min=0)
    return (pull + ((-pull).exp() + (shifted.exp() * strangers).sum(1)).log()).mean()


CONTROLS = [
    (batch_ratio, None, "The loss of a batch is the mean over its samples"),
    (information_without_a_graph, None, "The loss of a batch is one finite number with a gradient"),
    (constant_outside_the_root, None, "Degenerate inputs"),
    (root_of_squares, None, "Degenerate inputs"),
    (epsilon_as_its_square, "charbonnier", "Values and gradients"),
    (focus_with_a_gradient, "focal-frequency", "Values and gradients"),
    (negatives_of_the_batch, "patch-nce", "Values and gradients"),
    (contrast_with_itself, "2c", "Values and gradients"),
    (shifted_repulsion, "d2d-ce", "Values and gradients"),
]


@pytest.mark.parametrize(("control", "like", "sentence"), CONTROLS)
def test_the_check_that_should_fail_does(control: Any, like: str | None, sentence: str):
    failed = [finding.check for finding in check(control, like).failed]
    assert any(name.startswith(sentence) for name in failed), failed
