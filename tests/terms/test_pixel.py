"""L1, MSE, PSNR and cosine: torch as the oracle where it has one, closed forms elsewhere."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import ganloss as gl


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("term", "oracle"), [(gl.L1(), F.l1_loss), (gl.MSE(), F.mse_loss)])
def test_pixel_terms_are_torchs(term: gl.Term, oracle: object):
    x, y = draw(3, 2, 5, 4).requires_grad_(True), draw(3, 2, 5, 4, seed=1)
    ours, theirs = term(x, y), oracle(x, y)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(torch.autograd.grad(ours, x), torch.autograd.grad(theirs, x))


@pytest.mark.parametrize("term", [gl.L1(), gl.MSE()])
def test_identical_data_of_another_shape_are_refused(term: gl.Term):
    """(4, 1) against (4,) is 2.5 with torch's MSE although the data are the same."""
    x = torch.arange(4.0)
    with pytest.raises(ValueError, match="must have the same shape; nothing is broadcast"):
        term(x[:, None], x)


def test_half_precision_squares_neither_overflow_nor_vanish():
    """In fp16 256^2 is inf and (1e-4)^2 is 0."""
    zero = torch.zeros(1, 4, dtype=torch.float16)
    assert gl.MSE()(zero + 256, zero).item() == 65536
    small = zero + 1e-4
    assert gl.MSE()(small, zero).item() == pytest.approx(small.double()[0, 0].item() ** 2, rel=1e-6)


def test_raw_integer_images_are_refused_with_the_mend():
    image = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"convert it first, e\.g\. input\.float\(\) \(and divide"):
        gl.L1()(image, image)


@pytest.mark.parametrize(
    ("error", "data_range", "decibels"),
    [(0.1, 1.0, 20.0), (10.0, 255.0, 28.1308036), (0.1, 2.0, 26.0205999), (0.01, 1.0, 40.0)],
)
def test_decibels(error: float, data_range: float, decibels: float):
    """10 log10(L^2 / MSE)."""
    x = torch.full((2, 3, 4, 4), error, dtype=torch.float64)
    term = gl.PSNR(data_range=data_range)
    assert term.decibels(x, torch.zeros_like(x)).tolist() == pytest.approx([decibels] * 2)
    assert term(x, torch.zeros_like(x)).item() == pytest.approx(-decibels)


def test_decibels_are_averaged_per_image_not_pooled():
    """MSE .01 and .0001: 20 and 40 dB, mean 30; pooled it would be 22.967."""
    x = torch.tensor([[0.1], [0.01]], dtype=torch.float64)
    assert gl.PSNR(data_range=1.0)(x, torch.zeros_like(x)).item() == pytest.approx(-30)


def test_equal_images_have_infinite_decibels_and_a_finite_loss():
    x = draw(2, 3).requires_grad_(True)
    term = gl.PSNR(data_range=1.0)
    assert term.decibels(x, x.detach()).tolist() == [math.inf] * 2
    loss = term(x, x.detach())
    loss.backward()
    assert loss.item() == pytest.approx(-120)
    assert x.grad.abs().max() == 0


def test_the_gradient_of_psnr():
    """(20 / ln 10) (x - y) / (n MSE), at x = (.1, 0) and y = 0: 86.858896."""
    x = torch.tensor([[0.1, 0.0]], dtype=torch.float64, requires_grad=True)
    gl.PSNR(data_range=1.0)(x, torch.zeros(1, 2, dtype=torch.float64)).backward()
    assert x.grad.tolist()[0] == pytest.approx([86.858896, 0.0], abs=1e-5)


def test_minimising_psnr_brings_images_together():
    """The article's psnr_loss drove them apart: .143 to .484 in 50 steps."""
    x, y = draw(2, 3, 4, 4).requires_grad_(True), draw(2, 3, 4, 4, seed=1)
    before = F.mse_loss(x, y).item()
    optimiser = torch.optim.SGD([x], lr=0.01)
    for _ in range(50):
        optimiser.zero_grad()
        gl.PSNR(data_range=1.0)(x, y).backward()
        optimiser.step()
    assert F.mse_loss(x, y).item() < 0.7 * before


@pytest.mark.parametrize("data_range", [0.0, -1.0, math.inf, math.nan])
def test_a_data_range_that_is_none_is_refused(data_range: float):
    with pytest.raises(ValueError, match=r"positive and finite|must be finite"):
        gl.PSNR(data_range=data_range)


def test_data_range_has_no_default():
    for term in (gl.PSNR, gl.SSIM, gl.MultiScaleSSIM):
        with pytest.raises(TypeError, match="data_range"):
            term()


@pytest.mark.parametrize(
    ("x", "y", "distance"),
    [
        ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), 1 - 32 / math.sqrt(14 * 77)),
        ((1.0, 0.0), (0.0, 1.0), 1.0),
        ((1.0, 1.0), (3.0, 3.0), 0.0),
        ((1.0, 1.0), (-1.0, -1.0), 2.0),
    ],
)
def test_cosine_distances(x: tuple[float, ...], y: tuple[float, ...], distance: float):
    found = gl.Cosine()(torch.tensor([x]).double(), torch.tensor([y]).double())
    assert found.item() == pytest.approx(distance, abs=1e-12)


