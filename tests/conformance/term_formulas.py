"""One independent float64 NumPy formula and one closed form for every term, as in ``formulas.py``.

Nothing here calls ganloss. A key is the expression that makes the term, or the side of it that a
player calls: ``Term().generator``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from conformance.formulas import KL_PQ, KL_QP, LOG2, P, Q

Array = np.ndarray
Map = Callable[[Array], Array]
#: Arguments of a term, in order or by name.
Arguments = tuple[Array, ...] | dict[str, Any]


@dataclass(frozen=True)
class TermFormula:
    """A term: arguments to try, its formula, and numbers worked out by hand.

    Args:
        draw: arguments from a source of random numbers, in order or by name.
        value: the formula of those arguments.
        closed: arguments and the number they must give.
    """

    draw: Callable[[np.random.Generator], Arguments]
    value: Callable[..., float]
    closed: tuple[tuple[Arguments, float], ...]


def _images(*shape: int) -> Callable[[np.random.Generator], Arguments]:
    return lambda rng: (rng.random(shape), rng.random(shape))


def mean_per_sample(function: Callable[[Array, Array], float]) -> Callable[[Array, Array], float]:
    return lambda x, y: float(np.mean([function(a, b) for a, b in zip(x, y, strict=True)]))


def _cosine_distance(x: Array, y: Array) -> float:
    return 1 - float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))


def _gaussian_window() -> Array:
    line = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    return np.outer(line, line) / line.sum() ** 2


def _luminance_and_contrast(x: Array, y: Array) -> tuple[Array, Array]:
    """Maps of one channel under Wang's 11x11 window, valid region, data range 1."""
    x, y = (np.lib.stride_tricks.sliding_window_view(z, (11, 11)) for z in (x, y))
    w = _gaussian_window()
    mx, my = (x * w).sum((2, 3)), (y * w).sum((2, 3))
    dx, dy = x - mx[..., None, None], y - my[..., None, None]
    vx, vy, cov = ((z * w).sum((2, 3)) for z in (dx * dx, dy * dy, dx * dy))
    luminance = (2 * mx * my + 0.01**2) / (mx**2 + my**2 + 0.01**2)
    return luminance, (2 * cov + 0.03**2) / (vx + vy + 0.03**2)


def _ssim(x: Array, y: Array) -> float:
    """Wang et al. 2004, eqs. 13-17, of one image; the mean over channels."""
    maps = [_luminance_and_contrast(a, b) for a, b in zip(x, y, strict=True)]
    return float(np.mean([luminance * contrast for luminance, contrast in maps]))


