"""Settings turned into what engine and recipes take: game, schedule, augmentation."""

import math
from dataclasses import replace
from typing import TypeAlias, cast

from ganloss._errors import UsageError
from ganloss.adaptive import AdaptiveAugment, Group
from ganloss.augment import DiffAugment, Operation
from ganloss.engine.hardware import Hardware
from ganloss.engine.rates import RateSchedule
from ganloss.games import GAMES, Game, canonical_name
from ganloss.optimisers import Adam, Optimisers
from ganloss.runs.settings import GenerateSettings, RunSettings

DECAY_FROM = 0.5

Policy: TypeAlias = tuple[Operation, ...]
Groups: TypeAlias = tuple[Group, ...]


def game_for(settings: RunSettings) -> Game:
    """Build the game that the flags ask for.

    Raises:
        UsageError: an unknown loss or penalty, gamma without R1 and R2, or a loss that would
            change with micro-batches.

    >>> sorted(game_for(GenerateSettings(data="x", loss="wgan-gp", penalty=["r1=2"])).penalties)
    ['gp', 'r1']
    >>> game_for(GenerateSettings(data="x", loss="wgna"))
    Traceback (most recent call last):
    ganloss._errors.UsageError: ...
    """
    try:
        game = GAMES[canonical_name(settings.loss)]
        for item in settings.penalty or []:
            game = _with_penalty(game, item)
        if settings.gamma is not None:
            game = game.with_gamma(settings.gamma)
        if settings.penalty_every > 1:
            game = game.lazily(settings.penalty_every)
    except KeyError as error:
        raise UsageError(f"{error.args[0]}; see `ganloss losses list`") from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    _check_micro_batches(settings, game)
    return _with_rates(
        replace(game, critic_steps=settings.critic_steps or game.critic_steps), settings
    )


def _with_penalty(game: Game, item: str) -> Game:
    """Add or re-weigh a penalty; named alone, it keeps the weight that the game gives it."""
    name, equals, text = item.partition("=")
    if not equals:
        return game if name in game.penalties else game.with_penalty(name, 1.0)
    try:
        weight = float(text)
    except ValueError as error:
        raise UsageError(f"--penalty {item}: {text!r} is no weight; give a number, e.g. "
                         f"--penalty {name}=10") from error  # fmt: skip
    if not 0 <= weight < math.inf:
        raise UsageError(
            f"--penalty {item}: a penalty is minimised, so its weight is at least 0 and finite"
        )
    return game.with_penalty(name, weight)


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
    if not (0 <= first < 1 and 0 <= second < 1):
        raise UsageError(f"--betas is {text!r}; both are at least 0 and below 1, e.g. 0.5,0.9")
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


#: Flags of each kind of augmentation.
_AUGMENT_FLAGS = {
    "none": (),
    "diffaug": ("diffaugment",),
    "ada": ("aug_pipe", "aug_target", "aug_kimg"),
    "fixed": ("aug_pipe", "aug_p"),
}


def augment_for(settings: GenerateSettings, game: Game) -> DiffAugment | AdaptiveAugment | None:
    """Give the augmentation that the flags name; ``--diffaugment`` alone is enough for its kind.

    Raises:
        UsageError: an unknown or repeated operation, a number out of range, a flag of another
            kind, or a game that ``ada`` cannot watch.

    >>> augment_for(GenerateSettings(diffaugment="color, cutout"), GAMES["ns"]).policy
    ('color', 'cutout')
    """
    kind = settings.aug
    if kind == "none" and settings.diffaugment is not None:
        kind = "diffaug"
    _refuse_flags_of_others(settings, kind)
    if kind == "none":
        return None
    if kind == "diffaug":
        return _diffaugment(settings.diffaugment)
    return _adaptive(settings, _watched(settings, game) if kind == "ada" else 0.0)


def _refuse_flags_of_others(settings: GenerateSettings, kind: str) -> None:
    for name in {name for flags in _AUGMENT_FLAGS.values() for name in flags}:
        if getattr(settings, name) is None or name in _AUGMENT_FLAGS[kind]:
            continue
        owners = " or ".join(k for k, flags in _AUGMENT_FLAGS.items() if name in flags)
        raise UsageError(
            f"--{name.replace('_', '-')} belongs to --aug {owners}, and --aug is {kind}; leave "
            "one of them out"
        )
    if kind == "fixed" and settings.aug_p is None:
        raise UsageError("--aug fixed needs the probability of each operation: add --aug-p 0.2")


def _names(flag: str) -> tuple[str, ...]:
    names = (name.strip().lower() for name in flag.split(","))
    return tuple(name for name in names if name)


def _diffaugment(flag: str | None) -> DiffAugment:
    try:
        return DiffAugment() if flag is None else DiffAugment(cast(Policy, _names(flag)))
    except ValueError as error:
        raise UsageError(f"--diffaugment {flag}: {error}") from error


def _adaptive(settings: GenerateSettings, undecided: float) -> AdaptiveAugment:
    usual = AdaptiveAugment()
    pipe, p = settings.aug_pipe, settings.aug_p or usual.p
    target = usual.target if settings.aug_target is None else settings.aug_target
    groups = usual.operations if pipe is None else cast(Groups, _names(pipe))
    kimg = settings.aug_kimg or usual.kimg
    try:
        return AdaptiveAugment(groups, p, target=target, kimg=kimg, undecided=undecided)
    except ValueError as error:
        raise UsageError(f"--aug {settings.aug}: {error}") from error


def _watched(settings: GenerateSettings, game: Game) -> float:
    """The score that scores of real images are compared with."""
    if game.pair.undecided is None:
        raise UsageError(
            f"--aug ada watches how many real scores say real, and those of {settings.loss} have "
            "no point between real and generated; fix the strength (--aug fixed --aug-p 0.2), or "
            "choose another loss, e.g. --loss ns-r1"
        )
    if settings.accumulate > 1:
        raise UsageError(
            "--aug ada changes with every batch, which --accumulate would cut; leave one of them "
            "out, or fix the strength (--aug fixed --aug-p 0.2)"
        )
    return game.pair.undecided


def check_augment(
    augment: DiffAugment | AdaptiveAugment | None, game: Game, loss: str, shape: tuple[int, ...]
) -> None:
    """Refuse to augment samples that are no images.

    Raises:
        UsageError: with the shape of a sample.

    >>> check_augment(DiffAugment(), GAMES["ns"], "ns", (3, 32, 32))
    >>> check_augment(DiffAugment(), GAMES["ns"], "ns", (2,))
    Traceback (most recent call last):
    ganloss._errors.UsageError: augmentation changes images, and a sample of these data ...
    """
    if len(shape) == 3:
        return
    if augment is not None:
        raise UsageError(
            f"augmentation changes images, and a sample of these data has shape {shape}; leave "
            "--aug and --diffaugment out"
        )
    if game.needs_images:
        raise UsageError(
            f"--loss {loss} compares images with shifted ones, and a sample of these data has "
            f"shape {shape}; choose another loss, e.g. --loss hinge"
        )


def _check_micro_batches(settings: RunSettings, game: Game) -> None:
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
    """Largest side that images get where none is asked for.

    >>> largest_default(Hardware())
    64
    """
    return 128 if hardware.device.type == "cuda" else 64
