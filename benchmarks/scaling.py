"""How cost grows: `python -m benchmarks.scaling` measures, fits, and draws the picture.

Of each size the least processor time of one thread over some rounds, in which the sizes take turns,
and the bytes that the graph keeps for backward. The order is the slope of a line through the three
largest sizes, both axes logarithmic: below them lies what a call costs whatever it is given.
Prints a table in Markdown and writes docs/pictures/scaling.svg. Processes: benchmarks.processes.
"""

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import ganloss as gl
from benchmarks import _timing
from benchmarks.costs import kept_bytes, step_of
from benchmarks.processes import STYLE
from benchmarks.structural import images, kept_for_backward, value_and_gradient
from ganloss import GAMES, lab
from ganloss.check import example
from ganloss.runs.settings import GenerateSettings

ROUNDS, FITTED = 5, 3
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "scaling.svg"


@dataclass(frozen=True)
class Curve:
    """Costs against a size.

    Args:
        what: what was measured.
        size: what its sizes count.
        order: the power of the size that theory expects of the largest, for time and bytes.
        seconds: of each size.
        bytes: kept for backward, of each size; empty where nothing is.
    """

    what: str
    size: str
    order: int
    seconds: dict[int, float]
    bytes: dict[int, float]


def slope(costs: dict[int, float]) -> float:
    """Power of the size by which the costs of the largest sizes grow, by least squares.

    >>> round(slope({1: 9.0, 2: 4.0, 4: 16.0, 8: 64.0}), 6)
    2.0
    """
    points = [(math.log(size), math.log(cost)) for size, cost in list(costs.items())[-FITTED:]]
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def seconds(acts: dict[int, Callable[[], object]]) -> dict[int, float]:
    times = _timing.interleaved({str(size): act for size, act in acts.items()}, rounds=ROUNDS)
    return {int(size): min(values) for size, values in times.items()}


def curve(what: str, size: str, order: int, acts: dict[int, Callable[[], object]]) -> Curve:
    return Curve(what, size, order, seconds(acts), {n: kept_bytes(a) for n, a in acts.items()})


def batches() -> Curve:
    acts = {n: step_of(GAMES["r3gan"], n) for n in (2, 4, 8, 16, 32, 64)}
    return curve("a step of r3gan, 32 px", "images in a batch", 1, acts)


def resolutions() -> Curve:
    acts = {n * n: step_of(GAMES["r3gan"], 4, (3, n, n)) for n in (8, 16, 32, 64, 128)}
    return curve("a step of r3gan, batch of 4", "pixels of an image", 1, acts)


def similarities() -> Curve:
    loss, pairs = gl.SSIM(data_range=1.0), {n * n: images(4, 3, n, n) for n in SIDES}
    acts = {size: value_and_gradient(loss, *pair) for size, pair in pairs.items()}
    kept = {size: kept_for_backward(loss, *pair) for size, pair in pairs.items()}
    return Curve("SSIM, value and gradient", "pixels of an image", 1, seconds(acts), kept)


SIDES = (16, 32, 64, 128, 256, 512)


def discrepancies() -> Curve:
    """MMD compares every sample with every other."""
    pair = example("mmd")

    def act(count: int) -> Callable[[], object]:
        real, fake = torch.randn(2, count, 16)
        fake.requires_grad_(True)
        return lambda: pair.generator(real=real, fake=fake).backward()

    acts = {n: act(n) for n in (32, 64, 128, 256, 512)}
    return curve("MMD, value and gradient", "samples in a batch", 2, acts)


def terms() -> Curve:
    """A declared sum of many terms, of images of 64 pixels."""
    x, y = images(8, 3, 64, 64)

    def act(count: int) -> Callable[[], object]:
        losses = {f"l{i}": gl.Charbonnier(eps=1e-3 * (i + 1)) for i in range(count)}
        objective = gl.WeightedSum(**dict.fromkeys(losses, 1.0))

        def run() -> None:
            x.grad = None
            objective(**{name: loss(x, y) for name, loss in losses.items()}).total.backward()

        return run

    return curve("a weighted sum", "terms", 1, {n: act(n) for n in (1, 2, 4, 8, 16, 32)})


def jobs() -> Curve:
    """Whole comparisons on points in the plane: runs, scores, pages and report."""
    return Curve("a comparison in the lab", "jobs", 1, dict(map(compared, (2, 4, 8, 16))), {})


