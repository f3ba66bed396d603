"""Losses that are right but for one mistake each, and the check that tells of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganloss as gl
from ganloss.check import check

OURS = gl.NonSaturating()
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


class HalfOfWeights(OfWeights):
    def of(self, weights: Sequence[Tensor]) -> Tensor:
        return torch.stack([(w * w.detach()).sum() for w in weights]).sum()


def relative_to_the_target(input: Tensor, target: Tensor) -> Tensor:
    return gl.L1()(input, target) / target.abs().mean()


def largest_of_the_batch(input: Tensor, target: Tensor) -> Tensor:
    return gl.MSE()(input, target, reduction="none").amax()


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
    (RootOfWeights(), "Weights of zero get finite gradients"),
    (HalfOfWeights(), "Gradients by the weights equal finite differences"),
    (relative_to_the_target, "Degenerate inputs"),
    (largest_of_the_batch, "The loss of a batch is the mean over its samples"),
]


def name_of(thing: object) -> str:
    return getattr(thing, "__name__", type(thing).__name__)


@pytest.mark.parametrize(("thing", "sentence"), WRONG, ids=[name_of(thing) for thing, _ in WRONG])
def test_a_single_mistake_is_told_by_its_check(thing: object, sentence: str) -> None:
    report = check(thing)
    assert any(finding.check.startswith(sentence) for finding in report.failed), str(report)


class DeclaredToIgnoreFake(IgnoresFake):
    ignores_fake = True


CORRECT = [Pair(), slopes, OfWeights(), DeclaredToIgnoreFake(), gl.BoundaryEquilibrium()]


@pytest.mark.parametrize("thing", CORRECT, ids=name_of)
def test_control_without_a_mistake_nothing_fails(thing: object) -> None:
    assert check(thing).failed == []
