"""The gallery: a page for each loss, penalty and term, with pictures drawn by running it."""

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import distortions
import loss_curves
import term_curves
from analogies import ANALOGIES
from drawing import raw, row
from rings import ADAM, BATCH, RINGS, STEPS

from ganloss.cards import Card, Reference, cards

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
FACTS: dict[str, dict[str, float]] = json.loads((PICTURES / "rings" / "facts.json").read_text())
#: The rings of each page: without what the page is about, and with it.
SHOWN: dict[str, tuple[str, ...]] = {
    "minimax": ("minimax", "minimax-r1"),
    "non-saturating": ("ns", "ns-r1"),
    "wasserstein": ("wgan", "wgan-gp"),
    "least-squares": ("lsgan", "lsgan-r1"),
    "hinge": ("hinge", "hinge-sn"),
    "relativistic": ("rgan", "r3gan"),
    "relativistic-average": ("ragan", "ragan-r1"),
    "f-divergence": ("fgan-kl", "fgan-kl-r1"),
    "dual-contrastive": ("dual-contrastive",),
    "softmax": ("softmax",),
    "boundary-seeking": ("bgan",),
    "mmd": ("mmd",),
    "sphere": ("sphere",),
    "realness": ("realness",),
    "energy-based": ("ebgan",),
    "boundary-equilibrium": ("began",),
    "gp": ("wgan", "wgan-gp"),
    "r1": ("ns", "ns-r1"),
    "r2": ("rgan", "r3gan"),
    "dragan": ("ns", "ns-dragan"),
    "max-gp": ("wgan", "wgan-max-gp"),
    "wgan-div": ("wgan", "wgan-div"),
    "lecam": ("hinge", "hinge-lecam"),
    "consistency": ("hinge", "hinge-consistency"),
    "drift": ("wgan", "wgan-gp"),
    "orthogonal": ("ns", "ns-orthogonal"),
    "spectral": ("hinge", "hinge-sn"),
    "approximate-r1": ("ns", "ns-r1"),
    "approximate-r2": ("rgan", "r3gan"),
    "path-length": ("ns-r1", "ns-r1-path-length"),
    "mode-seeking": ("ns", "ns-mode-seeking"),
    "latent-consistency": ("ns", "ns-latent-consistency"),
    "pulling-away": ("ebgan",),
}
#: What is said of films that are not of the penalty by itself, or need a word.
NOTES = {
    "gp": "Points in a plane take a smaller weight than images, for which it is 10.",
    "r2": "The game it was made for has it beside R1.",
    "drift": "These films are of the game it is used with, and are without it.",
    "path-length": "The weight is that of StyleGAN2, for images; on this ring it leaves one mode.",
    "spectral": "These films are of spectral norm, a constraint, which this penalty softens.",
    "pulling-away": "Without it: codes of points are one number here, and cannot be orthogonal.",
    "approximate-r1": "These films are of R1 itself, which this comes close to.",
    "approximate-r2": "These films are of R2 itself, beside R1, which this comes close to.",
}
PARTS = {
    "pair": "Pairs",
    "penalty": "Penalties of the discriminator",
    "generator penalty": "Penalties of the generator",
    "term": "Terms",
}
_HELD = " The other side's scores are held at 0."


def write(folder: Path) -> None:
    """Write all pages, and the pictures that are drawn for them."""
    folder.mkdir(exist_ok=True)
    distortions.write(PICTURES / "distorted")
    everything = list(cards())
    for card in everything:
        (folder / f"{card.name}.md").write_text(page(card), encoding="utf-8")
    (folder / "index.md").write_text(index(everything), encoding="utf-8")


