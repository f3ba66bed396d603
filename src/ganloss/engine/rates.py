"""Learning rates as a function of the step: nothing to save, nothing to resume."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Kind: TypeAlias = Literal["constant", "linear", "cosine"]


@dataclass(frozen=True)
class RateSchedule:
    r"""Factor of the learning rate at a step, between 0 and 1.

    With *t* the step, counted from 0, *T* the run's length, *w* the warm-up and *c* the share of
    the run that is held constant:

    .. math::
        f(t) = \min\Big(1, \frac{t + 1}{w}\Big) \cdot
        \begin{cases}
            1 & \text{constant} \\
            1 - \max\big(0, \frac{t - cT}{T - cT}\big) & \text{linear} \\
            \tfrac12 \big(1 + \cos \frac{\pi t}{T}\big) & \text{cosine}
        \end{cases}

    Args:
        kind: shape of the decay; all but ``"constant"`` end at 0 and need ``total``.
        total: length of the run in steps.
        warmup: steps of linear warm-up, 0 for none.
        decay_from: share of the run before a linear decay begins.

    Raises:
        ValueError: an unknown kind, a missing length, or a number out of range.

    References:
        Linear after a constant half: Zhu et al., "Unpaired Image-to-Image Translation using
        Cycle-Consistent Adversarial Networks", ICCV 2017, arXiv:1703.10593, section 4.
        Cosine: Loshchilov and Hutter, "SGDR", ICLR 2017, arXiv:1608.03983, eq. 5, one period.
        Warm-up: Goyal et al., 2017, arXiv:1706.02677, section 2.2.

    >>> linear = RateSchedule("linear", total=100)
    >>> linear(0), linear(50), linear(75), linear(100)
    (1.0, 1.0, 0.5, 0.0)
    >>> RateSchedule("constant", warmup=4)(0)
    0.25
    """

    kind: Kind = "constant"
    total: int | None = None
    warmup: int = 0
    decay_from: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind is {self.kind!r}; use one of {', '.join(get_args(Kind))}")
        if self.kind != "constant" and (self.total is None or self.total < 1):
            raise ValueError(f"total is {self.total}; a {self.kind} decay needs the run's length")
        if self.warmup < 0 or not 0 <= self.decay_from < 1:
            raise ValueError(
                f"warmup is {self.warmup} and decay_from {self.decay_from}; a warm-up takes 0 or "
                "more steps, and a decay begins at a share of the run from 0 to below 1"
            )

    def __call__(self, step: int) -> float:
        """Factor at ``step``."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return warm * self._decay(step)

    def _decay(self, step: int) -> float:
        if self.kind == "constant" or self.total is None:
            return 1.0
        if self.kind == "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * step / self.total))
        start = self.decay_from * self.total
        return 1.0 - max(0.0, (step - start) / (self.total - start))
