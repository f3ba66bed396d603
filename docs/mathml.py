"""Formulas as MathML, which browsers draw by themselves: no script, no network."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(convert(node.astext()))
    raise nodes.SkipNode


def block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{displayed(node.astext())}</div>')
    raise nodes.SkipNode


def displayed(latex: str) -> str:
    """A formula in lines of its own; big brackets grow with what they hold."""
    latex = re.sub(r"\\[Bb]ig(?=[(\[]|\\l[Vv]ert)", r"\\left", latex.strip())
    latex = re.sub(r"\\[Bb]ig(?=[)\]]|\\r[Vv]ert)", r"\\right", latex)
    if "&" in latex or r"\\" in latex:
        latex = rf"\begin{{align*}}{latex}\end{{align*}}"
    return convert(latex, display="block")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
