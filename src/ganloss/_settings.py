"""The settings of a value: numbers, and yes or no, checked once when it is made."""

import sys
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from numbers import Integral, Real
from types import UnionType
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

_LARGEST = sys.float_info.max


def check_settings(value: Any) -> None:
    """Refuse numbers and bools of a frozen dataclass that are not of the types it declares.

    An int will do for a float. NumPy's scalars become Python's and lists tuples, so that the
    value's ``repr`` evals back. Fields of other types are left alone.

    Raises:
        TypeError: no number, no whole number, or neither True nor False.
        ValueError: a number that is not finite.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Window:
    ...     width: float
    ...     __post_init__ = check_settings
    >>> Window(3)
    Window(width=3)
    >>> Window("3")
    Traceback (most recent call last):
    TypeError: width is '3'; it must be a number
    """
    if torch.compiler.is_compiling():  # a value made in compiled code: it cannot be traced
        return
    for field in _declared(type(value)):
        given = getattr(value, field.name)
        found = field.check(given, field.name, field.besides)
        if found is not given:
            object.__setattr__(value, field.name, found)


class _Field(NamedTuple):
    """A field that is checked; ``besides``: what else its type allows, None or a tensor."""

    name: str
    check: Callable[[Any, str, tuple[type, ...]], Any]
    besides: tuple[type, ...]


@cache
def _declared(cls: type) -> tuple[_Field, ...]:
    found: list[_Field] = []
    for field in fields(cls):
        kind: Any = field.type
        types = get_args(kind) if isinstance(kind, UnionType) else (kind,)
        check = next((_CHECKS[t] for t in types if t in _CHECKS), None)
        if check is not None:
            besides = tuple(t for t in types if t in (type(None), Tensor))
            found.append(_Field(field.name, check, besides))
    return tuple(found)


def check_number(given: Any, name: str, besides: tuple[type, ...] = ()) -> Any:
    """Return a finite number, Python's own; or what else is allowed.

    >>> check_number(float("nan"), "margin")
    Traceback (most recent call last):
    ValueError: margin is nan; it must be finite
    """
    if isinstance(given, besides):
        return _single(given, name)
    # True is an int to Python, but a slip where a number is asked for.
    if isinstance(given, bool) or not isinstance(given, Real):
        raise TypeError(f"{name} is {_shown(given)}; it must be a number{_others(besides)}")
    found: float = given if isinstance(given, int) else float(given)
    if not -_LARGEST <= found <= _LARGEST:
        raise ValueError(f"{name} is {found}; it must be finite")
    return found


def check_whole(given: Any, name: str, besides: tuple[type, ...] = ()) -> Any:
    """Return a whole number, Python's own; or what else is allowed.

    >>> check_whole(11.5, "window")
    Traceback (most recent call last):
    TypeError: window is 11.5; it must be a whole number
    """
    if isinstance(given, besides):
        return given
    if isinstance(given, bool) or not isinstance(given, Integral):
        raise TypeError(f"{name} is {_shown(given)}; it must be a whole number{_others(besides)}")
    return int(given)


def _flag(given: Any, name: str, besides: tuple[type, ...]) -> Any:
    # NumPy's True is no bool to Python.
    if not isinstance(given, bool) and getattr(given, "dtype", None) != "bool":
        raise TypeError(f"{name} is {_shown(given)}; it must be True or False")
    return given if isinstance(given, bool) else bool(given)


def _each(
    check: Callable[[Any, str, tuple[type, ...]], Any], count: int | None = None
) -> Callable[..., Any]:
    """Check of a tuple, of so many entries if that is fixed, which pass a check each."""
    numbers = "numbers" if count is None else f"{count} numbers"

    def check_each(given: Any, name: str, besides: tuple[type, ...]) -> Any:
        if not isinstance(given, (tuple, list)) or count not in (None, len(given)):
            raise TypeError(f"{name} is {_shown(given)}; it must be a tuple of {numbers}")
        return tuple(check(one, f"{name}[{i}]", besides) for i, one in enumerate(given))

    return check_each


def _single(given: Any, name: str) -> Any:
    """Refuse a tensor of more than one number; whether it is finite, only its device knows."""
    if isinstance(given, Tensor) and (given.dim() != 0 or not given.is_floating_point()):
        raise ValueError(
            f"{name} has shape {tuple(given.shape)} and dtype {given.dtype}; it must be a number "
            "or a 0-d floating tensor"
        )
    return given


def _others(besides: tuple[type, ...]) -> str:
    return "".join(" or None" if t is type(None) else " or a 0-d tensor" for t in besides)


def _shown(given: object) -> str:
    """What was given, in one line that is not long."""
    text = repr(given)
    return text if len(text) <= 60 and "\n" not in text else f"a {type(given).__name__}"


_CHECKS: dict[Any, Callable[[Any, str, tuple[type, ...]], Any]] = {
    float: check_number,
    int: check_whole,
    bool: _flag,
    tuple[float, ...]: _each(check_number),
    tuple[float, float]: _each(check_number, 2),
    tuple[int, ...]: _each(check_whole),
}
