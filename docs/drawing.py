"""Pictures as SVG inside the page: they take the page's colours, light or dark."""

import html
import io
import re

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Told apart by colour-blind readers too, and seen on white as on black.
BLUE, ORANGE, GREEN, PINK, SKY, YELLOW = (
    "#2e86c1", "#dd6b20", "#0f9d76", "#c2679b", "#56b4e9", "#c9a000",
)  # fmt: skip
PALETTE = (BLUE, ORANGE, GREEN, PINK, SKY, YELLOW)
_INK = "#123456"  # stands for the colour of the page's text
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "ganloss", "font.family": "sans-serif",
    "font.size": 11, "axes.titlesize": 11, "axes.labelsize": 10, "legend.fontsize": 9.5,
    "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.frameon": False,
    "text.color": _INK, "axes.edgecolor": _INK, "axes.labelcolor": _INK, "xtick.color": _INK,
    "ytick.color": _INK, "axes.spines.top": False, "axes.spines.right": False,
    "axes.linewidth": 0.7, "lines.linewidth": 1.8, "axes.titlelocation": "left",
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
}  # fmt: skip
INK = _INK
matplotlib.rcParams.update(STYLE)


def figure(
    rows: int = 1, columns: int = 1, *, width: float = 4.6, height: float = 3.0, **options: bool
) -> tuple[Figure, list[Axes]]:
    """Give a figure and its panels in reading order; the width is that of a telephone."""
    drawn = Figure(figsize=(width, height), layout="constrained")
    panels = drawn.subplots(rows, columns, squeeze=False, **options)
    return drawn, [panel for row in panels for panel in row]


def inline(drawn: Figure, label: str, *, wide: bool = False) -> str:
    """Give a figure as a block of Markdown; ``label`` is read aloud in its place."""
    stream = io.StringIO()
    drawn.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Type": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = svg.replace(_INK, "currentColor").replace("sans-serif", "inherit")
    svg = re.sub(r"<!--.*?-->\s*|\n\s*", " ", svg, flags=re.DOTALL)
    name = "drawn wide" if wide else "drawn"
    return re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>',
        f'<svg class="{name}" role="img" aria-label="{html.escape(label)}" viewBox="\\1" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">',
        svg,
        count=1,
    )


def raw(*parts: str) -> str:
    """Give HTML as a block of Markdown."""
    return "\n".join(["```{raw} html", *parts, "```"])


def row(*figures: tuple[str, str]) -> str:
    """Lay pictures with their captions side by side where there is room."""
    cells = (
        f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"
        for picture, caption in figures
    )
    return raw('<div class="pictures">', *cells, "</div>")
