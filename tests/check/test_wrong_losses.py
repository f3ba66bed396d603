"""Losses that are right but for one mistake each, and the check that tells of it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ganloss as gl
from ganloss.check import check
from ganloss.check.critics import by_name, seeded

OURS = gl.NonSaturating()
Maps = list[list[Tensor]]
Critic = Callable[[Tensor], Tensor]


class Pair:
    """The non-saturating pair, by a class that is not ours."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return OURS.discriminator(real=real, fake=fake)

    def generator(self, *, fake: Tensor) -> Tensor:
        return OURS.generator(fake=fake)


class Summed(Pair):
    def generator(self, *, fake: Tensor) -> Tensor:
        return OURS.generator(fake=fake, reduction="sum")


class Cut(Pair):
    def generator(self, *, fake: Tensor) -> Tensor:
        return OURS.generator(fake=fake.detach())


class PerSample(Pair):
    def generator(self, *, fake: Tensor) -> Tensor:
        return OURS.generator(fake=fake, reduction="none")


class PlainNumber(Pair):
    def generator(self, *, fake: Tensor) -> Any:
        return OURS.generator(fake=fake).item()


class HidesNaN(Pair):
    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return super().discriminator(real=real, fake=fake).nan_to_num()


class Clips(Pair):
    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return super().discriminator(real=real.clamp_(-1, 1), fake=fake)


class FirstCountsMost(Pair):
    def generator(self, *, fake: Tensor) -> Tensor:
        OURS.generator(fake=fake)
        ranks = torch.arange(len(fake), 0, -1, device=fake.device)
        return OURS.generator(fake=fake, fake_weight=ranks)


class IgnoresFake(Pair):
    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        OURS.discriminator(real=real, fake=fake)  # shapes are checked
        return torch.nn.functional.softplus(-real.double()).mean()


class DeclaresThatItIgnoresFake(Pair):
    ignores_fake = True


class GeneratorOfRealOnly(Pair):
    def generator(self, *, fake: Tensor, real: Tensor | None = None) -> Tensor:
        OURS.generator(fake=fake)
        if real is None:
            raise TypeError("real is needed")
        return OURS.generator(fake=real)


class HiddenSigmoid(Pair):
    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return OURS.discriminator(real=torch.sigmoid(real), fake=torch.sigmoid(fake))


class DeclaresThatItSaturates(Pair):
    saturates = True


class DetachesScores(Pair):
    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return OURS.discriminator(real=real, fake=fake.detach())


class LabelsSwapped(Pair):
    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return OURS.discriminator(real=fake, fake=real)


class HalfAGradient(Pair):
    def generator(self, *, fake: Tensor) -> Tensor:
        loss = OURS.generator(fake=fake)
        return (loss + loss.detach()) / 2


class SumsItsValues(Pair):
    def generator(self, *, fake: Tensor, reduction: str = "mean") -> Tensor:
        each = OURS.generator(fake=fake, reduction="none")
        return 2 * each if reduction == "none" else each.mean()


class AveragesScales(Pair):
    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        count = len(real) if isinstance(real, list) else 1
        return super().discriminator(real=real, fake=fake) / count


class FirstColumnCountsTwice(Pair):
    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        loss = super().discriminator(real=real, fake=fake)
        return loss if isinstance(real, list) else loss - real[..., 0].mean()


class LooksAtReal(Pair):
    generator_needs_real = False

    def generator(self, *, fake: Tensor, real: Tensor | None = None) -> Tensor:
        loss = OURS.generator(fake=fake)
        return loss if real is None else loss + real.mean()


@dataclass
class Changeable(Pair):
    margin: float = 1.0


@dataclass(frozen=True)
class CannotBePickled(Pair):
    scale: Callable[[float], float] = field(default=lambda x: x)


class Noisy(Pair):
    """Labels are noisy, and drawn in the loss."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        noise = 0.1 * torch.rand(())
        return super().discriminator(real=real, fake=fake) + noise


class RemembersTheLastLoss(Pair):
    def __init__(self) -> None:
        self.last = torch.tensor(0.0)

    def generator(self, *, fake: Tensor) -> Tensor:
        loss = OURS.generator(fake=fake)
        loss, self.last = loss + 0.1 * self.last, loss.detach()
        return loss


def of_random_slope(input: Tensor, target: Tensor) -> Tensor:
    loss = gl.MSE()(input, target)
    return torch.lerp(loss.detach(), loss, torch.rand((), dtype=loss.dtype))


def slopes(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """WGAN-GP's penalty, by a function that is not ours."""
    return gl.GradientPenalty()(critic, real=real, fake=fake)


