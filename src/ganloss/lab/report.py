"""The report of a comparison: one file, a function of the folder, readable without a script."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ganloss._version import __version__
from ganloss.cards import card
from ganloss.engine.health import verdicts
from ganloss.games import GAMES
from ganloss.lab.curves import axes_for, budgets_of, curves_of
from ganloss.lab.fairness import sentences
from ganloss.lab.grids import Grids, grids_of
from ganloss.lab.plan import Plan
from ganloss.lab.results import Comparison, Line, mean_of, runs_of, summary, table
from ganloss.lab.statistics import LEVEL, Difference
from ganloss.lab.verdict import Verdict, data_of, judge, metric_of
from ganloss.runs.folder import write_text
from ganloss.runs.metric import Metric
from ganloss.runs.page import template
from ganloss.runs.reading import Row, Status, finite, listing, mapping, read_rows, read_software
from ganloss.runs.settings import CODE
from ganloss.runs.wording import duration, listed, number

#: Less of the samples than this, and a class of ten is nearly missing.
_RARE = 0.03
_SEVERITY = ("bad", "watch", "good")
_PICTURES = {
    "generate": "Every loss made these from the same random vectors.",
    "paired": "In threes: input, output, target. None of them was trained on.",
    "unpaired": "Left three: an image of A, its translation to B, and that translated back to A. "
    "Right three: the same from B. None of them was trained on.",
}


def write_report(comparison: Comparison) -> Path:
    """Write ``report.html`` and ``summary.csv`` from what is in the folder; return the report.

    Raises:
        StorageError: the disk is full or the folder is not writable.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> with TemporaryDirectory() as out:  # planned, nothing has run yet
    ...     folder = create(plan(settings, ["ns", "r3gan"]), Path(out))
    ...     print(write_report(Comparison(folder)).name)
    report.html
    """
    page = comparison.folder / "report.html"
    write_text(comparison.folder / "summary.csv", summary(comparison))
    write_text(page, template("report.html.j2", "ganloss.lab").render(_view(comparison)))
    return page


def _view(comparison: Comparison) -> dict[str, Any]:
    from plotly.offline import get_plotlyjs

    plan, metric, verdict = comparison.plan, metric_of(comparison), judge(comparison)
    names = [variant.name for variant in plan.variants]
    statuses = {name: _status(comparison, name) for name in names}
    grids, curves = grids_of(comparison), curves_of(comparison, metric.key)
    budgets = budgets_of(comparison)
    lines = {line.variant: line for line in table(comparison)}
    return {
        "plan": plan,
        "name": comparison.folder.resolve().name,
        "title": f"{_what(comparison)} compared on {data_of(plan).removeprefix('demo:')}",
        "state": "Complete" if verdict.complete else "Not complete",
        "verdict": verdict,
        "metric": metric,
        "trial": _trial(metric),
        "keys": _keys(comparison, statuses[names[0]]),
        "order": verdict.order,
        "colours": {name: i % 8 for i, name in enumerate(names)},
        "second": names[8:],
        "grids": grids,
        "pictures_are": _PICTURES[plan.settings.task],
        "points": statuses[names[0]].points,
        "first": _first_pictures(grids),
        "table": [_shown(lines[n], metric, curves[names.index(n)].spark) for n in verdict.order],
        "pairs": _pairs(verdict, names),
        "curves": curves,
        "axes": axes_for(comparison),
        "budgets": budgets if any(len(b["runs"]) > 1 for b in budgets) else [],
        "searched": bool(comparison.draws),
        "health": {name: _health(comparison, name, metric.key) for name in verdict.order},
        "modes": _modes(comparison, verdict.order),
        "equal": sentences(comparison),
        "facts": {name: statuses[name].facts for name in verdict.order},
        "failures": [row for row in comparison.rows if row["state"] != "finished"],
        "states": _states(comparison),
        "is_sorted": _is_sorted([lines[name].mean for name in verdict.order]),
        "runs": _runs(comparison),
        "citations": _citations(comparison),
        "commands": _commands(comparison),
        "software": read_software(comparison.folder),
        "level": LEVEL,
        "version": __version__,
        "plotly": get_plotlyjs(),
        "script": {
            "names": names,
            "grids": grids.script(),
            "curves": [asdict(curve) for curve in curves],
            "axes": axes_for(comparison),
            "budgets": budgets,
            "references": _references(metric),
        },
    }  # fmt: skip


def _what(comparison: Comparison) -> str:
    names = [variant.name for variant in comparison.plan.variants]
    kind = (
        "losses"
        if all(set(v.changes) == {"loss"} for v in comparison.plan.variants)
        else ("variants")
    )
    return listed(names) if len(names) <= 3 else f"{len(names)} {kind}"


def _status(comparison: Comparison, variant: str) -> Status:
    """What the first run of a variant says of itself."""
    runs = runs_of(comparison, variant)
    first = next(iter(runs.values()), comparison.folder / "runs" / "none")
    return Status.read(first)


def _trial(metric: Metric) -> str:
    """Whether the metric can be trusted here."""
    if metric.warning:
        return metric.warning
    if not metric.tried:
        return ""
    return (
        f"{metric.name} was tried on the real images before training: made worse step by step, "
        "they score worse step by step."
    )


def _keys(comparison: Comparison, status: Status) -> dict[str, str]:
    rows, plan = comparison.rows, comparison.plan
    every = [*rows, *comparison.draws]
    trained = sum(finite(row.get("trained")) or 0.0 for row in every)
    search = f", after {len(comparison.draws)} of a search" if comparison.draws else ""
    runs = f"{len(comparison.results)} of {len(plan.variants) * len(plan.seeds)}"
    keys = {
        "Data": status.data,
        "Budget of each run": plan.budget,
        "Runs": f"{runs}: {len(plan.variants)} × {len(plan.seeds)} seeds{search}",
        "Training, all together": duration(trained),
    }
    return {name: text for name, text in keys.items() if text}


def _first_pictures(grids: Grids) -> dict[str, tuple[str, int]]:
    """What is shown before a script runs: the last moment of the first seed."""
    return {
        name: (films[0][-1], grids.steps[name][0][-1]) if films else ("", 0)
        for name, films in grids.pictures.items()
    }


def _shown(line: Line, metric: Metric, spark: str) -> dict[str, Any]:
    ratio = line.mean / metric.reference if line.mean and metric.reference else None
    known = line.mean is not None and math.isfinite(line.low)
    interval = f"{number(line.low)} to {number(line.high)}" if known else "–"
    return {"line": line, "ratio": ratio, "interval": interval, "spark": spark}


def _pairs(verdict: Verdict, names: Sequence[str]) -> list[dict[str, Any]]:
    """All comparisons, those of the best first."""
    place = verdict.order.index
    found = [_pair(difference, names, verdict.order) for difference in verdict.differences]
    return sorted(found, key=lambda pair: (place(pair["first"]), place(pair["second"])))


def _pair(found: Difference, names: Sequence[str], order: Sequence[str]) -> dict[str, Any]:
    """A comparison with the better one first."""
    if order.index(names[found.first]) > order.index(names[found.second]):
        found = found.turned()
    interval = "–"
    if found.low is not None and found.high is not None and math.isfinite(found.high):
        interval = f"{number(found.low)} to {number(found.high)}"
    return {
        "first": names[found.first],
        "second": names[found.second],
        "ratio": found.ratio,
        "interval": interval,
        "p": f"{found.p:.2g}",
        "wins": found.wins,
        "is_clear": found.clear,
    }


def _health(comparison: Comparison, variant: str, key: str) -> list[tuple[str, str, str]]:
    """Level, sentence and seeds of every verdict, the worst first; like ones once."""
    found: dict[tuple[str, str], tuple[str, list[int]]] = {}
    for seed, path in runs_of(comparison, variant).items():
        for verdict in verdicts(read_rows(path), key):
            about = (verdict.level, " ".join(verdict.sentence.split()[:4]))
            sentence, seeds = found.setdefault(about, (verdict.sentence, []))
            found[about] = (sentence, [*seeds, seed])
    total = len(runs_of(comparison, variant))
    listed = [
        (level, sentence, _seeds(seeds, total)) for (level, _), (sentence, seeds) in found.items()
    ]
    return sorted(listed, key=lambda item: _SEVERITY.index(item[0]))


def _seeds(seeds: Sequence[int], total: int) -> str:
    if len(seeds) == total:
        return "every seed" if total > 1 else f"seed {seeds[0]}"
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _modes(comparison: Comparison, order: Sequence[str]) -> dict[str, Any]:
    """Means over seeds of what could be counted; nothing where nothing could."""
    table: dict[str, dict[str, float]] = {}
    for name in order:
        rows = [row for row in comparison.rows if row["variant"] == name]
        found = [dict(mapping(row.get("found"))) | _rarest(row) for row in rows]
        keys = [k for k in dict.fromkeys(k for f in found for k in f) if finite(found[0].get(k))
                is not None]  # fmt: skip
        table[name] = {k: mean for k in keys if (mean := mean_of(found, k)) is not None}
    columns = list(dict.fromkeys(key for line in table.values() for key in line))
    return {"columns": columns, "rows": table}


def _rarest(row: Row) -> dict[str, float]:
    shares = [finite(share) or 0.0 for share in listing(row.get("shares"))]
    if not shares:
        return {}
    return {
        "share of the rarest class": min(shares),
        "classes nearly missing": float(sum(share < _RARE for share in shares)),
    }


def _runs(comparison: Comparison) -> list[dict[str, Any]]:
    """Every run with its page."""
    return [
        {
            "name": row["job"],
            "score": finite(row["score"]),
            "best": finite(row.get("best")),
            "state": row["state"],
            "trained": finite(row.get("trained")),
            "page": f"runs/{row['job']}/index.html",
            "has_page": (comparison.folder / "runs" / row["job"] / "index.html").is_file(),
        }
        for row in comparison.rows
    ]


def _citations(comparison: Comparison) -> dict[str, list[str]]:
    """References of each loss in BibTeX: its pair and its penalties."""
    found: dict[str, list[str]] = {}
    for variant in comparison.plan.variants:
        game = GAMES.get(variant.changes.get("loss", ""))
        if game is None:
            continue
        parts = [game.pair, *(w.penalty for w in game.penalties.values())]
        entries = [r.bibtex for part in parts for r in card(type(part).__name__).references]
        found[str(variant.changes["loss"])] = list(dict.fromkeys(entries))
    return found


def _commands(comparison: Comparison) -> dict[str, str]:
    """Commands by what they do."""
    plan = comparison.plan
    folder = shlex.quote(str(comparison.folder))
    job = plan.jobs()[0].name
    commands = {
        "This comparison": plan.command,
        "Write this report anew": f"ganloss report {folder}",
        "One of its runs": f"ganloss train {plan.settings.task} "
        f"--config {shlex.quote(str(comparison.folder / 'jobs' / f'{job}.yaml'))}",
    }
    code = " --allow-code" if _has_code(plan) else ""
    commands["One of its runs"] += code
    if len(comparison.results) < len(plan.variants) * len(plan.seeds):
        commands["Go on with it"] = f"ganloss compare --resume {folder}{code}"
    return {name: command for name, command in commands.items() if command}


def _has_code(plan: Plan) -> bool:
    """Whether runs import networks, which a configuration may only do if it is allowed to."""
    settings = [plan.settings, *(replace(plan.settings, **v.changes) for v in plan.variants)]
    return any(getattr(s, name, "") for s in settings for name in CODE)


def _states(comparison: Comparison) -> dict[str, str]:
    """Of each variant, the seeds whose runs did not finish, in words."""
    found: dict[str, list[str]] = {variant.name: [] for variant in comparison.plan.variants}
    for row in comparison.rows:
        if row["state"] != "finished":
            found[row["variant"]].append(f"{row['state']} at seed {row['seed']}")
    return {name: listed(words) if words else "" for name, words in found.items()}


def _is_sorted(means: Sequence[float | None]) -> bool:
    known = [math.inf if mean is None else mean for mean in means]
    return known == sorted(known)


def _references(metric: Metric) -> list[dict[str, Any]]:
    found = [
        {"name": "real images", "value": metric.reference},
        {"name": metric.noise_meaning, "value": metric.noise},
    ]
    return [reference for reference in found if reference["value"]]
