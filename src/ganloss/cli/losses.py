"""``ganloss losses``: every loss by name, and a card for each."""

import sys
from typing import TYPE_CHECKING

from ganloss._errors import UsageError
from ganloss._version import __version__

if TYPE_CHECKING:
    from ganloss.cards import Card
    from ganloss.games import Game

_HELP = """\
usage: ganloss losses [list]
       ganloss losses show NAME [--bibtex]

list    every pair, penalty and term, with the games of `ganloss train --loss`
show    formula, when to use it, cost, defaults, source, and what others call it; of a game its
        pair, penalties, constraint, steps and optimisers; with --bibtex the papers to cite
"""


_PLURALS = {
    "pair": "pairs",
    "penalty": "penalties",
    "generator penalty": "penalties of the generator",
    "term": "terms",
}


def run(arguments: list[str]) -> int:
    """Run ``ganloss losses [list | show NAME [--bibtex]]``.

    >>> run(["show", "l1"])  # doctest: +ELLIPSIS
    l1  term, ganloss.L1
    Mean absolute error.
    ...
    0
    """
    words = [word for word in arguments if not word.startswith("-")]
    flags = {word for word in arguments if word.startswith("-")}
    if flags & {"-h", "--help"}:
        sys.stdout.write(_HELP)
        return 0
    _check_flags(flags)
    verb, *names = words or ["list"]
    if verb == "list" and not names:
        return _list()
    if verb == "show" and len(names) == 1:
        return _show(names[0], bibtex="--bibtex" in flags)
    raise UsageError(f"{' '.join(words)!r} is not understood; see `ganloss losses --help`")


#: Columns of a terminal from which on the classes get one of their own.
_THREE_COLUMNS = 110


def _check_flags(flags: set[str]) -> None:
    for flag in flags - {"--bibtex"}:
        raise UsageError(f"there is no {flag}; see `ganloss losses --help`")


def _list() -> int:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"[dim]ganloss {__version__}[/dim]\n")  # what follows waits for torch
    from ganloss.cards import cards
    from ganloss.games import ALIASES, GAMES

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    narrow = console.width < _THREE_COLUMNS
    kind = ""
    for card in cards():
        if card.kind != kind:
            table.add_row(*([""] if kind else []))
            table.add_row(f"[bold]{_PLURALS[card.kind]}[/bold]")
            kind = card.kind
        name, cls = f"[cyan]{card.name}[/cyan]", f"[dim]{card.cls.__name__}[/dim]"
        cells = (f"{cls}  {card.summary}",) if narrow else (cls, card.summary)
        table.add_row(name, *cells)
    console.print(table)
    games = " ".join(name for name in GAMES if name not in ALIASES)
    console.print(f"\n[bold]games[/bold] (train --loss)\n{games}")
    also = ", ".join(f"{alias} = {name}" for alias, name in ALIASES.items())
    console.print(f"[dim]also {also}[/dim]")
    console.print("\n`ganloss losses show NAME` gives the card of one.", markup=False)
    return 0


def _show(name: str, *, bibtex: bool) -> int:
    key = name.strip().lower().replace("_", "-")
    if not bibtex:
        _print_title(key)
    from ganloss.cards import card
    from ganloss.games import GAMES

    game = GAMES.get(key)
    try:
        found = [card(name)]
    except KeyError as error:
        if game is None:
            raise UsageError(
                f"no loss or game {name!r}{_nearest(key)}; see `ganloss losses list`"
            ) from error
        found = []
    if bibtex:
        _print_bibtex(found or _cards_of(game))
        return 0
    for one in found:
        _print_card(one)
    if game is not None:
        sys.stdout.write("\n" if found else "")
        _print_game(key, game)
    return 0


def _print_title(key: str) -> None:
    """Print the title of a card before torch is imported for the rest of it."""
    from rich.console import Console

    from ganloss.losses import LOSSES
    from ganloss.penalties import GENERATOR_PENALTIES, PENALTIES
    from ganloss.terms import TERMS

    registries = (LOSSES, PENALTIES, GENERATOR_PENALTIES, TERMS)
    for kind, registry in zip(_PLURALS, registries, strict=True):
        for entry, cls in registry.public_names_by_entry().items():
            if key in (entry, cls.lower()):
                title = f"[bold cyan]{entry}[/bold cyan]  [dim]{kind}, ganloss.{cls}[/dim]"
                Console(highlight=False).print(title)
                return


def _nearest(name: str) -> str:
    from ganloss._lazy import suggest
    from ganloss.cards import cards
    from ganloss.games import GAMES

    return suggest(name, [*(card.name for card in cards()), *GAMES])


def _print_bibtex(cards: "list[Card]") -> None:
    entries = [r.bibtex for card in cards for r in card.references if r.authors]
    sys.stdout.write("\n\n".join(dict.fromkeys(entries)) + "\n")


def _cards_of(game: "Game | None") -> "list[Card]":
    """Cards of what a game consists of."""
    from ganloss.cards import cards

    pair = None if game is None else game.pair
    penalties = [] if game is None else [w.penalty for w in game.penalties.values()]
    kinds = [type(part) for part in (pair, getattr(pair, "base", None), *penalties)]
    return [card for card in cards() if card.cls in kinds]


def _print_game(name: str, game: "Game") -> None:
    from rich.console import Console
    from rich.table import Table

    from ganloss.games import ALIASES
    from ganloss.outputs import ScoreOutput

    console = Console(highlight=False)
    console.width = min(console.width, 100)
    console.print(f"[bold cyan]{name}[/bold cyan]  [dim]game, train --loss {name}[/dim]")
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    real = ALIASES.get(name, name)
    also = [alias for alias, of in ALIASES.items() if of == real and alias != name]
    penalties = [
        f"{key} = {w.weight!r} × {w.penalty!r}" + " of the generator" * w.of_generator
        for key, w in game.penalties.items()
    ]
    both = game.optimisers.discriminator, game.optimisers.generator
    rows = {
        "another name of": real if real != name else "",
        "also called": ", ".join(also),
        "pair": repr(game.pair),
        "penalties": "\n".join(penalties) or "none",
        "constraint": "none" if game.constraint is None else repr(game.constraint),
        "steps": f"{game.critic_steps} of D for each of G",
        "optimisers": repr(both[0]) if both[0] == both[1] else "D {!r}\nG {!r}".format(*both),
        "D gives": "" if game.output == ScoreOutput() else repr(game.output),
        "cards": ", ".join(card.name for card in _cards_of(game)),
    }
    for word, text in rows.items():
        if text:
            table.add_row(word, _escaped(text))
    console.print(table)


def _print_card(card: "Card") -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table

    console = Console(highlight=False)
    console.width = min(console.width, 100)
    console.print(card.summary, markup=False)
    console.print()
    console.print(Padding(card.formula_text, (0, 0, 0, 4)), markup=False)
    for note in card.notes:
        console.print()
        console.print(note, markup=False)
    console.print()
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    rows = {
        "needs": card.needs,
        "shapes": card.shapes,
        "range": card.range,
        "use": card.use,
        "cost": card.cost,
        "measured": card.measured,
        "elsewhere": card.peers,
    }
    for parameter, default in card.settings.items():
        value = f"= {default}" if default else "(must be given)"
        meaning = card.meanings.get(parameter, "")
        rows[parameter] = f"{value}   {meaning}".strip()
    for i, reference in enumerate(card.references):
        rows["source" if i == 0 else " " * i] = reference.text
    for word, text in rows.items():
        if text:
            table.add_row(word, _escaped(text))
    console.print(table)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
