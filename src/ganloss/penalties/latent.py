"""Penalties of a generator, which run it on latents themselves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from ganloss._processes import gathered
from ganloss._random import Draws
from ganloss._scores import check_same_shape
from ganloss._settings import check_settings
from ganloss.penalties._penalty import (
    GeneratorPenalty,
    check_samples,
    full,
    generated,
    noise_like,
    widened,
)
from ganloss.penalties.critic import tied


@final
@dataclass(frozen=True)
class PathLength(GeneratorPenalty):
    r"""Path length regulariser of StyleGAN2: equal steps in latent space move images equally far.

    .. math::
        E_{w, y}\big[(\lVert J_w^T y \rVert_2 - a)^2\big], \qquad
        y \sim N(0, I / (H W))

    with J the Jacobian of the generator. Latents are ``(N, d)``, or ``(N, layers, d)``, where the
    square of the norm is the mean over layers. The moving average a of the norms is the state of
    training: :class:`PathLengthMean` holds and moves it. The paper's weight is 2.

    Args:
        average: *a*, a number or the controller's buffer.
        rate: how fast the controller moves it, 0.01 in the paper.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``rate`` is not in (0, 1].

    Shapes: latents ``(N, d)`` or ``(N, layers, d)``; images ``(N, C, ...)``.

    Range: [0, ∞).

    Use: Generators with a mapping network, every 4 to 8 steps.

    Cost: A forward pass of G and a double backward pass.

    Peers: StyleGAN2, StudioGAN, mmgeneration, BasicSR: same scale.

    References:
        Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020,
        arXiv:1912.04958, eq. 4.

    >>> import torch
    >>> PathLength(average=2.0)(lambda w: 0 * w, latents=torch.ones(3, 4)).item()
    4.0
    """

    average: float | Tensor = 0.0
    rate: float = 0.01

    def __post_init__(self) -> None:
        check_settings(self)
        if not 0 < self.rate <= 1:
            raise ValueError(f"rate is {self.rate}; it lies between 0 and 1 (0.01 in the paper)")

    def controller(self, *, across_processes: bool = False) -> "PathLengthMean":
        """Give what holds the average and moves it; it begins at ``average``."""
        return PathLengthMean(
            self.rate, average=float(self.average), across_processes=across_processes
        )

    def _penalty(
        self,
        generator: Callable[[Tensor], Tensor],
        latents: Tensor,
        others: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        return (
            (self.lengths(generator, latents=latents, random=random) - self.average).square().mean()
        )

    def lengths(
        self,
        generator: Callable[[Tensor], Tensor],
        *,
        latents: Tensor,
        random: Draws | None = None,
    ) -> Tensor:
        """Norms of each sample's random direction pulled back, ``(N,)``, differentiable.

        Raises:
            ValueError: under ``torch.no_grad()``, or the images do not depend on the latents.

        >>> import torch
        >>> PathLength().lengths(lambda w: 0 * w, latents=torch.ones(3, 4)).tolist()
        [0.0, 0.0, 0.0]
        """
        if not torch.is_grad_enabled():
            raise ValueError(
                "path length differentiates the generator, which torch.no_grad() and "
                "torch.inference_mode() forbid; compute it outside, or leave it out when evaluating"
            )
        w = latents if latents.requires_grad else latents.detach().requires_grad_(True)
        images = generated(generator, w)
        if not images.requires_grad:
            raise ValueError(
                "the images do not depend on the latents; a detach() or no_grad() inside the "
                "generator cuts the graph"
            )
        y = noise_like(images.detach(), random, "path-length") / prod(images.shape[2:]) ** 0.5
        (gradient,) = torch.autograd.grad((images * y).sum(), w, create_graph=True)
        layers = prod(gradient.shape[1:-1])
        norms = torch.linalg.vector_norm(full(gradient).flatten(1), dim=1) / layers**0.5
        return tied(norms, images.reshape(len(norms), -1).sum(1))


class PathLengthMean(nn.Module):
    r"""Controller of :class:`PathLength`: moving average of the norms.

    .. math:: a \leftarrow a + r (E \lVert J_w^T y \rVert_2 - a)

    Called as the penalty is, it moves the average first and gives the penalty with it, as
    StyleGAN2 does.

    Args:
        rate: *r*, 0.01 in the paper.
        average: where it begins.
        across_processes: average the norms of all processes; otherwise they are local.

    >>> import torch
    >>> mean = PathLengthMean(rate=0.5)
    >>> mean.update(torch.tensor([2.0, 4.0]))
    >>> mean.penalty
    PathLength(average=tensor(1.5000), rate=0.5)
    """

    average: Tensor

    def __init__(
        self, rate: float = 0.01, *, average: float = 0.0, across_processes: bool = False
    ) -> None:
        super().__init__()
        self._settings = PathLength(average, rate)
        self.across_processes = across_processes
        self.register_buffer("average", torch.tensor(float(average)))

    @property
    def penalty(self) -> PathLength:
        """The penalty with the average as it is now."""
        return PathLength(self.average.clone(), self._settings.rate)

    def forward(
        self,
        generator: Callable[[Tensor], Tensor],
        *,
        latents: Tensor,
        others: Tensor | None = None,
        random: Draws | None = None,
    ) -> Tensor:
        """Move the average by the norms at these latents, in training mode; give the penalty there.

        >>> PathLengthMean()(lambda z: 2 * z[:, :, None, None], latents=torch.randn(2, 3)).shape
        torch.Size([])
        """
        del others
        check_samples(latents, "latents", "PathLength")
        latents = widened(latents)
        with torch.autocast(latents.device.type, enabled=False):
            lengths = self._settings.lengths(generator, latents=latents, random=random)
        if self.training:
            self.update(lengths)
        return (lengths - self.average.clone()).square().mean()

    def update(self, lengths: Tensor) -> None:
        """Move the average by the norms of a step, ``(N,)``."""
        with torch.no_grad():
            mean = gathered(lengths.detach(), across_processes=self.across_processes).mean()
            mean = torch.where(mean.isfinite(), mean, self.average)  # NaN would stay for good
            self.average.lerp_(mean.to(self.average), self._settings.rate)


@final
@dataclass(frozen=True)
class ModeSeeking(GeneratorPenalty):
    r"""Mode seeking regulariser: different latents must give different samples.

    .. math::
        \Big(\frac{E\,|G(z) - G(z')|}{E\,|z - z'|} + e\Big)^{-1}

    with mean absolute distances over the batch, and e = 0.00001. The two latents of a pair share
    their condition. The paper's weight is 1.

    Args:
        across_processes: take the mean distances over all processes; otherwise they are local.

    Raises:
        TypeError: a setting is not of its type.

    Shapes: two batches of latents of one shape ``(N, ...)``; samples ``(N, ...)``.

    Range: (0, 100000].

    Use: Conditional generators that ignore their noise.

    Cost: Two forward and backward passes of G.

    Peers: None of TF-GAN, torchgan, StudioGAN, BasicSR has it; the authors' code: same scale.

    References:
        Mao et al., "Mode Seeking Generative Adversarial Networks for Diverse Image Synthesis",
        CVPR 2019, arXiv:1903.05628, eq. 3.

    >>> import torch
    >>> z = torch.zeros(2, 3)
    >>> round(ModeSeeking()(lambda z: 2 * z, latents=z, others=z + 1).item(), 4)
    0.5
    """

    needs_others: ClassVar[bool] = True
    batch_statistic: ClassVar[bool] = True

    across_processes: bool = False

    def __post_init__(self) -> None:
        check_settings(self)

    def over_all_processes(self) -> "ModeSeeking":
        """Give the same penalty of the mean distances of all processes."""
        return replace(self, across_processes=True)

    def _penalty(
        self,
        generator: Callable[[Tensor], Tensor],
        latents: Tensor,
        others: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        if others is None:
            raise TypeError("ModeSeeking needs two batches of latents")
        check_same_shape(latents, others, "latents", "others")
        moved = self._mean(generated(generator, latents) - generated(generator, others))
        return 1 / (moved / self._mean(latents - others) + 1e-5)

    def _mean(self, distance: Tensor) -> Tensor:
        local = distance.abs().mean().reshape(1)
        return gathered(local, across_processes=self.across_processes).mean()


@final
@dataclass(frozen=True)
class LatentConsistency(GeneratorPenalty):
    r"""Squared change under noise on the latent: zCR's term, for either player.

    .. math:: E_{z, \delta}\big[\lVert h(z + s \delta) - h(z) \rVert_2^2\big], \qquad
        \delta \sim N(0, I)

    For D, h is ``lambda z: D(G(z))`` with G frozen, and the weight is 5: scores should not change.
    For G, h is G itself and the weight -0.5: samples should. Together with balanced
    :class:`Consistency` it is ICR.

    Args:
        deviation: *s*, standard deviation of the noise; 0.03 in the paper.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: a number is not finite.

    Shapes: latents ``(N, ...)``; what h gives, ``(N, ...)``.

    Range: [0, ∞).

    Use: Beside balanced consistency, for a little more diversity.

    Cost: One more forward and backward pass of h.

    Peers: StudioGAN's zcr: the mean over a sample's elements in place of the sum.

    References:
        Zhao et al., "Improved Consistency Regularization for GANs", AAAI 2021, arXiv:2002.04724,
        section 2.

    >>> import torch
    >>> LatentConsistency()(lambda z: 0 * z, latents=torch.ones(3, 4)).item()
    0.0
    """

    deviation: float = 0.03

    def __post_init__(self) -> None:
        check_settings(self)

    def _penalty(
        self,
        generator: Callable[[Tensor], Tensor],
        latents: Tensor,
        others: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        moved = latents + self.deviation * noise_like(latents, random, "latent-consistency")
        change = generated(generator, moved) - generated(generator, latents)
        return change.reshape(change.shape[0], -1).square().sum(1).mean()
