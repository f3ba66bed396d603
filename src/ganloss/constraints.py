"""Constraints of a discriminator's weights, which a game applies beside its losses."""

from dataclasses import dataclass
from typing import TypeAlias, final

import torch
from torch import nn
from torch.nn.utils import parametrizations

from ganloss._settings import check_settings

_NORMALISED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d,
             nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)  # fmt: skip


@final
@dataclass(frozen=True)
class ClipWeights:
    """Clip every parameter to ``[-limit, limit]`` after each update.

    Args:
        limit: half the side of the box.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: a number is not finite.

    References:
        Arjovsky et al., "Wasserstein GAN", ICML 2017, arXiv:1701.07875, algorithm 1 (c = 0.01).

    >>> layer = nn.Linear(2, 1)
    >>> ClipWeights(0.01).prepare(layer)  # before training; after_step(layer) after each update
    >>> bool(layer.weight.abs().max() <= 0.01)
    True
    """

    limit: float = 0.01

    def __post_init__(self) -> None:
        check_settings(self)

    def prepare(self, discriminator: nn.Module) -> None:
        """Start inside the box."""
        self.after_step(discriminator)

    def after_step(self, discriminator: nn.Module) -> None:
        """Clip the parameters in place.

        >>> from torch import nn
        >>> line = nn.Linear(1, 1)
        >>> _ = line.weight.data.fill_(5.0)
        >>> ClipWeights(0.01).after_step(line)
        >>> line.weight.item() <= 0.0101
        True
        """
        with torch.no_grad():
            for parameter in discriminator.parameters():
                parameter.clamp_(-self.limit, self.limit)


@final
@dataclass(frozen=True)
class SpectralNorm:
    """Divide every linear and convolutional weight by its largest singular value.

    Uses ``torch.nn.utils.parametrizations.spectral_norm`` (one power iteration per forward pass).
    There is nothing to set; other layers are left as they are.

    References:
        Miyato et al., "Spectral Normalization for GANs", ICLR 2018, arXiv:1802.05957, eq. 8.

    >>> network = nn.Sequential(nn.Linear(2, 2))
    >>> SpectralNorm().prepare(network)
    >>> torch.nn.utils.parametrize.is_parametrized(network[0])
    True
    >>> SpectralNorm().after_step(network)  # nothing to do
    """

    def prepare(self, discriminator: nn.Module) -> None:
        """Parametrise the layers."""
        for layer in discriminator.modules():
            if isinstance(layer, _NORMALISED):
                parametrizations.spectral_norm(layer)

    def after_step(self, discriminator: nn.Module) -> None:
        """Nothing to do: the parametrisation holds by itself."""


Constraint: TypeAlias = ClipWeights | SpectralNorm
