"""The page of a run: a function of its folder, readable without a network or JavaScript."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ganloss._version import __version__
from ganloss.engine.checkpoint import write_atomically
from ganloss.engine.health import Verdict, verdicts
from ganloss.runs.folder import RunFolder, write_text

STATES = {
    "running": "training",
    "finished": "finished",
    "interrupted": "interrupted",
    "diverged": "diverged",
    "failed": "stopped by an error",
}
_PLOTLY = "plotly.min.js"


@dataclass(frozen=True)
class Sample:
    """One grid of samples.

    Args:
        step: when it was made.
        source: its path, relative to the page.
    """

    step: int
    source: str


def write_page(path: Path) -> Path:
    """Write ``index.html`` from what lies in the run folder, and return its path.

    Pieces that are not there yet are left out.
    """
    run = RunFolder(path)
    _provide_plotly(path)
    write_text(run.page, _render(run))
    return run.page


def _render(run: RunFolder) -> str:
    status = _read_json(run.path / "status.json")
    rows = run.rows()
    return _template().render(
        status=status,
        state=STATES.get(status.get("state", ""), "unknown"),
        running=status.get("state") == "running",
        outcome=outcome(status, rows),
        remaining=_remaining(status),
        samples=_samples(run),
        has_reals=(run.path / "reals.png").exists(),
        has_film=(run.path / "progress.gif").exists(),
        verdicts=[*_failure(status), *verdicts(rows)],
        scores=[row for row in rows if "fd" in row],
        charts=_charts(status, rows),
        settings=_read_settings(run.config),
        command=_read_text(run.path / "command.txt").strip(),
        version=__version__,
    )


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
    environment.filters["number"] = number
    environment.filters["duration"] = duration
    return environment.get_template("page.html.j2")


def _provide_plotly(path: Path) -> None:
    """Put plotly's script next to the page, once: pages opened from disk cannot fetch."""
    target = path / _PLOTLY
    if not target.exists():
        from plotly.offline import get_plotlyjs

        script = get_plotlyjs().encode("utf-8")
        write_atomically(target, lambda stream: stream.write(script))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _read_settings(path: Path) -> dict[str, str]:
    import yaml

    try:
        values = yaml.safe_load(_read_text(path))
    except yaml.YAMLError:
        return {}
    if not isinstance(values, dict):
        return {}
    return {str(k): str(v) for k, v in values.items() if v not in (None, "")}


def _samples(run: RunFolder) -> list[Sample]:
    files = [f for f in sorted(run.samples.glob("*.png")) if f.stem.isdigit()]
    return [Sample(int(f.stem), f"samples/{f.name}") for f in files]


def outcome(status: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """One sentence that puts the last score between its reference rows."""
    scores = [row["fd"] for row in rows if "fd" in row]
    metric = status.get("metric")
    if not scores or not metric:
        return ""
    ratio = scores[-1] / metric["reference"] if metric["reference"] > 0 else float("inf")
    return (
        f"{metric['name']} is {number(scores[-1])}, {number(ratio)} times the score of "
        f"{metric['reference_meaning']} ({number(metric['reference'])}). Uniform noise scores "
        f"{number(metric['noise'])}."
    )


def _failure(status: dict[str, Any]) -> list[Verdict]:
    message = status.get("message")
    return [Verdict("bad", message)] if message else []


def _remaining(status: dict[str, Any]) -> float | None:
    """Seconds left, from the pace so far."""
    step, steps, seconds = (status.get(key) for key in ("step", "steps", "seconds"))
    if status.get("state") != "running" or not step or not steps or seconds is None:
        return None
    return seconds / step * (steps - step)


def number(value: float) -> str:
    """Write a number with three digits that matter.

    >>> number(1234.5), number(0.012345)
    ('1,234', '0.0123')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Write seconds as people say them.

    >>> duration(75), duration(4000)
    ('1 min 15 s', '1 h 7 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _charts(status: dict[str, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Data of the charts: lines of (name, x by step, by images, by seconds, y)."""
    trained = [row for row in rows if "d" in row]
    charts = [
        _chart("Score", "log", [_line("score", [r for r in rows if "fd" in r], "fd")],
               _references(status)),
        _chart("Losses", "linear", [_line(f"{p.upper()}", trained, p, "total") for p in ("d", "g")]),
        _chart("Penalties", "linear", [_line(name, trained, "d", name) for name in _terms(trained)]),
        _chart("Scores of the discriminator", "linear",
               [_line(name, trained, "scores", name) for name in ("real", "fake")]),
        _chart("Gradient norms", "log",
               [_line(p.upper(), trained, "gradient", p) for p in ("d", "g")]),
    ]  # fmt: skip
    return [chart for chart in charts if any(line["y"] for line in chart["lines"])]


def _terms(rows: list[dict[str, Any]]) -> list[str]:
    names = {name: None for row in rows for name in row["d"]}
    return [name for name in names if name not in ("total", "adv")]


def _chart(
    title: str,
    scale: str,
    lines: list[dict[str, Any]],
    references: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {"title": title, "scale": scale, "lines": lines, "references": references or []}


def _line(name: str, rows: list[dict[str, Any]], *keys: str) -> dict[str, Any]:
    points = [(row, _dig(row, keys)) for row in rows]
    points = [(row, value) for row, value in points if value is not None]
    return {
        "name": name,
        "step": [row["step"] for row, _ in points],
        "images": [row["images"] for row, _ in points],
        "seconds": [row["seconds"] for row, _ in points],
        "y": [value for _, value in points],
    }


def _dig(row: dict[str, Any], keys: tuple[str, ...]) -> float | None:
    value: Any = row
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, (int, float)) else None


def _references(status: dict[str, Any]) -> list[dict[str, Any]]:
    metric = status.get("metric")
    if not metric:
        return []
    return [
        {"name": "real images", "value": metric["reference"]},
        {"name": "noise", "value": metric["noise"]},
    ]
