"""Images to train on: a folder of them, or a bundled set, as one uint8 tensor."""

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from ganloss._errors import DataError, UsageError
from ganloss._lazy import suggest

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
DEMO_SETS = ("digits",)
MOST_PIXELS = 20_000 * 20_000
FEWEST_IMAGES = 8
MOST_UNREADABLE = 0.05

Fit = Literal["crop", "pad", "stretch"]


@dataclass(frozen=True)
class ImageSet:
    """Images of one size, ready to train on.

    Args:
        name: short name of the set.
        images: ``(N, C, H, W)``, uint8.
        held_out: images that are never trained on, or None.
        skipped: files that could not be read, with the reason.
        classes: number of classes the bundled classifier knows, 0 if there is none.
    """

    name: str
    images: Tensor
    held_out: Tensor | None = None
    skipped: tuple[tuple[str, str], ...] = field(default=())
    classes: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, channels, height, width = self.images.shape
        return channels, height, width


def load_images(
    source: str, image_size: int | None = None, *, fit: Fit = "crop", largest: int = 64
) -> ImageSet:
    """Read a data source.

    Args:
        source: a folder, searched recursively, or ``demo:NAME``.
        image_size: side of the square images; by default the largest power of two that the
            short side of most images and ``largest`` allow.
        fit: cut the middle square out, pad to a square, or stretch.
        largest: upper bound of the default size.

    Raises:
        DataError: nothing usable is there.
        UsageError: an unknown bundled set, or a size it does not come in.
    """
    if source.startswith("demo:"):
        return _demo_set(source.removeprefix("demo:"), image_size)
    return _folder(Path(source), image_size, fit, largest)


def _demo_set(name: str, image_size: int | None) -> ImageSet:
    if name not in DEMO_SETS:
        known = ", ".join(f"demo:{known}" for known in DEMO_SETS)
        raise UsageError(f"no bundled set demo:{name}{suggest(name, DEMO_SETS)} (known: {known})")
    if image_size not in (None, 8):
        raise UsageError(f"demo:digits are 8 px; leave --image-size {image_size} out")
    from ganloss.data.demo import digits

    split = digits()
    return ImageSet("digits", split.train_images, split.held_out_images, classes=10)


def _folder(folder: Path, image_size: int | None, fit: Fit, largest: int) -> ImageSet:
    files = find_images(folder)
    size = image_size or _default_size(files, largest)
    arrays: list[np.ndarray] = []
    skipped: list[tuple[str, str]] = []
    for file in files:
        try:
            arrays.append(read_square(file, size, fit))
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            skipped.append((str(file.relative_to(folder)), _reason(error)))
    _check_readable(folder, len(files), skipped)
    colour = any(a.shape[2] == 3 for a in arrays)
    stacked = np.stack([_channels(a, 3 if colour else 1) for a in arrays])
    images = torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous()
    return ImageSet(folder.resolve().name, images, skipped=tuple(skipped))


def find_images(folder: Path) -> list[Path]:
    """List the image files below a folder in an order that does not depend on the machine.

    Raises:
        DataError: no such folder, not a folder, or no images in it.
    """
    if not folder.exists():
        raise DataError(f"there is no folder {folder}; check the path, or try --data demo:digits")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; --data takes the folder that holds the images")
    files = sorted(_walk(folder), key=lambda p: _portable(p.relative_to(folder)))
    if not files:
        raise DataError(f"no images below {folder}; files ending in {', '.join(SUFFIXES)} are read")
    if len(files) < FEWEST_IMAGES:
        raise DataError(
            f"{len(files)} image{'s' * (len(files) > 1)} below {folder}; a GAN needs at least "
            f"{FEWEST_IMAGES}, and some hundreds to look like anything"
        )
    return files


def _walk(folder: Path) -> Iterator[Path]:
    """Visit files below a folder once each; links to folders already seen are not followed."""
    seen: set[tuple[int, int]] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(parent)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(parent, name)


def _portable(path: Path) -> str:
    return unicodedata.normalize("NFC", path.as_posix())


def _default_size(files: list[Path], largest: int) -> int:
    """Largest power of two that fits the short side of at least nine images in ten."""
    from PIL import Image

    sides: list[int] = []
    for file in files:
        try:
            with Image.open(file) as image:
                sides.append(min(image.size))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
    if not sides:
        return 8  # nothing is readable; reading will say so, file by file
    short = sorted(sides)[len(sides) // 10]
    size = 8
    while size * 2 <= min(short, largest):
        size *= 2
    return size


def read_square(file: Path, size: int, fit: Fit) -> "np.ndarray":
    """Read one image as ``(size, size, 1 or 3)`` uint8, upright, on white where transparent.

    Raises:
        OSError, ValueError, SyntaxError: the file is no image, damaged or far too large.
    """
    from PIL import Image, ImageOps

    with Image.open(file) as opened:
        if opened.width * opened.height > MOST_PIXELS or max(opened.size) > 20_000:
            raise ValueError(f"{opened.width}x{opened.height} pixels is more than 20,000 a side")
        opened.load()
        image = _eight_bit(ImageOps.exif_transpose(opened))
    filters = Image.Resampling.LANCZOS
    if fit == "stretch":
        image = image.resize((size, size), filters)
    elif fit == "pad":
        image = ImageOps.pad(image, (size, size), filters)
    else:
        image = ImageOps.fit(image, (size, size), filters)
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def _eight_bit(image: "Image.Image") -> "Image.Image":
    """Convert any mode to 8-bit gray or RGB."""
    from PIL import Image

    if image.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I", "F"):
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if values.max() > 255 else 255.0
        return Image.fromarray(np.clip(values / top * 255, 0, 255).round().astype(np.uint8))
    if image.mode in ("1", "L"):
        return image.convert("L")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _channels(array: "np.ndarray", channels: int) -> "np.ndarray":
    return array if array.shape[2] == channels else np.repeat(array, channels, axis=2)


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _check_readable(folder: Path, total: int, skipped: list[tuple[str, str]]) -> None:
    if len(skipped) > MOST_UNREADABLE * total:
        listed = "; ".join(f"{name}: {reason}" for name, reason in skipped[:5])
        raise DataError(
            f"{len(skipped)} of {total} images in {folder} cannot be read, more than "
            f"{MOST_UNREADABLE:.0%}: {listed}{' …' if len(skipped) > 5 else ''}. "
            "Remove or replace them"
        )
