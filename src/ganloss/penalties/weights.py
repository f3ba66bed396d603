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
        weights = [p for p in _network(critic).parameters() if p.dim() >= 2]
        if not weights:
            raise TypeError("the network has no weight of two dimensions or more")
        return torch.stack([_overlap(weight) for weight in weights]).sum()


def _network(critic: object) -> nn.Module:
    network = critic.discriminator if isinstance(critic, Critic) else critic
    if not isinstance(network, nn.Module):
        raise TypeError(
            f"Orthogonal looks at weights, and {type(network).__name__} is no nn.Module: pass the "
            "network itself"
        )
    return network


def _overlap(weight: Tensor) -> Tensor:
    with torch.autocast(weight.device.type, enabled=False):
        rows = weight.flatten(1)
        rows = rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows
        products = rows @ rows.T
        return products.square().sum() - products.diagonal().square().sum()
