"""Images of two kinds: pairs that belong together, or two domains."""

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

import torch
from torch import Tensor

from ganloss._errors import DataError
from ganloss.data.cache import Keep, LazyImages, Transform, decode
from ganloss.data.decode import Fit, Header, read_upright
from ganloss.data.files import ImageFile, Source, list_images
from ganloss.data.images import (
    FEWEST_IMAGES,
    MOST_UNREADABLE,
    default_size,
    read_headers,
)
from ganloss.data.layouts import DOMAINS, recognise, training_part
from ganloss.data.order import Order

Direction = Literal["AtoB", "BtoA"]
Images = Tensor | LazyImages

_TESTS = (("testA", "testB"), ("valA", "valB"))
_SPLITS = ("test", "val", "valid", "validation")


@dataclass(frozen=True)
class PairSet:
    """Inputs and the targets that belong to them, or two domains that do not belong together.

    Args:
        name: short name of the set.
        inputs: ``(N, C, H, W)``, uint8; domain A.
        targets: as many, all of one size; domain B. Domains need not be equally large.
        held_out_inputs: inputs that are never trained on, or None.
        held_out_targets: theirs, or None.
        matched: whether input *i* belongs to target *i*.
        skipped: files that could not be read or have no partner, with the reason.
        where: where the pixels are kept, in words.

    >>> import torch
    >>> gray, colour = (torch.zeros(4, c, 8, 8, dtype=torch.uint8) for c in (1, 3))
    >>> pairs = PairSet("maps", gray, colour, None, None, matched=True)
    >>> pairs.shape, len(pairs.values), pairs.class_names
    ((3, 8, 8), 4, ())
    """

    name: str
    inputs: Images
    targets: Images
    held_out_inputs: Images | None
    held_out_targets: Images | None
    matched: bool
    skipped: tuple[tuple[str, str], ...] = ()
    where: str = "in memory"

    @property
    def values(self) -> Images:
        """The targets, which an epoch is counted in."""
        return self.targets

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of a target."""
        _, channels, height, width = self.targets.shape
        return channels, height, width

    @property
    def class_names(self) -> tuple[str, ...]:
        """None: pairs have no classes."""
        return ()


@dataclass(frozen=True)
class _Reading:
    """How files become pixels, and where these are kept."""

    image_size: int | None
    fit: Fit
    largest: int
    keep: Keep
    workers: int
    hold_out: float = 0.0
    channels: tuple[int, ...] | None = None


def load_pairs(
    source: str,
    image_size: int | None = None,
    *,
    direction: Direction = "AtoB",
    matched: bool = True,
    fit: Fit = "crop",
    largest: int = 64,
    keep: Keep = "disk",
    workers: int | None = None,
    hold_out: float = 0.0,
) -> PairSet:
    """Read pairs: ``trainA`` and ``trainB``, or images A|B side by side; a folder or zip.

    ``testA`` and ``testB`` (or ``val``), or the folder ``test`` of images side by side, are held
    out. Files are matched by their paths without suffix.

    Args:
        source: a folder or zip.
        image_size: side of the square images; by default as for one set.
        direction: which side is the input.
        matched: whether the files belong together; otherwise they are two domains.
        fit: cut the middle square out, pad to a square, or stretch.
        largest: upper bound of the default size.
        keep: keep decoded pixels in the user's cache folder, in memory, or not.
        workers: threads that decode; by default one for each processor.
        hold_out: share of the images to hold out where no folder says which; at least one image.

    Raises:
        DataError: there are no pairs, or too many files without a partner.
        UsageError: an unknown bundled set.

    >>> load_pairs("no-such-folder")
    Traceback (most recent call last):
    ganloss._errors.DataError: there is no folder no-such-folder; ...
    """
    if source.startswith("demo:"):
        from ganloss.data.demo_pairs import demo_pairs

        return demo_pairs(source.removeprefix("demo:"), image_size, direction, matched=matched)
    reading = _Reading(image_size, fit, largest, keep, workers or os.cpu_count() or 1, hold_out)
    everything = list_images(Path(source))
    what = "pairs" if matched else "two domains"
    train, test = _sides(everything, what, reading.workers)
    if direction == "BtoA":
        train = (train[1], train[0])
        test = None if test is None else (test[1], test[0])
    return _load(everything.name, train, test, matched, reading)


def load_folders(
    inputs: str,
    targets: str,
    image_size: int | None = None,
    *,
    fit: Fit = "crop",
    largest: int = 64,
    keep: Keep = "disk",
    workers: int | None = None,
    hold_out: float = 0.0,
) -> PairSet:
    """Read pairs from two folders or zips, matched by their paths without suffix.

    Args:
        inputs: low quality, or whatever is to be translated.
        targets: ground truth.
        image_size: as for :func:`load_pairs`, like what follows.
        fit: how an image becomes a square.
        largest: upper bound of the default size.
        keep: where decoded pixels are kept.
        workers: threads that decode.
        hold_out: share of the pairs to hold out; at least one pair.

    Raises:
        DataError: no file of one has a partner in the other, or too many have none.

    >>> load_folders("no-such-folder", "demo")
    Traceback (most recent call last):
    ganloss._errors.DataError: there is no folder no-such-folder; ...
    """
    reading = _Reading(image_size, fit, largest, keep, workers or os.cpu_count() or 1, hold_out)
    both = list_images(Path(inputs)), list_images(Path(targets))
    return _load(both[1].name, both, None, True, reading)


def load_targets(
    source: str,
    image_size: int | None = None,
    *,
    fit: Fit = "crop",
    largest: int = 64,
    keep: Keep = "disk",
    workers: int | None = None,
    hold_out: float = 0.0,
) -> PairSet:
    """Read images whose inputs will be made from them: each is its own partner.

    A folder ``test`` or ``val`` beside ``train`` is held out.

    Args:
        source: a folder or zip, or ``demo:photos``.
        image_size: as for :func:`load_pairs`, like what follows.
        fit: how an image becomes a square.
        largest: upper bound of the default size.
        keep: where decoded pixels are kept.
        workers: threads that decode.
        hold_out: share of the images to hold out where no folder says which; at least one.

    Raises:
        DataError: there are too few images, or too many cannot be read.
        UsageError: an unknown bundled set.

    >>> photos = load_targets("demo:photos", 32)
    >>> photos.inputs is photos.targets, photos.shape
    (True, (3, 32, 32))
    """
    if source.startswith("demo:"):
        from ganloss.data.demo_pairs import demo_pairs

        return demo_pairs(source.removeprefix("demo:"), image_size, "AtoB", matched=True)
    reading = _Reading(image_size, fit, largest, keep, workers or os.cpu_count() or 1, hold_out)
    everything = list_images(Path(source))
    held_out = next((name for name in _SPLITS if name in everything.top_folders), None)
    train = training_part(everything)
    test = None if held_out is None else _both(everything, held_out, held_out)
    return _load(everything.name, (train, train), test, True, reading)


def _sides(
    source: Source, what: str, workers: int
) -> tuple[tuple[Source, Source], tuple[Source, Source] | None]:
    """Give domain A and B of the training part, and of the held-out part where there is one."""
    folders = set(source.top_folders)
    if set(DOMAINS) <= folders:
        held_out = next((pair for pair in _TESTS if set(pair) <= folders), None)
        test = None if held_out is None else _both(source, *held_out)
        return _both(source, *DOMAINS), test
    headers = read_headers(source.files, workers)
    if recognise(source, headers) != "side by side":
        raise DataError(
            f"{source.path} holds no {what}: there are neither trainA and trainB nor images "
            "A|B side by side, twice as wide as high; `ganloss data check` shows what there is"
        )
    held_out = next((name for name in _SPLITS if name in folders), None)
    train = source.below("train") if "train" in folders else source
    return _halves(train), None if held_out is None else _halves(source.below(held_out))


def _both(source: Source, a: str, b: str) -> tuple[Source, Source]:
    return source.below(a), source.below(b)


def _halves(source: Source) -> tuple[Source, Source]:
    left = tuple(_half(file, "left") for file in source.files)
    right = tuple(_half(file, "right") for file in source.files)
    return Source(source.path, left, {}), Source(source.path, right, {})


def _half(file: ImageFile, side: Literal["left", "right"]) -> ImageFile:
    """Give one half of a file as a file of its own."""

    def read() -> BinaryIO:
        image = read_upright(file)
        middle = image.width // 2
        box = (0, 0, middle, image.height)
        if side == "right":
            box = (middle, 0, 2 * middle, image.height)
        stream = io.BytesIO()
        image.crop(box).save(stream, "PNG")
        stream.seek(0)
        return stream

    # The stamp tells the halves apart in the cache.
    return ImageFile(file.name, (file.stamp[0], 2 * file.stamp[1] + (side == "right")), read)


def _load(
    name: str,
    train: tuple[Source, Source],
    test: tuple[Source, Source] | None,
    matched: bool,
    reading: _Reading,
) -> PairSet:
    files = _most_files(train)
    if test is None and reading.hold_out:
        whole = train
        train, test = _split(train, matched, reading.hold_out)
        _check_rest(whole, train, reading.hold_out)
    (inputs, targets), skipped, where = _read(train, matched, reading, files)
    held_out: tuple[Images, Images] | None = None
    if test is not None:
        like = (inputs.shape[1], targets.shape[1])
        reading = replace(reading, image_size=targets.shape[-1], channels=like)
        held_out, more, _ = _read(test, matched, reading, _most_files(test), fewest=1)
        skipped += more
    return PairSet(
        name,
        inputs,
        targets,
        None if held_out is None else held_out[0],
        None if held_out is None else held_out[1],
        matched,
        skipped,
        where,
    )


def _most_files(sides: tuple[Source, Source]) -> int:
    return max(len(side.files) for side in sides)


def _read(
    sides: tuple[Source, Source],
    matched: bool,
    reading: _Reading,
    files: int,
    fewest: int = FEWEST_IMAGES,
) -> tuple[tuple[Images, Images], tuple[tuple[str, str], ...], str]:
    """Read both sides at one size; matched ones keep the pairs that can be read on both.

    Of the ``files`` of a side, before anything was taken away, only a few may be of no use.
    """
    skipped: tuple[tuple[str, str], ...] = ()
    if matched:
        sides, skipped = _matched(*sides)
    for side in sides:
        if len(side.files) < fewest:
            raise DataError(
                f"{len(side.files)} images in {side.path}; at least {fewest} are needed on each "
                "side"
            )
    headers = [read_headers(side.files, reading.workers) for side in sides]
    found = [header for side in headers for header in side if isinstance(header, Header)]
    size = reading.image_size or default_size(found, reading.largest)
    channels = reading.channels or tuple(
        1 if all(h.gray for h in own if isinstance(h, Header)) else 3 for own in headers
    )
    if not matched:  # a translated image has to pass for one of the other domain
        channels = (max(channels),) * 2
    decoded = [
        decode(side, Transform(size, depth, reading.fit), reading.keep, reading.workers)
        for side, depth in zip(sides, channels, strict=True)
    ]
    skipped += decoded[0].skipped + decoded[1].skipped
    if len(skipped) > max(1.0, MOST_UNREADABLE * files):
        listed = "; ".join(f"{name}: {reason}" for name, reason in skipped[:5])
        raise DataError(
            f"{len(skipped)} of {files} images of {sides[0].path} cannot be used: {listed}"
            f"{' …' if len(skipped) > 5 else ''}. Remove or replace them"
        )
    a, b = (entry.images for entry in decoded)
    if matched and decoded[0].rows != decoded[1].rows:
        both = sorted(set(decoded[0].rows) & set(decoded[1].rows))
        a, b = (_rows(entry.images, entry.rows, both) for entry in decoded)
    return (a, b), skipped, decoded[0].where


def _split(
    sides: tuple[Source, Source], matched: bool, share: float
) -> tuple[tuple[Source, Source], tuple[Source, Source]]:
    """Hold some files of each side out, the same ones of both sides where they belong together."""
    stems = [sorted({file.stem for file in side.files}) for side in sides]
    if matched:
        stems = [sorted(set(stems[0]) & set(stems[1]))] * 2
    parts = [_cut(side, _some(names, share)) for side, names in zip(sides, stems, strict=True)]
    return (parts[0][0], parts[1][0]), (parts[0][1], parts[1][1])


def _check_rest(whole: tuple[Source, Source], rest: tuple[Source, Source], share: float) -> None:
    """Refuse to hold out so much of images enough that too few are left to train on."""
    for before, after in zip(whole, rest, strict=True):
        if len(after.files) < FEWEST_IMAGES <= len(before.files):
            mend = "lower it" if len(before.files) > FEWEST_IMAGES else "add images"
            raise DataError(
                f"--held-out {share:g} leaves {len(after.files)} of the {len(before.files)} images "
                f"in {before.path} to train on, and at least {FEWEST_IMAGES} are needed; {mend}"
            )


def _some(names: list[str], share: float) -> set[str]:
    if not names:
        return set()
    rows = Order(len(names), seed=0).indices(0, max(1, round(share * len(names))))
    return {names[row] for row in rows.tolist()}


def _cut(side: Source, held_out: set[str]) -> tuple[Source, Source]:
    kept = tuple(file for file in side.files if file.stem not in held_out)
    others = tuple(file for file in side.files if file.stem in held_out)
    return Source(side.path, kept, {}), Source(side.path, others, {})


def _rows(images: Images, there: tuple[int, ...], wanted: list[int]) -> Tensor:
    place = {row: i for i, row in enumerate(there)}
    return images[torch.tensor([place[row] for row in wanted], dtype=torch.long)]


def _matched(a: Source, b: Source) -> tuple[tuple[Source, Source], tuple[tuple[str, str], ...]]:
    """Keep the files that have a partner, in the same order on both sides."""
    (of_a, twice_a), (of_b, twice_b) = (_by_stem(side) for side in (a, b))
    common = sorted(of_a.keys() & of_b.keys())
    if not common:
        raise DataError(
            f"no image of {a.path} has a partner of the same name in {b.path} (e.g. "
            f"{next(iter(of_a))} and {next(iter(of_b))}); rename them alike"
        )
    alone = sorted((of_a.keys() | of_b.keys()) - set(common))
    pairs = [
        Source(side.path, tuple(files[stem] for stem in common), {})
        for side, files in ((a, of_a), (b, of_b))
    ]
    skipped = tuple((stem, "has no partner of the same name") for stem in alone)
    return (pairs[0], pairs[1]), skipped + twice_a + twice_b


def _by_stem(side: Source) -> tuple[dict[str, ImageFile], tuple[tuple[str, str], ...]]:
    """Give the first file of each name without its suffix, and say why the others are left out."""
    named: dict[str, ImageFile] = {}
    twice: list[tuple[str, str]] = []
    for file in side.files:
        first = named.setdefault(file.stem, file)
        if first is not file:
            twice.append((file.name, f"has the same name as {first.name}"))
    return named, tuple(twice)
