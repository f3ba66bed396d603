"""Pairs for ``ganloss evaluate --pairs``: generated images against the real ones of their names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganloss._errors import DataError, UsageError
from ganloss._weights import WEIGHTS, find, locate
from ganloss.data.decode import UNREADABLE, fitted, read_upright
from ganloss.data.files import ImageFile, list_images
from ganloss.metrics.pairs import SIDES, paired_numbers
from ganloss.metrics.protocol import FEWEST_IMAGES, Number
from ganloss.networks.load import is_generator
from ganloss.runs.scoring import Request
from ganloss.terms.lpips import LPIPS

_LPIPS = ("lpips-alex", "alexnet")  # the files it takes


def lpips_of_pairs(request: Request) -> LPIPS | None:
    """Give the distance, or None where its weights are neither asked for nor here.

    Raises:
        WeightsError: they were asked for, and are not here.

    >>> lpips_of_pairs(Request("sharp", "restored")) is None  # there are no pairs
    True
    """
    weights, by_hand = request.lpips, "--lpips FOLDER, which holds both files"
    if not request.pairs:
        return None
    if weights is None and any(find(WEIGHTS[name]) is None for name in _LPIPS):
        return None
    if weights is not None and not Path(weights).is_file():
        for name in _LPIPS:
            locate(WEIGHTS[name], weights, by_hand=by_hand, without="leave --lpips out")
    return LPIPS("alex", weights or "auto", value_range=(0, 255))


def check_pairs(request: Request) -> None:
    """Refuse pairs of what has no files.

    Raises:
        UsageError: a bundled set, or a run.

    >>> check_pairs(Request("demo:digits", "restored", pairs=True))
    Traceback (most recent call last):
    ganloss._errors.UsageError: --pairs compares files of the same name, and demo:digits ...
    """
    for source in (request.real, request.fake):
        said = f"--pairs compares files of the same name, and {source}"
        if is_generator(Path(source)):
            raise UsageError(
                f"{said} is a run; make files first: `ganloss translate {source} IMAGES`, or "
                f"`ganloss sample {source}`"
            )
        if ":" in source and not Path(source).exists():
            raise UsageError(f"{said} is a set without files; give folders or zips")


def too_few(request: Request) -> bool:
    """Whether a side has too few images for numbers about sets.

    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("L", (8, 8)).save(Path(folder) / "a.png")
    ...     too_few(Request(folder, folder, pairs=True))
    True
    """
    real, fake = (len(list_images(Path(s)).files) for s in (request.real, request.fake))
    return real < (request.count or 2 * FEWEST_IMAGES) or fake < FEWEST_IMAGES


def pair_numbers(
    request: Request, lpips: LPIPS | None
) -> tuple[tuple[Number, ...], tuple[str, ...]]:
    """Compare images of the same name, at REAL's own size; the numbers, and notes in words.

    Raises:
        DataError: no names match.
    """
    sides = tuple(list_images(Path(source)).files for source in (request.real, request.fake))
    real, fake = ({file.stem: file for file in reversed(side)} for side in sides)
    names = [name for name in real if name in fake]
    if not names:
        first = [next(iter(side)) for side in (real, fake)]
        raise DataError(
            f"no image of {request.fake} has the name of one in {request.real} (there "
            f"{first[0]!r}, here {first[1]!r}); pairs have equal names, apart from the suffix"
        )
    resized: list[str] = []
    pairs = _pairs(names, real, fake, resized)
    numbers = paired_numbers(pairs, lpips=lpips, seed=request.seed)
    alone = [len(side) - len(names) for side in (real, fake)]
    notes = [f"{alone[0]:,} real and {alone[1]:,} generated images have no partner"]
    notes = notes if any(alone) else []
    twice = sum(map(len, sides)) - len(real) - len(fake)
    if twice:
        notes.append(f"images left out whose name another has, but for the suffix: {twice:,}")
    if resized:
        notes.append(f"{len(resized):,} generated images were resized to their partner's size")
    measured = {number.name.partition("@")[0] for number in numbers}
    notes += [
        f"{name} is left out: it takes images of {side} pixels a side or more"
        for name, side in SIDES.items()
        if name not in measured and (name != "lpips" or lpips is not None)
    ]
    if lpips is None:
        files = " and ".join(f"`ganloss weights fetch {name}`" for name in _LPIPS)
        notes.append(f"lpips is left out: its weights are not here; {files} bring them")
    return numbers, tuple(notes)


def same_names(request: Request) -> bool:
    """Whether every generated image has the name of a real one.

    >>> same_names(Request("no-such-folder", "demo:digits"))
    False
    """
    paths = Path(request.real), Path(request.fake)
    if not all(path.exists() for path in paths) or is_generator(paths[1]):
        return False
    real, fake = ({f.stem for f in list_images(path).files} for path in paths)
    return fake <= real


def _pairs(
    names: list[str], real: dict[str, ImageFile], fake: dict[str, ImageFile], resized: list[str]
) -> Iterator[tuple[Tensor, Tensor]]:
    for name in names:
        try:
            target, image = read_upright(real[name]), read_upright(fake[name])
        except UNREADABLE as error:
            raise DataError(f"the pair {name!r} cannot be read ({error}); remove it") from error
        if image.size != target.size:
            resized.append(name)
            image = fitted(image, target.size, "stretch")
        if image.mode != target.mode:
            image = image.convert(target.mode)
        yield _tensor(target), _tensor(image)


def _tensor(image: Any) -> Tensor:
    array = np.array(image)
    return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))
