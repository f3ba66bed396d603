"""Relativistic pairs: a pair over a pair, comparing real with fake scores."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

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
        if not isinstance(self.base, ElementwisePair):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"the base is {self.base!r}; a relativistic loss needs a pair that scores real and "
                "fake samples separately, e.g. Relativistic(NonSaturating())"
            )

    def _discriminator(self, real: Tensor, fake: Tensor) -> Sides:
        return self.base.real_side(real - fake), None

    def _generator(self, real: Tensor | None, fake: Tensor) -> Sides:
        if real is None:
            raise TypeError("the relativistic generator loss needs real scores")
        return None, self.base.real_side(fake - real)
