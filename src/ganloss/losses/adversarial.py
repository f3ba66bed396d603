"""The classic pairs: each looks at every score alone."""

from dataclasses import dataclass, field
from math import log
from typing import final

from torch import Tensor
from torch.nn.functional import relu

from ganloss._scores import Scores, named, softplus
from ganloss._settings import check_settings
from ganloss.losses._pair import ElementwisePair


@final
@dataclass(frozen=True)
class Minimax(ElementwisePair):
    r"""The original two-player game; the generator's loss saturates.

    .. math::
        V(D, G) &= E_x[\log \sigma(D(x))] + E_z[\log(1 - \sigma(D(G(z))))] \\
        L_D &= -V = E_x[\mathrm{softplus}(-D(x))] + E_z[\mathrm{softplus}(D(G(z)))] \\
        L_G &= -E_z[\mathrm{softplus}(D(G(z)))]

    Computed from raw scores by softplus, so it is exact where log(1 - sigmoid) is not. At the
    best discriminator the value is -log 4 + 2 JS(p, q).

    Shapes: scores ``(N, ...)`` or a list of scales; batches may differ in size.

    Range: D [0, ∞), G (−∞, 0].

    Use: To study the original game. In practice prefer :class:`NonSaturating`: this G learns
    nothing where D is sure.

    Cost: One softplus per score and side.

    Peers: TF-GAN minimax_*, torchgan Minimax*: same scale. mimicry's minimax_loss_gen is in fact
    the non-saturating one.

    References:
        Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, arXiv:1406.2661, eq. 1.

    >>> import torch
    >>> zeros = torch.zeros(4)
    >>> Minimax().value(real=zeros, fake=zeros)
    tensor(-1.3863)
    >>> Minimax().generator(fake=zeros)
    tensor(-0.6931)
    """

    @property
    def undecided(self) -> float:
        """Even chances, 0."""
        return 0.0

    def real_side(self, scores: Tensor) -> Tensor:
        """Give softplus(-score)."""
        return softplus(-scores)

    def fake_side(self, scores: Tensor) -> Tensor:
        """Give softplus(score)."""
        return softplus(scores)

    def generator_side(self, scores: Tensor) -> Tensor:
        """Give -softplus(score)."""
        return -softplus(scores)

    @named("value(real=..., fake=...)")
    def value(self, *, real: Scores, fake: Scores) -> Tensor:
        """Value V(D, G) of the game, which the discriminator maximises; at most 0.

        >>> import torch
        >>> Minimax().value(real=torch.tensor([200.0]), fake=torch.tensor([-200.0]))
        tensor(-0.)
        """
        return -self.discriminator(real=real, fake=fake)


@final
@dataclass(frozen=True)
class NonSaturating(ElementwisePair):
    r"""Binary cross-entropy with the generator's labels flipped: the usual "GAN loss".

    .. math::
        L_D &= E_x[H_a(D(x))] + E_z[H_b(D(G(z)))], \qquad L_G = E_z[H_c(D(G(z)))] \\
        H_a(s) &= a\,\mathrm{softplus}(-s) + (1 - a)\,\mathrm{softplus}(s)

    Also known as vanilla, bce, logistic or nsgan.

    Args:
        real_label: label *a* of real samples; 0.9 is one-sided label smoothing.
        fake_label: label *b* of generated samples for D, 0 in the paper.
        generator_label: label *c* that G wants for them, 1 in the paper.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: a label is not between 0 and 1.

    Shapes: scores ``(N, ...)`` or a list of scales; batches may differ in size.

    Range: D [0, ∞), G [0, ∞).

    Use: The first choice for a new GAN, best with R1 (game ``ns-r1``) or relativistic with R1 and
    R2 (``r3gan``).

    Cost: One softplus per score and side.

    Peers: TF-GAN modified_*, StudioGAN and BasicSR vanilla, BasicSR wgan_softplus, StyleGAN
    logistic: same scale. junyanz vanilla, pix2pix: D
    times 1/2.

    References:
        Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, arXiv:1406.2661, section 3.
        Salimans et al., "Improved Techniques for Training GANs", 2016, arXiv:1606.03498,
        section 3.4 (one-sided label smoothing).

    >>> import torch
    >>> zeros = torch.zeros(4)
    >>> NonSaturating().discriminator(real=zeros, fake=zeros)
    tensor(1.3863)
    >>> NonSaturating().generator(fake=torch.tensor([-104.0]))
    tensor(104.)
    """

    real_label: float = 1.0
    fake_label: float = field(default=0.0, kw_only=True)
    generator_label: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        check_settings(self)
        for name in ("real_label", "fake_label", "generator_label"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}; a label lies between 0 and 1")

    @property
    def undecided(self) -> float | None:
        """Logit of the mean label, 0, or a little less with one-sided smoothing."""
        mean = (self.real_label + self.fake_label) / 2
        return log(mean / (1 - mean)) if 0 < mean < 1 else None

    def real_side(self, scores: Tensor) -> Tensor:
        """Give the cross-entropy of real scores against ``real_label``."""
        return _cross_entropy(scores, self.real_label)

    def fake_side(self, scores: Tensor) -> Tensor:
        """Give the cross-entropy of fake scores against ``fake_label``."""
        return _cross_entropy(scores, self.fake_label)

    def generator_side(self, scores: Tensor) -> Tensor:
        """Give the cross-entropy of fake scores against ``generator_label``."""
        return _cross_entropy(scores, self.generator_label)


