"""From images to images with targets: pix2pix, restoration, super-resolution."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganloss.engine.phase import Phase, Turn
from ganloss.games import Game
from ganloss.objective import Losses, Weight, WeightedSum
from ganloss.penalties import Critic
from ganloss.recipes._rules import Rules
from ganloss.terms import FeatureMatching

#: A term of the generator: compares what was made with the target, ``term(made, target)``.
PairTerm = Callable[[Tensor, Tensor], Tensor]


def paired(
    game: Game | Rules,
    generator: nn.Module,
    discriminator: nn.Module,
    terms: Mapping[str, tuple[PairTerm, Weight]],
    *,
    adversarial: float = 1.0,
    discriminator_weight: float = 1.0,
    feature_matching: float = 0.0,
) -> tuple[Phase, ...]:
    """Give the phases: ``critic_steps`` turns of D, then one of G; without D when it has no say.

    D looks at input and output together, ``D(cat([x, y], 1))``, as in pix2pix. A turn's ``source``
    is the input x, ``real`` the target y.

    Args:
        game: pair, penalties and constraint; its optimisers are built by the caller.
        generator: ``G(x)``.
        discriminator: raw scores of pairs of input and output.
        terms: what else the generator minimises, with its weight, by name.
        adversarial: weight of the generator's adversarial loss; with 0 there is no D.
        feature_matching: weight of :class:`~ganloss.FeatureMatching` on the maps of a D that has
            ``features``, as :class:`~ganloss.networks.translate.PatchDiscriminator`.
        discriminator_weight: factor of D's adversarial loss; pix2pix has one half.

    References:
        Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR
        2017, arXiv:1611.07004, eqs. 1-4 and section 3.3 (D's objective is divided by 2).

    >>> from ganloss.games import GAMES
    >>> from ganloss.terms import TERMS
    >>> terms = {"l1": (TERMS["l1"](), 100.0)}
    >>> phases = paired(GAMES["ns"], nn.Linear(2, 2), nn.Linear(4, 1), terms)
    >>> [phase.name for phase in phases]
    ['d', 'g']
    """
    weights: dict[str, Weight] = {name: weight for name, (_, weight) in terms.items()}
    judged = {"adv": adversarial} if adversarial else {}
    if feature_matching:
        judged["fm"] = feature_matching
    g_objective = WeightedSum(**judged, **weights)
    rules = game if isinstance(game, Rules) else Rules(game)
    d_weights = rules.game.discriminator_objective().weights
    d_objective = WeightedSum(**{**d_weights, "adv": discriminator_weight})

    def d_loss(turn: Turn) -> Losses:
        x = source_of(turn)
        with torch.no_grad():
            fake = _beside(x, generator(x))
        real, critic = _beside(x, turn.real), Critic(discriminator)
        pair = rules.pair.discriminator(real=critic(real), fake=critic(fake))
        penalties = rules.of_discriminator(critic, turn, real, fake)
        return d_objective(turn.step, adv=pair, **penalties)

    def g_loss(turn: Turn) -> Losses:
        x = source_of(turn)
        made = generator(x)
        values: dict[str, Tensor | Callable[[], Tensor]] = {
            name: _lazily(term, made, turn.real) for name, (term, _) in terms.items()
        }
        if adversarial:
            real, fake = _beside(x, turn.real), _beside(x, made)
            needs_real = rules.generator_needs_real
            values["adv"] = rules.pair.generator(
                fake=discriminator(fake), real=discriminator(real) if needs_real else None
            )
            if feature_matching:
                values["fm"] = lambda: _matched_features(discriminator, real, fake)
        return g_objective(turn.step, **values)

    g_phase = Phase("g", generator, g_loss)
    if not adversarial:
        return (g_phase,)
    after_update = rules.after_update(discriminator)
    return Phase("d", discriminator, d_loss, rules.game.critic_steps, after_update), g_phase


def source_of(turn: Turn) -> Tensor:
    """Give what is translated in a turn.

    Raises:
        ValueError: the engine was given no sources.

    >>> import torch
    >>> from ganloss._random import Draws
    >>> source_of(Turn(0, torch.zeros(1), Draws(seed=0, step=0, rows=1)))
    Traceback (most recent call last):
    ValueError: this recipe translates images; give the engine sources=...
    """
    if turn.source is None:
        raise ValueError("this recipe translates images; give the engine sources=...")
    return turn.source


def _beside(x: Tensor, y: Tensor) -> Tensor:
    """Lay input and output over each other, a smaller input enlarged."""
    if x.shape[2:] != y.shape[2:]:
        x = interpolate(x, size=y.shape[2:], mode="nearest")
    return torch.cat([x, y], 1)


def _matched_features(discriminator: Any, real: Tensor, fake: Tensor) -> Tensor:
    """Compare the maps of every scale, the scores themselves left out."""
    with torch.no_grad():
        theirs = [maps[:-1] for maps in discriminator.features(real)]
    ours = [maps[:-1] for maps in discriminator.features(fake)]
    return FeatureMatching()(fake=ours, real=theirs)


def _lazily(term: PairTerm, made: Tensor, target: Tensor) -> Callable[[], Tensor]:
    return lambda: term(made, target)
