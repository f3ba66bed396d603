"""A phase: whose turn it is, what it minimises, how often."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

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
        source: what is translated: the inputs that belong to the real samples, or images of the
            other domain.

    >>> import torch
    >>> Turn(0, torch.zeros(4, 2), Draws(seed=0, step=0, rows=4)).part(2, 2).real.shape
    torch.Size([2, 2])
    """

    step: int
    real: Tensor
    draws: Draws
    labels: Tensor | None = None
    source: Tensor | None = None

    def part(self, first: int, count: int) -> "Turn":
        """Give the turn of ``count`` of these samples; each keeps its own random numbers.

        Every tensor of a turn has one row for each sample.

        >>> import torch
        >>> turn = Turn(0, torch.arange(4.0), Draws(seed=0, step=0, rows=4))
        >>> part = turn.part(2, 2)
        >>> whole, half = turn.draws.uniform("u", 4), part.draws.uniform("u", 2)
        >>> bool((whole[2:] == half).all()), part.real.tolist()
        (True, [2.0, 3.0])
        """
        draws = replace(self.draws, first=self.draws.first + first)
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        rows = {n: v[first : first + count] for n, v in values.items() if isinstance(v, Tensor)}
        return replace(self, draws=draws, **rows)


@dataclass(frozen=True)
class Phase:
    """One player's turn.

    Args:
        name: name of the player, e.g. ``"d"``.
        trains: the only network whose parameters change, and require gradients, in this phase.
        loss: what it minimises.
        repeats: updates per step, each on a fresh batch.
        after_update: called after each update, e.g. to clip weights.

    >>> from ganloss.objective import WeightedSum
    >>> network, objective = nn.Linear(1, 1), WeightedSum(size=1.0)
    >>> phase = Phase("d", network, lambda turn: objective(size=network(turn.real).mean()))
    >>> phase.name, phase.repeats
    ('d', 1)
    """

    name: str
    trains: nn.Module
    loss: Callable[[Turn], Losses]
    repeats: int = 1
    after_update: Callable[[], None] | None = None
