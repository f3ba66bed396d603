"""Lists of scales of unequal sizes, weights and masks of samples, and settings beside defaults."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import ganloss as gl
from conformance import formulas
from ganloss.losses._pair import Sides

NAMESPACE = {name: getattr(gl, name) for name in gl.PUBLIC_NAMES}
REAL = [torch.tensor([[2.0], [-1.0], [0.5]]), torch.tensor([[[3.0, 0.0]], [[1.0, -2.0]], [[4, 4]]])]
FAKE = [torch.tensor([[0.0], [-3.0]]), torch.tensor([[[1.0, -1.0]], [[-2.0, 6.0]]])]
#: Sums over scales of the means of max(0, 1 - r) and max(0, 1 + f): by hand, sample by sample.
HINGES = np.array([0 + 0.5, 2 + 1.5, 0.5 + 0]), np.array([1 + 1.0, 0 + 3.5])


def tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float64))


def test_a_samples_value_is_the_sum_over_scales_of_means_over_its_places() -> None:
    real = gl.Hinge().discriminator(real=REAL, fake=[s[[0, 1, 0]] for s in FAKE], reduction="none")
    assert real.tolist() == pytest.approx(list(HINGES[0] + HINGES[1][[0, 1, 0]]))
    g = gl.Hinge().generator(fake=FAKE, reduction="none")
    assert g.tolist() == pytest.approx([0 - 0.0, 3 - 2.0])


@pytest.mark.parametrize("sides", [("real",), ("fake",), ("real", "fake")])
def test_unequal_batches_have_their_own_weights(sides: tuple[str, ...]) -> None:
    """Mean: the sum of both weighted means; sum: the sum of both weighted sums."""
    weights = {"real": np.array([1.0, 0.0, 3.0]), "fake": np.array([0.5, 2.0])}
    used = [weights[side] if side in sides else np.ones(len(weights[side])) for side in weights]
    given: dict[str, Any] = {f"{side}_weight": tensor(weights[side]) for side in sides}
    sums = [(w * values).sum() for w, values in zip(used, HINGES, strict=True)]
    mean = gl.Hinge().discriminator(real=REAL, fake=FAKE, **given)
    assert mean.item() == pytest.approx(sums[0] / used[0].sum() + sums[1] / used[1].sum())
    found = gl.Hinge().discriminator(real=REAL, fake=FAKE, reduction="sum", **given)
    assert found.item() == pytest.approx(sum(sums))


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float16])
def test_a_mask_leaves_samples_out_whatever_its_type(dtype: torch.dtype) -> None:
    """-(2 + 5) / 2 of the scores 2, 9 and 5; the sample left out gets no gradient."""
    scores = torch.tensor([2.0, 9.0, 5.0], requires_grad=True)
    mask = torch.tensor([1, 0, 1]).to(dtype)
    loss = gl.Wasserstein().generator(fake=scores, fake_weight=mask)
    (slope,) = torch.autograd.grad(loss, scores)
    assert loss.item() == -3.5
    assert slope.tolist() == [-0.5, 0.0, -0.5]


def test_weights_in_half_precision_are_added_in_fp32() -> None:
    """Three weights of 40,000 are beyond fp16's 65,504: the mean is still (1 + 2 + 3) / 3."""
    weight = torch.full((3,), 40_000.0, dtype=torch.float16)
    found = gl.Wasserstein().generator(fake=torch.tensor([1.0, 2, 3]).half(), fake_weight=weight)
    assert found.item() == pytest.approx(-2.0)


def test_in_one_process_the_weights_of_all_are_its_own() -> None:
    weight = tensor(np.array([1.0, 0.0, 3.0]))
    found = gl.Hinge().discriminator(
        real=REAL[0].double(), fake=FAKE[0], real_weight=weight, across_processes=True
    )
    assert found.item() == pytest.approx((1 * 0 + 3 * 0.5) / 4 + 0.5)


def test_each_scale_has_inner_means_of_its_own() -> None:
    """E a(r - E f) + E b(f - E r), for each scale; with all scores in one mean it is another."""

    def of_scale(r: np.ndarray, f: np.ndarray) -> float:
        return np.maximum(0, 1 - r + f.mean()).mean() + np.maximum(0, 1 + f - r.mean()).mean()

    expected = sum(of_scale(r.numpy(), f.numpy()) for r, f in zip(REAL, FAKE, strict=True))
    pair = gl.RelativisticAverage(gl.Hinge())
    assert pair.discriminator(real=REAL, fake=FAKE).item() == pytest.approx(expected)


TOGETHER = [n for n in formulas.LOSSES if eval(n, NAMESPACE).generator_needs_real]


