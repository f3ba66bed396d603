"""Folders and zips of small pictures in every layout."""

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def fill(folder: Path, count: int, size: int = 16, seed: int = 0, width: int | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        pixels = rng.integers(0, 256, (size, width or size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03d}.png")


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return target


def every_kind(folder: Path) -> int:
    """One picture of each kind that is met in the wild; gives their number."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8))
    sixteen = Image.fromarray(rng.integers(0, 65536, (20, 24), dtype=np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    colour.save(folder / "turned.jpg", exif=exif)
    colour.save(folder / "plain.jpeg")
    colour.save(folder / "plain.webp")
    colour.save(folder / "plain.bmp")
    colour.save(folder / "plain.tiff")
    sixteen.save(folder / "sixteen.png")
    sixteen.save(folder / "sixteen.tif")
    colour.convert("L").save(folder / "gray.PNG")
    colour.convert("LA").save(folder / "gray-alpha.png")
    colour.convert("RGBA").save(folder / "alpha.png")
    colour.quantize(8).save(folder / "palette.png")
    colour.convert("1").save(folder / "one-bit.png")
    colour.convert("CMYK").save(folder / "print.tif")
    colour.save(folder / "日本 é & <b>.png")
    return len(list(folder.iterdir()))


def write_deep(levels: np.ndarray, path: Path) -> None:
    """Write ``(H, W, 1, 3 or 4)`` of 16 bits as PNG or TIFF; Pillow writes gray ones alone."""
    path.write_bytes(_png(levels) if path.suffix == ".png" else _tiff(levels))


def _png(levels: np.ndarray) -> bytes:
    height, width, channels = levels.shape
    kind = {1: 0, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def _tiff(levels: np.ndarray) -> bytes:
    """TIFF 6.0: a header, one directory of tags, the depths, and all rows in one strip."""
    height, width, channels = levels.shape
    pixels = levels.astype("<u2").tobytes()
    tags = {
        256: [width], 257: [height], 258: [16] * channels, 259: [1], 262: [1 + (channels > 1)],
        273: [0], 277: [channels], 278: [height], 279: [len(pixels)],
    } | ({338: [2]} if channels == 4 else {})  # fmt: skip
    depths = 8 + 2 + 12 * len(tags) + 4
    tags[273] = [depths + 2 * channels]
    directory = b"".join(
        struct.pack("<HHII", tag, 4, 1, values[0])
        if len(values) == 1
        else struct.pack("<HHII", tag, 3, len(values), depths)
        for tag, values in tags.items()
    )
    start = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    return start + directory + bytes(4) + struct.pack(f"<{channels}H", *tags[258]) + pixels