def index(everything: list[Card]) -> str:
    parts = [
        "# Gallery", "",
        "What each loss does, drawn from the loss itself. Small pictures are eight Gaussians on a "
        "circle (orange) and what a generator makes of them (blue) at the end of "
        f"{STEPS:,} steps; all were trained alike, so what differs is the loss.",
    ]  # fmt: skip
    for kind, title in PARTS.items():
        mine = [card for card in everything if card.kind == kind]
        links = "".join(_link(card) for card in mine)
        parts += ["", f"## {title}", "", raw(f'<div class="cards">{links}</div>')]
        pages = [f"{card.name} <{card.name}>" for card in mine]
        parts += ["", "```{toctree}", ":hidden:", "", *pages, "```"]
    return "\n".join(parts) + "\n"


def _link(card: Card) -> str:
    image = thumbnail(card)
    picture = f'<img src="../_static/{image}" alt="" loading="lazy">' if image else ""
    words = html.escape(card.summary)
    return f'<a href="{card.name}.html">{picture}<b>{card.name}</b><br>{words}</a>'


def thumbnail(card: Card) -> str | None:
    """The small picture of a card."""
    shown = SHOWN.get(card.name)
    if shown is None:
        return None
    return f"rings/{shown[0] if card.kind == 'pair' else shown[-1]}.png"


def page(card: Card) -> str:
    """One page in Markdown."""
    analogy = html.escape(ANALOGIES[card.name])
    parts = [f"# {card.name}: `{card.cls.__name__}`", "", card.summary]
    parts += ["", raw(f'<p class="analogy">{analogy}</p>'), ""]
    parts += [block for formula in card.formula for block in ("```{math}", formula, "```", "")]
    parts += [block for note in card.notes for block in (_text(note), "")]
    for section in pictures(card):
        parts += [section.title, "", section.body, ""]
    return "\n".join([*parts, "## Facts", "", *_facts(card)]) + "\n"


@dataclass(frozen=True)
class Section:
    """A heading with its pictures."""

    heading: str
    body: str

    @property
    def title(self) -> str:
        return f"## {self.heading}"


def pictures(card: Card) -> Iterator[Section]:
    """The pictures of a card, under their headings."""
    if card.kind == "pair":
        yield Section("What each player feels", _curves(card.name))
    if card.kind == "penalty":
        drawn = loss_curves.penalty_curve(card.name)
        yield Section("What it charges", row((drawn, "256 points, worked out by the penalty.")))
    dirac = _dirac(card)
    if dirac is not None:
        yield dirac
    if card.name in SHOWN:
        yield Section("On eight Gaussians", _rings(card.name))
    scored = [name for name in SHOWN.get(card.name, ()) if "slope" in FACTS[name]]
    if scored:
        yield Section("What the discriminator looks like", _landscapes(scored))
    if card.name in (*distortions.TERMS, *distortions.NETWORKS):
        yield Section("One photograph, seven faults of the same squared error", _photos(card.name))
    drawn = term_curves.drawn(card.name)
    if drawn is not None:
        yield Section("What it says", row(drawn))


def _curves(name: str) -> str:
    loss = loss_curves.pair(name)
    held = "" if isinstance(loss, loss_curves.ElementwisePair) else _HELD
    caption = (
        "Both players go downhill. Shaded: G gets less than 5 % of its steepest slope; the bars "
        f"below say the same of every curve.{held} Drawn: <code>{html.escape(repr(loss))}</code>."
    )
    figures = [(loss_curves.curves(name), caption)]
    if name == "f-divergence":
        figures.append((loss_curves.divergences(), "The seven divergences."))
    return row(*figures)


def _dirac(card: Card) -> Section | None:
    draw = {"pair": loss_curves.trajectory, "penalty": loss_curves.penalised_trajectory}
    drawn = draw[card.kind](card.name) if card.kind in draw else None
    if drawn is None:
        return None
    caption = (
        "The smallest GAN: data at 0, a generator at θ, D(x) = ψx. From (1, 1) it should come to "
        'the star. <a href="../explanation/dirac.html">What this shows.</a>'
    )
    return Section("On the Dirac-GAN", row((drawn, caption)))


