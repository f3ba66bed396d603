"""Formulas of the terms of classes, codes and sounds, as in ``term_formulas.py``."""

import math
from collections.abc import Callable

import numpy as np

from conformance.formulas import LOG2
from conformance.term_formulas import (
    Arguments,
    Array,
    TermFormula,
    full,
    mean_per_sample,
    softmax,
    unit,
)


def _cross_entropy(logits: Array, labels: Array) -> float:
    return float(-np.log(softmax(logits)[np.arange(len(labels)), labels]).mean())


def _classifier(*names: str) -> Callable[[np.random.Generator], Arguments]:
    """Logits of these names for six classes, and labels below three."""

    def draw(rng: np.random.Generator) -> Arguments:
        labels = {f"{side}_labels": rng.integers(0, 3, 4) for side in ("real", "fake")}
        sides = {name.partition("_")[0] for name in names}
        wanted = {name: y for name, y in labels.items() if name.partition("_")[0] in sides}
        return {**{name: rng.normal(size=(4, 6)) for name in names}, **wanted}

    return draw


def _embeddings(rng: np.random.Generator) -> Arguments:
    return {
        "embeddings": rng.normal(size=(6, 4)),
        "proxies": rng.normal(size=(6, 4)),
        "labels": np.array([0, 1, 0, 2, 1, 0]),
    }


def _contrastive(embeddings: Array, proxies: Array, labels: Array) -> float:
    """Kang & Park 2020, eq. 8, sample by sample."""
    f, p = unit(embeddings), unit(proxies)
    losses: list[float] = []
    for i in range(len(f)):
        others = [k for k in range(len(f)) if k != i]
        proxy = math.exp(f[i] @ p[i])
        near = proxy + sum(math.exp(f[i] @ f[k]) for k in others if labels[k] == labels[i])
        losses.append(-math.log(near / (proxy + sum(math.exp(f[i] @ f[k]) for k in others))))
    return float(np.mean(losses))


def _d2d_ce(embeddings: Array, proxies: Array, labels: Array) -> float:
    """Kang et al. 2021, the loss of section 3, sample by sample."""
    f, p = unit(embeddings), unit(proxies)
    losses: list[float] = []
    for i in range(len(f)):
        near = math.exp(min(0.0, f[i] @ p[i] - 0.98) / 0.5)
        strangers = [k for k in range(len(f)) if labels[k] != labels[i]]
        far = sum(math.exp(max(0.0, f[i] @ f[k] - 0.02) / 0.5) for k in strangers)
        losses.append(-math.log(near / (near + far)))
    return float(np.mean(losses))


def _codes(rng: np.random.Generator) -> Arguments:
    names = ("codes", "mean", "log_variance")
    drawn = {name: rng.normal(size=(4, 2)) for name in names}
    return {"logits": rng.normal(size=(4, 5)), "categories": rng.integers(0, 5, 4), **drawn}


def _information(
    logits: Array, categories: Array, codes: Array, mean: Array, log_variance: Array
) -> float:
    variance = np.exp(log_variance)
    density = np.exp(-((codes - mean) ** 2) / (2 * variance)) / np.sqrt(2 * math.pi * variance)
    return _cross_entropy(logits, categories) - float(np.log(density).sum(1).mean())


def _magnitudes(x: Array, size: int, hop: int, window: int, margin: int) -> Array:
    """Powers of Hann-windowed frames of one sound, framed by hand, (frames, frequencies)."""
    x = np.pad(x, margin, mode="reflect")
    hann = np.zeros(size)
    start = (size - window) // 2
    hann[start : start + window] = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(window) / window)
    starts = range(0, len(x) - size + 1, hop)
    return np.abs(np.fft.rfft([x[s : s + size] * hann for s in starts])) ** 2


