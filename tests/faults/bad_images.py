"""Image files of every odd kind, whole and spoilt, made from a number."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin

Maker = Callable[[random.Random], bytes]


def _pixels(rng: random.Random, width: int = 24, height: int = 20, channels: int = 3) -> np.ndarray:
    noise = np.random.default_rng(rng.randrange(1 << 30))
    return noise.integers(0, 256, (height, width, channels), dtype=np.uint8)


def picture(rng: random.Random, mode: str = "RGB") -> Image.Image:
    return Image.fromarray(_pixels(rng)).convert(mode)


def written(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *, interlaced: int = 0,
        extra: bytes = b"") -> bytes:  # fmt: skip
    """A PNG from its bare parts."""
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))  # fmt: skip


def _interlaced(rng: random.Random) -> bytes:
    """Adam7 over 8x8 gray pixels: seven passes, each row with its filter byte."""
    passes = ((1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4))
    rows = b"".join((b"\0" + rng.randbytes(width)) * height for width, height in passes)
    return png(8, 8, 8, 0, rows, interlaced=1)


def _sixteen_colour(rng: random.Random) -> bytes:
    return png(8, 8, 16, 2, b"".join(b"\0" + rng.randbytes(48) for _ in range(8)))


def _palette_with_transparency(rng: random.Random) -> bytes:
    rows = b"".join(b"\0" + bytes(rng.randrange(4) for _ in range(8)) for _ in range(8))
    extra = chunk(b"PLTE", rng.randbytes(12)) + chunk(b"tRNS", b"\0\x80")
    return png(8, 8, 8, 3, rows, extra=extra)


def _palette_too_short(rng: random.Random) -> bytes:
    return png(8, 8, 8, 3, b"\0\xff\xff\xff\xff\xff\xff\xff\xff" * 8,
               extra=chunk(b"PLTE", rng.randbytes(6)))  # fmt: skip


def _claims(width: int, height: int) -> Maker:
    return lambda rng: png(width, height, 8, 2, rng.randbytes(100))


def _png_bomb(rng: random.Random) -> bytes:
    """Fifty million pixels in fifty kilobytes."""
    return png(7000, 7000, 1, 0, bytes((7000 // 8 + 1) * 7000))


def _text_bomb(rng: random.Random) -> bytes:
    """A comment that grows to 128 MB."""
    text = b"Comment\0\0" + zlib.compress(bytes(128 << 20), 9)
    return png(8, 8, 8, 0, bytes(72), extra=chunk(b"zTXt", text))


def _bad_profile(rng: random.Random) -> bytes:
    profile = b"icc\0\0" + zlib.compress(rng.randbytes(200))[:90]
    return png(8, 8, 8, 0, bytes(72), extra=chunk(b"iCCP", profile))


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def _turned(rng: random.Random) -> bytes:
    return written(picture(rng), "JPEG", exif=_exif(rng.randrange(1, 9)))


def _turned_oddly(rng: random.Random) -> bytes:
    return written(picture(rng), "JPEG", exif=_exif(rng.choice((0, 9, 77, 65535))))


def _exif_garbage(rng: random.Random) -> bytes:
    return written(picture(rng), "JPEG", exif=b"Exif\0\0" + rng.randbytes(60))


def _ycck(rng: random.Random) -> bytes:
    """Adobe's marker says that the four channels are YCCK."""
    plain = written(picture(rng, "CMYK"), "JPEG")
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x02"
    return plain[:2] + adobe + plain[2:]


def _tiff(image: Image.Image, **options: object) -> bytes:
    return written(image, "TIFF", **options)


def _float_tiff(rng: random.Random) -> bytes:
    values = np.asarray(picture(rng, "L"), dtype=np.float32)
    kind = rng.randrange(4)
    if kind == 1:
        values[3, 3] = np.nan
    elif kind == 2:
        values[3, 3] = np.inf
    elif kind == 3:
        values = -1e30 * values
    return _tiff(Image.fromarray(values))


def _pages(rng: random.Random) -> bytes:
    return _tiff(picture(rng), save_all=True, append_images=[picture(rng, "L") for _ in range(3)])


def _tiff_tag(tag: int, value: object) -> Maker:
    def make(rng: random.Random) -> bytes:
        info = TiffImagePlugin.ImageFileDirectory_v2()
        info[tag] = value
        return _tiff(picture(rng), tiffinfo=info)

    return make


def _tiff_loop(rng: random.Random) -> bytes:
    """The list of pages leads back to its beginning."""
    plain = bytearray(_tiff(picture(rng)))
    first = struct.unpack("<I", plain[4:8])[0]
    entries = struct.unpack("<H", plain[first : first + 2])[0]
    end = first + 2 + 12 * entries
    plain[end : end + 4] = struct.pack("<I", first)
    return bytes(plain)


def _film(rng: random.Random) -> bytes:
    frames = [picture(rng) for _ in range(3)]
    return written(frames[0], "WEBP", save_all=True, append_images=frames[1:])


def _one(mode: str, kind: str, **options: object) -> Maker:
    return lambda rng: written(picture(rng, mode), kind, **options)


def _tiny(rng: random.Random) -> bytes:
    return written(Image.new(rng.choice(("RGB", "L", "1", "P")), (1, 1)), "PNG")


def _long(rng: random.Random) -> bytes:
    return written(Image.new("L", rng.choice(((3000, 1), (1, 3000)))), "PNG")


