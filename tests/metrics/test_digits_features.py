"""The shipped digit metric reacts to what it must: noise, a missing digit, repeated images."""

import pytest
import torch
from torch import Tensor

from ganloss.data.demo import digits, stacked
from ganloss.metrics.distances import frechet_distance
from ganloss.metrics.features import (
    StackedDigitsFeatures,
    digits_features,
    random_vgg_features,
)
from ganloss.metrics.modes import class_shares
from ganloss.metrics.reference import reference_rows

COUNT = 897
SPLIT = digits()
TRAIN, LABELS = SPLIT.train_images[:COUNT], SPLIT.train_labels[:COUNT]


def score(images: Tensor) -> float:
    features = digits_features()
    return frechet_distance(features(SPLIT.held_out_images), features(images))


REFERENCE = score(TRAIN)


def test_the_split_is_of_900_and_897_different_digits() -> None:
    both = torch.cat([SPLIT.train_images, SPLIT.held_out_images])
    assert len(SPLIT.train_images) == 900
    assert len(SPLIT.held_out_images) == COUNT
    assert len(both.flatten(1).unique(dim=0)) == 1797
    assert both.max() == 255


def test_uniform_noise_scores_at_least_30_times_the_reference() -> None:
    rows = reference_rows(digits_features(), TRAIN, SPLIT.held_out_images)
    assert rows.real == REFERENCE
    assert rows.noise >= 30 * REFERENCE


@pytest.mark.parametrize("digit", range(10))
def test_a_missing_digit_scores_at_least_3_times_the_reference(digit: int) -> None:
    others = TRAIN[digit != LABELS]
    assert score(torch.cat([others, others])[:COUNT]) >= 3 * REFERENCE


def test_100_repeated_images_score_at_least_3_times_the_reference() -> None:
    assert score(TRAIN[:100].repeat(9, 1, 1, 1)[:COUNT]) >= 3 * REFERENCE


def test_other_halves_of_the_real_digits_score_like_the_reference() -> None:
    """The control of the controls: a random choice of real digits is not flagged."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 900, (COUNT,), generator=generator)
    assert score(SPLIT.train_images[rows]) < 2 * REFERENCE


def test_the_classifier_knows_the_digits() -> None:
    found = digits_features().classify(SPLIT.held_out_images)
    assert (found == SPLIT.held_out_labels).float().mean() >= 0.97
    assert min(class_shares(found, 10)) > 0.07


def test_features_are_deterministic_and_leave_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    first = digits_features()(TRAIN[:8])
    assert torch.equal(first, digits_features()(TRAIN[:8]))
    assert first.dtype == torch.float64
    assert torch.equal(state, torch.get_rng_state())


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="the digit features take"):
        digits_features()(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))


def test_random_vgg_features_take_gray_and_colour_of_any_size() -> None:
    state = torch.get_rng_state()
    features = random_vgg_features()
    gray = torch.randint(0, 256, (2, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator())
    assert features(gray).shape == (2, 768)
    torch.testing.assert_close(features(gray), features(gray.repeat(1, 3, 1, 1)))
    assert torch.equal(state, torch.get_rng_state())


def test_the_classifier_of_stacked_digits_knows_the_digits_of_their_number() -> None:
    images, numbers = stacked(SPLIT.held_out_images, SPLIT.held_out_labels, 500, seed=0)
    found = StackedDigitsFeatures().classify(images)
    digit = torch.stack([numbers // 100, numbers // 10 % 10, numbers % 10], 1)
    assert (found == digit).double().mean(0).min() >= 0.95


def test_a_channel_that_shows_no_digit_is_said_to_show_none() -> None:
    images, _ = stacked(SPLIT.held_out_images, SPLIT.held_out_labels, 200, seed=0)
    generator = torch.Generator().manual_seed(0)
    images[:, 1] = torch.randint(0, 256, (200, 8, 8), generator=generator, dtype=torch.uint8)
    none = (StackedDigitsFeatures().classify(images) == 10).double().mean(0)
    assert none[1] >= 0.9
    assert none[[0, 2]].max() <= 0.05


def test_features_of_an_image_do_not_depend_on_the_others() -> None:
    """300 images are more than one batch; processors add up batches of other sizes otherwise."""
    net, images, rows = digits_features(), SPLIT.train_images[:300], [0, 255, 256, 299]
    torch.testing.assert_close(net(images)[rows], net(images[rows]), rtol=1e-5, atol=1e-5)
