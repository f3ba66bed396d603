"""Realness as a distribution: the discriminator answers with more than one number."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ganloss._settings import check_settings
from ganloss.losses._pair import GANLoss, Sides


@final
@dataclass(frozen=True)
class Realness(GANLoss):
    r"""RealnessGAN: the discriminator gives a distribution of realness, drawn to two anchors.

    .. math::
        L_D &= E_x[\mathrm{KL}(A_1 \| D(x))] + E_z[\mathrm{KL}(A_0 \| D(G(z)))] \\
        L_G &= E_z[\mathrm{KL}(A_1 \| D(G(z)))] - E_z[\mathrm{KL}(A_0 \| D(G(z)))]

    Scores are the logits of K outcomes at equal steps over [-1, 1], flattened to ``(N, K)``, and D
    is their softmax. The anchors A_1 and A_0 are normal densities around ``centre`` and its
    negative. A single score s stands for the two logits (0, s): with a small ``deviation`` D's loss
    is then that of :class:`~ganloss.NonSaturating`.

    Args:
        centre: where the anchor of real samples lies, between 0 and 1.
        deviation: of both anchors.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``centre`` is not in (0, 1], or ``deviation`` is not positive.

    Shapes: logits ``(N, K)``, further dimensions flattened, or a list of scales.

    Range: D [0, ∞), G (−∞, ∞).

    Use: With a discriminator of some 20 outputs, where a single score teaches too little.

    Cost: A softmax of K logits for each sample.

    Peers: None of TF-GAN, torchgan, StudioGAN, BasicSR has it. The authors' code draws its anchors
    as histograms, of normal and of uniform random numbers, and for faces has G minimise
    KL(D(x) | D(G(z))) instead.

    References:
        Xiangli et al., "Real or Not Real, that is the Question", ICLR 2020, arXiv:2002.05512,
        sections 3.1 and 3.3.

    >>> import torch
    >>> zeros = torch.zeros(3, 2)
    >>> Realness(deviation=0.1).discriminator(real=zeros, fake=zeros)  # log 4
    tensor(1.3863)
    """

    centre: float = 0.5
    deviation: float = 0.25

    def __post_init__(self) -> None:
        check_settings(self)
        if not 0 < self.centre <= 1:
            raise ValueError(f"centre is {self.centre}; the real anchor lies between 0 and 1")
        if not self.deviation > 0:
            raise ValueError(f"deviation is {self.deviation}; it must be positive")

    def _discriminator(self, real: Tensor, fake: Tensor) -> Sides:
        return self._from(self.centre, real), self._from(-self.centre, fake)

    def _generator(self, real: Tensor | None, fake: Tensor) -> Sides:
        return None, self._from(self.centre, fake) - self._from(-self.centre, fake)

    def _from(self, centre: float, scores: Tensor) -> Tensor:
        """Divergence of each sample's distribution from an anchor, ``(N,)``."""
        logits = scores.reshape(scores.shape[0], -1)
        if logits.shape[1] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], 1)
        outcomes = logits.shape[1]
        steps = torch.arange(outcomes, dtype=logits.dtype, device=logits.device)
        places = (2 * steps + 1) / outcomes - 1
        log_p = (-0.5 * ((places - centre) / self.deviation).square()).log_softmax(0)
        return (log_p.exp() * (log_p - logits.log_softmax(1))).sum(1)
