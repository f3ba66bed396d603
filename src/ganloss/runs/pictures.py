"""Pictures of a run: grids of samples, and a film of how they changed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganloss.engine.checkpoint import write_atomically

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from ganloss.data.images import ImageSet
    from ganloss.data.points import PointSet

#: Images in a row of a sheet.
COLUMNS = 8
#: Rows of a sheet that has one for each class.
MOST_GRID_ROWS = 12
_GRID_PIXELS = 600
_GUTTER = 2
_GUTTER_GRAY = 128

_MOST_FRAMES = 60
_FILM_PIXELS = 640
_FRAME_MS, _LAST_FRAME_MS, _WALK_MS = 160, 2500, 60
_STRIP, _BAR, _FONT_SIZE = 46, 6, 24
_PAPER, _INK, _TRACK, _DONE = "#ffffff", "#1b1e24", "#dddddd", "#0072b2"


def grid(images: "Tensor", columns: int, cell: int | None = None) -> "Image.Image":
    """Lay images out in rows of ``columns``; small ones are enlarged by a whole factor.

    Args:
        images: ``(N, C, H, W)``, uint8: gray, gray and alpha, RGB or RGBA.
        columns: images in a row.
        cell: width to enlarge one image to; by default one that makes the grid 600 pixels wide.

    Raises:
        TypeError: the images are not uint8.
        ValueError: no images, another rank or number of channels, or no columns.

    >>> import torch
    >>> grid(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), columns=3, cell=16).size
    (52, 34)
    """
    import numpy as np
    from PIL import Image

    _check(images, columns)
    factor = max(1, round((cell or _GRID_PIXELS / columns) / images.shape[3]))
    pixels = images.detach().cpu().permute(0, 2, 3, 1).numpy()
    pixels = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, channels = pixels.shape
    down, across = height + _GUTTER, width + _GUTTER
    rows = -(-count // columns)
    sheet = np.full((rows * down - _GUTTER, columns * across - _GUTTER, channels), _GUTTER_GRAY)
    sheet = sheet.astype(np.uint8)
    for i, picture in enumerate(pixels):
        y, x = i // columns * down, i % columns * across
        sheet[y : y + height, x : x + width] = picture
    return Image.fromarray(sheet[..., 0] if channels == 1 else sheet)


def plane(points: "Tensor", modes: "Tensor | None" = None) -> "Image.Image":
    """Draw points in the plane, over spots where the modes are that they should lie in.

    >>> import torch
    >>> plane(torch.randn(10, 2)).size
    (600, 600)
    """
    from PIL import Image, ImageDraw

    finer = 2  # drawn finely and scaled down, so that dots are round
    side = _GRID_PIXELS * finer
    reach = 1.35 * float((points if modes is None else modes).abs().max())
    sheet = Image.new("RGB", (side, side), _PAPER)
    draw = ImageDraw.Draw(sheet)

    def dot(x: float, y: float, radius: float, fill: str) -> None:
        across, down = (x / reach + 1) / 2 * side, (1 - y / reach) / 2 * side
        draw.ellipse((across - radius, down - radius, across + radius, down + radius), fill)

    for x, y in [] if modes is None else modes.tolist():
        dot(x, y, 14 * finer, fill=_TRACK)
    for x, y in points.tolist():
        if abs(x) <= reach and abs(y) <= reach:
            dot(x, y, 1.2 * finer, fill=_DONE)
    return sheet.resize((_GRID_PIXELS, _GRID_PIXELS), Image.Resampling.LANCZOS)


def draw(samples: "Tensor", data: "ImageSet | PointSet") -> "Image.Image":
    """Draw samples as their data set asks for: a sheet of images, or points in the plane.

    >>> from ganloss.data.points import ring
    >>> draw(ring().points[:10], ring()).size
    (600, 600)
    """
    from ganloss.data.points import PointSet

    return plane(samples, data.modes) if isinstance(data, PointSet) else grid(samples, COLUMNS)


def _check(images: "Tensor", columns: int) -> None:
    import torch

    if images.dtype != torch.uint8:
        raise TypeError(
            f"a grid shows uint8 images and these are {images.dtype}; "
            "map [-1, 1] with ganloss.data.batches.to_uint8 first"
        )
    if images.dim() != 4 or images.shape[1] not in (1, 2, 3, 4) or 0 in images.shape:
        raise ValueError(
            f"a grid shows images (N, C, H, W) with 1 to 4 channels and at least one image; "
            f"these are {tuple(images.shape)}"
        )
    if columns < 1:
        raise ValueError(f"columns is {columns}; at least 1 is needed")


def save_png(image: "Image.Image", path: Path) -> None:
    """Write a PNG: either the whole new file is there afterwards, or the old one.

    Raises:
        StorageError: the disk is full or the folder is not writable.

    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> with TemporaryDirectory() as folder:
    ...     save_png(Image.new("L", (4, 3)), Path(folder) / "a.png")
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.png']
    """
    write_atomically(path, lambda stream: image.save(stream, format="PNG"))


def write_gif(frames: Sequence[Path], target: Path, captions: Sequence[str]) -> None:
    """Write a film of picture files, each with its caption below; the last frame stays longer.

    At most 60 frames are taken, evenly, always with the first and the last; frames wider than 640
    pixels are scaled down. The same frames give the same bytes. No frames: nothing is written.

    Raises:
        ValueError: not one caption for each frame.
        StorageError: the disk is full or the folder is not writable.

    >>> write_gif([], Path("no-film.gif"), [])
    >>> write_gif([Path("a.png")], Path("film.gif"), [])
    Traceback (most recent call last):
    ValueError: 1 frames and 0 captions; give one for each
    """
    if len(frames) != len(captions):
        raise ValueError(f"{len(frames)} frames and {len(captions)} captions; give one for each")
    if not frames:
        return
    chosen = _evenly(len(frames), _MOST_FRAMES)
    pictures = [_frame(frames[i], captions[i], (i + 1) / len(frames)) for i in chosen]
    _write_animation(pictures, target, [_FRAME_MS] * (len(pictures) - 1) + [_LAST_FRAME_MS])


def write_film(pictures: Sequence["Image.Image"], target: Path) -> None:
    """Write pictures as a film that runs in a circle.

    Raises:
        StorageError: the disk is full or the folder is not writable.

    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> with TemporaryDirectory() as folder:
    ...     write_film([Image.new("L", (8, 8), level) for level in (0, 90)], Path(folder) / "a.gif")
    ...     with Image.open(Path(folder) / "a.gif") as film:
    ...         film.n_frames
    2
    """
    paletted = [_in_256_colours(picture) for picture in pictures]
    _write_animation(paletted, target, [_WALK_MS] * len(pictures))


def _write_animation(
    pictures: Sequence["Image.Image"], target: Path, milliseconds: list[int]
) -> None:
    write_atomically(
        target,
        lambda stream: pictures[0].save(
            stream,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=milliseconds,
            loop=0,
            optimize=False,
        ),
    )


def _in_256_colours(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    picture = picture.convert("RGB")
    return picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _evenly(count: int, most: int) -> list[int]:
    """Positions of at most ``most`` of ``count`` items, the first and the last among them.

    >>> _evenly(5, 3)
    [0, 2, 4]
    """
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def _frame(path: Path, caption: str, done: float) -> "Image.Image":
    """One picture with its caption and a line as long as the run so far, in 256 colours."""
    from PIL import Image, ImageDraw, ImageFont

    picture = _opaque(path)
    width, height = picture.size
    sheet = Image.new("RGB", (width, height + _STRIP), _PAPER)
    sheet.paste(picture, (0, 0))
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((0, height, width, height + _BAR - 1), fill=_TRACK)
    draw.rectangle((0, height, round(done * width), height + _BAR - 1), fill=_DONE)
    font = ImageFont.load_default(size=_FONT_SIZE)
    middle = height + (_BAR + _STRIP) // 2
    draw.text((10, middle), caption, fill=_INK, font=font, anchor="lm")
    return _in_256_colours(sheet)


def _opaque(path: Path) -> "Image.Image":
    """Read a picture as RGB on white, no wider than the film."""
    from PIL import Image

    with Image.open(path) as opened:
        picture = opened.convert("RGBA")
    paper = Image.new("RGBA", picture.size, _PAPER)
    picture = Image.alpha_composite(paper, picture).convert("RGB")
    if picture.width > _FILM_PIXELS:
        size = (_FILM_PIXELS, round(picture.height * _FILM_PIXELS / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return picture
