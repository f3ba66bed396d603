"""Terms that compare images by their spectra."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ganloss._settings import check_settings
from ganloss.terms._term import Term


@final
@dataclass(frozen=True)
class FocalFrequency(Term):
    r"""Squared distance of spectra that looks hardest at the frequencies that are worst.

    .. math:: L = \frac{1}{CHW} \sum_{c,u,v} w_{cuv}\, |F_x - F_y|^2, \qquad
        w = \frac{|F_x - F_y|^\alpha}{\max_{u,v} |F_x - F_y|^\alpha}

    averaged over the batch, with F the orthonormal two-dimensional Fourier transform of a channel.
    The weights are in [0, 1], one maximum for each image and channel, and are constants: no
    gradient passes through them, so the gradient is not the derivative of the value. With α = 0
    all weights are 1 and the loss is the mean squared error (Parseval). Between equal images loss
    and gradient are 0.

    Args:
        alpha: α, how much the worst frequencies are preferred; 0 or more, 1 in the paper.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``alpha`` is negative.

    Shapes: images ``(N, C, H, W)``.

    Range: [0, ∞).

    Use: Beside a pixel loss, where images lack detail at some frequencies.

    Cost: Two Fourier transforms.

    Peers: The authors' focal-frequency-loss: same for patch_factor=1, ave_spectrum=False,
    log_matrix=False, batch_matrix=False.

    References:
        Jiang et al., "Focal Frequency Loss for Image Reconstruction and Synthesis", ICCV 2021,
        arXiv:2012.12821, eqs. 6 to 8.

    >>> import torch
    >>> FocalFrequency()(torch.full((1, 3, 8, 8), 0.5), torch.zeros(1, 3, 8, 8))
    tensor(0.2500)
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_settings(self)
        if not 0 <= self.alpha < float("inf"):
            raise ValueError(f"alpha is {self.alpha}; it must be 0 or more, e.g. 1")

    @property
    def constant_weights(self) -> bool:
        """Whether a factor of the formula gets no gradient.

        >>> FocalFrequency(alpha=0.0).constant_weights
        False
        """
        return self.alpha != 0

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Give the weighted squared distance at each frequency."""
        if input.dim() != 4:
            raise ValueError(
                f"input has shape {tuple(input.shape)}; images (N, C, H, W) are needed"
            )
        # The transform is linear: one of the difference does for both.
        spectrum = torch.view_as_real(torch.fft.fft2(input - target, norm="ortho"))
        squares = spectrum.square().sum(-1)
        return self._weights(squares.detach()) * squares

    def _weights(self, squares: Tensor) -> Tensor:
        largest = squares.amax((-2, -1), keepdim=True)
        # Divided before the power, which could overflow.
        relative = squares / torch.where(largest == 0, 1.0, largest)
        return relative ** (self.alpha / 2)
