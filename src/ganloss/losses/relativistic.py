"""Relativistic pairs: a pair over a pair, comparing real with fake scores."""

from dataclasses import dataclass, replace
from typing import ClassVar, final

from torch import Tensor

from ganloss._processes import gathered
from ganloss._settings import check_settings
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

    Shapes: scores ``(N, ...)`` or a list of scales; equal batches.

    Range: D and G that of the base: [0, ∞) over those that are never negative.

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
        _check_base(self.base, type(self).__name__)

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
        L_D &= E[a(D(x) - E\,D(G(z)))] + E[b(D(G(z)) - E\,D(x))] \\
        L_G &= E[a(D(G(z)) - E\,D(x))] + E[b(D(x) - E\,D(G(z)))]

    The inner means run over all scores of a scale; weights of samples do not enter them. Batches
    may differ in size. ``RelativisticAverage(NonSaturating())`` is RaSGAN, over ``Hinge()``
    RaHingeGAN; the published RaLSGAN is twice the loss over ``LeastSquares(-1, 1)``, whose halves
    it lacks.

    Args:
        base: an elementwise pair, e.g. ``NonSaturating()``, ``Hinge()``, ``LeastSquares(-1, 1)``.
        across_processes: take the inner means over all processes; otherwise they are local.

    Raises:
        TypeError: the base has no separate losses for real and fake scores.

    Shapes: scores ``(N, ...)`` or a list of scales; batches may differ in size.

    Range: D and G that of the base: [0, ∞) over those that are never negative.

    Use: Super-resolution after ESRGAN, and as a steadier :class:`Relativistic` in large batches
    (games ``ragan``, ``ralsgan``, ``rahinge``).

    Cost: The base's twice; G's step scores real samples as well.

    Peers: TF-GAN relativistic_*: same scale over the logistic loss. BasicSR's ESRGAN: times 1/2.
    PyTorch-GAN's esrgan has one half of G's loss only.

    References:
        Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019, arXiv:1807.00734,
        section 4 and appendix A.

    >>> import torch
    >>> from ganloss import LeastSquares
    >>> loss = RelativisticAverage(LeastSquares(-1.0, 1.0))
    >>> real, fake = torch.tensor([0.8, 0.4]), torch.tensor([0.3, -0.2])
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
        check_settings(self)
        _check_base(self.base, type(self).__name__)

    def globally(self) -> "RelativisticAverage":
        """Give the same pair with means over all processes."""
        return replace(self, across_processes=True)

    def _discriminator(self, real: Tensor, fake: Tensor) -> Sides:
        return (
            self.base.real_side(real - self._mean(fake)),
            self.base.fake_side(fake - self._mean(real)),
        )

    def _generator(self, real: Tensor | None, fake: Tensor) -> Sides:
        if real is None:
            raise TypeError("the relativistic generator loss needs real scores")
        return (
            self.base.fake_side(real - self._mean(fake)),
            self.base.real_side(fake - self._mean(real)),
        )

    def _mean(self, scores: Tensor) -> Tensor:
        return gathered(scores, across_processes=self.across_processes).mean()


def _check_base(base: object, name: str) -> None:
    if not isinstance(base, ElementwisePair):
        raise TypeError(
            f"the base is {base!r}; a relativistic loss needs a pair that scores real and "
            f"fake samples separately, e.g. {name}(NonSaturating())"
        )
