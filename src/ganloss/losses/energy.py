"""Pairs of energies: the discriminator lowers real scores, usually errors of an autoencoder."""

from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn.functional import normalize, relu

from ganloss._processes import gathered
from ganloss._scores import check_tensor, named, per_sample, product, scales
from ganloss._settings import check_settings
from ganloss.losses._pair import ElementwisePair, PairController

Scores = Tensor | list[Tensor]


@final
@dataclass(frozen=True)
class EnergyBased(ElementwisePair):
    r"""Energy-based GAN: low energy for real samples, at least a margin for generated ones.

    .. math::
        L_D = E_x[D(x)] + E_z[\max(0,\, m - D(G(z)))], \qquad L_G = E_z[D(G(z))]

    Scores are energies, not logits: real ones go down. In the paper D(x) is the reconstruction
    error of an autoencoder, never negative; with a D without a lower bound the loss has none.

    Args:
        margin: *m*, positive: 10 for MNIST in the paper, 20 to 80 for larger images.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``margin`` is not positive.

    Shapes: energies ``(N, ...)`` or a list of scales; batches may differ in size.

    Range: D [0, ∞), G [0, ∞) for energies, which are never negative.

    Use: With an autoencoder as discriminator, and :class:`PullingAway` on its codes for G.

    Cost: One clamp per score; the autoencoder costs more.

    Peers: torchgan EnergyBased*: same scale. PyTorch-GAN's ebgan clamps the mean of
    the batch instead of each energy.

    References:
        Zhao et al., "Energy-based Generative Adversarial Network", ICLR 2017, arXiv:1609.03126,
        eqs. 1-2.

    >>> import torch
    >>> EnergyBased(margin=10.0).discriminator(real=torch.tensor([1.0]), fake=torch.tensor([4.0]))
    tensor(7.)
    """

    real_is_low: ClassVar[bool] = True

    margin: float = 10.0

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.margin > 0:
            raise ValueError(f"margin is {self.margin}; it must be positive (10 for MNIST)")

    def real_side(self, scores: Tensor) -> Tensor:
        """Give the energy."""
        return scores

    def fake_side(self, scores: Tensor) -> Tensor:
        """Give max(0, margin - energy)."""
        return relu(self.margin - scores)

    def generator_side(self, scores: Tensor) -> Tensor:
        """Give the energy."""
        return scores


@final
@dataclass(frozen=True)
class PullingAway:
    r"""Repelling regulariser of EBGAN: codes of generated samples should be orthogonal.

    .. math::
        L = \frac{1}{N (N - 1)} \sum_{i} \sum_{j \neq i}
            \Big(\frac{s_i \cdot s_j}{\lVert s_i \rVert \lVert s_j \rVert}\Big)^2

    1 for identical codes, 0 for orthogonal ones, whatever their lengths. A zero code counts as
    orthogonal to all others. It is a statistic of the whole batch, and a loss of the generator.

    Args:
        across_processes: compare the codes of all processes; otherwise those of the local batch.

    Raises:
        TypeError: a setting is not of its type.

    Shapes: codes ``(N, d)``.

    Range: [0, 1].

    Use: G's step of an energy-based GAN, on the encoder's codes; weight 0.1 in the paper.

    Cost: One product of N codes with each other.

    Peers: torchgan normalises over the batch and keeps the diagonal; PyTorch-GAN drops the square.

    References:
        Zhao et al., "Energy-based Generative Adversarial Network", ICLR 2017, arXiv:1609.03126,
        section 2.4.

    >>> import torch
    >>> PullingAway().over_all_processes()
    PullingAway(across_processes=True)
    >>> PullingAway()(torch.tensor([[3.0, 0.0], [0.0, 2.0]]))
    tensor(0.)
    """

    batch_statistic: ClassVar[bool] = True

    across_processes: bool = False

    def __post_init__(self) -> None:
        check_settings(self)

    def controller(self, *, across_processes: bool = False) -> None:
        """Give None: it has no state. As other penalties, which a loop need not tell apart."""

    def over_all_processes(self) -> "PullingAway":
        """Give the same penalty of the codes of all processes."""
        return replace(self, across_processes=True)

    def __call__(self, codes: Tensor) -> Tensor:
        """Mean squared cosine between different samples' codes.

        Args:
            codes: codes of generated samples, ``(N, ...)``, flattened to vectors; N is 2 or more.

        Raises:
            TypeError: codes are not a tensor of floating point numbers.
            ValueError: fewer than two samples.
        """
        codes = gathered(check_tensor(codes, "codes"), across_processes=self.across_processes)
        count = codes.shape[0]
        if count < 2:
            raise ValueError("codes hold one sample; pulling away needs at least two")
        # Scaled by the largest entry first: squares of tiny or huge codes leave fp32.
        flat = codes.reshape(count, -1)
        largest = flat.detach().abs().amax(1, keepdim=True)
        unit = normalize(flat / torch.where(largest > 0, largest, 1.0), dim=1)
        cosines = product(unit, unit.T)
        off_diagonal = ~torch.eye(count, dtype=torch.bool, device=codes.device)
        squares = torch.where(off_diagonal, cosines.square(), 0.0)
        return squares.sum() / (count * (count - 1))


