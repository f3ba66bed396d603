"""Links of the files beside the code resolve; those of the built pages are tried by `make docs`."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("*.md"))
#: A path of the project in code: README says where to read on like that. NAME is the reader's.
_NAMED = re.compile(r"`((?:docs|src|tests|tools|examples|benchmarks)/(?!\S*NAME)[\w./-]+)`")
_LINKED = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def broken(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    missing = [path for path in _NAMED.findall(text) if not (page.parent / path).exists()]
    for link in _LINKED.findall(text):
        place, _, part = link.partition("#")
        target = page.parent / place if place else page
        if re.match("[a-z]+:", link):
            continue
        if not target.exists() or (part and part not in anchors(target)):
            missing.append(link)
    return missing


def anchors(page: Path) -> set[str]:
    return {anchor(heading) for heading in _HEADING.findall(page.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_resolve(page: Path) -> None:
    assert broken(page) == []


def test_control_broken_links_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n[a](#a-page) [b](#b) [c](c.md) `docs/d.md` [e](https://e.org)\n")
    assert broken(page) == ["docs/d.md", "#b", "c.md"]


@pytest.fixture
def check_links() -> Any:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import check_links
    finally:
        sys.path.pop(0)
    return check_links


def test_control_broken_links_of_built_pages_are_seen(check_links: Any, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="#top">x</a><a href="#low">x</a><a href="b/c.html#here">x</a>'
        '<a href="b/c.html#there">x</a><img src="none.png"><a href="https://e.org/x">x</a>'
    )
    (tmp_path / "b" / "c.html").write_text('<p id="here"><a href="../a.html?q=1#top">x</a></p>')
    found = ["a.html: #low", "a.html: b/c.html#there", "a.html: none.png"]
    assert list(check_links.broken(tmp_path)) == found
