"""``ganloss data check``: what a data set is taken for, before anything is trained on it."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ganloss._errors import DataError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from ganloss.data.survey import Survey

_HELP = """\
Look at every image of a folder or zip: what it is taken for, how large, what is odd, and the
command that trains on it. Nothing in the folder is changed.

  ganloss data check ./my_photos
  ganloss data check faces.zip --sheet faces.png
"""
_BAR, _MOST_ROWS, _SHOWN = 32, 12, 64
_LAYOUTS = {
    "flat": "one folder of images",
    "nested": "a folder of images with folders inside",
    "classes": "a folder for each class",
    "domains": "two domains, trainA and trainB",
    "side by side": "pairs A|B side by side: each image is twice as wide as high",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See `ganloss data check --help`")


def run(arguments: list[str]) -> int:
    """Run ``ganloss data check PATH [--sheet FILE] [--no-sheet]``; 3 when training would stop.

    >>> run(["photos"])
    Traceback (most recent call last):
    ganloss._errors.UsageError: write `ganloss data check PATH`, not `ganloss data photos`
    """
    if arguments[:1] not in (["check"], ["-h"], ["--help"]):
        given = f", not `ganloss data {arguments[0]}`" if arguments else ""
        raise UsageError(f"write `ganloss data check PATH`{given}")
    parser = _Parser(
        prog="ganloss data check",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("path", metavar="PATH", help="a folder or zip of images")
    parser.add_argument(
        "--sheet", "--out", metavar="FILE", help="thumbnails (default: data-check-NAME.png here)"
    )
    parser.add_argument("--no-sheet", action="store_true", help="write no thumbnails")
    options = parser.parse_args(arguments[1:] if arguments[0] == "check" else arguments)
    sys.stdout.write(f"looking at {options.path}\n")
    sys.stdout.flush()
    return _check(Path(options.path), options.sheet, sheet=not options.no_sheet)


def _check(path: Path, target: str | None, *, sheet: bool) -> int:
    from rich.console import Console

    from ganloss.data.survey import survey

    console = Console(highlight=False, soft_wrap=True)
    found = survey(path)
    _describe(console, found)
    if sheet:
        _write_sheet(found, Path(target or f"data-check-{found.source.name}.png"), console)
    for line in commands(found):
        console.print(f"{line}", markup=False)
    stopping = [oddity.what for oddity in found.oddities if oddity.stops]
    if not found.trainable:
        raise DataError(f"{path} cannot be trained on as it is: {'; '.join(stopping)}")
    return 0


def _describe(console: "Console", found: "Survey") -> None:
    total = len(found.source.files)
    console.print(f"{found.source.path}: {_LAYOUTS[found.kind]}, {total:,} images", markup=False)
    if len(found.counts) > 1:
        _histogram(console, "parts", {name: n for name, n in found.counts.items()})
    if found.kind == "domains":
        console.print(f"{'pairs':<10}{found.pairs:,} images have a partner of the same name")
    sizes = {f"{width}×{height}": count for (width, height), count in found.sizes.items()}
    _histogram(console, "sizes", sizes)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in found.formats.items())
    console.print(f"{'pixels':<10}{kinds}", markup=False)
    for oddity in found.oddities:
        word = "[red]stops[/red]     " if oddity.stops else "[yellow]note[/yellow]      "
        console.print(word, end="")
        console.print(oddity.what, markup=False)
        for example in oddity.examples:
            console.print(f"{'':<12}{example}", markup=False, style="dim")
    if not found.oddities:
        console.print(f"{'oddities':<10}none", markup=False)


def _histogram(console: "Console", title: str, counts: dict[str, int]) -> None:
    shown = dict(list(counts.items())[:_MOST_ROWS])
    rest = sum(counts.values()) - sum(shown.values())
    if rest:
        shown[f"{len(counts) - _MOST_ROWS} others"] = rest
    width, most = max(map(len, shown), default=0), max(shown.values(), default=1)
    for i, (name, count) in enumerate(shown.items()):
        bar = "█" * max(1, round(count / most * _BAR))
        console.print(f"{title if i == 0 else '':<10}{name:<{width}}  {count:>7,}  ", end="",
                      markup=False)  # fmt: skip
        console.print(bar, style="cyan")


def _write_sheet(found: "Survey", path: Path, console: "Console") -> None:
    import numpy as np
    import torch

    from ganloss.data.decode import UNREADABLE, read_square
    from ganloss.runs.pictures import COLUMNS, grid, save_png

    files = found.source.files
    thumbnails: list[np.ndarray] = []
    for file in files[:: -(-len(files) // _SHOWN)]:
        try:
            pixels = read_square(file, 64, "pad")
        except UNREADABLE:
            continue
        thumbnails.append(np.broadcast_to(pixels, (64, 64, 3)).transpose(2, 0, 1))
    if thumbnails:
        save_png(grid(torch.from_numpy(np.stack(thumbnails)), COLUMNS), path)
        console.print(f"{'sheet':<10}{path}", markup=False)


def commands(found: "Survey") -> list[str]:
    """The commands that train on these data.

    >>> from ganloss.data.files import Source
    >>> from ganloss.data.survey import Survey
    >>> found = Survey(Source(Path("photos"), (), {}), "flat", {}, {}, {}, (), image_size=32)
    >>> commands(found)
    ['train     ganloss train generate --data photos --image-size 32']
    """
    path, size = found.source.path, found.image_size
    if found.kind == "domains":
        # With partners for all of them it may be either; without, domains are what there is.
        task = "paired" if found.pairs else "unpaired"
        flags = f"--data {shlex.quote(str(path))} --image-size {size}"
        lines = [f"{'train':<10}ganloss train {task} {flags}"]
        return lines + ([f"{'or':<10}ganloss train unpaired {flags}"] if found.pairs else [])
    command = f"ganloss train generate --data {shlex.quote(str(path))} --image-size {size}"
    if not found.trainable:
        return [f"{'then':<10}mend what stops training, and: {command}"]
    lines = [f"{'train':<10}{command}"]
    if found.kind == "side by side":
        return [lines[0].replace("train generate", "train paired")]
    if found.kind == "classes":
        lines.append(f"{'or':<10}{command} --cond    (learns the {len(found.counts)} classes)")
    return lines