def grows_with_the_batch(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    return slopes(critic, real, fake) * len(real)


def writes_to_the_batch(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    return slopes(critic, real.mul_(0.5), fake)


def constant_in_part(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    value = slopes(critic, real, fake)
    return value * value.detach()


def silent_without_gradients(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    return slopes(critic, real, fake) if torch.is_grad_enabled() else torch.zeros(())


def a_point_for_each_coordinate(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    point = torch.lerp(fake.detach(), real.detach(), torch.rand_like(real))
    return gl.R1()(critic, real=point)


def every_patch_in_full(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    return slopes(lambda x: critic(x).reshape(len(x), -1).sum(1), real, fake)


def with_noise(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    return slopes(critic, real, fake) + 0.1 * torch.rand(())


def unseeded(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """No seed decides the generator that NumPy recommends."""
    points = np.random.default_rng().random((len(real), *[1] * (real.dim() - 1)))
    return gl.R1()(critic, real=torch.lerp(fake.detach(), real, torch.from_numpy(points).to(real)))


def steeper_and_steeper(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    return -slopes(critic, real, fake)


def squares_of_each_patch(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """The drift of ProGAN, which squares before the mean over patches."""
    return critic(real.detach()).square().mean()


def last_scale_only(critic: Any, real: Tensor, fake: Tensor) -> Tensor:
    def last(x: Tensor) -> Tensor:
        scores = critic(x)
        return scores[-1] if isinstance(scores, list) else scores

    return slopes(last, real, fake)


class TwoSided:
    """A penalty of all slopes but 1 that declares another."""

    one_sided = True

    def __call__(self, critic: Critic, *, real: Tensor, fake: Tensor) -> Tensor:
        return slopes(critic, real, fake)


class OneSided(TwoSided):
    one_sided = False

    def __call__(self, critic: Critic, *, real: Tensor, fake: Tensor) -> Tensor:
        return gl.GradientPenalty(one_sided=True)(critic, real=real, fake=fake)


class DeclaredOneSided(OneSided):
    one_sided = True


def one_sided_for_one_fake(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    return gl.GradientPenalty(one_sided=True)(critic, real=real, fake=fake.expand_as(real))


class OfWeights:
    """Squares of all weights."""

    of_weights = True
    differentiates = False

    def __call__(self, critic: nn.Module, *, real: Tensor, fake: Tensor) -> Tensor:
        return self.of([p for p in critic.parameters() if p.dim() > 1])

    def of(self, weights: Sequence[Tensor]) -> Tensor:
        return torch.stack([w.square().sum() for w in weights]).sum()


class RootOfWeights(OfWeights):
    def of(self, weights: Sequence[Tensor]) -> Tensor:
        return super().of(weights).sqrt()


class NegativeOfWeights(OfWeights):
    def of(self, weights: Sequence[Tensor]) -> Tensor:
        return -super().of(weights)


class HalfOfWeights(OfWeights):
    def of(self, weights: Sequence[Tensor]) -> Tensor:
        return torch.stack([(w * w.detach()).sum() for w in weights]).sum()


def relative_to_the_target(input: Tensor, target: Tensor) -> Tensor:
    return gl.L1()(input, target) / target.abs().mean()


def below_the_target_only(input: Tensor, target: Tensor) -> Tensor:
    return gl.L1()(input.clamp(max=target), target)


def below_the_features_only(*, fake: Maps, real: Maps) -> Tensor:
    lower = [
        [f.minimum(r) for f, r in zip(*pair, strict=True)] for pair in zip(fake, real, strict=True)
    ]
    return gl.FeatureMatching()(fake=lower, real=real)


def of_small_variances(mean: Tensor, log_variance: Tensor) -> Tensor:
    return gl.GaussianKL()(mean, log_variance.clamp(max=0))


def largest_of_the_batch(input: Tensor, target: Tensor) -> Tensor:
    return gl.MSE()(input, target, reduction="none").amax()


def name_of(thing: object) -> str:
    return getattr(thing, "__name__", type(thing).__name__)


WRONG = [
    (
        Summed(),
        "A batch written twice has the same loss, unless its size is declared to matter (G)",
    ),
    (Cut(), "The loss of a batch is one finite number with a gradient (G)"),
    (PerSample(), "The loss of a batch is one finite number with a gradient (G)"),
    (PlainNumber(), "The loss of a batch is one finite number with a gradient (G)"),
    (HidesNaN(), "NaN in an input is NaN in the loss, not a number that hides it (D)"),
    (Clips(), "The tensors passed in are left as they were (D)"),
    (FirstCountsMost(), "The order of the samples does not matter (G)"),
    (IgnoresFake(), "Every input counts, unless it is declared to be ignored (D)"),
    (DeclaresThatItIgnoresFake(), "Every input counts, unless it is declared to be ignored (D)"),
    (GeneratorOfRealOnly(), "Every input counts, unless it is declared to be ignored (G)"),
    (HiddenSigmoid(), "Scores are raw: where D is wrong by far it learns"),
    (DeclaresThatItSaturates(), "Scores are raw: where D is wrong by far it learns"),
    (DetachesScores(), "Gradients equal finite differences (D)"),
    (LabelsSwapped(), "Steps of D bring real scores above fake ones"),
    (HalfAGradient(), "Gradients equal finite differences (G)"),
    (SumsItsValues(), 'reduction="none" gives one number per sample, whose mean is the loss (G)'),
    (AveragesScales(), "A list of scales has the sum of their losses"),
    (FirstColumnCountsTwice(), "Scores of any shape (N, ...) count the mean over a sample"),
    (LooksAtReal(), "G's loss looks at real scores only if declared, and then asks for them"),
    (Changeable(), "It is a value: equal to its copies, unchangeable, and it survives a pickle"),
    (
        CannotBePickled(),
        "It is a value: equal to its copies, unchangeable, and it survives a pickle",
    ),
    (grows_with_the_batch, "The batch size does not matter"),
    (writes_to_the_batch, "The caller's tensors are left alone"),
    (constant_in_part, "First and second derivatives by the critic's parameters"),
    (silent_without_gradients, "Misuse raises"),
    (a_point_for_each_coordinate, "Points between real and fake lie on the line"),
    (every_patch_in_full, "A critic of patches counts the mean of its patches"),
    (squares_of_each_patch, "A critic of patches counts the mean of its patches"),
    (last_scale_only, "A critic of several scales counts the sum of their scores"),
    (steeper_and_steeper, "Minimising it flattens a steep critic"),
    (TwoSided(), "A flat critic costs nothing only if one_sided is declared"),
    (OneSided(), "A flat critic costs nothing only if one_sided is declared"),
    (one_sided_for_one_fake, "Misuse raises"),
    (NegativeOfWeights(), "Minimising it shrinks large weights"),
    (RootOfWeights(), "Weights of zero get finite gradients"),
    (HalfOfWeights(), "Gradients by the weights equal finite differences"),
    (relative_to_the_target, "Degenerate inputs"),
    (below_the_target_only, "The loss is least where input and target agree"),
    (below_the_features_only, "The loss is least where input and target agree"),
    (of_small_variances, "The loss is least where input and target agree"),
    (largest_of_the_batch, "The loss of a batch is the mean over its samples"),
]


@dataclass(frozen=True)
class RandomWeights:
    """Squares of all weights, some of them left out."""

    of_weights = True
    differentiates = False

    def __call__(self, critic: nn.Module, *, real: Tensor, fake: Tensor) -> Tensor:
        count = np.random.default_rng().uniform(0.5, 1.0)
        return count * sum(p.square().sum() for p in critic.parameters() if p.dim() > 1)


RANDOM = [
    (Noisy(), "Two equal calls give the same value and gradient (D)"),
    (RemembersTheLastLoss(), "Two equal calls give the same value and gradient (G)"),
    (of_random_slope, "Two equal calls give the same value and gradient"),
    (with_noise, "Two calls give a linear critic the same penalty"),
    (unseeded, "Two equal calls under the same seed give the same penalty"),
    (RandomWeights(), "Two equal calls under the same seed give the same penalty"),
]


@pytest.mark.parametrize(("thing", "sentence"), RANDOM, ids=[name_of(thing) for thing, _ in RANDOM])
def test_what_is_random_is_told_alone(thing: object, sentence: str) -> None:
    (finding,) = check(thing).failed
    assert finding.check.startswith(sentence)
    assert finding.detail.endswith("Nothing else was tried")


@pytest.mark.parametrize("draw", [np.random.random, random.random])
def test_points_may_be_drawn_by_whatever_a_seed_decides(draw: Callable[[], float]) -> None:
    """As widely read code does by ``np.random.random``; the caller's generators stay."""

    def penalty(critic: Critic, *, real: Tensor, fake: Tensor) -> Tensor:
        gl.GradientPenalty()(critic, real=real, fake=fake)  # shapes are checked
        points = torch.tensor([draw() for _ in real]).view(-1, *[1] * (real.dim() - 1)).to(real)
        x = torch.lerp(fake.detach(), real.detach(), points)
        return gl.GradientPenalty(points="real")(critic, real=x, fake=x)

    report = check(penalty)
    assert report.ok, str(report)


def test_a_check_leaves_the_callers_random_numbers_alone() -> None:
    def draws() -> tuple[float, ...]:
        return random.random(), np.random.random(), torch.rand(()).item()

    def everywhere(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        return with_noise(critic, real, fake) + sum(draws())

    network = nn.Linear(2, 1)
    samples = {"real": torch.ones(2, 2), "fake": torch.zeros(2, 2)}
    found: list[tuple[float, ...]] = []
    for calls in (0, 2):
        random.seed(3), np.random.seed(3), torch.manual_seed(3)
        for _ in range(calls):
            seeded(by_name(everywhere), network, **samples)
        found.append(draws())
    assert found[0] == found[1]


def in_half_precision(input: Tensor, target: Tensor) -> Tensor:
    return (input - target).square().mean()


def not_in_half_precision(input: Tensor, target: Tensor) -> Tensor:
    if input.dtype is torch.float16:
        raise RuntimeError('"sinh" not implemented for Half')
    return gl.MSE()(input, target)


class SquaresInHalfPrecision:
    def __call__(self, critic: Critic, *, real: Tensor, fake: Tensor) -> Tensor:
        x = real.detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        half = torch.is_autocast_enabled("cpu")
        return (slope.half() if half else slope).square().sum(1).mean()


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (in_half_precision, "; accumulate in fp32: begin with input.float()"),
        (not_in_half_precision, "; accumulate in fp32: begin with input.float()"),
        (
            SquaresInHalfPrecision(),
            "; compute it in fp32: call the critic on x.float() within torch.auto",
        ),
    ],
    ids=lambda value: name_of(value)[:30],
)
def test_half_precision_is_told_with_its_mend(thing: object, words: str) -> None:
    assert any(words in finding.detail for finding in check(thing).failed), str(check(thing))


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (HiddenSigmoid(), "at -30 and 30: is a sigmoid or tanh inside?"),
        (DetachesScores(), "by fake: 0 instead of "),
        (LabelsSwapped(), "below fake ones, where they should lie above: is a sign wrong, or are"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_finding_says_where_to_look(thing: object, words: str) -> None:
    assert any(words in finding.detail for finding in check(thing).failed), str(check(thing))


def test_a_detached_score_is_not_called_a_sigmoid() -> None:
    assert not any("sigmoid" in finding.detail for finding in check(DetachesScores()).failed)


def test_an_epsilon_that_keeps_a_dead_critic_harmless_is_no_other_penalty() -> None:
    def usual(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        x = torch.lerp(fake.detach(), real, torch.rand(len(real), *[1] * (real.dim() - 1)).to(real))
        with torch.autocast("cpu", enabled=False):
            x = x.requires_grad_(True)
            scores = critic(x).flatten(1).mean(1) if critic(x).dim() > 1 else critic(x)
            (slope,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
        return ((slope.flatten(1).square().sum(1) + 1e-12).sqrt() - 1).square().mean()

    failed = [finding.check for finding in check(usual, "wgan-gp").failed]
    assert all(sentence.startswith("Misuse raises") for sentence in failed), failed


def test_a_one_sided_penalty_is_compared_where_it_is_not_zero() -> None:
    def twice(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        value = gl.GradientPenalty(one_sided=True)(critic, real=real, fake=fake)
        return 2 * value - value.detach()  # the right value with twice its gradient

    report = check(twice, "GradientPenalty(one_sided=True)")
    assert any("instead of" in f.detail and "those of the ref" in f.check for f in report.failed)


@pytest.mark.parametrize(("thing", "sentence"), WRONG, ids=[name_of(thing) for thing, _ in WRONG])
def test_a_single_mistake_is_told_by_its_check(thing: object, sentence: str) -> None:
    report = check(thing)
    assert any(finding.check.startswith(sentence) for finding in report.failed), str(report)


class DeclaredToIgnoreFake(IgnoresFake):
    ignores_fake = True


def r1_of_x(D: Critic, x: Tensor) -> Tensor:
    return gl.R1()(D, real=x)


def slopes_by_other_names(net_d: Critic, images: Tensor, generated: Tensor) -> Tensor:
    return slopes(net_d, images, generated)


CORRECT = [
    Pair(),
    slopes,
    r1_of_x,
    slopes_by_other_names,
    DeclaredOneSided(),
    OfWeights(),
    DeclaredToIgnoreFake(),
    gl.FDivergence("total-variation"),
    gl.BoundaryEquilibrium(),
]


@pytest.mark.parametrize("thing", CORRECT, ids=name_of)
def test_control_without_a_mistake_nothing_fails(thing: object) -> None:
    assert check(thing).failed == []
