"""The page of loss cards, from the docstrings, as ``ganloss losses show`` prints them."""

from pathlib import Path

from ganloss.cards import Card, cards

HEADINGS = {
    "pair": "Pairs",
    "penalty": "Penalties",
    "generator penalty": "Penalties of the generator",
    "term": "Terms",
}


def write(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    parts = ["# Loss cards", "", "`ganloss losses show NAME` prints one of these in a terminal."]
    kind = ""
    for card in cards():
        if card.kind != kind:
            kind = card.kind
            parts += ["", f"## {HEADINGS[kind]}"]
        parts += ["", *_section(card)]
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _section(card: Card) -> list[str]:
    formula = f"```text\n{card.formula_text}\n```"
    rows = {"Needs": card.needs, "Shapes": card.shapes, "Range": card.range}
    rows |= {"Use": card.use, "Cost": card.cost}
    rows |= {"Measured": card.measured, "Elsewhere": card.peers}
    rows |= {
        f"`{name}`": f"{f'`{default}`: ' if default else 'must be given: '}{card.meanings[name]}"
        for name, default in card.settings.items()
    }
    rows |= {"Source": " ".join(reference.text for reference in card.references)}
    table = ["| | |", "|---|---|", *(f"| {k} | {_cell(v)} |" for k, v in rows.items())]
    title = f"### {card.name}: `{card.cls.__name__}`"
    return [title, "", card.summary, "", formula, "", *card.notes, "", *table]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
