"""The metric on trial: good ones pass on their data, each kind of blindness is named."""

import pytest
import torch
from torch import Tensor

from ganloss.data.demo import digits
from ganloss.metrics.degrade import (
    blurred,
    clusters,
    noisy,
    replaced,
    uniform_noise,
    without_groups,
)
from ganloss.metrics.distances import FRECHET, KERNEL, Distance, frechet_distance
from ganloss.metrics.features import (
    FeatureNet,
    digit_logits,
    digits_features,
    random_vgg_features,
)
from ganloss.metrics.selftest import self_test

SPLIT = digits()
IMAGES, LABELS = SPLIT.train_images, SPLIT.train_labels


@pytest.mark.parametrize("distance", [FRECHET, KERNEL], ids=["fd", "kid"])
@pytest.mark.parametrize("labels", [None, LABELS], ids=["clusters", "classes"])
def test_the_shipped_net_can_judge_the_digits(distance: Distance, labels: Tensor | None) -> None:
    found = self_test(IMAGES, digits_features(), labels=labels, distance=distance)
    assert found.passed
    assert found.sentence == (
        f"{distance.name}-digits@450 can judge this data: tried on the real images themselves, it "
        "rises with blur, noise, noise images mixed in and dropped kinds of images."
    )
    for trial in found.trials:
        assert list(trial.values) == sorted(trial.values)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("count", [128, 256])
def test_the_shipped_net_can_judge_few_digits(count: int, seed: int) -> None:
    assert self_test(IMAGES[:count], digits_features(), seed=seed).passed


def test_random_vgg_features_can_judge_the_digits() -> None:
    assert self_test(IMAGES, random_vgg_features(), most=300).passed


