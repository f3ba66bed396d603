"""Between two domains without pairs: CycleGAN."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ganloss.aids import ImagePool
from ganloss.engine.phase import Phase, Turn
from ganloss.games import Game
from ganloss.objective import Losses, WeightedSum
from ganloss.penalties import Critic
from ganloss.recipes._rules import Rules
from ganloss.recipes.paired import source_of
from ganloss.terms.translation import CycleConsistency, Identity


@dataclass(frozen=True)
class Translators:
    """The networks of a translation between domains A and B.

    Args:
        a_to_b: G of the paper.
        b_to_a: F of the paper.
        d_a: tells real images of A from translated ones.
        d_b: the same for B.
        pool_a: generated images of A that D is shown again.
        pool_b: the same for B.

    >>> pools = ImagePool(50), ImagePool(50)
    >>> nets = Translators(*(nn.Linear(2, 2) for _ in range(4)), *pools)
    >>> len(nets.generators), len(nets.discriminators)
    (2, 2)
    """

    a_to_b: nn.Module
    b_to_a: nn.Module
    d_a: nn.Module
    d_b: nn.Module
    pool_a: ImagePool
    pool_b: ImagePool

    @property
    def generators(self) -> nn.ModuleList:
        """Both generators, which one optimiser trains."""
        return nn.ModuleList([self.a_to_b, self.b_to_a])

    @property
    def discriminators(self) -> nn.ModuleList:
        """Both discriminators, which one optimiser trains."""
        return nn.ModuleList([self.d_a, self.d_b])


def unpaired(
    game: Game | tuple[Rules, Rules],
    nets: Translators,
    *,
    cycle: float = 10.0,
    identity: float = 5.0,
    adversarial: float = 1.0,
    gather: Callable[[Tensor], Tensor] = lambda rows: rows,
) -> tuple[Phase, ...]:
    """Give the phases: one turn of both generators, then one of both discriminators.

    The discriminators judge what the generators made in the same step, before their update, or an
    older image from the pool. A turn's ``source`` is a batch of A, ``real`` one of B.

    Args:
        game: pair, penalties and constraint; its optimisers are built by the caller. CycleGAN as
            published is least squares with ``adversarial=2``, which takes its ½ off. Where it has
            a state, pass two :class:`~ganloss.recipes._rules.Rules`, of D_A and of D_B.
        nets: generators, discriminators and pools.
        cycle: weight of the cycle consistency, the paper's λ.
        identity: weight of the identity loss; the authors use λ / 2. With 0 it is not computed.
        adversarial: weight of the generators' adversarial loss.
        gather: gives the rows of all processes, in order.

    References:
        Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
        Networks", ICCV 2017, arXiv:1703.10593, eqs. 1-3, sections 4 and 5.2 (identity).

    >>> from ganloss.games import GAMES
    >>> nets = Translators(*(nn.Linear(2, 2) for _ in range(4)), ImagePool(50), ImagePool(50))
    >>> [phase.name for phase in unpaired(GAMES["lsgan"], nets)]
    ['g', 'd']
    """
    g_objective = WeightedSum(adv=adversarial, cycle=cycle, identity=identity)
    of_a, of_b = (Rules(game), Rules(game)) if isinstance(game, Game) else game
    d_objective = of_a.game.discriminator_objective()
    cycle_term, identity_term = CycleConsistency(), Identity()
    made: list[tuple[Tensor, Tensor]] = []

    def g_loss(turn: Turn) -> Losses:
        a, b = source_of(turn), turn.real
        fake_a, fake_b = nets.b_to_a(b), nets.a_to_b(a)
        made[:] = [(fake_a.detach(), fake_b.detach())]

        def around() -> Tensor:
            return cycle_term(
                real_a=a,
                real_b=b,
                a_to_b=nets.a_to_b,
                b_to_a=nets.b_to_a,
                fake_a=fake_a,
                fake_b=fake_b,
            )

        def unchanged() -> Tensor:
            return identity_term(real_a=a, real_b=b, a_to_b=nets.a_to_b, b_to_a=nets.b_to_a)

        adv = _generator(of_a, nets.d_a, a, fake_a) + _generator(of_b, nets.d_b, b, fake_b)
        return g_objective(turn.step, adv=adv, cycle=around, identity=unchanged)

    def d_loss(turn: Turn) -> Losses:
        a, b = source_of(turn), turn.real
        fake_a, fake_b = made.pop() if made else _translate(nets, a, b)
        fake_a = shown(nets.pool_a, fake_a, turn, "pool-a")
        fake_b = shown(nets.pool_b, fake_b, turn, "pool-b")
        losses = (
            _discriminator(of_a, d_objective, turn, Critic(nets.d_a), a, fake_a),
            _discriminator(of_b, d_objective, turn, Critic(nets.d_b), b, fake_b),
        )
        total = losses[0].total + losses[1].total
        names = losses[0].terms
        return Losses(
            total, {name: losses[0].terms[name] + losses[1].terms[name] for name in names}
        )

    def shown(pool: ImagePool, fake: Tensor, turn: Turn, stream: str) -> Tensor:
        """Give this process's share of what the pool shows; it is that of the global batch."""
        everything, first = gather(fake), turn.draws.first
        whole = replace(turn.draws, rows=len(everything), first=0)
        return pool(everything, random=whole, stream=stream)[first : first + len(fake)]

    after_update = of_a.after_update(nets.discriminators)
    return (
        Phase("g", nets.generators, g_loss),
        Phase("d", nets.discriminators, d_loss, of_a.game.critic_steps, after_update),
    )


def _generator(rules: Rules, discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    scores = discriminator(real) if rules.generator_needs_real else None
    return rules.pair.generator(fake=discriminator(fake), real=scores)


def _discriminator(
    rules: Rules, objective: WeightedSum, turn: Turn, critic: Critic, real: Tensor, fake: Tensor
) -> Losses:
    pair = rules.pair.discriminator(real=critic(real), fake=critic(fake))
    penalties = rules.of_discriminator(critic, turn, real, fake)
    return objective(turn.step, adv=pair, **penalties)


def _translate(nets: Translators, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return nets.b_to_a(b), nets.a_to_b(a)
