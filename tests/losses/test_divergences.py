"""KL of classes and of Gaussians: closed forms, torch as oracle, and what breaks others."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import ganloss as gl

P, Q = (torch.tensor([[p, 1 - p]], dtype=torch.float64) for p in (0.5, 0.9))


def test_both_directions():
    assert gl.KLDivergence()(Q.log(), P).item() == pytest.approx(0.5108256238, abs=1e-10)
    assert gl.KLDivergence()(P.log(), Q).item() == pytest.approx(0.3680642072, abs=1e-10)


def test_it_is_torchs_batchmean():
    generator = torch.Generator().manual_seed(0)
    logits, target = (torch.randn(5, 4, generator=generator).double() for _ in range(2))
    target = target.softmax(1)
    expected = F.kl_div(logits.log_softmax(1), target, reduction="batchmean")
    torch.testing.assert_close(gl.KLDivergence()(logits, target), expected)


def test_pixels_are_averaged_and_classes_added():
    """torch's batchmean on (2, 3, 8, 8) adds the 64 pixels as well."""
    logits = torch.zeros(2, 2, 8, 8).double()
    target = Q.view(1, 2, 1, 1).expand(2, 2, 8, 8)
    assert gl.KLDivergence()(logits, target).item() == pytest.approx(0.3680642072, abs=1e-10)


@pytest.mark.parametrize("logits", [(0.0, 200.0), (-1e4, 1e4)])
def test_a_target_of_zero_costs_nothing_and_gets_no_gradient(logits: tuple[float, float]):
    scores = torch.tensor([logits], requires_grad=True)
    target = torch.tensor([[0.0, 1.0]], requires_grad=True)
    loss = gl.KLDivergence()(scores, target)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(scores.grad).all()
    assert target.grad[0, 0] == 0


def test_a_point_mass_against_a_fair_coin_is_log_2():
    loss = gl.KLDivergence()(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx(math.log(2))


def test_large_logits_keep_their_value():
    """softmax(0, 200).log() is -inf; log_softmax gives 99.306853."""
    loss = gl.KLDivergence()(torch.tensor([[0.0, 200.0]]), torch.tensor([[0.5, 0.5]]))
    assert loss.item() == pytest.approx(99.306853, rel=1e-6)


def test_minimising_it_reaches_the_target():
    """The article's code, fed probabilities, converges to (1, 0, 0) instead."""
    target = torch.tensor([[0.6, 0.3, 0.1]])
    logits = torch.zeros(1, 3, requires_grad=True)
    optimiser = torch.optim.SGD([logits], lr=1.0)
    for _ in range(300):
        optimiser.zero_grad()
        gl.KLDivergence()(logits, target).backward()
        optimiser.step()
    torch.testing.assert_close(logits.softmax(1), target, rtol=1e-3, atol=1e-3)


def test_a_single_distribution_without_a_batch_is_refused():
    with pytest.raises(ValueError, match=r"unsqueeze\(0\)"):
        gl.KLDivergence()(torch.zeros(3), torch.ones(3) / 3)


def test_targets_are_not_broadcast():
    with pytest.raises(ValueError, match="same shape"):
        gl.KLDivergence()(torch.zeros(4, 3), torch.ones(1, 3) / 3)


def gaussians(*values: float) -> list[Tensor]:
    return [torch.tensor([[value]], dtype=torch.float64) for value in values]


def test_gaussians():
    """N(0,1) from N(1,4): .4431471806; the other way: 1.3068528194."""
    zero, one, log4 = gaussians(0.0, 1.0, math.log(4))
    kl = gl.GaussianKL()
    assert kl(zero, zero, one, log4).item() == pytest.approx(0.4431471806, abs=1e-10)
    assert kl(one, log4).item() == pytest.approx(1.3068528194, abs=1e-10)
    assert kl(zero, zero, prior_mean=1.0, prior_log_variance=math.log(4)).item() == pytest.approx(
        0.4431471806, abs=1e-10
    )


def test_gaussians_agree_with_torch_distributions():
    generator = torch.Generator().manual_seed(0)
    m, u, n, v = (torch.randn(3, 4, generator=generator).double() for _ in range(4))
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(m, (u / 2).exp()), normal(n, (v / 2).exp()))
    torch.testing.assert_close(gl.GaussianKL()(m, u, n, v, reduction="none"), expected.sum(1))


def test_all_dimensions_but_the_batch_are_added():
    mean, log_variance = torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    assert gl.GaussianKL()(mean, log_variance).item() == pytest.approx(24)


def test_a_prior_of_another_shape_is_refused():
    mean = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"mean \(2, 3\) and prior_mean \(3,\)"):
        gl.GaussianKL()(mean, mean, prior_mean=torch.zeros(3))


def test_near_the_prior_the_digits_are_kept():
    """u^2 / 4 for a small log-variance u; e^u - 1 - u cancels in fp32."""
    u = torch.full((1, 1), 1e-3)
    assert gl.GaussianKL()(torch.zeros(1, 1), u).item() == pytest.approx(2.5e-7, rel=1e-3)


def test_f_divergence_names_the_nearest_kind():
    with pytest.raises(ValueError, match="did you mean 'pearson'"):
        gl.FDivergence("peerson")
    with pytest.raises(TypeError, match="kind"):
        gl.FDivergence()


@pytest.mark.parametrize(("kind", "value"), [("kl", 0.5108256238), ("reverse-kl", 0.3680642072)])
def test_the_best_scores_of_f_gan_are_found_by_gradient_ascent(kind: str, value: float):
    """On p = (.5, .5) and q = (.9, .1) with one free score per point."""
    scores = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([scores], max_iter=200, tolerance_grad=1e-10)
    point = torch.tensor([0] * 9 + [1])
    real, fake = torch.tensor([0, 1]), point

    def loss() -> Tensor:
        optimiser.zero_grad()
        found = gl.FDivergence(kind).discriminator(real=scores[real], fake=scores[fake])
        found.backward()
        return found

    optimiser.step(loss)
    bound = -gl.FDivergence(kind).discriminator(real=scores[real], fake=scores[fake]).item()
    assert bound == pytest.approx(value, abs=1e-8)


@pytest.mark.parametrize(("shape", "dim"), [((4, 3), 1), ((4, 3), -1), ((2, 3, 5, 5), 1)])
def test_class_indices_are_no_probabilities(shape: tuple[int, ...], dim: int):
    """The mend that is named gives torch's cross-entropy: the entropy of one class is 0."""
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    classes = logits.argmax(dim)
    with pytest.raises(TypeError, match=rf"one_hot\(target.*movedim\(-1, {dim}\)"):
        gl.KLDivergence(dim)(logits, classes)
    target = torch.nn.functional.one_hot(classes, logits.shape[dim]).movedim(-1, dim).to(logits)
    wanted = torch.nn.functional.cross_entropy(logits, classes)
    torch.testing.assert_close(gl.KLDivergence(dim)(logits, target), wanted)
