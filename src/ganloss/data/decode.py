"""One image file as pixels: upright, 8-bit, gray or RGB, of the size that is wanted."""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from ganloss.data.files import ImageFile

if TYPE_CHECKING:
    from PIL import Image

LONGEST_SIDE = 20_000

Fit = Literal["crop", "pad", "stretch"]

#: What Pillow raises for files that are damaged or no images.
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, MemoryError)

_GRAY_MODES = ("1", "L", "I;16", "I;16B", "I;16L", "I;16N", "I", "F")
#: Kinds of gray that have more than 8 bits in Pillow's memory too.
DEEP_GRAY = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
#: Of images with a shorter side than this, little is left to learn; they are enlarged.
TINY = 8
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 258
_PNG_START = 26  # bytes of a PNG up to its bits and its kind of colour


class Header(NamedTuple):
    """What a file says of itself before its pixels are read.

    Args:
        width: of the upright image.
        height: of the upright image.
        mode: Pillow's name of the kind of pixels.
        bits: of each channel in the file; of colour, Pillow gives 8 even where there are more.

    >>> Header(640, 480, "LA").gray, Header(640, 480, "RGB").gray
    (False, False)
    >>> Header(640, 480, "RGBA", bits=16).deep, Header(640, 480, "RGBA").transparent
    (True, True)
    """

    width: int
    height: int
    mode: str
    bits: int = 8

    @property
    def gray(self) -> bool:
        """Whether it is read as one channel."""
        return self.mode in _GRAY_MODES

    @property
    def deep(self) -> bool:
        """Whether its channels have more than 8 bits."""
        return self.bits > 8

    @property
    def tiny(self) -> bool:
        """Whether its short side is below :data:`TINY`."""
        return min(self.width, self.height) < TINY

    @property
    def transparent(self) -> bool:
        """Whether it says how opaque its pixels are."""
        return self.mode in _TRANSPARENT


def read_header(file: ImageFile) -> Header:
    """Read size, mode and depth.

    Raises:
        OSError, ValueError, SyntaxError: the file is no image, or far too large.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from ganloss.data.files import list_images
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("L", (40, 48)).save(Path(folder) / "a.png")
    ...     read_header(list_images(Path(folder)).files[0])
    Header(width=40, height=48, mode='L', bits=8)
    """
    with file.open() as stream:
        start = stream.read(_PNG_START)
        stream.seek(0)
        return _header_of(start, stream)


def _header_of(start: bytes, stream: object) -> Header:
    with opened(stream) as image:
        turned = image.getexif().get(_ORIENTATION, 1) >= 5
        width, height = image.size[::-1] if turned else image.size
        mode = image.mode
        if image.has_transparency_data:  # in modes of their own, or said beside the pixels
            mode = {"L": "LA", "P": "PA", "RGB": "RGBA"}.get(mode, mode)
        return Header(width, height, mode, _bits(start, image))


def _bits(start: bytes, image: "Image.Image") -> int:
    """Bits of each channel: as a PNG or TIFF says itself, since Pillow's mode does not."""
    tags: Any = getattr(image, "tag_v2", {})  # of a TIFF
    if _BITS_PER_SAMPLE in tags:
        return max(tags[_BITS_PER_SAMPLE])
    if start[:8] == b"\x89PNG\r\n\x1a\n":
        return start[24]
    if image.mode in ("I", "F"):
        return 32
    return 16 if image.mode in DEEP_GRAY else 8


def read_upright(file: ImageFile) -> "Image.Image":
    """Read an image as 8-bit gray or RGB, upright, on white where it is transparent.

    Raises:
        OSError, ValueError, SyntaxError: the file is no image, damaged or far too large.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from ganloss.data.files import list_images
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("RGBA", (4, 3)).save(Path(folder) / "a.png")  # transparent all over
    ...     upright = read_upright(list_images(Path(folder)).files[0])
    >>> upright.mode, upright.size, upright.getpixel((0, 0))
    ('RGB', (4, 3), (255, 255, 255))
    """
    from PIL import ImageOps

    with file.open() as stream, opened(stream) as image:
        image.load()
        return _eight_bit(ImageOps.exif_transpose(image))


