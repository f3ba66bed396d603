"""``ganloss translate``: a folder of images through a finished generator."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ganloss._errors import UsageError

_HELP = """\
Translate images with the generator of a paired or unpaired run: a folder in, a folder out, with
the same names. Images larger than a tile are translated in overlapping tiles that fade into each
other, so memory does not grow with the image's network. Transparency is kept; so are 16 bits of
gray images, where the result is gray.

  ganloss translate runs/00000-ns-sketches-s0 ./photos
  ganloss translate runs/00001-lsgan-sketches-s0 ./sketches --direction BtoA --out ./coloured
"""
_SECONDS_BETWEEN_LINES = 5.0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See `ganloss translate --help`")


def run(arguments: list[str]) -> int:
    """Run ``ganloss translate RUN IMAGES [--out DIR] [--direction BtoA] [--tile N]``.

    >>> run(["no-such-run", "photos"])
    Traceback (most recent call last):
    ganloss._errors.CheckpointError: there is no run no-such-run...
    """
    parser = _Parser(
        prog="ganloss translate",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, or its export folder")
    parser.add_argument("images", metavar="IMAGES", help="a folder, zip or image file")
    parser.add_argument("--out", "--outdir", help="where to (default: RUN/translated)")
    parser.add_argument(
        "--direction", choices=("AtoB", "BtoA"), default="AtoB", help="of an unpaired run"
    )
    parser.add_argument(
        "--tile", type=int, metavar="N", help="side of a tile in pixels (default: 256 or more)"
    )
    parser.add_argument(
        "--eight-bit", action="store_true", help="write 16-bit images with 8 where it must be"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results")
    options = parser.parse_args(arguments)
    if options.tile is not None and options.tile < 8:
        raise UsageError(f"--tile is {options.tile}; at least 8 pixels are needed")
    _say(f"{options.images} by the generator of {options.run}")

    from ganloss.runs.folder import storage
    from ganloss.runs.translating import Translation

    translation = Translation.load(options.run, backward=options.direction == "BtoA")
    folder = Path(options.out) if options.out else Path(options.run) / "translated"
    with storage(folder):
        done = translation.folder(
            options.images,
            folder,
            tile=options.tile,
            eight_bit=options.eight_bit,
            overwrite=options.overwrite,
            told=_progress(),
        )
    for name, why in done.skipped:
        _say(f"skipped {name}: {why}")
    _say(f"images  {len(done.written):,} in {folder}")
    return 0


def _progress() -> Callable[[int, int], None]:
    """Say how many images are done, now and then."""
    began = said = time.monotonic()

    def told(done: int, of: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= _SECONDS_BETWEEN_LINES:
            said, left = now, (now - began) * (of - done) / done
            _say(f"{now - began:6.0f} s  {done:,} of {of:,} images, {left:.0f} s left")

    return told


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
