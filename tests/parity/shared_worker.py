"""One of two processes under torchrun: what is sent, and what all have in common afterwards."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import ganloss as gl
from ganloss.data.batches import Batches
from ganloss.data.demo import digits
from ganloss.engine.ema import moving_average
from ganloss.engine.hardware import Hardware, connect
from ganloss.engine.loop import Engine
from ganloss.engine.phase import Phase
from ganloss.networks.generate import reference_discriminator, reference_generator
from ganloss.recipes.generate import generate

BATCH = 16


class Collectives(TorchDispatchMode):
    """Counts what processes send to each other."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name()
        if name.startswith("c10d::"):
            self.counts[name] = self.counts.get(name, 0) + 1
        return func(*args, **(kwargs or {}))


def engine_for(
    name: str,
    hardware: Hardware,
    accumulate: int = 1,
    spoil: Callable[[Phase], Phase] | None = None,
) -> tuple[Engine, dict[str, nn.Module]]:
    game = gl.GAMES[name]
    torch.manual_seed(0)
    g, d = reference_generator((1, 8, 8)), reference_discriminator((1, 8, 8))
    if game.constraint is not None:
        game.constraint.prepare(d)
    average = moving_average(g, BATCH, 10.0)
    d_phase, g_phase = generate(game, g, d, 32)
    engine = Engine(
        (d_phase if spoil is None else spoil(d_phase), g_phase),
        {
            "d": game.optimisers.discriminator.build(d.parameters()),
            "g": game.optimisers.generator.build(g.parameters()),
        },
        batches=Batches(digits().train_images, BATCH, seed=0, hardware=hardware, mirror=False),
        batch_size=BATCH,
        hardware=hardware,
        average=average,
        averaged=g,
        accumulate=accumulate,
    )
    return engine, {"g": g, "d": d, "average": average}


def collectives(hardware: Hardware, name: str, accumulate: int) -> dict[str, int]:
    """How often each is called in one step."""
    engine, _ = engine_for(name, hardware, accumulate)
    with Collectives() as sent:
        engine.advance()
    return sent.counts


def spread(hardware: Hardware, networks: dict[str, nn.Module]) -> dict[str, float]:
    """Largest difference of any parameter, and of any buffer, between the processes."""
    found: dict[str, float] = {}
    for name, network in networks.items():
        for kind in ("parameters", "buffers"):
            values = [t.detach().double().flatten() for t in getattr(network, kind)()]
            mine = torch.cat(values) if values else torch.zeros(1)
            rows = hardware.gather(mine[None])
            found[f"{name} {kind}"] = float((rows[0] - rows[1]).abs().max())
    return found


def steep_on(rank: int, wanted: int) -> Callable[[Phase], Phase]:
    """A gradient that overflows in fp16, on one process alone."""

    def spoil(phase: Phase) -> Phase:
        def loss(turn: Any) -> Any:
            losses = phase.loss(turn)
            factor = 1e38 if rank == wanted and turn.step == 0 else 1.0
            return replace(losses, total=losses.total * factor)

        return replace(phase, loss=loss)

    return spoil


def overflow(hardware: Hardware) -> dict[str, Any]:
    half = replace(hardware, precision="16")
    engine, networks = engine_for("ns", half, spoil=steep_on(hardware.rank, 1))
    skipped = hardware.gather(engine.advance().scalers["d"].skipped[None]).tolist()
    for _ in range(3):
        record = engine.advance()
    after = hardware.gather(record.scalers["d"].skipped[None]).tolist()
    return {"skipped": skipped, "after": after, "spread": spread(hardware, networks)}


def weighted(hardware: Hardware, *, across: bool) -> list[float]:
    """Gradient of a weighted hinge loss by one weight, averaged as the engine does."""
    generator = torch.Generator().manual_seed(0)
    real, fake, u, v = torch.rand(4, 6, generator=generator, dtype=torch.float64)
    rows = slice(3 * hardware.rank, 3 * hardware.rank + 3)
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    pair, options = gl.Hinge(), {"across_processes": across}
    d = pair.discriminator(real=weight * real[rows], fake=weight * fake[rows], real_weight=u[rows],
                           fake_weight=v[rows], **options)  # fmt: skip
    g = pair.generator(fake=weight * fake[rows], fake_weight=v[rows], **options)
    found: list[Tensor] = []
    for loss in (d, g):
        (gradient,) = torch.autograd.grad(loss, weight)
        found += [hardware.mean(loss.detach().clone()), hardware.mean(gradient)]
    return [float(value) for value in found]


def statistics(rank: int = 0, processes: int = 1) -> dict[str, list[float]]:
    """Loss and gradient of terms that are a statistic of the batch, on this process's share."""
    generator = torch.Generator().manual_seed(0)
    f, p, other = torch.randn(3, 6, 4, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 0, 2, 1, 0])
    size = 6 // processes
    rows = slice(size * rank, size * (rank + 1))
    scale = torch.ones(4, dtype=torch.float64, requires_grad=True)
    across = processes > 1
    alike = {"embeddings": f[rows] * scale, "proxies": p[rows], "labels": labels[rows]}
    losses = {
        "2c": gl.ConditionalContrastive(across_processes=across)(**alike),
        "d2d": gl.DataToDataCrossEntropy(across_processes=across)(**alike),
        "means": gl.MeanFeatureMatching(across)(fake=f[rows] * scale, real=other[rows]),
    }
    return {
        name: [loss.item(), *torch.autograd.grad(loss, scale, retain_graph=True)[0].tolist()]
        for name, loss in losses.items()
    }


def averaged(hardware: Hardware, found: dict[str, list[float]]) -> dict[str, list[float]]:
    """As the engine averages gradients."""
    return {
        name: hardware.mean(torch.tensor(values, dtype=torch.float64)).tolist()
        for name, values in found.items()
    }


def main(target: Path) -> None:
    torch.set_num_threads(1)
    hardware = connect("cpu")
    engine, networks = engine_for("hinge", hardware)
    for _ in range(5):
        engine.advance()
    found = {
        "plain": collectives(hardware, "ns", 1),
        "in four parts": collectives(hardware, "ns", 4),
        "five turns of D": collectives(hardware, "wgan-gp", 4),
        "spread": spread(hardware, networks),
        "overflow": overflow(hardware),
        "weighted": weighted(hardware, across=True),
        "locally weighted": weighted(hardware, across=False),
        "statistics": averaged(hardware, statistics(hardware.rank, 2)),
    }
    if hardware.is_main:
        target.write_text(json.dumps(found), encoding="utf-8")
    hardware.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
