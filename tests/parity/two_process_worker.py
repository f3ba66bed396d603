"""Train a game for 20 steps in float64 and print the weights' file; run under torchrun or alone.

A number of micro-batches other than 0 brings augmentation and clipped gradients with it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ganloss import GAMES, L1, AdaptiveAugment, DiffAugment, ImagePool
from ganloss.data.batches import Batches
from ganloss.data.demo import digits
from ganloss.engine.ema import moving_average
from ganloss.engine.hardware import Hardware, connect
from ganloss.engine.loop import Engine
from ganloss.engine.phase import Phase
from ganloss.games import Game
from ganloss.networks.generate import reference_discriminator, reference_generator
from ganloss.networks.translate import PatchDiscriminator, UNet
from ganloss.recipes._rules import Rules
from ganloss.recipes.generate import generate
from ganloss.recipes.paired import paired
from ganloss.recipes.unpaired import Translators, unpaired

BATCH, STEPS = 16, 20
SHAPE = (1, 8, 8)


def main(name: str, target: Path, *, local_epsilon: bool, accumulate: int) -> None:
    torch.set_num_threads(1)
    hardware = connect("cpu", precision="64")
    torch.manual_seed(0)
    if local_epsilon:
        _make_epsilon_local(hardware.rank)
    makers = {"pix2pix": pix2pix, "cyclegan": cyclegan, "classes": classes, "lecam": lecam}
    make = (makers | {"ada": ada}).get(name)
    game = GAMES.get(name)
    engine, networks = make(hardware) if make else noise_to_image(game, hardware, accumulate)
    for _ in range(STEPS):
        engine.advance()
    if hardware.is_main:
        weights = [p.detach() for network in networks for p in network.parameters()]
        torch.save([hardware.processes, weights], target)
    hardware.leave()


def images(hardware: Hardware, *, negative: bool = False, labels: bool = False) -> Batches:
    split = digits()
    values = 255 - split.train_images if negative else split.train_images
    known = split.train_labels if labels else None
    return Batches(values, BATCH, seed=3, hardware=hardware, mirror=True, labels=known)


def noise_to_image(
    game: Game, hardware: Hardware, accumulate: int
) -> tuple[Engine, tuple[nn.Module, ...]]:
    g = reference_generator(SHAPE).double()
    d = reference_discriminator(SHAPE, output=game.output).double()
    average, rules = moving_average(g, BATCH, 10.0), Rules(game).double()
    engine = Engine(
        generate(rules, g, d, 32, augment=DiffAugment() if accumulate else None),
        {
            "d": game.optimisers.discriminator.build(d.parameters()),
            "g": game.optimisers.generator.build(g.parameters()),
        },
        batches=images(hardware),
        batch_size=BATCH,
        seed=3,
        hardware=hardware,
        average=average,
        averaged=g,
        accumulate=accumulate or 1,
        clip_norm=0.5 if accumulate else None,
    )
    return engine, (g, d, average.module, State(rules))


def classes(hardware: Hardware) -> tuple[Engine, tuple[nn.Module, ...]]:
    g, d = reference_generator(SHAPE, 10).double(), reference_discriminator(SHAPE, 10).double()
    batches = images(hardware, labels=True)
    engine = _engine(generate(GAMES["wgan-gp"], g, d, 32), batches, hardware, labels=batches.labels)
    return engine, (g, d)


def ada(hardware: Hardware) -> tuple[Engine, tuple[nn.Module, ...]]:
    """Augmentation whose strength follows from the scores of all processes."""
    g, d = reference_generator(SHAPE).double(), reference_discriminator(SHAPE).double()
    strength = AdaptiveAugment(kimg=0.5, target=0.0).controller(across_processes=True).double()
    phases = generate(GAMES["ns"], g, d, 32, augment=strength)
    return _engine(phases, images(hardware), hardware), (g, d, State(strength))


class State(nn.Module):
    """The state of a game, to be compared as weights are, when all is done."""

    def __init__(self, rules: nn.Module) -> None:
        super().__init__()
        self.rules = rules

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        return (nn.Parameter(b.clone(), requires_grad=False) for b in self.rules.buffers())


def lecam(hardware: Hardware) -> tuple[Engine, tuple[nn.Module, ...]]:
    """Two discriminators, each with averages of its own, in a translation."""
    nets = _translators()
    rules = (Rules(GAMES["lecam"]).double(), Rules(GAMES["lecam"]).double())
    phases = unpaired(rules, nets, gather=hardware.gather)
    sources = images(hardware, negative=True)
    engine = _engine(phases, images(hardware), hardware, sources=sources)
    return engine, (nets.generators, nets.discriminators, *map(State, rules))


def pix2pix(hardware: Hardware) -> tuple[Engine, tuple[nn.Module, ...]]:
    g, d = UNet(1, 1, width=4, depth=2).double(), PatchDiscriminator(2, width=4, layers=2).double()
    phases = paired(GAMES["lsgan"], g, d, {"l1": (L1(), 100.0)}, discriminator_weight=0.5)
    sources = images(hardware, negative=True)
    return _engine(phases, images(hardware), hardware, sources=sources), (g, d)


def cyclegan(hardware: Hardware) -> tuple[Engine, tuple[nn.Module, ...]]:
    """With pools so small that they are full, and old images shown, from the first step on."""
    nets = _translators()
    phases = unpaired(GAMES["lsgan"], nets, adversarial=2.0, gather=hardware.gather)
    sources = images(hardware, negative=True)
    engine = _engine(phases, images(hardware), hardware, sources=sources)
    return engine, (nets.generators, nets.discriminators)


def _translators() -> Translators:
    generators = [UNet(1, 1, width=4, depth=2).double() for _ in range(2)]
    judges = [PatchDiscriminator(1, width=4, layers=2).double() for _ in range(2)]
    return Translators(*generators, *judges, ImagePool(5), ImagePool(5))


def _engine(
    phases: tuple[Phase, ...], batches: Batches, hardware: Hardware, **options: Any
) -> Engine:
    optimisers = {p.name: torch.optim.Adam(p.trains.parameters(), 1e-3) for p in phases}
    return Engine(
        phases, optimisers, batches=batches, batch_size=BATCH, seed=3, hardware=hardware, **options
    )


def _make_epsilon_local(rank: int) -> None:
    """The usual mistake: every process draws its own epsilon from its own generator."""
    from ganloss.penalties import gradient

    original = gradient.interpolates
    torch.manual_seed(1 + rank)
    gradient.interpolates = lambda real, fake, random: original(real, fake, None)


if __name__ == "__main__":
    _, name, target, epsilon, accumulate = sys.argv
    main(name, Path(target), local_epsilon=epsilon == "local", accumulate=int(accumulate))
