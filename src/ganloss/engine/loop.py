"""The loop: runs phases and knows no loss."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ganloss._errors import UsageError
from ganloss._random import Draws, seed_of
from ganloss.engine.hardware import Hardware
from ganloss.engine.phase import Phase, Turn
from ganloss.engine.scaling import LossScaler
from ganloss.objective import Losses, Schedule

#: Shown what an update comes to: the player, what it is ("term", "gradient", "weight" or
#: "optimiser"), and tensors by name.
Look: TypeAlias = Callable[[str, str, Mapping[str, Tensor]], None]


@dataclass(frozen=True)
class StepRecord:
    """What happened in one step; tensors, so that nothing waits for the device until asked.

    Args:
        losses: last losses of each phase.
        gradient_norms: norm of each phase's last gradient before clipping; empty unless measured.
        scalers: under fp16, the loss scale of each phase, and how many updates it has skipped.

    >>> StepRecord(losses={}).gradient_norms
    {}
    """

    losses: Mapping[str, Losses]
    gradient_norms: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    scalers: Mapping[str, LossScaler] = field(default_factory=dict[str, LossScaler])


class Engine:
    """Runs phases: freezing, gradients, updates, moving average and randomness.

    Args:
        phases: whose turn it is, in order.
        optimisers: one for each phase, by its name.
        batches: gives this process's real batch number *k*, scaled to [-1, 1].
        labels: gives the classes of that batch, or None.
        sources: gives what is translated in that batch, or None.
        batch_size: samples in a global batch.
        seed: seed of the run.
        hardware: device, precision and processes.
        average: moving average, updated from the network it averages after each step.
        averaged: that network.
        accumulate: micro-batches an update is computed in, one after the other, to save memory.
            The gradient is that of the whole batch: losses and gradients are averaged, random
            numbers belong to samples, and buffers (power iterations) advance once per update.
        clip_norm: largest total norm of a player's gradient, or None.
        schedule: factor of every learning rate at a step, or None.
        controllers: modules with buffers that losses change, e.g. image pools; they are saved.

    Raises:
        UsageError: the batch does not divide into processes and micro-batches, or a network to be
            trained in micro-batches looks at the whole batch.
        ValueError: two phases share a name; optimisers and phases do not match; an optimiser
            holds parameters its phase does not train.

    >>> from ganloss.objective import WeightedSum
    >>> line, objective = nn.Linear(1, 1), WeightedSum(error=1.0)
    >>> def loss(turn):
    ...     return objective(error=(line(turn.real) - 3).square().mean())
    >>> engine = Engine(
    ...     [Phase("g", line, loss)], {"g": torch.optim.SGD(line.parameters(), lr=0.1)},
    ...     batches=lambda k: torch.ones(4, 1), batch_size=4,
    ... )
    >>> first, *_, last = [engine.advance().losses["g"].total.item() for _ in range(20)]
    >>> engine.step, last < 1e-3 * first, engine.not_finite(), engine.rates
    (20, True, [], {})
    >>> engine.peek_batch()[0].shape
    torch.Size([4, 1])
    >>> engine.load(engine.state())
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        optimisers: Mapping[str, torch.optim.Optimizer],
        *,
        batches: Callable[[int], Tensor],
        labels: Callable[[int], Tensor | None] | None = None,
        sources: Callable[[int], Tensor] | None = None,
        batch_size: int,
        seed: int = 0,
        hardware: Hardware | None = None,
        average: AveragedModel | None = None,
        averaged: nn.Module | None = None,
        accumulate: int = 1,
        clip_norm: float | None = None,
        schedule: Schedule | None = None,
        controllers: Mapping[str, nn.Module] | None = None,
    ) -> None:
        _check_ownership(phases, optimisers)
        self.step = 0
        self._phases = tuple(phases)
        self._optimisers = dict(optimisers)
        self._batches = batches
        self._labels = labels
        self._sources = sources
        self._seed = seed
        self._hardware = hardware or Hardware()
        self._rows = batch_size
        self._first, local = self._hardware.share(batch_size)
        _check_micro_batches(phases, local, accumulate)
        self._micro = local // accumulate
        self._micro_batches = accumulate
        self._clip_norm = clip_norm
        self._schedule = schedule
        self._controllers = dict(controllers or {})
        self._rates = {n: [g["lr"] for g in o.param_groups] for n, o in optimisers.items()}
        self._average = average
        self._averaged = averaged
        self._own = {p.name: [*p.trains.parameters()] for p in phases}
        self._scalers = {p.name: self._hardware.loss_scaler() for p in phases}
        self._turns = sum(p.repeats for p in phases)
        self._batches_per_step = max(p.repeats for p in phases)

    def advance(self, *, measure: bool = False, look: Look | None = None) -> StepRecord:
        """Run every phase once.

        Args:
            measure: record gradient norms as well.
            look: shown every term, gradient, weight and optimiser state as soon as it is there.
        """
        _seed_global(seed_of(self._seed, "global", self.step), self._hardware)
        self._set_rates()
        losses: dict[str, Losses] = {}
        norms: dict[str, Tensor] = {}
        turn = 0
        for phase in self._phases:
            self._give_turn_to(phase)
            for repeat in range(phase.repeats):
                wanted = measure and repeat == phase.repeats - 1
                losses[phase.name], norm = self._update(
                    phase, repeat, turn, measure=wanted, look=look
                )
                turn += 1
                if wanted and norm is not None:
                    norms[phase.name] = norm
        if self._average is not None and self._averaged is not None:
            self._average.update_parameters(self._averaged)
        self.step += 1
        return StepRecord(losses, norms, {n: s for n, s in self._scalers.items() if s.enabled})

    def peek_batch(self) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Give the real batch the last step began with, its classes and sources, to look at."""
        return self._batch(max(self.step - 1, 0) * self._batches_per_step)

    def _batch(self, number: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        labels = None if self._labels is None else self._labels(number)
        source = None if self._sources is None else self._sources(number)
        return self._batches(number), labels, source

    @property
    def rates(self) -> Mapping[str, float]:
        """Learning rate of each phase in the last step; empty without a schedule."""
        if self._schedule is None:
            return {}
        return {name: float(o.param_groups[0]["lr"]) for name, o in self._optimisers.items()}

    def _set_rates(self) -> None:
        """Set learning rates as a function of the step alone: there is nothing to resume."""
        if self._schedule is None:
            return
        factor = self._schedule(self.step)
        for name, optimiser in self._optimisers.items():
            for group, rate in zip(optimiser.param_groups, self._rates[name], strict=True):
                group["lr"] = rate * factor

    def _update(
        self, phase: Phase, repeat: int, turn: int, *, measure: bool, look: Look | None
    ) -> tuple[Losses, Tensor | None]:
        parameters = self._own[phase.name]
        for parameter in parameters:
            parameter.grad = None
        losses = self._differentiate(phase, self._turn(repeat, turn))
        self._hardware.average_gradients(parameters)
        # What overflowed on one process has overflowed on all, now that gradients are averaged.
        scaler, optimiser = self._scalers[phase.name], self._optimisers[phase.name]
        scaler.unscale(optimiser)
        if look is not None:
            look(phase.name, "term", {**losses.terms, "total": losses.total.detach()})
            if not scaler.excuses(gradients := _gradients(phase.trains)):
                look(phase.name, "gradient", gradients)
        norm = self._limit(parameters, measure=measure)
        scaler.update(optimiser)
        if phase.after_update is not None:
            phase.after_update()
        if look is not None:
            look(phase.name, "weight", _weights(phase.trains))
            look(phase.name, "optimiser", _memory(optimiser, phase.trains))
        return losses, norm

    def _differentiate(self, phase: Phase, turn: Turn) -> Losses:
        """Add up the gradients of a turn, in one go or in micro-batches."""
        if self._micro_batches == 1:
            return self._backward(phase, turn)
        # Each micro-batch starts from the same buffers, so that power iterations of spectral norms
        # give every sample the weights it would meet in the whole batch, and advance once.
        start = [buffer.clone() for buffer in self._buffers()]
        parts: list[Losses] = []
        for first in range(0, len(turn.real), self._micro):
            for buffer, value in zip(self._buffers(), start, strict=True):
                buffer.copy_(value)
            parts.append(self._backward(phase, turn.part(first, self._micro)))
        return _mean(parts)

    def _buffers(self) -> list[Tensor]:
        return [buffer for phase in self._phases for buffer in phase.trains.buffers()]

    def _backward(self, phase: Phase, turn: Turn) -> Losses:
        with self._hardware.autocast():
            losses = phase.loss(turn)
        count = self._micro_batches
        total = losses.total if count == 1 else losses.total / count
        # Naming the inputs spares the gradient of the first layer's input.
        self._scalers[phase.name].scaled(total).backward(inputs=self._own[phase.name])
        return losses

    def _limit(self, parameters: Sequence[Tensor], *, measure: bool) -> Tensor | None:
        """Clip the gradient; give its norm before that, if it is known or wanted."""
        if self._clip_norm is not None:
            return nn.utils.clip_grad_norm_(parameters, self._clip_norm)
        return _gradient_norm(parameters) if measure else None

    def _turn(self, repeat: int, turn: int) -> Turn:
        draws = Draws(
            self._seed,
            self.step * self._turns + turn,
            self._rows,
            self._first,
            self._hardware.device,
        )
        batch = self.step * self._batches_per_step + repeat
        real, labels, source = self._batch(batch)
        return Turn(self.step, real, draws, labels, source)

    def _give_turn_to(self, phase: Phase) -> None:
        for name, parameters in self._own.items():
            wanted = name == phase.name
            for parameter in parameters:
                parameter.requires_grad_(wanted)

    def not_finite(self) -> list[str]:
        """Name the weights and optimiser states that are not finite; this waits for the device."""
        found: list[str] = []
        for phase in self._phases:
            optimiser = _memory(self._optimisers[phase.name], phase.trains)
            values = {f"weight {n}": v for n, v in _weights(phase.trains).items()}
            values |= {f"optimiser state {n}": v for n, v in optimiser.items()}
            bad = (name for name, value in values.items() if not bool(value.isfinite().all()))
            found += [f"{phase.name}'s {name}" for name in bad]
        return found

    def state(self) -> dict[str, Any]:
        """Everything that a later step depends on; randomness follows from the step."""
        return {
            "step": self.step,
            "networks": {p.name: p.trains.state_dict() for p in self._phases},
            "optimisers": {name: o.state_dict() for name, o in self._optimisers.items()},
            "average": None if self._average is None else self._average.state_dict(),
            "controllers": {n: c.state_dict() for n, c in self._controllers.items()},
            "scalers": {n: s.state() for n, s in self._scalers.items() if s.enabled},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from a state.

        Raises:
            Exception: of many kinds, where the state is that of other networks or optimisers.
        """
        if not isinstance(state["step"], int) or state["step"] < 0:
            raise ValueError(f"its step is {str(state['step'])[:60]}")
        self.step = state["step"]
        for phase in self._phases:
            phase.trains.load_state_dict(state["networks"][phase.name])
        for name, optimiser in self._optimisers.items():
            _load_optimiser(optimiser, state["optimisers"][name])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        for name, controller in self._controllers.items():
            controller.load_state_dict(state["controllers"][name])
        for name, scaled in state.get("scalers", {}).items():
            self._scalers[name].load(scaled)


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


