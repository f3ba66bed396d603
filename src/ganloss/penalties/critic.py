"""The discriminator during its own turn: no gradient leaks out, no tensor is scored twice."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganloss._scores import mark_cut_off, scales

_HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class _Forward:
    """A forward pass that was made; the inputs are kept alive so that no id is used again."""

    inputs: tuple[Any, ...]
    leaf: Tensor
    scores: Any


class Critic:
    """Stand-in for a discriminator ``D`` during its own step.

    ``Critic(D)(x)`` detaches ``x``, so the generator cannot receive gradients, and scores each
    tensor once; penalties at ``x`` (R1, R2) reuse that forward pass. Only ``x`` is differentiated,
    never the conditions. Make one critic per step: it remembers what it scored.

    A forward pass made under autocast serves the adversarial loss alone: penalties at ``x`` share
    another one, made in fp32.

    Args:
        discriminator: any callable ``D(x, *conditions)`` that returns scores.

    Raises:
        TypeError: it is a critic already, or cannot be called.

    >>> import torch
    >>> D = torch.nn.Linear(2, 1)
    >>> critic = Critic(D)
    >>> x = torch.ones(3, 2, requires_grad=True)
    >>> critic(x) is critic(x)
    True
    >>> leaf, scores = critic.at(x)
    >>> leaf is x, scores is critic(x), critic.discriminator is D
    (False, True, True)
    """

    def __init__(self, discriminator: Callable[..., Any]) -> None:
        if not isinstance(discriminator, nn.Module):
            _check_discriminator(discriminator)
        self._discriminator = discriminator
        # Keyed by whether autocast was on, and by identity.
        self._seen: dict[tuple[int, ...], _Forward] = {}

    @property
    def discriminator(self) -> Callable[..., Any]:
        """The discriminator itself."""
        return self._discriminator

    def __call__(self, x: Tensor, *conditions: Any) -> Any:
        """Score ``x``: whatever the discriminator returns, computed once per tensor."""
        return self._forward(x, conditions).scores

    def at(self, x: Tensor, *conditions: Any) -> tuple[Tensor, Any]:
        """Give the differentiable copy of ``x`` and its scores, for a penalty.

        Under autocast, or where ``x`` was scored under it, the scores are those of fp32: products
        of half-precision gradients over- and underflow.
        """
        halved = _key(x, conditions, autocast=True) in self._seen
        if not halved and not torch.is_autocast_enabled(x.device.type):
            forward = self._forward(x, conditions)
            return forward.leaf, forward.scores
        with torch.autocast(x.device.type, enabled=False):
            forward = self._forward(x, conditions, widen=True)
        return forward.leaf, forward.scores

    def _forward(self, x: Tensor, conditions: tuple[Any, ...], *, widen: bool = False) -> _Forward:
        key = _key(x, conditions, autocast=torch.is_autocast_enabled(x.device.type))
        if key in self._seen:
            return self._seen[key]
        grad = torch.is_grad_enabled()
        leaf = x.detach()
        leaf = leaf.float() if widen and leaf.dtype in _HALF else leaf
        leaf.requires_grad_(grad)
        scores = self._discriminator(leaf, *conditions)
        if x.requires_grad:
            mark_cut_off(scores)
        forward = _Forward((x, *conditions), leaf, scores)
        if grad:  # one without a graph would do for nobody who needs one
            self._seen[key] = forward
        return forward


def _key(x: Tensor, conditions: tuple[Any, ...], *, autocast: bool) -> tuple[int, ...]:
    return (autocast, id(x), *map(id, conditions))


def _differentiable_scores(
    critic: Callable[..., Any], x: Tensor, *, may_be_compiled: bool = False
) -> tuple[Tensor, Tensor]:
    """Score ``x`` for a penalty: a leaf copy of ``x`` and one number per sample ``(N,)``.

    A sample's number is the mean over its scores, summed over scales. A plain discriminator is
    run on a detached copy; a :class:`Critic` may reuse a forward pass it made already. A
    discriminator that ``torch.compile`` made is refused unless only scores are looked at.
    """
    source = critic if isinstance(critic, Critic) else Critic(critic)
    leaf, scores = source.at(x)
    total: Tensor | None = None
    for scale in scales(scores, "the critic's output"):
        if scale.shape[0] != x.shape[0]:
            raise ValueError(
                f"the critic returned {scale.shape[0]} scores for {x.shape[0]} samples; its "
                "output must keep the batch in front, shape (N, ...)"
            )
        if not may_be_compiled:
            _check_not_compiled(scale)
        values = scale.flatten(1).mean(1) if scale.dim() > 1 else scale
        total = values if total is None else total + values
    if total is None:
        raise ValueError("the critic returned no scores")
    return leaf, total


def _check_not_compiled(scores: Tensor) -> None:
    # Otherwise torch says so only in backward(), where nobody knows which discriminator is meant.
    if type(scores.grad_fn).__name__.startswith("CompiledFunction"):
        raise ValueError(
            "the discriminator was compiled by torch.compile, and the backward pass of compiled "
            "code cannot be differentiated, as gradient penalties must: give the penalty the "
            "discriminator itself, e.g. gp(D, ...) beside compiled_D = torch.compile(D)"
        )


def scores_of(critic: Callable[..., Any], x: Tensor) -> Tensor:
    """One number per sample ``(N,)``, in fp32 or better, for a penalty on scores.

    >>> scores_of(lambda x: x.view(2, 1, 3), torch.arange(6.0).view(2, 3)).detach()
    tensor([1., 4.])
    """
    scores = _differentiable_scores(critic, x, may_be_compiled=True)[1]
    return scores.float() if scores.dtype in _HALF else scores


def slopes(critic: Callable[..., Any], x: Tensor) -> Tensor:
    """Norm of the gradient of each sample's score at that sample, ``(N,)``, differentiable.

    Raises:
        ValueError: under ``torch.no_grad()``, or the scores do not depend on ``x``.

    >>> slopes(lambda x: x @ torch.tensor([3.0, 4.0]), torch.ones(2, 2)).tolist()
    [5.0, 5.0]
    """
    gradient, scores = _input_gradient(critic, x)
    norms = torch.linalg.vector_norm(gradient, dim=1)
    return norms.add(scores, alpha=0) if norms.requires_grad else norms  # see tied()


def squared_slopes(critic: Callable[..., Any], x: Tensor) -> Tensor:
    """Its square, which has a gradient where it is 0 as well.

    >>> squared_slopes(lambda x: x @ torch.tensor([3.0, 4.0]), torch.ones(2, 2)).tolist()
    [25.0, 25.0]
    """
    gradient, scores = _input_gradient(critic, x)
    squares = gradient.square().sum(1)
    return squares.add(scores, alpha=0) if squares.requires_grad else squares  # see tied()


def tied(values: Tensor, scores: Tensor) -> Tensor:
    """Give the values ``(N,)``, with a graph that reaches all that made the scores ``(N,)``.

    A last bias has no part in a gradient. Left out, it would keep DistributedDataParallel waiting,
    which shares gradients when all have come.

    >>> w, b = (torch.ones(1, requires_grad=True) for _ in range(2))
    >>> tied(2 * w, 3 * w + b).backward()
    >>> w.grad, b.grad
    (tensor([2.]), tensor([0.]))
    """
    return values.add(scores, alpha=0) if values.requires_grad else values


def _input_gradient(critic: Callable[..., Any], x: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient of each sample's score with respect to that sample, ``(N, D)``, and the scores."""
    if not torch.is_grad_enabled():
        raise ValueError(
            "a gradient penalty differentiates the critic, which torch.no_grad() and "
            "torch.inference_mode() forbid; compute it outside, or leave the penalty out when "
            "evaluating"
        )
    leaf, scores = _differentiable_scores(critic, x)
    if not scores.requires_grad:
        raise ValueError(
            "the critic's scores do not depend on its input; a detach() or no_grad() inside the "
            "discriminator cuts the graph"
        )
    # The gradient's own graph is built here, and autocast would build it in half precision.
    with torch.autocast(leaf.device.type, enabled=False):
        found: Any = torch.autograd.grad(scores.sum(), leaf, create_graph=True, allow_unused=True)
    (gradient,) = found
    if gradient is None:
        raise ValueError(
            "the critic's scores do not depend on its input: something inside detaches it, as a "
            "Critic does that is called in a function; with conditions pass lambda x: D(x, y)"
        )
    gradient = gradient.float() if gradient.dtype in _HALF else gradient
    return gradient.reshape(gradient.shape[0], -1), scores


def _check_discriminator(discriminator: object) -> None:
    if isinstance(discriminator, Critic):
        raise TypeError("this is a Critic already; pass the discriminator itself")
    if isinstance(discriminator, type) or not callable(discriminator):
        raise TypeError(
            f"a discriminator is anything that is called with samples, and this is "
            f"{discriminator!r}: pass a network, e.g. Critic(D)"
        )
