"""Every control and test that the list of faults names is there."""

import importlib
from pathlib import Path

from controls.faults import FAULTS

ROOT = Path(__file__).parents[2]


def is_there(name: str) -> bool:
    if "::" in name:
        file, _, test = name.partition("::")
        return f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")
    module, _, control = name.partition(".")
    return hasattr(importlib.import_module(f"controls.{module}"), control)


def test_what_the_list_names_is_there() -> None:
    named = [name for found in FAULTS.values() if not isinstance(found, str) for name in found]
    assert [name for name in named if not is_there(name)] == []


def test_few_faults_have_a_reason_in_place_of_a_test() -> None:
    reasons = [found for found in FAULTS.values() if isinstance(found, str)]
    assert len(reasons) <= 10
    assert len(FAULTS) >= 56


def test_control_a_missing_name_is_seen() -> None:
    assert not is_there("peers.no_such_control")
    assert not is_there("tests/test_objective.py::test_no_such_test")
