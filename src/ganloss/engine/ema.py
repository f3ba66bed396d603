"""Moving average of the generator's weights, on torch's own AveragedModel."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def moving_average(
    network: nn.Module, batch_size: int, half_life_kimg: float, ramp: float = 0.02
) -> AveragedModel:
    """Give an exponential moving average with a half-life in thousands of images.

    Early in a run the half-life is ``ramp`` times the images seen so far, so that the untrained
    start is forgotten quickly.

    References:
        Karras et al., "Progressive Growing of GANs", ICLR 2018, arXiv:1710.10196, section 4;
        the ramp comes from StyleGAN2-ADA (Karras et al. 2020, arXiv:2006.06676; 0.05 there).

    >>> average = moving_average(nn.Linear(1, 1), batch_size=64, half_life_kimg=10.0)
    >>> average.update_parameters(nn.Linear(1, 1))
    """

    def decay(updates: int) -> float:
        images = updates * batch_size
        half_life = min(half_life_kimg * 1000, images * ramp)
        return 0.5 ** (batch_size / half_life) if half_life > 0 else 0.0

    average = _MovingAverage(network, decay)
    average.requires_grad_(False)
    return average


class _MovingAverage(AveragedModel):
    """An average whose count stays on the CPU: torch's own takes it to the device and back."""

    def __init__(self, network: nn.Module, decay: Callable[[int], float]) -> None:
        super().__init__(network)
        self._decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move towards the weights of a network, and take its buffers."""
        weight = 1.0 - self._decay(int(self.n_averaged))
        own: list[Tensor] = [*self.module.parameters()]
        others: list[Tensor] = [*model.parameters()]
        torch._foreach_lerp_(own, others, weight)  # pyright: ignore[reportPrivateImportUsage]
        for buffer, value in zip(self.module.buffers(), model.buffers(), strict=True):
            buffer.copy_(value)
        self.n_averaged += 1