def compared(count: int) -> tuple[int, float]:
    with tempfile.TemporaryDirectory() as out:
        settings = GenerateSettings(data="demo:ring", steps=200, snap=200, threads=1, out=out)
        began = sum(os.times()[:4])  # of this process and of those it started
        lab.compare(("ns", "hinge"), seeds=range(count // 2), settings=settings, workers=1)
        return count, sum(os.times()[:4]) - began


# The picture: one frame for each curve, costs as shares of those of the largest size.

WIDTH, HEIGHT, GAP_X, GAP_Y, LEFT, TOP, COLUMNS = 230, 170, 40, 86, 52, 40, 3
MORE = """
  .title { font-weight: 600 } .order { stroke: #888; stroke-dasharray: 5 4 }
  .kept { fill: #2b6cb0 }
  @media (prefers-color-scheme: dark) { .order { stroke: #999 } .kept { fill: #7ab0e8 } }
"""


@dataclass(frozen=True)
class Frame:
    """Where a curve is drawn: the largest size and cost lie in the upper right corner."""

    curve: Curve
    left: float
    top: float

    @property
    def decades(self) -> tuple[float, float]:
        """Powers of ten that both axes show, for all points and the expected order."""
        sizes = list(self.curve.seconds)
        across = math.log10(sizes[-1] / sizes[0])
        return 1.06 * across, 1.06 * across * self.curve.order

    def place(self, size: float, share: float) -> tuple[float, float]:
        across, up = self.decades
        x = 1 + math.log10(size / max(self.curve.seconds)) / across
        y = 1 + math.log10(share) / up
        # A little room between the largest and the frame.
        return (
            round(self.left + WIDTH * (0.97 * x), 1),
            round(self.top + HEIGHT * (1 - 0.97 * y), 1),
        )

    def dots(self, costs: dict[int, float], kind: str) -> Iterator[str]:
        most = list(costs.values())[-1]
        for size, cost in costs.items():
            x, y = self.place(size, cost / most)
            if kind == "kept":
                yield f'<rect class="kept" x="{x - 3.5}" y="{y - 3.5}" width="7" height="7"/>'
            else:
                yield f'<circle class="dot" cx="{x}" cy="{y}" r="4"/>'

    def ticks(self) -> Iterator[str]:
        sizes = list(self.curve.seconds)
        for size in sizes[:: max(1, len(sizes) // 3)]:
            x, _ = self.place(size, 1)
            foot = self.top + HEIGHT
            yield f'<path class="grid" d="M {x},{self.top} V {foot}"/>'
            yield f'<text x="{x}" y="{foot + 17}" text-anchor="middle">{size:,}</text>'
        for power in range(int(self.decades[1]) + 1):
            _, y = self.place(sizes[-1], 10.0**-power)
            yield f'<path class="grid" d="M {self.left},{y} h {WIDTH}"/>'
            word = "1" if power == 0 else f"1/{10**power:,}"
            yield f'<text x="{self.left - 5}" y="{y + 4}" text-anchor="end">{word}</text>'

    def expected(self) -> str:
        sizes = list(self.curve.seconds)
        points = [self.place(s, (s / sizes[-1]) ** self.curve.order) for s in (sizes[0], sizes[-1])]
        return f'<path class="order" d="M {" L ".join(f"{x},{y}" for x, y in points)}"/>'

    def words(self) -> Iterator[str]:
        middle = self.left + WIDTH / 2
        yield f'<text class="title" x="{self.left}" y="{self.top - 9}">{self.curve.what}</text>'
        yield (
            f'<text x="{middle}" y="{self.top + HEIGHT + 36}" text-anchor="middle">'
            f"{self.curve.size}</text>"
        )

    def drawn(self) -> str:
        edge = f'x="{self.left}" y="{self.top}" width="{WIDTH}" height="{HEIGHT}"'
        parts = [*self.ticks(), f'<rect class="frame" {edge}/>', self.expected(), *self.words()]
        parts += self.dots(self.curve.bytes, "kept") if self.curve.bytes else ()
        return "".join([*parts, *self.dots(self.curve.seconds, "dot")])


def picture(curves: Sequence[Curve]) -> str:
    frames = [
        Frame(c, LEFT + i % COLUMNS * (WIDTH + GAP_X + LEFT), TOP + i // COLUMNS * (HEIGHT + GAP_Y))
        for i, c in enumerate(curves)
    ]
    width = COLUMNS * (LEFT + WIDTH + GAP_X)
    height = max(frame.top for frame in frames) + HEIGHT + GAP_Y
    legend = [
        f'<circle class="dot" cx="{LEFT}" cy="{height - 17}" r="4"/>',
        f'<text x="{LEFT + 12}" y="{height - 13}">time</text>',
        f'<rect class="kept" x="{LEFT + 66}" y="{height - 20.5}" width="7" height="7"/>',
        f'<text x="{LEFT + 82}" y="{height - 13}">bytes kept for backward</text>',
        f'<path class="order" d="M {LEFT + 250},{height - 17} h 34"/>',
        f'<text x="{LEFT + 292}" y="{height - 13}">expected, through the largest size</text>',
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
        "<title>Time and memory against sizes, as shares of those of the largest</title>"
        f"<style>{STYLE}{MORE}</style>{''.join(frame.drawn() for frame in frames)}"
        f"{''.join(legend)}</svg>\n"
    )


def table(curves: Sequence[Curve]) -> str:
    lines = [
        "| what | size | time | bytes kept | order expected | of time | of bytes |",
        "|---" * 7 + "|",
    ]
    for c in curves:
        ends = [min(c.seconds), max(c.seconds)]
        size = f"{ends[0]:,} to {ends[1]:,} {c.size}"
        time_ = " to ".join(duration(c.seconds[end]) for end in ends)
        kept = " to ".join(f"{c.bytes[end] / 1e6:.3g} MB" for end in ends) if c.bytes else ""
        order = f"{slope(c.bytes):.2f}" if c.bytes else ""
        lines.append(
            f"| {c.what} | {size} | {time_} | {kept} | {c.order} | {slope(c.seconds):.2f} "
            f"| {order} |"
        )
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """With three digits.

    >>> duration(0.0123), duration(72.6)
    ('12.3 ms', '72.6 s')
    """
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


CURVES = (batches, resolutions, similarities, discrepancies, terms, jobs)


def main() -> None:
    torch.set_num_threads(1)
    _timing.clock = time.process_time
    torch.manual_seed(0)
    curves = [measure() for measure in CURVES]
    print(table(curves))
    PICTURE.write_text(picture(curves), encoding="utf-8")


if __name__ == "__main__":
    main()
