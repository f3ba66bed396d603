"""The page of a run: a function of its folder, readable without a network or JavaScript."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from ganloss._version import __version__
from ganloss.engine.checkpoint import write_atomically
from ganloss.engine.health import verdicts
from ganloss.runs.folder import RunFolder, write_text

Row: TypeAlias = dict[str, Any]
T = TypeVar("T")

STATES = {
    "running": "Training now",
    "finished": "Finished",
    "interrupted": "Interrupted",
    "diverged": "Diverged",
    "failed": "Stopped by an error",
}

_PLOTLY = "plotly.min.js"
_AXES = {"images": "real images shown", "seconds": "seconds of training", "step": "steps"}
_NEVER_NEGATIVE = ("score", "gradients", "penalties")
_MOST_POINTS, _MOST_TABLE_ROWS, _MOST_CLASSES = 1000, 60, 40
_FILES = {
    "config.yaml": "settings",
    "metrics.jsonl": "all numbers",
    "log.txt": "log",
    "env.json": "machine and versions",
    "diverged.json": "values at the divergence",
    "export/generator.safetensors": "the generator for use elsewhere",
    "checkpoints/last.pt": "last checkpoint",
    "checkpoints/best.pt": "best checkpoint",
}


def write_page(run: Path) -> Path:
    """Write ``index.html`` from what lies in the run folder, and return its path.

    Pieces that are missing, unreadable or half-written are left out.

    Raises:
        StorageError: the disk is full or the folder is not writable.
    """
    _provide_plotly(run)
    page = RunFolder(run).page
    write_text(page, _template().render(_view(run)))
    return page


def _provide_plotly(run: Path) -> None:
    """Put plotly's script next to the page, once: pages opened from disk cannot fetch."""
    target = run / _PLOTLY
    if not target.exists():
        from plotly.offline import get_plotlyjs

        script = get_plotlyjs().encode("utf-8")
        write_atomically(target, lambda stream: stream.write(script))


@lru_cache(maxsize=1)
def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ganloss.runs", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, duration=duration, whole=whole)
    return environment.get_template("page.html.j2")


# What the folder says, with a default for everything that may be missing -------------------------


@dataclass(frozen=True)
class Metric:
    """The metric of a run with its reference rows; what is unknown is empty or None."""

    name: str
    meaning: str
    reference: float | None
    reference_meaning: str
    noise: float | None

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Metric":
        """Read ``metric`` of ``status.json``."""
        return cls(
            name=_text(values.get("name")) or "the score",
            meaning=_text(values.get("meaning")).rstrip("."),
            reference=_positive(values.get("reference")),
            reference_meaning=_text(values.get("reference_meaning")) or "real images",
            noise=_positive(values.get("noise")),
        )


@dataclass(frozen=True)
class Status:
    """``status.json``, with a default for every piece.

    Args:
        metric: None where the run was not scored.
        steps: the run's length, None when time is the limit.
    """

    state: str
    message: str
    title: str
    step: int | None
    steps: int | None
    seconds: float | None
    data: str
    metric: Metric | None
    facts: Mapping[str, str]
    extra: Mapping[str, str]
    skipped: Sequence[tuple[str, str]] = ()
    next: Sequence[str] = field(default_factory=list[str])

    @classmethod
    def read(cls, run: Path) -> "Status":
        """Read the status of a run folder."""
        values = _mapping(_json(_file(run / "status.json")))
        data = _mapping(values.get("data"))
        return cls(
            state=_text(values.get("state")),
            message=_text(values.get("message")),
            title=_text(values.get("title")) or run.resolve().name,
            step=_whole(values.get("step")),
            steps=_whole(values.get("steps")),
            seconds=_number(values.get("seconds")),
            data=_describe(data),
            metric=Metric.read(metric) if (metric := _mapping(values.get("metric"))) else None,
            facts=_texts(values.get("facts")),
            extra=_texts(values.get("extra")),
            skipped=[
                (_text(p[0]), _text(p[-1])) for p in map(_list, _list(data.get("skipped"))) if p
            ],
            next=[_text(item) for item in _list(values.get("next"))],
        )

    @property
    def running(self) -> bool:
        """Whether the page has to refresh itself."""
        return self.state == "running"

    @property
    def remaining(self) -> float | None:
        """Seconds left, from the pace so far."""
        if not self.running or not self.step or not self.steps or self.seconds is None:
            return None
        return self.seconds / self.step * max(self.steps - self.step, 0)


def _describe(data: Mapping[str, Any]) -> str:
    """Say what the images are, as far as it is known."""
    shape = [_whole(side) for side in _list(data.get("shape"))]
    parts = [_text(data.get("name"))]
    if (count := _whole(data.get("images"))) is not None:
        parts.append(f"{count:,} images")
    if len(shape) == 3 and None not in shape:
        parts.append(f"{shape[2]}×{shape[1]} {'gray' if shape[0] in (1, 2) else 'colour'}")
    return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Sample:
    """One grid of samples.

    Args:
        step: when it was made.
        source: its path, relative to the page.
    """

    step: int
    source: str


