"""``ganloss check``: the battery, for your own loss."""

import argparse
import sys
from typing import NoReturn

from ganloss._errors import UsageError

_HELP = """\
Try the properties every loss should have on your own: gradients against finite differences, the
signs of one step, samples in another order, a batch written twice, half precision, degenerate
inputs, and whether misuse raises. It says what it tried.

  ganloss check losses.py:MyPair
  ganloss check mypackage.losses:psnr_loss --as psnr
  ganloss check losses.py:d_loss --as hinge.discriminator
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See `ganloss check --help`")


def run(arguments: list[str]) -> int:
    """Run ``ganloss check MODULE:NAME [--as NAME]``; 1 when a check failed.

    >>> run(["ganloss:L1"])  # doctest: +ELLIPSIS
    checking ganloss:L1
    L1() as a term
      ok      The loss of a batch is one finite number with a gradient
    ...
    0
    """
    parser = _Parser(
        prog="ganloss check",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("target", metavar="MODULE:NAME", help="a module or .py file, and a name")
    parser.add_argument(
        "--as", dest="like", metavar="NAME", help="one of ours it should agree with"
    )
    options = parser.parse_args(arguments)
    sys.stdout.write(f"checking {options.target}\n")
    sys.stdout.flush()
    from ganloss.check import check
    from ganloss.check.load import load

    report = check(load(options.target), options.like)
    sys.stdout.write(f"{report}\n")
    return 0 if report.ok else 1
