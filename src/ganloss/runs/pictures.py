"""Pictures of a run: grids of samples, and a film of how they changed."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from ganloss.engine.checkpoint import write_atomically

if TYPE_CHECKING:
    from PIL import Image

_GRID_PIXELS = 600
_GUTTER = 2
_MOST_FRAMES = 60
_FRAME_MS, _LAST_FRAME_MS = 160, 2500
_STRIP = 22


def grid(images: Tensor, columns: int) -> "Image.Image":
    """Lay images out in rows of ``columns``; small ones are enlarged by a whole factor.

    Args:
        images: ``(N, C, H, W)``, uint8, with 1 or 3 channels.
        columns: images in a row.
    """
    from PIL import Image

    pixels = images.permute(0, 2, 3, 1).numpy()
    factor = max(1, _GRID_PIXELS // (columns * pixels.shape[2]))
    pixels = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, channels = pixels.shape
    rows = -(-count // columns)
    sheet = np.full(
        (rows * (height + _GUTTER) - _GUTTER, columns * (width + _GUTTER) - _GUTTER, channels),
        255,
        dtype=np.uint8,
    )
    for i, cell in enumerate(pixels):
        y, x = (i // columns) * (height + _GUTTER), (i % columns) * (width + _GUTTER)
        sheet[y : y + height, x : x + width] = cell
    return Image.fromarray(sheet[..., 0] if channels == 1 else sheet)


def save_png(image: "Image.Image", path: Path) -> None:
    """Write a PNG atomically."""
    write_atomically(path, lambda stream: image.save(stream, format="PNG"))


def write_gif(frames: Sequence[Path], target: Path, captions: Sequence[str]) -> None:
    """Write a film of picture files, each with its caption below; the last frame stays longer.

    At most 60 frames are taken, evenly, always with the first and the last. The same frames give
    the same bytes. Without frames nothing is written.
    """
    if not frames:
        return
    from PIL import Image

    chosen = _evenly(len(frames), _MOST_FRAMES)
    pictures = [_captioned(frames[i], captions[i]) for i in chosen]
    palette = Image.Palette.ADAPTIVE
    paletted = [picture.convert("P", palette=palette, colors=128) for picture in pictures]
    durations = [_FRAME_MS] * (len(chosen) - 1) + [_LAST_FRAME_MS]
    buffer = io.BytesIO()
    paletted[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=paletted[1:],
        duration=durations,
        loop=0,
        optimize=False,
    )
    write_atomically(target, lambda stream: stream.write(buffer.getvalue()))


def _evenly(count: int, most: int) -> list[int]:
    """Positions of at most ``most`` of ``count`` items, the first and the last among them.

    >>> _evenly(5, 3)
    [0, 2, 4]
    """
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def _captioned(frame: Path, caption: str) -> "Image.Image":
    from PIL import Image, ImageDraw, ImageFont

    with Image.open(frame) as opened:
        picture = opened.convert("RGB")
    sheet = Image.new("RGB", (picture.width, picture.height + _STRIP), "white")
    sheet.paste(picture, (0, 0))
    font = ImageFont.load_default(size=14)
    ImageDraw.Draw(sheet).text((4, picture.height + 3), caption, fill="black", font=font)
    return sheet
