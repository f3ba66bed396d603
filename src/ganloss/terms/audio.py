"""Terms that compare sounds by their spectrograms."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, final

import torch
from torch import Tensor

from ganloss._scores import check_tensor, product
from ganloss._settings import check_settings
from ganloss.terms._term import Term, check_positive


@final
@dataclass(frozen=True)
class MultiResolutionSTFT(Term):
    r"""Distance of magnitude spectrograms at several resolutions.

    .. math:: L = \frac1M \sum_m \frac{\lVert S_m - \hat S_m \rVert_F}{\lVert S_m \rVert_F} +
        \frac{1}{T_m F_m} \lVert \log S_m - \log \hat S_m \rVert_1

    for each sample, averaged over the batch, where S is the magnitude of the target, Ŝ that of the
    input, with at least ``floor`` as their squares. Windows are Hann's, frames are centred, and the
    sound is mirrored at its ends. Below the floor the gradient is 0.

    Args:
        sizes: lengths of the Fourier transforms.
        hops: steps from frame to frame, one for each size.
        windows: lengths of the windows, one for each size.
        floor: least square of a magnitude, positive; 1e-7 as in the common code.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: not one size, hop and window for each resolution, or a window beyond its size.

    Shapes: sounds ``(N, ..., T)`` longer than half the largest transform.

    Range: [0, ∞).

    Use: Vocoders, beside the adversarial loss; phases are left to the latter.

    Cost: Two transforms for each resolution.

    Peers: ParallelWaveGAN's code and auraloss divide norms of the whole batch, so that a sample's
    loss depends on its neighbours; equal for one sample.

    References:
        Yamamoto et al., "Parallel WaveGAN: A Fast Waveform Generation Model Based on Generative
        Adversarial Networks with Multi-Resolution Spectrogram", ICASSP 2020, arXiv:1910.11480,
        eqs. 3 to 6.

    >>> import torch
    >>> sound = 100 * torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    >>> MultiResolutionSTFT()(sound / 2, sound)  # half as loud: 1/2 + log 2
    tensor(1.1931)
    """

    sizes: tuple[int, ...] = (1024, 2048, 512)
    hops: tuple[int, ...] = (120, 240, 50)
    windows: tuple[int, ...] = (600, 1200, 240)
    floor: float = 1e-7

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.sizes or not len(self.sizes) == len(self.hops) == len(self.windows):
            raise ValueError(
                f"there are {len(self.sizes)} sizes, {len(self.hops)} hops and "
                f"{len(self.windows)} windows; pass one of each for every resolution"
            )
        for size, hop, window in zip(self.sizes, self.hops, self.windows, strict=True):
            _check_frames(size, hop, window)
        check_positive(self.floor, "floor", "e.g. 1e-7")

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Give the loss of each sample ``(N, ..., T)``."""
        total = input.new_zeros(input.shape[0])
        for size, hop, window in zip(self.sizes, self.hops, self.windows, strict=True):
            ours, theirs = (
                _power(_mirrored(x, size // 2), size, hop, window).clamp(min=self.floor).sqrt()
                for x in (input, target)
            )
            error = torch.linalg.vector_norm((theirs - ours).flatten(1), dim=1)
            convergence = error / torch.linalg.vector_norm(theirs.flatten(1), dim=1)
            magnitude = (theirs.log() - ours.log()).abs().flatten(1).mean(1)
            total = total + convergence + magnitude
        return total / len(self.sizes)


@final
@dataclass(frozen=True)
class MelSpectrogram(Term):
    r"""Mean absolute distance of log mel spectrograms.

    .. math:: L = \frac{1}{TM} \sum_{t,m} |\log S_{tm} - \log \hat S_{tm}|, \qquad
        S_{tm} = \max\Big(\text{floor}, \sum_f B_{mf} \sqrt{|X_{tf}|^2 + 10^{-9}}\Big)

    averaged over the batch, with X the Fourier transform of a Hann-windowed frame and B triangular
    filters between points that are evenly spaced on the mel scale. The sound is mirrored by
    (size - hop)/2 at its ends, so that T is length/hop.

    Args:
        sample_rate: in hertz; must be given.
        size: length of the Fourier transform.
        hop: step from frame to frame.
        window: length of the window.
        mels: number of filters.
        low: lower end of the first filter in hertz.
        high: upper end of the last filter in hertz; half the sample rate if None.
        scale: ``"slaney"``: linear below 1 kHz, filters of equal area; ``"htk"``:
            2595 log10(1 + f/700), filters of equal height 1.
        floor: least value before the logarithm.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: settings that cannot be: a window beyond the frame, filters beyond half the
            sample rate.

    Shapes: sounds ``(N, ..., T)`` longer than half the transform.

    Range: [0, ∞).

    Use: Vocoders, weight 45 beside the adversarial loss (HiFi-GAN).

    Cost: Two transforms.

    Peers: HiFi-GAN: same for sample_rate=22050 (librosa's filters, Slaney's scale). torchaudio has
    HTK's scale and equal height by default.

    References:
        Kong et al., "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity
        Speech Synthesis", NeurIPS 2020, arXiv:2010.05646, eq. 4.

    >>> import torch
    >>> sound = torch.randn(1, 4096, generator=torch.Generator().manual_seed(0))
    >>> MelSpectrogram(sample_rate=22050)(sound / 2, sound)  # half as loud: log 2
    tensor(0.6931)
    """

    sample_rate: float
    size: int = 1024
    hop: int = 256
    window: int = 1024
    mels: int = 80
    low: float = 0.0
    high: float | None = None
    scale: Literal["slaney", "htk"] = "slaney"
    floor: float = 1e-5

    def __post_init__(self) -> None:
        check_settings(self)
        check_positive(self.sample_rate, "sample_rate", "e.g. 22050")
        check_positive(self.floor, "floor", "e.g. 1e-5")
        _check_frames(self.size, self.hop, self.window)
        if self.hop > self.size:
            raise ValueError(f"hop is {self.hop}, beyond the frame's size {self.size}")
        if self.scale not in ("slaney", "htk"):
            raise ValueError(f'scale is {self.scale!r}; use "slaney" or "htk"')
        if self.mels < 1 or not 0 <= self.low < self._high <= self.sample_rate / 2:
            raise ValueError(
                f"{self.mels} filters from {self.low} to {self._high} Hz cannot be: at least one, "
                f"between 0 and half the sample rate, {self.sample_rate / 2}"
            )

    @property
    def _high(self) -> float:
        return self.sample_rate / 2 if self.high is None else self.high

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Give the distance of each sample ``(N, ..., T)`` at each frame and filter."""
        return (self.spectrogram(input) - self.spectrogram(target)).abs()

    def spectrogram(self, waves: Tensor) -> Tensor:
        """Log mel spectrogram of ``(N, ..., T)``, ``(N, ..., mels, frames)``.

        Raises:
            TypeError: not a tensor of floating point numbers.
            ValueError: the sound is too short for one frame.

        >>> import torch
        >>> MelSpectrogram(sample_rate=22050).spectrogram(torch.zeros(1, 4096)).shape
        torch.Size([1, 80, 16])
        """
        padded = _mirrored(check_tensor(waves, "waves"), (self.size - self.hop) // 2)
        magnitude = (_power(padded, self.size, self.hop, self.window) + 1e-9).sqrt()
        # A compiler would not see the cache, and warns of it.
        find = mel_filters if torch.compiler.is_compiling() else _kept_filters
        filters = find(self.sample_rate, self.size, self.mels, self.low, self._high, self.scale).to(
            magnitude
        )
        return product(filters, magnitude).clamp(min=self.floor).log()


def mel_filters(
    sample_rate: float, size: int, mels: int, low: float, high: float, scale: str = "slaney"
) -> Tensor:
    """Triangular filters on a mel scale, ``(mels, size // 2 + 1)`` in float64.

    >>> mel_filters(8000, 8, 2, 0.0, 4000.0, "htk").shape
    torch.Size([2, 5])
    """
    to_mel, to_hertz = (_SLANEY if scale == "slaney" else _HTK)[:2]
    ends = (to_mel(low), to_mel(high))
    corners = [to_hertz(ends[0] + (ends[1] - ends[0]) * i / (mels + 1)) for i in range(mels + 2)]
    points = torch.tensor(corners, dtype=torch.float64)
    bins = torch.linspace(0, sample_rate / 2, size // 2 + 1, dtype=torch.float64)
    left, centre, right = points[:-2, None], points[1:-1, None], points[2:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    filters = torch.minimum(rising, falling).clamp(min=0)
    return filters * (2 / (right - left)) if scale == "slaney" else filters


@lru_cache(maxsize=16)
def _kept_filters(
    sample_rate: float, size: int, mels: int, low: float, high: float, scale: str
) -> Tensor:
    # Tensors made in inference mode could not be used for training later on.
    with torch.inference_mode(False):
        return mel_filters(sample_rate, size, mels, low, high, scale)


def _slaney_mel(hertz: float) -> float:
    """Linear up to 1 kHz, 15 mel; from there on 27 mel for each factor of 6.4."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def _slaney_hertz(mel: float) -> float:
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def _htk_mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _htk_hertz(mel: float) -> float:
    return 700 * (10 ** (mel / 2595) - 1)


_SLANEY = (_slaney_mel, _slaney_hertz)
_HTK = (_htk_mel, _htk_hertz)


def _check_frames(size: int, hop: int, window: int) -> None:
    if not (0 < window <= size and hop > 0):
        raise ValueError(
            f"size {size}, hop {hop} and window {window} cannot be: the window must fit into the "
            "transform, and the hop be positive"
        )


def _mirrored(waves: Tensor, margin: int) -> Tensor:
    """Add a mirror image of the sound at both ends."""
    if waves.shape[-1] <= margin or waves.dim() < 2:
        raise ValueError(
            f"sound of shape {tuple(waves.shape)}: (N, ..., T) with more than {margin} samples in "
            "the last dimension is needed; pass longer pieces, or smaller transforms"
        )
    flat = waves.reshape(-1, 1, waves.shape[-1])
    return torch.nn.functional.pad(flat, (margin, margin), mode="reflect").view(
        *waves.shape[:-1], -1
    )


def _power(waves: Tensor, size: int, hop: int, window: int) -> Tensor:
    """Squared magnitudes of the Fourier transforms of frames, ``(..., frequencies, frames)``."""
    if waves.shape[-1] < size:
        raise ValueError(f"a sound of {waves.shape[-1]} samples is shorter than a frame of {size}")
    hann = torch.hann_window(window, dtype=waves.dtype, device=waves.device)
    spectrum = torch.stft(
        waves.reshape(-1, waves.shape[-1]),
        size,
        hop,
        window,
        hann,
        center=False,
        return_complex=True,
    )
    power = torch.view_as_real(spectrum).square().sum(-1)
    return power.view(*waves.shape[:-1], *power.shape[1:])