def _samples(run: Path) -> list[Sample]:
    folder = RunFolder(run).samples
    names = [f.name for f in folder.iterdir()] if folder.is_dir() else []
    found = [Sample(int(n[:-4]), f"samples/{n}") for n in names if re.fullmatch("[0-9]+[.]png", n)]
    return sorted(found, key=lambda sample: sample.step)


def _rows(run: Path) -> list[Row]:
    """Rows of ``metrics.jsonl`` that can be read and have a step; a half-written one cannot."""
    rows = [_json(line) for line in _file(run / "metrics.jsonl").splitlines()]
    return [row for row in rows if isinstance(row, dict) and _whole(row.get("step")) is not None]


def _settings(run: Path) -> dict[str, str]:
    import yaml

    try:
        values = yaml.safe_load(_file(RunFolder(run).config))
    except yaml.YAMLError:
        return {}
    return {k: v for k, v in _texts(values).items() if v}


def _files(run: Path) -> dict[str, str]:
    return {name: meaning for name, meaning in _FILES.items() if (run / name).is_file()}


def _software(run: Path) -> dict[str, str]:
    """``env.json`` as a flat table."""
    values = dict(_mapping(_json(_file(run / "env.json"))))
    packages = _mapping(values.pop("packages", None))
    return {k: v for k, v in _texts({**values, **packages}).items() if v}


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _texts(value: Any) -> dict[str, str]:
    return {_text(k): _text(v) for k, v in _mapping(value).items()}


def _number(value: Any) -> float | None:
    """The finite number that ``value`` is, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _positive(value: Any) -> float | None:
    found = _number(value)
    return found if found is not None and found > 0 else None


def _whole(value: Any) -> int | None:
    found = _number(value)
    return None if found is None else int(found)


# What the page shows -----------------------------------------------------------------------------


def _view(run: Path) -> dict[str, Any]:
    status, rows, samples = Status.read(run), _rows(run), _samples(run)
    scored = [row for row in rows if _number(row.get("fd")) is not None]
    trained = [row for row in rows if isinstance(row.get("d"), dict)]
    charts = _charts(status.metric, scored, trained)
    return {
        "name": run.resolve().name,
        "status": status,
        "state": STATES.get(status.state, "State unknown"),
        "keys": _keys(status, rows),
        "outcome": outcome(status.metric, scored),
        "ruler": _ruler(status.metric, scored),
        "samples": samples,
        "has_reals": (run / "reals.png").is_file(),
        "has_film": (run / "progress.gif").is_file(),
        "verdicts": verdicts(rows),
        "shares": _shares(rows),
        "charts": charts,
        "axes": _AXES,
        "table": _table(status.metric, scored),
        "command": _file(run / "command.txt").strip(),
        "settings": _settings(run),
        "software": _software(run),
        "files": _files(run),
        "version": __version__,
        "script": {
            "samples": [[sample.step, sample.source] for sample in samples],
            "axes": _AXES,
            "x": {"scored": _abscissae(scored), "trained": _abscissae(trained)},
            "charts": charts,
        },
    }


def _keys(status: Status, rows: Sequence[Row]) -> dict[str, str]:
    """The few numbers of the header."""
    keys: dict[str, str] = {}
    if status.step is not None:
        of = f" of {status.steps:,}" if status.steps and status.step != status.steps else ""
        keys["Steps"] = f"{status.step:,}{of}"
    if rows and (images := _whole(rows[-1].get("images"))) is not None:
        keys["Real images shown"] = f"{images:,}"
    if status.seconds is not None:
        keys["Training time"] = duration(status.seconds)
    if status.data:
        keys["Data"] = status.data
    return keys


def outcome(metric: Metric | None, scored: Sequence[Row]) -> str:
    """One sentence that puts the last score between its reference rows."""
    if metric is None or not scored:
        return ""
    last = scored[-1]["fd"]
    sentence = f"{metric.name} is {number(last)}"
    if metric.reference is not None:
        sentence += (
            f", which is {last / metric.reference:.3g} times the score of "
            f"{metric.reference_meaning} ({number(metric.reference)})"
        )
    if metric.noise is not None:
        sentence += f"; uniform noise scores {number(metric.noise)}"
    best = min(scored, key=lambda row: row["fd"])
    if best["fd"] < 0.9 * last:
        sentence += f". The best so far was {number(best['fd'])} at step {_whole(best['step']):,}"
    return sentence + "."


def _ruler(metric: Metric | None, scored: Sequence[Row]) -> dict[str, Any] | None:
    """Where the scores lie between real images and noise, in percent of a logarithmic line."""
    if metric is None or metric.reference is None or metric.noise is None or not scored:
        return None
    values = [max(float(row["fd"]), 1e-9) for row in _thin(scored, _MOST_TABLE_ROWS)]
    low = math.log(min(metric.reference, values[-1]) / 1.3)
    high = math.log(max(metric.noise, values[-1]) * 1.1)
    if not high > low:
        return None

    def place(value: float) -> float:
        return round(100 * min(max((math.log(value) - low) / (high - low), 0.0), 1.0), 2)

    return {
        "reference": place(metric.reference),
        "noise": place(metric.noise),
        "score": place(values[-1]),
        "earlier": [place(value) for value in values[:-1]],
        "value": values[-1],
    }


def _shares(rows: Sequence[Row]) -> list[tuple[int, float, bool]]:
    """Class, share and whether it is rare, of the last samples that were classified."""
    last = next((row["shares"] for row in reversed(rows) if row.get("shares")), None)
    shares = [_number(share) or 0.0 for share in _list(last)]
    if not shares or len(shares) > _MOST_CLASSES:
        return []
    least = min(0.03, 0.3 / len(shares))
    return [(i, share, share < least) for i, share in enumerate(shares)]


def _table(metric: Metric | None, scored: Sequence[Row]) -> list[Row]:
    """Rows of the table of scores, few enough to be read."""
    reference = metric.reference if metric else None
    return [
        {
            "step": _whole(row["step"]),
            "images": _whole(row.get("images")),
            "seconds": _number(row.get("seconds")),
            "score": row["fd"],
            "ratio": row["fd"] / reference if reference else None,
            "d": _dig(row, "d", "total"),
            "g": _dig(row, "g", "total"),
        }
        for row in _thin(scored, _MOST_TABLE_ROWS)
    ]


def _thin(items: Sequence[T], most: int) -> list[T]:
    """At most ``most`` of the items, evenly, the first and the last among them.

    >>> _thin(range(9), 3)
    [0, 4, 8]
    """
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def number(value: float) -> str:
    """Write a number with three digits that matter.

    >>> number(1234.5), number(14.2), number(0.012345)
    ('1,234', '14.2', '0.0123')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def whole(value: int | None) -> str:
    """Write a whole number, or a dash where there is none.

    >>> whole(12345), whole(None)
    ('12,345', '–')
    """
    return "–" if value is None else f"{value:,}"