def _ms_ssim_of_channel(x: Array, y: Array) -> float:
    """Wang et al. 2003, eq. 7."""
    product, weights = 1.0, (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    for scale, weight in enumerate(weights):
        luminance, contrast = _luminance_and_contrast(x, y)
        last = scale == len(weights) - 1
        product *= max(0.0, float(np.mean(luminance * contrast if last else contrast))) ** weight
        if not last:
            x, y = (z.reshape(len(z) // 2, 2, -1, 2).mean((1, 3)) for z in (x, y))
    return product


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _kl(logits: Array, target: Array) -> float:
    return float((target * np.log(target / softmax(logits))).sum(1).mean())


def _gaussian_kl(mean: Array, log_variance: Array) -> float:
    terms = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance)
    return float(terms.reshape(len(mean), -1).sum(1).mean())


def _maps(rng: np.random.Generator) -> Arguments:
    def maps() -> list[list[Array]]:
        return [[rng.normal(size=(4, 2, 3, 3)), rng.normal(size=(4, 5))], [rng.normal(size=(4, 3))]]

    return {"fake": maps(), "real": maps()}


def _pairs(fake: list[list[Array]], real: list[list[Array]]) -> list[tuple[Array, Array]]:
    return list(zip(chain(*fake), chain(*real), strict=True))


def _feature_matching(fake: list[list[Array]], real: list[list[Array]]) -> float:
    return float(sum(np.abs(a - b).mean() for a, b in _pairs(fake, real)))


def _mean_feature_matching(fake: list[list[Array]], real: list[list[Array]]) -> float:
    return float(sum(((a.mean(0) - b.mean(0)) ** 2).sum() for a, b in _pairs(fake, real)))


def full(value: float, *shape: int) -> Array:
    return np.full(shape, float(value))


#: Generators that do not undo each other, so that a swap is seen.
_GENERATORS = {"a_to_b": lambda x: 2 * x, "b_to_a": lambda y: 0.5 * y + 0.1}


def _domains(rng: np.random.Generator) -> Arguments:
    return {"real_a": rng.random((3, 2, 4)), "real_b": rng.random((3, 2, 4)), **_GENERATORS}


def _cycle(real_a: Array, real_b: Array, a_to_b: Map, b_to_a: Map) -> float:
    there = np.abs(b_to_a(a_to_b(real_a)) - real_a).mean()
    return float(there + np.abs(a_to_b(b_to_a(real_b)) - real_b).mean())


def _identity(real_a: Array, real_b: Array, a_to_b: Map, b_to_a: Map) -> float:
    return float(np.abs(b_to_a(real_a) - real_a).mean() + np.abs(a_to_b(real_b) - real_b).mean())


def _polynomials(x: Array, y: Array) -> float:
    """Johnson et al. 2016, eq. 2, for phi = x, 3x and x^2."""
    return float(
        sum(((f(x) - f(y)) ** 2).mean() for f in (lambda z: z, lambda z: 3 * z, np.square))
    )


_HALF_AND_QUARTER = (full(0.5, 1, 1, 176, 176), full(0.25, 1, 1, 176, 176))
_ONE_AND_THREE = {"real_a": full(1, 1, 1), "real_b": full(3, 1, 1), **_GENERATORS}

TERMS: dict[str, TermFormula] = {
    "L1()": TermFormula(
        _images(3, 2, 4),
        lambda x, y: float(np.abs(x - y).mean()),
        (((np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]])), 1.5),),
    ),
    "MSE()": TermFormula(
        _images(3, 2, 4),
        lambda x, y: float(((x - y) ** 2).mean()),
        (((np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]])), 2.5),),
    ),
    "PSNR(data_range=1.0)": TermFormula(
        _images(3, 2, 4),
        mean_per_sample(lambda a, b: 10 * math.log10(((a - b) ** 2).mean() + 1e-12)),
        (((full(0.1, 1, 2), full(0, 1, 2)), -20.0),),  # MSE .01
    ),
    "PSNR(data_range=255.0)": TermFormula(
        lambda rng: (255 * rng.random((3, 2, 4)), 255 * rng.random((3, 2, 4))),
        mean_per_sample(lambda a, b: 10 * math.log10(((a - b) ** 2).mean() / 255**2 + 1e-12)),
        (((full(10, 1, 2), full(0, 1, 2)), -20 * math.log10(25.5)),),  # 28.1308 dB
    ),
    "Cosine()": TermFormula(
        lambda rng: (rng.normal(size=(4, 5)), rng.normal(size=(4, 5))),
        mean_per_sample(_cosine_distance),
        (((np.array([[1.0, 2, 3]]), np.array([[4.0, 5, 6]])), 1 - 32 / math.sqrt(14 * 77)),),
    ),
    "SSIM(data_range=1.0)": TermFormula(
        _images(2, 2, 15, 13),
        lambda x, y: 1 - float(np.mean([_ssim(a, b) for a, b in zip(x, y, strict=True)])),
        # 1 - (2ab + C1) / (a^2 + b^2 + C1) for constants .5 and .25: index .8000639795.
        (((full(0.5, 1, 1, 11, 11), full(0.25, 1, 1, 11, 11)), 1 - 0.2501 / 0.3126),),
    ),
    "MultiScaleSSIM(data_range=1.0)": TermFormula(
        _images(1, 1, 176, 176),
        lambda x, y: 1 - _ms_ssim_of_channel(x[0, 0], y[0, 0]),
        (
            (
                (full(0.5, 1, 1, 176, 176), full(0.25, 1, 1, 176, 176)),
                1 - (0.2501 / 0.3126) ** 0.1333,
            ),
        ),
    ),
    "Perceptual(features=lambda x: [x, 3 * x, x * x], value_range=None)": TermFormula(
        _images(3, 2, 4, 4),
        _polynomials,
        (((full(1, 4, 1, 2, 2), full(0.5, 4, 1, 2, 2)), 3.0625),),  # .25 + 2.25 + .5625
    ),
    "FeatureMatching()": TermFormula(
        _maps,
        _feature_matching,
        (
            (
                {
                    "fake": [[full(1, 2, 3), full(2, 2, 4)], [full(3, 2, 3), full(6, 2, 4)]],
                    "real": [[full(0, 2, 3), full(0, 2, 4)], [full(0, 2, 3), full(0, 2, 4)]],
                },
                12.0,
            ),
        ),
    ),
    "MeanFeatureMatching()": TermFormula(
        _maps,
        _mean_feature_matching,
        (({"fake": [[np.array([[0.0, 2], [4, 6]])]], "real": [[full(1, 2, 2)]]}, 10.0),),
    ),
    "CycleConsistency()": TermFormula(_domains, _cycle, ((_ONE_AND_THREE, 0.3),)),
    "Identity()": TermFormula(_domains, _identity, ((_ONE_AND_THREE, 3.4),)),
    "KLDivergence()": TermFormula(
        lambda rng: (rng.normal(size=(4, 3)), softmax(rng.normal(size=(4, 3)))),
        _kl,
        (((np.log(Q)[None], P[None]), KL_PQ), ((np.log(P)[None], Q[None]), KL_QP)),
    ),
    "GaussianKL()": TermFormula(
        lambda rng: (rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 3))),
        _gaussian_kl,
        (((full(1, 1, 1), full(math.log(4), 1, 1)), 2 - math.log(2)),),  # N(1, 4): 1.3068528194
    ),
}


