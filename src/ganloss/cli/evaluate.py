"""``ganloss evaluate``: how far generated images are from real ones, and what the number means."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ganloss._errors import StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from ganloss.metrics.protocol import Measurement, Number
    from ganloss.runs.scoring import Report, Request

_HELP = """\
Compare generated images with real ones. The metric is first tried on the real images themselves:
if it cannot tell them from blurred, noisy or fewer kinds of images, the first sentence says so.

  ganloss evaluate demo:digits runs/00000-wgan-gp-digits-s0      a run makes its own images
  ganloss evaluate ./photos ./generated --json scores.json       two folders or zips
  ganloss evaluate ./sharp ./restored --pairs                    images of the same name
  ganloss evaluate ./photos ./generated --features inception     the network of FID, from a file
"""
_WIDTH = 100
_FEATURES = ("auto", "digits", "random-vgg", "inception", "vgg16", "clip", "dinov2")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See `ganloss evaluate --help`")


def run(arguments: list[str]) -> int:
    """Run ``ganloss evaluate REAL FAKE ...``.

    >>> run(["no-such-folder", "demo:digits"])
    Traceback (most recent call last):
    ganloss._errors.DataError: ...
    """
    options = _parser().parse_args(arguments)
    if options.json is not None:
        _check_writable(Path(options.json))
    if options.lpips is not None and not options.pairs:
        raise UsageError("--lpips compares images of the same name; add --pairs")
    _say(f"{options.fake} against {options.real}")

    from ganloss.runs.scoring import Request

    names = ("real", "fake", "features", "weights", "count", "image_size", "cond", "pairs")
    names += ("lpips", "fit", "seed", "allow_code")
    values = {name: getattr(options, name) for name in names}
    report = _evaluate(Request(**values), try_metric=options.self_test)
    if options.json is not None:
        _write(report, Path(options.json))
    return 0


def _parser() -> _Parser:
    parser = _Parser(
        prog="ganloss evaluate",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("real", metavar="REAL", help="a folder, a zip or demo:NAME of real images")
    add("fake", metavar="FAKE", help="the same of generated images, a run or its export folder")
    add("--features", choices=_FEATURES, default="auto",
        help="network whose features are compared (default: the digit net for bundled digits, "
        "otherwise random-vgg; neither needs a download)")  # fmt: skip
    add(
        "--weights",
        default="auto",
        metavar="PATH",
        help="file of the weights of inception, vgg16, clip or dinov2; auto looks for it",
    )
    add("--count", "--num-samples", type=_from(1), metavar="N",
        help="images on each side (default: as many as leave as many real ones to refer to, at "
        "most 1000)")  # fmt: skip
    add("--image-size", type=_from(8), metavar="N", help="bring images to this size first")
    add("--fit", choices=("crop", "pad", "stretch"),
        help="how an image becomes a square (default: as the run made it; crop)")  # fmt: skip
    add("--cond", action="store_true",
        help="REAL's outermost folders are classes, which the metric's trial drops")  # fmt: skip
    add("--pairs", action="store_true",
        help="PSNR, SSIM, MS-SSIM and LPIPS of images with the same name, too")  # fmt: skip
    add("--lpips", metavar="WEIGHTS",
        help="weights of LPIPS (AlexNet) for --pairs: auto, a folder or a file (default: LPIPS "
        "is measured where they are on this machine)")  # fmt: skip
    add("--seed", type=_from(0), default=0, metavar="N", help="of every random choice (default: 0)")
    add("--json", metavar="PATH", help="write everything to this file as well")
    add("--no-self-test", dest="self_test", action="store_false",
        help="do not try the metric on the real images first")  # fmt: skip
    add("--allow-code", action="store_true", help="import the module your own generator is from")
    return parser


def _from(least: int) -> "Callable[[str], int]":
    """Read whole numbers that are at least that."""

    def number(word: str) -> int:
        if word.isdecimal() and int(word) >= least:
            return int(word)
        raise argparse.ArgumentTypeError(f"{word!r} is no whole number from {least} on")

    return number


def _check_writable(path: Path) -> None:
    """Refuse, before anything is measured, a file that could not be written."""
    if path.is_dir():
        raise UsageError(f"--json {path} is a folder; name a file, e.g. {path / 'scores.json'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"--json {path}: its folder cannot be made ({error.strerror or error}); name another"
        ) from error


def _evaluate(request: "Request", *, try_metric: bool) -> "Report":
    """Measure, and print each part as soon as it is known."""
    from ganloss.runs import pairing, scoring

    lpips = pairing.lpips_of_pairs(request)
    if request.pairs:
        pairing.check_pairs(request)
    alone = request.pairs and pairing.too_few(request)
    ready = None if alone else scoring.prepare(request)
    paired, notes = pairing.pair_numbers(request, lpips) if request.pairs else ((), ())
    if ready is None:
        notes += ("the sets are too small to be compared as sets",)
        _print(None, paired, None, notes)
        return scoring.Report(request, None, None, paired, None, notes)
    trial = ready.try_metric() if try_metric else None
    if trial is not None:
        _say(trial.sentence)
    else:
        _say(
            f"This metric was not tried on the real images: there are {len(ready.data.images)}, "
            f"and {scoring.FEWEST_TO_TRY} are needed."
            if try_metric
            else "This metric was not tried on the real images: --no-self-test."
        )
    notes += ready.notes
    if not request.pairs and pairing.same_names(request):
        notes += ("names match; if each image was made from the real one of its name, add --pairs",)
    measurement, memorised = ready.measure(), ready.memorisation()
    _print(measurement, paired, memorised, notes)
    shape = tuple(ready.data.shape)
    return scoring.Report(ready.request, trial, measurement, paired, memorised, notes, shape)


def _print(
    measurement: "Measurement | None",
    paired: "tuple[Number, ...]",
    memorised: float | None,
    notes: tuple[str, ...],
) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, _WIDTH)  # a narrow terminal wraps; nothing is cut off
    console.print()
    if measurement is not None:
        console.print(_table(measurement.numbers, references=True))
        console.print("fd and kid: lower is better; all others: higher is better\n")
    if paired:
        console.print(_table(paired, references=False))
        if any(not number.higher_is_better for number in paired):
            console.print("lpips: lower is better\n")
    if memorised is not None:
        console.print(
            f"nearest neighbours: generated images are {memorised:.2f} times as far from the "
            "nearest training image as from the nearest held-out one (real images: 1; far below "
            "it, training images were memorised)"
        )
    for note in notes:
        console.print(f"note: {note}", markup=False)


def _table(numbers: "tuple[Number, ...]", *, references: bool) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, safe_box=True)
    table.add_column("protocol", no_wrap=True)
    columns = ["generated", "95 % interval"] + ["real images", "noise"] * references
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for number in numbers:
        interval = f"{_short(number.interval.low)} to {_short(number.interval.high)}"
        cells = [_short(number.value), interval]
        if references:
            cells += [_short(number.real), _short(number.noise)]
        table.add_row(number.name, *cells)
    return table


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _write(report: "Report", path: Path) -> None:
    from ganloss.runs.folder import write_text

    write_text(path, report.to_json())
    _say(f"numbers   {path}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
