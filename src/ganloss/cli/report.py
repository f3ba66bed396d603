"""``ganloss report``: write a comparison's report anew, also of one that is not done."""

import sys
from pathlib import Path

from ganloss.cli._parser import Parser


def run(arguments: list[str]) -> int:
    """Run ``ganloss report DIR``.

    >>> run(["no-such-folder"])
    Traceback (most recent call last):
    ganloss._errors.UsageError: no-such-folder is no comparison: it has no plan.yaml...
    """
    parser = Parser(
        "ganloss report", "Write report.html of a comparison from what is in its folder."
    )
    parser.add_argument("folder", metavar="DIR", help="folder that `ganloss compare` made")
    folder = Path(parser.parse(arguments)["folder"])
    sys.stdout.write(f"reading {folder}\n")
    sys.stdout.flush()
    from ganloss.cli._comparing import conclude
    from ganloss.lab.report import write_report
    from ganloss.lab.results import Comparison

    comparison = Comparison(folder)
    write_report(comparison)
    return conclude(comparison)
