"""Pairs that come with the dependencies: photographs, two of them held out whole, and sketches."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganloss._errors import UsageError
from ganloss._lazy import suggest
from ganloss.data.pairs import Direction, PairSet

_CROPS, _CROPS_HELD_OUT, _SIZES = 1024, 64, (32, 64, 128)
_TRAIN, _HELD_OUT = ("astronaut", "rocket", "brick"), ("chelsea", "coffee")
DEMO_PAIRS = ("photos", "sketches")


def demo_pairs(name: str, image_size: int | None, direction: Direction, matched: bool) -> PairSet:
    """Load a bundled set of pairs.

    ``photos`` are their own partners: a degradation makes the inputs. ``sketches`` are photographs
    and their contours, as :func:`sketch` draws them; as domains, no photograph's sketch is among
    the sketches trained on.

    Raises:
        UsageError: an unknown name, or a size it does not come with.

    >>> pairs = demo_pairs("sketches", 32, "AtoB", matched=True)
    >>> pairs.inputs.shape[1:], pairs.targets.shape[1:]
    (torch.Size([3, 32, 32]), torch.Size([1, 32, 32]))
    """
    size = image_size or _SIZES[1]
    if name not in DEMO_PAIRS:
        known = ", ".join(f"demo:{known}" for known in DEMO_PAIRS)
        raise UsageError(
            f"no bundled pairs demo:{name}{suggest(name, DEMO_PAIRS)} (known: {known})"
        )
    if size not in _SIZES:
        sizes = ", ".join(map(str, _SIZES))
        raise UsageError(f"demo:{name} come in {sizes} px, not {size}; choose one of them")
    if name == "photos":
        crops, held_out = _details(size), torch.cat([_tiles(photo(p), size) for p in _HELD_OUT])
        return PairSet(name, crops, crops, held_out, held_out, matched=True)
    crops, held_out = _scenes(_TRAIN, _CROPS, size), _scenes(_HELD_OUT, _CROPS_HELD_OUT, size)
    sides = [crops, sketch(crops), held_out, sketch(held_out)]
    if not matched:
        half = len(crops) // 2
        sides[0], sides[1] = crops[:half], sides[1][half:]
        sides = [side.expand(-1, 3, -1, -1) for side in sides]
    if direction == "BtoA":
        sides = [sides[1], sides[0], sides[3], sides[2]]
    return PairSet(name, *sides, matched=matched)


def sketch(images: Tensor) -> Tensor:
    """Draw contours, dark on white: three times Sobel's gradient of the brightness, inverted.

    Args:
        images: uint8 ``(N, 3, H, W)``.

    Returns:
        uint8 ``(N, 1, H, W)``.

    >>> flat = torch.full((1, 3, 8, 8), 128, dtype=torch.uint8)
    >>> sketch(flat).shape, sketch(flat).unique()  # no contours: a white sheet
    (torch.Size([1, 1, 8, 8]), tensor([255], dtype=torch.uint8))
    """
    from skimage.color import rgb2gray
    from skimage.filters import sobel

    drawn = [1 - np.clip(3 * sobel(rgb2gray(i)), 0, 1) for i in images.permute(0, 2, 3, 1).numpy()]
    pixels = np.rint(255 * np.stack(drawn)).astype(np.uint8)
    return torch.from_numpy(pixels)[:, None]


def photo(name: str) -> Image.Image:
    """Load one of scikit-image's photographs in colour.

    >>> photo("astronaut").size
    (512, 512)
    """
    from skimage import data

    load: Callable[[], np.ndarray] = getattr(data, name)
    return Image.fromarray(load()).convert("RGB")


def _details(size: int) -> Tensor:
    """Squares from many places of the photographs trained on, at most a quarter smaller."""
    photos = [photo(name) for name in _TRAIN]
    rng = np.random.default_rng(0)
    sides = (size * rng.uniform(1, 1.25, _CROPS)).astype(int)
    cut = [_crop(photos[i % len(photos)], side, size, rng) for i, side in enumerate(sides)]
    return _tensor(np.stack(cut))


def _scenes(names: Sequence[str], count: int, size: int) -> Tensor:
    """Squares as high as a third to all of a photograph, none of them twice."""
    photos = [photo(name) for name in names]
    rng = np.random.default_rng(0)
    cut: dict[bytes, np.ndarray] = {}
    while len(cut) < count:
        image = photos[len(cut) % len(photos)]
        pixels = _crop(image, int(rng.uniform(0.35, 1.0) * min(image.size)), size, rng)
        cut.setdefault(pixels.tobytes(), pixels)
    return _tensor(np.stack([*cut.values()]))


def _crop(image: Image.Image, side: int, size: int, rng: np.random.Generator) -> np.ndarray:
    left = int(rng.integers(image.width - side + 1))
    top = int(rng.integers(image.height - side + 1))
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box=box))


def _tiles(image: Image.Image, size: int) -> Tensor:
    """Cut a photograph into all its squares that do not overlap."""
    pixels = np.asarray(image)
    corners = [
        (top, left)
        for top in range(0, image.height - size + 1, size)
        for left in range(0, image.width - size + 1, size)
    ]
    return _tensor(np.stack([pixels[y : y + size, x : x + size] for y, x in corners]))


def _tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