class Blind:
    """Features that are a function of the images, for a metric that misses something."""

    name = "blind"

    def __call__(self, images: Tensor, /) -> Tensor:
        return self.features(images.double() / 255)

    def features(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class Nothing(Blind):
    """Sees nothing at all."""

    def features(self, x: Tensor) -> Tensor:
        return torch.ones(len(x), 3, dtype=torch.float64)


class Half(Blind):
    """Sees whether an image is rather light or rather dark; digits are all dark."""

    def features(self, x: Tensor) -> Tensor:
        return (x.mean((1, 2, 3)) > 0.5).double()[:, None]


class Roughness(Blind):
    """Sees the contrast of neighbours; a few images of noise raise it as if strokes were bolder."""

    def features(self, x: Tensor) -> Tensor:
        return x.diff(dim=-1).abs().mean((1, 2, 3))[:, None]


class Doubt(Blind):
    """Sees how surely an image is no digit, and not which digit it is: fidelity without variety."""

    def __call__(self, images: Tensor, /) -> Tensor:
        net = digits_features()
        logits = digit_logits(net(images).float(), net._weights)
        return logits.softmax(1)[:, 10:].double()


def failed(features: FeatureNet, **options: object) -> set[str]:
    found = self_test(IMAGES, features, **options)  # type: ignore[arg-type]
    names = {trial.name for trial in found.trials if trial.failure}
    assert found.passed is (not names)
    assert f"{found.metric} cannot judge this data" in found.sentence
    assert all(name in found.sentence for name in names)
    return names


EVERYTHING = {"blur", "noise", "noise images mixed in", "dropped kinds of images"}


def test_control_features_that_see_nothing_fail_everywhere() -> None:
    assert failed(Nothing()) == EVERYTHING


@pytest.mark.parametrize(
    ("features", "unseen"),
    [
        (Half(), {"blur", "noise", "dropped kinds of images"}),
        (Roughness(), {"noise images mixed in", "dropped kinds of images"}),
        (Doubt(), {"dropped kinds of images"}),
    ],
    ids=["half", "roughness", "doubt"],
)
def test_control_what_features_do_not_see_is_named(features: FeatureNet, unseen: set[str]) -> None:
    assert failed(features) == unseen


def test_few_images_are_said_to_be_few() -> None:
    assert self_test(IMAGES[:64], Nothing()).sentence.endswith("more would tell.")
    assert "more would tell" not in self_test(IMAGES, Nothing()).sentence


def test_control_a_distance_of_the_wrong_sign_fails_everywhere() -> None:
    def nearness(real: Tensor, fake: Tensor) -> float:
        return -frechet_distance(real, fake)

    def resampled(real: Tensor, fake: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return -FRECHET.resampled(real, fake, a, b)

    upside_down = Distance("nearness", nearness, resampled)
    assert failed(digits_features(), distance=upside_down) == EVERYTHING


def test_control_noise_called_images_cannot_be_judged() -> None:
    """On images that are noise already, noise is no harm, and the sentence says so first."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, IMAGES.shape, generator=generator, dtype=torch.uint8)
    found = self_test(noise, digits_features())
    assert found.sentence.startswith("fd-digits@450 cannot judge this data: tried on the real")
    assert "noise images mixed in" in found.sentence


def test_the_test_repeats_and_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    assert self_test(IMAGES[:100], digits_features()) == self_test(IMAGES[:100], digits_features())
    assert torch.equal(state, torch.get_rng_state())


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 64"):
        self_test(IMAGES[:63], digits_features())


def test_images_that_are_all_the_same_cannot_be_judged_but_do_not_break() -> None:
    found = self_test(IMAGES[:1].repeat(70, 1, 1, 1), digits_features())
    assert {trial.name for trial in found.trials} == EVERYTHING - {"dropped kinds of images"}


def test_blur_keeps_constants_and_is_a_gaussian() -> None:
    """Of a point of light, the middle keeps the product of two middle weights."""
    flat = torch.full((1, 3, 6, 7), 93, dtype=torch.uint8)
    assert torch.equal(blurred(flat, 2.0), flat)
    light = torch.zeros(1, 1, 13, 13, dtype=torch.uint8)
    light[..., 6, 6] = 255
    taps = torch.exp(-0.5 * torch.arange(-3.0, 4.0) ** 2)
    expected = 255 * torch.outer(taps, taps) / taps.sum() ** 2
    assert torch.equal(blurred(light, 1.0)[0, 0, 3:10, 3:10].float(), expected.round())


def test_shares_are_what_they_say() -> None:
    ones, zeros = torch.ones(200, 1), torch.zeros(200, 1)
    assert replaced(zeros, ones, 0.3).sum() == 60
    assert noisy(200 * ones, zeros, 0.25).float().mean() == 150


def test_dropped_groups_are_the_largest_and_others_fill_their_place() -> None:
    kept = without_groups(LABELS, 0.5)
    sizes = torch.bincount(LABELS)
    assert len(kept) == len(LABELS)
    left = set(LABELS[kept].tolist())
    assert len(left) == 5
    dropped = set(range(10)) - left
    assert min(sizes[list(dropped)]) >= max(sizes[list(left)])


def test_clusters_are_those_of_the_pixels() -> None:
    dark, light = torch.zeros(10, 1, 9, 9), torch.full((10, 1, 9, 9), 255.0)
    found = clusters(torch.cat([dark, light]).to(torch.uint8), 2)
    assert found[:10].unique().numel() == found[10:].unique().numel() == 1
    assert found[0] != found[-1]


class Roughly(Blind):
    """Sees the mean and the contrast of an image."""

    def features(self, x: Tensor) -> Tensor:
        return torch.stack([x.mean((1, 2, 3)), x.std((1, 2, 3))], 1)


@pytest.mark.parametrize(("side", "sigmas"), [(8, "0.5 1 2"), (32, "0.5 1 2"), (64, "1 2 4")])
def test_larger_images_are_blurred_as_much_to_the_eye(side: int, sigmas: str) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (64, 1, side, side), generator=generator, dtype=torch.uint8)
    blur = self_test(images, Roughly()).trials[0]
    assert blur.levels == ("as they are", *(f"σ = {sigma} px" for sigma in sigmas.split()))


@pytest.mark.parametrize(
    ("share", "left"), [(0.0, {0, 1, 2}), (0.26, {0, 1, 2}), (0.5, {0, 2}), (1.0, {2})]
)
def test_at_least_one_group_is_dropped_and_one_is_left(share: float, left: set[int]) -> None:
    """Groups 3, 1, 0 and 2 have 5, 4, 3 and 2 members."""
    groups = torch.tensor([0] * 3 + [1] * 4 + [2] * 2 + [3] * 5)
    kept = without_groups(groups, share)
    assert len(kept) == len(groups)
    assert set(groups[kept].tolist()) == left


def test_uniform_noise_of_points_fills_the_range_of_each_coordinate() -> None:
    """Of n uniform values, the least lies within 10 / n of the range with probability 1 - e^-10."""
    reals = torch.tensor([[-3.0, 10.0], [1.0, 10.5], [0.0, 11.0]]).repeat(1000, 1)
    noise = uniform_noise(reals, seed=0)
    low, high, margin = noise.amin(0), noise.amax(0), torch.tensor([4.0, 1.0]) * 10 / 3000
    assert (low >= torch.tensor([-3.0, 10.0])).all()
    assert (high <= torch.tensor([1.0, 11.0])).all()
    assert (low <= torch.tensor([-3.0, 10.0]) + margin).all()
    assert (high >= torch.tensor([1.0, 11.0]) - margin).all()
