"""``ganloss compare``: which loss is best on your data."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganloss._errors import UsageError
from ganloss._version import __version__
from ganloss.cli._parser import Parser, refuse_code
from ganloss.runs.settings import CODE, LENGTHS, TASKS, RunSettings

if TYPE_CHECKING:
    from ganloss.lab.plan import Plan

#: Of each run, where no length is asked for.
USUAL_STEPS, USUAL_SECONDS = 2000, 60.0
_OWN = ("losses", "seeds", "budget", "baseline", "tuning", "tune", "vary", "workers", "on")
_LEFT_OUT = ("seed", "devices", "epochs", "patience")
#: What is otherwise than in ``ganloss train``.
_HELP = {
    "steps": f"updates of the generator (default without any length: {USUAL_STEPS})",
    "minutes": "minutes of training alone: samples, scores and checkpoints do not count",
    "snap": "steps between samples, scores and checkpoints (default: 10 times a run of so many "
    "steps, else 20 times)",
}


def run(arguments: list[str]) -> int:
    """Run ``ganloss compare ...``.

    >>> run(["--data", "demo:ring", "--losses", "ns"])
    Traceback (most recent call last):
    ganloss._errors.UsageError: a comparison takes at least two variants...
    """
    kind = _kind(arguments)
    parser = _parser(kind)
    values = parser.parse(arguments)
    del values["task"]
    own = {name: _typed(name, values.pop(name)) for name in _OWN}
    resume, dry_run, trusted = (values.pop(name) for name in ("resume", "dry_run", "allow_code"))
    from ganloss.cli._progress import announce

    if resume not in (None, "auto"):
        _refuse_changes(parser, arguments, values | own, resume)
        from ganloss.lab.results import Comparison

        begun = Comparison(Path(resume))
        if "task" in parser.typed(arguments) and begun.plan.settings.task != kind.task:
            raise UsageError(f"{resume} is one of --task {begun.plan.settings.task}")
        announce(f"ganloss {__version__}  going on with {resume}")
        if not trusted:
            _refuse_code(begun.plan, arguments)
        if dry_run:
            announce(f"{_describe(begun.plan)}\n{'ended':<9}{len(begun)} of them")
            return 0
        return _go(Path(resume), own["on"])
    losses = _losses(own["losses"])
    values["loss"] = _one(losses, kind)
    settings = _with_budget(kind(**values), own["budget"])
    if not settings.data and not getattr(settings, "lq", ""):
        raise UsageError("which images? Add --data FOLDER, or --data demo:digits")
    announce(f"ganloss {__version__}  comparing on {settings.data or settings.headline}")
    from ganloss.lab import comparison
    from ganloss.lab.plan import plan
    from ganloss.runs.folder import command_line

    made = plan(
        settings,
        losses,
        own["vary"] or [],
        seeds=_seeds(own["seeds"]),
        baseline=own["baseline"],
        tuning=own["tuning"],
        draws=own["tune"] or 0,
        workers=own["workers"],
        command=command_line(),
    )
    if not trusted:
        _refuse_code(made, arguments)
    if dry_run:
        announce(_describe(made))
        _try(made)
        return 0
    out = Path(settings.out)
    folder = comparison.find_resumable(made, out) if resume else None
    return _go(folder or comparison.create(made, out), own["on"], fresh=folder is None)


def _go(folder: Path, where: Any, *, fresh: bool = False) -> int:
    """Do what is left of a comparison; give the exit code."""
    from ganloss.cli._comparing import TerminalWatcher, conclude
    from ganloss.lab.comparison import run as compare

    try:
        with TerminalWatcher() as watcher:
            found = compare(folder, watcher, where=where, fresh=fresh)
    except KeyboardInterrupt:
        from ganloss.cli._progress import announce

        saved = "what ended is kept" if where == "ray" else "every running job was saved"
        on = f" --on {where}" if where != "local" else ""
        announce(f"\ninterrupted: {saved}. Go on with\n  ganloss compare --resume {folder}{on}")
        return 130
    return conclude(found)


def _kind(arguments: Sequence[str]) -> type[RunSettings]:
    """The task that was typed, or that the file of ``--config`` is of."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--task")
    first.add_argument("-c", "--config")
    found = first.parse_known_args(list(arguments))[0]
    task = found.task or _task_of(found.config) or "generate"
    if task not in TASKS:
        raise UsageError(f"--task is {task!r}; it takes {', '.join(TASKS)}")
    return TASKS[task]


def _task_of(config: str | None) -> str:
    """What the file says; the parser says what is wrong with one that cannot be read."""
    import yaml

    try:
        values = yaml.safe_load(Path(config or "").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return ""
    return str(values.get("task", "")) if isinstance(values, dict) else ""


def _parser(kind: type[RunSettings]) -> Parser:
    parser = Parser(
        "ganloss compare", "Train with several losses and seeds, and say which is best."
    )
    parser.add_argument(
        "--task", choices=list(TASKS), default=kind.task, help="what is trained (default: generate)"
    )
    _add_question(parser)
    _add_conduct(parser)
    parser.add_settings(kind, without=(*_LEFT_OUT, "loss", "workers"))
    parser.reword(_HELP)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        default=None,
        metavar="DIR",
        help="go on with a comparison: its folder, or the newest one these flags fit",
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="show the plan, and stop")
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="import --generator and --discriminator from a config or a plan as well",
    )
    return parser


