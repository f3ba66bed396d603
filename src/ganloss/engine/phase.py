"""A phase: whose turn it is, what it minimises, how often."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from ganloss._random import Draws
from ganloss.objective import Losses


@dataclass(frozen=True)
class Turn:
    """What a player is given for one update.

    Args:
        step: step of the run, counted in updates of the generator.
        real: this process's batch of real samples, scaled to [-1, 1].
        draws: random numbers for this process's samples of this turn.
        labels: classes of the real samples, where there are classes.
    """

    step: int
    real: Tensor
    draws: Draws
    labels: Tensor | None = None


@dataclass(frozen=True)
class Phase:
    """One player's turn.

    Args:
        name: name of the player, e.g. ``"d"``.
        trains: the only network whose parameters change, and require gradients, in this phase.
        loss: what it minimises.
        repeats: updates per step, each on a fresh batch.
        after_update: called after each update, e.g. to clip weights.
    """

    name: str
    trains: nn.Module
    loss: Callable[[Turn], Losses]
    repeats: int = 1
    after_update: Callable[[], None] | None = None
