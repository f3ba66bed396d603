"""SSIM and MS-SSIM: against scikit-image, piq, pytorch-msssim and a slow textbook form."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import piq
import pytest
import pytorch_msssim
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

import ganloss as gl


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def pair(*shape: int, noise: float = 0.2) -> tuple[Tensor, Tensor]:
    x = draw(*shape)
    return x, (x + noise * (draw(*shape, seed=1) - 0.5)).clamp(0, 1)


def textbook(x: Tensor, y: Tensor, data_range: float = 1.0, window: int = 11) -> Tensor:
    """Wang et al. 2004, eqs. 13-17, in float64 as printed: five filtered maps, no centring."""
    offsets = torch.arange(window, dtype=torch.float64) - window // 2
    line = torch.exp(-0.5 * (offsets / 1.5) ** 2)
    square = torch.outer(line, line)
    kernel = (square / square.sum()).expand(x.shape[1], 1, -1, -1)

    def mean(z: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(z, kernel, groups=z.shape[1])

    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    index = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return index.flatten(1).mean(1)


def scikit_image(x: Tensor, y: Tensor, data_range: float) -> list[float]:
    """Mean over channels, valid region only (skimage crops the border itself)."""
    return [
        float(
            structural_similarity(
                a,
                b,
                data_range=data_range,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                channel_axis=0,
            )
        )
        for a, b in zip(x.numpy(), y.numpy(), strict=True)
    ]


@pytest.mark.parametrize("shape", [(2, 3, 24, 31), (1, 1, 11, 11), (3, 1, 40, 16)])
@pytest.mark.parametrize("data_range", [1.0, 2.0, 255.0])
def test_ssim_is_scikit_images(shape: tuple[int, ...], data_range: float):
    x, y = pair(*shape)
    x, y = x * data_range, y * data_range
    expected = scikit_image(x, y, data_range)
    term = gl.SSIM(data_range=data_range)
    assert term.index(x, y).tolist() == pytest.approx(expected, abs=1e-9)
    assert term.index(x.float(), y.float()).tolist() == pytest.approx(expected, abs=1e-5)
    assert term(x, y).item() == pytest.approx(1 - np.mean(expected), abs=1e-9)


@pytest.mark.parametrize("window", [3, 7, 11])
def test_value_and_gradients_are_the_textbooks(window: int):
    x, y = (z.requires_grad_(True) for z in pair(2, 3, 17, 14))
    term = gl.SSIM(data_range=1.0, window=window)
    ours, theirs = term(x, y), 1 - textbook(x, y, window=window).mean()
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours, (x, y)), torch.autograd.grad(theirs, (x, y))
    )


@pytest.mark.parametrize("wanted", ["input", "target"])
def test_one_gradient_alone_is_right(wanted: str):
    x, y = pair(2, 1, 14, 14)
    leaf = (x if wanted == "input" else y).requires_grad_(True)
    (ours,) = torch.autograd.grad(gl.SSIM(data_range=1.0)(x, y), leaf)
    (theirs,) = torch.autograd.grad(1 - textbook(x, y).mean(), leaf)
    torch.testing.assert_close(ours, theirs)


def test_weighted_samples_have_weighted_gradients():
    x, y = pair(3, 1, 12, 12)
    x.requires_grad_(True)
    weight = torch.tensor([1.0, 0.0, 3.0]).double()
    (ours,) = torch.autograd.grad(gl.SSIM(data_range=1.0)(x, y, weight=weight), x)
    expected = (weight * (1 - textbook(x, y))).sum() / 4
    torch.testing.assert_close(ours, torch.autograd.grad(expected, x)[0])


def test_first_and_second_derivatives_are_those_of_finite_differences():
    x, y = (z.requires_grad_(True) for z in pair(1, 2, 6, 5))
    term = gl.SSIM(data_range=1.0, window=3)
    assert torch.autograd.gradcheck(term, (x, y))
    assert torch.autograd.gradgradcheck(term, (x, y))


def test_a_retained_graph_gives_the_same_gradient_again():
    """The first backward pass writes over what was computed for it."""
    x, y = pair(2, 1, 14, 14)
    x.requires_grad_(True)
    loss = gl.SSIM(data_range=1.0)(x, y)
    first, second = (torch.autograd.grad(loss, x, retain_graph=True)[0] for _ in range(2))
    torch.testing.assert_close(second, first)
    torch.testing.assert_close(torch.autograd.grad(3 * loss, x)[0], 3 * first)


def test_gradients_add_up_in_a_leaf_that_is_used_twice():
    x, y = pair(2, 1, 14, 14)
    x.requires_grad_(True)
    term = gl.SSIM(data_range=1.0)
    (alone,) = torch.autograd.grad(term(x, y), x)
    (term(x, y) + term(y, x)).backward()
    torch.testing.assert_close(x.grad, 2 * alone)
    term(x, y).backward()
    torch.testing.assert_close(x.grad, 3 * alone)


def test_constants():
    """(2ab + C1) / (a^2 + b^2 + C1): .5 and .25 give .8000639795, 0 and 1 give 9.999e-5."""
    half, zero = torch.full((1, 1, 32, 32), 0.5), torch.zeros(1, 1, 32, 32)
    index = gl.SSIM(data_range=1.0).index
    assert index(half, half / 2).item() == pytest.approx(0.8000639795, abs=1e-6)
    assert index(zero, zero + 1).item() == pytest.approx(9.999e-5, rel=1e-3)


@pytest.mark.parametrize(("weights", "right"), [((0.8, 0.2), True), ((0.2, 0.8), False)])
def test_the_sum_with_l1_of_gaussian_splatting(weights: tuple[float, float], right: bool):
    """.8 * .25 + .2 * (1 - .8000639795); weights the other way round are the control."""
    half = torch.full((2, 3, 16, 16), 0.5)
    l1, ssim = gl.L1()(half, half / 2), gl.SSIM(data_range=1.0)(half, half / 2)
    losses = gl.WeightedSum(l1=weights[0], ssim=weights[1])(l1=l1, ssim=ssim)
    assert (losses.total.item() == pytest.approx(0.2399872041, abs=1e-6)) is right


def test_identical_images_symmetry_and_scale():
    x, y = pair(2, 3, 20, 20)
    unit, byte = gl.SSIM(data_range=1.0), gl.SSIM(data_range=255.0)
    assert unit.index(x, x).tolist() == pytest.approx([1, 1], abs=1e-12)
    torch.testing.assert_close(unit(x, y), unit(y, x))
    torch.testing.assert_close(unit(x, y), byte(255 * x, 255 * y))


def test_the_gradient_at_identical_images_is_zero():
    x = draw(1, 3, 16, 16).requires_grad_(True)
    gl.SSIM(data_range=1.0)(x, x.detach().clone()).backward()
    assert x.grad.abs().max() < 1e-12


def flat(level: float, swing: float, data_range: float) -> tuple[Tensor, Tensor]:
    """A nearly flat patch and another, where E[x^2] - E[x]^2 loses every digit."""
    noise = draw(2, 3, 24, 24) - 0.5, draw(2, 3, 24, 24, seed=1) - 0.5
    return tuple(((level + swing * n) / 255 * data_range) for n in noise)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float16, 1e-3), (torch.bfloat16, 1e-3)]
)
@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_flat_patches_keep_their_digits(dtype: torch.dtype, tolerance: float, data_range: float):
    """Without centring fp32 maps run from -16 to 18 at 0..255, and fp16 gives nan."""
    x, y = (z.to(dtype) for z in flat(200.0, 0.02, data_range))
    found = gl.SSIM(data_range=data_range).index(x, y)
    assert found.dtype == torch.float32
    assert found.abs().max() <= 1
    exact = gl.SSIM(data_range=data_range).index(x.double(), y.double())
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=tolerance)


def test_half_precision_images_have_finite_half_gradients():
    x, y = (z.half().requires_grad_(True) for z in flat(200.0, 5.0, 255.0))
    gl.SSIM(data_range=255.0)(x, y).backward()
    assert x.grad.dtype == torch.float16
    assert torch.isfinite(x.grad).all()


def test_autocast_changes_nothing():
    x, y = (z.float() for z in pair(2, 3, 20, 20))
    expected = gl.SSIM(data_range=1.0)(x, y)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(gl.SSIM(data_range=1.0)(x, y), expected)


@pytest.mark.parametrize("shape", [(2, 3, 20, 22)])
def test_memory_format_and_strides_do_not_matter(shape: tuple[int, ...]):
    x, y = pair(*shape)
    expected = gl.SSIM(data_range=1.0)(x, y)
    last = [z.to(memory_format=torch.channels_last).requires_grad_(True) for z in (x, y)]
    found = gl.SSIM(data_range=1.0)(*last)
    torch.testing.assert_close(found, expected)
    wide = [torch.stack([z, z], -1)[..., 0] for z in (x, y)]
    torch.testing.assert_close(gl.SSIM(data_range=1.0)(*wide), expected)
    plain = x.clone().requires_grad_(True)
    gl.SSIM(data_range=1.0)(plain, y).backward()
    found.backward()
    torch.testing.assert_close(last[0].grad, plain.grad)


def test_large_images_are_worked_off_in_pieces_without_a_seam():
    """More pixels than one piece holds, and an uneven number of planes."""
    x, y = pair(3, 1, 300, 310)
    assert gl.SSIM(data_range=1.0).index(x, y).tolist() == pytest.approx(
        textbook(x, y).tolist(), abs=1e-12
    )


@pytest.mark.parametrize("window", [0, 2, -3])
def test_a_window_that_cannot_be_is_refused(window: int):
    with pytest.raises(ValueError, match="must be odd and positive"):
        gl.SSIM(data_range=1.0, window=window)


def test_a_window_larger_than_the_image_names_one_that_fits():
    x = draw(1, 1, 8, 8)
    with pytest.raises(ValueError, match=r"window=7\)"):
        gl.SSIM(data_range=1.0)(x, x)
    assert gl.SSIM(data_range=1.0, window=7)(x, x).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("shape", [(16, 16), (3, 16, 16), (1, 3, 2, 16, 16)])
def test_other_ranks_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"\(N, C, H, W\) is needed"):
        gl.SSIM(data_range=1.0)(draw(*shape), draw(*shape))


@pytest.mark.parametrize("shape", [(2, 3, 192, 176), (1, 1, 176, 208)])
def test_ms_ssim_is_that_of_piq_and_pytorch_msssim(shape: tuple[int, ...]):
    """At sizes all scales divide: they, and we, treat an odd last row differently."""
    x, y = pair(*shape, noise=0.6)
    found = gl.MultiScaleSSIM(data_range=1.0).index(x, y)
    theirs = piq.multi_scale_ssim(x, y, data_range=1.0, reduction="none")
    torch.testing.assert_close(found, theirs, rtol=0, atol=1e-9)
    theirs = pytorch_msssim.ms_ssim(x, y, data_range=1.0, size_average=False)
    torch.testing.assert_close(found, theirs, rtol=0, atol=1e-6)  # its window is fp32
    torch.testing.assert_close(
        gl.MultiScaleSSIM(data_range=1.0).index(x.float(), y.float()).double(),
        found,
        rtol=0,
        atol=1e-5,
    )


def test_gradients_of_ms_ssim_are_piqs():
    x, y = (z.requires_grad_(True) for z in pair(1, 2, 176, 176, noise=0.6))
    ours = gl.MultiScaleSSIM(data_range=1.0)(x, y)
    theirs = 1 - piq.multi_scale_ssim(x, y, data_range=1.0)
    torch.testing.assert_close(
        torch.autograd.grad(ours, (x, y)),
        torch.autograd.grad(theirs, (x, y)),
        rtol=1e-6,
        atol=1e-12,
    )


def test_second_derivatives_of_ms_ssim_are_those_of_finite_differences():
    x, y = (z.requires_grad_(True) for z in pair(1, 1, 24, 24))
    term = gl.MultiScaleSSIM(data_range=1.0, window=3, weights=(0.4, 0.6))
    assert torch.autograd.gradcheck(term, (x, y), fast_mode=True)
    assert torch.autograd.gradgradcheck(term, (x, y), fast_mode=True)


def test_ms_ssim_works_under_vmap():
    x, y = draw(3, 1, 1, 24, 24), draw(3, 1, 1, 24, 24, seed=1)
    term = gl.MultiScaleSSIM(data_range=1.0, window=3, weights=(0.4, 0.6))
    slopes = torch.func.vmap(torch.func.grad(term))(x, y)
    alone = [torch.func.grad(term)(a, b) for a, b in zip(x, y, strict=True)]
    torch.testing.assert_close(slopes, torch.stack(alone))


def test_an_odd_last_row_is_left_out():
    """25 pixels have the scales of 24."""
    x, y = pair(1, 1, 25, 25)
    term = gl.MultiScaleSSIM(data_range=1.0, window=3, weights=(1e-9, 1.0))
    even = gl.SSIM(data_range=1.0, window=3)
    halves = [torch.nn.functional.avg_pool2d(z[..., :24, :24], 2) for z in (x, y)]
    assert term(x, y).item() == pytest.approx(even(*halves).item(), rel=1e-6)


def test_memory_of_one_call_is_not_seen_by_another():
    """Scratch memory is kept: results of different sizes, modes and threads stay apart."""
    small, large = pair(2, 1, 16, 16), pair(2, 3, 70, 60)
    term = gl.SSIM(data_range=1.0)
    expected = [textbook(*images).tolist() for images in (small, large)]
    with torch.inference_mode():
        assert term.index(*small).tolist() == pytest.approx(expected[0])
    first = term.index(*small)
    second = term.index(*large)
    assert first.tolist() == pytest.approx(expected[0])
    assert second.tolist() == pytest.approx(expected[1])
    with ThreadPoolExecutor(4) as pool:
        for i, found in enumerate(pool.map(lambda z: term.index(*z), [small, large] * 20)):
            assert found.tolist() == pytest.approx(expected[i % 2])


def test_negative_terms_count_as_zero_with_finite_gradients():
    """Anti-correlated images: a product of powers of 0 has a slope of infinity elsewhere."""
    x = draw(1, 1, 176, 176).requires_grad_(True)
    loss = gl.MultiScaleSSIM(data_range=1.0)(x, 1 - x.detach())
    loss.backward()
    assert loss.item() == 1
    assert torch.isfinite(x.grad).all()


def test_ms_ssim_names_the_scales_that_are_possible():
    x = draw(1, 1, 100, 100)
    with pytest.raises(ValueError, match=r"need 176 pixels, and this size allows 4 scales"):
        gl.MultiScaleSSIM(data_range=1.0)(x, x)
    four = gl.MultiScaleSSIM(data_range=1.0, weights=(0.1, 0.2, 0.3, 0.4))
    assert four(x, x).item() == pytest.approx(0, abs=1e-12)


def test_constants_of_ms_ssim():
    """Contrast is 1 at every scale: the fifth scale's luminance to the power .1333."""
    x = torch.full((1, 1, 176, 176), 0.5, dtype=torch.float64)
    expected = (0.2501 / 0.3126) ** 0.1333
    assert gl.MultiScaleSSIM(data_range=1.0).index(x, x / 2).item() == pytest.approx(expected)