def _slopes(x: Array) -> tuple[Array, Array]:
    """Differences of (C, H, W) down and to the right, 0 over the border."""
    down, right = np.zeros_like(x), np.zeros_like(x)
    down[:, :-1] = x[:, 1:] - x[:, :-1]
    right[:, :, :-1] = x[:, :, 1:] - x[:, :, :-1]
    return down, right


def _variation(x: Array) -> float:
    return float(np.mean([sum(np.abs(d) for d in _slopes(image)) for image in x]))


def _isotropic_variation(x: Array) -> float:
    return float(np.mean([np.sqrt(sum(d**2 for d in _slopes(image))) for image in x]))


def _focal_frequency(x: Array, y: Array, alpha: float = 1.0) -> float:
    """Jiang et al. 2021, eqs. 6 to 8, for each image and channel."""
    total = 0.0
    for a, b in zip(x.reshape(-1, *x.shape[2:]), y.reshape(-1, *y.shape[2:]), strict=True):
        distance = np.abs(np.fft.fft2(a, norm="ortho") - np.fft.fft2(b, norm="ortho"))
        weight = distance**alpha / (distance**alpha).max()
        total += (weight * distance**2).mean()
    return total / (x.shape[0] * x.shape[1])


def _style(x: Array, y: Array) -> float:
    """Johnson et al. 2016, eqs. 3 and 4, for phi = x and x^2."""
    total = 0.0
    for phi in (lambda z: z, np.square):
        grams = [np.einsum("nchw,ndhw->ncd", phi(z), phi(z)) / z[0].size for z in (x, y)]
        total += ((grams[0] - grams[1]) ** 2).sum((1, 2)).mean()
    return float(total)


def unit(x: Array, axis: int = -1) -> Array:
    return x / np.sqrt((x**2).sum(axis, keepdims=True))


def _contextual(x: Array, y: Array) -> float:
    """Mechrez et al. 2018, eqs. 1 to 5, of one image (C, H, W)."""
    p, q = x.reshape(len(x), -1).T, y.reshape(len(y), -1).T
    p, q = unit(p - q.mean(0)), unit(q - q.mean(0))
    d = 1 - p @ q.T
    w = np.exp((1 - d / (d.min(1, keepdims=True) + 1e-5)) / 0.5)
    return -math.log((w / w.sum(1, keepdims=True)).max(0).mean())


def _patch_nce(fake: list[Array], real: list[Array], temperature: float = 0.07) -> float:
    """Park et al. 2020, eqs. 3 and 4, place by place."""
    total = 0.0
    for v, k in zip(fake, real, strict=True):
        losses: list[float] = []
        for ours, theirs in zip(unit(v), unit(k), strict=True):
            e = np.exp(ours @ theirs.T / temperature)
            losses += [-math.log(e[s, s] / e[s].sum()) for s in range(len(e))]
        total += float(np.mean(losses))
    return total


def _places(rng: np.random.Generator) -> Arguments:
    shapes = ((3, 5, 4), (3, 7, 2))
    return {
        "fake": [rng.normal(size=shape) for shape in shapes],
        "real": [rng.normal(size=shape) for shape in shapes],
    }


#: Channels out and in, side, stride and padding of its convolutions (Krizhevsky 2014).
_ALEXNET = (
    (64, 3, 11, 4, 2),
    (192, 64, 5, 1, 2),
    (384, 192, 3, 1, 1),
    (256, 384, 3, 1, 1),
    (256, 256, 3, 1, 1),
)


def _alexnet(x: Array) -> list[Array]:
    """Outputs of AlexNet's five ReLUs for one image, with the weights of pretrained="random"."""
    import torch

    generator, maps = torch.Generator().manual_seed(1603), []
    for layer, (out, into, kernel, stride, pad) in enumerate(_ALEXNET):
        if layer in (1, 2):  # the largest of 3 x 3, every second
            windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
            x = windows[:, ::2, ::2].max((3, 4))
        weight = torch.zeros(out, into, kernel, kernel)
        weight.normal_(0, (2 / (out * kernel**2)) ** 0.5, generator=generator)
        x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (1, 2))
        windows = windows[:, ::stride, ::stride]
        x = np.maximum(0, np.einsum("chwij,ocij->ohw", windows, weight.double().numpy()))
        maps.append(x)
    return maps


