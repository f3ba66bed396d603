"""New samples from a finished generator: one seed, one sample, for ever."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ganloss._errors import UsageError
from ganloss._lazy import suggest
from ganloss._random import Draws
from ganloss.data.batches import to_uint8
from ganloss.data.decode import UNREADABLE
from ganloss.networks.load import Description, load_generator, read_description
from ganloss.runs.folder import write_text
from ganloss.runs.pictures import grid, plane, save_png, write_film

if TYPE_CHECKING:
    from PIL import Image

_BATCH = 64
SHEET, FILM, TABLE = "grid.png", "walk.gif", "points.csv"
#: Levels, of 255, by which two pictures of one seed may differ.
_ROUNDING = 2
#: Pictures of a walk from one seed to the next, and seeds on its way.
STEPS_BETWEEN, MOST_STOPS = 12, 16


@dataclass(frozen=True)
class Sampler:
    """A finished generator.

    Args:
        generator: ``G(z)`` or ``G(z, y)``.
        about: what is known of it.
        label: the class to make, or None for all in turn.

    >>> from ganloss.networks.generate import MLPGenerator
    >>> sampler = Sampler(MLPGenerator((1, 8, 8)), Description((1, 8, 8), latent=32))
    >>> sampler.makes_images, sampler.latents([0, 1]).shape, sampler.labels([0, 1])
    (True, torch.Size([2, 32]), None)
    >>> sampler.samples([0, 1]).shape, sampler.samples([0]).dtype
    (torch.Size([2, 1, 8, 8]), torch.uint8)
    >>> bool((sampler.latents([7, 3])[1] == sampler.latents([3])[0]).all())  # a seed is a picture
    True
    """

    generator: nn.Module
    about: Description
    label: int | None = None

    @classmethod
    def load(cls, run: str | Path, wanted: str = "", *, allow_code: bool = False) -> "Sampler":
        """Load the generator of a run.

        Args:
            run: a run folder, or its ``export`` folder.
            wanted: name or number of the class to make; all in turn by default.
            allow_code: import a generator of one's own.

        Raises:
            CheckpointError: there is none.
            UsageError: there is no such class, code is not allowed, or it translates images.
        """
        about = read_description(run)
        if about.translator is not None:
            raise UsageError(
                f"the generator of {run} translates images; use `ganloss translate {run} IMAGES`"
            )
        label = _label(about, wanted) if wanted else None
        return cls(load_generator(run, allow_code=allow_code), about, label)

    @property
    def makes_images(self) -> bool:
        """Whether samples are images; otherwise they are points in the plane."""
        return len(self.about.shape) == 3

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """Latents of some seeds, ``(N, latent)``; a seed's latent depends on nothing else."""
        size = self.about.latent
        return torch.cat([Draws(seed, 0, 1).normal("sample", 1, size) for seed in seeds])

    def labels(self, seeds: Sequence[int]) -> Tensor | None:
        """Classes of some seeds, ``(N,)``: the one wanted, or all in turn; None without classes."""
        if not self.about.classes:
            return None
        return torch.tensor(
            [seed % self.about.classes if self.label is None else self.label for seed in seeds]
        )

    def __call__(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Samples of latents: images as uint8 ``(N, C, H, W)``, or points ``(N, 2)``."""
        inputs = (z,) if labels is None else (z, labels)
        batches = zip(*(x.split(_BATCH) for x in inputs), strict=True)
        with torch.no_grad():
            samples = (self.generator(*batch) for batch in batches)
            # Each batch at once: floats of all images take four times as much memory, or more.
            return torch.cat([to_uint8(x) if self.makes_images else x for x in samples])

    def samples(self, seeds: Sequence[int]) -> Tensor:
        """Samples of some seeds."""
        return self(self.latents(seeds), self.labels(seeds))


def _label(about: Description, wanted: str) -> int:
    if not about.classes:
        raise UsageError(f"this generator has no classes; leave --class {wanted} out")
    if wanted in about.class_names:
        return about.class_names.index(wanted)
    if wanted.isdecimal() and int(wanted) < about.classes:
        return int(wanted)
    raise UsageError(
        f"no class {wanted!r}{suggest(wanted, about.class_names)} (known: "
        f"{', '.join(about.class_names[:20])}{' …' if about.classes > 20 else ''})"
    )


def numbered(name: str, number: int) -> str:
    """Name a sheet, film or table; the first of them has no number.

    >>> numbered(SHEET, 1), numbered(FILM, 2)
    ('grid.png', 'walk-2.gif')
    """
    stem, dot, suffix = name.partition(".")
    return name if number == 1 else f"{stem}-{number}{dot}{suffix}"


def free_number(samples: Tensor, folder: Path) -> int:
    """Number of the sheet of some samples: the one they have already, or the first that is free.

    A film and a table have the number of their sheet.

    >>> from tempfile import TemporaryDirectory
    >>> zero, one = (torch.full((4, 1, 8, 8), 255 * i, dtype=torch.uint8) for i in (0, 1))
    >>> with TemporaryDirectory() as folder:
    ...     write_sheet(zero, Path(folder) / SHEET)
    ...     free_number(zero, Path(folder)), free_number(one, Path(folder))
    (1, 2)
    """
    sheet = _sheet(samples)

    def free(number: int) -> bool:
        paths = [folder / numbered(name, number) for name in (SHEET, FILM, TABLE)]
        return _shows(paths[0], sheet) or not any(path.exists() for path in paths)

    return next(number for number in count(1) if free(number))


def check_files(samples: Tensor, seeds: Sequence[int], folder: Path) -> None:
    """Refuse to replace pictures of the same seeds by others: of another class, or other weights.

    Raises:
        UsageError: a picture would be replaced.

    >>> from tempfile import TemporaryDirectory
    >>> zero, one = (torch.full((1, 1, 8, 8), 255 * i, dtype=torch.uint8) for i in (0, 1))
    >>> with TemporaryDirectory() as folder:
    ...     write_files(zero, [3], Path(folder))
    ...     check_files(zero, [3], Path(folder))
    ...     check_files(one, [3], Path(folder))
    Traceback (most recent call last):
    ganloss._errors.UsageError: ...seed000003.png is another picture; choose another --out, ...
    """
    if samples.dim() == 2:
        return  # their table has the number of the sheet
    for image, seed in zip(samples, seeds, strict=True):
        path = folder / _file_of(seed)
        if path.exists() and not _shows(path, _picture(image)):
            raise UsageError(f"{path} is another picture; choose another --out, or add --overwrite")


def _shows(path: Path, picture: "Image.Image") -> bool:
    """Whether a file shows a picture, to rounding: that depends on how many are made at once."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            earlier = np.asarray(image, dtype=np.int16)
    except UNREADABLE:
        return False
    ours = np.asarray(picture, dtype=np.int16)
    return earlier.shape == ours.shape and bool((np.abs(earlier - ours) <= _ROUNDING).all())


def write_files(samples: Tensor, seeds: Sequence[int], folder: Path, number: int = 1) -> None:
    """Write each image to a file named after its seed; points to one table, with a number.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_files(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), [3, 17], Path(folder))
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['seed000003.png', 'seed000017.png']
    """
    if samples.dim() == 2:
        rows = [
            f"{seed},{x:.6g},{y:.6g}" for seed, (x, y) in zip(seeds, samples.tolist(), strict=True)
        ]
        write_text(folder / numbered(TABLE, number), "\n".join(["seed,x,y", *rows]) + "\n")
        return
    for image, seed in zip(samples, seeds, strict=True):
        save_png(_picture(image), folder / _file_of(seed))


def _file_of(seed: int) -> str:
    return f"seed{seed:06d}.png"


def _picture(image: Tensor) -> "Image.Image":
    return grid(image[None], 1, cell=image.shape[-1])


def write_sheet(samples: Tensor, path: Path) -> None:
    """Write all samples as one picture: a sheet about as wide as high, or the plane.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_sheet(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), Path(folder) / "sheet.png")
    ...     [path.name for path in Path(folder).iterdir()]
    ['sheet.png']
    """
    save_png(_sheet(samples), path)


def _sheet(samples: Tensor) -> "Image.Image":
    if samples.dim() == 2:
        return plane(samples)
    return grid(samples, max(1, round(len(samples) ** 0.5)))


def walk(sampler: Sampler, seeds: Sequence[int]) -> Tensor:
    """Images on the way from seed to seed and back to the first, ``(frames, C, H, W)``.

    The way keeps the length of the latents (a great circle): a straight line would lead through
    the middle, where a generator has hardly ever been. With classes, each stretch keeps the class
    of the seed it starts from.

    >>> from ganloss.networks.generate import MLPGenerator
    >>> sampler = Sampler(MLPGenerator((1, 8, 8)), Description((1, 8, 8), latent=32))
    >>> len(walk(sampler, [0, 1])) == 2 * STEPS_BETWEEN
    True
    """
    z, labels = sampler.latents(seeds), sampler.labels(seeds)
    shares = torch.arange(STEPS_BETWEEN) / STEPS_BETWEEN
    way = torch.cat([_arc(a, b, shares) for a, b in zip(z, z.roll(-1, 0), strict=True)])
    return sampler(way, None if labels is None else labels.repeat_interleave(STEPS_BETWEEN))


def _arc(a: Tensor, b: Tensor, shares: Tensor) -> Tensor:
    """Spherical interpolation (Shoemake 1985) of directions; lengths change evenly."""
    angle = torch.acos(torch.cosine_similarity(a, b, dim=0).clamp(-1, 1)).clamp_min(1e-6)
    t = shares[:, None]
    direction = torch.sin((1 - t) * angle) * a / a.norm() + torch.sin(t * angle) * b / b.norm()
    return direction / torch.sin(angle) * ((1 - t) * a.norm() + t * b.norm())


def check_walk(sampler: Sampler) -> None:
    """Refuse a walk of what are no images.

    Raises:
        UsageError: the generator makes points.

    >>> from ganloss.networks.generate import MLPGenerator
    >>> check_walk(Sampler(MLPGenerator((2,)), Description((2,), latent=32)))
    Traceback (most recent call last):
    ganloss._errors.UsageError: this generator makes points, and a walk is a film of images; ...
    """
    if not sampler.makes_images:
        raise UsageError(
            "this generator makes points, and a walk is a film of images; leave --walk out"
        )


def write_walk(sampler: Sampler, seeds: Sequence[int], path: Path) -> None:
    """Write the walk through the first 16 seeds as a film that runs in a circle.

    Raises:
        UsageError: the generator makes points.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.networks.generate import MLPGenerator
    >>> sampler = Sampler(MLPGenerator((1, 8, 8)), Description((1, 8, 8), latent=32))
    >>> with TemporaryDirectory() as folder:
    ...     write_walk(sampler, [0, 1], Path(folder) / FILM)
    ...     [path.name for path in Path(folder).iterdir()]
    ['walk.gif']
    """
    check_walk(sampler)
    images = walk(sampler, seeds[:MOST_STOPS])
    write_film([grid(image[None], 1, cell=256) for image in images], path)