def read_square(file: ImageFile, size: int, fit: Fit, *, gray: bool = False) -> np.ndarray:
    """Read one image as ``(size, size, 1 or 3)`` uint8; with ``gray``, of one channel.

    Raises:
        OSError, ValueError, SyntaxError: the file is no image, damaged or far too large.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from ganloss.data.files import list_images
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("RGB", (40, 48)).save(Path(folder) / "a.png")
    ...     read_square(list_images(Path(folder)).files[0], 16, "crop", gray=True).shape
    (16, 16, 1)
    """
    image = fitted(read_upright(file), (size, size), fit)
    array = np.asarray(image.convert("L") if gray else image)
    return array[..., None] if array.ndim == 2 else array


def fitted(image: "Image.Image", size: tuple[int, int], fit: Fit) -> "Image.Image":
    """Bring an image to a size.

    >>> from PIL import Image
    >>> wide = Image.new("L", (40, 20), 255)
    >>> [fitted(wide, (8, 8), fit).getpixel((4, 0)) for fit in ("crop", "pad", "stretch")]
    [255, 0, 255]
    """
    from PIL import Image, ImageOps

    filters = Image.Resampling.LANCZOS
    if image.size == size:
        return image
    if fit == "stretch":
        return image.resize(size, filters)
    if fit == "pad":
        return ImageOps.pad(image, size, filters)
    return ImageOps.fit(image, size, filters)


def opened(stream: object) -> "Image.Image":
    """Open an image file; its pixels are not read yet.

    Raises:
        OSError, ValueError, SyntaxError: the file is no image or far too large.

    >>> opened("no-such-file.png")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: ...
    """
    from PIL import Image

    try:
        image = Image.open(stream)  # pyright: ignore[reportArgumentType]
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError("so many pixels that it may be a bomb; make it smaller") from error
    if max(image.size) > LONGEST_SIDE:
        raise ValueError(
            f"{image.width}x{image.height} is more than {LONGEST_SIDE:,} pixels a side"
        )
    return image


def _eight_bit(image: "Image.Image") -> "Image.Image":
    """Convert any mode to 8-bit gray or RGB."""
    from PIL import Image

    if image.mode in DEEP_GRAY:
        return Image.fromarray((deep_gray(image) * 255).round().astype(np.uint8))
    if image.has_transparency_data:
        return on_white(image)
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def on_white(image: "Image.Image") -> "Image.Image":
    """Lay a transparent image on white, in RGB: what networks see of it.

    >>> from PIL import Image
    >>> on_white(Image.new("RGBA", (1, 1), (0, 0, 0, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    from PIL import Image

    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def deep_gray(image: "Image.Image") -> np.ndarray:
    """Give gray of more than 8 bits as float64 ``(H, W)``, from 0 for black to 1 for white.

    Raises:
        ValueError: a pixel is NaN or infinite.

    >>> from PIL import Image
    >>> deep_gray(Image.fromarray(np.array([[-1.0, 0.25, 1.0]], np.float32)))
    array([[0.  , 0.25, 1.  ]])
    """
    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("some of its pixels are not finite numbers")
    return np.clip(values / white_of(image.mode, float(values.max())), 0, 1)


def white_of(mode: str, brightest: float) -> float:
    """Give the value of white; where the mode does not say, the least one that fits the pixels.

    >>> white_of("I;16", 3.0), white_of("I", 3.0), white_of("I", 300.0), white_of("F", 0.5)
    (65535.0, 255.0, 65535.0, 1.0)
    """
    if mode not in ("I", "F"):
        return 65535.0
    if mode == "F" and brightest < 2:  # of 255 that would be black; a filter overshoots 1
        return 1.0
    return 255.0 if brightest <= 255 else 65535.0