def _cross_entropy(scores: Tensor, label: float) -> Tensor:
    # A zero coefficient is left out: 0 * softplus(inf) would be nan.
    if label == 1.0:
        return softplus(-scores)
    if label == 0.0:
        return softplus(scores)
    return label * softplus(-scores) + (1 - label) * softplus(scores)


@final
@dataclass(frozen=True)
class Wasserstein(ElementwisePair):
    r"""Wasserstein critic; needs a Lipschitz constraint beside it.

    .. math::
        L_D = E_z[D(G(z))] - E_x[D(x)], \qquad L_G = -E_z[D(G(z))]

    Without weight clipping, a gradient penalty or spectral norm the critic grows without bound.
    In ``GAMES``, ``wgan`` clips and ``wgan-gp`` carries the penalty.

    Shapes: scores ``(N, ...)`` or a list of scales; batches may differ in size.

    Range: D (−∞, ∞), G (−∞, ∞).

    Use: With a gradient penalty, when scores should follow the quality of samples.

    Cost: One mean per side; the penalty beside it costs about as much as two more backward passes
    of D.

    Peers: TF-GAN wasserstein_*, StudioGAN wasserstein, BasicSR wgan: same scale. junyanz wgangp: D
    times 1/2, and its penalty is never applied.

    References:
        Arjovsky et al., "Wasserstein GAN", ICML 2017, arXiv:1701.07875, eqs. 2-3 and algorithm 1.

    >>> import torch
    >>> real, fake = torch.tensor([3.0, 5.0]), torch.tensor([1.0, 2.0])
    >>> Wasserstein().discriminator(real=real, fake=fake)
    tensor(-2.5000)
    >>> Wasserstein().distance(real=real, fake=fake)
    tensor(2.5000)
    """

    def real_side(self, scores: Tensor) -> Tensor:
        """Give -score."""
        return -scores

    def fake_side(self, scores: Tensor) -> Tensor:
        """Give the score."""
        return scores

    def generator_side(self, scores: Tensor) -> Tensor:
        """Give -score."""
        return -scores

    @named("distance(real=..., fake=...)")
    def distance(self, *, real: Scores, fake: Scores) -> Tensor:
        """Estimate W = E D(x) - E D(G(z)); a lower bound for a 1-Lipschitz critic.

        >>> import torch
        >>> Wasserstein().distance(real=torch.ones(2), fake=torch.zeros(2))
        tensor(1.)
        """
        return -self.discriminator(real=real, fake=fake)


@final
@dataclass(frozen=True)
class LeastSquares(ElementwisePair):
    r"""Least squares GAN.

    .. math::
        L_D &= \tfrac12 E_x[(D(x) - b)^2] + \tfrac12 E_z[(D(G(z)) - a)^2] \\
        L_G &= \tfrac12 E_z[(D(G(z)) - c)^2]

    The halves are the paper's.

    Args:
        fake_target: *a*.
        real_target: *b*.
        generator_target: *c*. With (a, b, c) = (-1, 1, 0) G minimises a Pearson chi-square.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: a number is not finite.

    Shapes: scores ``(N, ...)`` or a list of scales; batches may differ in size.

    Range: D [0, ∞), G [0, ∞).

    Use: Image-to-image work with a patch discriminator: pix2pix and CycleGAN train well with it.

    Cost: One square per score and side.

    Peers: TF-GAN least_squares_*, torchgan LeastSquares*, StudioGAN least_square: same scale.
    junyanz lsgan: D the same, G times 2. BasicSR and mmgeneration lsgan: both times 2.

    References:
        Mao et al., "Least Squares GANs", ICCV 2017, arXiv:1611.04076, eqs. 2, 8 and 9.

    >>> import torch
    >>> real, fake = torch.tensor([0.8]), torch.tensor([0.3])
    >>> LeastSquares().discriminator(real=real, fake=fake)
    tensor(0.0650)
    >>> LeastSquares(-1.0, 1.0, 0.0).generator(fake=fake)
    tensor(0.0450)
    """

    fake_target: float = 0.0
    real_target: float = 1.0
    generator_target: float = 1.0

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def undecided(self) -> float:
        """Halfway between the targets."""
        return (self.fake_target + self.real_target) / 2

    def real_side(self, scores: Tensor) -> Tensor:
        """Give half the squared distance to ``real_target``."""
        return 0.5 * (scores - self.real_target).square()

    def fake_side(self, scores: Tensor) -> Tensor:
        """Give half the squared distance to ``fake_target``."""
        return 0.5 * (scores - self.fake_target).square()

    def generator_side(self, scores: Tensor) -> Tensor:
        """Give half the squared distance to ``generator_target``."""
        return 0.5 * (scores - self.generator_target).square()


