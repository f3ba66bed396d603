"""Images through a finished generator: large ones in overlapping tiles, with their own depth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ganloss._errors import DataError, UsageError
from ganloss.data.cache import reason
from ganloss.data.decode import DEEP_GRAY, UNREADABLE, Header, deep_gray, on_white, opened
from ganloss.data.files import ImageFile, Source, list_images, single_image
from ganloss.data.images import read_headers
from ganloss.engine.checkpoint import write_atomically
from ganloss.networks.load import Description, load_generator, read_description

if TYPE_CHECKING:
    from PIL import Image

#: Side of a tile, and the part of it that blends into the next one.
TILE, OVERLAP = 256, 4
_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP",
            ".tif": "TIFF", ".tiff": "TIFF"}  # fmt: skip
_OPAQUE = ("JPEG", "BMP")
_NO_RESULTS = (".gif", ".avif", ".heic", ".heif", ".jp2", ".jxl")
_HEADER_THREADS = 4


def tiled(generator: nn.Module, image: Tensor, tile: int = TILE, scale: int = 1) -> Tensor:
    """Translate one image of any size, in tiles that fade into each other over a quarter.

    Args:
        generator: ``G(x)``, images to images ``scale`` times as large.
        image: ``(C, H, W)`` in [-1, 1].
        tile: side of a tile; an image no larger is translated whole.
        scale: how many times larger the result is.

    Returns:
        ``(C', scale·H, scale·W)``.

    Raises:
        ValueError: a tile below 8 pixels.

    >>> tiled(nn.Identity(), torch.zeros(3, 700, 300)).shape
    torch.Size([3, 700, 300])
    """
    if tile < 8:
        raise ValueError(f"tile is {tile}; at least 8 pixels are needed")
    _, height, width = image.shape
    if max(height, width) <= tile:
        return generator(image[None])[0]
    rows, columns = _starts(height, tile), _starts(width, tile)
    total: Tensor | None = None
    weights = torch.zeros(height * scale, width * scale)
    for top in rows:
        for left in columns:
            part = image[:, top : top + tile, left : left + tile]
            made = generator(part[None])[0].float().cpu()
            if total is None:
                total = torch.zeros(made.shape[0], height * scale, width * scale)
            fade = _fade(part.shape[1] * scale, top > 0, top + tile < height)[:, None]
            fade = fade * _fade(part.shape[2] * scale, left > 0, left + tile < width)
            y, x = top * scale, left * scale
            box = (slice(y, y + made.shape[1]), slice(x, x + made.shape[2]))
            total[(slice(None), *box)] += made * fade
            weights[box] += fade
    return _present(total).div_(weights)


def _present(total: Tensor | None) -> Tensor:
    if total is None:
        raise ValueError("the image has no pixels")
    return total


def _starts(length: int, tile: int) -> list[int]:
    """Where tiles begin: evenly, each at least a quarter over the next.

    >>> _starts(700, 256)
    [0, 148, 296, 444]
    """
    if length <= tile:
        return [0]
    step = tile - tile // OVERLAP
    count = -(-(length - tile) // step) + 1
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def _fade(length: int, before: bool, after: bool) -> Tensor:
    """Weight of a tile along one side: rises from its edge where there is a neighbour."""
    ramp = (torch.arange(length) + 0.5) / (length // OVERLAP)
    rising = ramp.clamp(max=1) if before else torch.ones(length)
    return torch.minimum(rising, ramp.flip(0).clamp(max=1)) if after else rising


@dataclass(frozen=True)
class Picture:
    """An image file, taken apart.

    Args:
        pixels: ``(C, H, W)`` in [-1, 1], one or three channels.
        alpha: its transparency, if it has any.
        deep: whether its pixels were read with more than 8 bits.

    >>> Picture(torch.zeros(3, 4, 4), alpha=None).pixels.shape
    torch.Size([3, 4, 4])
    """

    pixels: Tensor
    alpha: "Image.Image | None"
    deep: bool = False


@dataclass(frozen=True)
class Done:
    """What became of the images.

    Args:
        written: files of the results.
        skipped: files that could not be read, with the reason.
        kept: results that were there already.

    >>> len(Done(written=[Path("a.png")], skipped=[]).written)
    1
    """

    written: Sequence[Path]
    skipped: Sequence[tuple[str, str]]
    kept: Sequence[Path] = ()


@dataclass(frozen=True)
class Translation:
    """A finished generator of images from images.

    Args:
        generator: ``G(x)``.
        about: what is known of it.

    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> same = Translation(nn.Identity(), Description((3, 32, 32), 0, tile=32))
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("RGB", (40, 30), (10, 20, 30)).save(Path(folder) / "a.png")
    ...     done = same.folder(folder, Path(folder) / "out")
    ...     with Image.open(done.written[0]) as result:
    ...         result.getpixel((0, 0))
    (10, 20, 30)
    >>> Translation.load("no-such-run")
    Traceback (most recent call last):
    ganloss._errors.CheckpointError: ...
    """

    generator: nn.Module
    about: Description

    @classmethod
    def load(cls, run: str | Path, *, backward: bool = False) -> "Translation":
        """Load the generator of a paired or unpaired run.

        Raises:
            CheckpointError: there is none.
            UsageError: it makes images from latents, or translates one way only.
        """
        about = read_description(run)
        if about.translator is None:
            raise UsageError(
                f"the generator of {run} makes images from nothing; use `ganloss sample {run}`"
            )
        return cls(load_generator(run, backward=backward), about)

    def folder(
        self,
        source: str,
        target: Path,
        *,
        tile: int | None = None,
        eight_bit: bool = False,
        overwrite: bool = False,
        resume: bool = False,
        told: Callable[[int, int], None] = lambda done, of: None,
    ) -> Done:
        """Translate every image below a folder or in a zip, or one file, to the same names.

        Whatever could be refused is refused before the first result is written.

        Args:
            source: where they are.
            target: folder of the results; of one file also the name of the result.
            tile: side of a tile; 256, or what the generator was trained on if that is more.
            eight_bit: write images of 16 bits with 8 where a result cannot have more.
            overwrite: replace results that are there already.
            resume: keep results that are there already, and make the others.
            told: called after each image with the number of those done and of all.

        Raises:
            DataError: no image can be read, or a result would lose its 16 bits or transparency.
            UsageError: a result would replace a file, or the target is named unlike what it is.
        """
        files = _listed(Path(source))
        targets = _targets(files, target)
        _check_targets(files, targets, may_exist=overwrite or resume)
        kept = {path for path in targets if resume and path.exists()}
        every = zip(files.files, targets, strict=True)
        left = [(file, path) for file, path in every if path not in kept]
        headers = read_headers([file for file, _ in left], _HEADER_THREADS)
        self._check_results([path for _, path in left], headers, eight_bit)
        written: list[Path] = []
        skipped: list[tuple[str, str]] = []
        for done, ((file, path), header) in enumerate(zip(left, headers, strict=True), 1):
            picture = self._read(file, header)
            if isinstance(picture, str):
                skipped.append((file.name, picture))
            else:
                _write(self._translate(picture, tile, path), path)
                written.append(path)
            told(done, len(left))
        if not written and not kept:
            raise DataError(f"none of {len(left)} images can be read: {skipped[0][1]}")
        return Done(written, skipped, sorted(kept))

    def _read(self, file: ImageFile, header: Header | str) -> Picture | str:
        """Read an image, or give the reason why it cannot be read."""
        if isinstance(header, str):
            return header
        translator = self.about.translator
        gray = translator is not None and translator.inputs == 1
        try:
            return _read_picture(file, gray=gray)
        except UNREADABLE as error:
            return reason(error)

    def _check_results(
        self, targets: Sequence[Path], headers: Sequence[Header | str], eight_bit: bool
    ) -> None:
        """Refuse results that would lose something of their images, before any is written."""
        pairs = zip(targets, headers, strict=True)
        found = [(path, header) for path, header in pairs if isinstance(header, Header)]
        clear = [path for path, h in found if h.transparent and _format(path) in _OPAQUE]
        if clear:
            raise DataError(
                f"{_some(clear)} would lose transparency, which no {_format(clear[0])} keeps; let "
                "such names end in .png"
            )
        deep = [path for path, h in found if h.deep and not (h.gray and self._writes_depth(path))]
        if deep and not eight_bit:
            raise DataError(
                f"{_some(deep)} would have 8 bits, and the image has more: results have 16 in gray "
                "PNG and TIFF without transparency; add --eight-bit to translate such images all "
                "the same"
            )

    def _writes_depth(self, path: Path) -> bool:
        translator = self.about.translator
        gray = translator is not None and translator.outputs == 1
        return gray and _format(path) in ("PNG", "TIFF")

    def _translate(self, picture: Picture, tile: int | None, path: Path) -> "Image.Image":
        from PIL import Image

        translator = self.about.translator
        scale = 1 if translator is None else translator.scale
        side = tile or max(TILE, self.about.tile)
        with torch.no_grad():
            made = tiled(self.generator, picture.pixels, side, scale)
        values = ((made.clamp(-1, 1) + 1) / 2).numpy()
        if picture.deep and self._writes_depth(path):
            return Image.fromarray(np.rint(values[0] * 65535).astype(np.uint16))
        levels = np.rint(values * 255).astype(np.uint8)
        image = Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0))
        if picture.alpha is not None:
            alpha = picture.alpha.resize(image.size, Image.Resampling.BICUBIC)
            image.putalpha(alpha)
        return image


def _read_picture(file: ImageFile, *, gray: bool) -> Picture:
    """Read one image, upright, in gray or colour, with its transparency.

    Raises:
        OSError, ValueError, SyntaxError: the file is no image, damaged or far too large.
    """
    from PIL import ImageOps

    with file.open() as stream, opened(stream) as image:
        image.load()
        upright: Any = ImageOps.exif_transpose(image)
    if upright.mode in DEEP_GRAY:
        pixels = torch.from_numpy(deep_gray(upright) * 2 - 1).float()[None]
        return Picture(pixels if gray else pixels.expand(3, -1, -1), None, deep=True)
    alpha = None
    if upright.has_transparency_data:
        alpha, upright = upright.convert("RGBA").getchannel("A"), on_white(upright)
    array = np.array(upright.convert("RGB").convert("L" if gray else "RGB"), dtype=np.float32)
    array = array[None] if gray else array.transpose(2, 0, 1)
    return Picture(torch.from_numpy(array / 127.5 - 1).contiguous(), alpha)


def _listed(path: Path) -> Source:
    return single_image(path) if _is_image_file(path) else list_images(path)


def _is_image_file(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in _FORMATS


def _targets(source: Source, target: Path) -> list[Path]:
    """Where the results go: into a folder, or of one image file to the name that was given."""
    suffix = target.suffix.lower()
    if target.is_dir() or suffix not in (*_FORMATS, *_NO_RESULTS):
        return [target / PurePosixPath(file.name) for file in source.files]
    if not _is_image_file(source.path):
        raise UsageError(
            f"--out {target} is named like an image, and {source.path} holds {len(source.files)}; "
            "give a folder"
        )
    if suffix in _NO_RESULTS:
        raise UsageError(f"--out {target}: {suffix} is not written; use {', '.join(_FORMATS)}")
    return [target]


def _check_targets(source: Source, targets: Sequence[Path], *, may_exist: bool) -> None:
    if source.path.is_dir():
        originals = {(source.path / file.name).resolve() for file in source.files}
    else:
        originals = {source.path.resolve()}
    for path in targets:
        if path.resolve() in originals:
            raise UsageError(f"the result would replace {path} itself; choose another --out")
        if path.exists() and not may_exist:
            raise UsageError(
                f"{path} exists already; choose another --out, or add --resume to translate only "
                "what is missing, or --overwrite"
            )


def _some(paths: Sequence[Path]) -> str:
    """Name the first few of some results."""
    names = ", ".join(str(path) for path in paths[:3])
    return names + (f" and {len(paths) - 3:,} more" if len(paths) > 3 else "")


def _format(path: Path) -> str:
    return _FORMATS[path.suffix.lower()]


def _write(image: "Image.Image", path: Path) -> None:
    kind = _format(path)
    options: dict[str, Any] = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda stream: image.save(stream, format=kind, **options))
