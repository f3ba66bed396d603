"""Loss scaling for fp16: one scale per player, and what became of its updates."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

#: At this loss scale a gradient of size 1 is hardly a normal number of fp16: what still overflows
#: is not finite in itself.
SMALLEST_SCALE = 2.0**-14


class LossScaler:
    """Scales one player's loss, and skips its update where a scaled gradient overflows.

    Under fp16 gradients below 6e-8 are lost, so the loss is multiplied by a scale before the
    backward pass, and the gradient divided by it before the update. A gradient that overflows
    only says that the scale is too large: the update is skipped and the scale halved; after 2,000
    updates without that it doubles. Each player has a scale of its own, since their gradients
    differ in size. The arithmetic is that of ``torch.amp.GradScaler``. Nothing here waits for the
    device, but for the step of an optimiser that is not fused (RMSprop).

    Args:
        device: where the gradients are.
        enabled: under other precisions than fp16 nothing is scaled or skipped.

    References:
        Micikevicius et al., "Mixed Precision Training", ICLR 2018, arXiv:1710.03740, section 3.2.

    >>> scaler, weight = LossScaler(torch.device("cpu")), torch.zeros(1, requires_grad=True)
    >>> optimiser = torch.optim.SGD([weight])
    >>> weight.grad = torch.full((1,), torch.inf)
    >>> scaler.unscale(optimiser)
    >>> scaler.update(optimiser)
    >>> scaler.skipped, scaler.scale
    (tensor(1.), tensor(32768.))
    """

    def __init__(self, device: torch.device, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._scaler = torch.amp.GradScaler(device.type, enabled=enabled)
        self._one = torch.ones((), device=device)
        #: Number of skipped updates.
        self.skipped = torch.zeros((), device=device)
        #: Whether the last update was skipped, 1 or 0.
        self.overflowed = torch.zeros((), device=device)
        self._scaler.scale(self._one)  # which is when torch puts the scale on the device

    @property
    def scale(self) -> Tensor:
        """What the loss is multiplied by, 0-d."""
        return self._scaler.scale(self._one)

    def scaled(self, loss: Tensor) -> Tensor:
        """Multiply a loss by the scale.

        >>> LossScaler(torch.device("cpu")).scaled(torch.tensor(2.0))
        tensor(131072.)
        """
        return self._scaler.scale(loss)

    def unscale(self, optimiser: torch.optim.Optimizer) -> None:
        """Divide the gradients by the scale, and look whether all are finite."""
        if self.enabled and _has_gradients(optimiser):
            self._scaler.unscale_(optimiser)

    def excuses(self, gradients: Mapping[str, Tensor]) -> bool:
        """Whether these gradients only say that the scale is too large; waits for the device.

        >>> LossScaler(torch.device("cpu")).excuses({"weight": torch.tensor([torch.inf])})
        True
        """
        if not self.enabled or self.scale <= SMALLEST_SCALE:
            return False
        return not all(gradient.isfinite().all() for gradient in gradients.values())

    def update(self, optimiser: torch.optim.Optimizer) -> None:
        """Make the optimiser's step unless a gradient overflowed, and adapt the scale."""
        if not self.enabled or not _has_gradients(optimiser):
            optimiser.step()
            return
        before = self.scale
        self._scaler.step(optimiser)
        self._scaler.update()
        self.overflowed = (self.scale < before).to(before)
        self.skipped += self.overflowed

    def state(self) -> dict[str, Any]:
        """Everything a later update depends on; empty when nothing is scaled."""
        return {**self._scaler.state_dict(), "skipped": float(self.skipped)} if self.enabled else {}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        if self.enabled:
            self.skipped.fill_(state["skipped"])
            self._scaler.load_state_dict({k: v for k, v in state.items() if k != "skipped"})


def _has_gradients(optimiser: torch.optim.Optimizer) -> bool:
    """Where every weight of an objective is 0 there is nothing to scale."""
    return any(p.grad is not None for group in optimiser.param_groups for p in group["params"])
