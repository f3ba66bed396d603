"""The page of a run: a function of its folder, readable without a network or JavaScript."""

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from ganloss._version import __version__
from ganloss.engine.checkpoint import write_atomically
from ganloss.engine.health import verdicts
from ganloss.runs.charts import AXES, abscissae, charts_of, dig, thin
from ganloss.runs.folder import RunFolder, write_text
from ganloss.runs.pictures import MOST_GRID_ROWS
from ganloss.runs.reading import (
    Metric,
    Row,
    Status,
    finite,
    integer,
    listing,
    read_files,
    read_rows,
    read_samples,
    read_settings,
    read_software,
    read_text,
)
from ganloss.runs.wording import duration, number, whole

STATES = {
    "running": "Training now",
    "finished": "Finished",
    "interrupted": "Interrupted",
    "diverged": "Diverged",
    "failed": "Stopped by an error",
}

PLOTLY = "plotly.min.js"
_MOST_TABLE_ROWS, _MOST_CLASSES = 60, 40


def write_page(run: Path) -> Path:
    """Write ``index.html`` from what lies in the run folder, and return its path.

    Pieces that are missing, unreadable or half-written are left out.

    Raises:
        StorageError: the disk is full or the folder is not writable.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:  # whatever lies there, there is a page
    ...     write_page(Path(folder)).name
    'index.html'
    """
    _provide_plotly(run)
    page = RunFolder(run).page
    write_text(page, template("page.html.j2").render(_view(run)))
    return page


def _provide_plotly(run: Path) -> None:
    """Put plotly's script next to the page, once: pages opened from disk cannot fetch.

    Where the folder above has it, as that of a comparison, both are the same file.
    """
    target, shared = run / PLOTLY, run.parent / PLOTLY
    if target.exists():
        return
    with suppress(OSError):
        os.link(shared, target)
        return
    provide_plotly(target)


def provide_plotly(target: Path) -> None:
    """Write plotly's script.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     provide_plotly(Path(folder) / "plotly.js")
    ...     (Path(folder) / "plotly.js").stat().st_size > 1e6
    True
    """
    from plotly.offline import get_plotlyjs

    script = get_plotlyjs().encode("utf-8")
    write_atomically(target, lambda stream: stream.write(script))


