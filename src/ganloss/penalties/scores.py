"""Penalties on scores: no gradient of the critic's input, so D may be compiled."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from ganloss._processes import gathered
from ganloss._random import Draws
from ganloss._scores import Scores, per_sample, scales
from ganloss._settings import check_settings
from ganloss.penalties._penalty import Penalty, check_samples, noise_like
from ganloss.penalties.critic import Critic, scores_of


@final
@dataclass(frozen=True)
class Drift(Penalty):
    r"""Keep real scores near 0.

    .. math:: E_x[D(x)^2]

    A Wasserstein critic's scores may drift as one, since only differences count. The paper's
    weight is 0.001.

    Shapes: samples ``(N, ...)`` of any rank; scores of any shape, made one number per sample.

    Range: [0, ∞).

    Use: Beside a gradient penalty of a Wasserstein critic in long runs.

    Cost: None with a :class:`~ganloss.Critic`: scores are at hand; under autocast a pass in fp32.

    Peers: mmgeneration's DiscShiftLoss: the same scale, on real and on fake scores; its
    configurations halve the weight for that.

    References:
        Karras et al., "Progressive Growing of GANs", ICLR 2018, arXiv:1710.10196, appendix A.1.

    >>> import torch
    >>> Drift()(lambda x: x.sum(1), real=torch.ones(2, 3)).item()
    9.0
    """

    differentiates: ClassVar[bool] = False

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
            raise TypeError("Drift needs real samples")
        return scores_of(critic, real).square().mean()


@final
@dataclass(frozen=True)
class LeCam(Penalty):
    r"""LeCam regulariser: pull scores towards the moving average of the other side's.

    .. math:: E_x[(D(x) - a_F)^2] + E_z[(D(G(z)) - a_R)^2]

    The averages a_R of real and a_F of fake scores are the state of training:
    :class:`LeCamAverages` holds and moves them. The paper's weights are 0.01 to 0.3.

    Args:
        real_average: a_R, a number or the controller's buffer.
        fake_average: a_F, likewise.
        decay: how slowly the controller moves them, 0.99 in the paper.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``decay`` is not in [0, 1).

    Shapes: samples ``(N, ...)`` of any rank; scores of any shape, made one number per sample.

    Range: [0, ∞).

    Use: Little data, with :class:`~ganloss.Hinge`: it bounds how sure D becomes.

    Cost: None with a :class:`~ganloss.Critic`: scores are at hand; under autocast a pass in fp32.

    Peers: StudioGAN, as the authors' code: with max(0, D(x) - a_F) and max(0, a_R - D(G(z))), which
    is less where D is wrong.

    References:
        Tseng et al., "Regularizing Generative Adversarial Networks under Limited Data", CVPR 2021,
        arXiv:2104.03310, section 3.

    >>> import torch
    >>> penalty = LeCam(real_average=1.0, fake_average=-1.0)
    >>> penalty(lambda x: x.sum(1), real=torch.zeros(2, 3), fake=torch.zeros(2, 3)).item()
    2.0
    """

    differentiates: ClassVar[bool] = False

    real_average: float | Tensor = 0.0
    fake_average: float | Tensor = 0.0
    decay: float = 0.99

    def __post_init__(self) -> None:
        check_settings(self)
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay is {self.decay}; it lies between 0 and 1 (0.99 in the paper)")

    def controller(self, *, across_processes: bool = False) -> "LeCamAverages":
        """Give what holds the averages and moves them.

        They begin at those of this value. If both are 0, as by default, the first update sets them.
        """
        real, fake = float(self.real_average), float(self.fake_average)
        return LeCamAverages(self.decay, real=real, fake=fake, across_processes=across_processes)

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
            raise TypeError("LeCam needs real and fake samples")
        of_real = (scores_of(critic, real) - self.fake_average).square().mean()
        return of_real + (scores_of(critic, fake) - self.real_average).square().mean()


class LeCamAverages(nn.Module):
    r"""Controller of :class:`LeCam`: moving averages of real and of fake scores.

    .. math:: a \leftarrow \gamma a + (1 - \gamma) E\,D

    Unless they are given, the first update sets them, so no start value has to fade. Called as the
    penalty is, it gives the penalty with the averages of before, and moves them by the same scores.

    Args:
        decay: :math:`\gamma`, 0.99 in the paper.
        real: where the average of real scores begins.
        fake: likewise; if both are 0, the first update sets them.
        across_processes: average the scores of all processes; otherwise they are local.

    >>> import torch
    >>> averages = LeCamAverages()
    >>> averages.update(real=torch.ones(4), fake=-torch.ones(4))
    >>> averages.penalty
    LeCam(real_average=tensor(1.), fake_average=tensor(-1.), decay=0.99)
    """

    real: Tensor
    fake: Tensor
    started: Tensor

    def __init__(
        self,
        decay: float = 0.99,
        *,
        real: float = 0.0,
        fake: float = 0.0,
        across_processes: bool = False,
    ) -> None:
        super().__init__()
        self._settings = LeCam(real, fake, decay)
        self.across_processes = across_processes
        started = real != 0 or fake != 0
        for name, start in (("real", real), ("fake", fake), ("started", started)):
            self.register_buffer(name, torch.tensor(float(start)))

    @property
    def penalty(self) -> LeCam:
        """The penalty with the averages as they are now."""
        return LeCam(self.real.clone(), self.fake.clone(), self._settings.decay)

    def forward(
        self,
        critic: Callable[..., Any],
        *,
        real: Tensor,
        fake: Tensor,
        random: Draws | None = None,
    ) -> Tensor:
        """Give the penalty with the averages as they are; in training mode, then move them.

        >>> real, fake = torch.tensor([[1.0]]), torch.tensor([[-1.0]])
        >>> averages = LeCamAverages()
        >>> averages(lambda x: x.flatten(), real=real, fake=fake).shape
        torch.Size([])
        """
        check_samples(real, "real", "LeCam")
        check_samples(fake, "fake", "LeCam")
        critic = critic if isinstance(critic, Critic) else Critic(critic)
        scores = {"real": scores_of(critic, real), "fake": scores_of(critic, fake)}
        if self.training:
            self._begin(**scores)
        value = self.penalty(critic, real=real, fake=fake, random=random)
        if self.training:
            self.update(**scores)
        return value

    def update(self, *, real: Scores, fake: Scores) -> None:
        """Move the averages after a step of D, by the scores of that step."""
        self._move(real, fake, 1.0 - self._settings.decay * self.started)

    def _begin(self, *, real: Tensor, fake: Tensor) -> None:
        """Set averages that were never moved; done without asking the device whether they were."""
        self._move(real, fake, 1.0 - self.started)

    @torch.no_grad()
    def _move(self, real: Scores, fake: Scores, share: Tensor) -> None:
        for average, scores, name in ((self.real, real, "real"), (self.fake, fake, "fake")):
            found = self._mean(scores, name).to(average)
            average.lerp_(torch.where(found.isfinite(), found, average), share)  # NaN would stay
        self.started.fill_(1.0)

    def _mean(self, scores: Scores, name: str) -> Tensor:
        values = torch.stack([per_sample(scale).mean() for scale in scales(scores, name)])
        return gathered(values.sum().reshape(1), across_processes=self.across_processes).mean()


@final
@dataclass(frozen=True)
class ApproximateR1(Penalty):
    r"""R1 by finite differences: no double backward, so D may be compiled.

    .. math::
        \frac{1}{2 s^2} E_{x, \delta}\big[(D(x + s \delta) - D(x))^2\big], \qquad
        \delta \sim N(0, I)

    To first order in s its mean is that of :class:`~ganloss.R1`, with the same weight
    :math:`\gamma`. The paper leaves the factor out: its weight is :math:`\gamma / (2 s^2)`.

    Args:
        deviation: *s*; 0.01 for images in [-1, 1] in the paper, 0.1 for videos.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``deviation`` is not positive.

    Shapes: samples ``(N, ...)`` of any rank; scores of any shape, made one number per sample.

    Range: [0, ∞).

    Use: Where D is compiled, or its layers have no second derivative (fused attention).

    Cost: One forward and backward pass of D; noisier than R1 by a factor of 3 in the mean square.

    Peers: None of TF-GAN, torchgan, StudioGAN, BasicSR has it.

    References:
        Lin et al., "Diffusion Adversarial Post-Training for One-Step Video Generation", 2025,
        arXiv:2501.08316, section 3.

    >>> import torch
    >>> critic = lambda x: x @ torch.tensor([3.0, 4.0])
    >>> _ = torch.manual_seed(0)
    >>> abs(ApproximateR1()(critic, real=torch.zeros(100_000, 2)).item() - 12.5) < 0.3
    True
    """

    differentiates: ClassVar[bool] = False
    adds_noise: ClassVar[bool] = True

    deviation: float = 0.01

    def __post_init__(self) -> None:
        check_settings(self)
        _check_deviation(self.deviation)

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
        return _half_squared_difference(critic, real, self.deviation, random, "approximate-r1")


@final
@dataclass(frozen=True)
class ApproximateR2(Penalty):
    r"""R2 by finite differences: :class:`ApproximateR1` on generated samples.

    .. math::
        \frac{1}{2 s^2} E_{z, \delta}\big[(D(G(z) + s \delta) - D(G(z)))^2\big], \qquad
        \delta \sim N(0, I)

    Args:
        deviation: *s*; as for :class:`ApproximateR1`.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``deviation`` is not positive.

    Shapes: samples ``(N, ...)`` of any rank; scores of any shape, made one number per sample.

    Range: [0, ∞).

    Use: Beside :class:`ApproximateR1`, with the same weight.

    Cost: As :class:`ApproximateR1`.

    Peers: None of TF-GAN, torchgan, StudioGAN, BasicSR has it.

    References:
        Lin et al., "Autoregressive Adversarial Post-Training for Real-Time Interactive Video
        Generation", 2025, arXiv:2506.09350, section 3.

    >>> import torch
    >>> critic = lambda x: x @ torch.tensor([3.0, 4.0])
    >>> _ = torch.manual_seed(0)
    >>> abs(ApproximateR2()(critic, fake=torch.zeros(100_000, 2)).item() - 12.5) < 0.3
    True
    """

    differentiates: ClassVar[bool] = False
    adds_noise: ClassVar[bool] = True

    deviation: float = 0.01

    def __post_init__(self) -> None:
        check_settings(self)
        _check_deviation(self.deviation)

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
        return _half_squared_difference(critic, fake, self.deviation, random, "approximate-r2")


def _check_deviation(deviation: float) -> None:
    if not deviation > 0:
        raise ValueError(f"deviation is {deviation}; it must be positive (0.01 in the paper)")


def _half_squared_difference(
    critic: Callable[..., Any],
    x: Tensor | None,
    deviation: float,
    random: Draws | None,
    stream: str,
) -> Tensor:
    if x is None:
        raise TypeError("a penalty needs samples")
    moved = x.detach() + deviation * noise_like(x, random, stream)
    slopes = (scores_of(critic, moved) - scores_of(critic, x)) / deviation
    return 0.5 * slopes.square().mean()
