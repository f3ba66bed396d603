"""Finding what is to be checked: ``module:Name``, a file, or an expression over public names."""

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ganloss._errors import UsageError
from ganloss._importing import Names, import_typed, told
from ganloss._lazy import suggest

#: Arguments that losses need and that have no default, as the battery's images have them.
_USUAL: dict[str, Any] = {"data_range": 1.0, "value_range": (0.0, 1.0), "sample_rate": 22050.0}


def load(target: str) -> Any:
    """Give the object that ``MODULE:NAME`` names; a class is made with its defaults.

    ``MODULE`` is a dotted name or the path of a ``.py`` file, ``NAME`` a name in it or a call with
    literals, e.g. ``losses.py:MyLoss(margin=2.0)``. Only for what was typed on the command line:
    importing a module runs it.

    Raises:
        UsageError: there is no such module or name, or the class needs arguments.

    >>> load("ganloss:Hinge(margin=2.0)")
    Hinge(margin=2.0, fake_margin=None)
    >>> load("ganloss")
    Traceback (most recent call last):
    ganloss._errors.UsageError: 'ganloss' names no loss; write MODULE:NAME, e.g. losses.py:MyLoss
    """
    module_name, _, expression = target.partition(":")
    if not expression:
        raise UsageError(f"{target!r} names no loss; write MODULE:NAME, e.g. losses.py:MyLoss")
    module = import_typed(module_name)
    return build(expression, Names(module), module_name)


def build(expression: str, names: Mapping[str, Any], where: str) -> Any:
    """Evaluate ``Name``, or ``Name(...)`` with literals and further names as arguments.

    Raises:
        UsageError: a name is unknown, or the expression is something else.

    >>> import ganloss as gl
    >>> build("LeastSquares(-1, 1, 0)", {"LeastSquares": gl.LeastSquares}, "ganloss")
    LeastSquares(fake_target=-1, real_target=1, generator_target=0)
    """
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise UsageError(f"{expression!r} is neither a name nor a call like Name(1.0)") from error
    return made(_value(tree, names, where))


def _value(node: ast.expr, names: Mapping[str, Any], where: str) -> Any:
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise UsageError(f"{where} has no {node.id!r}{suggest(node.id, names)}")
        return names[node.id]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        function = _value(node.func, names, where)
        positional = [made(_value(arg, names, where)) for arg in node.args]
        keywords = {str(k.arg): made(_value(k.value, names, where)) for k in node.keywords}
        return _called(function, keywords, ast.unparse(node), *positional)
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise UsageError(f"{ast.unparse(node)!r} is neither a name nor a literal") from error


def made(value: Any) -> Any:
    """Make an object of a class, with the usual arguments where it has no defaults.

    Raises:
        UsageError: the class needs further arguments, lacks methods, or cannot be made.

    >>> import ganloss as gl
    >>> made(gl.PSNR)
    PSNR(data_range=1.0)
    >>> made(gl.FDivergence)
    Traceback (most recent call last):
    ganloss._errors.UsageError: FDivergence is a class that needs kind; write FDivergence(kind=...)
    """
    if not isinstance(value, type):
        return value
    name, needed = value.__name__, _required(value)
    if missing := sorted(getattr(value, "__abstractmethods__", ())):
        raise UsageError(f"the class {name} is unfinished: it does not define {_listed(missing)}")
    if unknown := [n for n in needed if n not in _USUAL]:
        call = ", ".join(f"{n}=..." for n in unknown)
        raise UsageError(f"{name} is a class that needs {_listed(unknown)}; write {name}({call})")
    return _called(value, {n: _USUAL[n] for n in needed}, f"{name}()")


def _required(cls: type) -> list[str]:
    """Names of the arguments that an object cannot be made without."""
    try:
        found = inspect.signature(cls).parameters
    except ValueError:  # a class written in C
        return []
    various = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [n for n, p in found.items() if p.default is p.empty and p.kind not in various]


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _called(
    function: Callable[..., Any], keywords: Mapping[str, Any], text: str, *positional: Any
) -> Any:
    try:
        return function(*positional, **keywords)
    except Exception as error:  # whatever the code of a user raises
        raise UsageError(f"{text} could not be made: {told(error)}") from error
