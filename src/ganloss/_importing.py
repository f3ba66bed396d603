"""Importing code that a user named on the command line: importing a module runs it."""

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ganloss._errors import UsageError


def import_typed(name: str) -> ModuleType:
    """Import a dotted name, or the path of a ``.py`` file.

    Raises:
        UsageError: it is not there, or is not valid Python.
    """
    path = Path(name)
    try:
        if path.suffix == ".py":
            return _import_file(path)
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise UsageError(f"{name} could not be imported ({error})") from error
    except SyntaxError as error:
        raise UsageError(f"{name} is not valid Python: line {error.lineno}: {error.msg}") from error


def names_in(module: ModuleType, text: str) -> dict[str, Any]:
    """Give what a module holds, and those names of a text that it makes when asked for them.

    >>> import ganloss
    >>> names_in(ganloss, "Hinge(margin=2.0)")["Hinge"]()
    Hinge(margin=1.0, fake_margin=None)
    """
    asked = [name for name in re.findall(r"[^\W\d]\w*", text) if hasattr(module, name)]
    return vars(module) | {name: getattr(module, name) for name in asked}


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and pickle look a class's module up
    spec.loader.exec_module(module)
    return module