def test_ssim_works_under_vmap_with_its_gradient():
    x, y = draw(3, 2, 1, 12, 12), draw(3, 2, 1, 12, 12, seed=1)
    term = gl.SSIM(data_range=1.0)
    torch.testing.assert_close(
        torch.func.vmap(term)(x, y), torch.stack([term(a, b) for a, b in zip(x, y, strict=True)])
    )
    torch.testing.assert_close(
        torch.func.vmap(torch.func.grad(term), in_dims=(0, None))(x, y[0]),
        torch.stack([torch.func.grad(term)(a, y[0]) for a in x]),
    )


def test_nan_is_passed_on():
    x, y = pair(1, 1, 12, 12)
    x[0, 0, 3, 3] = math.nan
    assert torch.isnan(gl.SSIM(data_range=1.0)(x, y))


def test_a_spoilt_image_spoils_no_other():
    """Bands multiply their neighbours by 0, and 0 times infinity is not 0."""
    x, y = pair(3, 2, 64, 70)
    x[1, 0, 30, 30], y[2, 1, 63, 69] = math.inf, math.nan
    x.requires_grad_(True)
    index = gl.SSIM(data_range=1.0).index(x, y)
    index[0].backward()
    assert index[0].item() == pytest.approx(textbook(x[:1], y[:1]).item())
    assert not torch.isfinite(index[1:]).any()
    assert torch.isfinite(x.grad[0]).all()


@pytest.mark.parametrize("window", [1, 17, 19, 35])
def test_wide_windows_need_wide_bands(window: int):
    x, y = (z.requires_grad_(True) for z in pair(2, 1, 41, 37))
    ours, theirs = gl.SSIM(1.0, window)(x, y), 1 - textbook(x, y, window=window).mean()
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(torch.autograd.grad(ours, x), torch.autograd.grad(theirs, x))


def test_products_of_fewer_digits_are_not_used():
    x, y = (z.float() for z in pair(2, 1, 64, 64))
    expected = gl.SSIM(data_range=1.0).index(x.double(), y.double())
    torch.set_float32_matmul_precision("medium")
    try:
        found = gl.SSIM(data_range=1.0).index(x, y)
    finally:
        torch.set_float32_matmul_precision("highest")
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6)


def test_images_that_hold_not_even_one_scale_are_sent_to_the_plain_ssim():
    x = torch.rand(1, 1, 8, 8)
    with pytest.raises(ValueError, match=r"use SSIM\(\.\.\., window=7\)"):
        gl.MultiScaleSSIM(data_range=1.0)(x, x)
    assert gl.SSIM(data_range=1.0, window=7)(x, x).abs() < 1e-6
