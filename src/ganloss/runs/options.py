"""Settings turned into what engine and recipes take: game, schedule, augmentation."""

from dataclasses import replace
from typing import cast

from ganloss._errors import UsageError
from ganloss.augment import DiffAugment, Operation
from ganloss.engine.hardware import Hardware
from ganloss.engine.rates import RateSchedule
from ganloss.games import GAMES, Game, canonical_name
from ganloss.optimisers import Adam, Optimisers
from ganloss.runs.settings import GenerateSettings, RunSettings

DECAY_FROM = 0.5


def game_for(settings: RunSettings) -> Game:
    """Build the game that the flags ask for.

    Raises:
        UsageError: an unknown loss or penalty, gamma without R1 and R2, or a loss that would
            change with micro-batches.
    """
    try:
        game = GAMES[canonical_name(settings.loss)]
        for item in settings.penalty or []:
            name, _, weight = item.partition("=")
            game = game.with_penalty(name, float(weight or 1.0))
        if settings.gamma is not None:
            game = game.with_gamma(settings.gamma)
        if settings.penalty_every > 1:
            game = game.lazily(settings.penalty_every)
    except KeyError as error:
        raise UsageError(f"{error.args[0]}; see `ganloss losses list`") from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    check_micro_batches(settings, game)
    return _with_rates(
        replace(game, critic_steps=settings.critic_steps or game.critic_steps), settings
    )


def _with_rates(game: Game, settings: RunSettings) -> Game:
    optimisers = game.optimisers
    if settings.betas is not None:
        optimisers = _with_betas(optimisers, settings.betas)
    g_lr, d_lr = settings.g_lr or settings.lr, settings.d_lr or settings.lr
    if g_lr is not None:
        optimisers = replace(optimisers, generator=replace(optimisers.generator, lr=g_lr))
    if d_lr is not None:
        optimisers = replace(optimisers, discriminator=replace(optimisers.discriminator, lr=d_lr))
    return replace(game, optimisers=optimisers)


def _with_betas(optimisers: Optimisers, text: str) -> Optimisers:
    players = (optimisers.generator, optimisers.discriminator)
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--betas is {text!r}; give two numbers, e.g. 0.5,0.9") from error
    if not all(isinstance(player, Adam) for player in players):
        raise UsageError("--betas are Adam's, and this loss is trained with another optimiser")
    generator, discriminator = (Adam(player.lr, (first, second)) for player in players)
    return Optimisers(generator, discriminator)


def schedule_for(settings: RunSettings, total: int | None) -> RateSchedule | None:
    """Give the schedule of the learning rates, or None where they never change.

    >>> settings = GenerateSettings(data="x", steps=100, lr_schedule="linear")
    >>> schedule_for(settings, 100)
    RateSchedule(kind='linear', total=100, warmup=0, decay_from=0.5)
    """
    if not settings.decays and settings.lr_warmup is None:
        return None
    start = DECAY_FROM if settings.lr_decay_from is None else settings.lr_decay_from
    length = total if settings.decays else None
    return RateSchedule(settings.lr_schedule, length, settings.lr_warmup or 0, start)


def augment_for(settings: GenerateSettings) -> DiffAugment | None:
    """Give the augmentation that the flag names.

    Raises:
        UsageError: an unknown or repeated operation.

    >>> augment_for(GenerateSettings(diffaugment="color, cutout")).policy
    ('color', 'cutout')
    """
    if settings.diffaugment is None:
        return None
    names = [name.strip().lower() for name in settings.diffaugment.split(",")]
    try:
        return DiffAugment(cast(tuple[Operation, ...], tuple(name for name in names if name)))
    except ValueError as error:
        raise UsageError(f"--diffaugment {settings.diffaugment}: {error}") from error


def check_augment(
    augment: DiffAugment | None, game: Game, loss: str, shape: tuple[int, ...]
) -> None:
    """Refuse to augment samples that are no images.

    Raises:
        UsageError: with the shape of a sample.
    """
    if len(shape) == 3:
        return
    if augment is not None:
        raise UsageError(
            f"--diffaugment changes images, and a sample of these data has shape {shape}; leave "
            "it out"
        )
    if game.needs_images:
        raise UsageError(
            f"--loss {loss} compares images with shifted ones, and a sample of these data has "
            f"shape {shape}; choose another loss, e.g. --loss hinge"
        )


def check_micro_batches(settings: RunSettings, game: Game) -> None:
    """Refuse to cut a batch whose loss looks at all of it.

    Raises:
        UsageError: with the reason.
    """
    parts = {settings.loss: game.pair.batch_statistic}
    parts |= {f"penalty {n}": w.penalty.batch_statistic for n, w in game.penalties.items()}
    parts |= {f"{settings.loss}'s controller": game.has_state}
    whole = [name for name, is_statistic in parts.items() if is_statistic]
    if settings.accumulate > 1 and whole:
        raise UsageError(
            f"{whole[0]} looks at a statistic of the whole batch, which "
            f"--accumulate {settings.accumulate} would replace by one of "
            f"{settings.batch_size // settings.accumulate} samples; leave --accumulate out, lower "
            "--batch-size, or choose a loss of single samples or pairs, e.g. --loss r3gan"
        )


def largest_default(hardware: Hardware) -> int:
    """Largest side that images get where none is asked for."""
    return 128 if hardware.device.type == "cuda" else 64