def _stft_loss(x: Array, y: Array) -> float:
    """Yamamoto et al. 2020, eqs. 3 to 6, of one sound; y is the target."""
    total = 0.0
    for size, hop, window in ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240)):
        ours, theirs = (
            np.sqrt(np.maximum(_magnitudes(z, size, hop, window, size // 2), 1e-7)) for z in (x, y)
        )
        total += np.sqrt(((theirs - ours) ** 2).sum()) / np.sqrt((theirs**2).sum())
        total += np.abs(np.log(theirs) - np.log(ours)).mean()
    return float(total / 3)


def _mel_bank(rate: int, size: int, count: int) -> Array:
    """Slaney's filters as his Auditory Toolbox has them: one triangle at a time."""
    top = 15 + 27 * math.log(rate / 2 / 1000) / math.log(6.4)  # rate / 2 is above 1 kHz
    mels = np.linspace(0, top, count + 2)
    hertz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * math.log(6.4) / 27))
    bins = np.arange(size // 2 + 1) * rate / size
    bank = [
        np.interp(bins, hertz[i : i + 3], [0, 2 / (hertz[i + 2] - hertz[i]), 0], 0, 0)
        for i in range(count)
    ]
    return np.array(bank)


def _mel_loss(x: Array, y: Array) -> float:
    """Kong et al. 2020, eq. 4, of one sound."""
    bank = _mel_bank(22050, 1024, 80)
    logs = [
        np.log(np.maximum(np.sqrt(_magnitudes(z, 1024, 256, 1024, 384) + 1e-9) @ bank.T, 1e-5))
        for z in (x, y)
    ]
    return float(np.abs(logs[0] - logs[1]).mean())


def _sounds(rng: np.random.Generator) -> Arguments:
    return rng.normal(size=(2, 2400)), rng.normal(size=(2, 2400))


def _multi_hinge(scores: Array, labels: Array) -> float:
    """Kavalerov et al. 2021, section 3, sample by sample."""
    losses = [
        max(0.0, 1 - row[y] + max(other for k, other in enumerate(row) if k != y))
        for row, y in zip(scores, labels, strict=True)
    ]
    return float(np.mean(losses))


_EYE = np.eye(2)
_ZEROS = full(0, 2, 6)
_LABELS = np.array([1, 2])
_WON = 3 * np.eye(6)[[1, 2]]  # of the classes 1 and 2
_LOST = np.eye(6)[[2, 2]]
_NOISE = 1e4 * np.random.default_rng(0).normal(size=(2, 2400))  # far above the floors
TERMS: dict[str, TermFormula] = {
    "AuxiliaryClassifier().discriminator": TermFormula(
        _classifier("real", "fake"),
        lambda real, fake, real_labels, fake_labels: (
            _cross_entropy(real, real_labels) + _cross_entropy(fake, fake_labels)
        ),
        (
            (
                {"real": _ZEROS, "fake": _ZEROS, "real_labels": _LABELS, "fake_labels": _LABELS},
                2 * math.log(6),
            ),
        ),
    ),
    "AuxiliaryClassifier().generator": TermFormula(
        _classifier("fake"),
        lambda fake, fake_labels: _cross_entropy(fake, fake_labels),
        (({"fake": _ZEROS, "fake_labels": _LABELS}, math.log(6)),),
    ),
    "TwinAuxiliaryClassifier().discriminator": TermFormula(
        _classifier("real", "fake_twin"),
        lambda real, fake_twin, real_labels, fake_labels: (
            _cross_entropy(real, real_labels) + _cross_entropy(fake_twin, fake_labels)
        ),
        (
            (
                {
                    "real": _ZEROS,
                    "fake_twin": _ZEROS,
                    "real_labels": _LABELS,
                    "fake_labels": _LABELS,
                },
                2 * math.log(6),
            ),
        ),
    ),
    "TwinAuxiliaryClassifier().generator": TermFormula(
        _classifier("fake", "fake_twin"),
        lambda fake, fake_twin, fake_labels: (
            _cross_entropy(fake, fake_labels) - _cross_entropy(fake_twin, fake_labels)
        ),
        # C certain, the twin clueless: -log 6; in float64 exp(-1000) is 0.
        (
            (
                {
                    "fake": 1000 * np.eye(6)[_LABELS],
                    "fake_twin": _ZEROS,
                    "fake_labels": _LABELS,
                },
                -math.log(6),
            ),
        ),
    ),
    "MultiHinge().discriminator": TermFormula(
        lambda rng: {
            k: v for k, v in _classifier("real", "fake")(rng).items() if k != "fake_labels"
        },
        lambda real, fake, real_labels: (
            _multi_hinge(real, real_labels) + _multi_hinge(fake, np.full(len(fake), 5))
        ),
        closed=(
            ({"real": _ZEROS, "fake": _ZEROS, "real_labels": _LABELS}, 2.0),
            # Real samples win by 3; generated ones pass for class 2 by 1.
            ({"real": _WON, "fake": _LOST, "real_labels": _LABELS}, 2.0),
        ),
    ),
    "MultiHinge().generator": TermFormula(
        _classifier("fake"),
        lambda fake, fake_labels: _multi_hinge(fake, fake_labels),
        closed=(
            ({"fake": _ZEROS, "fake_labels": _LABELS}, 1.0),
            ({"fake": _WON, "fake_labels": _LABELS}, 0.0),
        ),
    ),
    "AuxiliaryDiscriminativeClassifier().discriminator": TermFormula(
        _classifier("real", "fake"),
        lambda real, fake, real_labels, fake_labels: (
            _cross_entropy(real, real_labels) + _cross_entropy(fake, fake_labels + 3)
        ),
        (
            (
                {"real": _ZEROS, "fake": _ZEROS, "real_labels": _LABELS, "fake_labels": _LABELS},
                2 * math.log(6),
            ),
        ),
    ),
    "AuxiliaryDiscriminativeClassifier().generator": TermFormula(
        _classifier("fake"),
        lambda fake, fake_labels: (
            _cross_entropy(fake, fake_labels) - _cross_entropy(fake, fake_labels + 3)
        ),
        (({"fake": np.array([[1.0, 0, 3, 0]]), "fake_labels": np.array([0])}, 2.0),),
    ),
    "ConditionalContrastive()": TermFormula(
        _embeddings,
        _contrastive,
        (
            (
                {"embeddings": _EYE, "proxies": _EYE, "labels": np.array([0, 1])},
                math.log1p(1 / math.e),
            ),
            ({"embeddings": _EYE, "proxies": _EYE, "labels": np.array([1, 1])}, 0.0),
        ),
    ),
    "DataToDataCrossEntropy()": TermFormula(
        _embeddings,
        _d2d_ce,
        (
            ({"embeddings": _EYE, "proxies": _EYE, "labels": np.array([0, 1])}, LOG2),
            # Proxies at right angles: (0 - .98) / .5 against 0.
            (
                {"embeddings": _EYE, "proxies": _EYE[::-1].copy(), "labels": np.array([0, 1])},
                math.log1p(math.exp(1.96)),
            ),
        ),
    ),
    "MutualInformation()": TermFormula(
        _codes,
        _information,
        (
            ({"logits": _ZEROS, "categories": _LABELS}, math.log(6)),
            # Two codes at distance 1 with variance 4: log 2π + log 4 + 1/4.
            (
                {"codes": _EYE * 0, "mean": _EYE * 0 + 1, "log_variance": _EYE * 0 + math.log(4)},
                math.log(8 * math.pi) + 0.25,
            ),
        ),
    ),
    "MultiResolutionSTFT()": TermFormula(
        _sounds,
        mean_per_sample(_stft_loss),
        (((_NOISE / 2, _NOISE), 0.5 + LOG2),),  # half as loud
    ),
    "MelSpectrogram(sample_rate=22050)": TermFormula(
        _sounds,
        mean_per_sample(_mel_loss),
        (((_NOISE / 2, _NOISE), LOG2),),
    ),
}
