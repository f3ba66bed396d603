"""Names without an underscore, in all of src: typed, documented, and most shown in a doctest."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import ganloss

SRC = Path(ganloss.__file__).parent
#: Share of the names that no doctest has.
MISSING = 0.1

Definition = ast.ClassDef | ast.FunctionDef


def public(path: Path) -> bool:
    """Whether neither the file nor a folder on the way to it starts with an underscore."""
    parts = path.relative_to(SRC).parts
    return not any(part.startswith("_") and part != "__init__.py" for part in parts)


EVERY = {path: ast.parse(path.read_text("utf-8")) for path in sorted(SRC.rglob("*.py"))}
TREES = {path: tree for path, tree in EVERY.items() if public(path)}
#: Bases of public classes may stand in private modules.
CLASSES = [node for tree in EVERY.values() for node in tree.body if isinstance(node, ast.ClassDef)]
NAMED = {node.name: node for node in CLASSES}


def definitions(node: ast.AST) -> Iterator[Definition]:
    """Classes and functions without an underscore that stand in a module or class."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition) and not child.name.startswith("_"):
            yield child


def ancestors(cls: ast.ClassDef) -> Iterator[ast.ClassDef]:
    for base in cls.bases:
        name = ast.unparse(base).partition("[")[0].rpartition(".")[2]
        if name in NAMED and NAMED[name] is not cls:
            yield NAMED[name]
            yield from ancestors(NAMED[name])


def examples(node: Definition) -> str:
    """The code of a docstring's doctests."""
    lines = (ast.get_docstring(node) or "").splitlines()
    return "\n".join(line for line in lines if line.strip().startswith((">>>", "...")))


def methods(cls: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    """What a class brings in; what it overrides is the base's to show."""
    inherited = {node.name for base in ancestors(cls) for node in definitions(base)}
    for node in definitions(cls):
        if isinstance(node, ast.FunctionDef) and node.name not in inherited:
            yield node


def heirs(cls: ast.ClassDef) -> list[ast.ClassDef]:
    return [other for other in CLASSES if cls in ancestors(other)]


def shown(tree: ast.Module) -> dict[str, bool]:
    """Each public name, and whether a doctest of its own, or of its class's, has it."""
    found: dict[str, bool] = {}
    for node in definitions(tree):
        found[node.name] = bool(examples(node))
        for method in methods(node) if isinstance(node, ast.ClassDef) else ():
            call = re.compile(rf"\.{method.name}\b")
            used = any(call.search(examples(cls)) for cls in (node, *heirs(node)))
            found[f"{node.name}.{method.name}"] = used or bool(examples(method))
    return found


def typed(node: Definition) -> bool:
    """Whether result and arguments have types; ``self`` and ``cls`` need none."""
    if isinstance(node, ast.ClassDef):
        return True
    given = node.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    bare = {a.arg for a in every if a is not None and a.annotation is None}
    return node.returns is not None and bare <= {"self", "cls"}


def lacking(tree: ast.Module) -> list[str]:
    """Public names without a docstring, or without types."""
    inside = [node for node in definitions(tree) if isinstance(node, ast.ClassDef)]
    every = [found for node in (tree, *inside) for found in definitions(node)]
    return [n.name for n in every if not typed(n) or ast.get_docstring(n) is None]


def test_most_have_a_doctest() -> None:
    found = {
        f"{path.relative_to(SRC)} {name}": is_shown
        for path, tree in TREES.items()
        for name, is_shown in shown(tree).items()
    }
    print(f"{sum(found.values())} of {len(found)} public names have a doctest")
    missing = [name for name, is_shown in found.items() if not is_shown]
    assert len(found) > 600
    assert len(missing) <= MISSING * len(found), missing


def test_all_are_documented_and_typed() -> None:
    """That the types are right is ``make types``."""
    assert {str(path): names for path, tree in TREES.items() if (names := lacking(tree))} == {}


def test_control_what_is_missing_is_seen() -> None:
    tree = ast.parse(
        "class Silent:\n"
        "    def method(self, x) -> None:\n"
        '        """Nothing."""\n'
        "    def _own(self): ...\n"
        "class Loud:\n"
        '    """Say.\n\n    >>> Loud().said\n    """\n'
        "    @property\n"
        "    def said(self) -> str:\n"
        '        """Say it."""\n'
        "def function(): ...\n"
    )
    named = {"Silent": False, "Silent.method": False, "Loud": True, "Loud.said": True}
    assert shown(tree) == {**named, "function": False}
    assert lacking(tree) == ["Silent", "function", "method"]