def _check_micro_batches(phases: Sequence[Phase], local: int, accumulate: int) -> None:
    if accumulate < 1 or local % accumulate:
        raise UsageError(
            f"the {local} samples of a process do not divide into {accumulate} micro-batches; "
            "choose --accumulate so that it divides --batch-size / processes"
        )
    if accumulate == 1:
        return
    for phase in phases:
        for name, layer in phase.trains.named_modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                raise UsageError(
                    f"layer {name!r} of player {phase.name!r} is a {type(layer).__name__}: it "
                    f"would take its statistics from {local // accumulate} samples instead of "
                    f"{local}, which is another training. Leave --accumulate out, or use a "
                    "normalisation that looks at single samples, e.g. GroupNorm"
                )


def _mean(parts: Sequence[Losses]) -> Losses:
    """Losses of a batch from those of its equal parts."""
    total = torch.stack([part.total.detach() for part in parts]).mean()
    names = parts[0].terms
    return Losses(total, {n: torch.stack([p.terms[n] for p in parts]).mean() for n in names})


def _seed_global(seed: int, hardware: Hardware) -> None:
    """Make draws from torch's global generators (dropout) a function of the step as well."""
    seed = (seed + hardware.rank) % (1 << 63)
    torch.default_generator.manual_seed(seed)
    if hardware.device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif hardware.device.type == "mps":
        torch.mps.manual_seed(seed)


