"""Every entry passes the battery that users run on their own losses."""

import pytest

import ganloss as gl
from conformance import formulas
from ganloss.check import check
from ganloss.check.load import build

EVERY = [*formulas.LOSSES, *formulas.PENALTIES, "Orthogonal()"]
NAMESPACE = {name: getattr(gl, name) for name in gl.PUBLIC_NAMES} | {"abs": abs}
#: The battery draws images, where Cosine must be told the dimension; its network is a real one.
TERMS = [n for n in formulas.TERMS if not n.startswith(("Perceptual", "PSNR(data_range=255"))]


@pytest.mark.parametrize("expression", [*EVERY, *TERMS])
def test_the_battery_holds(expression: str) -> None:
    thing = build(expression, NAMESPACE, "ganloss")
    report = check(thing, _kind(thing))
    assert report.ok, str(report)
    fewest = 6 if getattr(thing, "of_weights", False) else 10
    assert sum(finding.verdict == "ok" for finding in report.findings) >= fewest


def _kind(thing: object) -> str | None:
    """Terms that are not called with images are compared with themselves, to say how."""
    entries = {cls: name for name, cls in gl.TERMS.items()}
    return entries.get(type(thing))


@pytest.mark.parametrize("name", ["perceptual", "cosine"])
def test_the_battery_holds_for_usual_arguments(name: str) -> None:
    from ganloss.check import _reference

    report = check(_reference(name)[0], name)
    assert report.ok, str(report)