def _rings(card: str) -> str:
    films = row(*((film(name), _ring_words(name)) for name in SHOWN[card]))
    alike = (
        f"The same weights, data, latents and optimisers in all films: {STEPS:,} steps of {BATCH}, "
        f"Adam {ADAM.lr:g} with cosine decay, one D step to a G step."
    )
    return "\n\n".join([films, *([NOTES[card]] if card in NOTES else []), alike])


def film(name: str) -> str:
    """A film that stands still for readers who asked for less motion."""
    words = html.escape(f"Samples of {name} on the ring while it trains")
    return (
        '<picture><source media="(prefers-reduced-motion: reduce), print" '
        f'srcset="../_static/rings/{name}.png">'
        f'<img class="small" src="../_static/rings/{name}.webp" alt="{words}" width="240" '
        'height="240" loading="lazy"></picture>'
    )


def _ring_words(name: str) -> str:
    facts = FACTS[name]
    what = html.escape(RINGS[name].words)
    return (
        f"<b>{name}</b>, {what}: {facts['covered']:.0f} of 8 modes, {facts['good']:.0%} of the "
        f"samples within three standard deviations of one, {facts['near']:.0%} within ten"
    )


def _landscapes(names: list[str]) -> str:
    def words(name: str) -> str:
        slope = FACTS[name]["slope"]
        return f"<b>{name}</b>: mean slope at real samples {slope:.3g}"

    figures = [
        (
            f'<img class="small" src="../_static/rings/{name}-critic.png" width="240" height="240" '
            f'alt="Scores of the discriminator of {name} over the plane" loading="lazy">',
            words(name),
        )
        for name in names
    ]
    note = (
        "Scores at the end of training, in twelve steps from its lowest (blue) to its highest "
        "(yellow) in this square; circles are the modes. The number says how steep it is."
    )
    return f"{row(*figures)}\n\n{note}"


@cache
def _image_terms() -> Mapping[str, dict[str, float]]:
    terms = {**distortions.TERMS, **distortions.networks()}
    return {name: distortions.values(term) for name, term in terms.items()}


def _photos(name: str) -> str:
    found = _image_terms()[name]
    low, high = min(0.0, *found.values()), max(0.0, *found.values())

    def bar(value: float) -> str:
        share = abs(value) / max(high, -low)
        return f'<span class="bar" style="width:{100 * share:.0f}%"></span>'

    cells = [
        f'<figure><img src="../_static/distorted/{what.lower()}.webp" width="192" height="192" '
        f'alt="The photograph with {what}"><figcaption>{what}<br>{bar(value)}<br><b>{value:.4g}</b>'
        "</figcaption></figure>"
        for what, value in found.items()
    ]
    network = name in distortions.NETWORKS
    note = (
        "Every version has the same mean squared error from the original, found by bisection; the "
        "number is this term's."
    ) + (" Its network has random weights here, so that nothing is downloaded." if network else "")
    return raw('<div class="photos">', *cells, "</div>") + f"\n\n{note}"


def _facts(card: Card) -> list[str]:
    rows = {"When to use": card.use, "Needs": card.needs, "Range": card.range}
    rows |= {"Cost": card.cost, "Measured": card.measured, "Elsewhere": card.peers}
    rows |= {
        f"`{name}`": f"{f'`{default}`: ' if default else 'must be given: '}{card.meanings[name]}"
        for name, default in card.settings.items()
    }
    rows = {key: _text(value) for key, value in rows.items() if value}
    rows["Paper"] = " ".join(_reference(reference) for reference in card.references)
    return ["| | |", "|---|---|", *(f"| {key} | {_cell(value)} |" for key, value in rows.items())]


def _reference(reference: Reference) -> str:
    text = _text(reference.text)
    if not reference.arxiv:
        return text
    link = f"[arXiv:{reference.arxiv}](https://arxiv.org/abs/{reference.arxiv})"
    return text.replace(f"arXiv:{reference.arxiv}", link)


def _text(text: str) -> str:
    return re.sub(r"([*_])", r"\\\1", text) if "`" not in text else text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
