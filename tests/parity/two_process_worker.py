"""Train a game for 20 steps in float64 and print the weights' file; run under torchrun or alone.

A number of micro-batches other than 0 brings augmentation and clipped gradients with it.
"""

import sys
from pathlib import Path

import torch

from ganloss import GAMES, DiffAugment
from ganloss.data.batches import Batches
from ganloss.data.demo import digits
from ganloss.engine.ema import moving_average
from ganloss.engine.hardware import connect
from ganloss.engine.loop import Engine
from ganloss.networks.generate import reference_discriminator, reference_generator
from ganloss.recipes.generate import generate

BATCH, STEPS = 16, 20


def main(name: str, target: Path, *, local_epsilon: bool, accumulate: int) -> None:
    torch.set_num_threads(1)
    hardware = connect("cpu", precision="64")
    torch.manual_seed(0)
    shape = (1, 8, 8)
    g, d = reference_generator(shape).double(), reference_discriminator(shape).double()
    game = GAMES[name]
    if local_epsilon:
        _make_epsilon_local(hardware.rank)
    engine = Engine(
        generate(game, g, d, 32, augment=DiffAugment() if accumulate else None),
        {
            "d": game.optimisers.discriminator.build(d.parameters()),
            "g": game.optimisers.generator.build(g.parameters()),
        },
        batches=Batches(digits().train_images, BATCH, seed=3, hardware=hardware, mirror=True),
        batch_size=BATCH,
        seed=3,
        hardware=hardware,
        average=(average := moving_average(g, BATCH, 10.0)),
        averaged=g,
        accumulate=accumulate or 1,
        clip_norm=0.5 if accumulate else None,
    )
    for _ in range(STEPS):
        engine.advance()
    if hardware.is_main:
        weights = [p.detach() for n in (g, d, average.module) for p in n.parameters()]
        torch.save([hardware.processes, weights], target)
    hardware.leave()


def _make_epsilon_local(rank: int) -> None:
    """The usual mistake: every process draws its own epsilon from its own generator."""
    from ganloss.penalties import gradient

    original = gradient.interpolates
    torch.manual_seed(1 + rank)
    gradient.interpolates = lambda real, fake, random: original(real, fake, None)


if __name__ == "__main__":
    _, name, target, epsilon, accumulate = sys.argv
    main(name, Path(target), local_epsilon=epsilon == "local", accumulate=int(accumulate))
