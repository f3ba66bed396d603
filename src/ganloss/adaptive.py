"""Adaptive discriminator augmentation: as much augmentation as keeps D from memorising."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce
from math import pi
from typing import Any, Literal, TypeAlias, cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

from ganloss._lazy import suggest
from ganloss._processes import gathered
from ganloss._random import Draws
from ganloss._scores import Scores, per_sample, scales
from ganloss._settings import check_settings
from ganloss.augment import check_images, names, of_dtype

Group: TypeAlias = Literal["blit", "geometry", "color"]

_GROUPS: tuple[Group, ...] = ("blit", "geometry", "color")
#: Uniform and normal numbers of one image in a group: the most that one needs.
_UNIFORM, _NORMAL = 7, 4


@final
@dataclass(frozen=True)
class AdaptiveAugment:
    r"""Augment real and generated images with probability *p*, which D's overfitting decides.

    .. math:: r = E_x[\operatorname{sign}(D(x) - u)], \qquad
        p \leftarrow \operatorname{clip}\Big(p + \operatorname{sign}(r - t)
        \frac{\text{images}}{1000\,k},\, 0,\, 1\Big)

    Each operation is done to an image with probability *p*, by numbers of its own. Below 1 no
    operation is certain, so what D is shown still tells the original distribution: augmentations
    do not leak into what G makes. The value has a fixed *p*; its controller
    (``controller()``, an :class:`AugmentStrength`) holds p and moves it. In order:

    - ``blit``: mirror left to right, turn by 90, 180 or 270 degrees, move by whole pixels, up to
      an eighth of the side;
    - ``geometry``: scale by :math:`2^{0.2 n}`, turn by any angle, stretch by :math:`2^{0.2 n}`,
      turn again, move by :math:`n / 8` of the side;
    - ``color``: brightness :math:`x + 0.2n`, contrast :math:`2^{0.5 n} x`, luma flip, hue by any
      angle, saturation by :math:`2^n`.

    with *n* standard normal. Images are moved by bilinear sampling and mirrored beyond their
    edges; the paper's filters against aliasing are left out. Penalties may be taken before or after
    the augmentation: gradients can be differentiated again. Gray images have no hue and no
    saturation to change.

    Args:
        operations: groups of operations; all by default, the paper's choice for small sets.
        p: probability of each operation, a number or the controller's buffer.
        target: *t*, the share of real scores above *u* minus that below; 0.6 in the paper.
        kimg: *k*, thousands of images in which p can rise from 0 to 1; 500 in the paper.
        interval: updates of D between two moves of p; 4 in the paper.
        undecided: *u*, the score that says neither real nor generated: 0 for logits.

    Raises:
        ValueError: an unknown or repeated group, a number out of range, or tensors that are no
            images ``(N, C, H, W)``; for colours, of other than 1 or 3 channels.
        TypeError: images that are not floating point, e.g. uint8.

    Use: With fewer than some ten thousand images, where the right strength is not known. With a
    loss of which only differences of scores count (wgan, r3gan) there is no *u*: fix p.

    Cost: A few passes over the pixels, small beside a discriminator.

    Peers: StyleGAN2-ADA's ``bgc`` pipeline and rule, StudioGAN's ada: the same numbers; there p
    may pass 1, which changes nothing but how soon it falls again.

    References:
        Karras et al., "Training Generative Adversarial Networks with Limited Data", NeurIPS 2020,
        arXiv:2006.06676, sections 2 and 3, appendix B.

    >>> import torch
    >>> augment = AdaptiveAugment(("blit", "color"), p=0.5)
    >>> augment(torch.rand(4, 3, 16, 16)).shape
    torch.Size([4, 3, 16, 16])
    >>> AdaptiveAugment(("colour",))
    Traceback (most recent call last):
    ValueError: no operations 'colour'; did you mean 'color'? They are blit, geometry, color
    """

    operations: tuple[Group, ...] = _GROUPS
    p: float | Tensor = 0.0
    target: float = field(default=0.6, kw_only=True)
    kimg: float = field(default=500.0, kw_only=True)
    interval: int = field(default=4, kw_only=True)
    undecided: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        check_settings(self)
        object.__setattr__(self, "operations", names(self.operations, "operations", "color"))
        for name in self.operations:
            if name not in _GROUPS:
                hint = suggest(str(name), _GROUPS) or "."
                raise ValueError(f"no operations {name!r}{hint} They are {', '.join(_GROUPS)}")
        if len(set(self.operations)) != len(self.operations):
            raise ValueError(f"operations {self.operations} repeat a group; name each once")
        if not isinstance(self.p, Tensor) and not 0 <= self.p <= 1:
            raise ValueError(f"p is {self.p}; a probability lies between 0 and 1")
        if not -1 < self.target < 1:
            raise ValueError(
                f"target is {self.target}; it lies between -1 and 1 (0.6 in the paper)"
            )
        if not self.kimg > 0 or self.interval < 1:
            raise ValueError(f"kimg {self.kimg} and interval {self.interval} must be positive")

    def controller(self, *, across_processes: bool = False) -> "AugmentStrength":
        """Give what holds p and moves it.

        >>> AdaptiveAugment(p=0.25).controller().augment.p
        tensor(0.2500)
        """
        return AugmentStrength(self, across_processes=across_processes)

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
        given = images.dtype
        images = images if given == torch.float64 else images.float()
        # The matrices of a batch would be multiplied in half precision.
        with torch.autocast(images.device.type, enabled=False):
            for group in self.operations:
                numbers = _Numbers(images, self.p, random, f"{stream}-{group}")
                images = _OPERATIONS[group](images, numbers)
        return of_dtype(images, given)


class AugmentStrength(nn.Module):
    """Controller of :class:`AdaptiveAugment`: holds p, and moves it by D's scores of real images.

    It is called as the augmentation is. The state is in buffers, so it is saved and loaded with
    everything else, and nothing waits for the device.

    Args:
        augment: the augmentation; its p is where p begins.
        across_processes: use the scores of all processes; otherwise p is local.

    >>> import torch
    >>> strength = AdaptiveAugment(kimg=0.016, interval=1).controller()
    >>> strength.update(real=torch.full((4,), 3.0))
    >>> strength.p, strength.overfitting
    (tensor(0.2500), tensor(1.))
    """

    p: Tensor
    overfitting: Tensor
    seen: Tensor

    def __init__(self, augment: AdaptiveAugment, *, across_processes: bool = False) -> None:
        super().__init__()
        self._settings = augment
        self.across_processes = across_processes
        self.register_buffer("p", torch.tensor(float(augment.p)))
        #: The last r that p was moved by; 0 before.
        self.register_buffer("overfitting", torch.zeros(()))
        #: Since then: updates, images, and the sum of their signs.
        self.register_buffer("seen", torch.zeros(3))

    @property
    def augment(self) -> AdaptiveAugment:
        """The augmentation with p as it is now.

        >>> AdaptiveAugment().controller().augment.p
        tensor(0.)
        """
        return replace(self._settings, p=self.p.clone())

    def forward(
        self,
        images: Tensor,
        *,
        random: Draws | torch.Generator | None = None,
        stream: str = "augment",
    ) -> Tensor:
        """Augment images ``(N, C, H, W)`` in [-1, 1].

        >>> strength = AdaptiveAugment(p=0.0).controller()
        >>> images = torch.zeros(2, 3, 8, 8)
        >>> strength(images).shape
        torch.Size([2, 3, 8, 8])
        """
        return self.augment(images, random=random, stream=stream)

    @torch.no_grad()
    def update(self, *, real: Scores) -> None:
        """Count a turn of D by its scores of augmented real images; every few turns, move p."""
        signs = self._signs(real)
        count = torch.full_like(signs.sum(), len(signs))
        self.seen += torch.stack([torch.ones_like(count), count, signs.sum()]).to(self.seen)
        turns, images, total = self.seen.unbind()
        due = turns >= self._settings.interval
        found = total / images
        step = (found - self._settings.target).sign() * images / (1000 * self._settings.kimg)
        self.overfitting.copy_(torch.where(due, found, self.overfitting))
        self.p.copy_(torch.where(due, self.p + step, self.p).clamp(0, 1))
        self.seen.mul_(~due)

    def _signs(self, real: Scores) -> Tensor:
        """Mean sign of the scores of each image, over patches and scales, ``(N,)``."""
        undecided = self._settings.undecided
        signs = [per_sample((s - undecided).sign()) for s in scales(real, "real")]
        return gathered(torch.stack(signs).mean(0), across_processes=self.across_processes)


class _Numbers:
    """The random numbers of a group of operations: one for each image, taken in order."""

    def __init__(
        self,
        images: Tensor,
        p: float | Tensor,
        random: Draws | torch.Generator | None,
        stream: str,
    ) -> None:
        count, dtype, device = len(images), images.dtype, images.device
        if isinstance(random, Draws):
            uniform = random.uniform(stream, count, _UNIFORM, dtype=dtype)
            normal = random.normal(f"{stream}-normal", count, _NORMAL, dtype=dtype)
        else:
            uniform = torch.rand(count, _UNIFORM, generator=random, device=device, dtype=dtype)
            normal = torch.randn(count, _NORMAL, generator=random, device=device, dtype=dtype)
        self._uniform, self._normal = iter(uniform.unbind(1)), iter(normal.unbind(1))
        self.p = p

    def uniform(self, low: float, high: float) -> Tensor:
        return low + (high - low) * next(self._uniform)

    def normal(self, deviation: float) -> Tensor:
        return deviation * next(self._normal)

    def sign(self) -> Tensor:
        return 2 * self.uniform(0, 2).floor() - 1

    def sometimes(self, value: Tensor, otherwise: float, p: float | Tensor | None = None) -> Tensor:
        """Keep an operation's value with probability p."""
        done = next(self._uniform) < (self.p if p is None else p)
        return torch.where(done, value, otherwise)


