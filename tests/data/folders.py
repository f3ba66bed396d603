"""Folders and zips of small pictures in every layout."""

import zipfile
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
