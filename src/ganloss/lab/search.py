"""Random search: what it draws for every variant alike."""

import random
from dataclasses import replace
from typing import Any

from ganloss.games import Game
from ganloss.optimisers import Adam
from ganloss.runs.settings import RunSettings

#: Where it draws: both learning rates and Adam's first beta after Lucic et al. 2018 (their wide
#: range), penalties from a tenth to ten times their published weight.
_RATES, _BETAS, _WEIGHTS = (1e-5, 1e-2), (0.0, 0.9), (0.1, 10.0)
#: Learning rates, of both players and of one.
RATES = frozenset({"lr", "g_lr", "d_lr"})
#: Settings that it draws.
SEARCHED = (*sorted(RATES), "betas", "penalty")


def drawn(settings: RunSettings, draw: int) -> dict[str, Any]:
    """Settings of one draw of a search; the same random numbers whatever the loss.

    >>> from ganloss.runs.settings import GenerateSettings
    >>> first = drawn(GenerateSettings(data="x", loss="ns"), 0)
    >>> first == drawn(GenerateSettings(data="x", loss="lsgan"), 0)
    True
    """
    number = random.Random(draw)
    lr = _log_uniform(number, *_RATES)
    beta = round(number.uniform(*_BETAS), 3)
    factor = _log_uniform(number, *_WEIGHTS)
    changes: dict[str, Any] = {"lr": lr, "g_lr": None, "d_lr": None}
    if settings.loss == "none":
        return changes
    game = _game(settings)
    players = (game.optimisers.generator, game.optimisers.discriminator)
    if all(isinstance(player, Adam) for player in players):
        changes["betas"] = f"{beta},{players[0].betas[1]}"  # pyright: ignore[reportAttributeAccessIssue]
    if game.penalties:
        weights = {name: w.weight for name, w in game.penalties.items()}
        changes["penalty"] = [
            f"{name}={weight * factor:.4g}"
            for name, weight in weights.items()
            if isinstance(weight, (int, float))
        ]
    return changes


def _log_uniform(number: random.Random, low: float, high: float) -> float:
    return float(f"{low * (high / low) ** number.random():.3g}")


def _game(settings: RunSettings) -> Game:
    from ganloss.runs.options import game_for

    return game_for(replace(settings, penalty_every=1))
