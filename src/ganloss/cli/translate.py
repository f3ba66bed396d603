"""``ganloss translate``: a folder of images through a finished generator."""

import argparse
import sys
import time
from pathlib import Path
from typing import NoReturn

from ganloss._errors import UsageError

_HELP = """\
Translate images with the generator of a paired or unpaired run: a folder in, a folder out, with
the same names. Images larger than a tile are translated in overlapping tiles that fade into each
other, so memory does not grow with the image's network. Transparency is kept; so are 16 bits of
gray images, where the result is gray. One image file may have its result named: --out new.png.

  ganloss translate runs/00000-ns-sketches-s0 ./photos
  ganloss translate runs/00001-lsgan-sketches-s0 ./sketches --direction BtoA --out ./coloured
"""
#: Seconds between two lines of progress, on a terminal and where the lines are kept.
_ON_A_TERMINAL, _ELSEWHERE = 5.0, 30.0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See `ganloss translate --help`")


def run(arguments: list[str]) -> int:
    """Run ``ganloss translate RUN IMAGES [--out DIR] [--direction BtoA] [--tile N] [--resume]``.

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
    parser.add_argument(
        "--out", "--outdir", help="where to (default: RUN/translated, of BtoA RUN/translated_BtoA)"
    )
    parser.add_argument(
        "--direction", choices=("AtoB", "BtoA"), default="AtoB", help="of an unpaired run"
    )
    parser.add_argument(
        "--tile", type=int, metavar="N", help="side of a tile in pixels (default: 256 or more)"
    )
    parser.add_argument(
        "--eight-bit", action="store_true", help="write 16-bit images with 8 where it must be"
    )
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument("--overwrite", action="store_true", help="replace earlier results")
    earlier.add_argument(
        "--resume", action="store_true", help="keep earlier results, and translate the others"
    )
    options = parser.parse_args(arguments)
    if options.tile is not None and options.tile < 8:
        raise UsageError(f"--tile is {options.tile}; at least 8 pixels are needed")
    _say(f"{options.images} by the generator of {options.run}")

    from ganloss.runs.folder import storage
    from ganloss.runs.translating import Translation

    translation = Translation.load(options.run, backward=options.direction == "BtoA")
    usual = "translated" if options.direction == "AtoB" else "translated_BtoA"
    out = Path(options.out) if options.out else Path(options.run) / usual
    progress = _Progress()
    try:
        with storage(out):
            done = translation.folder(
                options.images,
                out,
                tile=options.tile,
                eight_bit=options.eight_bit,
                overwrite=options.overwrite,
                resume=options.resume,
                told=progress,
            )
    except KeyboardInterrupt:
        return _interrupted(progress, out, anew=options.overwrite)
    for name, why in done.skipped:
        _say(f"skipped {name}: {why}")
    kept = f", and {len(done.kept):,} that were there already" if done.kept else ""
    _say(f"images  {len(done.written):,} in {out}{kept}")
    return 0


class _Progress:
    """Says how many images are done, now and then."""

    def __init__(self) -> None:
        self.done = self.of = 0
        self._began = self._said = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        self.done, self.of = done, of
        now = time.monotonic()
        if now - self._said >= (_ON_A_TERMINAL if sys.stdout.isatty() else _ELSEWHERE):
            self._said, left = now, (now - self._began) * (of - done) / done
            _say(f"{now - self._began:6.0f} s  {done:,} of {of:,} images, {left:.0f} s left")


def _interrupted(progress: _Progress, out: Path, *, anew: bool) -> int:
    """Say what there is, and how to go on; gives the exit code."""
    if not progress.done:
        text = "nothing was written yet; the same command begins anew"
    else:
        text = f"{progress.done:,} of {progress.of:,} images are done, and their results in {out}; "
        text += "the same command begins anew" if anew else "--resume translates the others"
    sys.stderr.write(f"ganloss: interrupted; {text}\n")
    return 130


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # kept in a file, it would stay unseen till the end
