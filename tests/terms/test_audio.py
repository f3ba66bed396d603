"""Losses of sounds: spectrograms, filters, and what depends on what."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import ganloss as gl
from ganloss.terms.audio import mel_filters

TERMS = [gl.MultiResolutionSTFT(), gl.MelSpectrogram(sample_rate=22050)]
terms = pytest.mark.parametrize("term", TERMS, ids=lambda term: type(term).__name__)


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@terms
def test_neighbours_in_the_batch_do_not_matter(term: gl.Term):
    """auraloss divides norms of the whole batch: a loud neighbour changes a sample's loss."""
    x, y = draw(2, 3000), draw(2, 3000, seed=1)
    x[1] *= 1000
    each = term(x, y, reduction="none")
    alone = [term(a[None], b[None]) for a, b in zip(x, y, strict=True)]
    torch.testing.assert_close(each, torch.stack(alone))


@terms
def test_silence_has_a_finite_loss_and_gradient(term: gl.Term):
    x = draw(1, 3000).float().requires_grad_(True)
    for a, b in ((x, 0 * x.detach()), (0 * x, x.detach()), (0 * x, 0 * x.detach())):
        value = term(a, b)
        (slope,) = torch.autograd.grad(value, x)
        assert torch.isfinite(value)
        assert torch.isfinite(slope).all()


@terms
def test_signs_do_not_matter_and_loudness_does(term: gl.Term):
    x = draw(2, 3000)
    assert term(-x, x).item() == pytest.approx(0, abs=1e-12)
    assert term(2 * x, x) > term(1.1 * x, x) > 0


@terms
def test_channels_are_sounds_of_a_sample(term: gl.Term):
    x, y = draw(2, 1, 3000), draw(2, 1, 3000, seed=1)
    torch.testing.assert_close(term(x, y), term(x[:, 0], y[:, 0]))
    stereo = term(draw(2, 2, 3000), draw(2, 2, 3000, seed=1), reduction="none")
    assert stereo.shape == (2,)


@terms
@pytest.mark.parametrize("shape", [(2, 100), (3000,)])
def test_short_or_unbatched_sounds_are_refused(term: gl.Term, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"\(N, ..., T\) with more than \d+ samples"):
        term(torch.zeros(shape), torch.zeros(shape))


def test_frames_are_those_of_torchs_centred_transform():
    """The spectral convergence alone, from torch.stft(center=True)."""
    x, y = draw(1, 3000), draw(1, 3000, seed=1)
    hann = torch.hann_window(240, dtype=torch.float64)
    options = {"window": hann, "center": True, "pad_mode": "reflect", "return_complex": True}
    a, b = (torch.stft(z, 512, 50, 240, **options).abs().clamp(min=math.sqrt(1e-7)) for z in (x, y))
    expected = (b - a).norm() / b.norm() + (b.log() - a.log()).abs().mean()
    found = gl.MultiResolutionSTFT(sizes=(512,), hops=(50,), windows=(240,))(x, y)
    torch.testing.assert_close(found, expected)


def test_a_pure_tone_is_found_in_the_filter_around_it():
    rate, mel = 22050, gl.MelSpectrogram(sample_rate=22050)
    for hertz in (500.0, 2000.0, 6000.0):
        wave = torch.sin(2 * math.pi * hertz * torch.arange(8192.0) / rate)[None]
        loudest = int(mel.spectrogram(wave)[0].mean(1).argmax())
        filters = mel_filters(rate, 1024, 80, 0.0, rate / 2)
        bins = torch.arange(513) * rate / 1024
        centre = float((filters[loudest] * bins).sum() / filters[loudest].sum())
        assert centre == pytest.approx(hertz, rel=0.06)