@final
@dataclass(frozen=True)
class Hinge(ElementwisePair):
    r"""Hinge loss: push real scores above ``margin`` and fake scores below ``-margin``.

    .. math::
        L_D &= E_x[\max(0,\, m - D(x))] + E_z[\max(0,\, n + D(G(z)))] \\
        L_G &= -E_z[D(G(z))]

    Args:
        margin: *m*, positive; 1 in the papers. Scores beyond it give D no gradient.
        fake_margin: *n*, positive; *m* by default.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: a margin is not positive.

    Shapes: scores ``(N, ...)`` or a list of scales; batches may differ in size.

    Range: D [0, ∞), G (−∞, ∞).

    Use: Larger class-conditional models with spectral norm (SAGAN, BigGAN); game ``hinge``.

    Cost: One clamp per score and side.

    Peers: TF-GAN wasserstein_hinge_*, StudioGAN, BasicSR and mmgeneration hinge: same scale.
    lightweight-gan inverts the sign. MONAI applies it to tanh(D), which is another loss.

    References:
        Lim & Ye, "Geometric GAN", 2017, arXiv:1705.02894.
        Miyato et al., "Spectral Normalization for GANs", ICLR 2018, arXiv:1802.05957, eqs. 16-17.

    >>> import torch
    >>> Hinge().discriminator(real=torch.tensor([2.0, 0.5]), fake=torch.tensor([-3.0, 0.0]))
    tensor(0.7500)
    >>> Hinge().generator(fake=torch.tensor([-3.0, 0.0]))
    tensor(1.5000)
    """

    margin: float = 1.0
    fake_margin: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_settings(self)
        for name in ("margin", "fake_margin"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be positive (1 in the papers)")

    @property
    def undecided(self) -> float:
        """Between the margins, 0."""
        return 0.0

    def real_side(self, scores: Tensor) -> Tensor:
        """Give max(0, margin - score)."""
        return relu(self.margin - scores)

    def fake_side(self, scores: Tensor) -> Tensor:
        """Give max(0, fake_margin + score)."""
        return relu((self.fake_margin or self.margin) + scores)

    def generator_side(self, scores: Tensor) -> Tensor:
        """Give -score."""
        return -scores


@final
@dataclass(frozen=True)
class BoundarySeeking(ElementwisePair):
    r"""Boundary-seeking GAN for continuous data: G moves its samples to D's decision boundary.

    .. math::
        L_D &= E_x[\mathrm{softplus}(-D(x))] + E_z[\mathrm{softplus}(D(G(z)))] \\
        L_G &= \tfrac12 E_z\big[(\log \sigma(D(G(z))) - \log(1 - \sigma(D(G(z)))))^2\big]
            = \tfrac12 E_z[D(G(z))^2]

    The difference of logarithms is the raw score itself. D is that of :class:`NonSaturating`.

    Shapes: scores ``(N, ...)`` or a list of scales; batches may differ in size.

    Range: D [0, ∞), G [0, ∞).

    Use: Rarely: G stops where D is undecided, whichever side a sample is on.

    Cost: One softplus per score for D, one square for G.

    Peers: PyTorch-GAN bgan, from probabilities: G at the same scale, D halved.

    References:
        Hjelm et al., "Boundary-Seeking Generative Adversarial Networks", ICLR 2018,
        arXiv:1702.08431, section 3.

    >>> import torch
    >>> BoundarySeeking().generator(fake=torch.tensor([3.0, -1.0]))
    tensor(2.5000)
    """

    @property
    def undecided(self) -> float:
        """Even chances, 0."""
        return 0.0

    def real_side(self, scores: Tensor) -> Tensor:
        """Give softplus(-score)."""
        return softplus(-scores)

    def fake_side(self, scores: Tensor) -> Tensor:
        """Give softplus(score)."""
        return softplus(scores)

    def generator_side(self, scores: Tensor) -> Tensor:
        """Give half the squared score."""
        return 0.5 * scores.square()
