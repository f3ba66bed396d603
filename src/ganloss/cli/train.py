"""``ganloss train``: a GAN on your images."""

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ganloss._errors import UsageError
from ganloss._lazy import suggest
from ganloss._version import __version__
from ganloss.cli._parser import Parser, refuse_code
from ganloss.recipes.presets import preset, preset_names
from ganloss.runs.settings import LENGTHS, TASKS, RunSettings, settings_from_file

_MEANINGS = {
    "generate": "from noise to images",
    "paired": "from images to images with targets: pix2pix, restoration",
    "unpaired": "between two domains without pairs: CycleGAN",
}


def run(arguments: list[str]) -> int:
    """Run ``ganloss train TASK ...``.

    >>> run(["no-such-task"])
    Traceback (most recent call last):
    ganloss._errors.UsageError: no task 'no-such-task'; tasks: generate, paired, unpaired
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        tasks = "\n".join(f"  {task:<10}{help}" for task, help in _MEANINGS.items())
        from ganloss.cli._progress import announce

        announce(f"usage: ganloss train TASK --data FOLDER [options]\n\ntasks\n{tasks}\n\n"
                 "see `ganloss train generate --help`")  # fmt: skip
        return 0 if arguments else 2
    task, *rest = arguments
    if task not in TASKS:
        raise UsageError(f"no task {task!r}{suggest(task, TASKS)}; tasks: {', '.join(TASKS)}")
    settings, options = _parse(task, rest)
    return train_and_report(settings, options["resume"], dry_run=options["dry_run"])


def _parse(task: str, arguments: list[str]) -> tuple[RunSettings, dict[str, Any]]:
    kind = TASKS[task]
    parser = Parser(f"ganloss train {task}", f"Train {_MEANINGS[task]}.")
    parser.add_argument("--task", choices=[task], default=task, help=argparse.SUPPRESS)
    parser.add_settings(kind)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        default=None,
        metavar="RUN",
        help="continue a run exactly: its folder or one of its checkpoints; without RUN the "
        "newest one these flags fit",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="say what would happen, and stop"
    )
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="import --generator and --discriminator from a config or a resumed run as well",
    )
    names = ", ".join(preset_names(task))
    parser.add_argument("--preset", metavar="NAME", help=f"published settings: {names}; flags win")
    parser.set_defaults(_preset(arguments, kind))
    values = parser.parse(arguments)
    del values["preset"]
    options = {name: values.pop(name) for name in ("resume", "dry_run", "allow_code")}
    del values["task"]
    settings = kind(**values)
    if options["resume"] not in (None, "auto"):
        settings = _continued(settings, options["resume"], parser.typed(arguments))
    if not options["allow_code"]:
        refuse_code(settings, arguments)
    return settings, options


def _preset(arguments: list[str], kind: type[RunSettings]) -> dict[str, Any]:
    """Flags of the preset that is asked for; a length that is typed replaces the preset's."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset")
    name = first.parse_known_args(arguments)[0].preset
    if name is None:
        return {}
    values = preset(name, kind.task)
    typed = {word.partition("=")[0].replace("_", "-") for word in arguments}
    lengths = {f.name: {f"--{f.name}", *f.metadata["aliases"]} for f in fields(kind)
               if f.name in LENGTHS}  # fmt: skip
    if typed & set().union(*lengths.values()):
        values = {key: value for key, value in values.items() if key not in LENGTHS}
    if typed & (lengths["minutes"] | lengths["seconds"]) and "--lr-schedule" not in typed:
        values.pop("lr_schedule", None)  # it ends with the run, whose steps are not known
    return values


def _continued(given: RunSettings, path: str, typed: set[str]) -> RunSettings:
    """Settings of the run to resume, with the flags that may change taken from the command."""
    from ganloss.runs.folder import open_run

    saved = settings_from_file(open_run(path).config)
    if saved.task != given.task:
        raise UsageError(
            f"{path} is a run of `ganloss train {saved.task}`; continue it with "
            f"`ganloss train {saved.task} --resume {path}`"
        )
    defaults = type(given)()
    changed = {
        f.name: getattr(given, f.name)
        for f in fields(given)
        if f.name in typed or getattr(given, f.name) != getattr(defaults, f.name)
    }
    _refuse_other_settings(changed, saved, path)
    free = {name: value for name, value in changed.items() if name in saved.free_on_resume}
    if free.keys() & set(LENGTHS):
        free = dict.fromkeys(LENGTHS) | free
    return replace(saved, **free)


def _refuse_other_settings(changed: dict[str, Any], saved: RunSettings, path: str) -> None:
    for name, value in changed.items():
        old = getattr(saved, name)
        same = value == old or (name == "data" and _same_path(str(value), old))
        if name in saved.free_on_resume or same:
            continue
        if name in LENGTHS:
            raise UsageError(
                f"the run in {path} has --lr-schedule {saved.lr_schedule}, which depends on its "
                f"length: --{name} {value} would be another run from its first step. Leave the "
                "flag out, or start a new run without --resume"
            )
        flag = f"--{name.replace('_', '-')}"
        had = f"was started without {flag}" if old is None else f"has {name} {old!r}"
        raise UsageError(
            f"the run in {path} {had}, and {flag} {value!r} was given; a resumed run may change "
            "only its length, --snap, --patience, --track, --workers and --devices. Leave the "
            "flag out, or start a new run without --resume"
        )


def _same_path(a: str, b: str) -> bool:
    return ":" not in a and Path(a).resolve() == Path(b).resolve()


def train_and_report(settings: RunSettings, resume: str | None, *, dry_run: bool = False) -> int:
    """Train with a terminal's worth of words around it; give the exit code."""
    from ganloss.cli._progress import TerminalReporter, announce

    settings.check()
    announce(f"ganloss {__version__}  {settings.headline}")
    from ganloss.runs import training

    if dry_run:
        from ganloss.runs.dry import describe

        announce(describe(settings))
        return 0
    with TerminalReporter() as reporter:
        outcome = training.train(settings, reporter, resume)
        reporter.ended(outcome)
        if outcome.state == "finished":
            reporter.suggest(list(outcome.next))
    return 130 if outcome.state == "interrupted" else 0
