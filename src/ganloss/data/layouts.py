"""How a data set is laid out: one pile, classes, two domains, pairs side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ganloss._errors import DataError
from ganloss.data.decode import Header
from ganloss.data.files import Source

Kind = Literal["flat", "nested", "classes", "domains", "side by side"]

_SPLITS = ("train", "val", "valid", "validation", "test")
DOMAINS = ("trainA", "trainB")


@dataclass(frozen=True)
class Classes:
    """Classes of a source's files.

    Args:
        labels: class number of each file.
        names: what the classes are called.

    >>> Classes(labels=(0, 1, 1), names=("cats", "dogs")).names[1]
    'dogs'
    """

    labels: tuple[int, ...]
    names: tuple[str, ...]


def recognise(source: Source, headers: Sequence[Header | str]) -> Kind:
    """Tell the layout of a source from its folders and the shapes of its images.

    >>> from pathlib import Path
    >>> from io import BytesIO
    >>> from ganloss.data.files import ImageFile
    >>> def found(*names):
    ...     files = tuple(ImageFile(name, (0, 0), BytesIO) for name in names)
    ...     return recognise(Source(Path("x"), files, {}), [Header(32, 32, "RGB")] * len(files))
    >>> found("1.png", "2.png"), found("a/1.png", "b/1.png"), found("trainA/1.png", "trainB/1.png")
    ('flat', 'classes', 'domains')
    """
    if set(DOMAINS) <= set(source.top_folders):
        return "domains"
    if _side_by_side(headers):
        return "side by side"
    part = training_part(source)
    depths = {len(file.folders) for file in part.files}
    if depths == {0}:
        return "flat"
    if 0 not in depths and len(part.top_folders) > 1:
        return "classes"
    return "nested"


def _side_by_side(headers: Sequence[Header | str]) -> bool:
    """Whether all images are exactly twice as wide as high, as pairs A|B are."""
    found = [header for header in headers if isinstance(header, Header)]
    return bool(found) and all(h.width == 2 * h.height for h in found)


def training_part(source: Source) -> Source:
    """Give the ``train`` folder where that is how the files are split.

    Raises:
        DataError: the folders are two domains, which are not one set of images.

    >>> from pathlib import Path
    >>> from io import BytesIO
    >>> from ganloss.data.files import ImageFile
    >>> names = ("train/1.png", "train/2.png", "test/3.png")
    >>> source = Source(Path("x"), tuple(ImageFile(name, (0, 0), BytesIO) for name in names), {})
    >>> len(training_part(source).files)
    2
    """
    folders = source.top_folders
    if set(DOMAINS) <= set(folders):
        raise DataError(
            f"{source.path} holds two domains, {', '.join(folders)}; to generate images of one, "
            f"use --data {source.path}/{DOMAINS[0]}"
        )
    split = "train" in folders and set(folders) <= set(_SPLITS)
    return source.below("train") if split else source


def classes_of(source: Source) -> Classes:
    """Give the class of each file: from ``dataset.json``, else its outermost folder.

    Raises:
        DataError: there are no classes, or some files have none.

    >>> from pathlib import Path
    >>> from io import BytesIO
    >>> from ganloss.data.files import ImageFile
    >>> names = ("cats/1.png", "dogs/1.png", "dogs/2.png")
    >>> classes_of(Source(Path("x"), tuple(ImageFile(n, (0, 0), BytesIO) for n in names), {}))
    Classes(labels=(0, 1, 1), names=('cats', 'dogs'))
    """
    names = [file.name for file in source.files]
    if source.labels:
        missing = [name for name in names if source.labels.get(name, -1) < 0]
        _check_complete(source, missing, "have no label in dataset.json")
        numbers = [source.labels[name] for name in names]
        return Classes(tuple(numbers), tuple(str(i) for i in range(max(numbers) + 1)))
    folders = sorted(source.top_folders)
    if len(folders) < 2:
        raise DataError(
            f"--cond needs classes, and {source.path} has {len(folders) or 'no'} "
            f"folder{'s' * (len(folders) != 1)} with images; make one folder for each class, or "
            "leave --cond out"
        )
    loose = [file.name for file in source.files if not file.folders]
    _check_complete(source, loose, "lie outside the class folders")
    number = {name: i for i, name in enumerate(folders)}
    return Classes(tuple(number[file.folders[0]] for file in source.files), tuple(folders))


def _check_complete(source: Source, missing: list[str], what: str) -> None:
    if missing:
        listed = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise DataError(
            f"{len(missing)} images of {source.path} {what}: {listed}; sort them into the class "
            "folders, remove them, or leave --cond out"
        )