@pytest.mark.parametrize("name", [n for n in TOGETHER if not n.startswith("Relativistic(")])
def test_a_generators_batch_may_have_another_size_than_the_real_one(name: str) -> None:
    """Where G's loss looks at both: means over each batch, or over all 6 + 3 samples."""
    real, fake = tensor(np.linspace(-2, 3, 6)), tensor(np.array([0.7, -1.1, 2.0]))
    found = eval(name, NAMESPACE).generator(real=real, fake=fake)
    expected = formulas.LOSSES[name].generator(real.numpy(), fake.numpy())
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_weighted_softmax_gan_weighs_what_each_real_sample_loses() -> None:
    """log Z - r for r = 0, log 3 and one fake score of log 2: log 6 and log 2, weights 1 and 3."""
    real, fake = tensor(np.log([1, 3])), tensor(np.log([2]))
    found = gl.SoftmaxGAN().discriminator(
        real=real, fake=fake, real_weight=torch.tensor([1.0, 3.0]).double()
    )
    assert found.item() == pytest.approx((math.log(6) + 3 * math.log(2)) / 4)


@pytest.mark.parametrize(
    ("pair", "weight", "error", "words"),
    [
        (gl.Hinge(), {"real_weight": torch.ones(2)}, ValueError, "real_weight has no effect"),
        (gl.Hinge(), {"fake_weight": [1.0, 2.0]}, TypeError, r"shape \(2,\), one weight per"),
        (gl.SoftmaxGAN(), {"real_weight": torch.ones(2)}, ValueError, r"is needed, \(3,\)"),
    ],
)
def test_weights_of_a_generator_that_mean_nothing_are_refused(
    pair: gl.GANLoss, weight: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        pair.generator(real=REAL[0], fake=FAKE[0], **weight)


def test_a_pair_of_ones_own_without_a_side_is_told_so() -> None:
    class Nothing(gl.GANLoss):
        def _discriminator(self, real: Tensor, fake: Tensor) -> Sides:
            return None, None

        def _generator(self, real: Tensor | None, fake: Tensor) -> Sides:
            return None, None

    with pytest.raises(TypeError, match="at least one side"):
        Nothing().generator(fake=torch.ones(2))


@pytest.mark.parametrize("dim", [1, 5])
def test_a_feature_and_its_inverse_are_as_far_from_either_pole(dim: int) -> None:
    """d(u / |u|^2) = pi - d(u), since 2 atan(1/t) + 2 atan(t) = pi."""
    u = tensor(np.random.default_rng(0).normal(size=(7, dim)))
    inverse = u / u.square().sum(1, keepdim=True)
    distances = [-gl.Sphere(moments=1).generator(fake=x, reduction="none") for x in (u, inverse)]
    torch.testing.assert_close(sum(distances), torch.full((7,), math.pi, dtype=torch.float64))


@pytest.mark.parametrize(("centre", "deviation"), [(0.5, 0.25), (1.0, 0.5), (0.2, 2.0)])
def test_realness_of_two_outcomes_is_a_line(centre: float, deviation: float) -> None:
    """Places -1/2 and 1/2: the anchors at c and -c are coins of log odds k and -k, k = c / s^2,
    so G's loss of a score s is -(p - (1 - p)) s = -tanh(k / 2) s."""
    pair, scores = gl.Realness(centre, deviation), tensor(np.array([-4.0, 0.0, 2.5]))
    slope = -math.tanh(centre / deviation**2 / 2)
    found = pair.generator(fake=scores, reduction="none")
    np.testing.assert_allclose(found.numpy(), slope * scores.numpy(), rtol=1e-10, atol=1e-12)


def test_realness_sees_a_distribution_whose_logits_may_be_shifted_and_folded() -> None:
    """At its anchor D has nothing to lose; for four outcomes at -3/4, -1/4, 1/4 and 3/4."""
    bump = -0.5 * ((np.array([-0.75, -0.25, 0.25, 0.75]) - 0.5) / 0.25) ** 2
    real = tensor(np.stack([bump, bump + 300])).reshape(2, 1, 2, 2)
    loss = gl.Realness().discriminator(real=real, fake=real.flip(2, 3))
    assert loss.item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"centre": 0.0}, "centre is 0.0; the real anchor lies between 0 and 1"),
        ({"centre": 1.5}, "centre is 1.5"),
        ({"deviation": 0.0}, "deviation is 0.0; it must be positive"),
        ({"deviation": math.nan}, "deviation is nan"),
    ],
)
def test_anchors_that_cannot_be_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gl.Realness(**options)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_scales_of_other_batches_are_refused_whatever_the_reduction(reduction: str):
    """A sample's value is summed over its scales, so there is none where batches differ."""
    four, three = [torch.zeros(4, 1), torch.zeros(4, 2)], [torch.zeros(4, 1), torch.zeros(3, 2)]
    pair, words = gl.Hinge(), r"\[0\] has 4 samples and \w+\[1\] has 3.*a loss for each scale"
    with pytest.raises(ValueError, match="real" + words):
        pair.discriminator(real=three, fake=four, reduction=reduction)
    with pytest.raises(ValueError, match="fake" + words):
        pair.generator(fake=three, reduction=reduction)


def test_real_and_fake_batches_of_several_scales_may_still_differ():
    real, fake = [torch.zeros(5, 1), torch.zeros(5, 2)], [torch.ones(4, 1), torch.ones(4, 2)]
    assert gl.Hinge().discriminator(real=real, fake=fake) == 6  # (1 + 2) for each of two scales
    assert gl.Hinge().discriminator(real=real, fake=fake, reduction="sum") == 26  # 5 * 2 + 4 * 4
