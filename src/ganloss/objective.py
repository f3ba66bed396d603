"""The objective: a declared, weighted sum of terms, with schedules for the weights."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from ganloss._lazy import suggest
from ganloss._settings import check_number, check_whole

#: A scalar tensor, or a thunk that computes it when its weight is not zero.
Term: TypeAlias = Tensor | Callable[[], Tensor]


@runtime_checkable
class Schedule(Protocol):
    """A weight that depends on the step.

    >>> isinstance(every(16, 10.0), Schedule), every(16, 10.0)(0), every(16, 10.0)(1)
    (True, 160.0, 0.0)
    """

    def __call__(self, step: int) -> float:
        """Weight at ``step``."""
        ...


Weight: TypeAlias = float | Schedule


@dataclass(frozen=True, repr=False)
class Every:
    """What :func:`every` gives."""

    interval: int
    weight: float

    def __call__(self, step: int) -> float:
        """Weight at ``step``."""
        return self.interval * self.weight if step % self.interval == 0 else 0.0

    def __repr__(self) -> str:
        return f"every({self.interval}, {self.weight})"


@dataclass(frozen=True, repr=False)
class _Ramp:
    start: float
    end: float
    steps: int

    def __call__(self, step: int) -> float:
        done = min(max(step / self.steps, 0.0), 1.0)
        return self.start + (self.end - self.start) * done

    def __repr__(self) -> str:
        return f"ramp({self.start}, {self.end}, {self.steps})"


def every(interval: int, weight: float) -> Schedule:
    """Lazy regularisation: ``interval * weight`` on steps divisible by it, 0 between.

    The mean over time is ``weight``. StyleGAN2 applies R1 this way with an interval of 16.

    Raises:
        TypeError: ``interval`` is no whole number, or ``weight`` no number.
        ValueError: ``interval`` is below 1, or ``weight`` not finite.

    References:
        Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020,
        arXiv:1912.04958, section 3.1.

    >>> lazy = every(16, 2.0)
    >>> lazy(0), lazy(1), lazy(16)
    (32.0, 0.0, 32.0)
    """
    interval, weight = check_whole(interval, "interval"), check_number(weight, "weight")
    if interval < 1:
        raise ValueError(f"interval is {interval}; it must be at least 1 step")
    return Every(interval, weight)


def ramp(start: float, end: float, steps: int) -> Schedule:
    """Linear change from ``start`` to ``end`` over ``steps`` steps, constant afterwards.

    Raises:
        TypeError: ``steps`` is no whole number, or an end no number.
        ValueError: ``steps`` is below 1, or an end not finite.

    >>> warm_up = ramp(0.0, 10.0, 100)
    >>> warm_up(0), warm_up(50), warm_up(1000)
    (0.0, 5.0, 10.0)
    """
    start, end = check_number(start, "start"), check_number(end, "end")
    if check_whole(steps, "steps") < 1:
        raise ValueError(f"steps is {steps}; a ramp needs at least 1 step")
    return _Ramp(start, end, steps)


@dataclass(frozen=True)
class Losses:
    """What an objective came to.

    Args:
        total: weighted sum, to call ``backward()`` on.
        terms: each term by name, unweighted and detached; skipped ones are absent.

    >>> losses = WeightedSum(l1=100.0)(l1=torch.tensor(0.25))
    >>> losses.total, losses.terms
    (tensor(25.), {'l1': tensor(0.2500)})
    """

    total: Tensor
    terms: Mapping[str, Tensor]


@dataclass(frozen=True)
class GradientReport:
    """How the terms of an objective pull on the parameters, from :meth:`WeightedSum.gradients`.

    Args:
        norms: norm of each weighted term's gradient.
        cosines: cosine between the gradients of two terms; negative is a conflict.

    >>> report = GradientReport({"adv": 1.0, "l1": 2.0}, {("adv", "l1"): -0.5})
    >>> report.conflicts
    [('adv', 'l1')]
    """

    norms: Mapping[str, float]
    cosines: Mapping[tuple[str, str], float]

    @property
    def conflicts(self) -> list[tuple[str, str]]:
        """Pairs of terms whose gradients point against each other."""
        return [pair for pair, cosine in self.cosines.items() if cosine < 0]


class WeightedSum:
    r"""An objective, declared once: :math:`\sum_k w_k(t)\, L_k`.

    Weights are numbers or schedules (:func:`every`, :func:`ramp`). Each call must pass exactly
    the declared terms, as scalars or as thunks; a thunk with zero weight is not computed.

    Raises:
        TypeError: a weight is neither a number nor a schedule; a term is missing or unknown, or a
            schedule is called without a step.
        ValueError: a weight is not finite, or a term is not a single number.

    >>> import torch
    >>> objective = WeightedSum(adv=1.0, gp=10.0)
    >>> losses = objective(adv=torch.tensor(2.0), gp=lambda: torch.tensor(0.5))
    >>> losses.total
    tensor(7.)
    >>> losses.terms["gp"]
    tensor(0.5000)
    >>> objective(adv=torch.tensor(2.0))
    Traceback (most recent call last):
    TypeError: term 'gp' of WeightedSum(adv=1.0, gp=10.0) is missing; pass gp=...
    """

    __slots__ = ("_weights",)

    def __init__(self, **weights: Weight) -> None:
        if not weights:
            raise TypeError("an objective needs at least one term, e.g. WeightedSum(adv=1.0)")
        self._weights = {name: checked_weight(w, name) for name, w in weights.items()}

    @property
    def weights(self) -> Mapping[str, Weight]:
        """The declared weights.

        >>> WeightedSum(adv=1.0, r1=every(16, 10.0)).weights
        {'adv': 1.0, 'r1': every(16, 10.0)}
        """
        return dict(self._weights)

    def __call__(self, step: int | None = None, /, **terms: Term) -> Losses:
        """Add the terms up.

        Args:
            step: current step; needed when a weight is a schedule.
            terms: one scalar tensor or thunk for each declared weight.

        Raises:
            TypeError: a term is missing or unknown, or a schedule is called without a step.
            ValueError: a term is not a single number.
        """
        self._check_names(terms)
        total: Tensor | None = None
        values: dict[str, Tensor] = {}
        for name, weight in self._active(step).items():
            value = _scalar(name, terms[name])
            values[name] = value.detach()
            weighted = value if weight == 1.0 else weight * value
            total = weighted if total is None else total + weighted
        return Losses(_nothing(terms.values()) if total is None else total, values)

    def gradients(
        self, parameters: Iterable[Tensor], step: int | None = None, /, **terms: Term
    ) -> GradientReport:
        """Norm of each weighted term's gradient, and the cosines between them.

        Costs one backward pass per term and waits for the device; meant for a look now and then.

        Raises:
            TypeError: as for a call.
            ValueError: as for a call, or a term depends on no parameter, as under
                ``torch.no_grad()``, or there are no parameters.

        >>> x = torch.tensor([3.0], requires_grad=True)
        >>> report = WeightedSum(a=2.0, b=1.0).gradients([x], a=x.sum(), b=-x.square().sum())
        >>> report.norms, report.conflicts
        ({'a': 2.0, 'b': 6.0}, [('a', 'b')])
        """
        self._check_names(terms)
        targets = [p for p in parameters if p.requires_grad]
        if not targets:
            raise ValueError("no parameter requires a gradient; pass those that are being trained")
        gradients = {
            name: weight * _flat_gradient(name, _scalar(name, terms[name]), targets)
            for name, weight in self._active(step).items()
        }
        norms = {name: float(g.norm()) for name, g in gradients.items()}
        cosines = {
            (a, b): float(torch.cosine_similarity(gradients[a], gradients[b], dim=0))
            for a, b in itertools.combinations(gradients, 2)
        }
        return GradientReport(norms, cosines)

    def _active(self, step: int | None) -> dict[str, float]:
        weights = {name: self._weight(name, step) for name in self._weights}
        return {name: weight for name, weight in weights.items() if weight != 0}

    def _weight(self, name: str, step: int | None) -> float:
        weight = self._weights[name]
        if isinstance(weight, (int, float)):
            return weight
        if step is None:
            raise TypeError(f"the weight of {name!r} is {weight!r}: pass the step, objective(step)")
        return weight(step)

    def _check_names(self, terms: Mapping[str, Term]) -> None:
        if "step" in terms and "step" not in self._weights:
            raise TypeError(
                f"{self!r} has no term 'step'; the step is positional: objective(step, ...)"
            )
        for name in self._weights:
            if name not in terms:
                raise TypeError(f"term {name!r} of {self!r} is missing; pass {name}=...")
        for name in terms:
            if name not in self._weights:
                hint = suggest(name, self._weights)
                raise TypeError(f"{self!r} has no term {name!r}{hint}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WeightedSum) and self._weights == other._weights

    def __hash__(self) -> int:
        return hash(frozenset(self._weights.items()))

    def __repr__(self) -> str:
        weights = ", ".join(f"{name}={weight!r}" for name, weight in self._weights.items())
        return f"WeightedSum({weights})"

    def __getstate__(self) -> dict[str, Weight]:
        return self._weights

    def __setstate__(self, state: dict[str, Weight]) -> None:
        self._weights = state


def checked_weight(weight: Any, name: str) -> Weight:
    """Return the weight of a term, a finite number or a schedule.

    >>> checked_weight(None, "gp")
    Traceback (most recent call last):
    TypeError: the weight of 'gp' is None; pass a number or a schedule, e.g. every(16, 10.0)
    """
    if isinstance(weight, Schedule) and not isinstance(weight, type):
        return weight
    if isinstance(weight, bool):  # 0 or 1: a term that is switched off or on
        return int(weight)
    if not isinstance(weight, Real):
        raise TypeError(
            f"the weight of {name!r} is {weight!r}; pass a number or a schedule, e.g. "
            "every(16, 10.0)"
        )
    return check_number(weight, f"the weight of {name!r}")


def _scalar(name: str, term: Any) -> Tensor:
    value = term() if callable(term) and not isinstance(term, Tensor) else term
    if not isinstance(value, Tensor):
        raise TypeError(
            f"term {name!r} is of type {type(value).__name__}; pass a 0-d tensor, or a function "
            f"that gives one, e.g. {name}=lambda: penalty(D, real=x)"
        )
    if value.dim() != 0:
        raise ValueError(
            f"term {name!r} has shape {tuple(value.shape)}; an objective adds single numbers: "
            "reduce it first, e.g. with reduction='mean'"
        )
    return value


def _nothing(terms: Iterable[Term]) -> Tensor:
    """Zero that ``backward()`` accepts and that reaches no parameter."""
    device = next((t.device for t in terms if isinstance(t, Tensor)), None)
    return torch.zeros((), device=device, requires_grad=True)


def _flat_gradient(name: str, value: Tensor, targets: list[Tensor]) -> Tensor:
    if not value.requires_grad:
        raise ValueError(
            f"term {name!r} depends on no parameter: compute it outside of torch.no_grad(), and do "
            "not detach it"
        )
    gradients = torch.autograd.grad(
        value, targets, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return torch.cat([gradient.flatten() for gradient in gradients])
