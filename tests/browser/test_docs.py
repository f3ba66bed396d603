"""The built documentation in a real Chromium, on a telephone and on a wide screen."""

from pathlib import Path

import pytest

BUILT = Path(__file__).parents[2] / "docs" / "_build" / "html"
#: Names what stands out of the window, and is in nothing inside the article that scrolls by itself.
OUTSIDE = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = e => e.tagName !== "ARTICLE" &&
    (getComputedStyle(e).overflowX !== "visible" || scrolls(e.parentElement));
  const out = [...document.querySelectorAll("article *")].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width > 0 && box.right > width + 1 && !scrolls(e);
  });
  return out.slice(0, 3).map(e => e.outerHTML.slice(0, 80));
}"""


@pytest.fixture(scope="module")
def pages() -> list[Path]:
    if not (BUILT / "index.html").exists():
        pytest.fail("the documentation is not built: make docs")
    return sorted(path.relative_to(BUILT) for path in BUILT.rglob("*.html"))


@pytest.mark.parametrize("width", [400, 1400])
def test_no_page_stands_out_of_the_window(visit, pages, width) -> None:
    page = visit(BUILT, width).page
    wide = {}
    for path in pages:
        page.goto((BUILT / path).as_uri())
        if found := page.evaluate(OUTSIDE):
            wide[str(path)] = found
    assert len(pages) > 90
    assert wide == {}


def test_control_what_is_too_wide_is_seen(visit, pages) -> None:
    page = visit(BUILT, 400).page
    wide = """<div style="width:900px">wide</div>"""
    page.evaluate(f"document.querySelector('article').innerHTML += '{wide}'")
    assert page.evaluate(OUTSIDE) == [wide]


@pytest.mark.parametrize("page", ["index.html", "gallery/hinge.html", "explanation/curves.html"])
def test_pages_load_all_they_name(visit, pages, page) -> None:
    assert visit(BUILT, page=page).complaints == []
