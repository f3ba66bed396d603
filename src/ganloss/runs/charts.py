"""The charts of a run's page, as data for the script and in words for everybody else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ganloss.runs.reading import Metric, Row, finite, mapping
from ganloss.runs.wording import number

T = TypeVar("T")

AXES = {"images": "real images shown", "seconds": "seconds of training", "step": "steps"}
_NEVER_NEGATIVE = ("score", "gradients", "penalties")
_SHARES = ("modes covered", "good samples", "precision", "recall")
_MOST_POINTS = 1000


@dataclass(frozen=True)
class Line:
    """One line of a chart: its name, the role that gives its colour, and values or gaps.

    >>> Line("the run", "score", [2.0, None, 1.0]).y[1]
    """

    name: str
    role: str
    y: list[float | None]


def charts_of(
    metric: Metric | None, scored: Sequence[Row], trained: Sequence[Row]
) -> list[dict[str, Any]]:
    """The charts that have anything to show.

    >>> [chart["title"] for chart in charts_of(None, [{"step": 1, "fd": 2.0}], [])]
    ['Score']
    """
    scored, trained = thin(scored, _MOST_POINTS), thin(trained, _MOST_POINTS)
    title = "Score" + (f" ({metric.name})" if metric else "")
    charts = [
        _chart("score", title, "Lower is better.",
               [Line("the run", "score", _column(scored, metric.key if metric else "fd"))],
               "scored", _references(metric)),
        _chart("found", "Samples against the known distribution",
               "It is known for this data set, so this is counted, not estimated.",
               [Line(name, f"term{i % 4}", _percent(_column(scored, "found", name)))
                for i, name in enumerate(_SHARES)], "scored"),
        _chart("psnr", "PSNR on held-out pairs", "In decibels; higher is better.",
               [Line("outputs", "score", _column(scored, "psnr"))], "scored"),
        _chart("ssim", "SSIM on held-out pairs", "1 is equality; higher is better.",
               [Line("outputs", "score", _column(scored, "ssim"))], "scored"),
        _chart("directions", "Both directions", "Fréchet distances to the other domain; lower is "
               "better.",
               [Line(way, player, _column(scored, "directions", way))
                for way, player in (("A to B", "d"), ("B to A", "g"))], "scored"),
        _chart("cycle", "There and back", "Mean absolute error of held-out images that were "
               "translated and translated back; black and white are 1 apart.",
               [Line(way, player, _column(scored, "there and back", way))
                for way, player in (("from A", "d"), ("from B", "g"))], "scored"),
        _chart("losses", "Losses",
               "Each player minimises its own; a falling curve alone does not mean better samples.",
               [Line(word, player, _column(trained, player, "total"))
                for player, word in (("d", "discriminator"), ("g", "generator"))]),
        _chart("judgement", "How well the discriminator judges",
               "Share of real scores above the typical fake score: 50% is guessing, near 100% "
               "for long means the discriminator wins.",
               [Line("right", "d", _percent(_column(trained, "scores", "gap_accuracy")))],
               # The curve is above the line in all but the first steps.
               references=[{"name": "guessing", "value": 50.0, "side": "left", "below": True}]),
        _chart("augment", "Augmentation",
               "The probability of each operation rises while the overfitting (real scores above "
               "undecided minus below, as shares) is above its target, and falls below.",
               [Line("probability", "term0", _column(trained, "augment", "p")),
                Line("overfitting", "real", _column(trained, "augment", "overfitting"))]),
        _chart("scores", "Scores the discriminator gives",
               "Real above fake; the closer they are, the harder they are to tell apart.",
               [Line(kind, kind, _column(trained, "scores", kind)) for kind in ("real", "fake")]),
        _chart("gradients", "Gradient norms",
               "A norm that falls towards 0 means that player stops learning.",
               [Line(word, player, _column(trained, "gradient", player))
                for player, word in (("d", "discriminator"), ("g", "generator"))]),
        _chart("penalties", "Penalties and further terms", "Before their weights.",
               [Line(f"{player.upper()}: {term}", f"term{i % 4}", _column(trained, player, term))
                for i, (player, term) in enumerate(_terms(trained))]),
    ]  # fmt: skip
    return [chart for chart in charts if chart["lines"]]


def _terms(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Players and names of the terms besides the adversarial one, in order of appearance."""
    names = {
        (player, str(term)): None
        for player in ("d", "g")
        for row in rows
        for term in mapping(row.get(player))
    }
    return [(player, term) for player, term in names if term not in ("total", "adv")]


def _chart(
    key: str,
    title: str,
    note: str,
    lines: Sequence[Line],
    x: str = "trained",
    references: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    lines = [line for line in lines if any(value is not None for value in line.y)]
    values = [value for line in lines for value in line.y]
    values += [reference["value"] for reference in references]
    return {
        "key": key,
        "title": title,
        "note": note,
        "x": x,
        "scale": "log" if key in _NEVER_NEGATIVE and _spans_decades(values) else "",
        "percent": key in ("judgement", "found"),
        "lines": [{"name": line.name, "role": line.role, "y": line.y} for line in lines],
        "references": [*references],
        "words": "; ".join(_in_words(line) for line in lines),
    }


def _spans_decades(values: Sequence[float | None]) -> bool:
    """Whether the values ask for a logarithmic axis: all positive, over more than a factor 30."""
    known = [value for value in values if value is not None]
    return bool(known) and min(known) > 0 and max(known) > 30 * min(known)


def _in_words(line: Line) -> str:
    known = [value for value in line.y if value is not None]
    return (
        f"{line.name} goes from {number(known[0])} to {number(known[-1])}, "
        f"between {number(min(known))} and {number(max(known))}"
    )


def _references(metric: Metric | None) -> list[dict[str, Any]]:
    if metric is None:
        return []
    found = [
        {"name": "real images", "value": metric.reference, "side": "left"},
        {"name": metric.noise_meaning, "value": metric.noise, "side": "right"},
    ]
    return [reference for reference in found if reference["value"] is not None]


def abscissae(rows: Sequence[Row]) -> dict[str, list[float | None]]:
    """Values of every axis a chart may be drawn against.

    >>> abscissae([{"step": 1, "images": 64, "seconds": 0.5}, {"step": 2}])
    {'images': [64.0, None], 'seconds': [0.5, None], 'step': [1.0, 2.0]}
    """
    return {axis: _column(thin(rows, _MOST_POINTS), axis) for axis in AXES}


def _column(rows: Sequence[Row], *keys: str) -> list[float | None]:
    return [_rounded(dig(row, *keys)) for row in rows]


def dig(row: Row, *keys: str) -> float | None:
    """Give the number under nested keys, or None.

    >>> dig({"d": {"gp": 0.1}}, "d", "gp"), dig({"d": 1}, "d", "gp")
    (0.1, None)
    """
    value: Any = row
    for key in keys:
        value = mapping(value).get(key)
    return finite(value)


def _rounded(value: float | None) -> float | None:
    """Six digits: more than a screen shows, and half the size of the page."""
    return None if value is None else float(f"{value:.6g}")


def _percent(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else _rounded(100 * value) for value in values]


def thin(items: Sequence[T], most: int) -> list[T]:
    """At most ``most`` of the items, evenly, the first and the last among them.

    >>> thin(range(9), 3)
    [0, 4, 8]
    """
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]
