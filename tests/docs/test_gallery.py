"""Each loss and penalty has its page in the gallery: an analogy, and pictures that are there."""

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganloss.cards import Card, cards
from ganloss.losses import LOSSES
from ganloss.penalties import PENALTIES

DOCS = Path(__file__).parents[2] / "docs"
KINDS = ("pair", "penalty", "generator penalty")
GAMES = [card for card in cards() if card.kind in KINDS]
FILM_BYTES, GALLERY_BYTES, README_BYTES = 150_000, 6_000_000, 400_000


@pytest.fixture(scope="module")
def gallery() -> Any:
    pytest.importorskip("matplotlib")
    sys.path.insert(0, str(DOCS))
    try:
        import make_gallery
    finally:
        sys.path.pop(0)
    return make_gallery


def lacks(gallery: Any, card: Card) -> list[str]:
    """What the page of a pair or penalty would not have; all pages are drawn by ``make docs``."""
    rings = gallery.SHOWN.get(card.name, ())
    missing = [] if rings else ["films"]
    missing += [] if card.name in gallery.ANALOGIES else ["analogy"]
    missing += [f"{name}: facts" for name in rings if name not in gallery.FACTS]
    files = [path for name in rings for path in pictures(card, name)]
    return missing + [path.name for path in files if not path.is_file()]


def pictures(card: Card, ring: str) -> list[Path]:
    endings = (".webp", ".png", "-critic.png") if card.kind == "penalty" else (".webp", ".png")
    return [DOCS / "pictures" / "rings" / f"{ring}{ending}" for ending in endings]


def test_every_pair_and_penalty_is_a_card() -> None:
    assert {*LOSSES, *PENALTIES} <= {card.name for card in GAMES}


@pytest.mark.parametrize("card", GAMES, ids=lambda card: card.name)
def test_nothing_is_missing(gallery: Any, card: Card) -> None:
    assert lacks(gallery, card) == []


def test_control_what_is_missing_is_seen(gallery: Any) -> None:
    hinge = next(card for card in GAMES if card.name == "hinge")
    assert lacks(gallery, replace(hinge, name="no-such-loss")) == ["films", "analogy"]


@pytest.mark.parametrize("name", ["hinge", "gp", "path-length", "kl"])
def test_a_page(gallery: Any, name: str) -> None:
    (card,) = (card for card in cards() if card.name == name)
    page = gallery.page(card)
    for part in ("```{math}", '<p class="analogy">', "| When to use | ", "| Paper | "):
        assert part in page
    named = re.findall(r'(?:src|srcset)="\.\./_static/([^"]+)"', page)
    assert [path for path in named if not (DOCS / "pictures" / path).is_file()] == []
    assert ("<svg" in page) != (name == "path-length")
    assert bool(named) != (name == "kl")


def test_every_card_has_an_analogy_of_a_few_sentences(gallery: Any) -> None:
    assert {card.name for card in cards()} == set(gallery.ANALOGIES)
    for words in gallery.ANALOGIES.values():
        assert 1 <= len(re.findall(r"[.?!](?:\s|$)", words)) <= 3, words


def test_films_move_and_are_small(gallery: Any) -> None:
    for name in gallery.RINGS:
        film = DOCS / "pictures" / "rings" / f"{name}.webp"
        assert 0 < film.stat().st_size <= FILM_BYTES, name
        with Image.open(film) as opened:
            assert getattr(opened, "n_frames", 1) >= 10, name
    everything = sum(path.stat().st_size for path in (DOCS / "pictures" / "rings").iterdir())
    assert everything <= GALLERY_BYTES


def test_the_film_of_the_readme() -> None:
    film = DOCS / "pictures" / "digits.gif"
    assert "](docs/pictures/digits.gif)" in (DOCS.parent / "README.md").read_text("utf-8")
    assert film.stat().st_size <= README_BYTES
    with Image.open(film) as opened:
        assert getattr(opened, "n_frames", 1) >= 10
