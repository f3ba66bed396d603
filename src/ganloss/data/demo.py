"""Data sets that come with the dependencies, or are computed: nothing is downloaded."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ganloss._errors import UsageError
from ganloss._lazy import suggest
from ganloss.data.images import ImageSet
from ganloss.data.polygons import PIXELS, TrianglesSplit, triangles

_TRAIN = 900
_SPLIT_SEED = 1998
_STACKED_TRAIN, _STACKED_HELD_OUT = 6000, 2000
_CROPS, _CROP_PIXELS = 1024, (16, 32, 64)


@dataclass(frozen=True)
class DigitsSplit:
    """Scikit-learn's 1,797 handwritten digits, split once and for all.

    Args:
        train_images: ``(900, 1, 8, 8)``, uint8.
        train_labels: ``(900,)``.
        held_out_images: ``(897, 1, 8, 8)``, uint8; never trained on.
        held_out_labels: ``(897,)``.

    >>> split = digits()
    >>> len(split.train_images), len(split.held_out_labels)
    (900, 897)
    """

    train_images: Tensor
    train_labels: Tensor
    held_out_images: Tensor
    held_out_labels: Tensor


def digits() -> DigitsSplit:
    """Load the digits; values 0 to 16 become 0 to 255.

    >>> split = digits()
    >>> tuple(split.train_images.shape), tuple(split.held_out_images.shape)
    ((900, 1, 8, 8), (897, 1, 8, 8))
    """
    values, labels = _digits_of_sklearn()
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(values))
    pixels = np.rint(values[order].reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    images, classes = torch.from_numpy(pixels), torch.from_numpy(labels[order])
    return DigitsSplit(images[:_TRAIN], classes[:_TRAIN], images[_TRAIN:], classes[_TRAIN:])


def _digits_of_sklearn() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read what ``load_digits`` reads, where it is found; importing that takes a second."""
    package = find_spec("sklearn")  # which imports nothing
    home = Path("" if package is None else package.origin or "").parent
    path = home / "datasets" / "data" / "digits.csv.gz"
    if path.is_file():
        table = np.loadtxt(path, delimiter=",")
        return table[:, :-1], table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    return np.asarray(values), np.asarray(labels)


def stacked(images: Tensor, labels: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Stack random triples of digits as red, green and blue; the label is the three-digit number.

    References:
        Metz et al., "Unrolled Generative Adversarial Networks", ICLR 2017, arXiv:1611.02163,
        section 3.3.1 (there of MNIST).

    >>> images = torch.zeros(10, 1, 8, 8, dtype=torch.uint8)
    >>> triples, numbers = stacked(images, torch.arange(10), count=5, seed=0)
    >>> triples.shape, numbers.max().item() < 1000
    (torch.Size([5, 3, 8, 8]), True)
    """
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(images), (count, 3), generator=generator)
    number = (labels[rows] * torch.tensor([100, 10, 1])).sum(1)
    return images[rows].squeeze(2), number


def _digits_set(image_size: int | None, cond: bool) -> ImageSet:
    _check_size("digits", image_size, 8)
    split = digits()
    return ImageSet(
        "digits",
        split.train_images,
        labels=split.train_labels if cond else None,
        class_names=tuple("0123456789") if cond else (),
        held_out=split.held_out_images,
        held_out_labels=split.held_out_labels,
        judge="digits",
    )


def _stacked_set(image_size: int | None, cond: bool) -> ImageSet:
    _check_size("stacked-digits", image_size, 8)
    split = digits()
    train, labels = stacked(split.train_images, split.train_labels, _STACKED_TRAIN, seed=0)
    held_out, numbers = stacked(
        split.held_out_images, split.held_out_labels, _STACKED_HELD_OUT, seed=1
    )
    return ImageSet(
        "stacked-digits",
        train,
        labels=labels if cond else None,
        class_names=tuple(f"{i:03d}" for i in range(1000)) if cond else (),
        held_out=held_out,
        held_out_labels=numbers,
        judge="stacked-digits",
    )


def _triangles_set(image_size: int | None, cond: bool) -> ImageSet:
    _check_size("triangles", image_size, PIXELS)
    _refuse_classes("triangles", cond)
    split: TrianglesSplit = triangles()
    return ImageSet("triangles", split.train, held_out=split.held_out, judge="triangles")


def _photos_set(image_size: int | None, cond: bool) -> ImageSet:
    """1,024 square cut-outs of four photographs, at many places and scales."""
    _refuse_classes("photos", cond)
    size = image_size or _CROP_PIXELS[-1]
    if size not in _CROP_PIXELS:
        sizes = ", ".join(map(str, _CROP_PIXELS))
        raise UsageError(f"demo:photos come in {sizes} px, not {size}; choose one of them")
    from skimage import data

    photos = [
        Image.fromarray(p()) for p in (data.astronaut, data.chelsea, data.coffee, data.rocket)
    ]
    rng = np.random.default_rng(0)
    crops = [_crop(photos[i % len(photos)], size, rng) for i in range(_CROPS)]
    pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()
    return ImageSet("photos", pixels)


def _crop(photo: Image.Image, size: int, rng: np.random.Generator) -> np.ndarray:
    """Cut a random square out, of at least a third of the photograph's height."""
    side = int(rng.uniform(0.35, 1.0) * min(photo.size))
    left = int(rng.integers(photo.width - side + 1))
    top = int(rng.integers(photo.height - side + 1))
    box = (left, top, left + side, top + side)
    return np.asarray(photo.resize((size, size), Image.Resampling.LANCZOS, box=box))


_IMAGE_SETS: dict[str, Callable[[int | None, bool], ImageSet]] = {
    "digits": _digits_set,
    "photos": _photos_set,
    "triangles": _triangles_set,
    "stacked-digits": _stacked_set,
}
#: Every bundled set; ring and grid are points in the plane.
DEMO_SETS = (*_IMAGE_SETS, "ring", "grid")


def demo_set(name: str, image_size: int | None = None, cond: bool = False) -> ImageSet:
    """Load a bundled set of images.

    Raises:
        UsageError: an unknown name, or a size or classes it does not come with.

    >>> demo_set("digits").shape
    (1, 8, 8)
    >>> demo_set("digit")
    Traceback (most recent call last):
    ganloss._errors.UsageError: no bundled set demo:digit...
    """
    if name not in DEMO_SETS:
        known = ", ".join(f"demo:{known}" for known in DEMO_SETS)
        raise UsageError(f"no bundled set demo:{name}{suggest(name, DEMO_SETS)} (known: {known})")
    if name not in _IMAGE_SETS:
        raise UsageError(f"demo:{name} are points in the plane; images are needed here")
    return _IMAGE_SETS[name](image_size, cond)


def _check_size(name: str, given: int | None, native: int) -> None:
    if given not in (None, native):
        raise UsageError(f"demo:{name} are {native} px; leave --image-size {given} out")


def _refuse_classes(name: str, cond: bool) -> None:
    if cond:
        raise UsageError(
            f"demo:{name} have no classes; leave --cond out, or use demo:digits, demo:ring, "
            "demo:grid or demo:stacked-digits"
        )
