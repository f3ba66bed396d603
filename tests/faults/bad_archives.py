"""Zips that nobody should unpack, made from a number."""

import io
import random
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping

from faults.bad_images import KINDS, SPOILERS, bad_image, picture, written

#: Names that lead out of an archive, or that upset a file system.
NAMES = (
    "../outside.png", "a/../../outside.png", "/outside.png", "//server/outside.png",
    "C:/outside.png", "C:outside.png", "..\\outside.png", "\\outside.png", "a\\..\\..\\outside.png",
    "~/outside.png", "./outside.png", "con.png", "a\0b.png", "a" * 300 + ".png",
    "\u202egnp.exe.png",
    "<img src=x onerror=alert(1)>.png", "$(touch outside).png", "; touch outside;.png", "a\nb.png",
    "../" * 50 + "etc/x.png",
)  # fmt: skip

Filler = Callable[[zipfile.ZipFile, random.Random], None]


def _pictures(archive: zipfile.ZipFile, rng: random.Random, count: int = 24) -> None:
    for i in range(count):
        archive.writestr(f"{i:02d}.png", written(picture(rng), "PNG"))


def _named(archive: zipfile.ZipFile, rng: random.Random) -> None:
    archive.writestr(zipfile.ZipInfo(rng.choice(NAMES)), written(picture(rng), "PNG"))


def _link(archive: zipfile.ZipFile, rng: random.Random) -> None:
    """A symbolic link as a member: unpackers that follow it read or write elsewhere."""
    member = zipfile.ZipInfo("link.png")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(member, rng.choice(("/etc/passwd", "../../outside", "link.png")))


def _bomb(archive: zipfile.ZipFile, rng: random.Random) -> None:
    archive.writestr("bomb.png", bytes(rng.randrange(8 << 20, 64 << 20)), zipfile.ZIP_DEFLATED, 9)


def _nested(archive: zipfile.ZipFile, rng: random.Random) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as inner:
        _bomb(inner, rng)
    archive.writestr("inner.zip", stream.getvalue())


def _twice(archive: zipfile.ZipFile, rng: random.Random) -> None:
    """Python warns of the second; other programs write such archives."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("00.png", written(picture(rng, "L"), "PNG"))


def _many(archive: zipfile.ZipFile, rng: random.Random) -> None:
    for i in range(rng.randrange(100, 2000)):
        archive.writestr(f"many/{i}.txt", b"")


def _labels(archive: zipfile.ZipFile, rng: random.Random) -> None:
    archive.writestr(
        "dataset.json",
        rng.choice(('{"labels": [["00.png", -5]]}', '{"labels": 3}', "[" * 5000, '{"labels": [1]}',
                    '{"labels": [["00.png", 1e400]]}', "\xff\xfe",
                    '{"labels": [["00.png", null]]}')),
    )  # fmt: skip


def _odd_member(archive: zipfile.ZipFile, rng: random.Random) -> None:
    _, suffix, data = bad_image(rng.randrange(4 * len(KINDS)), rng)
    archive.writestr(f"odd.{suffix}", data)


KINDS_OF_ZIP: Mapping[str, Filler] = {
    "a name that leads elsewhere": _named,
    "a link": _link,
    "a bomb": _bomb,
    "a zip in a zip": _nested,
    "a name twice": _twice,
    "many members": _many,
    "odd labels": _labels,
    "an odd image": _odd_member,
}


def _lying_size(data: bytes, rng: random.Random) -> bytes:
    """The directory says another size than is true."""
    changed = bytearray(data)
    at = changed.find(b"PK\x01\x02")
    changed[at + 24 : at + 28] = struct.pack("<I", rng.choice((0, 1, 1 << 20, 0xFFFFFFFE)))
    return bytes(changed)


def _overlapping(data: bytes, rng: random.Random) -> bytes:
    """All members are the same bytes, as in the best bombs."""
    changed = bytearray(data)
    at = 0
    while (at := changed.find(b"PK\x01\x02", at + 1)) > 0:
        changed[at + 42 : at + 46] = bytes(4)
    return bytes(changed)


def bad_archive(number: int, rng: random.Random) -> tuple[str, bytes]:
    """What it is, and its bytes."""
    names = list(KINDS_OF_ZIP)
    name = names[number % len(names)]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        _pictures(archive, rng)
        KINDS_OF_ZIP[name](archive, rng)
    data = stream.getvalue()
    if number < 2 * len(names):
        return name, data
    spoil = rng.choice((*SPOILERS, _lying_size, _overlapping))
    return f"{name}, {spoil.__name__}", spoil(data, rng)
