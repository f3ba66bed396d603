"""Pairs whose scores are features: vectors without an up or down."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias, final, get_args

import torch
from torch import Tensor

from ganloss._lazy import suggest
from ganloss._processes import gathered
from ganloss._settings import check_settings
from ganloss.losses._pair import ElementwisePair, GANLoss, Sides

Kernel: TypeAlias = Literal["gaussian", "rational-quadratic"]

_BANDWIDTHS = (1.0, 2.0, 4.0, 8.0, 16.0)
_ALPHAS = (0.2, 0.5, 1.0, 2.0, 5.0)


def _vectors(scores: Tensor) -> Tensor:
    """Features as vectors ``(N, d)``."""
    return scores.flatten(1) if scores.dim() > 1 else scores[:, None]


@final
@dataclass(frozen=True)
class MaximumMeanDiscrepancy(GANLoss):
    r"""MMD-GAN: features keep real and generated samples apart, G brings them together.

    .. math::
        M &= E[k(u, u')] + E[k(v, v')] - 2 E[k(u, v)], \qquad u = D(x), \; v = D(G(z)) \\
        L_D &= -M, \qquad L_G = M

    the squared maximum mean discrepancy. Scores are features ``(N, d)``; further dimensions are
    flattened. The kernel is a sum over five widths: ``"gaussian"`` exp(-d²/(2s²)) with s = 1, 2, 4,
    8, 16, ``"rational-quadratic"`` (1 + d²/(2a))^(-a) with a = 0.2, 0.5, 1, 2, 5, for the distance
    d of two features.

    Args:
        kernel: ``"gaussian"`` (Li et al.) or ``"rational-quadratic"`` (Binkowski et al.).
        unbiased: leave a sample's kernel with itself out; needs two samples of each kind. False
            gives the biased estimate, never negative.
        across_processes: compare the batches of all processes; otherwise they are local.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``kernel`` is none of its choices; the nearest is named.

    Shapes: features ``(N, d)``, further dimensions flattened; two samples of each kind if
    unbiased.

    Range: D [-10, 10], G [-10, 10]: each of the five kernels lies in [0, 1].

    Use: With a small critic of 16 features and a gradient penalty; batches of 64 or more.

    Cost: Kernels of all pairs, 3 N² d numbers; G's step scores real samples as well.

    Peers: None of TF-GAN, torchgan, StudioGAN, BasicSR has it. MONAI's metric of the name is
    biased and linear.

    References:
        Li et al., "MMD GAN: Towards Deeper Understanding of Moment Matching Network", NeurIPS
        2017, arXiv:1705.08584, section 2.
        Binkowski et al., "Demystifying MMD GANs", ICLR 2018, arXiv:1801.01401, section 2.

    >>> import torch
    >>> loss = MaximumMeanDiscrepancy("rational-quadratic")
    >>> loss.generator(real=torch.zeros(2, 3), fake=torch.zeros(2, 3))
    tensor(0.)
    """

    batch_statistic: ClassVar[bool] = True
    generator_needs_real: ClassVar[bool] = True
    scores_are_features: ClassVar[bool] = True

    kernel: Kernel
    unbiased: bool = True
    across_processes: bool = False

    def globally(self) -> "MaximumMeanDiscrepancy":
        """Give the same pair over the batches of all processes."""
        return replace(self, across_processes=True)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.kernel not in get_args(Kernel):
            raise ValueError(
                f"no kernel {self.kernel!r}{suggest(str(self.kernel), get_args(Kernel))}; there "
                f"are {', '.join(get_args(Kernel))}"
            )

    @property
    def smallest_batch(self) -> int:
        """Two samples of each kind for the unbiased estimate."""
        return 2 if self.unbiased else 1

    @property
    def compares_samples(self) -> bool:
        """The unbiased estimate of a batch written twice is another one."""
        return self.unbiased

    def _discriminator(self, real: Tensor, fake: Tensor) -> Sides:
        of_real, of_fake = self._halves(real, fake)
        return -of_real, -of_fake

    def _generator(self, real: Tensor | None, fake: Tensor) -> Sides:
        if real is None:
            raise TypeError("the MMD generator loss needs real scores")
        return self._halves(real, fake)

    def _halves(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Each sample's kernel with its own kind less that with the other; their means add up."""
        for scores, name in ((real, "real"), (fake, "fake")):
            if scores.shape[0] < self.smallest_batch:
                raise ValueError(
                    f"{name} holds one sample; the unbiased estimate needs two, or unbiased=False"
                )
        u, v = _vectors(real), _vectors(fake)
        return self._half(u, v), self._half(v, u)

    def _half(self, own: Tensor, other: Tensor) -> Tensor:
        every = gathered(own, across_processes=self.across_processes)
        others = gathered(other, across_processes=self.across_processes)
        within = self._kernels(own, every).sum(1)
        count = every.shape[0]
        if self.unbiased:  # the kernel of a sample with itself is 1 for each of the five widths
            within, count = within - 5.0, count - 1
        return within / count - self._kernels(own, others).mean(1)

    def _kernels(self, rows: Tensor, columns: Tensor) -> Tensor:
        distance = (rows[:, None] - columns[None]).square().sum(-1)
        if self.kernel == "gaussian":
            return torch.stack([torch.exp(distance / (-2 * s * s)) for s in _BANDWIDTHS]).sum(0)
        return torch.stack([(1 + distance / (2 * a)).pow(-a) for a in _ALPHAS]).sum(0)


