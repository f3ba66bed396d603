"""The pages of the command line and of settings, from the parsers and dataclasses themselves."""

import io
import os
from contextlib import redirect_stdout
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from ganloss.cli import VERBS, main
from ganloss.recipes.presets import preset, preset_names
from ganloss.runs.settings import FREE_ON_RESUME, TASKS, RunSettings

#: Commands whose flags depend on a further word.
_TASKS = {"train": list(TASKS)}
_CLI = """\
# Command line

`python -m ganloss` is the same as `ganloss`. Every flag may be written with `-` or `_`. No `--help`
imports torch, so they are quick.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a fault in ganloss, with what to report; `check` found one in a loss; every run crashed |
| 2 | the command was not understood |
| 3 | the data cannot be used |
| 4 | pretrained weights are missing |
| 5 | training diverged; of `compare`: every run did |
| 6 | disk, permission, lock, memory, or a lost process |
| 7 | a checkpoint cannot be used |
| 130 | interrupted; what there was is saved |
"""
_CONFIG = """\
# Settings

`config.yaml` in a run folder holds every setting of the run. `--print-config` prints such a file
for the flags beside it, `--config FILE` (or `-c`) reads one, and flags that are typed win. A
setting is the flag of its name, with `_` for `-`; other names in the table are understood, too.

```
ganloss train generate --data ./photos --loss r3gan --print-config > run.yaml
ganloss train generate --config run.yaml --minutes 30
```

**R**: may change when a run is resumed. Exactly one length is given.
"""


def write_cli(path: Path) -> None:
    """Every command's help, as the terminal shows it."""
    parts = [_CLI]
    for verb, (_, meaning) in VERBS.items():
        parts.append(f"## ganloss {verb}\n\n{meaning[0].upper()}{meaning[1:]}.\n")
        for words in ([verb, task] for task in _TASKS.get(verb, [""])):
            asked = [word for word in words if word]
            title = f"### ganloss {' '.join(asked)}\n\n" if len(asked) > 1 else ""
            parts.append(f"{title}```text\n{_help(*asked)}\n```\n")
    path.write_text("\n".join(parts), encoding="utf-8")


def _help(*words: str) -> str:
    said, columns = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        with redirect_stdout(said):
            code = main([*words, "--help"])
    finally:
        os.environ.pop("COLUMNS")
        if columns is not None:
            os.environ["COLUMNS"] = columns
    if code:
        raise RuntimeError(f"ganloss {' '.join(words)} --help ended with {code}")
    return said.getvalue().strip()


def write_config(path: Path) -> None:
    """Every setting of every task, with default and meaning."""
    common = {field.name: field for field in fields(RunSettings)}
    parts = [_CONFIG, "## All tasks\n", _table(_same(common))]
    for task, kind in TASKS.items():
        own = [f for f in fields(kind) if f.name not in {c.name for c in _same(common)}]
        parts += [f"## {task}\n", _table(own), _presets(task)]
    path.write_text("\n".join(parts), encoding="utf-8")


def _same(common: dict[str, "Field[Any]"]) -> list["Field[Any]"]:
    """Settings that no task changes."""
    tasks = [{f.name: f for f in fields(kind)} for kind in TASKS.values()]
    return [f for f in common.values() if all(_row(t[f.name]) == _row(f) for t in tasks)]


def _table(settings: list["Field[Any]"]) -> str:
    head = "| setting | default | meaning | also | |\n|---|---|---|---|---|"
    return "\n".join([head, *map(_row, settings)]) + "\n"


def _row(field: "Field[Any]") -> str:
    default = "" if field.default in (None, "") else f"`{field.default}`"
    also = ", ".join(f"`{name}`" for name in field.metadata["aliases"])
    free = "R" if field.name in FREE_ON_RESUME else ""
    meaning = field.metadata["help"].replace("|", "\\|").replace("*", "\\*")
    return f"| `{field.name}` | {default} | {meaning} | {also} | {free} |"


def _presets(task: str) -> str:
    rows = []
    for name in preset_names(task):
        values = ", ".join(f"`{key}: {value}`" for key, value in preset(name, task).items())
        rows.append(f"| `{name}` | {values} |")
    return "\n".join(["| `--preset` | sets |", "|---|---|", *rows]) + "\n"
