"""Pairs that set each sample against the whole other batch by a softmax."""

from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
from torch import Tensor

from ganloss._processes import gathered
from ganloss._scores import softplus
from ganloss._settings import check_settings
from ganloss.losses._pair import GANLoss, Sides


@final
@dataclass(frozen=True)
class DualContrastive(GANLoss):
    r"""Dual contrastive loss: tell one real sample from all fakes, and one fake from all reals.

    .. math::
        C(r, f) &= E_i\Big[\log\Big(1 + \sum_j e^{f_j - r_i}\Big)\Big]
            + E_j\Big[\log\Big(1 + \sum_i e^{f_j - r_i}\Big)\Big] \\
        L_D &= C(D(x), D(G(z))), \qquad L_G = C(D(G(z)), D(x)) \text{ or } -L_D

    Patches are contrasted place by place over the batch. The loss grows with the batch: all scores
    equal, N samples of each kind give 2 log(N + 1).

    Args:
        saturating: G minimises -L_D, the game as the paper writes it; False, as implementations
            train it, gives G a gradient where D is sure.
        across_processes: contrast with the batches of all processes; otherwise they are local.

    Raises:
        TypeError: a setting is not of its type.

    Shapes: scores ``(N, ...)`` or a list of scales; batches may differ in size. A patch is
    contrasted with those of its place.

    Range: D [0, ∞), G [0, ∞), or (−∞, 0] if saturating.

    Use: Large batches, where one sample against many is a harder question than one against one.

    Cost: Two log-sum-exps over the batch; G's step scores real samples as well.

    Peers: lightweight-gan dual_contrast: same scale, with the sides exchanged for G.

    References:
        Yu et al., "Dual Contrastive Loss and Attention for GANs", ICCV 2021, arXiv:2103.16748,
        section 3.

    >>> import torch
    >>> zeros = torch.zeros(3)
    >>> DualContrastive().discriminator(real=zeros, fake=zeros)  # 2 log 4
    tensor(2.7726)
    """

    batch_statistic: ClassVar[bool] = True
    generator_needs_real: ClassVar[bool] = True

    saturating: bool = False
    across_processes: bool = False

    def __post_init__(self) -> None:
        check_settings(self)

    def globally(self) -> "DualContrastive":
        """Give the same pair over the batches of all processes."""
        return replace(self, across_processes=True)

    @property
    def compares_samples(self) -> bool:
        """The sums run over the batch."""
        return True

    def _discriminator(self, real: Tensor, fake: Tensor) -> Sides:
        return self._contrast(real, fake)

    def _generator(self, real: Tensor | None, fake: Tensor) -> Sides:
        if real is None:
            raise TypeError("the dual contrastive generator loss needs real scores")
        if self.saturating:
            of_real, of_fake = self._contrast(real, fake)
            return -of_real, -of_fake
        of_fake, of_real = self._contrast(fake, real)
        return of_real, of_fake

    def _contrast(self, high: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of each score that should be high, and of each that should be low."""
        every_high, every_low = self._all(high), self._all(low)
        return softplus(_outweighed(high, every_low)), softplus(_outweighed(-low, -every_high))

    def _all(self, scores: Tensor) -> Tensor:
        return gathered(scores, across_processes=self.across_processes)


@final
@dataclass(frozen=True)
class SoftmaxGAN(GANLoss):
    r"""Softmax GAN: D gives all probability of the joint batch to real samples, G shares it out.

    .. math::
        \log Z &= \log\Big(\sum_i e^{r_i} + \sum_j e^{f_j}\Big) \\
        L_D &= \log Z - E\,r, \qquad
        L_G = \log Z - \frac{\sum_i r_i + \sum_j f_j}{N_r + N_f}

    with r and f the scores of real and of generated samples; the paper's are their negatives,
    energies. Patches are normalised place by place. All scores equal, N samples of each kind give
    log(2N) for both players.

    Args:
        across_processes: normalise over the batches of all processes; otherwise Z is local.

    Raises:
        TypeError: a setting is not of its type.

    Shapes: scores ``(N, ...)`` or a list of scales; batches may differ in size. A patch is
    normalised with those of its place.

    Range: D [0, ∞), G [0, ∞).

    Use: As a study of importance sampling in GANs; no published recipe needs it.

    Cost: One log-sum-exp over both batches; G's step scores real samples as well.

    Peers: PyTorch-GAN softmax_gan: same scale, scores negated, and its training step fails on
    current torch.

    References:
        Lin, "Softmax GAN", 2017, arXiv:1704.06191, section 3.

    >>> import torch
    >>> SoftmaxGAN().discriminator(real=torch.zeros(2), fake=torch.zeros(2))  # log 4
    tensor(1.3863)
    """

    batch_statistic: ClassVar[bool] = True
    generator_needs_real: ClassVar[bool] = True

    across_processes: bool = False

    def __post_init__(self) -> None:
        check_settings(self)

    def globally(self) -> "SoftmaxGAN":
        """Give the same pair over the batches of all processes."""
        return replace(self, across_processes=True)

    @property
    def compares_samples(self) -> bool:
        """Z is a sum over the batch."""
        return True

    def _discriminator(self, real: Tensor, fake: Tensor) -> Sides:
        return _outweighed(real, self._both(real, fake)), None

    def _generator(self, real: Tensor | None, fake: Tensor) -> Sides:
        if real is None:
            raise TypeError("the softmax generator loss needs real scores")
        share = real.shape[0] / (real.shape[0] + fake.shape[0])
        both = self._both(real, fake)
        return share * _outweighed(real, both), (1 - share) * _outweighed(fake, both)

    def _both(self, real: Tensor, fake: Tensor) -> Tensor:
        return torch.cat(
            [gathered(s, across_processes=self.across_processes) for s in (real, fake)]
        )


def _outweighed(scores: Tensor, rivals: Tensor) -> Tensor:
    """Log of the sum over the batch of e^(rival - score), exact where both are large."""
    top = rivals.detach().amax(0)
    top = torch.where(top.isfinite(), top, 0.0)
    # The difference comes first: beside a score of 1e4 the logarithm would lose its digits.
    return (top - scores) + torch.logsumexp(rivals - top, 0)