def test_filters_made_in_inference_mode_serve_training_as_well():
    mel = gl.MelSpectrogram(sample_rate=22049)
    with torch.inference_mode():
        mel(draw(1, 3000), draw(1, 3000, seed=1))
    x = draw(1, 3000).requires_grad_(True)
    mel(x, draw(1, 3000, seed=1)).backward()
    assert x.grad.abs().sum() > 0


def test_there_is_a_frame_for_each_hop():
    """HiFi-GAN pairs frames with samples: 8192 samples are 32 frames of 256."""
    assert gl.MelSpectrogram(sample_rate=22050).spectrogram(draw(2, 8192)).shape == (2, 80, 32)


def test_slaneys_filters_have_equal_area():
    """1 in hertz, up to the width of a bin."""
    filters = mel_filters(22050, 16384, 40, 0.0, 11025.0)
    areas = filters.sum(1) * 22050 / 16384
    torch.testing.assert_close(areas, torch.ones(40, dtype=torch.float64), rtol=2e-2, atol=0)


def test_htks_filters_are_as_its_book_has_them():
    """Corners at equal steps of 2595 log10(1 + f/700), height 1 (Young et al., The HTK Book)."""
    filters = mel_filters(16000, 512, 26, 0.0, 8000.0, "htk").numpy()
    mels = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 28)
    hertz = 700 * (10 ** (mels / 2595) - 1)
    bins = np.arange(257) * 16000 / 512
    expected = [np.interp(bins, hertz[i : i + 3], [0, 1, 0], 0, 0) for i in range(26)]
    np.testing.assert_allclose(filters, np.array(expected), atol=1e-12)


def test_1000_hertz_is_15_of_slaneys_mels_and_1000_of_htks():
    """By definition: 3 mels for 200 Hz; 2595 log10(1 + 1000/700) = 999.99."""
    from ganloss.terms.audio import _htk_mel, _slaney_hertz, _slaney_mel

    assert _slaney_mel(1000.0) == pytest.approx(15)
    assert _slaney_mel(6400.0) == pytest.approx(42)
    assert _slaney_hertz(42.0) == pytest.approx(6400)
    assert _htk_mel(1000.0) == pytest.approx(1000, abs=0.02)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sample_rate": 0}, "sample_rate"),
        ({"hop": 0}, "hop be positive"),
        ({"window": 2048}, "window must fit"),
        ({"high": 20000.0}, "half the sample rate"),
        ({"low": 9000.0, "high": 8000.0}, "cannot be"),
        ({"mels": 0}, "at least one"),
        ({"scale": "bark"}, 'use "slaney" or "htk"'),
        ({"hop": 2048}, "beyond the frame"),
    ],
)
def test_spectrograms_that_cannot_be_are_refused(options: dict, words: str):
    with pytest.raises(ValueError, match=words):
        gl.MelSpectrogram(**{"sample_rate": 22050, **options})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hops": (120,)}, "one of each"),
        ({"sizes": (), "hops": (), "windows": ()}, "one of each"),
        ({"windows": (600, 1200, 1024)}, "window must fit"),
        ({"floor": 0.0}, "floor"),
    ],
)
def test_resolutions_that_cannot_be_are_refused(options: dict, words: str):
    with pytest.raises(ValueError, match=words):
        gl.MultiResolutionSTFT(**options)


def test_filters_are_kept_for_each_configuration():
    """In any order: what one configuration was given is not what another gets."""
    x = torch.randn(1, 4096, generator=torch.Generator().manual_seed(0))
    changes = ({}, {"high": 3000.0}, {"low": 200.0}, {"mels": 40}, {"scale": "htk"})
    made = [gl.MelSpectrogram(sample_rate=8000, **change) for change in changes]
    forwards = [one.spectrogram(x) for one in made]
    backwards = [one.spectrogram(x) for one in reversed(made)][::-1]
    for one, again in zip(forwards, backwards, strict=True):
        assert torch.equal(one, again)
    for other in forwards[1:]:
        assert other.shape != forwards[0].shape or not torch.allclose(other, forwards[0])