def _add_question(parser: Parser) -> None:
    """What is compared."""
    parser.add_argument(
        "--losses",
        default=None,
        metavar="A,B,...",
        help="games to compare (default: ns,hinge,lsgan,wgan-gp,r3gan)",
    )
    parser.add_argument(
        "--seeds", default="", help="e.g. 0-4 or 1,5,9 (default: five, or as many as can tell)"
    )
    parser.add_argument(
        "--vary",
        action="append",
        type=str,
        metavar="NAME=A,B",
        help="compare values of a setting, e.g. --vary term.ssim=0,1 or --vary lr=1e-4,2e-4",
    )


def _add_conduct(parser: Parser) -> None:
    """How it is made fair, and where it runs."""
    parser.add_argument(
        "--budget",
        choices=["steps", "images", "seconds"],
        help="what every run gets the same of: updates of G, real images shown to D, or seconds of "
        "training alone (default: what --steps, --kimg, --seconds or --minutes says)",
    )
    parser.add_argument(
        "--baseline", default="", metavar="LOSS", help="compare the others with this one alone"
    )
    parser.add_argument(
        "--tuning",
        choices=["paper", "shared"],
        default="paper",
        help="optimisers as each paper has them, or those of the baseline for all (default: paper)",
    )
    parser.add_argument(
        "--tune",
        type=int,
        metavar="K",
        help="first try K random settings for each loss, the same draws for all, and keep the best",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="runs at a time (default: one for each core)"
    )
    parser.add_argument(
        "--on",
        choices=["local", "ray"],
        default="local",
        help="processes of this machine, or a Ray cluster (pip install 'ganloss[ray]')",
    )


def _typed(name: str, value: Any) -> Any:
    """What a configuration says in YAML, as one would type it: lists and numbers are texts here."""
    if name == "vary":
        return None if value is None else [str(item) for item in value]
    if name in ("losses", "seeds", "baseline") and not isinstance(value, str) and value is not None:
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return value


def _losses(text: str | None) -> list[str]:
    """The losses named; none where the flag is left out."""
    named = _words(text or "")
    if text is not None and not named:
        raise UsageError("--losses names none; give e.g. ns,hinge,r3gan, or leave it out")
    return named


def _one(named: Sequence[str], kind: type[RunSettings]) -> str:
    """The loss of a comparison of something else, or the task's own."""
    default = next(f.default for f in kind.__dataclass_fields__.values() if f.name == "loss")
    return named[0] if len(named) == 1 else str(default)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _seeds(text: str) -> list[int]:
    """Read ``0-4`` or ``1,5,9``.

    >>> _seeds("0-2,7")
    [0, 1, 2, 7]
    """
    found: list[int] = []
    for word in _words(text):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        if match is None:
            raise UsageError(f"--seeds is {text!r}; give e.g. 0-4 or 1,5,9")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    if text and (not found or len(set(found)) < len(found)):
        raise UsageError(f"--seeds {text} names no seed, or one twice")
    return found


def _with_budget(settings: RunSettings, budget: str | None) -> RunSettings:
    """Settings with one length, in the unit that is to be equal."""
    given = [name for name in LENGTHS if getattr(settings, name) is not None]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} both say how long to train; keep one")
    units = {"steps": "steps", "kimg": "images", "seconds": "seconds", "minutes": "seconds"}
    unit = units[given[0]] if given else ""
    if budget is None or budget == unit:
        return settings if given else replace(settings, steps=USUAL_STEPS)
    if budget == "images" and unit in ("", "steps"):
        images = settings.batch_size * (settings.steps or USUAL_STEPS)
        return replace(settings, steps=None, kimg=images / 1000)
    if not given:
        return replace(
            settings, **{budget: {"steps": USUAL_STEPS, "seconds": USUAL_SECONDS}[budget]}
        )
    flag = {"steps": "--steps N", "images": "--kimg X", "seconds": "--minutes X"}[budget]
    raise UsageError(f"--budget {budget} and --{given[0]} do not fit; say {flag} instead")


def _refuse_code(plan: "Plan", arguments: Sequence[str]) -> None:
    """Importing runs code: of what a plan or a configuration names, only what was typed."""
    refuse_code(plan.settings, arguments)
    typed = [word for word in arguments if any(f"{name}=" in word for name in CODE)]
    for variant in plan.variants:
        code = {name: variant.changes[name] for name in CODE if name in variant.changes}
        if any(value not in re.split("[=,]", ",".join(typed)) for value in code.values()):
            refuse_code(replace(plan.settings, **code), ())


def _refuse_changes(
    parser: Parser, arguments: Sequence[str], values: Mapping[str, Any], resume: str
) -> None:
    """A comparison is gone on with as it was planned."""
    typed = parser.typed(arguments)
    for name, value in values.items():
        if name != "on" and (name in typed or value != parser.get_default(name)):
            raise UsageError(
                f"{resume} goes on as it was planned, and --{name.replace('_', '-')} was given; "
                "leave it out, or start a new comparison without --resume"
            )


def _try(plan: "Plan") -> None:
    """Set up the first run of every variant, so that what stops it is said now."""
    from tempfile import TemporaryDirectory

    from ganloss.lab.jobs import refuse_unscored
    from ganloss.runs.run import Run

    for job in plan.jobs()[: len(plan.variants)]:
        with TemporaryDirectory() as out:
            refuse_unscored(Run(replace(job.settings, out=out)).task)


def _describe(plan: "Plan") -> str:
    """The plan as a dry run shows it."""
    from ganloss.cli._comparing import in_lines
    from ganloss.runs.dry import flags_of

    first = plan.jobs()[0].settings
    return "\n".join(
        [*in_lines(plan), f"{'try one':<9}ganloss train {first.task} -n {flags_of(first)}"]
    )
