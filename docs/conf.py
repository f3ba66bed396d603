"""Sphinx configuration; the reference is made from docstrings."""

import sys
from pathlib import Path

from ganloss import __version__

sys.path.insert(0, str(Path(__file__).parent))

import make_cards
import make_explanation
import make_features
import make_gallery
import make_reference
import make_wrong_use

make_cards.write(Path(__file__).parent / "cards" / "index.md")
make_features.write(Path(__file__).parent / "features.md")
make_gallery.write(Path(__file__).parent / "gallery")
make_wrong_use.write(Path(__file__).parent / "wrong_use.md")
make_reference.write_cli(Path(__file__).parent / "reference" / "cli.md")
make_reference.write_config(Path(__file__).parent / "reference" / "config.md")

project = "ganloss"
author = project_copyright = "The ganloss developers"
version = release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "mathml", "references", "sphinx.ext.napoleon"]
html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["_static", "pictures"]
html_css_files = ["pictures.css"]
html_title = f"ganloss {__version__}"
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "dollarmath", "substitution"]
myst_substitutions = make_explanation.values()
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
nb_execution_mode = "off"
nitpicky = True
# Names of other projects: no page of theirs is asked while these are built.
nitpick_ignore_regex = [("py:.*", r"(torch|collections|pathlib|PIL)\..*")]
# Dashes of flags stay dashes, and commands are not coloured as Python.
smartquotes = False
highlight_language = "none"
