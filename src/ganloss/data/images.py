"""Images to train on: a folder or zip of them, or a bundled set, as uint8 pixels of one size."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ganloss._errors import DataError
from ganloss.data.cache import Decoded, Keep, LazyImages, Transform, decode, reason
from ganloss.data.decode import UNREADABLE, Fit, Header, read_header
from ganloss.data.files import ImageFile, Source, list_images
from ganloss.data.layouts import classes_of, training_part
from ganloss.data.points import PointSet, point_set

FEWEST_IMAGES = 8
MOST_UNREADABLE = 0.05

#: Networks that know a set's images, by which samples of it are judged.
Judge = Literal["random-vgg", "digits", "stacked-digits", "triangles"]


@dataclass(frozen=True)
class ImageSet:
    """Images of one size, ready to train on.

    Args:
        name: short name of the set.
        images: ``(N, C, H, W)``, uint8.
        labels: class of each image, ``(N,)``, where classes were asked for.
        class_names: what the classes are called, in the order of their numbers.
        held_out: images that are never trained on, or None.
        held_out_labels: their classes.
        skipped: files that could not be read, with the reason.
        judge: features and classifier that fit this set.
        where: where the pixels are kept, in words.

    >>> import torch
    >>> cats = ImageSet("cats", torch.zeros(5, 3, 32, 32, dtype=torch.uint8))
    >>> cats.shape, len(cats.values)
    ((3, 32, 32), 5)
    """

    name: str
    images: Tensor | LazyImages
    labels: Tensor | None = None
    class_names: tuple[str, ...] = ()
    held_out: Tensor | None = None
    held_out_labels: Tensor | None = None
    skipped: tuple[tuple[str, str], ...] = field(default=())
    judge: Judge = "random-vgg"
    where: str = "in memory"

    @property
    def values(self) -> Tensor | LazyImages:
        """What is trained on."""
        return self.images

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""
        _, channels, height, width = self.images.shape
        return channels, height, width


def load_data(
    source: str,
    image_size: int | None = None,
    *,
    fit: Fit = "crop",
    largest: int = 64,
    cond: bool = False,
    keep: Keep = "disk",
    workers: int | None = None,
) -> ImageSet | PointSet:
    """Read a data source: images, or points in the plane.

    Args:
        source: a folder, searched recursively, or a zip; ``demo:NAME`` for a bundled set;
            ``torchvision:NAME`` for one of torchvision's.
        image_size: side of the square images; by default the largest power of two that the
            short side of most images and ``largest`` allow.
        fit: cut the middle square out, pad to a square, or stretch.
        largest: upper bound of the default size.
        cond: give the images' classes as well: their outermost folders.
        keep: keep decoded pixels in the user's cache folder, in memory, or not.
        workers: threads that decode; by default one for each processor.

    Raises:
        DataError: nothing usable is there.
        UsageError: an unknown bundled set, or a size or classes it does not come with.

    >>> load_data("demo:digits").shape, load_data("demo:ring").shape
    ((1, 8, 8), (2,))
    """
    if source in ("demo:ring", "demo:grid"):
        return point_set(source.removeprefix("demo:"), cond)
    return load_images(
        source, image_size, fit=fit, largest=largest, cond=cond, keep=keep, workers=workers
    )


def load_images(
    source: str,
    image_size: int | None = None,
    *,
    fit: Fit = "crop",
    largest: int = 64,
    cond: bool = False,
    keep: Keep = "disk",
    workers: int | None = None,
) -> ImageSet:
    """Read a data source that holds images; as :func:`load_data`.

    >>> load_images("demo:digits", cond=True).class_names[:3]
    ('0', '1', '2')
    """
    kind, _, name = source.partition(":")
    if kind == "demo":
        from ganloss.data.demo import demo_set

        return demo_set(name, image_size, cond)
    workers = workers or os.cpu_count() or 1
    if kind == "torchvision":
        from ganloss.data.vision import vision_set

        return vision_set(name, image_size, fit, largest, cond)
    everything = list_images(Path(source))
    files = training_part(everything)
    return _read(everything.name, files, image_size, fit, largest, cond, keep, workers)


def _read(
    name: str,
    source: Source,
    image_size: int | None,
    fit: Fit,
    largest: int,
    cond: bool,
    keep: Keep,
    workers: int,
) -> ImageSet:
    if len(source.files) < FEWEST_IMAGES:
        count = len(source.files)
        raise DataError(
            f"{count} image{'s' * (count > 1)} below {source.path}; a GAN needs at least "
            f"{FEWEST_IMAGES}, and some hundreds to look like anything"
        )
    classes = classes_of(source) if cond else None
    headers = read_headers(source.files, workers)
    found = [header for header in headers if isinstance(header, Header)]
    channels = 1 if all(header.gray for header in found) else 3
    transform = Transform(image_size or default_size(found, largest), channels, fit)
    decoded = decode(source, transform, keep, workers)
    _check_readable(source, decoded)
    labels = None if classes is None else torch.tensor(classes.labels)[list(decoded.rows)]
    return ImageSet(
        name,
        decoded.images,
        labels=labels,
        class_names=() if classes is None else classes.names,
        skipped=decoded.skipped,
        where=decoded.where,
    )


def read_headers(files: Sequence[ImageFile], workers: int) -> list[Header | str]:
    """Read what each file says of itself; a reason in words where it cannot be read.

    >>> read_headers([], workers=1)
    []
    """

    def read(file: ImageFile) -> Header | str:
        try:
            return read_header(file)
        except UNREADABLE as error:
            return reason(error)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(read, files))


def default_size(headers: Sequence[Header], largest: int) -> int:
    """Largest power of two that fits the short side of at least nine images in ten.

    Tiny images do not count where there are others: among fewer than ten, one would decide.

    >>> default_size([Header(100, 70, "RGB"), Header(3, 3, "RGB")], largest=128)
    64
    """
    if not headers:
        return 8  # nothing is readable; reading will say so, file by file
    counted = [header for header in headers if not header.tiny] or headers
    sides = sorted(min(header.width, header.height) for header in counted)
    short = sides[len(sides) // 10]
    size = 8
    while size * 2 <= min(short, largest):
        size *= 2
    return size


def _check_readable(source: Source, decoded: Decoded) -> None:
    total, skipped = len(source.files), decoded.skipped
    if len(skipped) > MOST_UNREADABLE * total:
        listed = "; ".join(f"{name}: {reason}" for name, reason in skipped[:5])
        raise DataError(
            f"{len(skipped)} of {total} images in {source.path} cannot be read, more than "
            f"{MOST_UNREADABLE:.0%}: {listed}{' …' if len(skipped) > 5 else ''}. "
            "Remove or replace them"
        )
