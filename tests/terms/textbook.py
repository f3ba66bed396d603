"""The similarity of planes by the book, in float64, and what kernels are asked for."""

from typing import NamedTuple

import torch
from torch import Tensor

C1, C2 = 0.01**2, 0.03**2


class Case(NamedTuple):
    """Planes, and what is asked of the kernels."""

    shape: tuple[int, int, int]
    c1: float | None = C1
    c2: float = C2
    window: int = 11
    gradients: int = 2
    rows: int = 64  # of a GPU's tile
    sigma: float = 1.5

    @property
    def places(self) -> int:
        _, height, width = self.shape
        return (height - self.window + 1) * (width - self.window + 1)


#: With another constant, which must be seen.
WRONG = Case((2, 16, 16), c2=0.0008)


def draw(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def planes(*shape: int) -> tuple[Tensor, Tensor]:
    x = draw(*shape, seed=0)
    return x, (x + 0.2 * (draw(*shape, seed=1) - 0.5)).clamp(0, 1)


def textbook(
    x: Tensor, y: Tensor, *, luminance: bool = True, window: int = 11, sigma: float = 1.5
) -> Tensor:
    """Means of Wang et al. 2004, eqs. 13-17, of planes in [0, 1] in float64; eq. 9 of 2003."""
    offsets = torch.arange(window, dtype=torch.float64) - window // 2
    line = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = torch.outer(line, line)[None, None] / line.sum() ** 2

    def mean(z: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(z[:, None], kernel)

    mx, my = mean(x), mean(y)
    covariance = mean(x * y) - mx * my
    variances = mean(x * x) + mean(y * y) - mx * mx - my * my
    index = (2 * covariance + C2) / (variances + C2)
    if luminance:
        index = index * (2 * mx * my + C1) / (mx * mx + my * my + C1)
    return index.flatten(1).mean(1)


def distance(found: Tensor, exact: Tensor) -> float:
    return float((found.double().cpu() - exact).norm() / exact.norm())


def errors(case: Case, means: Tensor, gradients: list[Tensor]) -> list[float]:
    """Relative errors of what a kernel gave: of the means, and of each gradient."""
    leaves = [z.requires_grad_(True) for z in planes(*case.shape)]
    exact = textbook(*leaves, luminance=case.c1 is not None, window=case.window, sigma=case.sigma)
    expected = torch.autograd.grad(exact.sum(), leaves)[: case.gradients]
    scale = 1 if case.c1 is None else 2  # the factor that is left to the caller
    pairs = zip(gradients, expected, strict=True)
    found = [distance(2 * scale * gradient / case.places, right) for gradient, right in pairs]
    return [distance(scale * means, exact.detach()), *found]
