"""Quality of images whose target is known: each fake against its own real."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from ganloss.metrics.intervals import Interval, mean_interval
from ganloss.metrics.protocol import Number
from ganloss.terms.lpips import LPIPS
from ganloss.terms.pixel import PSNR
from ganloss.terms.structural import SSIM, MultiScaleSSIM

#: Smallest side that the windows of SSIM (11 px) and of five scales of it fit into, and that
#: reaches the last layer of LPIPS.
SIDES = {"ssim": 11, "ms-ssim": 11 * 2**4, "lpips": 31}


def paired_numbers(
    pairs: Iterable[tuple[Tensor, Tensor]], *, lpips: LPIPS | None = None, seed: int = 0
) -> tuple[Number, ...]:
    """Means of PSNR, SSIM, MS-SSIM and LPIPS over pairs; the intervals draw pairs again.

    What any pair is too small for is left out. The mean PSNR is infinite if any pair is equal.

    Args:
        pairs: (real, fake), uint8 ``(C, H, W)``, equal in shape; sizes of pairs may differ.
        lpips: the distance with its weights, ``backbone="alex"`` and ``value_range=(0, 255)``;
            without it there is none of LPIPS.
        seed: of the bootstrap.

    Raises:
        ValueError: no pairs, or two images of different shapes.

    >>> black, gray = torch.zeros(1, 16, 16).byte(), torch.full((1, 16, 16), 10).byte()
    >>> [(n.name, round(n.value, 2)) for n in paired_numbers([(black, gray)])]
    [('psnr@1', 28.13), ('ssim@1', 0.06)]
    """
    rows = [_row(real, fake, lpips) for real, fake in pairs]
    if not rows:
        raise ValueError("there are no pairs; give at least one pair of images")
    measured = [name for name in rows[0] if all(name in row for row in rows)]
    numbers: list[Number] = []
    for name in measured:
        values = torch.tensor([row[name] for row in rows], dtype=torch.float64)
        mean = float(values.mean())
        finite = math.isfinite(mean)
        interval = mean_interval(values, seed=seed) if finite else Interval(mean, mean)
        better = name != "lpips"
        numbers.append(Number(f"{name}@{len(rows)}", mean, interval, higher_is_better=better))
    return tuple(numbers)


def _row(real: Tensor, fake: Tensor, lpips: LPIPS | None) -> dict[str, float]:
    if real.shape != fake.shape:
        raise ValueError(
            f"a pair of {tuple(real.shape)} and {tuple(fake.shape)}; bring both to one size"
        )
    target, image, side = real[None].double(), fake[None].double(), min(real.shape[-2:])
    row = {"psnr": float(PSNR(data_range=255.0).decibels(image, target))}
    if side >= SIDES["ssim"]:
        row["ssim"] = float(SSIM(data_range=255.0).index(image, target))
    if side >= SIDES["ms-ssim"]:
        row["ms-ssim"] = float(MultiScaleSSIM(data_range=255.0).index(image, target))
    if lpips is not None and side >= SIDES["lpips"]:
        with torch.no_grad():
            row["lpips"] = float(lpips(image.float(), target.float()))
    return row
