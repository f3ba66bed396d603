"""The shape of the code, measured: short functions, and as much that tests as is tested.

Lines are those with code on them: no blank lines, no comments, no docstrings.
"""

import ast
import io
import statistics
import tokenize
from collections.abc import Iterator
from pathlib import Path

import ganloss

SRC = Path(ganloss.__file__).parent
TESTS = Path(__file__).parent

_NOTHING = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
_HAVE_DOCSTRINGS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_lines(text: str) -> set[int]:
    """Numbers of the lines with code."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    rows = (range(t.start[0], t.end[0] + 1) for t in tokens if t.type not in _NOTHING)
    return {line for lines in rows for line in lines} - docstring_lines(ast.parse(text))


def docstring_lines(tree: ast.AST) -> set[int]:
    nodes = (node for node in ast.walk(tree) if isinstance(node, _HAVE_DOCSTRINGS))
    docstrings = (node.body[0] for node in nodes if ast.get_docstring(node) is not None)
    return {line for d in docstrings for line in range(d.lineno, (d.end_lineno or 0) + 1)}


def bodies(text: str) -> Iterator[tuple[str, int]]:
    """Name and length of the body of each function; that of a hook without one is 0."""
    lines = code_lines(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = range(node.body[0].lineno, (node.end_lineno or 0) + 1)
            yield node.name, len(lines & set(body))


def total(*files: Path) -> int:
    return sum(len(code_lines(path.read_text("utf-8"))) for path in files)


SOURCES = sorted(SRC.rglob("*.py"))


def test_functions_are_short() -> None:
    lengths = sorted(n for path in SOURCES for _, n in bodies(path.read_text("utf-8")))
    written = [n for n in lengths if n]  # those of abstract hooks left out
    assert statistics.median(written) <= 6
    assert written[int(0.9 * len(written))] <= 20


def test_no_function_is_a_page() -> None:
    long = [
        (path.name, name, n)
        for path in SOURCES
        for name, n in bodies(path.read_text("utf-8"))
        if n > 60
    ]
    assert long == []


def test_there_is_as_much_that_tests_as_is_tested() -> None:
    """Doctests not counted; all of src is, the battery included, which tests losses itself."""
    tests, tested = total(*TESTS.rglob("*.py")), total(*SOURCES)
    assert tests / tested >= 1


def test_control_the_counts_are_right() -> None:
    text = '''"""Module."""

# a comment
def f(x):
    """Say.

    >>> f(1)
    2
    """
    y = (  # a comment beside code
        x
    )

    return y + 1
'''
    assert code_lines(text) == {4, 10, 11, 12, 14}
    assert list(bodies(text)) == [("f", 4)]
