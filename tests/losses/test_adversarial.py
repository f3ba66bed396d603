"""Numbers of the adversarial pairs that can be worked out by hand."""

import math

import pytest
import torch
from torch import Tensor

import ganloss as gl

# p = (.5, .5) and q = (.9, .1) on two points, as 10 real and 10 fake samples, scored by the best
# discriminator log(p/q) (Goodfellow et al. 2014, proposition 1).
BEST = (math.log(5 / 9), math.log(5.0))
REAL = torch.tensor([BEST[0]] * 5 + [BEST[1]] * 5, dtype=torch.float64)
FAKE = torch.tensor([BEST[0]] * 9 + [BEST[1]], dtype=torch.float64)
# -log 4 + 2 JS(p, q), with JS = .1017492251 (theorem 1).
VALUE = -1.1827959110


def test_the_value_of_the_game_is_minus_log_4_for_a_discriminator_that_cannot_tell():
    zeros = torch.zeros(3)
    assert gl.Minimax().value(real=zeros, fake=zeros).item() == pytest.approx(-math.log(4))


def test_the_value_at_the_best_discriminator_is_that_of_the_divergence():
    value = gl.Minimax().value(real=REAL, fake=FAKE).item()
    assert value == pytest.approx(VALUE, abs=1e-9)
    assert gl.Minimax().discriminator(real=REAL, fake=FAKE).item() == pytest.approx(-VALUE)
    assert gl.NonSaturating().discriminator(real=REAL, fake=FAKE).item() == pytest.approx(-VALUE)


def test_the_value_stays_exact_where_probabilities_would_be_0_and_1():
    value = gl.Minimax().value(real=torch.tensor([-200.0]), fake=torch.tensor([200.0]))
    assert value.item() == -400


def test_non_saturating_at_zero_and_at_infinity():
    pair, zeros = gl.NonSaturating(), torch.zeros(2, dtype=torch.float64)
    assert pair.discriminator(real=zeros, fake=zeros).item() == pytest.approx(1.3862943611)
    assert pair.generator(fake=zeros).item() == pytest.approx(0.6931471806)
    assert pair.generator(fake=torch.tensor([math.inf])).item() == 0


def test_the_generators_gradient_does_not_vanish_where_a_clamped_log_gives_zero():
    """BCELoss clamps its logarithm at -100: its gradient at -104 is 0."""
    score = torch.tensor([-104.0], requires_grad=True)
    gl.NonSaturating().generator(fake=score).backward()
    assert score.grad.item() == -1
    probability = torch.tensor([-104.0], requires_grad=True)
    torch.nn.functional.binary_cross_entropy(probability.sigmoid(), torch.ones(1)).backward()
    assert probability.grad.item() == 0


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_a_smooth_real_label_mixes_both_terms_of_the_real_side():
    pair = gl.NonSaturating(real_label=0.9)
    real, fake = torch.tensor([2.0]), torch.tensor([-math.inf])  # the fake side is 0
    expected = 0.9 * softplus(-2) + 0.1 * softplus(2)
    assert expected == pytest.approx(0.32693, abs=1e-5)
    assert pair.discriminator(real=real, fake=fake).item() == pytest.approx(expected)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_coefficient_of_zero_leaves_its_term_out(label: float):
    """0 * softplus(inf) would be nan."""
    sign = 1.0 if label else -1.0
    real = torch.tensor([sign * math.inf])
    loss = gl.NonSaturating(real_label=label).discriminator(
        real=real, fake=torch.tensor([-math.inf])
    )
    assert loss.item() == 0


@pytest.mark.parametrize("label", [-0.1, 1.1, math.nan])
def test_a_label_beyond_0_and_1_raises(label: float):
    with pytest.raises(ValueError, match=r"between 0 and 1|must be finite"):
        gl.NonSaturating(real_label=label)


def test_wasserstein():
    pair = gl.Wasserstein()
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([1.0, 2.0])
    assert pair.discriminator(real=real, fake=fake).item() == -2.5
    assert pair.generator(fake=fake).item() == -1.5
    assert pair.distance(real=real, fake=fake).item() == 2.5


