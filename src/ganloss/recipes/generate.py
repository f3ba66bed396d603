"""From noise to samples: any game, one generator, one discriminator."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ganloss._random import Draws
from ganloss.adaptive import AdaptiveAugment, AugmentStrength
from ganloss.augment import DiffAugment
from ganloss.engine.phase import Phase, Turn
from ganloss.games import Game
from ganloss.objective import Losses
from ganloss.penalties import Critic
from ganloss.recipes._rules import Rules


def generate(
    game: Game | Rules,
    generator: nn.Module,
    discriminator: nn.Module,
    latent: int,
    *,
    augment: DiffAugment | AdaptiveAugment | AugmentStrength | None = None,
) -> tuple[Phase, ...]:
    """Give the phases of a game: ``critic_steps`` turns of D, then one of G.

    With classes, samples are generated for the classes of the real batch, so both sides see each
    class equally often.

    Args:
        game: pair, penalties and constraint; its optimisers are built by the caller. Where it has
            a state, pass its :class:`~ganloss.recipes._rules.Rules` to keep hold of that.
        generator: ``G(z)`` or ``G(z, y)``, latents ``(N, latent)`` to samples.
        discriminator: ``D(x)`` or ``D(x, y)``, samples to raw scores.
        latent: length of a latent vector.
        augment: what happens to every sample, real or generated, before D sees it; penalties are
            taken at the augmented samples. A controller moves in D's turns.

    >>> from ganloss.games import GAMES
    >>> phases = generate(GAMES["wgan-gp"], nn.Linear(8, 2), nn.Linear(2, 1), latent=8)
    >>> [(phase.name, phase.repeats) for phase in phases]
    [('d', 5), ('g', 1)]
    """
    rules = game if isinstance(game, Rules) else Rules(game)
    d_objective = rules.game.discriminator_objective()
    g_objective = rules.game.generator_objective()

    def noise(turn: Turn) -> Tensor:
        return latents(turn.draws, len(turn.real), latent, turn.real.dtype)

    def d_loss(turn: Turn) -> Losses:
        with torch.no_grad():
            fake = given(generator, turn.labels)(noise(turn))
        turn, fake = replace(turn, real=shown(turn.real, turn, "real")), shown(fake, turn, "fake")
        critic = Critic(given(discriminator, turn.labels))
        adversarial = rules.pair.discriminator(real=critic(turn.real), fake=critic(fake))
        penalties = rules.of_discriminator(critic, turn, turn.real, fake)
        if isinstance(augment, AugmentStrength):
            augment.update(real=critic(turn.real))
        return d_objective(turn.step, adv=adversarial, **penalties)

    def g_loss(turn: Turn) -> Losses:
        score, make = given(discriminator, turn.labels), given(generator, turn.labels)
        z = noise(turn)
        fake = shown(make(z), turn, "fake")
        needs_real = rules.generator_needs_real
        real = score(shown(turn.real, turn, "real")) if needs_real else None
        adversarial = rules.pair.generator(fake=score(fake), real=real)
        penalties = rules.of_generator(make, lambda: _codes_of(discriminator, fake), turn, z)
        return g_objective(turn.step, adv=adversarial, **penalties)

    def shown(images: Tensor, turn: Turn, kind: str) -> Tensor:
        """Give what D sees of these images; real and fake ones have numbers of their own."""
        if augment is None:
            return images
        return augment(images, random=turn.draws, stream=f"augment-{kind}")

    after_update = rules.after_update(discriminator)
    return (
        Phase("d", discriminator, d_loss, rules.game.critic_steps, after_update),
        Phase("g", generator, g_loss),
    )


def given(network: nn.Module, labels: Tensor | None) -> Callable[[Tensor], Any]:
    """Give the network as a function of its first input, the classes being what they are.

    >>> given(lambda x, y: x + y, torch.tensor([1]))(torch.tensor([2]))
    tensor([3])
    """
    return network if labels is None else lambda x: network(x, labels)


def latents(draws: Draws, count: int, size: int, dtype: torch.dtype) -> Tensor:
    """Draw standard normal latents ``(count, size)``.

    >>> import torch
    >>> latents(Draws(seed=0, step=0, rows=4), 4, 8, torch.float32).shape
    torch.Size([4, 8])
    """
    return draws.normal("latent", count, size, dtype=dtype)


def _codes_of(discriminator: Any, samples: Tensor) -> Tensor:
    """Give the codes of an autoencoder as discriminator.

    Raises:
        TypeError: it has none.
    """
    if not hasattr(discriminator, "codes"):
        raise TypeError(
            f"{type(discriminator).__name__} has no codes(x), which the pulling-away penalty "
            "compares: give the discriminator that method, or leave the penalty out "
            "(--penalty pulling-away=0)"
        )
    return discriminator.codes(samples)
