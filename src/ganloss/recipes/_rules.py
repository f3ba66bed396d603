"""A game as it is played: pair and penalties, with controllers where they have a state."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from ganloss.engine.phase import Turn
from ganloss.games import Game
from ganloss.losses import GANLoss, PairController, PullingAway
from ganloss.penalties import Critic, GeneratorPenalty, Penalty


class Rules(nn.Module):
    """The losses of a game; a module, so that the state of its controllers is saved and moved.

    Statistics of the batch are those of all processes.

    Args:
        game: pair, penalties and constraint.

    >>> from ganloss import GAMES
    >>> Rules(GAMES["wgan-gp"]).has_state, Rules(GAMES["began"]).has_state
    (False, True)
    """

    def __init__(self, game: Game) -> None:
        super().__init__()
        self.game = game
        self.controllers = nn.ModuleDict()
        pair = game.pair.globally()
        controller = pair.controller(across_processes=True)
        if controller is not None:
            self.controllers["pair"] = controller
        self.pair: GANLoss | PairController = controller or pair
        self._of_d: dict[str, Callable[..., Tensor]] = {}
        self._of_g: dict[str, Callable[..., Tensor]] = {}
        for name, weighted in game.penalties.items():
            mine = self._of_g if weighted.of_generator else self._of_d
            mine[name] = self._playing(name, weighted.penalty)

    def _playing(self, name: str, penalty: Any) -> Callable[..., Tensor]:
        penalty = penalty.over_all_processes()
        if not isinstance(penalty, (Penalty, GeneratorPenalty)):
            return penalty
        controller = penalty.controller(across_processes=True)
        if controller is None:
            return penalty
        self.controllers[name] = controller
        return controller

    @property
    def has_state(self) -> bool:
        """Whether there is anything to save."""
        return len(self.controllers) > 0

    @property
    def generator_needs_real(self) -> bool:
        """Whether G's loss looks at real scores."""
        return self.game.pair.generator_needs_real

    def of_discriminator(
        self, critic: Critic, turn: Turn, real: Tensor, fake: Tensor
    ) -> Mapping[str, Callable[[], Tensor]]:
        """D's penalties, computed only when their weight is not 0."""

        def thunk(penalty: Callable[..., Tensor]) -> Callable[[], Tensor]:
            return lambda: penalty(critic, real=real, fake=fake, random=turn.draws)

        return {name: thunk(penalty) for name, penalty in self._of_d.items()}

    def of_generator(
        self,
        generator: Callable[[Tensor], Tensor],
        codes: Callable[[], Tensor],
        turn: Turn,
        latents: Tensor,
    ) -> Mapping[str, Callable[[], Tensor]]:
        """G's penalties, computed only when their weight is not 0.

        Args:
            generator: samples of latents.
            codes: gives what an autoencoder as discriminator makes of the samples.
            turn: whose random numbers are drawn.
            latents: those of this turn's samples.
        """

        def thunk(penalty: Callable[..., Tensor]) -> Callable[[], Tensor]:
            if isinstance(penalty, PullingAway):
                return lambda: penalty(codes())

            def value() -> Tensor:
                others = turn.draws.normal("others", *latents.shape, dtype=latents.dtype)
                return penalty(generator, latents=latents, others=others, random=turn.draws)

            return value

        return {name: thunk(penalty) for name, penalty in self._of_g.items()}

    def after_update(self, discriminator: nn.Module) -> Callable[[], None] | None:
        """What restores the constraint after each update of D; None without one."""
        constraint = self.game.constraint
        return None if constraint is None else lambda: constraint.after_step(discriminator)
