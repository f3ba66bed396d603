"""What penalties are tried with: critics of known slopes, samples, and how each is called."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganloss.check._subject import normal, parameters


def by_name(penalty: Any) -> "Penalised":
    """Call by ``real=`` and ``fake=``, or by parameters whose names say so, or in order."""
    found = parameters(penalty)
    real = next((n for n in found if "real" in n.lower()), None)
    fake = next((n for n in found if "fake" in n.lower() or "gen" in n.lower()), None)
    needed = [n for n, p in found.items() if p.default is p.empty][1:]  # behind the critic
    if len(needed) == 1 and fake is None:
        real = needed[0]
    elif len(needed) == 2 and (real is None or fake is None):
        real = fake = None
    return Penalised(penalty, real, fake)


class Penalised:
    """A penalty called by ``real=`` and ``fake=``, with what it declares about itself."""

    def __init__(self, penalty: Any, real: str | None, fake: str | None) -> None:
        self._penalty, self._real, self._fake = penalty, real, fake
        self.differentiates = bool(getattr(penalty, "differentiates", True))
        self.adds_noise = bool(getattr(penalty, "adds_noise", False))
        self.one_sided: bool | None = getattr(penalty, "one_sided", None)
        self.batch_statistic = bool(getattr(penalty, "batch_statistic", False))

    def __call__(self, critic: Callable[..., Any], *, real: Tensor, fake: Tensor) -> Tensor:
        """Give the penalty of the samples it asks for."""
        samples = {self._real: real} if self._real else {}
        samples |= {self._fake: fake} if self._fake else {}
        if not samples:
            return self._penalty(critic, real, fake)
        return self._penalty(critic, **samples)


def seeded(penalty: Penalised, critic: Callable[..., Any], **samples: Tensor) -> Tensor:
    """Call a penalty with the same random numbers each time, wherever it draws them."""
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            random.seed(0)
            np.random.seed(0)
            return penalty(critic, **samples)
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def linear_critic(shape: tuple[int, ...], norm: float) -> Callable[[Tensor], Tensor]:
    """Give a critic of samples of this shape whose gradient has this norm everywhere.

    >>> linear_critic((1,), 2.0)(torch.ones(1, 1).double()).abs().item()
    2.0
    """
    weight = normal(*shape, seed=9)
    weight = weight * (norm / weight.norm())
    return lambda x: (x * weight.to(x.dtype)).flatten(1).sum(1)


def two_batches(count: int, *shape: int) -> dict[str, Tensor]:
    """Real and fake samples."""
    return {"real": normal(count, *shape, seed=1), "fake": normal(count, *shape, seed=2)}


#: Of the last layer: with slopes near 0.2 and near 6, on both sides of the usual aim, which is 1.
FLAT, STEEP = 1.0, 30.0


def small_network(scale: float = FLAT, outputs: int = 1) -> nn.Sequential:
    """Give a curved critic of four numbers, whose scores are this many times as large."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, outputs)).double()
    with torch.no_grad():
        for parameter in network[2].parameters():
            parameter.mul_(scale)
    return network


def slopes_of(loss: Tensor, parameters: list[Tensor]) -> tuple[Tensor, ...]:
    """Gradients of the parameters, zeros where there is none."""
    return torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
