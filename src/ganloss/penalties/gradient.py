"""Penalties on the gradient of the critic with respect to its input."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final, get_args

import torch
from torch import Tensor

from ganloss._processes import gathered
from ganloss._random import Draws
from ganloss._scores import check_same_shape
from ganloss._settings import check_settings
from ganloss.penalties._penalty import Penalty, noise_like
from ganloss.penalties.critic import slopes, squared_slopes

Points = Literal["interpolates", "real", "fake"]


@final
@dataclass(frozen=True)
class GradientPenalty(Penalty):
    r"""Keep the norm of the critic's input gradient at ``center``: WGAN-GP's penalty.

    .. math::
        E_{\hat x}\big[(\lVert \nabla_{\hat x} D(\hat x) \rVert_2 - c)^2\big], \qquad
        \hat x = \epsilon x + (1 - \epsilon) G(z), \quad \epsilon \sim U[0, 1]

    One :math:`\epsilon` per sample; the norm runs over all dimensions but the batch. Samples may
    have any rank and memory format. The paper's weight is 10. Do not use batch normalisation in
    the critic: the penalty is about single samples.

    Args:
        center: *c*, the wanted norm; 1 in the paper, 0 gives the zero-centred penalty.
        one_sided: punish norms above ``center`` only.
        points: where the gradient is taken: ``"interpolates"``, ``"real"`` or ``"fake"``.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``points`` is none of its choices.

    Shapes: samples ``(N, ...)`` of any rank; scores of any shape, made one number per sample.
    Interpolates need equal batches.

    Range: [0, ∞).

    Use: With :class:`~ganloss.Wasserstein` (game ``wgan-gp``). With other pairs R1 is the more
    usual choice.

    Cost: A forward pass of D at the interpolates and a double backward pass.

    Peers: TF-GAN wasserstein_gradient_penalty, StudioGAN apply_gp, CUT: same scale. torchgan takes
    the norm over the whole batch and BasicSR over the channels, which are other penalties.

    References:
        Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, arXiv:1704.00028,
        eq. 3 and algorithm 1.

    >>> import torch
    >>> critic = lambda x: x @ torch.tensor([3.0, 4.0])
    >>> x = torch.zeros(2, 2)
    >>> GradientPenalty()(critic, real=x, fake=x + 1).item()
    16.0
    """

    center: float = 1.0
    one_sided: bool = False
    points: Points = "interpolates"

    def __post_init__(self) -> None:
        check_settings(self)
        if self.points not in get_args(Points):
            raise ValueError(f"points is {self.points!r}; use one of {', '.join(get_args(Points))}")

    @property
    def needs(self) -> tuple[str, ...]:
        """Both kinds of samples, or those of ``points``."""
        return ("real", "fake") if self.points == "interpolates" else (self.points,)

    def _penalty(
        self,
        critic: Callable[..., Any],
        real: Tensor | None,
        fake: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        excess = slopes(critic, self._points(real, fake, random)) - self.center
        return (excess.relu() if self.one_sided else excess).square().mean()

    def _points(self, real: Tensor | None, fake: Tensor | None, random: Draws | None) -> Tensor:
        if real is not None and fake is not None and self.points == "interpolates":
            return interpolates(real, fake, random)
        points = real if self.points == "real" else fake
        if points is None:
            raise TypeError(f"GradientPenalty needs {' and '.join(self.needs)}")
        return points


def interpolates(real: Tensor, fake: Tensor, random: Draws | None) -> Tensor:
    """Give a random point between each real and fake sample, one epsilon per sample.

    >>> import torch
    >>> interpolates(torch.ones(3, 2), torch.ones(3, 2), None)
    tensor([[1., 1.],
            [1., 1.],
            [1., 1.]])
    """
    check_same_shape(real, fake, "real", "fake")
    count = real.shape[0]
    epsilon = (
        torch.rand(count, device=real.device, dtype=real.dtype)
        if random is None
        else random.uniform("epsilon", count, dtype=real.dtype)
    )
    # Under autocast the generator's samples are half precision beside fp32 images.
    start, epsilon = fake.detach().to(real.dtype), epsilon.reshape(count, *[1] * (real.dim() - 1))
    return torch.lerp(start, real.detach(), epsilon)


@final
@dataclass(frozen=True)
class R1(Penalty):
    r"""Zero-centred gradient penalty on real samples.

    .. math::
        R_1 = \tfrac12 E_x\big[\lVert \nabla_x D(x) \rVert_2^2\big]

    The half is the paper's, so the weight is its :math:`\gamma` (10 there; 0.05 to 150 in R3GAN,
    depending on the data).

    Shapes: samples ``(N, ...)`` of any rank; scores of any shape, made one number per sample.

    Range: [0, ∞).

    Use: Almost always: it makes non-saturating games converge locally. Raise gamma when D
    overpowers G, lower it when samples stay blurred; it scales with the resolution.

    Cost: A double backward pass; no forward pass of its own with a :class:`~ganloss.Critic`.
    Lazily (every 16 steps) nearly free.

    Peers: StudioGAN apply_r1_reg, StyleGAN3, R3GAN: same scale. GAN_stability, mmgeneration,
    BasicSR drop the half: their weight w is gamma = 2 w here.

    References:
        Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018,
        arXiv:1801.04406, eq. 9.

    >>> import torch
    >>> critic = lambda x: x @ torch.tensor([3.0, 4.0])
    >>> R1()(critic, real=torch.zeros(2, 2)).item()
    12.5
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """Real samples."""
        return ("real",)

    def _penalty(
        self,
        critic: Callable[..., Any],
        real: Tensor | None,
        fake: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        return _half_squared_gradient(critic, real)


@final
@dataclass(frozen=True)
class R2(Penalty):
    r"""Zero-centred gradient penalty on generated samples.

    .. math::
        R_2 = \tfrac12 E_z\big[\lVert \nabla_x D(G(z)) \rVert_2^2\big]

    The weight is the paper's :math:`\gamma`. R3GAN uses R1 and R2 with the same weight.

    Shapes: samples ``(N, ...)`` of any rank; scores of any shape, made one number per sample.

    Range: [0, ∞).

    Use: Beside R1, with a relativistic pair (game ``r3gan``).

    Cost: As R1.

    Peers: R3GAN: same scale. GAN_stability drops the half.

    References:
        Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018,
        arXiv:1801.04406, eq. 10.

    >>> import torch
    >>> critic = lambda x: x @ torch.tensor([3.0, 4.0])
    >>> R2()(critic, fake=torch.zeros(2, 2)).item()
    12.5
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """Generated samples."""
        return ("fake",)

    def _penalty(
        self,
        critic: Callable[..., Any],
        real: Tensor | None,
        fake: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        return _half_squared_gradient(critic, fake)


def _half_squared_gradient(critic: Callable[..., Any], x: Tensor | None) -> Tensor:
    """Half the mean squared norm of the critic's input gradient at ``x``."""
    if x is None:
        raise TypeError("a gradient penalty needs samples")
    return 0.5 * squared_slopes(critic, x).mean()


@final
@dataclass(frozen=True)
class DRAGAN(Penalty):
    r"""Gradient penalty around real samples.

    .. math::
        E_{x, \delta}\big[(\lVert \nabla_x D(x + \delta) \rVert_2 - c)^2\big], \qquad
        \delta \sim N(0, s^2 I)

    The paper's weight is 10. The authors' code adds uniform noise of up to half the standard
    deviation of the batch and a random point on the way there; here the noise is the formula's,
    of a fixed size, so that no sample's penalty depends on its batch.

    Args:
        center: *c*, the wanted norm; 1 in the paper.
        deviation: *s*, standard deviation of the noise, for data of standard deviation about 1.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: a number is not finite.

    Shapes: samples ``(N, ...)`` of any rank; scores of any shape, made one number per sample.

    Range: [0, ∞).

    Use: With :class:`~ganloss.NonSaturating` (game ``dragan``); R1 is cheaper and its successor.

    Cost: A forward pass of D at the noisy samples and a double backward pass.

    Peers: StudioGAN cal_dra_penalty: the authors' noise. torchgan takes the norm over the whole
    batch. PyTorch-GAN takes it over the channels and never trains D on its loss.

    References:
        Kodali et al., "On Convergence and Stability of GANs", 2017, arXiv:1705.07215, section 2.4.

    >>> import torch
    >>> critic = lambda x: x @ torch.tensor([3.0, 4.0])
    >>> DRAGAN()(critic, real=torch.zeros(2, 2)).item()
    16.0
    """

    adds_noise: ClassVar[bool] = True

    center: float = 1.0
    deviation: float = 0.5

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def needs(self) -> tuple[str, ...]:
        """Real samples."""
        return ("real",)

    def _penalty(
        self,
        critic: Callable[..., Any],
        real: Tensor | None,
        fake: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        if real is None:
            raise TypeError("DRAGAN needs real samples")
        points = real.detach() + self.deviation * noise_like(real, random, "dragan")
        return (slopes(critic, points) - self.center).square().mean()


@final
@dataclass(frozen=True)
class MaxGradientPenalty(Penalty):
    r"""Largest squared norm of the critic's gradient in the batch: the Lipschitz constant itself.

    .. math:: \max_{\hat x} \lVert \nabla_{\hat x} D(\hat x) \rVert_2^2, \qquad
        \hat x = \epsilon x + (1 - \epsilon) G(z), \quad \epsilon \sim U[0, 1]

    One :math:`\epsilon` per sample. Only the steepest sample of the batch is pushed.

    Args:
        across_processes: look for it in the batches of all processes; otherwise in the local one.

    Raises:
        TypeError: a setting is not of its type.

    Shapes: samples ``(N, ...)`` of any rank; scores of any shape, made one number per sample.
    Interpolates need equal batches.

    Range: [0, ∞).

    Use: With convex pairs such as :class:`~ganloss.NonSaturating`, after Lipschitz GANs; try
    weights of 0.1 to 10.

    Cost: As :class:`GradientPenalty`.

    Peers: StudioGAN cal_maxgrad_penalty: same scale.

    References:
        Zhou et al., "Lipschitz Generative Adversarial Nets", ICML 2019, arXiv:1902.05687,
        section 4.

    >>> import torch
    >>> critic = lambda x: x @ torch.tensor([3.0, 4.0])
    >>> MaxGradientPenalty()(critic, real=torch.zeros(2, 2), fake=torch.ones(2, 2)).item()
    25.0
    """

    batch_statistic: ClassVar[bool] = True

    across_processes: bool = False

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def needs(self) -> tuple[str, ...]:
        """Both kinds of samples."""
        return ("real", "fake")

    def over_all_processes(self) -> "MaxGradientPenalty":
        """Give the same penalty with ``across_processes``."""
        return replace(self, across_processes=True)

    def _penalty(
        self,
        critic: Callable[..., Any],
        real: Tensor | None,
        fake: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        if real is None or fake is None:
            raise TypeError("MaxGradientPenalty needs real and fake samples")
        squares = squared_slopes(critic, interpolates(real, fake, random))
        return gathered(squares, across_processes=self.across_processes).amax()


@final
@dataclass(frozen=True)
class WGANDiv(Penalty):
    r"""Penalty of the Wasserstein divergence: a high power of the gradient norm, without a centre.

    .. math::
        E_{\hat x}\big[\lVert \nabla_{\hat x} D(\hat x) \rVert_2^p\big], \qquad
        \hat x = \epsilon x + (1 - \epsilon) G(z), \quad \epsilon \sim U[0, 1]

    One :math:`\epsilon` per sample. The weight is the paper's k, 2. No Lipschitz constraint is
    approximated: with the penalty the loss is a divergence by itself.

    Args:
        power: *p*, at least 2; 6 in the paper.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``power`` is below 2.

    Shapes: samples ``(N, ...)`` of any rank; scores of any shape, made one number per sample.
    Interpolates need equal batches.

    Range: [0, ∞).

    Use: With :class:`~ganloss.Wasserstein` (game ``wgan-div``).

    Cost: As :class:`GradientPenalty`.

    Peers: PyTorch-GAN wgan_div: k and p the same; the mean of real and of fake samples in place of
    interpolates.

    References:
        Wu et al., "Wasserstein Divergence for GANs", ECCV 2018, arXiv:1712.01026, section 3.

    >>> import torch
    >>> critic = lambda x: x @ torch.tensor([0.0, 2.0])
    >>> WGANDiv()(critic, real=torch.zeros(2, 2), fake=torch.ones(2, 2)).item()
    64.0
    """

    power: float = 6.0

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.power >= 2:
            raise ValueError(f"power is {self.power}; at least 2 is needed (6 in the paper)")

    @property
    def needs(self) -> tuple[str, ...]:
        """Both kinds of samples."""
        return ("real", "fake")

    def _penalty(
        self,
        critic: Callable[..., Any],
        real: Tensor | None,
        fake: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        if real is None or fake is None:
            raise TypeError("WGANDiv needs real and fake samples")
        squares = squared_slopes(critic, interpolates(real, fake, random))
        return squares.pow(self.power / 2).mean()