def _weights(network: nn.Module) -> dict[str, Tensor]:
    """Parameters; buffers may hold infinities on purpose, e.g. masks."""
    return {name: p.detach() for name, p in network.named_parameters()}


def _gradients(network: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def _memory(optimiser: torch.optim.Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """What an optimiser remembers of each parameter, e.g. Adam's averages."""
    return {
        f"{name}.{key}": value
        for name, p in network.named_parameters()
        for key, value in optimiser.state.get(p, {}).items()
        if isinstance(value, Tensor)
    }


def _load_optimiser(optimiser: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load what it remembers; its rates and options are those of the configuration.

    Raises:
        ValueError: that belongs to other parameters.
    """
    options = [{k: v for k, v in g.items() if k != "params"} for g in optimiser.param_groups]
    optimiser.load_state_dict(dict(state))
    for group, own in zip(optimiser.param_groups, options, strict=True):
        group.update(own)
    keys = {frozenset(memory) for memory in optimiser.state.values()}
    if len(keys) > 1 or not all(_remembers(p, m) for p, m in optimiser.state.items()):
        raise ValueError("an optimiser remembers other parameters")


def _remembers(parameter: Tensor, memory: Mapping[str, Any]) -> bool:
    """Whether an optimiser's memory can be that of a parameter."""
    return all(
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.shape in (parameter.shape, ())
        for value in memory.values()
    )


def _gradient_norm(parameters: Sequence[Tensor]) -> Tensor:
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return torch.zeros(())
    return nn.utils.get_total_norm(gradients)
