"""Folders, images, classes and runs whose names are markup, from the command line to Chromium."""

from pathlib import Path

import pytest

from cli.runs import only_run
from data.folders import fill
from ganloss.cli import main

HOSTILE = "<img src=x onerror=alert(1)>"
QUOTES = "\"' onload=alert(2) x='"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run on classes, one of them with a damaged image, all named with markup."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANLOSS_CACHE", str(tmp_path / "cache"))
    data = Path(HOSTILE)
    fill(data / "<script>alert(3)<", 16)
    fill(data / QUOTES, 16, seed=1)
    (data / QUOTES / f"{HOSTILE}.png").write_bytes(b"damaged")
    words = ("train", "generate", "--data", HOSTILE, "--cond", "--loss", "ns", "--image-size",
             "8", "--batch-size", "8", "--steps", "2", "--snap", "1", "--name",
             "</title><b>")  # fmt: skip
    assert main([*words, "--metrics", "none"]) == 0
    return only_run(Path("runs")).resolve()


def test_a_run_with_hostile_names_is_text(visit, run):
    seen = visit(run)
    seen.page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))
    seen.page.wait_for_timeout(300)
    seen.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert seen.complaints == []
    assert seen.page.locator("img[src=x]").count() == 0
    assert seen.page.locator("[onerror], [onload]").count() == 0
    text = seen.page.locator("body").inner_text()
    assert HOSTILE in text
    assert "onload=alert(2)" in text


def test_control_the_same_name_as_markup_is_seen(visit, run):
    """Put into the page as markup, the name does what it says."""
    page = run / "index.html"
    page.write_text(page.read_text("utf-8").replace("<body>", f"<body>{HOSTILE}"), "utf-8")
    messages = []
    seen = visit(run)
    seen.page.on("dialog", lambda dialog: messages.append(dialog.message) or dialog.accept())
    seen.page.reload()
    seen.page.wait_for_timeout(300)
    assert seen.page.locator("img[src=x]").count() == 1
    assert messages or seen.complaints
