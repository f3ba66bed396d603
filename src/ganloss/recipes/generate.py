"""From noise to samples: any game, one generator, one discriminator."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ganloss._random import Draws
from ganloss.augment import DiffAugment
from ganloss.engine.phase import Phase, Turn
from ganloss.games import Game
from ganloss.objective import Losses, WeightedSum
from ganloss.penalties import Critic, Penalty


def generate(
    game: Game,
    generator: nn.Module,
    discriminator: nn.Module,
    latent: int,
    *,
    augment: DiffAugment | None = None,
) -> tuple[Phase, ...]:
    """Give the phases of a game: ``critic_steps`` turns of D, then one of G.

    With classes, samples are generated for the classes of the real batch, so both sides see each
    class equally often.

    Args:
        game: pair, penalties and constraint; its optimisers are built by the caller.
        generator: ``G(z)`` or ``G(z, y)``, latents ``(N, latent)`` to samples.
        discriminator: ``D(x)`` or ``D(x, y)``, samples to raw scores.
        latent: length of a latent vector.
        augment: what happens to every sample, real or generated, before D sees it; penalties are
            taken at the augmented samples.
    """
    d_objective, g_objective = game.discriminator_objective(), WeightedSum(adv=1.0)

    def fakes(turn: Turn) -> Tensor:
        z = latents(turn.draws, len(turn.real), latent, turn.real.dtype)
        return generator(z) if turn.labels is None else generator(z, turn.labels)

    def d_loss(turn: Turn) -> Losses:
        with torch.no_grad():
            fake = fakes(turn)
        turn, fake = replace(turn, real=shown(turn.real, turn, "real")), shown(fake, turn, "fake")
        critic = Critic(given(discriminator, turn.labels))
        adversarial = game.pair.discriminator(real=critic(turn.real), fake=critic(fake))
        penalties = {
            name: _penalty(weighted.penalty.over_all_processes(), critic, turn, fake)
            for name, weighted in game.penalties.items()
        }
        return d_objective(turn.step, adv=adversarial, **penalties)

    def g_loss(turn: Turn) -> Losses:
        score, fake = given(discriminator, turn.labels), fakes(turn)
        needs_real = game.pair.generator_needs_real
        real = score(shown(turn.real, turn, "real")) if needs_real else None
        scores = score(shown(fake, turn, "fake"))
        return g_objective(adv=game.pair.generator(fake=scores, real=real))

    def shown(images: Tensor, turn: Turn, kind: str) -> Tensor:
        """Give what D sees of these images; real and fake ones have numbers of their own."""
        if augment is None:
            return images
        return augment(images, random=turn.draws, stream=f"augment-{kind}")

    constraint = game.constraint
    after_update = None if constraint is None else lambda: constraint.after_step(discriminator)
    return (
        Phase("d", discriminator, d_loss, game.critic_steps, after_update),
        Phase("g", generator, g_loss),
    )


def given(network: nn.Module, labels: Tensor | None) -> Callable[[Tensor], Any]:
    """Give the network as a function of its first input, the classes being what they are."""
    return network if labels is None else lambda x: network(x, labels)


def latents(draws: Draws, count: int, size: int, dtype: torch.dtype) -> Tensor:
    """Draw standard normal latents ``(count, size)``."""
    return draws.normal("latent", count, size, dtype=dtype)


def _penalty(penalty: Penalty, critic: Critic, turn: Turn, fake: Tensor) -> Callable[[], Tensor]:
    return lambda: penalty(critic, real=turn.real, fake=fake, random=turn.draws)
