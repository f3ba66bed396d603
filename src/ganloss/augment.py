"""Differentiable augmentation: what is done to every image before the discriminator sees it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor

from ganloss._lazy import suggest
from ganloss._random import Draws
from ganloss._settings import check_settings

Operation: TypeAlias = Literal["color", "translation", "cutout"]

#: Uniform numbers of one image, by column: the same for every policy.
_COLUMNS = 7


@final
@dataclass(frozen=True)
class DiffAugment:
    r"""Augment real and generated images alike, before every evaluation of the discriminator.

    The discriminator then cannot memorise a small training set, and since the augmentation is
    differentiable, the generator learns through it. Each image has its own uniform numbers *u*;
    the operations are applied in the order of ``policy``:

    - ``color``: brightness :math:`x + u - \tfrac12`, then saturation
      :math:`\mu_c + 2u\,(x - \mu_c)` around each pixel's mean over channels, then contrast
      :math:`\mu + (u + \tfrac12)(x - \mu)` around the image's mean;
    - ``translation``: shift by up to ``shift`` of each side, filled with zeros;
    - ``cutout``: set a window of ``hole`` of each side to zero; its centre lies anywhere in the
      image, so it may stick out.

    Images are in [-1, 1], where zero is mid-gray. Gray images have no saturation to change.

    Args:
        policy: operations, in order; none is the identity.
        shift: largest translation as a share of the side, 1/8 in the paper.
        hole: side of the hole as a share of the image's side, 1/2 in the paper.

    Raises:
        ValueError: an unknown or repeated operation, a share outside [0, 1], or tensors that are
            no images ``(N, C, H, W)``.
        TypeError: images that are not floating point, e.g. uint8.

    Use: With fewer than some ten thousand images, when D's scores of real training images run
    away from those of fake ones. Penalties are taken at the augmented images.

    Cost: A few passes over the pixels, small beside a discriminator.

    Peers: mit-han-lab/data-efficient-gans: same ranges. There the draws come from torch's global
    generator, here from the sample's own address, so that processes and micro-batches agree.

    References:
        Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020,
        arXiv:2006.10738, section 3.2.

    >>> import torch
    >>> augment = DiffAugment(policy=("translation", "cutout"))
    >>> augment(torch.rand(4, 3, 16, 16)).shape
    torch.Size([4, 3, 16, 16])
    >>> DiffAugment(policy=("colour",))
    Traceback (most recent call last):
    ValueError: no augmentation 'colour'; did you mean 'color'? They are color, translation, cutout
    """

    policy: tuple[Operation, ...] = ("color", "translation", "cutout")
    shift: float = field(default=0.125, kw_only=True)
    hole: float = field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        check_settings(self)
        object.__setattr__(self, "policy", names(self.policy, "policy", "color"))
        for name in self.policy:
            if name not in list(_OPERATIONS):  # not hashed, so it may be anything
                hint = suggest(str(name), _OPERATIONS) or "."
                raise ValueError(
                    f"no augmentation {name!r}{hint} They are {', '.join(_OPERATIONS)}"
                )
        if len(set(self.policy)) != len(self.policy):
            raise ValueError(f"policy {self.policy} repeats an operation; name each once")
        if not (0 <= self.shift <= 1 and 0 <= self.hole <= 1):
            raise ValueError(f"shift {self.shift} and hole {self.hole} are shares between 0 and 1")

    def __call__(
        self,
        images: Tensor,
        *,
        random: Draws | torch.Generator | None = None,
        stream: str = "augment",
    ) -> Tensor:
        """Augment images ``(N, C, H, W)`` in [-1, 1].

        Args:
            images: real or generated images; gradients flow back to them.
            random: where random numbers come from; torch's global generator by default.
            stream: name of the numbers among ``Draws``; real and generated images of the same
                turn need different ones.
        """
        check_images(images)
        if not self.policy:
            return images
        given, numbers = images.dtype, _uniform(images, random, stream)
        for name in self.policy:
            images = _OPERATIONS[name](self, images, numbers)
        return of_dtype(images, given)


def of_dtype(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Give images as they came; under autocast in fp32, which its networks take as well.

    >>> of_dtype(torch.zeros(1), torch.bfloat16).dtype
    torch.bfloat16
    """
    return images if torch.is_autocast_enabled(images.device.type) else images.to(dtype)


