"""Ways to spoil an image, which a network learns to undo."""

import math
from dataclasses import dataclass
from typing import Literal, cast, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganloss._errors import UsageError
from ganloss._lazy import suggest
from ganloss._random import Draws

Kind = Literal["downscale", "noise", "blur", "gray"]
_USUAL = {"downscale": 4.0, "noise": 25.0, "blur": 1.5, "gray": 0.0}
#: Rec. ITU-R BT.601: weights of red, green and blue in the brightness.
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Degradation:
    """A way to spoil images in [-1, 1]; the result has 256 levels, as a file would.

    Args:
        kind: ``"downscale"`` by a whole factor (bicubic, antialiased), normal ``"noise"``, Gaussian
            ``"blur"``, or ``"gray"`` instead of colours.
        amount: the factor; the standard deviation in levels of 255; that in pixels.

    >>> images = torch.zeros(2, 3, 8, 8)
    >>> Degradation("downscale", 4)(images, Draws(seed=0, step=0, rows=2)).shape
    torch.Size([2, 3, 2, 2])
    """

    kind: Kind
    amount: float

    @classmethod
    def parse(cls, text: str) -> "Degradation":
        """Read ``KIND`` or ``KIND=AMOUNT``.

        Raises:
            UsageError: with what may be written.

        >>> Degradation.parse("noise")
        Degradation(kind='noise', amount=25.0)
        """
        kind, equals, amount = text.partition("=")
        if kind not in get_args(Kind):
            raise UsageError(
                f"--degrade {text}: no way {kind!r}{suggest(kind, get_args(Kind))}; there are "
                "downscale=4, noise=25, blur=1.5 and gray"
            )
        try:
            value = float(amount) if equals else _USUAL[kind]
        except ValueError as error:
            raise UsageError(f"--degrade {text}: {amount!r} is no number") from error
        if kind == "downscale" and value not in (2, 3, 4, 8):
            raise UsageError(f"--degrade {text}: downscale takes 2, 3, 4 or 8")
        if kind in ("noise", "blur") and not 0 < value < math.inf:
            raise UsageError(f"--degrade {text}: the amount must be positive and finite")
        return cls(cast(Kind, kind), value)

    @property
    def scale(self) -> int:
        """How many times smaller the result is.

        >>> Degradation.parse("downscale=4").scale, Degradation.parse("noise=25").scale
        (4, 1)
        """
        return int(self.amount) if self.kind == "downscale" else 1

    def channels(self, given: int) -> int:
        """Channels of the result.

        >>> Degradation.parse("gray").channels(3), Degradation.parse("noise=25").channels(3)
        (1, 3)
        """
        return 1 if self.kind == "gray" else given

    def __str__(self) -> str:
        return self.kind if self.kind == "gray" else f"{self.kind}={self.amount:g}"

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Spoil images ``(N, C, H, W)``; noise belongs to samples, whatever the batch."""
        return _levels(self._spoil(images, draws))

    def _spoil(self, images: Tensor, draws: Draws) -> Tensor:
        if self.kind == "downscale":
            size = [side // self.scale for side in images.shape[2:]]
            return interpolate(images, size=size, mode="bicubic", antialias=True)
        if self.kind == "noise":
            noise = draws.normal("degrade", *images.shape, dtype=images.dtype)
            return images + noise * (self.amount / 127.5)
        if self.kind == "blur":
            from torchvision.transforms.functional import gaussian_blur

            most = min(images.shape[2:]) - 1  # the image is mirrored once on each side
            width = 2 * min(max(1, round(3 * self.amount)), most) + 1
            return gaussian_blur(images, [width, width], [self.amount, self.amount])
        if images.shape[1] == 1:
            return images
        weights = images.new_tensor(_LUMA).view(1, 3, 1, 1)
        return (images * weights).sum(1, keepdim=True)


def _levels(images: Tensor) -> Tensor:
    """Round to the levels of a file with 8 bits."""
    return torch.round((images + 1) * 127.5).clamp(0, 255) / 127.5 - 1
