"""Pictures of terms that compare distributions or sounds."""

import math

import torch
from drawing import BLUE, GREEN, ORANGE, figure, inline
from torch import Tensor

from ganloss import GaussianKL, KLDivergence, MelSpectrogram, MultiResolutionSTFT

RATE, PITCH = 22050, 440.0


def drawn(name: str) -> tuple[str, str] | None:
    """Picture and caption of a term; None where words say more."""
    found = {"kl": _kl, "gaussian-kl": _gaussian_kl, "stft": _stft, "mel": _mel}
    return found[name]() if name in found else None


def _kl() -> tuple[str, str]:
    p = torch.linspace(0.002, 0.998, 199).double()
    logits = torch.stack([p.log(), (1 - p).log()], 1)
    picture, (panel,) = figure(width=4.6, height=3.0)
    for truth, colour in ((0.5, BLUE), (0.8, ORANGE), (0.99, GREEN)):
        target = torch.tensor([[truth, 1 - truth]]).double()
        values = [KLDivergence()(row[None], target).item() for row in logits]
        panel.plot(p, values, color=colour, label=f"truth {truth:g}")
    panel.set_xlabel("probability the model gives the first of two classes")
    panel.set_ylim(0, 3)
    panel.legend()
    return inline(picture, "KL divergence against the model's probability"), (
        "It is 0 at the truth, and without bound where the model rules out what happens."
    )


def _gaussian_kl() -> tuple[str, str]:
    x = torch.linspace(-3, 3, 121).double()
    zero = torch.zeros(1, 1).double()
    place = [GaussianKL()(v.reshape(1, 1), zero).item() for v in x]
    width = [GaussianKL()(zero, v.reshape(1, 1)).item() for v in x]
    picture, (panel,) = figure(width=4.6, height=3.0)
    panel.plot(x, place, color=BLUE, label="mean")
    panel.plot(x, width, color=ORANGE, label="log variance")
    panel.set_ylim(0, 5)
    panel.legend()
    return inline(picture, "KL of a Gaussian from the standard one"), (
        "From a standard Gaussian, when the mean or the log variance is moved."
    )


def _tone(pitch: float) -> Tensor:
    time = torch.arange(8192) / RATE
    return 0.5 * torch.sin(2 * math.pi * pitch * time)[None]


def _detuned(term: MultiResolutionSTFT | MelSpectrogram, name: str) -> tuple[str, str]:
    cents = torch.linspace(-1200, 1200, 61)
    tone = _tone(PITCH)
    values = [float(term(_tone(PITCH * 2 ** (float(c) / 1200)), tone)) for c in cents]
    flat = [float((_tone(PITCH * 2 ** (float(c) / 1200)) - tone).abs().mean()) for c in cents]
    picture, (panel,) = figure(width=4.6, height=3.0)
    panel.plot(cents, [v / max(values) for v in values], color=BLUE, label=name)
    panel.plot(cents, [v / max(flat) for v in flat], color=ORANGE, label="L1 of the samples")
    panel.set_xlabel("cents away from 440 Hz")
    panel.set_title("relative to its largest")
    panel.legend(loc="lower right")
    return inline(picture, f"{name} of a tone out of tune"), (
        "A tone slightly out of tune. The samples soon disagree altogether, so L1 cannot tell a "
        "little from a lot; the spectrogram goes on telling."
    )


def _stft() -> tuple[str, str]:
    return _detuned(MultiResolutionSTFT(), "MultiResolutionSTFT")


def _mel() -> tuple[str, str]:
    return _detuned(MelSpectrogram(sample_rate=RATE), "MelSpectrogram")