def test_cosine_agrees_with_torch_away_from_its_epsilon():
    x, y = draw(4, 6) - 0.5, draw(4, 6, seed=1) - 0.5
    expected = 1 - F.cosine_similarity(x, y, dim=1)
    torch.testing.assert_close(gl.Cosine()(x, y, reduction="none"), expected)


def test_the_gradient_of_cosine():
    x = torch.tensor([[3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    gl.Cosine()(x, torch.tensor([[1.0, 0.0]]).double()).backward()
    assert x.grad.tolist()[0] == pytest.approx([-0.128, 0.096])


def test_a_zero_vector_is_at_distance_one_with_gradient_zero():
    """torch's gives a gradient of -1e8 there, the article's nan."""
    x = torch.zeros(2, 3, requires_grad=True)
    loss = gl.Cosine()(x, torch.ones(2, 3))
    loss.backward()
    assert loss.item() == 1
    assert x.grad.abs().max() == 0


@pytest.mark.parametrize("scale", [1e-37, 1e-23, 1e-9, 1.0, 1e20, 1e37])
def test_cosine_does_not_depend_on_the_size_over_the_range_of_fp32(scale: float):
    x, y = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]])
    assert gl.Cosine()(scale * x, y).item() == pytest.approx(0.4, rel=1e-6)
    assert gl.Cosine()(x, scale * y).item() == pytest.approx(0.4, rel=1e-6)


def test_small_angles_keep_their_digits():
    """1 - cos = theta^2 / 2 = 4.5e-8 at 3e-4; computed as 1 - cos in fp32 it is 5.96e-8."""
    theta = 3e-4
    x = torch.tensor([[math.cos(theta), math.sin(theta)]])
    assert gl.Cosine()(x, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(4.5e-8, rel=1e-3)


def test_images_must_say_where_the_vectors_lie():
    image = draw(2, 3, 4, 4)
    with pytest.raises(ValueError, match=r"Cosine\(dim=1\) for the channels"):
        gl.Cosine()(image, image)
    assert gl.Cosine(dim=1)(image, image).item() == 0


@pytest.mark.parametrize("dim", [0, 5])
def test_a_dimension_that_cannot_be_is_refused(dim: int):
    with pytest.raises(ValueError, match=f"dim is {dim}"):
        gl.Cosine(dim=dim)(draw(2, 3), draw(2, 3))


def test_charbonnier_has_a_finite_gradient_at_equality_and_for_any_size():
    for eps in (1e-3, 1e-25):  # whose square is 0 in fp32
        x = torch.tensor([[0.0, 1e-30, 1e30, -1e30]], requires_grad=True)
        value = gl.Charbonnier(eps=eps)(x, torch.zeros(1, 4), reduction="sum")
        value.backward()
        assert torch.isfinite(value)
        torch.testing.assert_close(x.grad, torch.tensor([[0.0, 1e-30 / eps, 1.0, -1.0]]) / 4)


def test_charbonnier_tends_to_l1():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 4, 5, generator=generator, dtype=torch.float64)
    assert gl.Charbonnier(eps=1e-9)(x, y).item() == pytest.approx(gl.L1()(x, y).item(), abs=1e-8)


@pytest.mark.parametrize("eps", [0.0, -1e-3, float("inf"), float("nan")])
def test_charbonnier_refuses_an_epsilon_that_rounds_nothing(eps: float):
    with pytest.raises(ValueError, match=r"must be positive and finite|must be finite"):
        gl.Charbonnier(eps=eps)


@pytest.mark.parametrize("isotropic", [False, True])
def test_total_variation_of_a_flat_image_is_zero_with_zero_gradient(isotropic: bool):
    """piq's isotropic one is NaN here: the root of 0 has no derivative."""
    x = torch.full((2, 3, 4, 4), 0.5, requires_grad=True)
    value = gl.TotalVariation(isotropic=isotropic)(x)
    value.backward()
    assert value.item() == 0
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_total_variation_of_a_diagonal_edge():
    """A falling staircase: four pixels drop by 1 to the right and by 1 down."""
    x = torch.triu(torch.ones(5, 5), 1).flip(-1)[None, None].double()
    assert gl.TotalVariation()(x).item() == pytest.approx(4 * 2 / 25)
    assert gl.TotalVariation(isotropic=True)(x).item() == pytest.approx(4 * math.sqrt(2) / 25)


def test_total_variation_needs_images():
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        gl.TotalVariation()(torch.rand(3, 4, 4))


def test_total_variation_takes_weights():
    x = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    each = gl.TotalVariation()(x, reduction="none")
    weight = torch.tensor([1.0, 0.0, 2.0])
    found = gl.TotalVariation()(x, weight=weight)
    torch.testing.assert_close(found, (weight * each).sum() / 3)
