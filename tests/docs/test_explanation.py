"""Numbers on the pages of explanations are what the lines above them print."""

import doctest
import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "explanation"


def examples(text: str) -> doctest.DocTest:
    """All prompts of a page, as one session."""
    code = "\n".join(re.findall(r"^```pycon\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    return doctest.DocTestParser().get_doctest(code, {}, "page", "page", 0)


def failures(text: str) -> int:
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    return runner.run(examples(text), out=lambda _: None).failed


@pytest.mark.filterwarnings("ignore:Using a target size", "ignore:`reduction='mean'`")
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides", "ignore:.*batchmean")
def test_the_traps_print_what_the_page_shows() -> None:
    text = (PAGES / "traps.md").read_text(encoding="utf-8")
    assert len(examples(text).examples) > 50
    assert failures(text) == 0


def test_control_a_wrong_number_is_seen() -> None:
    assert failures("```pycon\n>>> 1 + 1\n3\n```\n") == 1
