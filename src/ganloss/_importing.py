"""Importing code that a user named on the command line: importing a module runs it."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
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
    except UsageError:
        raise
    except (ImportError, OSError) as error:
        raise UsageError(f"{name} could not be imported ({error})") from error
    except SyntaxError as error:
        raise UsageError(f"{name} is not valid Python: line {error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:  # whatever the code of a user raises
        kind = type(error).__name__
        raise UsageError(f"{name} could not be imported ({kind}: {error})") from error


class Names(Mapping[str, Any]):
    """The names of a module, with those that it makes only when asked for them.

    >>> import ganloss
    >>> names = Names(ganloss)
    >>> "Hinge" in list(names), names["Hinge"]()
    (True, Hinge(margin=1.0, fake_margin=None))
    """

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._module, name)
        except AttributeError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(dir(self._module))

    def __len__(self) -> int:
        return len(dir(self._module))


def _import_file(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.parent.resolve()))  # as for a script, which finds what lies beside
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and pickle look a class's module up
    spec.loader.exec_module(module)
    return module
