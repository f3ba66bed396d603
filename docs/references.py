"""References by public names, and that the reference has every one of them.

``ganloss.Hinge`` is what one writes; it is documented where it is defined.
"""

import inspect
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

import ganloss
from ganloss import check, lab

#: What may stand before a public name.
PLACES = ("", "ganloss", "ganloss.check", "ganloss.lab", "gl", "gl.lab")


def public() -> Iterator[str]:
    """Full names of the classes and functions that users import."""
    for module, names in (
        (ganloss, ganloss.PUBLIC_NAMES),
        (lab, lab.__all__),
        (check, check.__all__),
    ):
        things = [getattr(module, name) for name in names]
        for thing in things:
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{thing.__module__}.{thing.__qualname__}"


def by_last_name(
    app: Sphinx, env: BuildEnvironment, node: nodes.Element, text: nodes.TextElement
) -> Any:
    """Find what a user imports, or what only one documented name ends with, by its name."""
    domain = env.domains.python_domain
    where, _, last = node["reftarget"].rpartition(".")
    found = [name for name in domain.objects if name.endswith(f".{last}")]
    if node.get("refdomain") != "py" or len(found) != 1 or where not in PLACES:
        return None
    words = (node["refdoc"], app.builder, node["reftype"], found[0], node, text)
    return domain.resolve_xref(env, *words)


def complete(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of public names that no page documents; under ``-W`` that is an error."""
    for name in public():
        if name not in env.domains.python_domain.objects:
            logging.getLogger(__name__).warning("%s is on no page of the reference", name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("missing-reference", by_last_name)
    app.connect("env-check-consistency", complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
