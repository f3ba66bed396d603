"""Train games for 20 steps in float64 and keep their weights; run under torchrun or alone.

A game is asked for by its name. ``hinge/2`` takes two micro-batches in each process, with
augmentation and clipped gradients on top; ``ragan/means`` makes one of the `MISTAKES`.
"""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

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
from ganloss.losses import relativistic
from ganloss.networks.generate import reference_discriminator, reference_generator
from ganloss.networks.translate import PatchDiscriminator, UNet
from ganloss.penalties import gradient
from ganloss.recipes._rules import Rules
from ganloss.recipes.generate import generate
from ganloss.recipes.paired import paired
from ganloss.recipes.unpaired import Translators, unpaired

BATCH, STEPS = 16, 20
SHAPE = (1, 8, 8)


def main(target: Path, asked: list[str]) -> None:
    torch.set_num_threads(1)
    hardware = connect("cpu", precision="64")
    found = {words: weights(hardware, *words.partition("/")[::2]) for words in asked}
    if hardware.is_main:
        torch.save([hardware.processes, found], target)
    hardware.leave()


def weights(hardware: Hardware, name: str, how: str) -> list[torch.Tensor]:
    torch.manual_seed(0)
    accumulate = int(how) if how.isdecimal() else 0
    with MISTAKES[how](hardware.rank) if how in MISTAKES else nullcontext():
        if name in MAKERS:
            engine, networks = MAKERS[name](hardware)
        else:
            engine, networks = noise_to_image(GAMES[name], hardware, accumulate)
        for _ in range(STEPS):
            engine.advance()
    return [p.detach() for network in networks for p in network.parameters()]


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


def _local_means(rank: int) -> Any:
    """A mean of the scores that each process takes over its own."""
    return patch.object(relativistic, "gathered", lambda rows, across_processes: rows)


def _local_epsilon(rank: int) -> Any:
    """Every process draws its own epsilon from its own generator."""
    own = torch.Generator().manual_seed(1 + rank)

    def interpolates(real: torch.Tensor, fake: torch.Tensor, random: object) -> torch.Tensor:
        epsilon = torch.rand(len(real), 1, 1, 1, generator=own, dtype=real.dtype)
        return torch.lerp(fake.detach(), real.detach(), epsilon)

    return patch.object(gradient, "interpolates", interpolates)


#: What is no plain noise to image.
MAKERS = {"pix2pix": pix2pix, "cyclegan": cyclegan, "classes": classes, "lecam": lecam, "ada": ada}
#: What is usually done wrong, for the controls.
MISTAKES = {"means": _local_means, "epsilon": _local_epsilon}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
