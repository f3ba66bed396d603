"""What processes cost: `python -m benchmarks.processes` measures, fits, and draws the picture.

Each update sends a player's gradient once: 4 bytes a parameter, whatever the batch. Measured are
that all-reduce and whole steps, for 1, 2 and 4 processes of this machine (gloo, CPU), whose cores
they share. Lines for other links are no measurements: they follow from the assumptions beside them.
Prints two tables in Markdown and writes docs/pictures/processes.svg.
"""

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

PROCESSES = (1, 2, 4)
SIZES = (10_000, 100_000, 1_000_000, 5_000_000, 20_000_000)
WIDTHS = (8, 16, 32)
BATCH, ROUNDS = 32, 9
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "processes.svg"


@dataclass(frozen=True)
class Link:
    """What processes are joined by.

    Args:
        latency: seconds a message takes.
        bandwidth: bytes per second and direction, as used by a collective.
    """

    latency: float
    bandwidth: float

    def all_reduce(self, parameters: float, processes: int) -> float:
        """Seconds of a ring: 2 (p - 1) messages, and 2 (p - 1) / p of the bytes each way."""
        steps = 2 * (processes - 1)
        return steps * self.latency + steps / processes * 4 * parameters / self.bandwidth


#: Assumed, not measured: about what NCCL and gloo reach of each link's nominal speed.
ASSUMED = {
    "10 Gbit/s Ethernet": Link(50e-6, 1.0e9),
    "200 Gbit/s InfiniBand": Link(5e-6, 20e9),
    "NVLink 4": Link(3e-6, 300e9),
}
EXTRAPOLATED = 8