@lru_cache
def template(name: str, package: str = "ganloss.runs") -> Any:
    """Open a page's template; the parts that pages share are found as well.

    >>> template("page.html.j2").name
    'page.html.j2'
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    homes = [PackageLoader(home, ".") for home in dict.fromkeys((package, "ganloss.runs"))]
    environment = Environment(
        loader=ChoiceLoader(homes),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_or_dash, duration=duration, whole=whole)
    return environment.get_template(name)


def _or_dash(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else number(value)


def _view(run: Path) -> dict[str, Any]:
    status, rows, samples = Status.read(run), read_rows(run), read_samples(run)
    key = status.metric.key if status.metric else "fd"
    scored = [row for row in rows if finite(row.get(key)) is not None]
    trained = [row for row in rows if isinstance(row.get("g"), dict)]
    charts = charts_of(status.metric, scored, trained)
    return {
        "name": run.resolve().name,
        "status": status,
        "state": STATES.get(status.state, "State unknown"),
        "keys": _keys(status, rows),
        "outcome": outcome(status.metric, scored),
        "ruler": _ruler(status.metric, scored),
        "samples": samples,
        "rows_are": _rows_are(status),
        "words": _WORDS.get(status.task, _WORDS["generate"]),
        "has_overlay": all((run / name).is_file() for name in ("before.png", "after.png")),
        "has_reals": (run / "reals.png").is_file(),
        "has_film": (run / "progress.gif").is_file(),
        "verdicts": verdicts(rows, key),
        "shares": _shares(rows),
        "charts": charts,
        "axes": AXES,
        "table": _table(status.metric, scored),
        "command": read_text(run / "command.txt").strip(),
        "settings": read_settings(run),
        "software": read_software(run),
        "files": read_files(run),
        "version": __version__,
        "script": {
            "samples": [[sample.step, sample.source] for sample in samples],
            "axes": AXES,
            "x": {"scored": abscissae(scored), "trained": abscissae(trained)},
            "charts": charts,
        },
    }


#: What the pictures of a task show: heading, results, real images, and how to read the sheets.
_WORDS = {
    "generate": (
        "Samples and real images", "Samples", "Real",
        "Always made from the same random vectors.", "What the samples should look like.",
    ),
    "paired": (
        "Input, output, target", "Held-out pairs", "Held-out",
        "In threes: input, output, target. None of them was trained on.",
        "In twos: input and target.",
    ),
    "unpaired": (
        "There and back", "Translations", "Held-out",
        "Left three: an image of A, its translation to B, and that translated back to A. Right "
        "three: the same from B. None of them was trained on.",
        "Left half: domain A. Right half: domain B.",
    ),
}  # fmt: skip


def _rows_are(status: Status) -> str:
    """Say which class each row of the sample grid shows."""
    if not status.classes or status.points:
        return ""
    shown = status.classes[:MOST_GRID_ROWS]
    return f"From top to bottom: {', '.join(shown)}."


def _keys(status: Status, rows: Sequence[Row]) -> dict[str, str]:
    """The few numbers of the header."""
    keys: dict[str, str] = {}
    if status.step is not None:
        of = f" of {status.steps:,}" if status.steps and status.step != status.steps else ""
        keys["Steps"] = f"{status.step:,}{of}"
    if rows and (images := integer(rows[-1].get("images"))) is not None:
        keys["Real images shown"] = f"{images:,}"
    if status.seconds is not None:
        keys["Training time"] = duration(status.seconds)
    if status.data:
        keys["Data"] = status.data
    return keys


def outcome(metric: Metric | None, scored: Sequence[Row]) -> str:
    """Put the last score between its reference rows; first, whether it can be trusted at all.

    >>> metric = Metric("fd-digits@897", "a distance", 0.5, "real images", 130.0)
    >>> outcome(metric, [{"step": 9, "fd": 1.0}])
    'fd-digits@897 is 1, which is 2 times the score of real images (0.5); uniform noise scores 130.'
    """
    if metric is None or not scored:
        return ""
    last = scored[-1][metric.key]
    sentence = f"{metric.warning} " if metric.warning else ""
    sentence += f"{metric.name} is {number(last)}"
    if metric.reference is not None:
        sentence += (
            f", which is {last / metric.reference:.3g} times the score of "
            f"{metric.reference_meaning} ({number(metric.reference)})"
        )
    if metric.noise is not None:
        sentence += f"; {metric.noise_meaning} scores {number(metric.noise)}"
    best = min(scored, key=lambda row: row[metric.key])
    if best[metric.key] < 0.9 * last:
        sentence += (
            f". The best so far was {number(best[metric.key])} at step {integer(best['step']):,}"
        )
    return sentence + "."


def _ruler(metric: Metric | None, scored: Sequence[Row]) -> dict[str, Any] | None:
    """Where the scores lie between real images and noise, in percent of a logarithmic line."""
    if metric is None or metric.reference is None or metric.noise is None or not scored:
        return None
    values = [max(float(row[metric.key]), 1e-9) for row in thin(scored, _MOST_TABLE_ROWS)]
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
    shares = [finite(share) or 0.0 for share in listing(last)]
    if not shares or len(shares) > _MOST_CLASSES:
        return []
    least = min(0.03, 0.3 / len(shares))
    return [(i, share, share < least) for i, share in enumerate(shares)]


def _table(metric: Metric | None, scored: Sequence[Row]) -> list[Row]:
    """Rows of the table of scores, few enough to be read."""
    reference = metric.reference if metric else None
    key = metric.key if metric else "fd"
    return [
        {
            "step": integer(row["step"]),
            "images": integer(row.get("images")),
            "seconds": finite(row.get("seconds")),
            "score": row[key],
            "ratio": row[key] / reference if reference else None,
            "d": dig(row, "d", "total"),
            "g": dig(row, "g", "total"),
        }
        for row in thin(scored, _MOST_TABLE_ROWS)
    ]
