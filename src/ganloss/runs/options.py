"""Settings turned into what engine and recipe take: schedule, augmentation, micro-batches."""

from typing import cast

from ganloss._errors import UsageError
from ganloss.augment import DiffAugment, Operation
from ganloss.engine.rates import RateSchedule
from ganloss.games import Game
from ganloss.runs.settings import GenerateSettings

DECAY_FROM = 0.5


def schedule_for(settings: GenerateSettings, total: int | None) -> RateSchedule | None:
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


def check_augment(augment: DiffAugment | None, shape: tuple[int, ...]) -> None:
    """Refuse to augment samples that are no images.

    Raises:
        UsageError: with the shape of a sample.
    """
    if augment is not None and len(shape) != 3:
        raise UsageError(
            f"--diffaugment changes images, and a sample of these data has shape {shape}; leave "
            "it out"
        )


def check_micro_batches(settings: GenerateSettings, game: Game) -> None:
    """Refuse to cut a batch whose loss looks at all of it.

    Raises:
        UsageError: with the reason.
    """
    parts = {settings.loss: game.pair.batch_statistic}
    parts |= {f"penalty {n}": w.penalty.batch_statistic for n, w in game.penalties.items()}
    whole = [name for name, is_statistic in parts.items() if is_statistic]
    if settings.accumulate > 1 and whole:
        raise UsageError(
            f"{whole[0]} looks at a statistic of the whole batch, which "
            f"--accumulate {settings.accumulate} would replace by one of "
            f"{settings.batch_size // settings.accumulate} samples; leave --accumulate out, lower "
            "--batch-size, or choose a loss of single samples or pairs, e.g. --loss r3gan"
        )