def duration(seconds: float) -> str:
    """Write seconds as people say them.

    >>> duration(42.4), duration(75), duration(4000)
    ('42 s', '1 min 15 s', '1 h 6 min')
    """
    rest = round(seconds)
    if rest < 60:
        return f"{rest} s"
    if rest < 3600:
        return f"{rest // 60} min {rest % 60} s"
    return f"{rest // 3600} h {rest % 3600 // 60} min"


# Charts ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One line of a chart: its name, the role that gives its colour, and values or gaps."""

    name: str
    role: str
    y: list[float | None]


def _charts(
    metric: Metric | None, scored: Sequence[Row], trained: Sequence[Row]
) -> list[dict[str, Any]]:
    """The charts that have anything to show."""
    scored, trained = _thin(scored, _MOST_POINTS), _thin(trained, _MOST_POINTS)
    title = "Score of the samples" + (f" ({metric.name})" if metric else "")
    charts = [
        _chart("score", title, "Lower is better.",
               [Line("samples", "score", _column(scored, "fd"))], "scored", _references(metric)),
        _chart("losses", "Losses",
               "Each player minimises its own; a falling curve alone does not mean better samples.",
               [Line(word, player, _column(trained, player, "total"))
                for player, word in (("d", "discriminator"), ("g", "generator"))]),
        _chart("judgement", "How well the discriminator judges",
               "Share of real scores above the typical fake score: 50% is guessing, near 100% "
               "for long means the discriminator wins.",
               [Line("right", "d", _percent(_column(trained, "scores", "gap_accuracy")))],
               references=[{"name": "guessing", "value": 50.0, "side": "left"}]),
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
        for term in _mapping(row.get(player))
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
        "percent": key == "judgement",
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
        {"name": "uniform noise", "value": metric.noise, "side": "right"},
    ]
    return [reference for reference in found if reference["value"] is not None]


def _abscissae(rows: Sequence[Row]) -> dict[str, list[float | None]]:
    return {axis: _column(_thin(rows, _MOST_POINTS), axis) for axis in _AXES}


def _column(rows: Sequence[Row], *keys: str) -> list[float | None]:
    return [_rounded(_dig(row, *keys)) for row in rows]


def _dig(row: Row, *keys: str) -> float | None:
    value: Any = row
    for key in keys:
        value = _mapping(value).get(key)
    return _number(value)


def _rounded(value: float | None) -> float | None:
    """Six digits: more than a screen shows, and half the size of the page."""
    return None if value is None else float(f"{value:.6g}")


def _percent(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else _rounded(100 * value) for value in values]
