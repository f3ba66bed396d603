"""Penalties on a network's weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from ganloss._random import Draws
from ganloss.penalties._penalty import Penalty
from ganloss.penalties.critic import Critic


@final
@dataclass(frozen=True)
class Orthogonal(Penalty):
    r"""Orthogonal regulariser: filters of a layer should not resemble each other.

    .. math:: \sum_W \lVert W W^T \odot (1 - I) \rVert_F^2

    over all weights of two dimensions or more, a filter being a row of W. Their lengths are free.
    It takes any network in the place of the critic, BigGAN's generator too; its weight is 0.0001.

    Shapes: a module; each weight of two dimensions or more as a matrix ``(out, rest)``.

    Range: [0, ∞).

    Use: The generator of large models, so that latents may be truncated.

    Cost: One product of each layer's filters with each other.

    Peers: StudioGAN initialises orthogonally, and has no such loss.

    References:
        Brock et al., "Large Scale GAN Training for High Fidelity Natural Image Synthesis", ICLR
        2019, arXiv:1809.11096, eq. 3.

    >>> import torch
    >>> layer = torch.nn.Linear(2, 2)
    >>> layer.weight.data = torch.tensor([[1.0, 0.0], [3.0, 1.0]])
    >>> Orthogonal()(layer).item()  # 3 twice, squared
    18.0
    """

    differentiates: ClassVar[bool] = False
    of_weights: ClassVar[bool] = True

    @property
    def needs(self) -> tuple[str, ...]:
        """No samples."""
        return ()

    def _penalty(
        self,
        critic: Callable[..., Any],
        real: Tensor | None,
        fake: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        return torch.stack([_overlap(weight) for weight in _matrices(critic)]).sum()


@final
@dataclass(frozen=True)
class Spectral(Penalty):
    r"""Spectral norm regulariser: half the squared largest singular value of every weight.

    .. math:: \frac12 \sum_W \sigma_{max}(W)^2

    over all weights of two dimensions or more, a filter being a row of W. A soft form of
    :class:`~ganloss.SpectralNorm`; its weight is 0.01 in the paper, for classifiers. Singular
    values are exact, not estimated by power iterations.

    Shapes: a module; each weight of two dimensions or more as a matrix ``(out, rest)``.

    Range: [0, ∞).

    Use: Where weights must keep their lengths, and spectral normalisation is too hard.

    Cost: A singular value decomposition of each weight; use it every few steps.

    Peers: TF-GAN spectral_norm_regularizer: the singular value itself, of one weight, by power
    iterations.

    References:
        Yoshida & Miyato, "Spectral Norm Regularization for Improving the Generalizability of Deep
        Learning", 2017, arXiv:1705.10941, eq. 3.

    >>> import torch
    >>> layer = torch.nn.Linear(2, 2)
    >>> layer.weight.data = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    >>> Spectral()(layer).item()  # 9 / 2
    4.5
    """

    differentiates: ClassVar[bool] = False
    of_weights: ClassVar[bool] = True

    @property
    def needs(self) -> tuple[str, ...]:
        """No samples."""
        return ()

    def _penalty(
        self,
        critic: Callable[..., Any],
        real: Tensor | None,
        fake: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        norms = [torch.linalg.matrix_norm(_rows(w), ord=2) for w in _matrices(critic)]
        return 0.5 * torch.stack(norms).square().sum()


class HistoricalAverages(nn.Module):
    r"""Historical averaging: parameters should stay near the mean of what they were.

    .. math:: L = \sum_\theta \Big\lVert \theta - \frac1t \sum_{i=1}^{t} \theta_i \Big\rVert^2

    A controller of either player: call it with the network for the loss, and :meth:`update` after
    each of its steps. Before the first update the loss is 0.

    Args:
        network: whose parameters are averaged.

    References:
        Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, arXiv:1606.03498,
        section 3.3.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> history = HistoricalAverages(layer)
    >>> for value in (1.0, 3.0):
    ...     _ = layer.weight.data.fill_(value)
    ...     history.update(layer)
    >>> history(layer).item()  # (3 - 2)^2
    1.0
    """

    count: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        for i, parameter in enumerate(network.parameters()):
            self.register_buffer(f"mean{i}", parameter.detach().clone())

    def forward(self, network: nn.Module) -> Tensor:
        """Give the loss of the network's parameters as they are, a 0-d tensor.

        >>> line = nn.Linear(2, 1)
        >>> HistoricalAverages(line)(line).item()  # no history yet
        0.0
        """
        pairs = zip(network.parameters(), self._means(), strict=True)
        total = torch.stack([(parameter - mean).square().sum() for parameter, mean in pairs]).sum()
        return torch.where(self.count > 0, total, 0.0 * total)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the parameters into the means; once after each step."""
        self.count += 1
        for parameter, mean in zip(network.parameters(), self._means(), strict=True):
            mean.lerp_(parameter.to(mean), 1 / self.count.to(mean))

    def _means(self) -> list[Tensor]:
        return [self.get_buffer(f"mean{i}") for i in range(len(self._buffers) - 1)]


def _matrices(critic: object) -> list[Tensor]:
    """Weights of two dimensions or more of the network itself."""
    network = critic.discriminator if isinstance(critic, Critic) else critic
    if not isinstance(network, nn.Module):
        raise TypeError(
            f"this penalty looks at weights, and {type(network).__name__} is no nn.Module: pass "
            "the network itself"
        )
    weights: list[Tensor] = [p for p in network.parameters() if p.dim() >= 2]
    if not weights:
        raise TypeError("the network has no weight of two dimensions or more")
    return weights


def _rows(weight: Tensor) -> Tensor:
    """Filters as rows, in fp32 or better."""
    rows = weight.flatten(1)
    return rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows


def _overlap(weight: Tensor) -> Tensor:
    with torch.autocast(weight.device.type, enabled=False):
        rows = _rows(weight)
        products = rows @ rows.T
        # Not the difference of two sums: near orthogonal, that would be rounding alone.
        return (products - products.diagonal().diag()).square().sum()
