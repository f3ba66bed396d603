"""Settings of optimisers, as values."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import final

import torch
from torch import Tensor

from ganloss._settings import check_settings


@final
@dataclass(frozen=True)
class Adam:
    """Adam, in torch's fused implementation.

    Args:
        lr: learning rate.
        betas: how slowly the averages of the gradient and of its square forget.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: a rate below 0, or betas that are not at least 0 and below 1.

    >>> Adam(2e-4, (0.5, 0.999))
    Adam(lr=0.0002, betas=(0.5, 0.999))
    >>> type(Adam().build(torch.nn.Linear(2, 1).parameters())).__name__
    'Adam'
    """

    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)

    def __post_init__(self) -> None:
        check_settings(self)
        _check_rate(self.lr)
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(
                f"betas are {self.betas}; both are at least 0 and below 1, e.g. (0.5, 0.9)"
            )

    def build(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        """Make the optimiser for these parameters."""
        return torch.optim.Adam(parameters, lr=self.lr, betas=self.betas, fused=True)


@final
@dataclass(frozen=True)
class RMSprop:
    """RMSprop, with torch's multi-tensor implementation.

    Args:
        lr: learning rate.
        alpha: how slowly the average of the gradient's square forgets.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: a rate below 0, or an alpha that is not at least 0 and below 1.

    >>> RMSprop(5e-5)
    RMSprop(lr=5e-05, alpha=0.99)
    >>> type(RMSprop().build(torch.nn.Linear(2, 1).parameters())).__name__
    'RMSprop'
    """

    lr: float = 5e-5
    alpha: float = 0.99

    def __post_init__(self) -> None:
        check_settings(self)
        _check_rate(self.lr)
        if not 0 <= self.alpha < 1:
            raise ValueError(f"alpha is {self.alpha}; it is at least 0 and below 1, e.g. 0.99")

    def build(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        """Make the optimiser for these parameters."""
        return torch.optim.RMSprop(parameters, lr=self.lr, alpha=self.alpha, foreach=True)


def _check_rate(lr: float) -> None:
    if lr < 0:
        raise ValueError(f"lr is {lr}; a learning rate is 0 or more, e.g. 2e-4")


@final
@dataclass(frozen=True)
class Optimisers:
    """One optimiser for each player.

    Args:
        generator, discriminator: settings of theirs.

    Raises:
        TypeError: one is neither :class:`Adam` nor :class:`RMSprop`.

    >>> Optimisers.both(Adam(1e-4)).discriminator
    Adam(lr=0.0001, betas=(0.5, 0.999))
    """

    generator: Adam | RMSprop = field(default_factory=Adam)
    discriminator: Adam | RMSprop = field(default_factory=Adam)

    def __post_init__(self) -> None:
        for player in fields(self):
            given = getattr(self, player.name)
            if not isinstance(given, Adam | RMSprop):
                raise TypeError(
                    f"the optimiser of the {player.name} is {given!r}; pass settings, e.g. "
                    "Adam(lr=2e-4)"
                )

    @classmethod
    def both(cls, optimiser: Adam | RMSprop) -> "Optimisers":
        """Use the same settings for both players."""
        return cls(optimiser, optimiser)