def median_seconds(act: Callable[[], object], rounds: int = ROUNDS) -> float:
    act()
    times: list[float] = []
    for _ in range(rounds):
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def work(target: Path) -> None:
    """One process: the all-reduce of gradients of each size, and steps of three networks."""
    from ganloss.engine.hardware import connect

    torch.set_num_threads(1)
    hardware = connect("cpu")
    sent: dict[int, float] = {}
    for size in SIZES:
        # As many tensors as a network of a few dozen layers has.
        parameters = [nn.Parameter(torch.empty(size // 20)) for _ in range(20)]
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        sent[size] = median_seconds(lambda p=parameters: hardware.average_gradients(p))
    steps = [step(hardware, width) for width in WIDTHS]
    if hardware.is_main:
        target.write_text(json.dumps({"all-reduce": sent, "steps": steps}), encoding="utf-8")
    hardware.leave()


def step(hardware: Any, width: int) -> dict[str, float]:
    """Seconds of one r3gan step at 32 px, for a fixed batch per process."""
    from ganloss import GAMES
    from ganloss.engine.loop import Engine
    from ganloss.networks.generate import ConvDiscriminator, ConvGenerator
    from ganloss.recipes.generate import generate

    torch.manual_seed(0)
    game, shape = GAMES["r3gan"], (3, 32, 32)
    g, d = ConvGenerator(shape, width=width), ConvDiscriminator(shape, width=width)
    images = torch.randn(BATCH, *shape)
    engine = Engine(
        generate(game, g, d, g.latent),
        {
            "d": game.optimisers.discriminator.build(d.parameters()),
            "g": game.optimisers.generator.build(g.parameters()),
        },
        batches=lambda k: images,
        batch_size=BATCH * hardware.processes,
        hardware=hardware,
    )
    parameters = sum(p.numel() for network in (g, d) for p in network.parameters())
    return {"parameters": parameters, "seconds": median_seconds(engine.advance, 5)}


def measure(processes: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "found.json"
        launcher = ["-m", "torch.distributed.run", "--standalone"]
        launcher += ["--nproc-per-node", str(processes)]
        words = ["-m", "benchmarks.processes", "--worker", str(target)]
        subprocess.run([sys.executable, *launcher, *words], check=True)
        return json.loads(target.read_text(encoding="utf-8"))


def fitted(sent: dict[str, float], processes: int) -> Link:
    """Latency and bandwidth with the least squared relative error over the sizes."""
    times = torch.tensor(list(sent.values()), dtype=torch.float64)
    sizes = torch.tensor([4.0 * int(size) for size in sent], dtype=torch.float64)
    messages = 2 * (processes - 1)
    design = torch.stack([torch.full_like(times, messages), sizes * messages / processes], 1)
    found = torch.linalg.lstsq(design / times[:, None], torch.ones(len(times), 1).double()).solution
    return Link(max(float(found[0]), 0.0), 1 / float(found[1]))


def tables(found: dict[int, dict[str, Any]], links: dict[int, Link]) -> str:
    lines = ["| processes | all-reduce of " + " | ".join(f"{s:,}" for s in SIZES)
             + " parameters | latency | bandwidth |"]  # fmt: skip
    lines.append("|---" * (len(SIZES) + 3) + "|")
    for p, link in links.items():
        times = " | ".join(f"{1e3 * t:.2f} ms" for t in found[p]["all-reduce"].values())
        fit = f"{1e6 * link.latency:.0f} µs | {link.bandwidth / 1e9:.2f} GB/s"
        lines.append(f"| {p} | {times} | {fit} |")
    lines += ["", "| parameters | " + " | ".join(f"{p} process(es)" for p in found) + " |"]
    lines.append("|---" * (len(found) + 1) + "|")
    for i in range(len(WIDTHS)):
        rows = [found[p]["steps"][i] for p in found]
        times = " | ".join(f"{1e3 * row['seconds']:.0f} ms" for row in rows)
        lines.append(f"| {int(rows[0]['parameters']):,} | {times} |")
    return "\n".join(lines)


WIDTH, HEIGHT, LEFT, TOP = 640, 400, 70, 20
X, Y = (4.0, 9.0), (-5.0, 2.0)
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #444 } .frame { fill: none; stroke: #bbb }
  .grid { stroke: #ddd } path { fill: none; stroke-width: 2 } .measured, .beyond { stroke: #c2552d }
  .beyond { stroke-dasharray: 2 4 } .dot { fill: #c2552d }
  .assumed { stroke: #2b6cb0; stroke-dasharray: 6 4 }
  @media (prefers-color-scheme: dark) { text { fill: #ccc } .frame { stroke: #666 }
    .grid { stroke: #444 } .measured, .beyond { stroke: #e88a63 } .dot { fill: #e88a63 }
    .assumed { stroke: #7ab0e8 } }
"""


def place(parameters: float, seconds: float) -> tuple[float, float]:
    x = (math.log10(parameters) - X[0]) / (X[1] - X[0])
    y = (math.log10(seconds) - Y[0]) / (Y[1] - Y[0])
    return round(LEFT + WIDTH * x, 1), round(TOP + HEIGHT * (1 - y), 1)


def line(link: Link, processes: int, kind: str, first: float, last: float) -> str:
    sizes = [first * (last / first) ** (i / 40) for i in range(41)]
    points = [place(size, link.all_reduce(size, processes)) for size in sizes]
    return f'<path class="{kind}" d="M {" ".join(f"{x},{y}" for x, y in points)}"/>'


def labels(ends: dict[str, float]) -> str:
    """Words at the right ends of lines, 17 pixels apart."""
    parts: list[str] = []
    below = math.inf
    for word, seconds in sorted(ends.items(), key=lambda item: item[1]):
        x, y = place(10 ** X[1], seconds)
        below = min(y, below - 17)
        parts.append(f'<text x="{x + 6}" y="{below + 4}">{word}</text>')
    return "".join(parts)


def axes() -> str:
    parts = [f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}"/>']
    words = {4: "10 k", 5: "100 k", 6: "1 M", 7: "10 M", 8: "100 M", 9: "1 G"}
    for power, word in words.items():
        x, _ = place(10.0**power, 1.0)
        parts.append(f'<path class="grid" d="M {x},{TOP} V {TOP + HEIGHT}"/>')
        parts.append(f'<text x="{x}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{word}</text>')
    times = {-5: "10 µs", -4: "0.1 ms", -3: "1 ms", -2: "10 ms", -1: "0.1 s", 0: "1 s", 1: "10 s"}
    for power, word in times.items():
        _, y = place(1e4, 10.0**power)
        parts.append(f'<path class="grid" d="M {LEFT},{y} H {LEFT + WIDTH}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{word}</text>')
    middle, foot = LEFT + WIDTH / 2, TOP + HEIGHT + 40
    return "".join(parts) + f'<text x="{middle}" y="{foot}" text-anchor="middle">parameters</text>'


def picture(found: dict[int, dict[str, Any]], links: dict[int, Link]) -> str:
    parts, ends = [axes()], dict[str, float]()
    least, most = 10 ** X[0], 10 ** X[1]
    for p, link in links.items():
        parts.append(line(link, p, "measured", least, SIZES[-1]))
        parts.append(line(link, p, "beyond", SIZES[-1], most))
        ends[f"{p} processes, measured here"] = link.all_reduce(most, p)
        for size, seconds in found[p]["all-reduce"].items():
            x, y = place(int(size), seconds)
            parts.append(f'<circle class="dot" cx="{x}" cy="{y}" r="4"/>')
    for name, link in ASSUMED.items():
        parts.append(line(link, EXTRAPOLATED, "assumed", least, most))
        ends[f"{EXTRAPOLATED}, {name}, assumed"] = link.all_reduce(most, EXTRAPOLATED)
    parts.append(labels(ends))
    width, height = LEFT + WIDTH + 260, TOP + HEIGHT + 52
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
        "<title>Seconds to average one gradient, by number of parameters</title>"
        f"<style>{STYLE}</style>{''.join(parts)}</svg>\n"
    )


def main(words: Sequence[str]) -> None:
    if words:
        work(Path(words[-1]))
        return
    found = {p: measure(p) for p in PROCESSES}
    links = {p: fitted(found[p]["all-reduce"], p) for p in PROCESSES if p > 1}
    print(tables(found, links))
    PICTURE.write_text(picture(found, links), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
