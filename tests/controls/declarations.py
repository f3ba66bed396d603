"""Pairs and penalties that declare what is not so: each declaration is proved by the battery."""

import torch
from torch import Tensor
from torch.nn import functional as F

from controls.peers import Critic, r1_without_its_half


class Pair:
    """The non-saturating pair, which all of these are."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator(self, *, fake: Tensor) -> Tensor:
        return F.softplus(-fake).mean()


class SizeMatters(Pair):
    """Its size does not matter."""

    compares_samples = True


class Statistic(Pair):
    """It is a mean over samples."""

    batch_statistic = True


class Energies(Pair):
    """Real scores go up."""

    real_is_low = True


class Features(Pair):
    """Scores have an up and a down."""

    scores_are_features = True


class NeedsThree(Pair):
    """Two samples are accepted."""

    smallest_batch = 3


class ScoresOnly:
    """R1, which differentiates and fails under no_grad."""

    differentiates = False

    def __call__(self, critic: Critic, *, real: Tensor, fake: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            raise RuntimeError("needs gradients")
        return r1_without_its_half(critic, real, fake)


class PenaltyStatistic:
    """R1, which is a mean over samples."""

    batch_statistic = True

    def __call__(self, critic: Critic, *, real: Tensor, fake: Tensor) -> Tensor:
        return r1_without_its_half(critic, real, fake)


class Noisy:
    """R1, which adds no noise."""

    adds_noise = True

    def __call__(self, critic: Critic, *, real: Tensor, fake: Tensor) -> Tensor:
        return r1_without_its_half(critic, real, fake)


class WeightsOnly:
    """The mean square of scores: it looks at samples."""

    of_weights = True

    def __call__(self, critic: Critic, *, real: Tensor, fake: Tensor) -> Tensor:
        return critic(real).square().mean()
