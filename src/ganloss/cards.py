"""Loss cards: what a docstring says about a loss, taken apart for terminals and pages."""

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from importlib import resources
from typing import Any

from ganloss._latex import plain
from ganloss._lazy import suggest
from ganloss.losses import LOSSES, GANLoss
from ganloss.penalties import GENERATOR_PENALTIES, PENALTIES, GeneratorPenalty, Penalty
from ganloss.terms import TERMS

#: Sections that are sentences, each a field of the card.
_IN_WORDS = ("Shapes", "Range", "Use", "Cost", "Peers")
_SECTION = re.compile(r"^(Shapes|Range|Use|Cost|Peers|Args|Raises|References): ?(.*)", re.DOTALL)


@dataclass(frozen=True)
class Reference:
    """A paper.

    Args:
        text: the reference as written.
        authors, title, year, arxiv: its parts; empty where the text does not say.

    >>> Reference.parse('Lim & Ye, "Geometric GAN", 2017, arXiv:1705.02894, equation 4').arxiv
    '1705.02894'
    """

    text: str
    authors: str
    title: str
    year: str
    arxiv: str

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Take a reference of a docstring apart.

        >>> Reference.parse('Lim & Ye, "Geometric GAN", 2017, arXiv:1705.02894.').year
        '2017'
        """
        quoted = re.search(r'^(.*?), "([^"]*)"', text)
        year = re.search(r"\b(19|20)\d\d\b", text[quoted.end() :] if quoted else text)
        arxiv = re.search(r"arXiv:(\d{4}\.\d{4,5})", text)
        return cls(
            text=text,
            authors=quoted[1] if quoted else "",
            title=quoted[2] if quoted else text,
            year=year[0] if year else "",
            arxiv=arxiv[1] if arxiv else "",
        )

    @property
    def bibtex(self) -> str:
        """Entry for BibTeX; "et al." becomes "and others".

        >>> print(Reference.parse('Lim & Ye, "Geometric GAN", 2017, arXiv:1705.02894').bibtex)
        @misc{lim2017geometric,
          author = {Lim and Ye},
          title = {{Geometric GAN}},
          year = {2017},
          eprint = {1705.02894},
          archiveprefix = {arXiv},
        }
        """
        authors = self.authors.replace(" et al.", " and others").replace(" & ", " and ")
        first = re.sub(r"\W", "", authors.split(" and ")[0].split()[-1].lower())
        skipped = ("a", "an", "the", "on")
        words = [re.sub(r"\W", "", w).lower() for w in self.title.split()]
        word = next((w for w in words if w not in skipped), "")
        found = {
            "author": authors,
            "title": f"{{{self.title}}}",
            "year": self.year,
            "eprint": self.arxiv,
            "archiveprefix": "arXiv" if self.arxiv else "",
        }
        lines = [f"  {key} = {{{value}}}," for key, value in found.items() if value]
        return "\n".join([f"@misc{{{first}{self.year}{word},", *lines, "}"])


@dataclass(frozen=True)
class Card:
    """Everything one may want to know about a loss before using it.

    Args:
        name: key in its registry.
        kind: ``"pair"``, ``"penalty"``, ``"generator penalty"`` or ``"term"``.
        cls: the class.
        summary: one sentence.
        formula: LaTeX, one entry for each formula.
        notes: paragraphs of explanation.
        needs: what it must be given, in words.
        settings: parameters with their defaults as text; empty where there is none.
        meanings: what each parameter means.
        measured: what it was found to cost beside a training step of ``ns``, in words.
        shapes, range: what it takes, and which values it can have, for D and for G.
        use, cost, peers: when to use it, what it costs, what others call it and at which scale.
        references: where it comes from, the defining paper first.

    >>> (hinge,) = (card for card in cards() if card.name == "hinge")
    >>> hinge.kind, hinge.range
    ('pair', 'D [0, ∞), G (−∞, ∞).')
    >>> hinge.references[0].title
    'Geometric GAN'
    >>> hinge.formula_text.count("max")
    2
    """

    name: str
    kind: str
    cls: type
    summary: str
    formula: tuple[str, ...]
    notes: tuple[str, ...]
    needs: str
    settings: Mapping[str, str]
    meanings: Mapping[str, str]
    measured: str
    shapes: str
    range: str
    use: str
    cost: str
    peers: str
    references: tuple[Reference, ...]

    @property
    def formula_text(self) -> str:
        """The formulas for a terminal."""
        return "\n".join(plain(formula) for formula in self.formula)


def cards() -> Iterator[Card]:
    """Cards of all losses, penalties and terms.

    >>> {card.kind for card in cards()} == {"pair", "penalty", "generator penalty", "term"}
    True
    """
    for kind, registry in _REGISTRIES.items():
        for name in registry:
            yield _card(name, kind, registry[name])


def card(name: str) -> Card:
    """Card of one entry, by its name in a registry or its class's name.

    Raises:
        KeyError: with the nearest name.

    >>> card("hinge").settings
    {'margin': '1.0', 'fake_margin': 'None'}
    >>> card("Hinge").name
    'hinge'
    """
    key = name.strip().lower().replace("_", "-")
    for kind, registry in _REGISTRIES.items():
        if key in registry:
            return _card(key, kind, registry[key])
        for entry, home in registry.public_names_by_entry().items():
            if home.lower() == key:
                return _card(entry, kind, registry[entry])
    known = [entry for registry in _REGISTRIES.values() for entry in registry]
    raise KeyError(f"no loss {name!r}{suggest(key, known)}")


_STATISTIC = "; a statistic of the batch, local to a process unless across_processes"
_STATE = "; its controller's average is of the batches of its own process unless across_processes"
_REGISTRIES = {
    "pair": LOSSES,
    "penalty": PENALTIES,
    "generator penalty": GENERATOR_PENALTIES,
    "term": TERMS,
}


def _card(name: str, kind: str, cls: type) -> Card:
    summary, *rest = _paragraphs(inspect.getdoc(cls) or "")
    sections: dict[str, str] = {}
    formula: list[str] = []
    notes: list[str] = []
    for paragraph in rest:
        section = _SECTION.match(paragraph)
        if section:
            sections[section[1]] = section[2]
        elif paragraph.startswith(".. math::"):
            formula.append(paragraph.removeprefix(".. math::").strip())
        elif not paragraph.startswith(">>>"):
            notes.append(_words(paragraph))
    return Card(
        name=name,
        kind=kind,
        cls=cls,
        summary=_words(summary),
        formula=tuple(formula),
        notes=tuple(notes),
        needs=_needs(cls),
        settings=_settings(cls),
        meanings=_meanings(sections.get("Args", "")),
        measured=_measured(name, kind),
        **{key.lower(): _words(sections.get(key, "")) for key in _IN_WORDS},
        references=tuple(map(Reference.parse, _items(sections.get("References", "")))),
    )


def _measured(name: str, kind: str) -> str:
    """What ``benchmarks.costs`` found; empty where it was not run yet."""
    found = _costs()["entries"].get(name)
    if found is None:
        return ""
    time, memory = (_times(found[key]) for key in ("time", "memory"))
    what = {"pair": "a step with it takes", "term": "value and gradient take"}.get(
        kind, "a step of ns with it takes"
    )
    return f"{what} {time} the time and {memory} the memory of a step of ns"


def _times(ratio: float) -> str:
    return f"{ratio:.2g} ×" if ratio < 0.095 else f"{ratio:.2f} ×"


@cache
def _costs() -> dict[str, Any]:
    text = resources.files("ganloss").joinpath("costs.json").read_text(encoding="utf-8")
    return json.loads(text)


def _paragraphs(text: str) -> list[str]:
    return [p.strip() for p in text.split("\n\n") if p.strip()]


def _words(text: str) -> str:
    """One line of plain words: no markup of references, code or formulas."""
    text = " ".join(text.split())
    text = re.sub(r":math:`([^`]*)`", lambda m: plain(m[1]), text)
    text = re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"\1", text)
    return re.sub(r"\*(\w+)\*", r"\1", text.replace("``", ""))


def _items(text: str) -> list[str]:
    """References of a section: each ends with a full stop at the end of a line."""
    start = r"(?<=\.) (?=[A-Z][\w'&\- ,]+?(?:et al\.)?, \")"
    return [item.strip() for item in re.split(start, " ".join(text.split()))]


def _meanings(text: str) -> dict[str, str]:
    entries = re.split(r"\n\s{0,4}(?=[\w, ]+: )", "\n" + text)
    found = (entry.partition(": ") for entry in entries if ": " in entry)
    return {name.strip(): _words(meaning) for name, _, meaning in found}


def _settings(cls: type) -> dict[str, str]:
    if is_dataclass(cls):
        return {f.name: _default(f) for f in fields(cls)}
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: "" if p.default is p.empty else repr(p.default) for p in parameters}


def _default(item: Any) -> str:
    if item.default is not MISSING:
        return repr(item.default)
    return repr(item.default_factory()) if item.default_factory is not MISSING else ""


def _needs(cls: Any) -> str:
    if issubclass(cls, Penalty):
        # Defaults are class attributes, so this holds where arguments must be given as well.
        kinds = cls.__new__(cls).needs
        words = f"the discriminator, and {' and '.join(kinds)} samples" if kinds else "the network"
        return words + _locality(cls)
    if issubclass(cls, GeneratorPenalty):
        words = "the generator and latents" + (", twice" if cls.needs_others else "")
        return words + _locality(cls)
    if issubclass(cls, GANLoss):
        kind = "features" if cls.scores_are_features else "raw scores"
        kind = "energies" if cls.real_is_low else kind
        words = f"{kind} of real and of generated samples"
        if cls.generator_needs_real:
            words += ", for the generator's step as well"
        if cls.paired:
            words += "; equal batches"
        return words + _locality(cls)
    if hasattr(cls, "discriminator"):
        sides = {"D": cls.discriminator, "G": cls.generator}
        return "; ".join(f"for {k}: {', '.join(_parameters(side))}" for k, side in sides.items())
    words = ", ".join(_parameters(getattr(cls, "forward", None) or cls.__call__))
    return words + _locality(cls)


def _locality(cls: Any) -> str:
    """Which numbers come from the samples of one process only."""
    words = ""
    if getattr(cls, "batch_statistic", False):
        everywhere = "across_processes" in _settings(cls)
        words += _STATISTIC if everywhere else "; a statistic of the batch, local to a process"
    kinds = (Penalty, GeneratorPenalty, GANLoss)
    if any(issubclass(cls, k) and cls.controller is not k.controller for k in kinds):
        words += _STATE
    return words


def _parameters(call: Callable[..., Any]) -> list[str]:
    options = ("self", "weight", "reduction")
    return [name for name in inspect.signature(call).parameters if name not in options]
