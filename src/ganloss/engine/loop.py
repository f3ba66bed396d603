"""The loop: runs phases and knows no loss."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ganloss._random import Draws, seed_of
from ganloss.engine.hardware import Hardware
from ganloss.engine.phase import Phase, Turn
from ganloss.objective import Losses


@dataclass(frozen=True)
class StepRecord:
    """What happened in one step; tensors, so that nothing waits for the device until asked.

    Args:
        losses: last losses of each phase.
        gradient_norms: norm of each phase's last gradient; empty unless measured.
    """

    losses: Mapping[str, Losses]
    gradient_norms: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


class Engine:
    """Runs phases: freezing, gradients, updates, moving average and randomness.

    Args:
        phases: whose turn it is, in order.
        optimisers: one for each phase, by its name.
        batches: gives this process's real batch number *k*, scaled to [-1, 1].
        labels: gives the classes of that batch, or None.
        batch_size: samples in a global batch.
        seed: seed of the run.
        hardware: device, precision and processes.
        average: moving average, updated from the network it averages after each step.
        averaged: that network.

    Raises:
        ValueError: two phases share a name; optimisers and phases do not match; an optimiser
            holds parameters its phase does not train.
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        optimisers: Mapping[str, torch.optim.Optimizer],
        *,
        batches: Callable[[int], Tensor],
        labels: Callable[[int], Tensor | None] | None = None,
        batch_size: int,
        seed: int = 0,
        hardware: Hardware | None = None,
        average: AveragedModel | None = None,
        averaged: nn.Module | None = None,
    ) -> None:
        _check_ownership(phases, optimisers)
        self.step = 0
        self._phases = tuple(phases)
        self._optimisers = dict(optimisers)
        self._batches = batches
        self._labels = labels
        self._seed = seed
        self._hardware = hardware or Hardware()
        self._rows = batch_size
        self._first, _ = self._hardware.share(batch_size)
        self._average = average
        self._averaged = averaged
        self._own = {p.name: [*p.trains.parameters()] for p in phases}
        self._turns = sum(p.repeats for p in phases)
        self._batches_per_step = max(p.repeats for p in phases)

    def advance(self, *, measure: bool = False) -> StepRecord:
        """Run every phase once; with ``measure``, record gradient norms as well."""
        _seed_global(seed_of(self._seed, "global", self.step), self._hardware)
        losses: dict[str, Losses] = {}
        norms: dict[str, Tensor] = {}
        turn = 0
        for phase in self._phases:
            self._give_turn_to(phase)
            for repeat in range(phase.repeats):
                losses[phase.name] = self._update(phase, repeat, turn)
                turn += 1
            if measure:
                norms[phase.name] = _gradient_norm(self._own[phase.name])
        if self._average is not None and self._averaged is not None:
            self._average.update_parameters(self._averaged)
        self.step += 1
        return StepRecord(losses, norms)

    def peek_batch(self) -> tuple[Tensor, Tensor | None]:
        """Give the real batch the last step began with, and its classes, for looking at."""
        batch = max(self.step - 1, 0) * self._batches_per_step
        return self._batches(batch), None if self._labels is None else self._labels(batch)

    def _update(self, phase: Phase, repeat: int, turn: int) -> Losses:
        parameters = self._own[phase.name]
        optimiser = self._optimisers[phase.name]
        with self._hardware.autocast():
            losses = phase.loss(self._turn(repeat, turn))
        for parameter in parameters:
            parameter.grad = None
        # Naming the inputs spares the gradient of the first layer's input.
        losses.total.backward(inputs=parameters)
        self._hardware.average_gradients(parameters)
        optimiser.step()
        if phase.after_update is not None:
            phase.after_update()
        return losses

    def _turn(self, repeat: int, turn: int) -> Turn:
        draws = Draws(
            self._seed,
            self.step * self._turns + turn,
            self._rows,
            self._first,
            self._hardware.device,
        )
        batch = self.step * self._batches_per_step + repeat
        labels = None if self._labels is None else self._labels(batch)
        return Turn(self.step, self._batches(batch), draws, labels)

    def _give_turn_to(self, phase: Phase) -> None:
        for name, parameters in self._own.items():
            wanted = name == phase.name
            for parameter in parameters:
                parameter.requires_grad_(wanted)

    def state(self) -> dict[str, Any]:
        """Everything that a later step depends on; randomness follows from the step."""
        return {
            "step": self.step,
            "networks": {p.name: p.trains.state_dict() for p in self._phases},
            "optimisers": {name: o.state_dict() for name, o in self._optimisers.items()},
            "average": None if self._average is None else self._average.state_dict(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.step = state["step"]
        for phase in self._phases:
            phase.trains.load_state_dict(state["networks"][phase.name])
        for name, optimiser in self._optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        if self._average is not None:
            self._average.load_state_dict(state["average"])


def _check_ownership(
    phases: Sequence[Phase], optimisers: Mapping[str, torch.optim.Optimizer]
) -> None:
    names = [phase.name for phase in phases]
    if len(set(names)) != len(names):
        raise ValueError(f"two phases share a name: {', '.join(names)}; give each its own")
    if set(names) != set(optimisers):
        raise ValueError(
            f"phases are {sorted(names)} and optimisers {sorted(optimisers)}; "
            "give one optimiser for each phase, under its name"
        )
    for phase in phases:
        trained = set(map(id, phase.trains.parameters()))
        held = [p for group in optimisers[phase.name].param_groups for p in group["params"]]
        foreign = sum(id(p) not in trained for p in held)
        if foreign:
            raise ValueError(
                f"the optimiser of phase {phase.name!r} holds {foreign} parameters the phase does "
                "not train; were the optimisers swapped?"
            )


def _seed_global(seed: int, hardware: Hardware) -> None:
    """Make draws from torch's global generators (dropout) a function of the step as well."""
    seed = (seed + hardware.rank) % (1 << 63)
    torch.default_generator.manual_seed(seed)
    if hardware.device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif hardware.device.type == "mps":
        torch.mps.manual_seed(seed)


def _gradient_norm(parameters: Sequence[Tensor]) -> Tensor:
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return torch.zeros(())
    return nn.utils.get_total_norm(gradients)
