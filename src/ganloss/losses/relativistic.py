"""Relativistic pairs: a pair over a pair, comparing real with fake scores."""

from dataclasses import dataclass, replace
from typing import ClassVar, final

from torch import Tensor

from ganloss.losses._global import mean_of_all
from ganloss.losses._pair import ElementwisePair, GANLoss, Sides


@final
@dataclass(frozen=True)
class Relativistic(GANLoss):
    r"""Relativistic paired loss over any elementwise base.

    With *a* the base's discriminator loss of a real score,

    .. math::
        L_D = E[a(D(x) - D(G(z)))], \qquad L_G = E[a(D(G(z)) - D(x))]

    Sample *i* of the real batch meets sample *i* of the fake batch, so batches must be equal.
    ``real_weight`` weighs the pairs in D's loss, ``fake_weight`` those in G's.
    ``Relativistic(NonSaturating())`` is RpGAN, the loss of R3GAN.

    Args:
        base: an elementwise pair, e.g. ``NonSaturating()``, ``Hinge()``, ``LeastSquares()``.

    Raises:
        TypeError: the base has no separate loss for real scores.

    Use: With R1 and R2 (game ``r3gan``): the simplest recipe known to reach modern results. It
    keeps G from dropping modes, since each fake is judged beside a real sample.

    Cost: The base's on half as many numbers; G's step scores real samples as well.

    Peers: R3GAN: same scale. TF-GAN has the average form only, which is another loss.

    References:
        Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019, arXiv:1807.00734,
        eqs. 3-4.
        Huang et al., "The GAN is dead; long live the GAN!", 2024, arXiv:2501.05441, section 2.

    >>> import torch
    >>> from ganloss import NonSaturating
    >>> loss = Relativistic(NonSaturating())
    >>> loss.discriminator(real=torch.tensor([2.0]), fake=torch.tensor([-1.0]))
    tensor(0.0486)
    >>> loss.generator(real=torch.tensor([2.0]), fake=torch.tensor([-1.0]))
    tensor(3.0486)
    """

    paired: ClassVar[bool] = True
    generator_needs_real: ClassVar[bool] = True

    base: ElementwisePair

    def __post_init__(self) -> None:
        _check_base(self.base)

    def _discriminator(self, real: Tensor, fake: Tensor) -> Sides:
        return self.base.real_side(real - fake), None

    def _generator(self, real: Tensor | None, fake: Tensor) -> Sides:
        if real is None:
            raise TypeError("the relativistic generator loss needs real scores")
        return None, self.base.real_side(fake - real)


@final
@dataclass(frozen=True)
class RelativisticAverage(GANLoss):
    r"""Relativistic average loss over any elementwise base.

    With *a* and *b* the base's discriminator losses of a real and of a fake score,

    .. math::
        L_D = E_x[a(D(x) - \bar F)] + E_z[b(D(G(z)) - \bar R)], \qquad
        L_G = E_z[a(D(G(z)) - \bar R)] + E_x[b(D(x) - \bar F)]

    where :math:`\bar R` and :math:`\bar F` are the means of all real and all fake scores of a
    scale, into which gradients flow and weights do not enter. The batches may differ in size.

    Args:
        base: an elementwise pair, e.g. ``NonSaturating()``, ``Hinge()``, ``LeastSquares(-1, 1)``.
        across_processes: take the means over all processes of a distributed run, each with
            equally many samples. Otherwise they are those of this process.

    Raises:
        TypeError: the base has no separate losses for real and fake scores.

    Use: Games ``ragan``, ``ralsgan``, ``rahinge``: steadier than their bases without a penalty.
    With R1 and R2 the paired form, :class:`Relativistic`, does as well and has no batch statistic.

    Cost: The base's, twice; G's step scores real samples as well.

    Peers: TF-GAN relativistic_*, torchgan and ESRGAN (BasicSR) halve it: ours is twice theirs.
    The published RaLSGAN is twice ours with ``LeastSquares(-1, 1)``, which has the ½ of LSGAN.

    References:
        Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019, arXiv:1807.00734,
        eqs. 5-8.

    >>> import torch
    >>> from ganloss import LeastSquares
    >>> real, fake = torch.tensor([0.8, 0.4]), torch.tensor([0.3, -0.2])
    >>> loss = RelativisticAverage(LeastSquares(-1, 1))
    >>> 2 * loss.discriminator(real=real, fake=fake)
    tensor(0.5075)
    >>> 2 * loss.generator(real=real, fake=fake)
    tensor(4.9075)
    """

    batch_statistic: ClassVar[bool] = True
    generator_needs_real: ClassVar[bool] = True

    base: ElementwisePair
    across_processes: bool = False

    def __post_init__(self) -> None:
        _check_base(self.base)

    def globally(self) -> "RelativisticAverage":
        """Give the same pair with means over all processes."""
        return replace(self, across_processes=True)

    def _discriminator(self, real: Tensor, fake: Tensor) -> Sides:
        real_mean, fake_mean = self._mean(real), self._mean(fake)
        return self.base.real_side(real - fake_mean), self.base.fake_side(fake - real_mean)

    def _generator(self, real: Tensor | None, fake: Tensor) -> Sides:
        if real is None:
            raise TypeError("the relativistic generator loss needs real scores")
        real_mean, fake_mean = self._mean(real), self._mean(fake)
        return self.base.fake_side(real - fake_mean), self.base.real_side(fake - real_mean)

    def _mean(self, scores: Tensor) -> Tensor:
        return mean_of_all(scores) if self.across_processes else scores.mean()


def _check_base(base: object) -> None:
    if not isinstance(base, ElementwisePair):
        raise TypeError(
            f"the base is {base!r}; a relativistic loss needs a pair that scores real and "
            "fake samples separately, e.g. Relativistic(NonSaturating())"
        )
