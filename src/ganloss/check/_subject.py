"""What all checked things have in common: named tensors go in, one number comes out."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from ganloss._importing import told
from ganloss.check._report import Unusable, Wrong

#: Arguments by name: tensors, or lists of them.
Inputs: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Subject:
    """A loss of named batches of samples.

    Args:
        call: gives the loss of some inputs.
        draw: gives float64 inputs for a number of samples and a seed.
        learns: names of the inputs it sends gradients to.
        constants: names of the inputs it must send none to.
        ignored: names of the inputs that are declared to play no role.
        none: gives the loss of each sample ``(N,)``, where there is such a thing.
        batch_statistic: declares that there is none.
        compares_samples: declares that the number of samples is part of the formula.
        constant_weights: declares that a factor of the formula gets no gradient.
        smallest_batch: declares how many samples are needed.
        degenerate: inputs by name on which losses like to break.
        misuses: inputs by name that must raise.
        least: inputs at which the loss should be least, and others on every side of them.
    """

    call: Callable[[Inputs], Tensor]
    draw: Callable[[int, int], Inputs]
    learns: Sequence[str]
    constants: Sequence[str] = ()
    ignored: Sequence[str] = ()
    none: Callable[[Inputs], Tensor] | None = None
    batch_statistic: bool = False
    compares_samples: bool = False
    constant_weights: bool = False
    smallest_batch: int = 1
    degenerate: Mapping[str, Inputs] = field(default_factory=dict[str, Inputs])
    misuses: Mapping[str, Inputs] = field(default_factory=dict[str, Inputs])
    least: tuple[Inputs, Sequence[Inputs]] | None = None


def mapped(function: Callable[[Tensor], Tensor], inputs: Inputs) -> dict[str, Any]:
    """Apply a function to every tensor."""
    return {
        name: tree_map(lambda x: function(x) if isinstance(x, Tensor) else x, value)
        for name, value in inputs.items()
    }


def tensors(inputs: Inputs, names: Sequence[str] | None = None) -> list[Tensor]:
    """All tensors, or those of some names, in order."""
    chosen = {name: inputs[name] for name in (inputs if names is None else names)}
    return [leaf for leaf in tree_leaves(chosen) if isinstance(leaf, Tensor)]


def one_number(call: Callable[[], Any]) -> Tensor:
    """Call for a loss.

    Raises:
        Unusable: it fails, or gives something else.
    """
    try:
        loss = call()
    except Exception as error:  # whatever a stranger's loss raises
        raise Unusable(f"{told(error)}; nothing else was tried") from error
    if not isinstance(loss, Tensor):
        raise Unusable(f"a {type(loss).__name__} was returned; nothing else was tried")
    if loss.dim() != 0:
        raise Unusable(f"a tensor of shape {tuple(loss.shape)} was returned; take its mean")
    return loss


def tensors_named(inputs: Inputs, names: Sequence[str]) -> list[str]:
    """Name of the input that each of these tensors belongs to."""
    return [name for name in names for _ in tensors(inputs, [name])]


def gradients(subject: Subject, inputs: Inputs) -> list[Tensor]:
    """Gradients of the loss with respect to what it learns from, zeros where there is none."""
    leaves = mapped(lambda x: x.detach().clone().requires_grad_(True), inputs)
    wanted = tensors(leaves, subject.learns)
    loss = subject.call(leaves)
    if not loss.requires_grad:
        raise Wrong("the loss has no gradient: something inside cuts the graph")
    return list(torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True))


def same(found: Tensor, expected: Tensor, what: str, tolerance: float = 1e-6) -> None:
    """Raise unless two results agree.

    Raises:
        Wrong: they differ, with both numbers.
    """
    found, expected = found.detach().double(), expected.detach().double()
    if found.shape != expected.shape:
        raise Wrong(f"{what}: shape {tuple(found.shape)} instead of {tuple(expected.shape)}")
    if not torch.allclose(found, expected, rtol=tolerance, atol=tolerance * 1e-2, equal_nan=True):
        worst = (found - expected).abs().nan_to_num(torch.inf).argmax()
        a, b = found.flatten()[worst].item(), expected.flatten()[worst].item()
        raise Wrong(f"{what}: {a:.8g} instead of {b:.8g}")


def finite(values: Sequence[Tensor], what: str) -> None:
    """Raise unless all values are finite.

    Raises:
        Wrong: one is not.
    """
    for value in values:
        if not torch.isfinite(value).all():
            bad = value.detach()[~torch.isfinite(value)].flatten()[0].item()
            raise Wrong(f"{what} is {bad}")


def accepts(function: Callable[..., Any], name: str) -> bool:
    """Whether a function takes a keyword of that name."""
    return name in parameters(function)


def parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Parameters of a function or of an object that is called like one."""
    if isinstance(function, torch.nn.Module):
        function = function.forward
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def generator(seed: int) -> torch.Generator:
    """Source of random numbers that disturbs no other."""
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int, scale: float = 1.0) -> Tensor:
    """Normal numbers in float64."""
    return scale * torch.randn(*shape, dtype=torch.float64, generator=generator(seed))


def uniform(*shape: int, seed: int) -> Tensor:
    """Numbers between 0.05 and 0.95 in float64, away from the borders of images."""
    unit = torch.rand(*shape, dtype=torch.float64, generator=generator(seed))
    return 0.05 + 0.9 * unit
