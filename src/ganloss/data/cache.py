"""Decoded images, kept so that each file is decoded once.

An entry belongs to a list of files, their times and sizes, and how they are fitted; it is written
aside and moved into place under a lock, so that parallel jobs share it. The folder of the user's
images is never written to.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ganloss._errors import DataError
from ganloss.data.decode import UNREADABLE, Fit, read_square
from ganloss.data.files import ImageFile, Source

Keep = Literal["disk", "ram", "off"]

#: All entries together stay below this many bytes; the longest unused go first.
CAP_BYTES = 10 * 10**9

_FORMAT = 2
_UNFINISHED = ".new-"  # how folders of a decoding begin until it is done
_KILLED_AFTER = 86_400  # seconds in which any decoding is done
_PIXELS, _ENTRY = "pixels.bin", "entry.json"


@dataclass(frozen=True)
class Transform:
    """How files become pixels.

    Args:
        size: side of the square images.
        channels: 1 or 3.
        fit: cut the middle square out, pad to a square, or stretch.

    >>> transform = Transform(size=32, channels=3, fit="crop")
    >>> transform.bytes
    3072
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from ganloss.data.files import list_images
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("RGB", (40, 48)).save(Path(folder) / "a.png")
    ...     transform.read(list_images(Path(folder)).files[0]).shape
    (3, 32, 32)
    """

    size: int
    channels: int
    fit: Fit

    def read(self, file: ImageFile) -> np.ndarray:
        """Read one file as ``(channels, size, size)`` uint8."""
        gray = self.channels == 1
        pixels = read_square(file, self.size, self.fit, gray=gray).transpose(2, 0, 1)
        return np.broadcast_to(pixels, (self.channels, self.size, self.size))

    @property
    def bytes(self) -> int:
        """Bytes of one image."""
        return self.channels * self.size**2


@dataclass(frozen=True)
class Decoded:
    """Decoded images.

    Args:
        images: ``(N, C, H, W)``, uint8; in memory, or mapped from the cache's file.
        rows: which of the files they are, in order.
        skipped: files that could not be read, with the reason.
        where: where they are kept, in words.

    >>> Decoded(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), (0,), (), "in memory").where
    'in memory'
    """

    images: "Tensor | LazyImages"
    rows: tuple[int, ...]
    skipped: tuple[tuple[str, str], ...]
    where: str


class LazyImages:
    """Images that are decoded each time they are asked for; behaves as a uint8 tensor of them.

    Args:
        files: one for each image.
        transform: how they become pixels.
        workers: threads that decode.

    >>> none = LazyImages([], Transform(32, 3, "crop"), workers=1)
    >>> none.shape, none.numel()
    ((0, 3, 32, 32), 0)
    """

    def __init__(self, files: Sequence[ImageFile], transform: Transform, workers: int) -> None:
        self._files = tuple(files)
        self._transform = transform
        self._pool = ThreadPoolExecutor(workers)

    def __len__(self) -> int:
        return len(self._files)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of all of them together."""
        t = self._transform
        return len(self), t.channels, t.size, t.size

    def numel(self) -> int:
        """Number of values of all of them together."""
        return len(self) * self._transform.bytes

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Decode some images, ``(n, C, H, W)``.

        Raises:
            DataError: a file cannot be read.
        """
        chosen = range(len(self))[rows] if isinstance(rows, slice) else rows.tolist()
        batch = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        for place, pixels in enumerate(self._pool.map(self._read, chosen)):
            batch[place] = pixels
        return torch.from_numpy(batch)

    def _read(self, row: int) -> np.ndarray:
        file = self._files[row]
        try:
            return self._transform.read(file)
        except UNREADABLE as error:
            raise DataError(
                f"{file.name} cannot be read ({reason(error)}); remove it, or leave --cache off "
                "out, which finds and skips such files before training"
            ) from error


def decode(source: Source, transform: Transform, keep: Keep, workers: int) -> Decoded:
    """Decode the files of a source, or take them from the cache.

    >>> nothing = Source(Path("photos"), (), {})
    >>> decode(nothing, Transform(32, 3, "crop"), "off", workers=1).where
    'decoded again for every batch'
    """
    if keep == "off" or len(source.files) * transform.bytes > CAP_BYTES:
        lazy = LazyImages(source.files, transform, workers)
        return Decoded(lazy, tuple(range(len(lazy))), (), "decoded again for every batch")
    if keep == "ram":
        return _in_memory(source, transform, workers)
    try:
        return _on_disk(source, transform, workers)
    except OSError:  # no room, or no permission: the cache is a convenience
        return _in_memory(source, transform, workers)


def cache_folder() -> Path:
    """Folder of the cache; ``GANLOSS_CACHE`` names another one.

    >>> cache_folder().is_absolute()
    True
    """
    from platformdirs import user_cache_path

    named = os.environ.get("GANLOSS_CACHE")
    return Path(named) if named else user_cache_path("ganloss", appauthor=False) / "images"


def _in_memory(source: Source, transform: Transform, workers: int) -> Decoded:
    shape = (len(source.files), transform.channels, transform.size, transform.size)
    pixels = np.empty(shape, np.uint8)
    rows, skipped = _decode_into(pixels, source.files, transform, workers)
    images = torch.from_numpy(pixels[: len(rows)])
    return Decoded(images, rows, skipped, f"{_megabytes(images)} in memory")


def _on_disk(source: Source, transform: Transform, workers: int) -> Decoded:
    from filelock import FileLock

    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    entry = folder / _key(source, transform)
    with FileLock(f"{entry}.lock"):
        try:
            decoded = _read_entry(entry, transform)
        except (OSError, ValueError, KeyError, TypeError):  # not there yet, or damaged
            _write_entry(entry, source, transform, workers)
            decoded = _read_entry(entry, transform)
    _make_room(folder, keep=entry)
    return decoded


def _key(source: Source, transform: Transform) -> str:
    files = [(file.name, file.stamp) for file in source.files]
    text = repr((_FORMAT, str(source.path.resolve()), transform, files))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _write_entry(entry: Path, source: Source, transform: Transform, workers: int) -> None:
    shutil.rmtree(entry, ignore_errors=True)  # what is damaged makes room
    aside = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=entry.parent))
    try:
        shape = (len(source.files), transform.channels, transform.size, transform.size)
        _reserve(aside / _PIXELS, len(source.files) * transform.bytes)
        pixels = np.memmap(aside / _PIXELS, np.uint8, "r+", shape=shape)
        rows, skipped = _decode_into(pixels, source.files, transform, workers)
        pixels.flush()
        del pixels
        os.truncate(aside / _PIXELS, len(rows) * transform.bytes)
        about = {"rows": rows, "skipped": skipped, "source": str(source.path)}
        (aside / _ENTRY).write_text(json.dumps(about), encoding="utf-8")
        aside.rename(entry)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _reserve(path: Path, size: int) -> None:
    """Make a file with room on the disk: writing to mapped memory without it ends the process.

    Raises:
        OSError: there is no room.
    """
    with path.open("wb") as stream:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, size)
            return
        for start in range(0, size, 1 << 20):
            stream.write(bytes(min(1 << 20, size - start)))


def _read_entry(entry: Path, transform: Transform) -> Decoded:
    about = json.loads((entry / _ENTRY).read_text(encoding="utf-8"))
    os.utime(entry / _ENTRY)  # when it was last used
    rows, skipped = tuple(about["rows"]), tuple((n, r) for n, r in about["skipped"])
    shape = (len(rows), transform.channels, transform.size, transform.size)
    if not rows:
        return Decoded(torch.empty(shape, dtype=torch.uint8), rows, skipped, "")
    # Mode "c": torch wants memory that can be written to; what is written stays in memory.
    images = torch.from_numpy(np.memmap(entry / _PIXELS, np.uint8, "c", shape=shape))
    return Decoded(images, rows, skipped, f"{_megabytes(images)} in {entry}")


def _decode_into(
    pixels: np.ndarray, files: Sequence[ImageFile], transform: Transform, workers: int
) -> tuple[tuple[int, ...], tuple[tuple[str, str], ...]]:
    """Fill the first rows with the readable images; give their numbers, and the others' reasons."""

    def read(row: int) -> str | None:
        try:
            pixels[row] = transform.read(files[row])
        except UNREADABLE as error:
            return reason(error)
        return None

    with ThreadPoolExecutor(workers) as pool:
        failures = list(pool.map(read, range(len(files))))
    rows = tuple(row for row, failure in enumerate(failures) if failure is None)
    for place, row in enumerate(rows):
        if place != row:
            pixels[place] = pixels[row]
    skipped = tuple((files[i].name, text) for i, text in enumerate(failures) if text is not None)
    return rows, skipped


def _make_room(folder: Path, keep: Path) -> None:
    """Remove what was never finished, and the longest unused entries above the cap."""
    for unfinished in folder.glob(f"{_UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - unfinished.stat().st_mtime > _KILLED_AFTER:
                shutil.rmtree(unfinished)
    entries = [path.parent for path in folder.glob(f"*/{_ENTRY}")]
    with suppress(OSError):  # another job may be removing the same
        by_use = sorted(entries, key=lambda e: (e / _ENTRY).stat().st_mtime, reverse=True)
        used = 0
        for entry in by_use:
            used += (entry / _PIXELS).stat().st_size
            if used > CAP_BYTES and entry != keep:
                shutil.rmtree(entry)


def _megabytes(images: Tensor) -> str:
    return f"{images.numel() / 1e6:,.1f} MB"


def reason(error: BaseException) -> str:
    """Say in a line why a file cannot be read.

    >>> reason(ValueError("truncated file <_io.BytesIO object at 0x7f>")), reason(KeyError())
    ('truncated file', 'KeyError')
    """
    line = str(error).partition("\n")[0].partition(" <_io.")[0]  # Pillow names the stream
    return line or type(error).__name__
