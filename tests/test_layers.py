"""Imports point down: a module may use its own layer and those below, never one above."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ganloss

SRC = Path(ganloss.__file__).parent

#: Lowest first. The modules of a line may use each other; cycles are looked for separately.
LAYERS = (
    (
        "_errors",
        "_importing",
        "_latex",
        "_lazy",
        "_processes",
        "_random",
        "_scores",
        "_settings",
        "_version",
        "_weights",
    ),
    (
        "losses",
        "penalties",
        "terms",
        "objective",
        "optimisers",
        "outputs",
        "constraints",
        "games",
        "augment",
        "adaptive",
        "aids",
    ),
    ("cards", "check", "engine", "data", "networks", "metrics"),
    ("recipes", "runs"),
    ("lab", "cli"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
#: The package itself names everything, lazily; `python -m ganloss` is the command line.
ABOVE = ("ganloss", "__main__")


def modules() -> dict[str, Path]:
    """Full name to file."""
    found: dict[str, Path] = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = path.relative_to(SRC.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, *, inside_functions: bool) -> Iterator[str]:
    """Modules of ganloss that a file imports, those for type checkers left out."""
    yield from _imported(ast.parse(path.read_text(encoding="utf-8")), inside_functions)


def _imported(node: ast.AST, inside_functions: bool) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.FunctionDef) and not inside_functions:
            continue
        if isinstance(child, ast.ImportFrom) and (child.module or "").startswith("ganloss"):
            yield child.module
        elif isinstance(child, ast.Import):
            yield from (a.name for a in child.names if a.name.startswith("ganloss"))
        else:
            yield from _imported(child, inside_functions)


def part(module: str) -> str:
    """The folder or file below ``ganloss`` that a module belongs to."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else "ganloss"


def upward(importer: str, used: str) -> bool:
    if part(importer) in ABOVE:
        return False
    if part(used) == "ganloss":
        return LEVEL[part(importer)] < len(LAYERS) - 1
    return LEVEL[part(used)] > LEVEL[part(importer)]


def test_every_module_has_a_layer():
    assert {part(module) for module in modules()} - set(LEVEL) <= set(ABOVE)


@pytest.mark.parametrize("module", modules())
def test_imports_point_down(module: str):
    used = imported(modules()[module], inside_functions=True)
    assert [name for name in used if upward(module, name)] == []


def test_there_are_no_cycles():
    files = modules()
    graph = {
        name: {used for used in imported(path, inside_functions=False) if used in files}
        for name, path in files.items()
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for used in graph[module] - {"ganloss"}:
                visit(used, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_no_file_is_long():
    long = {name: len(path.read_text("utf-8").splitlines()) for name, path in modules().items()}
    assert {name: lines for name, lines in long.items() if lines > 500} == {}


@pytest.mark.parametrize(
    ("importer", "used", "wrong"),
    [
        ("ganloss.losses.adversarial", "ganloss.engine.loop", True),
        ("ganloss._scores", "ganloss.losses", True),
        ("ganloss.engine.loop", "ganloss.cli.train", True),
        ("ganloss.losses.adversarial", "ganloss", True),
        ("ganloss.cli.train", "ganloss.losses", False),
        ("ganloss.games", "ganloss.penalties", False),
    ],
)
def test_control_an_import_upwards_is_seen(importer: str, used: str, wrong: bool):
    assert upward(importer, used) is wrong