def test_wasserstein_does_not_see_a_shift_of_all_scores():
    pair, real, fake = gl.Wasserstein(), torch.tensor([3.0, 5.0]), torch.tensor([1.0, 2.0])
    shifted = pair.discriminator(real=real + 7, fake=fake + 7)
    assert shifted.item() == pair.discriminator(real=real, fake=fake).item()


@pytest.mark.parametrize(
    ("coding", "discriminator", "generator"),
    [((0.0, 1.0, 1.0), 0.065, 0.245), ((-1.0, 1.0, 0.0), 0.865, 0.045)],
)
def test_both_published_codings_of_least_squares(
    coding: tuple[float, float, float], discriminator: float, generator: float
):
    """((.8-b)^2 + (.3-a)^2) / 2 and (.3-c)^2 / 2."""
    pair = gl.LeastSquares(*coding)
    real, fake = torch.tensor([0.8]), torch.tensor([0.3])
    assert pair.discriminator(real=real, fake=fake).item() == pytest.approx(discriminator)
    assert pair.generator(fake=fake).item() == pytest.approx(generator)


def test_twice_the_best_generator_value_of_least_squares_is_pearsons_chi_square():
    """With (-1, 1, 0) and D* = (p-q)/(p+q): 2 C(G) = chi^2(p+q || 2q) = .3809523810 (eq. 5)."""
    p, q = torch.tensor([0.5, 0.5]).double(), torch.tensor([0.9, 0.1]).double()
    scores = (p - q) / (p + q)
    each = gl.LeastSquares(-1.0, 1.0, 0.0).generator(fake=scores, reduction="none")
    chi = ((q - p) ** 2 / (p + q)).sum().item()
    assert chi == pytest.approx(0.3809523810)
    assert 2 * ((p + q) * each).sum().item() == pytest.approx(chi)


def test_hinge_has_no_gradient_beyond_the_margin_and_a_full_one_within():
    pair = gl.Hinge()
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])
    real.requires_grad_(True)
    fake.requires_grad_(True)
    pair.discriminator(real=real, fake=fake, reduction="sum").backward()
    assert real.grad.tolist() == [0, -1]
    assert fake.grad.tolist() == [0, 1]


@pytest.mark.parametrize("margin", [0.0, -1.0, math.nan])
def test_a_margin_that_is_not_positive_raises(margin: float):
    with pytest.raises(ValueError, match=r"must be positive|must be finite"):
        gl.Hinge(margin=margin)


def test_a_pair_of_ones_own_needs_three_hooks():
    class Exponential(gl.ElementwisePair):
        def real_side(self, scores: Tensor) -> Tensor:
            return torch.exp(-scores)

        def fake_side(self, scores: Tensor) -> Tensor:
            return torch.exp(scores)

        def generator_side(self, scores: Tensor) -> Tensor:
            return torch.exp(-scores)

    zeros = [torch.zeros(4, 1), torch.zeros(4, 1, 2, 2)]
    assert Exponential().discriminator(real=zeros, fake=zeros).item() == 4
    assert Exponential().generator(fake=zeros, reduction="none").tolist() == [2] * 4


def test_relativistic_compares_each_real_score_with_its_fake_one():
    pair = gl.Relativistic(gl.NonSaturating())
    real, fake = torch.tensor([2.0, 0.0]).double(), torch.tensor([-1.0, 1.0]).double()
    expected = (softplus(-3) + softplus(1)) / 2
    assert pair.discriminator(real=real, fake=fake).item() == pytest.approx(expected)
    expected = (softplus(3) + softplus(-1)) / 2
    assert pair.generator(real=real, fake=fake).item() == pytest.approx(expected)


def test_the_relativistic_generator_learns_through_the_fake_scores():
    """mimicry and PyTorch-GAN differ in the order of arguments; here only the names matter."""
    pair = gl.Relativistic(gl.Wasserstein())
    real, fake = torch.zeros(2), torch.zeros(2, requires_grad=True)
    pair.generator(real=real, fake=fake).backward()
    assert (fake.grad < 0).all()
