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
from ganloss.data.decode import UNREADABLE, opened, white_of
from ganloss.data.files import ImageFile, Source, list_images, single_image
from ganloss.engine.checkpoint import write_atomically
from ganloss.networks.load import Description, load_generator, read_description

if TYPE_CHECKING:
    from PIL import Image

#: Side of a tile, and the part of it that blends into the next one.
TILE, OVERLAP = 256, 4
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP",
            ".tif": "TIFF", ".tiff": "TIFF"}  # fmt: skip


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
        deep: whether it has 16 bits.

    >>> Picture(torch.zeros(3, 4, 4), alpha=None, deep=False).pixels.shape
    torch.Size([3, 4, 4])
    """

    pixels: Tensor
    alpha: "Image.Image | None"
    deep: bool


@dataclass(frozen=True)
class Done:
    """What became of the images.

    Args:
        written: files of the results.
        skipped: files that could not be read, with the reason.

    >>> len(Done(written=[Path("a.png")], skipped=[]).written)
    1
    """

    written: Sequence[Path]
    skipped: Sequence[tuple[str, str]]


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
        told: Callable[[int, int], None] = lambda done, of: None,
    ) -> Done:
        """Translate every image below a folder or in a zip, or one file, to the same names.

        Args:
            source: where they are.
            target: folder of the results.
            tile: side of a tile; 256, or what the generator was trained on if that is more.
            eight_bit: write images of 16 bits with 8 where a result cannot have more.
            overwrite: replace results that are there already.
            told: called after each image with the number of those done and of all.

        Raises:
            DataError: no image can be read; one has 16 bits and its result cannot.
            UsageError: a result would replace a file.
        """
        files = _listed(Path(source))
        targets = [target / PurePosixPath(file.name) for file in files.files]
        _check_targets(files, targets, overwrite)
        written: list[Path] = []
        skipped: list[tuple[str, str]] = []
        for done, (file, path) in enumerate(zip(files.files, targets, strict=True), 1):
            try:
                picture = self._read(file)
            except UNREADABLE as error:
                skipped.append((file.name, reason(error)))
                continue
            self._check_depth(file.name, picture, eight_bit)
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(self._translate(picture, tile), path)
            written.append(path)
            told(done, len(targets))
        if not written:
            raise DataError(f"none of {len(files.files)} images can be read: {skipped[0][1]}")
        return Done(written, skipped)

    def _read(self, file: ImageFile) -> Picture:
        translator = self.about.translator
        gray = translator is not None and translator.inputs == 1
        return _read_picture(file, gray=gray)

    def _check_depth(self, name: str, picture: Picture, eight_bit: bool) -> None:
        if not picture.deep or self._keeps_depth(picture, name) or eight_bit:
            return
        raise DataError(
            f"{name} has 16 bits, and a result in colour, with transparency or as "
            f"{Path(name).suffix} has 8; add --eight-bit to translate such images all the same"
        )

    def _keeps_depth(self, picture: Picture, name: str) -> bool:
        translator = self.about.translator
        gray = translator is not None and translator.outputs == 1
        lossless = Path(name).suffix.lower() in (".png", ".tif", ".tiff")
        return gray and picture.alpha is None and lossless

    def _translate(self, picture: Picture, tile: int | None) -> "Image.Image":
        from PIL import Image

        translator = self.about.translator
        scale = 1 if translator is None else translator.scale
        side = tile or max(TILE, self.about.tile)
        with torch.no_grad():
            made = tiled(self.generator, picture.pixels, side, scale)
        values = ((made.clamp(-1, 1) + 1) / 2).numpy()
        if values.shape[0] == 1 and picture.deep and picture.alpha is None:
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

    with file.open() as stream:
        deep_colour = _is_deep_colour(stream)
        with opened(stream) as image:
            image.load()
            upright: Any = ImageOps.exif_transpose(image)
    if upright.mode in _DEEP:
        values = np.asarray(upright, dtype=np.float32)[None]
        white = white_of(upright.mode, float(values.max()))
        pixels = torch.from_numpy(values / white * 2 - 1)
        return Picture(pixels if gray else pixels.expand(3, -1, -1), None, deep=True)
    alpha = upright.convert("RGBA").getchannel("A") if upright.has_transparency_data else None
    array = np.array(upright.convert("RGB").convert("L" if gray else "RGB"), dtype=np.float32)
    array = array[None] if gray else array.transpose(2, 0, 1)
    return Picture(torch.from_numpy(array / 127.5 - 1).contiguous(), alpha, deep=deep_colour)


def _is_deep_colour(stream: Any) -> bool:
    """Whether a PNG has 16 bits in several channels, which Pillow reads as 8."""
    start = stream.read(26)
    stream.seek(0)
    return start[:8] == b"\x89PNG\r\n\x1a\n" and start[24:25] == b"\x10" and start[25:26] != b"\x00"


def _listed(path: Path) -> Source:
    return single_image(path) if _is_image_file(path) else list_images(path)


def _is_image_file(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in _FORMATS


def _check_targets(source: Source, targets: Sequence[Path], overwrite: bool) -> None:
    if source.path.is_dir():
        originals = {(source.path / file.name).resolve() for file in source.files}
    else:
        originals = {source.path.resolve()}
    for path in targets:
        if path.resolve() in originals:
            raise UsageError(f"the result would replace {path} itself; choose another --out")
        if path.exists() and not overwrite:
            raise UsageError(f"{path} exists already; choose another --out, or add --overwrite")


def _write(image: "Image.Image", path: Path) -> None:
    kind = _FORMATS[path.suffix.lower()]
    options: dict[str, Any] = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    write_atomically(path, lambda stream: image.save(stream, format=kind, **options))