#: By name, with the suffix that fits: every one of them is a kind that is met, or an attack.
KINDS: Mapping[str, tuple[str, Maker]] = {
    "plain": ("png", _one("RGB", "PNG")),
    "gray": ("png", _one("L", "PNG")),
    "gray with alpha": ("png", _one("LA", "PNG")),
    "alpha": ("png", _one("RGBA", "PNG")),
    "one bit": ("png", _one("1", "PNG")),
    "16 bits": ("png", lambda rng: written(picture(rng, "L").convert("I;16"), "PNG")),
    "16 bits in colour": ("png", _sixteen_colour),
    "palette": ("png", _one("P", "PNG")),
    "palette with transparency": ("png", _palette_with_transparency),
    "palette that is too short": ("png", _palette_too_short),
    "interlaced": ("png", _interlaced),
    "damaged profile": ("png", _bad_profile),
    "no pixels": ("png", _claims(0, 0)),
    "2,000,000,000 wide": ("png", _claims(2_000_000_000, 1)),
    "20,001 px": ("png", _claims(20_001, 20_001)),
    "19,999 px": ("png", _claims(19_999, 19_999)),
    "12,000 px": ("png", _claims(12_000, 12_000)),
    "a bomb": ("png", _png_bomb),
    "a comment that is a bomb": ("png", _text_bomb),
    "one pixel": ("png", _tiny),
    "a line": ("png", _long),
    "JPEG": ("jpg", _one("RGB", "JPEG")),
    "progressive": ("jpeg", _one("RGB", "JPEG", progressive=True)),
    "gray JPEG": ("jpg", _one("L", "JPEG")),
    "CMYK": ("jpg", _one("CMYK", "JPEG")),
    "YCCK": ("jpg", _ycck),
    "turned": ("jpg", _turned),
    "turned oddly": ("jpg", _turned_oddly),
    "EXIF of garbage": ("jpg", _exif_garbage),
    "profile of garbage": ("jpg", lambda rng: written(picture(rng), "JPEG",
                                                      icc_profile=rng.randbytes(300))),
    "CMYK TIFF": ("tif", lambda rng: _tiff(picture(rng, "CMYK"))),
    "LAB": ("tif", lambda rng: _tiff(picture(rng, "LAB"))),
    "16-bit TIFF": ("tiff", lambda rng: _tiff(picture(rng, "L").convert("I;16"))),
    "32-bit TIFF": ("tiff", lambda rng: _tiff(picture(rng, "L").convert("I"))),
    "float TIFF": ("tif", _float_tiff),
    "pages": ("tif", _pages),
    "a loop of pages": ("tif", _tiff_loop),
    "LZW": ("tif", lambda rng: _tiff(picture(rng), compression="tiff_lzw")),
    "deflated TIFF": ("tif", lambda rng: _tiff(picture(rng), compression="tiff_adobe_deflate")),
    "JPEG in TIFF": ("tif", lambda rng: _tiff(picture(rng), compression="jpeg")),
    "fax": ("tif", lambda rng: _tiff(picture(rng, "1"), compression="group4")),
    "resolution of text": ("tif", _tiff_tag(270, "<script>alert(1)</script>" * 9)),
    "WebP": ("webp", _one("RGB", "WEBP")),
    "WebP without loss": ("webp", _one("RGBA", "WEBP", lossless=True)),
    "film": ("webp", _film),
    "BMP": ("bmp", _one("RGB", "BMP")),
    "BMP with palette": ("bmp", _one("P", "BMP")),
    "GIF by another name": ("png", _one("P", "GIF")),
    "ICO by another name": ("png", _one("RGBA", "ICO")),
    "PPM by another name": ("bmp", _one("RGB", "PPM")),
    "PDF by another name": ("jpg", _one("RGB", "PDF")),
    "text by another name": ("jpg", lambda rng: b"<html><script>alert(1)</script>"),
    "SVG by another name": ("png", lambda rng: b"<svg onload='alert(1)'/>"),
    "a zip by another name": ("png", lambda rng: b"PK\x03\x04" + rng.randbytes(200)),
    "nothing": ("png", lambda rng: b""),
    "noise": ("jpg", lambda rng: rng.randbytes(rng.randrange(4000))),
    "noise after a good beginning": ("png", lambda rng: b"\x89PNG\r\n\x1a\n" + rng.randbytes(500)),
}  # fmt: skip


def truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def flipped(data: bytes, rng: random.Random) -> bytes:
    """Some bits are others."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 20)):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def wiped(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + bytes(end - start) + data[end:]


def torn(data: bytes, rng: random.Random) -> bytes:
    """A piece is missing, or there twice."""
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[end:] if rng.random() < 0.5 else data[:end] + data[start:]


def extreme(data: bytes, rng: random.Random) -> bytes:
    """A number somewhere is the largest, or nothing."""
    changed, size = bytearray(data), rng.choice((1, 2, 4))
    if len(changed) > size:
        at = rng.randrange(min(len(changed) - size, 400))
        changed[at : at + size] = rng.choice((b"\xff", b"\x7f", b"\0")) * size
    return bytes(changed)


SPOILERS = (truncated, flipped, wiped, torn, extreme)


def bad_image(number: int, rng: random.Random) -> tuple[str, str, bytes]:
    """What it is, its suffix, and its bytes: each kind whole at first, later spoilt."""
    names = list(KINDS)
    name = names[number % len(names)]
    suffix, make = KINDS[name]
    data = make(rng)
    if number < len(names):
        return name, suffix, data
    spoil = rng.choice(SPOILERS)
    return f"{name}, {spoil.__name__}", suffix, spoil(data, rng)


def stuck(path: Path, rng: random.Random) -> str:
    """Put something in the way that is no file: a link in a circle, into nowhere, a pipe …"""
    kind = rng.choice(("circle", "nowhere", "folder", "device", "pipe", "out"))
    if kind == "circle":
        path.symlink_to(path.name)
    elif kind == "nowhere":
        path.symlink_to("/nowhere/at/all.png")
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "out":
        path.symlink_to("/etc/hostname")
    else:
        import os

        os.mkfifo(path)
    return kind
