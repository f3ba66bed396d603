"""What every task has."""

import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ganloss._errors import UsageError
from ganloss._scores import scales
from ganloss.engine.hardware import Hardware
from ganloss.engine.loop import Engine
from ganloss.engine.phase import Phase
from ganloss.games import Game
from ganloss.optimisers import Optimisers
from ganloss.outputs import ScoreOutput
from ganloss.recipes._rules import Rules
from ganloss.runs.folder import RunFolder
from ganloss.runs.metric import Metric
from ganloss.runs.settings import RunSettings

if TYPE_CHECKING:
    from PIL import Image


class Data(Protocol):
    """What a run says of its data."""

    @property
    def name(self) -> str:
        """Short name of the set."""
        ...

    @property
    def values(self) -> Any:
        """What is trained on; its length is that of an epoch."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: channels, height and width, or ``(2,)``."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called, where there are any."""
        ...

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Files that could not be used, with the reason."""
        ...

    @property
    def where(self) -> str:
        """Where the pixels are kept, in words."""
        ...


S = TypeVar("S", bound=RunSettings)
D = TypeVar("D", bound=Data)


@dataclass(frozen=True)
class Players:
    """What an engine runs.

    Args:
        phases: whose turn it is, in order.
        optimisers: settings of both players' optimisers.
        average: moving average of the network that is wanted in the end.
        averaged: that network.
        batches: gives this process's real batch number *k*.
        labels: gives its classes, or None.
        sources: gives what is translated in that batch, or None.
        controllers: modules with buffers that losses change.
    """

    phases: Sequence[Phase]
    optimisers: Optimisers
    average: AveragedModel
    averaged: nn.Module
    batches: Callable[[int], Tensor]
    labels: Callable[[int], Tensor | None] | None = None
    sources: Callable[[int], Tensor] | None = None
    controllers: Mapping[str, nn.Module] = field(default_factory=dict[str, nn.Module])


class Task(ABC, Generic[S, D]):
    """Data and networks of a run, what is shown of them, and how they are scored.

    Made in three steps: the flags are checked, then :meth:`load` reads the data, then
    :meth:`build` makes the networks.

    Args:
        settings: what is asked for; checked.
    """

    game: Game
    hardware: Hardware
    data: D

    def __init__(self, settings: S) -> None:
        self.settings = settings

    @abstractmethod
    def load(self, hardware: Hardware) -> None:
        """Read the data, for this device and these processes."""

    @abstractmethod
    def build(self) -> Players:
        """Make networks and phases; weights depend on the seed alone."""

    @property
    @abstractmethod
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks by what they are called in sentences."""

    @property
    @abstractmethod
    def metric(self) -> Metric | None:
        """The metric with its reference rows, or None where there is nothing to measure."""

    @property
    def unscored(self) -> str:
        """Why there is no metric although one is wanted, and how to get one; empty by default."""
        return ""

    @abstractmethod
    def measure(self) -> dict[str, Any]:
        """Score the moving average: what a row of ``metrics.jsonl`` says at a snap."""

    @abstractmethod
    def reals(self) -> "Image.Image":
        """What the results should look like."""

    @abstractmethod
    def picture(self) -> "Image.Image":
        """Results of the moving average; always of the same inputs."""

    @abstractmethod
    def judge(self, engine: Engine) -> tuple[Any, Any] | None:
        """Scores of one batch, real and generated; None without a discriminator."""

    @abstractmethod
    def conclude(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Look once more at an ended run; facts by name, in words."""

    @abstractmethod
    def export(self, folder: RunFolder) -> None:
        """Write the moving average for use without the command line."""

    @property
    def title(self) -> str:
        """What the run is called on its page."""
        return f"{self.settings.loss} on {self.data.name}"

    @property
    def facts(self) -> dict[str, str]:
        """What the losses are, by name, in words."""
        penalties = (f"{w.penalty!r} × {w.weight}" for w in self.game.penalties.values())
        return {
            "Pair": repr(self.game.pair),
            "Penalties": ", ".join(penalties) or "none",
            "Constraint": repr(self.game.constraint) if self.game.constraint else "none",
            "Updates of D per step": str(self.game.critic_steps),
            "Optimisers": f"G {self.game.optimisers.generator!r}, "
            f"D {self.game.optimisers.discriminator!r}",
        }

    @property
    def in_a_line(self) -> str:
        """The losses in a line."""
        penalties = "".join(f" + {w.weight} × {name}" for name, w in self.game.penalties.items())
        constraint = f", {self.game.constraint!r}" if self.game.constraint else ""
        return f"{self.settings.loss}: {self.game.pair!r}{penalties}{constraint}"

    def controlled(self) -> dict[str, dict[str, float]]:
        """What controllers have come to, for a row of ``metrics.jsonl``; nothing by default."""
        return {}

    def overlays(self) -> Mapping[str, "Image.Image"]:
        """Pictures to lay over each other, by file name; none by default."""
        return {}

    def next_commands(self, folder: str) -> list[str]:
        """Give commands a user may want after this run, the first one first."""
        del folder
        return []

    @property
    def quoted_data(self) -> str:
        """The data source, ready to paste."""
        return shlex.quote(self.settings.data)

    def rules_of(self, game: Game) -> Rules:
        """Give the game as it is played in this run, its state on the device."""
        return Rules(game).to(self.hardware.device, self.hardware.dtype)

    def place(self, network: nn.Module) -> nn.Module:
        """Bring a network to the device, in the run's number format."""
        return network.to(self.hardware.device, self.hardware.dtype)


def states_of(**rules: Rules) -> dict[str, nn.Module]:
    """Give those of the rules that have a state, to be saved."""
    return {name: found for name, found in rules.items() if found.has_state}


def require_scores(game: Game, loss: str, task: str) -> None:
    """Refuse a game whose discriminator gives no scores, or that looks at latents.

    Raises:
        UsageError: with what to do.
    """
    if not isinstance(game.output, ScoreOutput):
        raise UsageError(
            f"--loss {loss} needs a discriminator of energies or features, and that of {task} "
            "gives scores; choose another, e.g. --loss lsgan (`ganloss train generate` takes it)"
        )
    for name, weighted in game.penalties.items():
        if weighted.of_generator:
            raise UsageError(
                f"penalty {name} is about a generator's latents, and {task} has none; leave it out "
                f"(--penalty {name}=0)"
            )


def one_each(scores: Any) -> Tensor:
    """One number for each sample: the mean over its scores, summed over scales."""
    found = scales(scores, "the discriminator's output")
    return torch.stack(
        [scale.float().flatten(1).mean(1) if scale.dim() > 1 else scale.float() for scale in found]
    ).sum(0)