@final
@dataclass(frozen=True)
class Sphere(ElementwisePair):
    r"""Sphere GAN: moments of the distance from a pole, after features are put on a sphere.

    .. math::
        d(u) &= \arccos\frac{\lVert u \rVert^2 - 1}{\lVert u \rVert^2 + 1}
            = 2 \arctan\frac{1}{\lVert u \rVert} \\
        L_D &= \sum_{r=1}^{R} \big(E_z[d(D(G(z)))^r] - E_x[d(D(x))^r]\big), \qquad
        L_G = -\sum_{r=1}^{R} E_z[d(D(G(z)))^r]

    Scores are features ``(N, d)``; further dimensions are flattened. The inverse stereographic
    projection puts them on the unit sphere, where d is the distance from the north pole, at most
    3.1416. No gradient penalty is needed: all distances are bounded.

    Args:
        moments: *R*, the highest power; 3 in the paper.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``moments`` is below 1.

    Shapes: features ``(N, d)``, further dimensions flattened, or a list of scales.

    Range: D [-44.1, 44.1], G [-44.1, 0] for three moments.

    Use: With a critic of many features (1024 in the paper) and no penalty.

    Cost: One norm and one arctangent per sample.

    Peers: None of TF-GAN, torchgan, StudioGAN, BasicSR has it.

    References:
        Park & Kwon, "Sphere Generative Adversarial Network Based on Geometric Moment Matching",
        CVPR 2019, section 3.

    >>> import torch
    >>> Sphere(moments=1).generator(fake=torch.tensor([[0.6, 0.8]]))  # a quarter turn
    tensor(-1.5708)
    """

    scores_are_features: ClassVar[bool] = True

    moments: int = 3

    def __post_init__(self) -> None:
        check_settings(self)
        if self.moments < 1:
            raise ValueError(f"moments is {self.moments}; at least 1 is needed (3 in the paper)")

    def real_side(self, scores: Tensor) -> Tensor:
        """Give minus the moments of each sample, ``(N,)``."""
        return -self._moments(scores)

    def fake_side(self, scores: Tensor) -> Tensor:
        """Give the moments of each sample, ``(N,)``."""
        return self._moments(scores)

    def generator_side(self, scores: Tensor) -> Tensor:
        """Give minus the moments of each sample, ``(N,)``."""
        return -self._moments(scores)

    def _moments(self, scores: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(_vectors(scores), dim=1)
        distance = 2 * torch.atan2(torch.ones_like(norm), norm)
        return torch.stack([distance**r for r in range(1, self.moments + 1)]).sum(0)
