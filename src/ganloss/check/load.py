"""Finding what is to be checked: ``module:Name``, a file, or an expression over public names."""

import ast
from collections.abc import Mapping
from typing import Any

from ganloss._errors import UsageError
from ganloss._importing import Names, import_typed
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
    return _made(_value(tree, names, where), expression)


def _value(node: ast.expr, names: Mapping[str, Any], where: str) -> Any:
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise UsageError(f"{where} has no {node.id!r}{suggest(node.id, names)}")
        return names[node.id]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        function = _value(node.func, names, where)
        positional = [_made(_value(arg, names, where), where) for arg in node.args]
        keywords = {str(k.arg): _made(_value(k.value, names, where), where) for k in node.keywords}
        try:
            return function(*positional, **keywords)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{ast.unparse(node)} could not be made: {error}") from error
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise UsageError(f"{ast.unparse(node)!r} is neither a name nor a literal") from error


def _made(value: Any, expression: str) -> Any:
    """Make an object of a class, with the usual arguments where it has no defaults."""
    if not isinstance(value, type):
        return value
    import inspect

    needed = {
        name: _USUAL[name]
        for name, p in inspect.signature(value).parameters.items()
        if p.default is p.empty and name in _USUAL
    }
    try:
        return value(**needed)
    except TypeError as error:
        raise UsageError(
            f"{value.__name__} could not be made without arguments ({error}); write them, e.g. "
            f"'{expression}(margin=1.0)'"
        ) from error
