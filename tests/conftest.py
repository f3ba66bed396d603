"""Each folder of tests has a budget of seconds; what it took is printed at the end."""

import os
import shutil
import tempfile
from collections import Counter

import pytest

#: Seconds of tests on one core of a small machine. What does not fit moves to a target of its own.
BUDGETS = {
    "browser": 300,
    "check": 100,
    "cli": 480,
    "conformance": 100,
    "controls": 40,
    "data": 40,
    "docs": 150,
    "engine": 45,
    "examples": 90,
    "faults": 3600 if os.environ.get("GANLOSS_FAULTS") else 400,
    "lab": 250,
    "losses": 30,
    "metrics": 60,
    "networks": 30,
    "parity": 400,
    "penalties": 40,
    "runs": 240,
    "speed": 100,
    "terms": 60,
}
OTHERS = 60
#: How much longer a slower or busier machine may take before the run fails.
PATIENCE = 3.0

spent: Counter[str] = Counter()

#: Decoded images of the tests, instead of the user's own cache.
CACHE = tempfile.mkdtemp(prefix="ganloss-tests-")


def pytest_configure() -> None:
    os.environ["GANLOSS_CACHE"] = CACHE


def pytest_unconfigure() -> None:
    shutil.rmtree(CACHE, ignore_errors=True)


def folder_of(nodeid: str) -> str:
    parts = nodeid.split("::")[0].split("/")
    if parts[0] != "tests":
        return "doctests"
    return parts[1] if len(parts) > 2 else "tests"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    spent[folder_of(report.nodeid)] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("seconds spent (budget)")
    for folder, seconds in sorted(spent.items()):
        over = "  OVER BUDGET" if seconds > BUDGETS.get(folder, OTHERS) else ""
        terminalreporter.line(f"{folder:<12}{seconds:7.1f}  ({BUDGETS.get(folder, OTHERS)}){over}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.OK and any(
        seconds > PATIENCE * BUDGETS.get(folder, OTHERS) for folder, seconds in spent.items()
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
