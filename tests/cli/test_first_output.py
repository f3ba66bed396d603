"""The first line is there before torch is: its import takes seconds on a slow machine."""

import subprocess
import sys
from pathlib import Path

import pytest

#: Writes a mark where torch is first asked for.
WATCHED = """
import sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            sys.stdout.write("<torch>\\n")
            sys.stdout.flush()
            sys.meta_path.remove(self)
sys.meta_path.insert(0, Watch())
from ganloss.cli import main
sys.exit(main(sys.argv[1:]))
"""


def lines(words: tuple[str, ...], cwd: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        timeout=300,
    )
    return [line for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    "words",
    [
        ("check", "nothing.py:loss"),
        ("compare", "--data", "nothing", "--losses", "ns,hinge", "--seeds", "0", "--steps", "2"),
        ("data", "check", "nothing"),
        ("doctor",),
        ("evaluate", "nothing", "nothing"),
        ("losses",),
        ("losses", "show", "ssim"),
        ("report", "nothing"),
        ("sample", "nothing"),
        ("train", "generate", "--data", "nothing", "--steps", "1"),
        ("train", "paired", "--data", "nothing", "--steps", "1"),
        ("translate", "nothing", "nothing"),
        ("weights",),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_something_is_said_before_torch_is_imported(words: tuple[str, ...], tmp_path: Path) -> None:
    assert lines(words, tmp_path)[0] != "<torch>"


def test_control_the_mark_is_seen(tmp_path: Path) -> None:
    """A card in BibTeX is nothing but entries, which wait for torch."""
    assert lines(("losses", "show", "ssim", "--bibtex"), tmp_path)[:1] == ["<torch>"]
