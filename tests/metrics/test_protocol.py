"""All numbers of two sets: their names, their parts, their order; and numbers of pairs."""

import math

import numpy as np
import pytest
import torch

from ganloss.data.demo import digits
from ganloss.metrics.distances import frechet_distance, kernel_distance
from ganloss.metrics.features import digits_features
from ganloss.metrics.neighbours import density_coverage, precision_recall
from ganloss.metrics.pairs import paired_numbers
from ganloss.metrics.protocol import measure

SPLIT = digits()
REAL, OTHERS = SPLIT.held_out_images[:200], SPLIT.train_images[:200]
BLURRED = torch.nn.functional.avg_pool2d(SPLIT.train_images[200:400].float(), 3, 1, 1).byte()
MEASURES = ("fd", "kid", "precision", "recall", "density", "coverage")


def test_every_number_is_that_of_its_own_function_with_its_protocol() -> None:
    net = digits_features()
    found = measure(REAL, BLURRED, net, others=OTHERS)
    a, b, c = net(REAL), net(BLURRED), net(OTHERS)
    of_fake = (frechet_distance(a, b), kernel_distance(a, b))
    of_fake += precision_recall(a, b) + density_coverage(a, b)
    of_real = (frechet_distance(a, c), kernel_distance(a, c))
    of_real += precision_recall(a, c) + density_coverage(a, c)
    assert [n.name for n in found.numbers] == [f"{m}-digits@200" for m in MEASURES]
    assert [n.value for n in found.numbers] == pytest.approx(of_fake)
    assert [n.real for n in found.numbers] == pytest.approx(of_real)
    assert [n.higher_is_better for n in found.numbers] == [False] * 2 + [True] * 4


def test_every_number_puts_real_images_before_blurred_ones_before_noise() -> None:
    found = measure(REAL, BLURRED, digits_features(), others=OTHERS)
    for number in found.numbers:
        sign = -1 if number.higher_is_better else 1
        assert sign * number.real < sign * number.value <= sign * number.noise, number.name
        assert number.interval.low <= number.value <= number.interval.high


def test_without_other_images_two_halves_are_compared_and_counted() -> None:
    found = measure(REAL, BLURRED, digits_features())
    features = digits_features()(REAL)
    assert (found.count, found.reference_count) == (200, 100)
    assert found.number("fd").real == frechet_distance(features[:100], features[100:])


def test_what_compares_every_image_with_every_other_is_of_the_first_ones_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = digits_features()
    all_images, some = measure(REAL, BLURRED, net), measure(REAL[:50], BLURRED[:50], net)
    monkeypatch.setattr("ganloss.metrics.protocol.MOST_COMPARED", 50)
    found = measure(REAL, BLURRED, net)
    assert [n.name for n in found.numbers] == [
        "fd-digits@200",
        *(f"{m}-digits@50" for m in MEASURES[1:]),
    ]
    assert found.number("fd") == all_images.number("fd")
    for name in MEASURES[1:]:
        number, alone = found.number(name), some.number(name)
        assert (number.value, number.interval) == (alone.value, alone.interval)


def test_the_seed_fixes_every_number() -> None:
    net = digits_features()
    assert measure(REAL, BLURRED, net) == measure(REAL, BLURRED, net)
    assert measure(REAL, BLURRED, net) != measure(REAL, BLURRED, net, seed=1)


def test_misuse_of_sets_says_how_to_mend_it() -> None:
    with pytest.raises(ValueError, match="equal numbers of images of one size"):
        measure(REAL, BLURRED[:100], digits_features())
    with pytest.raises(ValueError, match="at least 16 are needed"):
        measure(REAL[:15], BLURRED[:15], digits_features())


def images(side: int, count: int = 3) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(side)
    real = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)
    step = torch.randint(0, 40, real.shape, generator=generator)
    return list(real), list((real.int() + step).clamp(0, 255).byte())


def test_psnr_and_ssim_of_pairs_are_the_means_of_scikit_image() -> None:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    real, fake = images(32)
    psnr = [peak_signal_noise_ratio(r.numpy(), f.numpy()) for r, f in zip(real, fake, strict=True)]
    ssim: list[float] = []
    for r, f in zip(real, fake, strict=True):
        _, full = structural_similarity(
            r.numpy().astype(float),
            f.numpy().astype(float),
            channel_axis=0,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        ssim.append(float(full[:, 5:-5, 5:-5].mean()))
    found = {n.name: n for n in paired_numbers(zip(real, fake, strict=True))}
    assert set(found) == {"psnr@3", "ssim@3"}
    assert found["psnr@3"].value == pytest.approx(np.mean(psnr), rel=1e-9)
    assert found["ssim@3"].value == pytest.approx(np.mean(ssim), rel=1e-6)
    assert min(psnr) <= found["psnr@3"].interval.low <= found["psnr@3"].interval.high <= max(psnr)


def test_ms_ssim_is_measured_where_its_five_scales_fit_and_equals_pytorch_msssim() -> None:
    from pytorch_msssim import ms_ssim

    small, large = images(175, 1), images(176, 1)
    assert [n.name for n in paired_numbers(zip(*small, strict=True))] == ["psnr@1", "ssim@1"]
    found = paired_numbers(zip(*large, strict=True))
    real, fake = (side[0][None].double() for side in large)
    expected = float(ms_ssim(fake, real, data_range=255.0))
    assert found[2].name == "ms-ssim@1"
    assert found[2].value == pytest.approx(expected, rel=1e-5)


def test_equal_pairs_have_an_infinite_psnr_and_an_ssim_of_one() -> None:
    real, _ = images(16)
    psnr, ssim = paired_numbers(zip(real, real, strict=True))
    assert psnr.value == psnr.interval.low == math.inf
    assert ssim.value == pytest.approx(1.0)


def test_misuse_of_pairs_says_how_to_mend_it() -> None:
    real, fake = images(16)
    with pytest.raises(ValueError, match="at least one pair"):
        paired_numbers([])
    with pytest.raises(ValueError, match="bring both to one size"):
        paired_numbers([(real[0], fake[0][:, :8])])


def test_one_pair_too_small_for_ssim_leaves_it_out_of_all() -> None:
    """PSNR of a constant difference d is 20 log10(255 / d)."""
    pairs = [(torch.zeros(1, n, n).byte(), torch.full((1, n, n), d).byte())
             for n, d in ((10, 5), (16, 51))]  # fmt: skip
    for order in (pairs, pairs[::-1]):
        (psnr,) = paired_numbers(order)
        assert psnr.name == "psnr@2"
        assert psnr.value == pytest.approx(10 * (math.log10(51) + math.log10(5)), rel=1e-9)
    assert [n.name for n in paired_numbers(pairs[1:])] == ["psnr@1", "ssim@1"]
