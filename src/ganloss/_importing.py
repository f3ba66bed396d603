"""Importing code that a user named on the command line: importing a module runs it."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ganloss._errors import UsageError


def import_typed(name: str) -> ModuleType:
    """Import a dotted name, or the path of a ``.py`` file.

    Raises:
        UsageError: it is not there, is not valid Python, or fails.
    """
    path = Path(name)
    try:
        if path.suffix == ".py":
            return _import_file(path)
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(name)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # whatever the code of a user raises
        raise UsageError(f"{name} could not be imported: {told(error)}") from error


def told(error: BaseException) -> str:
    """Kind and words of an error, and the line of a user's code that led to it, on one line.

    >>> told(ValueError("too\\n long"))
    'ValueError: too long'
    >>> try:
    ...     compile("f(:", "losses.py", "exec")
    ... except SyntaxError as error:
    ...     print(told(error))
    SyntaxError: invalid syntax (losses.py, line 1)
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{_place(error)}"


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return ""  # its words name the place already
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if _is_of_a_user(frame.f_code.co_filename):
            return f" ({Path(frame.f_code.co_filename).name}, line {line})"
    return ""


def _is_of_a_user(file: str) -> bool:
    """Whether code is neither ours nor Python's nor that of an installed package."""
    known = (str(Path(__file__).parent), str(Path(traceback.__file__).parent), "<frozen ")
    return not (file.startswith(known) or {"site-packages", "dist-packages"} & {*Path(file).parts})


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