def _lpips(x: Array, y: Array) -> float:
    """Zhang et al. 2018, eq. 1, of one image, with w = 1."""
    mean, std = (np.array(z)[:, None, None] for z in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    pairs = zip(*(_alexnet((z - mean) / std) for z in (x, y)), strict=True)
    return float(sum(((unit(a, 0) - unit(b, 0)) ** 2).sum(0).mean() for a, b in pairs))


_STEP = np.repeat([[[[0.0, 0, 1, 1]]]], 4, axis=2)
_CORNER = np.zeros((1, 1, 2, 2))
_CORNER[0, 0, 0, 0] = 1  # (-1, -1) at one pixel; beyond it nothing changes

TERMS |= {
    "Charbonnier()": TermFormula(
        _images(3, 2, 4),
        lambda x, y: float(np.sqrt((x - y) ** 2 + 1e-6).mean()),
        (((full(0.5, 2, 3), full(0.5, 2, 3)), 1e-3),),  # ε at equality
    ),
    "Charbonnier(eps=3.0)": TermFormula(
        _images(3, 2, 4),
        lambda x, y: float(np.sqrt((x - y) ** 2 + 9).mean()),
        (((np.array([[4.0, 0.0]]), np.array([[0.0, 0.0]])), 4.0),),  # (5 + 3) / 2
    ),
    "TotalVariation()": TermFormula(
        lambda rng: (rng.random((3, 2, 5, 4)),),
        _variation,
        (((3 * _STEP,), 0.75), ((_CORNER,), 0.5)),  # 3 / W; 2 / 4
    ),
    "TotalVariation(isotropic=True)": TermFormula(
        lambda rng: (rng.random((3, 2, 5, 4)),),
        _isotropic_variation,
        (((3 * _STEP,), 0.75), ((_CORNER,), math.sqrt(2) / 4)),
    ),
    "FocalFrequency()": TermFormula(
        _images(2, 2, 6, 5),
        _focal_frequency,
        (
            # A constant difference is one frequency, of weight 1: as the squared error.
            ((full(0.5, 2, 3, 8, 8), full(0, 2, 3, 8, 8)), 0.25),
            # One pixel has a flat spectrum: all weights 1.
            ((_CORNER, 0 * _CORNER), 0.25),
        ),
    ),
    "FocalFrequency(alpha=0.0)": TermFormula(
        _images(2, 2, 6, 5),
        lambda x, y: float(((x - y) ** 2).mean()),  # Parseval
        (((full(0.5, 2, 3, 8, 8), full(0, 2, 3, 8, 8)), 0.25),),
    ),
    "Style(features=lambda x: [x, x * x], value_range=None)": TermFormula(
        _images(3, 2, 4, 4),
        _style,
        # All four entries of G are 1 / C = 1/2 against 1/8, and 1/2 against 1/32.
        (((full(1, 3, 2, 2, 2), full(0.5, 3, 2, 2, 2)), 4 * (0.375**2 + 0.46875**2)),),
    ),
    "LPIPS(pretrained='random', value_range=(0, 1))": TermFormula(
        lambda rng: (rng.random((1, 3, 64, 48)), rng.random((1, 3, 64, 48))),
        lambda x, y: _lpips(x[0], y[0]),
        (((full(0.5, 1, 3, 64, 64), full(0.5, 1, 3, 64, 64)), 0.0),),
    ),
    "Contextual()": TermFormula(
        _images(2, 3, 4, 4),
        mean_per_sample(_contextual),
        (
            # One of the two places is found by both, the other by none: (1 + 0) / 2.
            ((full(1, 1, 1, 2), np.array([[[1.0, -1.0]]])), LOG2),
            # A flat target has no directions: all six places are alike.
            ((full(1, 1, 2, 6), full(3, 1, 2, 6)), math.log(6)),
        ),
    ),
    "PatchNCE()": TermFormula(
        _places,
        _patch_nce,
        (({"fake": [np.eye(4)[None]], "real": [2 * np.eye(4)[None]]}, 3 * math.exp(-1 / 0.07)),),
    ),
    "PatchNCE(temperature=1.0)": TermFormula(
        _places,
        lambda fake, real: _patch_nce(fake, real, 1.0),
        (
            # Orthogonal places: log(1 + (S - 1) exp(-1/τ)), twice for two layers.
            (
                {"fake": [np.eye(4)[None]] * 2, "real": [np.eye(4)[None]] * 2},
                2 * math.log1p(3 / math.e),
            ),
        ),
    ),
}
