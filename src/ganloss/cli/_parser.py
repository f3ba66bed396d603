"""Flags from dataclasses: one field, one flag, with the names people already know."""

import argparse
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, NoReturn, Union, get_args, get_origin, get_type_hints

from jsonargparse import ArgumentParser

from ganloss._errors import UsageError
from ganloss._lazy import suggest
from ganloss.runs.settings import CODE

#: Flags that other tools have and that would be misread here.
_REJECTED = {
    "--epoch": "did you mean --epochs (how long to train) or --resume RUN (which checkpoint)?",
    "--gpus": "use --devices N",
    "--gpu-ids": "use --device cuda or --device cpu, and --devices N for several",
}


class Parser(ArgumentParser):
    """A parser that raises :class:`UsageError` with the nearest flag."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            exit_on_error=False,
            print_config="--print-config",
            formatter_class=argparse.HelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("-c", "--config", action="config", help="YAML file of flags; flags win")

    def format_help(self, formatter: Any = None) -> str:
        """As argparse writes it, without the backspace of jsonargparse before ``[=flags]``."""
        given = () if formatter is None else (formatter,)  # argparse has it from Python 3.15 on
        return super().format_help(*given).replace(" \b", "")

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise instead of exiting."""
        raise UsageError(self._explain(message)) from ex

    def _explain(self, message: str) -> str:
        """Say it in the words of flags; what is not known is said as it came."""
        text = " ".join(message.split())
        known: dict[str, Callable[..., str]] = {
            r"[Uu]nrecognized arguments: ([^\s=]+)": self._explain_unknown,
            r'Parser key "task": .(\w+). not among': self._explain_task,
            r'Parser key "config": (?:File does not exist|Path is not a file): (.*)': (
                "there is no file {} for --config".format
            ),
            r"Unexpected config:\s*\.?$": (
                "the file of --config is empty; write a line `name: value` for each flag".format
            ),
            r"(Problems parsing config: .*|Unexpected config: .*|'utf-8' codec .*)": (
                "the file of --config is not one of lines `name: value` in YAML ({})".format
            ),
            r"Option '(\w+)' is not accepted": self._explain_name,
            r'Parser key "(\w+)":.*(?:Given|Got) value: (.*?)\.?$': self._explain_value,
        }
        for pattern, explain in known.items():
            if found := re.search(pattern, text):
                text = explain(*found.groups())
                break
        end = "" if text.endswith(("?", ".")) else "."
        return f"{text}{end} See `{self.prog} --help`"

    def _explain_task(self, task: str) -> str:
        return f"the configuration is one of `ganloss train {task}`, not of `{self.prog}`"

    def _explain_name(self, name: str) -> str:
        names = [action.dest for action in self._actions]
        return f"the file of --config has {name!r}, which is no flag{suggest(name, names)}"

    def _explain_unknown(self, flag: str) -> str:
        if flag in _REJECTED:
            return f"there is no {flag}: {_REJECTED[flag]}"
        flags = [name for action in self._actions for name in action.option_strings]
        return f"there is no {flag}{suggest(flag, flags)}"

    def _explain_value(self, name: str, value: str) -> str:
        flag = f"--{name.replace('_', '-')}"
        metavars = {action.dest: str(action.metavar) for action in self._actions}
        kind = {"N": "a whole number", "X": "a number"}.get(metavars.get(name, ""), "")
        kind = kind or f"one of {metavars.get(name, '').strip('{}').replace(',', ', ')}"
        return f"{flag} is {value!r}; it takes {kind}"

    def add_settings(self, settings: type, *, without: Sequence[str] = ()) -> None:
        """Add one flag for each field of a dataclass."""
        hints = get_type_hints(settings)
        for item in fields(settings):
            if item.name not in without:
                self._add_field(item, hints[item.name])

    def _add_field(self, item: "Field[Any]", hint: Any) -> None:
        names = [f"--{item.name.replace('_', '-')}", *item.metadata["aliases"]]
        default = None if item.default is MISSING else item.default
        options: dict[str, Any] = {"dest": item.name, "default": default}
        options["help"] = item.metadata["help"].replace("%", "%%")
        if hint is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif _is_list(hint):
            options |= {"action": "append", "type": str, "metavar": "NAME=WEIGHT"}
        else:
            options |= {"type": hint, "metavar": _metavar(item.name, hint)}
        self.add_argument(*names, **options)

    def reword(self, helps: Mapping[str, str]) -> None:
        """Say in other words what some flags do."""
        for action in self._actions:
            action.help = helps.get(action.dest, action.help)

    def typed(self, arguments: Sequence[str]) -> set[str]:
        """Names of the flags that were typed, also those whose value is the default."""
        words = {_dashes(word).partition("=")[0] for word in arguments}
        return {action.dest for action in self._actions if words & set(action.option_strings)}

    def parse(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Parse flags; every flag accepts ``-`` and ``_``."""
        try:
            namespace = self.parse_args([_dashes(word) for word in arguments])
        except (argparse.ArgumentError, TypeError, ValueError) as error:
            self.error(str(error), error)
        lists = {action.dest for action in self._actions if _appends(action)}
        return {
            key: _listed(value) if key in lists else value
            for key, value in vars(namespace).items()
            if key != "config"
        }


def _appends(action: argparse.Action) -> bool:
    return isinstance(action, argparse._AppendAction)  # pyright: ignore[reportPrivateUsage]


def _listed(value: Any) -> list[str] | None:
    """A list of words; from a configuration it may come as one text, or as a list in a list."""
    import yaml

    if value is None:
        return None
    words: list[str] = []
    for item in [value] if isinstance(value, str) else value:
        read = yaml.safe_load(item) if str(item).startswith("[") else item
        words += read if isinstance(read, list) else [str(read)]
    return words


def _is_list(hint: Any) -> bool:
    parts = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return any(get_origin(part) is list for part in parts)


def _metavar(name: str, hint: Any) -> str:
    """Choices for a literal, otherwise the kind of value."""
    values = [v for v in get_args(hint) if isinstance(v, str)]
    if values:
        return "{" + ",".join(values) + "}"
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return {"int": "N", "float": "X"}.get(getattr(parts[0], "__name__", ""), name.upper())


def _dashes(word: str) -> str:
    """Write the name of a flag with dashes; its value is left alone."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return name.replace("_", "-") + equals + value


def refuse_code(settings: object, arguments: Sequence[str]) -> None:
    """Importing runs code, so only what was typed is imported without being asked for twice."""
    typed = {word.split("=")[0] for word in arguments}
    for name in CODE:
        value = getattr(settings, name, "")
        if value and f"--{name}" not in typed:
            raise UsageError(
                f"the configuration names code, {name} {value}, and importing that runs it; if you "
                f"trust it, add --allow-code, or type --{name} {value}"
            )
