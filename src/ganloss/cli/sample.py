"""``ganloss sample``: new pictures from a run."""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from ganloss._errors import UsageError

_HELP = """\
Make new pictures with the generator of a finished run. A seed is a picture: the same seed gives
the same one for ever. Earlier sheets and films stay: the next ones are grid-2.png and walk-2.gif.

  ganloss sample runs/00000-wgan-gp-digits-s0                     64 pictures and a sheet of them
  ganloss sample runs/00000-wgan-gp-digits-s0 --seeds 3,17,100-120
  ganloss sample runs/00000-wgan-gp-digits-s0 --seeds 0-7 --walk  a film from seed to seed
"""
_MOST = 100_000


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See `ganloss sample --help`")


def run(arguments: list[str]) -> int:
    """Run ``ganloss sample RUN [--seeds 0-63] [--out DIR] [--no-files] [--walk] [--overwrite]``.

    >>> run(["no-such-run"])
    Traceback (most recent call last):
    ganloss._errors.CheckpointError: there is no run no-such-run...
    """
    parser = _Parser(
        prog="ganloss sample",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, or its export folder")
    parser.add_argument("--seeds", default="0-63", help="e.g. 0-63 or 3,17,100-120")
    parser.add_argument("--out", "--outdir", help="where to (default: RUN/generated)")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results")
    parser.add_argument("--no-files", action="store_true", help="the sheet only")
    parser.add_argument("--walk", action="store_true", help="a film through the first 16 as well")
    parser.add_argument(
        "--class", dest="label", default="", metavar="NAME", help="a class, by name or number"
    )
    parser.add_argument(
        "--allow-code", action="store_true", help="import the module your own generator is from"
    )
    options = parser.parse_args(arguments)
    seeds = parse_seeds(options.seeds)
    _say(f"{len(seeds):,} picture{'s' * (len(seeds) != 1)} by the generator of {options.run}")

    from ganloss.runs import sampling
    from ganloss.runs.folder import storage

    sampler = sampling.Sampler.load(options.run, options.label, allow_code=options.allow_code)
    if options.walk:
        sampling.check_walk(sampler)
    folder = Path(options.out or Path(options.run) / "generated")
    number = 1
    with storage(folder):
        folder.mkdir(parents=True, exist_ok=True)  # what cannot be written shows before the work
        samples = sampler.samples(seeds)
        if not options.overwrite:
            number = sampling.free_number(samples, folder)
            if not options.no_files:
                sampling.check_files(samples, seeds, folder)
    sheet, film = (folder / sampling.numbered(n, number) for n in (sampling.SHEET, sampling.FILM))
    sampling.write_sheet(samples, sheet)
    if not options.no_files:
        sampling.write_files(samples, seeds, folder, number)
        _say(f"files   {len(seeds)} in {folder}")
    _say(f"sheet   {sheet}")
    if options.walk:
        sampling.write_walk(sampler, seeds, film)
        _say(f"film    {film}")
    return 0


def parse_seeds(text: str) -> list[int]:
    """Read numbers and ranges, each once, in the order given.

    Raises:
        UsageError: not numbers, backwards, or too many.

    >>> parse_seeds("3,10-12,3")
    [3, 10, 11, 12]
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"--seeds is {text!r}; give numbers and ranges, e.g. 0-63 or 3,17")
        start, end = int(first), int(last or first)
        if end < start or end - start >= _MOST:
            raise UsageError(f"--seeds has {part.strip()}; a range goes up, by less than {_MOST:,}")
        seeds |= dict.fromkeys(range(start, end + 1))
    return list(seeds)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
