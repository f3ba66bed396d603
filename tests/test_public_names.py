"""Every public name says what it is, what may go wrong, and shows itself in a doctest that runs."""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

import ganloss
from ganloss import check, lab

OBJECTS: dict[str, Any] = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module, names in (
        (ganloss, ganloss.PUBLIC_NAMES),
        (lab, lab.__all__),
        (check, check.__all__),
    )
    for name in names
}
#: Those that have a docstring of their own; the others are dictionaries and a version.
NAMES = {n: o for n, o in OBJECTS.items() if inspect.isclass(o) or inspect.isfunction(o)}
CLASSES = {n: o for n, o in NAMES.items() if inspect.isclass(o)}

#: Share of public names and methods that a doctest shows.
SHOWN = 0.9


def examples(thing: Any) -> str:
    """The code of a docstring's doctests."""
    lines = (inspect.getdoc(thing) or "").splitlines()
    return "\n".join(line for line in lines if line.strip().startswith((">>>", "...")))


def methods(cls: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties a class brings in; those of its bases are the bases'."""
    for name, member in vars(cls).items():
        inherited = any(hasattr(base, name) for base in cls.__mro__[1:])
        function = getattr(member, "__func__", member)
        if name.startswith("_") or inherited:
            continue
        if inspect.isfunction(function) or isinstance(member, property):
            yield name, member


def shown(cls: type, method: str, member: Any) -> bool:
    """Whether a doctest of the method, its class or a public subclass uses it."""
    family = [other for other in CLASSES.values() if issubclass(other, cls)]
    return bool(examples(member)) or any(f".{method}" in examples(other) for other in family)


def constructor_raises(cls: type) -> bool:
    """Whether making one may be refused, as the code of the class says."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    makers = ("__init__", "__post_init__")
    return any(
        isinstance(node, ast.FunctionDef) and node.name in makers and _may_raise(node)
        for node in tree.body
    )


def _may_raise(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Raise)
        or (isinstance(node, ast.Call) and ast.unparse(node.func).lstrip("_").startswith("check_"))
        for node in ast.walk(function)
    )


def callables(cls: type) -> list[Any]:
    """How a loss is called: as a pair, or as a function."""
    if hasattr(cls, "generator"):
        return [getattr(cls, "discriminator"), getattr(cls, "generator")]  # noqa: B009
    return [getattr(cls, "forward", None) or cls.__call__]


@pytest.mark.parametrize("name", NAMES)
def test_has_a_docstring_of_its_own_with_a_doctest(name: str) -> None:
    assert vars(NAMES[name]).get("__doc__") if name in CLASSES else NAMES[name].__doc__
    assert examples(NAMES[name]), "no doctest"


def test_methods_are_shown_too() -> None:
    found = {
        f"{name}.{method}": shown(cls, method, member)
        for name, cls in CLASSES.items()
        for method, member in methods(cls)
    }
    all_shown = len(NAMES) + sum(found.values())
    missing = [name for name, is_shown in found.items() if not is_shown]
    assert all_shown >= SHOWN * (len(NAMES) + len(found)), missing
    assert len(found) > 50


@pytest.mark.parametrize("name", CLASSES)
def test_explains_each_field(name: str) -> None:
    cls = CLASSES[name]
    if dataclasses.is_dataclass(cls) and dataclasses.fields(cls):
        text = (inspect.getdoc(cls) or "").partition("Args:")[2]
        fields = [field.name for field in dataclasses.fields(cls)]
        assert [field for field in fields if field not in text] == []


@pytest.mark.parametrize("name", CLASSES)
def test_says_what_its_constructor_refuses(name: str) -> None:
    if constructor_raises(CLASSES[name]):
        assert "Raises:" in (inspect.getdoc(CLASSES[name]) or "")


ENTRIES = {
    name: cls
    for registry in (
        ganloss.LOSSES,
        ganloss.PENALTIES,
        ganloss.GENERATOR_PENALTIES,
        ganloss.TERMS,
    )
    for name, cls in registry.items()
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_call_says_shapes_and_errors(name: str) -> None:
    for function in callables(ENTRIES[name]):
        text = inspect.getdoc(function) or ""
        assert "Args:" in text
        assert "Raises:" in text


@pytest.mark.parametrize("name", NAMES)
def test_a_function_says_what_it_refuses(name: str) -> None:
    function = NAMES[name]
    if inspect.isfunction(function) and "raise " in inspect.getsource(function):
        assert "Raises:" in (inspect.getdoc(function) or "")


class Silent:
    """A class that fails."""

    def __init__(self) -> None:
        raise ValueError

    def method(self) -> None:
        """Nothing to see."""


def test_control_what_is_missing_is_seen() -> None:
    assert not examples(Silent)
    assert constructor_raises(Silent)
    assert "Raises:" not in (inspect.getdoc(Silent) or "")
    ((name, member),) = methods(Silent)
    assert not shown(Silent, name, member)
    assert not constructor_raises(ganloss.L1)