@final
@dataclass(frozen=True)
class BoundaryEquilibrium(ElementwisePair):
    r"""BEGAN: autoencoder errors of real against generated samples, in balance.

    .. math::
        L_D = E_x[D(x)] - k\, E_z[D(G(z))], \qquad L_G = E_z[D(G(z))]

    Scores are the autoencoder's reconstruction errors, so real ones go down. *k* is the state of
    the game: :class:`BoundaryEquilibriumControl` holds it and moves it.

    Args:
        k: weight of the fake side, between 0 and 1; a number, or the controller's buffer.
        gamma: wanted ratio of the generated to the real samples' error; lower means less diverse.
        rate: how fast the controller moves k, 0.001 in the paper.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``gamma`` is not between 0 and 1.

    Shapes: energies ``(N, ...)`` or a list of scales; batches may differ in size.

    Range: D (−∞, ∞), G [0, ∞) for energies, which are never negative.

    Use: With an autoencoder as discriminator, and its controller (``controller()``).

    Cost: One mean per side; the autoencoder costs more.

    Peers: torchgan BoundaryEquilibrium*: same scale. PyTorch-GAN's began: the same.

    References:
        Berthelot et al., "BEGAN: Boundary Equilibrium Generative Adversarial Networks", 2017,
        arXiv:1703.10717, section 3.4.

    >>> import torch
    >>> real, fake = torch.tensor([3.0]), torch.tensor([2.0])
    >>> BoundaryEquilibrium(k=0.5).discriminator(real=real, fake=fake)
    tensor(2.)
    """

    real_is_low: ClassVar[bool] = True

    k: float | Tensor = 0.0
    gamma: float = 0.5
    rate: float = 1e-3

    def __post_init__(self) -> None:
        check_settings(self)
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"gamma is {self.gamma}; the ratio of errors lies between 0 and 1")

    @property
    def ignores_fake(self) -> bool:
        """Whether k is 0, where it begins."""
        return float(self.k) == 0.0

    def controller(self, *, across_processes: bool = False) -> "BoundaryEquilibriumControl":
        """Give what holds k and moves it."""
        return BoundaryEquilibriumControl(
            self.gamma, self.rate, k=float(self.k), across_processes=across_processes
        )

    def real_side(self, scores: Tensor) -> Tensor:
        """Give the error."""
        return scores

    def fake_side(self, scores: Tensor) -> Tensor:
        """Give -k times the error."""
        return -self.k * scores

    def generator_side(self, scores: Tensor) -> Tensor:
        """Give the error."""
        return scores


class BoundaryEquilibriumControl(PairController):
    r"""Controller of BEGAN: holds *k* and moves it towards the wanted ratio of errors.

    .. math::
        k \leftarrow \mathrm{clip}\big(k + \lambda (\gamma\, E\,D(x) - E\,D(G(z))),\, 0,\, 1\big)

    Args:
        gamma: wanted ratio of the generated to the real samples' error; lower means less diverse.
        rate: :math:`\lambda`, 0.001 in the paper.
        k: where k begins, 0 in the paper.
        across_processes: use the errors of all processes; otherwise k is local.

    >>> import torch
    >>> control = BoundaryEquilibriumControl(gamma=0.5, rate=0.1)
    >>> control.update(real=torch.tensor([4.0]), fake=torch.tensor([1.0]))
    >>> control.pair
    BoundaryEquilibrium(k=tensor(0.1000), gamma=0.5, rate=0.1)
    """

    k: Tensor

    def __init__(
        self,
        gamma: float = 0.5,
        rate: float = 1e-3,
        *,
        k: float = 0.0,
        across_processes: bool = False,
    ) -> None:
        super().__init__()
        self._settings = BoundaryEquilibrium(k, gamma, rate)
        self.across_processes = across_processes
        self.register_buffer("k", torch.tensor(float(k)))

    @property
    def pair(self) -> BoundaryEquilibrium:
        """The pair with k as it is now."""
        return replace(self._settings, k=self.k.clone())

    def update(self, *, real: Scores, fake: Scores) -> None:
        """Move k after a step, by the errors of real and of newly generated samples."""
        with torch.no_grad():
            drift = self._settings.gamma * self._mean(real, "real") - self._mean(fake, "fake")
            moved = (self.k + self._settings.rate * drift).clamp(0, 1)
            self.k.copy_(torch.where(moved.isfinite(), moved, self.k))  # NaN would stay for good

    @named("convergence(real=..., fake=...)")
    def convergence(self, *, real: Scores, fake: Scores) -> Tensor:
        r"""Give the global measure :math:`E\,D(x) + |\gamma\, E\,D(x) - E\,D(G(z))|`.

        >>> import torch
        >>> control = BoundaryEquilibriumControl(gamma=0.5)
        >>> control.convergence(real=torch.tensor([4.0]), fake=torch.tensor([1.0]))
        tensor(5.)
        """
        with torch.no_grad():
            error = self._mean(real, "real")
            return error + (self._settings.gamma * error - self._mean(fake, "fake")).abs()

    def _mean(self, scores: Scores, name: str) -> Tensor:
        values = torch.stack([per_sample(scale).mean() for scale in scales(scores, name)])
        total = values.sum().reshape(1)
        return gathered(total, across_processes=self.across_processes).mean().to(self.k.device)
