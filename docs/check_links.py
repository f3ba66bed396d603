"""Every link inside the built pages leads to a file that is there, and to an anchor in it."""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote


class Page(HTMLParser):
    """Anchors of a page, and what it links to: pages, pictures, scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        anchors = ("id", "name") if tag == "a" else ("id",)
        self.anchors |= {values[name] for name in anchors if name in values}
        self.links += [values[name] for name in ("href", "src") if name in values]
        sources = values.get("srcset", "").split(",")
        self.links += [source.split()[0] for source in sources if source.strip()]


def broken(root: Path) -> Iterator[str]:
    """Each link that leads nowhere, with the page it stands on; other hosts are not asked."""
    pages = {path.resolve(): Page(path) for path in sorted(root.rglob("*.html"))}
    for path, page in pages.items():
        for link in page.links:
            if re.match("[a-z]+:", link):
                continue
            place, _, anchor = link.partition("#")
            place, anchor = unquote(place.partition("?")[0]), unquote(anchor)
            target = (path.parent / place).resolve() if place else path
            known = pages[target].anchors if target in pages else set()
            if not target.exists() or (anchor and target in pages and anchor not in known):
                yield f"{path.relative_to(root.resolve())}: {link}"


if __name__ == "__main__":
    found = list(broken(Path(sys.argv[1])))
    sys.exit("links that lead nowhere\n  " + "\n  ".join(found) if found else 0)
