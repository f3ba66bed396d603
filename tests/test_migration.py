"""docs/migration.md: each flag of ours on the page is one that a command has."""

import re
from pathlib import Path

import pytest

from ganloss.cli import VERBS, main
from ganloss.games import GAMES
from ganloss.recipes.presets import preset_names
from ganloss.runs.settings import TASKS

PAGE = Path(__file__).parents[1] / "docs" / "migration.md"
_FLAG = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")


def ours(text: str) -> list[str]:
    """The last cell of each row."""
    rows = [line.replace("\\|", "/") for line in text.splitlines() if line.startswith("| ")]
    return [row.strip("| ").split(" | ")[-1] for row in rows]


def words(cells: list[str], pattern: str) -> set[str]:
    code = [found for cell in cells for found in re.findall(r"`([^`]+)`", cell)]
    return {found for text in code for found in re.findall(pattern, text)}


CELLS = ours(PAGE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def flags() -> set[str]:
    """Every flag of every command."""
    import io
    from contextlib import redirect_stdout

    said = io.StringIO()
    commands = [[verb] for verb in VERBS if verb != "train"] + [["train", task] for task in TASKS]
    with redirect_stdout(said):
        for command in commands:
            assert main([*command, "--help"]) == 0
    return set(_FLAG.findall(said.getvalue()))


def test_each_flag_exists(flags: set[str]) -> None:
    named = words(CELLS, _FLAG.pattern)
    assert len(named) > 40
    assert named - flags == set()


def test_each_game_and_preset_exists() -> None:
    assert words(CELLS, r"--loss ([\w-]+)") - set(GAMES) == set()
    presets = {name for task in TASKS for name in preset_names(task)}
    assert words(CELLS, r"--preset ([\w-]+)") - presets == set()
    text = PAGE.read_text(encoding="utf-8").partition("## ")[0]
    for name in ("vanilla", "wgangp", "logistic"):
        assert name in text
        assert name in GAMES


def test_control_a_flag_that_is_not_there_is_seen(flags: set[str]) -> None:
    assert words(["`--no-such-flag 1`"], _FLAG.pattern) - flags == {"--no-such-flag"}
