"""Without a terminal a run says a line now and then, also where its snaps are far apart."""

import pytest

from ganloss.cli import _progress
from ganloss.cli._progress import SECONDS_OF_SILENCE, TerminalReporter


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_half_a_minute_is_the_longest_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step a second for 120 s, a snap after the 40th: lines at 30, 70 and 100 s."""
    clock = Clock()
    monkeypatch.setattr(_progress, "time", clock)
    with TerminalReporter() as reporter:
        for step in range(121):
            reporter.progressed(step, 200, step / 200)
            if step == 40:
                reporter.snapped({"step": step, "seconds": 40.0})
            clock.now += 1
    lines = capsys.readouterr().out.splitlines()
    assert SECONDS_OF_SILENCE == 30
    assert [line.split() for line in lines if "done" in line] == [
        ["step", "30", "15%", "done,", "about", "2", "min", "50", "s", "left"],
        ["step", "70", "35%", "done,", "about", "2", "min", "10", "s", "left"],
        ["step", "100", "50%", "done,", "about", "1", "min", "40", "s", "left"],
    ]
