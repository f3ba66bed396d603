"""What every loss costs beside a training step of `ns`: time, and bytes kept for backward.

Run as ``python -m benchmarks.costs``; writes ``src/ganloss/costs.json``, which the cards show.
A step of `ns` is a turn of D and one of G: 32-pixel reference networks, 64 images, two threads.
A pair, and a penalty beside `ns`, is measured as such a step; a term as its value and gradient of
64 images of 32 pixels, or of what else it takes for 64 samples.
"""

import json
import platform
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks._timing import interleaved, two_threads
from ganloss import GAMES, GENERATOR_PENALTIES, LOSSES, PENALTIES, TERMS, Game, Weighted
from ganloss._random import Draws
from ganloss.check import example
from ganloss.check.terms import _subject, shape_of
from ganloss.engine.phase import Turn
from ganloss.networks.generate import reference_discriminator, reference_generator
from ganloss.outputs import EnergyOutput, FeatureOutput, ScoreOutput
from ganloss.penalties import Consistency
from ganloss.recipes.generate import generate

TARGET = Path(__file__).parents[1] / "src" / "ganloss" / "costs.json"
SHAPE, BATCH, ROUNDS = (3, 32, 32), 64, 9
OUTPUTS = {
    "mmd": FeatureOutput(16),
    "sphere": FeatureOutput(64),
    "realness": FeatureOutput(20),
    "energy-based": EnergyOutput("euclidean"),
    "boundary-equilibrium": EnergyOutput("absolute"),
}

Step = Callable[[], object]


def games() -> Iterator[tuple[str, Game]]:
    """Every pair and penalty as a game."""
    for name in LOSSES:
        yield name, Game(example(name), output=OUTPUTS.get(name, ScoreOutput()))
    ns = GAMES["ns"]
    for name in (*PENALTIES, *GENERATOR_PENALTIES):
        if name == "consistency":
            penalty: Any = Consistency(lambda x: x.flip(-1))
        else:
            penalty = (PENALTIES if name in PENALTIES else GENERATOR_PENALTIES)[name]()
        output = EnergyOutput("euclidean") if name == "pulling-away" else ScoreOutput()
        yield name, replace(ns, penalties={name: Weighted(penalty, 1.0)}, output=output)


def step_of(game: Game, batch: int = BATCH, shape: tuple[int, ...] = SHAPE) -> Step:
    """A turn of D and one of G, gradients and all, without the optimiser."""
    torch.manual_seed(0)
    g, d = reference_generator(shape), reference_discriminator(shape, output=game.output)
    turn = Turn(0, torch.randn(batch, *shape).clamp(-1, 1), Draws(0, 0, batch))
    phases = generate(game, g, d, g.latent)

    def step() -> None:
        for phase in phases:
            for other in phases:
                other.trains.requires_grad_(other is phase)
            phase.loss(turn).total.backward(inputs=[*phase.trains.parameters()])
        for phase in phases:
            phase.trains.zero_grad(set_to_none=True)

    return step


def value_and_gradient(name: str) -> Step:
    """A term's value and gradient in fp32."""
    term = example(name)
    term = term.float() if isinstance(term, torch.nn.Module) else term
    shape = shape_of(term)
    if shape == "images":
        side, count = (176, 4) if name == "ms-ssim" else (32, BATCH)
        values = torch.rand(2, count, 3, side, side)
        if name in ("stft", "mel"):
            values = torch.rand(2, BATCH, 8192)

        def step() -> None:
            term(values[0].clone().requires_grad_(True), values[1]).backward()

        return step
    if shape is None:
        raise ValueError(f"how {name} is called is not known")
    subject = _subject(term, shape)
    inputs = subject.draw(BATCH, 0)

    def general() -> None:
        given = {k: _leaves(v, k in subject.learns) for k, v in inputs.items()}
        subject.call(given).backward()

    return general


def _leaves(value: Any, learns: bool) -> Any:
    if isinstance(value, list):
        return [_leaves(item, learns) for item in value]
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return value
    return value.float().detach().requires_grad_(learns)


def kept_bytes(step: Step) -> int:
    """Bytes of all storages that the graph keeps for its backward passes."""
    seen: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage  # held, so that its address is not used again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(storage.nbytes() for storage in seen.values())


def measure(name: str, step: Step, unit: Step) -> dict[str, float]:
    times = interleaved({"unit": unit, "entry": step}, rounds=ROUNDS)
    ratios = [b / a for a, b in zip(times["unit"], times["entry"], strict=True)]
    found = {
        "time": round(statistics.median(ratios), 4),
        "memory": round(kept_bytes(step) / kept_bytes(unit), 4),
    }
    print(f"{name:<28} {found['time']:8.3f} x time {found['memory']:8.3f} x memory", flush=True)
    return found


def main(names: list[str]) -> None:
    two_threads()
    old = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() and names else {}
    unit = step_of(GAMES["ns"])
    steps: dict[str, Callable[[], Step]] = {}
    for name, game in games():
        steps[name] = lambda game=game: step_of(game)
    for name in TERMS:
        steps[name] = lambda name=name: value_and_gradient(name)
    entries = dict(old.get("entries", {}))
    said = f"{platform.machine()}, two threads, torch {torch.__version__.split('+')[0]}"
    for name, make in steps.items():
        if not names or name in names:
            entries[name] = measure(name, make(), unit)
            text = json.dumps({"measured on": said, "entries": entries}, indent=1)
            TARGET.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
