"""Importing code that a user named on the command line: importing a module runs it."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

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


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and pickle look a class's module up
    spec.loader.exec_module(module)
    return module
