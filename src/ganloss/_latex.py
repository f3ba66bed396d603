"""Formulas of the docstrings as plain text, for terminals."""

import re

_SYMBOLS = {
    "sigma": "σ", "mu": "μ", "epsilon": "ε", "phi": "φ", "gamma": "γ", "nabla": "∇", "lambda": "λ",
    "theta": "θ", "psi": "ψ", "sum": "Σ", "prod": "Π", "to": "→ ", "cdot": "· ", "sim": "∼ ",
    "lVert": "‖", "rVert": "\x01", "|": "‖", "{": "{", "}": "}",
    "alpha": "α", "tau": "τ", "pi": "π", "mid": "| ", "neq": "≠ ",
    ",": " ", ";": " ", " ": " ", "quad": "\n", "qquad": "\n", "\\": "\n",
}  # fmt: skip
#: Functions, which need a space before what follows; other unknown commands are layout.
_FUNCTIONS = ("log", "max", "min", "exp", "cos")
_ACCENTS = {"hat": "\u0302", "tilde": "\u0303"}
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
#: A command swallows the spaces after its letters.
_TOKEN = re.compile(r"\\(?:([A-Za-z]+)\s*|(.))|(\s+)|(.)", re.DOTALL)


def plain(latex: str) -> str:
    r"""Write a formula with Unicode letters; fractions and long exponents get parentheses.

    Formulas with a wide space between them come on lines of their own.

    >>> plain(r"L_D &= \tfrac12 E_x[(D(x) - b)^2]")
    'L_D = ½ E_x[(D(x) - b)²]'
    >>> plain(r"\frac{x \cdot y}{\lVert x \rVert} e^{u - v}, \qquad x \to y").split(chr(10))
    ['(x · y)/‖x‖ e^(u - v)', 'x → y']
    """
    tokens = [(m[1] or m[2] or "", " " if m[3] else m[4] or "") for m in _TOKEN.finditer(latex)]
    text, _ = _sequence(tokens, 0)
    text = re.sub(" *\x01", "‖", text)
    lines = (re.sub(" +", " ", line).strip().rstrip(",") for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _sequence(tokens: list[tuple[str, str]], i: int) -> tuple[str, int]:
    """Text of the tokens up to a closing brace, and where the next one is."""
    out = ""
    while i < len(tokens) and tokens[i] != ("", "}"):
        piece, i = _one(tokens, i)
        if piece[:1].isalnum() and re.search(rf"({'|'.join(_FUNCTIONS)})$", out):
            out += " "
        out += piece
    return out, i


def _one(tokens: list[tuple[str, str]], i: int) -> tuple[str, int]:
    command, char = tokens[i]
    if char == "{":
        text, i = _sequence(tokens, i + 1)
        return text, i + 1
    if char in ("^", "_"):
        text, i = _argument(tokens, i + 1)
        return _script(char, text), i
    if char:
        return "" if char == "&" else char, i + 1
    return _command(tokens, i, command)


def _command(tokens: list[tuple[str, str]], i: int, command: str) -> tuple[str, int]:
    if command in ("frac", "tfrac", "dfrac"):
        top, i = _argument(tokens, i + 1)
        bottom, i = _argument(tokens, i)
        return ("½" if (top, bottom) == ("1", "2") else f"{_grouped(top)}/{_grouped(bottom)}"), i
    if command in ("mathrm", "text", "operatorname"):
        return _argument(tokens, i + 1)
    if command in _ACCENTS:
        text, i = _argument(tokens, i + 1)
        return text + _ACCENTS[command], i
    if command == "sqrt":
        text, i = _argument(tokens, i + 1)
        return f"√{_grouped(text)}", i
    if command in _FUNCTIONS:
        return command, i + 1
    return _SYMBOLS.get(command, ""), i + 1


def _argument(tokens: list[tuple[str, str]], i: int) -> tuple[str, int]:
    """Text of a group, or of a single token."""
    while i < len(tokens) and tokens[i][1].isspace():
        i += 1
    return _one(tokens, i)


def _script(mark: str, text: str) -> str:
    text = text.strip()
    if mark == "^" and text == "*":
        return "*"
    if mark == "^" and re.fullmatch(r"-?\d+", text):
        return text.translate(_SUPERSCRIPTS)
    simple = re.fullmatch(r"\w[\u0302\u0303]?|\w+|\(\w+\)", text)
    return mark + (text if simple else f"({text})")


def _grouped(text: str) -> str:
    text = text.strip()
    whole = re.fullmatch(r"[\w²]+|‖[^‖]*\x01", text)
    return text if whole else f"({text})"
