"""Image files of a folder or a zip archive, in an order that does not depend on the machine."""

import io
import json
import os
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from ganloss._errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

#: A member may grow this much on unpacking, and to this size: images hardly shrink in a zip.
_MOST_GROWTH, _LARGEST_MEMBER = 200, 1 << 30
_LABELS = "dataset.json"


@dataclass(frozen=True)
class ImageFile:
    """One image file.

    Args:
        name: path relative to the source, with ``/``, in Unicode's NFC form.
        stamp: changes when the file does.
        open: gives its bytes.

    >>> from io import BytesIO
    >>> file = ImageFile("cats/young/a.b.png", (0, 0), BytesIO)
    >>> file.stem, file.folders
    ('cats/young/a.b', ('cats', 'young'))
    """

    name: str
    stamp: tuple[int, int]
    open: Callable[[], BinaryIO]

    @property
    def stem(self) -> str:
        """The name without its suffix, which pairs files of two folders."""
        return str(PurePosixPath(self.name).with_suffix(""))

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders it lies in, outermost first."""
        return PurePosixPath(self.name).parts[:-1]


@dataclass(frozen=True)
class Source:
    """The image files of a folder or archive.

    Args:
        path: the folder or archive.
        files: its images, sorted by name.
        labels: class number by name, where a ``dataset.json`` says so (StyleGAN's format).

    >>> from io import BytesIO
    >>> files = (ImageFile(name, (0, 0), BytesIO) for name in ("A/1.png", "A/2.png", "B/1.png"))
    >>> source = Source(Path("data/horses"), tuple(files), {})
    >>> source.name, source.top_folders, len(source.below("A").files)
    ('horses', ('A', 'B'), 2)
    """

    path: Path
    files: tuple[ImageFile, ...]
    labels: dict[str, int]

    @property
    def name(self) -> str:
        """Short name of the data set."""
        resolved = self.path.resolve()
        return resolved.stem if resolved.is_file() else resolved.name

    def below(self, *folders: str) -> "Source":
        """Give the part below one of its folders, with names relative to that."""
        prefix = "/".join(folders) + "/"
        inside = [file for file in self.files if file.name.startswith(prefix)]
        files = (ImageFile(f.name.removeprefix(prefix), f.stamp, f.open) for f in inside)
        labels = {
            name.removeprefix(prefix): label
            for name, label in self.labels.items()
            if name.startswith(prefix)
        }
        path = self.path if self.path.is_file() else self.path.joinpath(*folders)
        return Source(path, tuple(files), labels)

    @property
    def top_folders(self) -> tuple[str, ...]:
        """Names of the outermost folders that hold images."""
        return tuple(dict.fromkeys(f.folders[0] for f in self.files if f.folders))


def list_images(path: Path) -> Source:
    """List the images below a folder, or in a zip archive.

    Raises:
        DataError: nothing is there, or no images; an archive that is damaged, locked by a
            password, leads out of its folder or grows without measure.

    >>> list_images(Path("no-such-folder"))
    Traceback (most recent call last):
    ganloss._errors.DataError: there is no folder no-such-folder; check the path (...)
    """
    if not path.exists():
        raise DataError(f"there is no folder {path}; check the path (bundled sets are demo:NAME)")
    if path.is_dir():
        source = _folder(path)
    elif zipfile.is_zipfile(path):
        source = _archive(path)
    elif path.suffix.lower() == ".zip":
        raise DataError(f"{path} is a damaged zip, or none; pack or download it again")
    else:
        raise DataError(
            f"{path} is a file; --data takes the folder, or a zip, that holds the images"
        )
    if not source.files:
        raise DataError(f"no images below {path}; files ending in {', '.join(SUFFIXES)} are read")
    return source


def single_image(path: Path) -> Source:
    """Give one image file as a source.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     (Path(folder) / "a.png").touch()
    ...     [file.name for file in single_image(Path(folder) / "a.png").files]
    ['a.png']
    """
    return Source(path, (_file(path.parent, path),), {})


def _folder(folder: Path) -> Source:
    files = [_file(folder, path) for path in _walk(folder)]
    annotation = folder / _LABELS
    labels = _read_labels(annotation.read_bytes()) if annotation.is_file() else {}
    return Source(folder, _sorted(files), labels)


def _file(folder: Path, path: Path) -> ImageFile:
    status = path.stat()
    name = portable(path.relative_to(folder).as_posix())
    return ImageFile(name, (status.st_mtime_ns, status.st_size), lambda: path.open("rb"))


def _walk(folder: Path) -> Iterator[Path]:
    """Visit files below a folder once each; links to folders already seen are not followed."""
    seen: set[tuple[int, int]] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(parent)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        # Sorted: of several links to one folder, the same is followed everywhere.
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in files:
            path = Path(parent, name)
            if _is_image(name) and path.is_file():
                yield path


def _archive(path: Path) -> Source:
    try:
        archive = zipfile.ZipFile(path)
        members = [m for m in archive.infolist() if not m.is_dir()]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataError(f"{path} is a damaged zip ({error}); pack or download it again") from error
    for member in members:
        _check_member(path, member)
    images = [m for m in members if _is_image(m.filename) and not _in_hidden_folder(m.filename)]
    files = [_member(archive, m) for m in images]
    return Source(path, _sorted(files), _archived_labels(archive, members))


def _archived_labels(
    archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo]
) -> dict[str, int]:
    """Labels of StyleGAN's file in an archive; none where it is missing or cannot be read."""
    for member in members:
        if member.filename == _LABELS:
            try:
                return _read_labels(_member(archive, member).open().read())
            except OSError:
                return {}
    return {}


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> ImageFile:
    def read() -> BinaryIO:
        try:
            return io.BytesIO(archive.read(member))
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
            raise OSError(str(error)) from error

    return ImageFile(portable(member.filename), (member.CRC, member.file_size), read)


def _check_member(path: Path, member: zipfile.ZipInfo) -> None:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    if ".." in parts or parts[:1] == ("/",) or ":" in (parts or ("",))[0]:
        raise DataError(
            f"{path} holds {member.filename!r}, a name that leads out of the archive; do not trust "
            "it, or pack the images again"
        )
    growth = member.file_size / max(member.compress_size, 1)
    bomb = growth > _MOST_GROWTH and member.file_size > 1 << 20
    if bomb or member.file_size > _LARGEST_MEMBER:
        raise DataError(
            f"{path} holds {member.filename!r}, which grows to {member.file_size / 1e6:,.0f} MB on "
            f"unpacking ({growth:,.0f} times its size); this is no image: pack the images again"
        )
    if member.flag_bits & 1:
        raise DataError(f"{path} is locked by a password; pack the images without one")


def _read_labels(text: bytes) -> dict[str, int]:
    """Read StyleGAN's ``{"labels": [["00000/img.png", 6], ...]}``; other files are not ours."""
    try:
        rows: Any = json.loads(text)["labels"] or []
        return {portable(str(name)): int(label) for name, label in rows}
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return {}


def _sorted(files: Sequence[ImageFile]) -> tuple[ImageFile, ...]:
    return tuple(sorted(files, key=lambda file: file.name))


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not _hidden(name.rsplit("/", 1)[-1])


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _in_hidden_folder(name: str) -> bool:
    return any(_hidden(part) for part in name.split("/")[:-1])


def portable(name: str) -> str:
    """Write a name the same on every system.

    >>> portable("e\\u0301") == "é"
    True
    """
    return unicodedata.normalize("NFC", name)
