"""One independent float64 NumPy formula and one closed form for every pair and penalty.

Nothing here calls ganloss; formulas are written from the papers the docstrings name. A key is the
expression that makes the loss, so that an entry with parameters may have several formulas. The
terms are in ``term_formulas.py``.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


def softplus(x: Array) -> Array:
    """log(1 + e^x), exact for large |x|."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid_log(x: Array) -> Array:
    return -softplus(-x)


@dataclass(frozen=True)
class PairFormula:
    """A pair: both sides as functions of (real, fake), and numbers worked out by hand.

    Args:
        discriminator: D's loss of real and fake scores.
        generator: G's loss.
        closed: (side, real, fake, value), with where the value comes from in a comment.
    """

    discriminator: Callable[[Array, Array], float]
    generator: Callable[[Array, Array], float]
    closed: tuple[tuple[str, list[float], list[float], float], ...]


LOG2 = math.log(2)

LOSSES: dict[str, PairFormula] = {
    "Minimax()": PairFormula(
        discriminator=lambda r, f: float(-sigmoid_log(r).mean() - sigmoid_log(-f).mean()),
        generator=lambda r, f: float(sigmoid_log(-f).mean()),
        closed=(
            ("discriminator", [0.0], [0.0], 2 * LOG2),  # D = 1/2: V = -log 4
            ("discriminator", [-200.0], [200.0], 400.0),  # softplus(200) = 200 in fp32
            ("generator", [0.0], [0.0], -LOG2),
        ),
    ),
    "NonSaturating()": PairFormula(
        discriminator=lambda r, f: float(softplus(-r).mean() + softplus(f).mean()),
        generator=lambda r, f: float(softplus(-f).mean()),
        closed=(
            ("discriminator", [0.0], [0.0], 2 * LOG2),
            ("generator", [0.0], [0.0], LOG2),
            ("generator", [0.0], [math.inf], 0.0),
        ),
    ),
    "Wasserstein()": PairFormula(
        discriminator=lambda r, f: float(f.mean() - r.mean()),
        generator=lambda r, f: float(-f.mean()),
        closed=(
            ("discriminator", [3.0, 5.0], [1.0, 2.0], -2.5),
            ("generator", [3.0, 5.0], [1.0, 2.0], -1.5),
        ),
    ),
    "LeastSquares()": PairFormula(
        discriminator=lambda r, f: float(((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2),
        generator=lambda r, f: float(((f - 1) ** 2).mean() / 2),
        closed=(
            ("discriminator", [0.8], [0.3], 0.065),  # (.04 + .09) / 2
            ("generator", [0.8], [0.3], 0.245),  # .49 / 2
        ),
    ),
    "Hinge()": PairFormula(
        discriminator=lambda r, f: float(np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean()),
        generator=lambda r, f: float(-f.mean()),
        closed=(
            ("discriminator", [2.0, 0.5], [-3.0, 0.0], 0.75),  # (0 + .5)/2 + (0 + 1)/2
            ("generator", [0.0], [3.0], -3.0),
        ),
    ),
    "RelativisticAverage(NonSaturating())": PairFormula(
        discriminator=lambda r, f: float(
            softplus(f.mean() - r).mean() + softplus(f - r.mean()).mean()
        ),
        generator=lambda r, f: float(softplus(r.mean() - f).mean() + softplus(r - f.mean()).mean()),
        closed=(
            ("discriminator", [0.0, 0.0], [0.0], 2 * LOG2),
            # Means 0 and 0: each score against them, softplus(x) + softplus(-x) in pairs.
            ("discriminator", [1.0, -1.0], [0.0], 0.5 * math.log(2 + math.e + 1 / math.e) + LOG2),
        ),
    ),
    "RelativisticAverage(LeastSquares(-1, 1))": PairFormula(
        discriminator=lambda r, f: float(
            0.5 * ((r - f.mean() - 1) ** 2).mean() + 0.5 * ((f - r.mean() + 1) ** 2).mean()
        ),
        generator=lambda r, f: float(
            0.5 * ((f - r.mean() - 1) ** 2).mean() + 0.5 * ((r - f.mean() + 1) ** 2).mean()
        ),
        closed=(
            # Half of the published RaLSGAN's .5075 and 4.9075.
            ("discriminator", [0.8, 0.4], [0.3, -0.2], 0.5075 / 2),
            ("generator", [0.8, 0.4], [0.3, -0.2], 4.9075 / 2),
        ),
    ),
    "Relativistic(NonSaturating())": PairFormula(
        discriminator=lambda r, f: float(softplus(-(r - f)).mean()),
        generator=lambda r, f: float(softplus(-(f - r)).mean()),
        closed=(
            ("discriminator", [1.0], [1.0], LOG2),
            ("generator", [0.0], [0.0], LOG2),
            ("discriminator", [3.0], [0.0], math.log1p(math.exp(-3.0))),
        ),
    ),
}


def _f_divergence(
    activation: Callable[[Array], Array],
    conjugate: Callable[[Array], Array],
    best: Callable[[float], float],
    value: float,
) -> PairFormula:
    """Build f-GAN's pair (Nowozin et al. 2016, eqs. 6-7, tables 1, 2 and 6).

    The closed form is the bound at the best scores between p = (.5, .5) and q = (.9, .1), drawn
    as 2 real and 10 fake samples: there it is the divergence itself.

    Args:
        activation: g of the score.
        conjugate: f* of g.
        best: the score v with g(v) = f'(u) at u = p/q.
        value: the divergence.
    """
    scores = [best(5 / 9), best(5.0)]
    closed = (("discriminator", scores, [scores[0]] * 9 + [scores[1]], -value),)
    return PairFormula(
        discriminator=lambda r, f: float(conjugate(activation(f)).mean() - activation(r).mean()),
        generator=lambda r, f: float(-activation(f).mean()),
        closed=closed,
    )


P, Q = np.array([0.5, 0.5]), np.array([0.9, 0.1])
#: Kullback-Leibler divergences of p from q and of q from p; .5108256238 and .3680642072.
KL_PQ, KL_QP = float((P * np.log(P / Q)).sum()), float((Q * np.log(Q / P)).sum())
#: Jensen-Shannon divergence of p and q from its definition; .1017492251.
JS = float((P * np.log(2 * P / (P + Q)) + Q * np.log(2 * Q / (P + Q))).sum() / 2)

LOSSES |= {
    "FDivergence('kl')": _f_divergence(
        lambda v: v, lambda t: np.exp(t - 1), lambda u: 1 + math.log(u), KL_PQ
    ),
    "FDivergence('reverse-kl')": _f_divergence(
        lambda v: -np.exp(-v), lambda t: -1 - np.log(-t), math.log, KL_QP
    ),
    "FDivergence('js')": _f_divergence(
        lambda v: math.log(2) - np.log1p(np.exp(-v)),
        lambda t: -np.log(2 - np.exp(t)),
        math.log,
        2 * JS,
    ),
    "FDivergence('gan')": _f_divergence(
        lambda v: -np.log1p(np.exp(-v)),
        lambda t: -np.log(1 - np.exp(t)),
        math.log,
        2 * JS - math.log(4),
    ),
    "FDivergence('pearson')": _f_divergence(
        lambda v: v,
        lambda t: t**2 / 4 + t,
        lambda u: 2 * (u - 1),
        float(((P - Q) ** 2 / Q).sum()),
    ),
    "FDivergence('squared-hellinger')": _f_divergence(
        lambda v: 1 - np.exp(-v),
        lambda t: t / (1 - t),
        lambda u: math.log(u) / 2,
        float(((np.sqrt(P) - np.sqrt(Q)) ** 2).sum()),
    ),
    # Reached only in the limit; tanh(20) = 1 in float64.
    "FDivergence('total-variation')": _f_divergence(
        lambda v: np.tanh(v) / 2, lambda t: t, lambda u: math.copysign(40, u - 1), 0.4
    ),
    "FDivergence('kl', alternative=False)": PairFormula(
        discriminator=lambda r, f: float(np.exp(f - 1).mean() - r.mean()),
        generator=lambda r, f: float(-np.exp(f - 1).mean()),
        closed=(("generator", [0.0], [1.0], -1.0),),
    ),
}


@dataclass(frozen=True)
class PenaltyFormula:
    """A penalty of the critic D(x) = x.A.x / 2 + b.x, whose gradient is A x + b (A symmetric).

    Args:
        value: penalty from the critic's gradient norms at (real, fake, interpolates).
        linear: closed form for a linear critic with gradient norm k.
    """

    value: Callable[[Array, Array, Array], float]
    linear: Callable[[float], float]


def _mean_square(norms: Array) -> float:
    return float((norms**2).mean())


PENALTIES: dict[str, PenaltyFormula] = {
    "GradientPenalty()": PenaltyFormula(
        value=lambda real, fake, mixed: _mean_square(mixed - 1),
        linear=lambda k: (k - 1) ** 2,
    ),
    "WGANDiv()": PenaltyFormula(
        value=lambda real, fake, mixed: float((mixed**6).mean()), linear=lambda k: k**6
    ),
    "R1()": PenaltyFormula(
        value=lambda real, fake, mixed: _mean_square(real) / 2, linear=lambda k: k**2 / 2
    ),
    "R2()": PenaltyFormula(
        value=lambda real, fake, mixed: _mean_square(fake) / 2, linear=lambda k: k**2 / 2
    ),
}


def missing(classes: Iterable[type], formulas: Iterable[str]) -> list[str]:
    """Name the classes that have no formula here."""
    covered = {expression.split("(")[0] for expression in formulas}
    return [cls.__name__ for cls in classes if cls.__name__ not in covered]
