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
Map = Callable[[Array], Array]


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
    "NonSaturating(0.9, fake_label=0.1, generator_label=0.8)": PairFormula(
        discriminator=lambda r, f: float(
            (0.9 * softplus(-r) + 0.1 * softplus(r)).mean()
            + (0.1 * softplus(-f) + 0.9 * softplus(f)).mean()
        ),
        generator=lambda r, f: float((0.8 * softplus(-f) + 0.2 * softplus(f)).mean()),
        closed=(
            ("discriminator", [0.0], [0.0], 2 * LOG2),  # labels do not matter at even chances
            ("generator", [0.0], [100.0], 20.0),  # 0.2 softplus(100)
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
    "Hinge(2.0, fake_margin=0.5)": PairFormula(
        discriminator=lambda r, f: float(
            np.maximum(0, 2 - r).mean() + np.maximum(0, 0.5 + f).mean()
        ),
        generator=lambda r, f: float(-f.mean()),
        closed=(
            ("discriminator", [1.5], [0.0], 1.0),  # .5 + .5
            ("discriminator", [2.0], [-0.5], 0.0),
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


def _lse(x: Array) -> Array:
    """log sum exp over the batch, exact for large |x|."""
    top = x.max(0)
    return top + np.log(np.exp(x - top).sum(0))


def _dual_contrast(high: Array, low: Array) -> float:
    """Yu et al. 2021: each high score against all low ones, and the other way round."""
    return float(softplus(_lse(low) - high).mean() + softplus(low + _lse(-high)).mean())


def _softmax_d(r: Array, f: Array) -> float:
    """Lin 2017: cross-entropy of the softmax over both batches; real targets 1/N, fake ones 0."""
    return float((_lse(np.concatenate([r, f])) - r).mean())


def _softmax_g(r: Array, f: Array) -> float:
    both = np.concatenate([r, f])
    return float((_lse(both) - both).mean())


def _kernel_gaussian(d2: Array) -> Array:
    return sum((np.exp(-d2 / (2 * s**2)) for s in (1, 2, 4, 8, 16)), np.zeros_like(d2))


def _kernel_rq(d2: Array) -> Array:
    return sum(((1 + d2 / (2 * a)) ** -a for a in (0.2, 0.5, 1, 2, 5)), np.zeros_like(d2))


def _squared_distances(x: Array, y: Array) -> Array:
    x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
    return np.array([[((a - b) ** 2).sum() for b in y] for a in x])


def _mmd(kernel: Map, unbiased: bool) -> Callable[[Array, Array], float]:
    """Gretton et al. 2012: eq. 3 (unbiased) and eq. 5 (biased)."""

    def own(x: Array) -> float:
        k, n = kernel(_squared_distances(x, x)), len(x)
        return (k.sum() - np.trace(k)) / (n * (n - 1)) if unbiased else k.mean()

    return lambda r, f: float(own(r) + own(f) - 2 * kernel(_squared_distances(r, f)).mean())


def _mmd_pair(kernel: Map, unbiased: bool) -> PairFormula:
    value = _mmd(kernel, unbiased)
    # Two samples of each kind, real ones at 0 and fake ones at 2: within 5, across k(2).
    apart = 10 - 2 * float(kernel(np.array([4.0]))[0])
    return PairFormula(
        discriminator=lambda r, f: -value(r, f),
        generator=value,
        closed=(
            ("discriminator", [0.0, 0.0], [2.0, 2.0], -apart),
            ("generator", [1.0, 1.0], [1.0, 1.0], 0.0),
        ),
    )


def _sphere_moments(x: Array) -> float:
    squares = (x.reshape(len(x), -1) ** 2).sum(1)
    d = np.arccos((squares - 1) / (squares + 1))
    return float((d + d**2 + d**3).mean())


def _realness(x: Array, centre: float) -> float:
    """KL of a normal bump from each sample's softmax; one score s is the logits (0, s)."""
    logits = x.reshape(len(x), -1)
    if logits.shape[1] == 1:
        logits = np.concatenate([0 * logits, logits], 1)
    count = logits.shape[1]
    places = np.array([-1 + (2 * k + 1) / count for k in range(count)])
    bump = np.exp(-((places - centre) ** 2) / (2 * 0.25**2))
    p = bump / bump.sum()
    shifted = logits - logits.max(1, keepdims=True)
    log_q = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return float((p * (np.log(p) - log_q)).sum(1).mean())


#: Entropy of a coin whose odds are e^8 to 1.
_SMALL_ENTROPY = math.log1p(math.exp(-8)) + 8 * math.exp(-8) / (1 + math.exp(-8))

_QUARTER = math.pi / 2 + math.pi**2 / 4 + math.pi**3 / 8

LOSSES |= {
    "RelativisticAverage(NonSaturating())": PairFormula(
        discriminator=lambda r, f: float(
            softplus(f.mean() - r).mean() + softplus(f - r.mean()).mean()
        ),
        generator=lambda r, f: float(softplus(r.mean() - f).mean() + softplus(r - f.mean()).mean()),
        closed=(
            ("discriminator", [0.0], [0.0], 2 * LOG2),
            ("generator", [1.0, 1.0], [1.0], 2 * LOG2),
        ),
    ),
    "RelativisticAverage(LeastSquares(-1.0, 1.0))": PairFormula(
        discriminator=lambda r, f: float(
            ((r - f.mean() - 1) ** 2).mean() / 2 + ((f - r.mean() + 1) ** 2).mean() / 2
        ),
        generator=lambda r, f: float(
            ((f - r.mean() - 1) ** 2).mean() / 2 + ((r - f.mean() + 1) ** 2).mean() / 2
        ),
        closed=(  # half the published RaLSGAN: .5075 and 4.9075
            ("discriminator", [0.8, 0.4], [0.3, -0.2], 0.25375),
            ("generator", [0.8, 0.4], [0.3, -0.2], 2.45375),
        ),
    ),
    "RelativisticAverage(Hinge())": PairFormula(
        discriminator=lambda r, f: float(
            np.maximum(0, 1 - r + f.mean()).mean() + np.maximum(0, 1 + f - r.mean()).mean()
        ),
        generator=lambda r, f: float(
            np.maximum(0, 1 - f + r.mean()).mean() + np.maximum(0, 1 + r - f.mean()).mean()
        ),
        closed=(("discriminator", [2.0], [0.0], 0.0), ("generator", [2.0], [0.0], 6.0)),
    ),
    "DualContrastive()": PairFormula(
        discriminator=_dual_contrast,
        generator=lambda r, f: _dual_contrast(f, r),
        closed=(
            ("discriminator", [0.0] * 3, [0.0] * 3, 2 * math.log(4)),  # 2 log(N + 1)
            ("generator", [0.0] * 7, [0.0] * 7, 2 * math.log(8)),
        ),
    ),
    "DualContrastive(saturating=True)": PairFormula(
        discriminator=_dual_contrast,
        generator=lambda r, f: -_dual_contrast(r, f),
        closed=(("generator", [0.0] * 3, [0.0] * 3, -2 * math.log(4)),),
    ),
    "SoftmaxGAN()": PairFormula(
        discriminator=_softmax_d,
        generator=_softmax_g,
        closed=(
            ("discriminator", [0.0] * 3, [0.0] * 3, math.log(6)),  # log(2N)
            ("generator", [0.0] * 3, [0.0] * 3, math.log(6)),
            ("generator", [0.0] * 3, [0.0] * 2, math.log(5)),
        ),
    ),
    "BoundarySeeking()": PairFormula(
        discriminator=lambda r, f: float(softplus(-r).mean() + softplus(f).mean()),
        generator=lambda r, f: float(((sigmoid_log(f) - sigmoid_log(-f)) ** 2).mean() / 2),
        closed=(("discriminator", [0.0], [0.0], 2 * LOG2), ("generator", [0.0], [3.0], 4.5)),
    ),
    "MaximumMeanDiscrepancy('gaussian')": _mmd_pair(_kernel_gaussian, unbiased=True),
    "MaximumMeanDiscrepancy('gaussian', unbiased=False)": _mmd_pair(_kernel_gaussian, False),
    "MaximumMeanDiscrepancy('rational-quadratic')": _mmd_pair(_kernel_rq, unbiased=True),
    "Sphere()": PairFormula(
        discriminator=lambda r, f: _sphere_moments(f) - _sphere_moments(r),
        generator=lambda r, f: -_sphere_moments(f),
        closed=(
            # The origin is the south pole, half a turn away; a unit vector lies on the equator.
            ("discriminator", [1.0], [1.0], 0.0),
            ("generator", [0.0], [1.0], -_QUARTER),
            ("discriminator", [0.0], [1.0], _QUARTER - math.pi - math.pi**2 - math.pi**3),
        ),
    ),
    "Realness()": PairFormula(
        discriminator=lambda r, f: _realness(r, 0.5) + _realness(f, -0.5),
        generator=lambda r, f: _realness(f, 0.5) - _realness(f, -0.5),
        closed=(
            # Anchors that leave nothing to the other outcome: two coins, log 2 each, less what two
            # anchors of probability e^-8 keep to themselves.
            ("discriminator", [0.0], [0.0], 2 * (LOG2 - _SMALL_ENTROPY)),
            ("generator", [0.0], [0.0], 0.0),
            ("generator", [0.0], [3.0], -3.0 * math.tanh(4)),
        ),
    ),
    "EnergyBased()": PairFormula(
        discriminator=lambda r, f: float(r.mean() + np.maximum(0, 10 - f).mean()),
        generator=lambda r, f: float(f.mean()),
        closed=(("discriminator", [1.0], [4.0], 7.0), ("discriminator", [1.0], [12.0], 1.0)),
    ),
    "BoundaryEquilibrium(k=0.5)": PairFormula(
        discriminator=lambda r, f: float(r.mean() - f.mean() / 2),
        generator=lambda r, f: float(f.mean()),
        closed=(("discriminator", [3.0], [2.0], 2.0), ("generator", [3.0], [2.0], 2.0)),
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
class Points:
    """What the quadratic critic D(x) = x.A.x / 2 + b.x gives, with gradient A x + b (A symmetric).

    Args:
        real, fake, mixed, noisy: gradient norms at the samples, at the interpolates, and at the
            real samples with ``noise`` of half a unit.
        score: D itself, of rows.
        x, y: real and fake samples.
        noise: the standard normal numbers of the same seed.
    """

    real: Array
    fake: Array
    mixed: Array
    noisy: Array
    score: Map
    x: Array
    y: Array
    noise: Array


@dataclass(frozen=True)
class PenaltyFormula:
    """A penalty of the critic D(x) = x.A.x / 2 + b.x.

    Args:
        value: penalty from what the critic gives.
        linear: closed form for a linear critic with gradient norm k; None if it depends on scores.
    """

    value: Callable[[Points], float]
    linear: Callable[[float], float] | None = None


def _mean_square(norms: Array) -> float:
    return float((norms**2).mean())


def _finite_difference(p: Points, x: Array) -> float:
    return _mean_square((p.score(x + 0.01 * p.noise) - p.score(x)) / 0.01) / 2


PENALTIES: dict[str, PenaltyFormula] = {
    "GradientPenalty()": PenaltyFormula(
        lambda p: _mean_square(p.mixed - 1), lambda k: (k - 1) ** 2
    ),
    "R1()": PenaltyFormula(lambda p: _mean_square(p.real) / 2, lambda k: k**2 / 2),
    "R2()": PenaltyFormula(lambda p: _mean_square(p.fake) / 2, lambda k: k**2 / 2),
    "DRAGAN()": PenaltyFormula(lambda p: _mean_square(p.noisy - 1), lambda k: (k - 1) ** 2),
    "MaxGradientPenalty()": PenaltyFormula(lambda p: float((p.mixed**2).max()), lambda k: k**2),
    "WGANDiv()": PenaltyFormula(lambda p: float((p.mixed**6).mean()), lambda k: k**6),
    "LeCam(real_average=1.0, fake_average=-1.0)": PenaltyFormula(
        lambda p: _mean_square(p.score(p.x) + 1) + _mean_square(p.score(p.y) - 1)
    ),
    "Drift()": PenaltyFormula(lambda p: _mean_square(p.score(p.x))),
    "Consistency(abs)": PenaltyFormula(lambda p: _mean_square(p.score(p.x) - p.score(np.abs(p.x)))),
    "Consistency(abs, on='both')": PenaltyFormula(
        lambda p: (
            _mean_square(p.score(p.x) - p.score(np.abs(p.x)))
            + _mean_square(p.score(p.y) - p.score(np.abs(p.y)))
        )
    ),
    "ApproximateR1()": PenaltyFormula(lambda p: _finite_difference(p, p.x)),
    "ApproximateR2()": PenaltyFormula(lambda p: _finite_difference(p, p.y)),
}


def orthogonal(weights: Iterable[Array]) -> float:
    """Brock et al. 2019, eq. 3: squared products of different filters."""
    return float(
        sum(
            (a @ b) ** 2
            for w in weights
            for i, a in enumerate(w)
            for j, b in enumerate(w)
            if i != j
        )
    )


def spectral(weights: Iterable[Array]) -> float:
    """Yoshida & Miyato 2017, eq. 3: the largest eigenvalue of W W^T is the square sought."""
    return float(sum(np.linalg.eigvalsh(w @ w.T)[-1] / 2 for w in weights))


OF_WEIGHTS: dict[str, Callable[[Iterable[Array]], float]] = {
    "Orthogonal()": orthogonal,
    "Spectral()": spectral,
}


def missing(classes: Iterable[type], formulas: Iterable[str]) -> list[str]:
    """Name the classes that have no formula here."""
    covered = {expression.split("(")[0] for expression in formulas}
    return [cls.__name__ for cls in classes if cls.__name__ not in covered]