def _blit(images: Tensor, numbers: _Numbers) -> Tensor:
    height, width = images.shape[2:]
    mirror = numbers.sometimes(numbers.sign(), 1.0)
    quarters = numbers.sometimes(numbers.uniform(0, 4).floor(), 0.0)
    shares = torch.stack([numbers.uniform(-1 / 8, 1 / 8), numbers.uniform(-1 / 8, 1 / 8)])
    right, down = numbers.sometimes(shares, 0.0)
    steps = [
        _scaling(mirror, torch.ones_like(mirror)),
        _rotation(quarters * (pi / 2)).round(),
        _translation((right * width).round(), (down * height).round()),
    ]
    return _sampled(images, steps)


def _geometry(images: Tensor, numbers: _Numbers) -> Tensor:
    height, width = images.shape[2:]
    # Of the two turns, at least one is done with probability p.
    either = 1 - (1 - numbers.p) ** 0.5
    size = numbers.sometimes(2 ** numbers.normal(0.2), 1.0)
    before = numbers.sometimes(numbers.uniform(-pi, pi), 0.0, either)
    stretch = numbers.sometimes(2 ** numbers.normal(0.2), 1.0)
    after = numbers.sometimes(numbers.uniform(-pi, pi), 0.0, either)
    shares = torch.stack([numbers.normal(1 / 8), numbers.normal(1 / 8)])
    right, down = numbers.sometimes(shares, 0.0)
    steps = [
        _scaling(size, size),
        _rotation(before),
        _scaling(stretch, 1 / stretch),
        _rotation(after),
        _translation(right * width, down * height),
    ]
    return _sampled(images, steps)


