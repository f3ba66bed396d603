"""The lab: which loss is best on your data, answered with pictures, intervals and a verdict.

>>> from ganloss import lab
>>> rows = lab.compare(["ns", "r3gan"], "demo:digits", seeds=range(6))  # doctest: +SKIP
>>> lab.judge(rows).sentence  # doctest: +SKIP
"r3gan is the best of 2 on demo:digits after 2,000 steps: ..."
>>> lab.write_report(rows)  # doctest: +SKIP
PosixPath('runs/compare-0001-digits/report.html')
"""

from typing import TYPE_CHECKING

from ganloss._lazy import lazy_attributes

if TYPE_CHECKING:
    from ganloss.lab.comparison import compare as compare
    from ganloss.lab.report import write_report as write_report
    from ganloss.lab.results import Comparison as Comparison
    from ganloss.lab.verdict import judge as judge

_HOMES = {
    "compare": "ganloss.lab.comparison",
    "write_report": "ganloss.lab.report",
    "Comparison": "ganloss.lab.results",
    "judge": "ganloss.lab.verdict",
}

__all__ = ["Comparison", "compare", "judge", "write_report"]

__getattr__ = lazy_attributes(__name__, _HOMES)