def names(given: object, name: str, example: str) -> tuple[Any, ...]:
    """Return names as a tuple, of which a string is none.

    >>> names("color", "policy", "color")
    Traceback (most recent call last):
    TypeError: policy is 'color'; pass a tuple of names, e.g. ('color',)
    """
    if not isinstance(given, (tuple, list)):
        raise TypeError(f"{name} is {given!r}; pass a tuple of names, e.g. ({example!r},)")
    return tuple(given)


def check_images(images: Tensor) -> None:
    """Refuse what is no batch of images to augment.

    Raises:
        ValueError: another rank than ``(N, C, H, W)``.
        TypeError: no tensor, or not floating point.

    >>> check_images(torch.rand(3, 8, 8))
    Traceback (most recent call last):
    ValueError: augmentation takes images (N, C, H, W), and these have shape (3, 8, 8)
    """
    if not isinstance(images, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"images must be a tensor (N, C, H, W), not {type(images).__name__}")
    if images.dim() != 4:
        raise ValueError(
            f"augmentation takes images (N, C, H, W), and these have shape {tuple(images.shape)}"
        )
    if not images.is_floating_point():
        raise TypeError(f"images have dtype {images.dtype}; scale them to [-1, 1] first")


def _uniform(images: Tensor, random: Draws | torch.Generator | None, stream: str) -> Tensor:
    """Give the numbers of each image, ``(columns, N, 1, 1, 1)``, in fp32 or better."""
    dtype = torch.float64 if images.dtype == torch.float64 else torch.float32
    count = len(images)
    if isinstance(random, Draws):
        numbers = random.uniform(stream, count, _COLUMNS, dtype=dtype)
    else:
        numbers = torch.rand(count, _COLUMNS, generator=random, device=images.device, dtype=dtype)
    return numbers.t()[:, :, None, None, None]


def _color(augment: DiffAugment, images: Tensor, numbers: Tensor) -> Tensor:
    brightness, saturation, contrast = numbers[:3]
    images = images + (brightness - 0.5)
    if images.shape[1] > 1:
        gray = images.mean(1, keepdim=True)
        images = torch.lerp(gray, images, 2 * saturation)
    mean = images.mean((1, 2, 3), keepdim=True)
    return torch.lerp(mean, images, contrast + 0.5)


def _translation(augment: DiffAugment, images: Tensor, numbers: Tensor) -> Tensor:
    height, width = images.shape[2:]
    down = _between(numbers[3], -_share(augment.shift, height), _share(augment.shift, height))
    right = _between(numbers[4], -_share(augment.shift, width), _share(augment.shift, width))
    rows = torch.arange(height, device=images.device)[:, None] - down
    columns = torch.arange(width, device=images.device) - right
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    # A pixel comes from one place or is zero, so the gather's backward pass adds nothing twice.
    source = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    source = source.flatten(2).expand(-1, images.shape[1], -1)
    moved = images.flatten(2).gather(2, source).view_as(images)
    return moved.masked_fill(~inside, 0.0)


def _cutout(augment: DiffAugment, images: Tensor, numbers: Tensor) -> Tensor:
    inside = [
        _window(numbers[column], side, _share(augment.hole, side))
        for column, side in ((5, images.shape[2]), (6, images.shape[3]))
    ]
    return images.masked_fill(inside[0][..., None] & inside[1][..., None, :], 0.0)


def _window(numbers: Tensor, side: int, hole: int) -> Tensor:
    """Positions of a side that lie in the hole, ``(N, 1, side)``.

    The centre of an odd hole is a pixel, that of an even one an edge between two pixels or the
    border of the image.
    """
    centre = _between(numbers, 0, side - hole % 2)[..., 0]
    first = centre - hole // 2
    positions = torch.arange(side, device=numbers.device)
    return (positions >= first) & (positions < first + hole)


def _share(share: float, side: int) -> int:
    """Round a share of a side to pixels, halves up.

    >>> _share(0.125, 28), _share(0.5, 7)
    (4, 4)
    """
    return int(side * share + 0.5)


def _between(uniform: Tensor, low: int, high: int) -> Tensor:
    """Turn numbers in [0, 1) into whole numbers from ``low`` to ``high``, all equally likely."""
    return low + (uniform * (high - low + 1)).floor().long()


_OPERATIONS: dict[str, Callable[[DiffAugment, Tensor, Tensor], Tensor]] = {
    "color": _color,
    "translation": _translation,
    "cutout": _cutout,
}
