"""Every entry passes the battery that users run on their own losses."""

import pytest

import ganloss as gl
from conformance import class_formulas, formulas, term_formulas
from ganloss.check import check, example
from ganloss.check.load import build

EVERY = [*formulas.LOSSES, *formulas.PENALTIES, *formulas.OF_WEIGHTS]
NAMESPACE = {name: getattr(gl, name) for name in gl.PUBLIC_NAMES} | {"abs": abs}
#: Networks are tried with their usual arguments, below; 255 is not the range of its images.
_ELSEWHERE = ("Perceptual", "Style", "LPIPS", "PSNR(data_range=255")
#: Without the side, where there are two: the battery tries both.
_WHOLE = (
    n.partition(").")[0] + ")" if ")." in n else n
    for n in term_formulas.TERMS | class_formulas.TERMS
)
TERMS = list(dict.fromkeys(n for n in _WHOLE if not n.startswith(_ELSEWHERE)))


@pytest.mark.parametrize("expression", [*EVERY, *TERMS])
def test_the_battery_holds(expression: str) -> None:
    thing = build(expression, NAMESPACE, "ganloss")
    report = check(thing)
    assert report.ok, str(report)
    fewest = 6 if getattr(thing, "of_weights", False) else 10
    assert sum(finding.verdict == "ok" for finding in report.findings) >= fewest


@pytest.mark.parametrize("name", ["perceptual", "style", "lpips", "cosine"])
def test_the_battery_holds_for_usual_arguments(name: str) -> None:
    report = check(example(name), name)
    assert report.ok, str(report)
