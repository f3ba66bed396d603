"""``--vary NAME=A,B``: settings that a comparison compares."""

import itertools
import types
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ganloss._errors import UsageError
from ganloss._lazy import suggest
from ganloss.runs.settings import LENGTHS, PairedSettings, RunSettings

#: Settings that say what is measured, or where: runs that differ in them cannot be compared.
_FIXED = frozenset(
    {"data", "lq", "gt", "direction", "degrade", "held_out", "image_size", "fit", "cond", "metrics"}
    | {"seed", "snap", "out", "name", "device", "devices", "threads", "workers", "cache", "track"}
    | {"patience"}
)
#: Lists of NAME=WEIGHT that one name of is varied.
_LISTS = ("term", "penalty")


def combinations(
    settings: RunSettings, loss: str, vary: Sequence[str]
) -> list[tuple[list[str], dict[str, Any]]]:
    """Every combination of the values, each with its words and the settings it changes.

    Raises:
        UsageError: an unknown setting, one that cannot be compared, or a value of another kind.

    >>> from ganloss.runs.settings import GenerateSettings
    >>> combinations(GenerateSettings(data="x"), "ns", ["lr=1e-4,2e-4"])
    [(['lr=1e-4'], {'lr': 0.0001}), (['lr=2e-4'], {'lr': 0.0002})]
    """
    found: list[tuple[list[str], dict[str, Any]]] = []
    for choice in itertools.product(*(_options(settings, item) for item in vary)):
        changes: dict[str, Any] = {}
        for name, text in choice:
            changes |= _change(settings, loss, changes, name, text)
        words = [f"{name.rpartition('.')[2].replace('_', '-')}={text}" for name, text in choice]
        found.append((words, changes))
    return found


def _options(settings: RunSettings, item: str) -> list[tuple[str, str]]:
    name, equals, values = item.partition("=")
    name = name.strip().replace("-", "_") if "." not in name else name.strip()
    listed = [value.strip() for value in values.split(",") if value.strip()]
    if not equals or len(listed) < 2:
        raise UsageError(
            f"--vary {item}: name a setting and at least two values, e.g. --vary lr=1e-4,2e-4"
        )
    _check_name(settings, name)
    return [(name, value) for value in listed]


def _check_name(settings: RunSettings, name: str) -> None:
    known = {f.name for f in fields(settings)}
    group = name.partition(".")[0]
    if group in _LISTS and group in known and "." in name:
        return
    if name in known & set(_LISTS):
        raise UsageError(f"--vary {name}: say which, e.g. --vary {name}.NAME=0,1")
    if name not in known:
        raise UsageError(f"--vary {name}: no such setting{suggest(name, known)}")
    if name in _FIXED or name in LENGTHS:
        raise UsageError(
            f"--vary {name}: runs that differ in it are not measured alike, so they cannot be "
            "compared; make two comparisons"
        )


def _change(
    settings: RunSettings, loss: str, before: dict[str, Any], name: str, text: str
) -> dict[str, Any]:
    group, _, entry = name.partition(".")
    if not entry:
        return {name: _converted(settings, name, text)}
    try:
        float(text)
    except ValueError as error:
        raise UsageError(f"--vary {name}: {text!r} is no weight; give numbers") from error
    given = before.get(group) or getattr(settings, group)
    if given is None and isinstance(settings, PairedSettings):
        given = settings.usual_terms(loss)
    given = given or []
    return {group: [*given, f"{entry}={text}"]}


def _converted(settings: RunSettings, name: str, text: str) -> Any:
    hint = get_type_hints(type(settings))[name]
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for kind in kinds:
        if get_origin(kind) is Literal:
            if text in get_args(kind):
                return text
        elif kind is bool:
            if text.lower() in ("true", "yes", "on", "false", "no", "off"):
                return text.lower() in ("true", "yes", "on")
        elif kind in (int, float, str):
            try:
                return kind(text)
            except ValueError:
                continue
    takes = " or ".join(
        ", ".join(map(str, get_args(k))) if get_args(k) else k.__name__
        for k in kinds
        if k is not type(None)
    )
    raise UsageError(f"--vary {name}: {text!r} is not what it takes ({takes})")