def _sampled(images: Tensor, steps: list[Tensor]) -> Tensor:
    """Move images; the product of the steps says where a pixel of the result comes from.

    Its unit is the pixel, its origin the centre. All numbers are as likely as their inverses.
    """
    height, width = images.shape[2:]
    sides = images.new_tensor([width / 2, height / 2, 1.0])
    sources = reduce(torch.matmul, steps)
    shares = (sources * sides / sides[:, None])[:, :2]
    places = affine_grid(shares, list(images.shape), align_corners=False)
    return cast(Tensor, _Sampled.apply(images, places))


_BILINEAR, _REFLECTION = 0, 2  # as torch numbers them


class _Sampled(torch.autograd.Function):
    """``grid_sample`` of which gradients can be differentiated again, as penalties do.

    Images enter linearly, so the gradient of the gradient is a sample of its own. Places are
    random numbers, and have none.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(images, places)
        return grid_sample(images, places, padding_mode="reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, None]:
        images, places = ctx.saved_tensors
        return _SampledBackward.apply(gradients[0], images.detach(), places), None


class _SampledBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, images: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        return torch.ops.aten.grid_sampler_2d_backward(
            gradient, images, places, _BILINEAR, _REFLECTION, False, [True, False]
        )[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, None, None]:
        (places,) = ctx.saved_tensors
        return _Sampled.apply(gradients[0], places), None, None


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Matrices ``(N, 3, 3)`` that map (u, v) to (a u + b v + x, c u + d v + y)."""
    zero, one = torch.zeros_like(a), torch.ones_like(a)
    return torch.stack([a, b, x, c, d, y, zero, zero, one], 1).view(-1, 3, 3)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    zero = torch.zeros_like(x)
    return _matrix(x, zero, zero, y, zero, zero)


def _rotation(angle: Tensor) -> Tensor:
    zero = torch.zeros_like(angle)
    return _matrix(angle.cos(), -angle.sin(), angle.sin(), angle.cos(), zero, zero)


def _translation(x: Tensor, y: Tensor) -> Tensor:
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return _matrix(one, zero, zero, one, x, y)


def _color(images: Tensor, numbers: _Numbers) -> Tensor:
    """Change luma, the mean over channels, and chroma, the rest, by the product of all steps."""
    if images.shape[1] not in (1, 3):
        raise ValueError(
            f"colours are changed of images with 1 or 3 channels, and these have "
            f'{images.shape[1]}; leave "color" out of the operations'
        )
    brightness = numbers.sometimes(numbers.normal(0.2), 0.0)
    contrast = numbers.sometimes(2 ** numbers.normal(0.5), 1.0)
    flip = numbers.sometimes(numbers.sign(), 1.0)
    hue = numbers.sometimes(numbers.uniform(-pi, pi), 0.0)
    saturation = numbers.sometimes(2 ** numbers.normal(1.0), 1.0)
    luma = images.mean(1, keepdim=True)
    chroma = images - luma
    # A quarter turn about the gray axis: its cross product with the chroma.
    turned = (chroma.roll(1, 1) - chroma.roll(-1, 1)) / 3**0.5
    strength = contrast * saturation
    along, across = _each(strength * hue.cos()), _each(strength * hue.sin())
    gray = _each(contrast * flip) * (luma + _each(brightness))
    return gray + along * chroma + across * turned


def _each(numbers: Tensor) -> Tensor:
    """A number for each image, to be multiplied with it."""
    return numbers[:, None, None, None]


_OPERATIONS: dict[Group, Callable[[Tensor, _Numbers], Tensor]] = {
    "blit": _blit,
    "geometry": _geometry,
    "color": _color,
}
