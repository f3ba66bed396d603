"""``ganloss losses``: every loss by name, and a card for each."""

import sys
from typing import TYPE_CHECKING

from ganloss._errors import UsageError

if TYPE_CHECKING:
    from ganloss.cards import Card

_HELP = """\
usage: ganloss losses [list]
       ganloss losses show NAME [--bibtex]

list    every pair, penalty and term, with the games of `ganloss train --loss`
show    formula, when to use it, cost, defaults, source, and what others call it
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


def _check_flags(flags: set[str]) -> None:
    for flag in flags - {"--bibtex"}:
        raise UsageError(f"there is no {flag}; see `ganloss losses --help`")


def _list() -> int:
    from rich.console import Console
    from rich.table import Table

    from ganloss.cards import cards
    from ganloss.games import ALIASES, GAMES

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    kind = ""
    for card in cards():
        if card.kind != kind:
            table.add_row(*(["", "", ""] if kind else []))
            table.add_row(f"[bold]{_PLURALS[card.kind]}[/bold]")
            kind = card.kind
        table.add_row(f"[cyan]{card.name}[/cyan]", f"[dim]{card.cls.__name__}[/dim]", card.summary)
    console.print(table)
    games = " ".join(name for name in GAMES if name not in ALIASES)
    console.print(f"\n[bold]games[/bold] (train --loss)\n{games}")
    also = ", ".join(f"{alias} = {name}" for alias, name in ALIASES.items())
    console.print(f"[dim]also {also}[/dim]")
    console.print("\n`ganloss losses show NAME` gives the card of one.", markup=False)
    return 0


def _show(name: str, *, bibtex: bool) -> int:
    from ganloss.cards import card

    try:
        found = card(name)
    except KeyError as error:
        raise UsageError(f"{error.args[0]}; see `ganloss losses list`") from error
    if bibtex:
        entries = [r.bibtex for r in found.references if r.authors]
        sys.stdout.write("\n\n".join(entries) + "\n")
        return 0
    _print_card(found)
    return 0


def _print_card(card: "Card") -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table

    console = Console(highlight=False)
    console.width = min(console.width, 100)
    console.print(
        f"[bold cyan]{card.name}[/bold cyan]  [dim]{card.kind}, ganloss.{card.cls.__name__}[/dim]"
    )
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
