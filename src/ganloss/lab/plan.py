"""What a comparison will do: variants × seeds, as a file a person can read."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ganloss._errors import CheckpointError, UsageError
from ganloss._version import __version__
from ganloss.games import GAMES, canonical_name
from ganloss.lab.names import file_names
from ganloss.lab.search import RATES, SEARCHED, drawn
from ganloss.lab.statistics import (
    LEVEL,
    bound_text,
    seeds_for_one_apart,
    seeds_needed,
    smallest_p,
)
from ganloss.lab.vary import combinations
from ganloss.optimisers import Adam
from ganloss.runs.settings import RunSettings, settings_of

#: Compared where nothing is asked for.
USUAL_LOSSES = ("ns", "hinge", "lsgan", "wgan-gp", "r3gan")
FEWEST_SEEDS = 5
#: Whose optimisers variants have.
TUNINGS = ("paper", "shared")
SNAPS = 10

_MOST_SEED = 2**32
#: Most seeds, draws and workers of a plan that is read.
MOST = 10_000
_UNREADABLE = (OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError,
               OverflowError, UsageError)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """What is compared with the others.

    Args:
        name: as the report calls it, e.g. ``"hinge"`` or ``"ssim=1"``.
        changes: settings in which it differs.

    >>> Variant("r3gan lr=1e-4", {"loss": "r3gan", "lr": 1e-4}).changes["lr"]
    0.0001
    """

    name: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One run of a comparison.

    Args:
        name: of its files.
        variant: name of its variant.
        seed: its seed.
        settings: everything ``train`` needs.
        draw: of a search, which draw it tries; None for a run that counts.

    >>> Job("ns-s0", "ns", 0, RunSettings(data="demo:ring", steps=10)).settings.steps
    10
    """

    name: str
    variant: str
    seed: int
    settings: RunSettings
    draw: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a comparison will do.

    Args:
        settings: what all runs share.
        variants: what is compared.
        seeds: of the runs of each variant.
        baseline: the variant the others are compared with; empty for all pairs.
        tuning: ``"paper"`` keeps each loss's published optimisers, ``"shared"`` gives all those of
            the baseline, or of the first.
        draws: settings to try for each variant before the runs that count; 0 for none.
        workers: runs at a time.
        command: what was typed.

    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> planned = plan(settings, ["ns", "r3gan"], seeds=[0, 1], draws=3, workers=1)
    >>> planned.check()
    >>> planned.check_sizes()
    >>> [job.name for job in planned.jobs()], len(planned.search())
    (['ns-s0', 'r3gan-s0', 'r3gan-s1', 'ns-s1'], 6)
    >>> planned.smallest_p, planned.budget
    (0.5, '10 steps')
    >>> planned.promise[:60]
    'the smallest p that 2 seeds can reach is 0.5, so no verdict '
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "plan.yaml").write_text(planned.to_yaml())
    ...     Plan.read(Path(folder) / "plan.yaml") == planned
    True
    """

    settings: RunSettings
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    baseline: str = ""
    tuning: str = "paper"
    draws: int = 0
    workers: int = 1
    command: str = field(default="", compare=False)

    def check(self) -> None:
        """Refuse a plan that cannot be meant, before anything is read or written.

        Raises:
            UsageError: with the flag to mend.
        """
        from ganloss.runs.tasks import task_for

        if self.tuning not in TUNINGS:
            raise UsageError(f"no tuning {self.tuning!r}; use --tuning {' or '.join(TUNINGS)}")
        names = [variant.name for variant in self.variants]
        if len(names) < 2:
            raise UsageError(
                "a comparison takes at least two variants; name them with --losses ns,hinge or "
                "--vary NAME=A,B"
            )
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UsageError(f"{twice} is named twice; leave one of them out")
        if self.baseline and self.baseline not in names:
            raise UsageError(
                f"--baseline {self.baseline} is none of the variants: {', '.join(names)}"
            )
        if self.settings.metrics == "none":
            raise UsageError("--metrics none measures nothing to compare by; leave it out")
        if self.settings.devices > 1:
            raise UsageError(
                "a comparison runs single-process jobs side by side; use --workers N instead of "
                "--devices N"
            )
        if self.settings.patience is not None:
            raise UsageError(
                "--patience ends runs after different numbers of steps, and a comparison gives all "
                "of them the same; leave it out"
            )
        first = [job for job in self.jobs() if job.seed == self.seeds[0]]
        for job in first:
            job.settings.check()
            task_for(job.settings)
        self._check_alike(first)
        self._check_search()

    def _check_alike(self, jobs: Sequence["Job"]) -> None:
        """Refuse variants that would be the same run twice, which differ by nothing at all."""
        for one, other in itertools.combinations(jobs, 2):
            if one.settings == other.settings:
                raise UsageError(
                    f"{one.variant} and {other.variant} are the same run; leave one of them out"
                )

    def _check_search(self) -> None:
        """Refuse a search that has nothing to draw."""
        if self.draws < 0:
            raise UsageError(f"--tune is {self.draws}; it is a number of draws, 0 for no search")
        for variant in self.variants if self.draws else ():
            if not self._drawn(variant, 0):
                raise UsageError(
                    "--tune draws learning rates, betas and weights of penalties, and those that "
                    f"{variant.name} takes are given or compared; leave --tune out, or those flags"
                )

    def check_sizes(self) -> None:
        """Refuse numbers that nobody means, before anything is counted up to them.

        Raises:
            ValueError: naming them.
        """
        sizes = {"seeds": len(self.seeds), "workers": self.workers}
        for name, size in sizes.items():
            if not 1 <= size <= MOST:
                raise ValueError(f"{name}: {size}")
        if not 0 <= self.draws <= MOST or min(self.seeds) < 0:
            raise ValueError(f"draws: {self.draws}, seeds from {min(self.seeds)}")

    def jobs(self, changes: Mapping[str, Mapping[str, Any]] | None = None) -> list[Job]:
        """The runs that count, seed by seed, so that a plan that is cut short is fair as well.

        Args:
            changes: further settings of each variant, as a search found them.
        """
        stems = file_names([v.name for v in self.variants])
        return [
            self._job(stems[variant.name], variant, seed, (changes or {}).get(variant.name, {}))
            for i, seed in enumerate(self.seeds)
            for variant in _rotated(self.variants, i)
        ]

    def search(self) -> list[Job]:
        """The runs of the search: the same draws for each variant, with a seed of their own."""
        stems, seed = file_names([v.name for v in self.variants]), max(self.seeds) + 1
        return [
            self._job(stems[variant.name], variant, seed, self._drawn(variant, draw), draw)
            for draw in range(self.draws)
            for variant in _rotated(self.variants, draw)
        ]

    def _drawn(self, variant: Variant, draw: int) -> dict[str, Any]:
        """What a search draws for a variant: all but what was given, or is compared."""
        kept = {name for name in SEARCHED if getattr(self.settings, name) is not None}
        kept |= set(variant.changes)
        if kept & RATES:
            kept |= RATES  # a rate of both players, beside that of one, would change its meaning
        if self.settings.gamma is not None or "gamma" in kept:
            kept.add("penalty")  # gamma is a weight of penalties
        found = drawn(self._shared(variant), draw)
        return {name: value for name, value in found.items() if name not in kept}

    @property
    def varied(self) -> dict[str, list[Any]]:
        """Settings besides the loss in which variants differ, with their values in order."""
        names = dict.fromkeys(name for v in self.variants for name in v.changes if name != "loss")
        found = {
            name: [v.changes.get(name, getattr(self.settings, name)) for v in self.variants]
            for name in names
        }
        return {
            name: values for name, values in found.items() if any(v != values[0] for v in values)
        }

    @property
    def losses(self) -> list[str]:
        """The games of the variants, each once."""
        return list(dict.fromkeys(v.changes.get("loss", self.settings.loss) for v in self.variants))

    def _shared(self, variant: Variant) -> RunSettings:
        settings = replace(self.settings, **variant.changes)
        if self.tuning == "paper":
            return settings
        named = [v for v in self.variants if v.name == self.baseline]
        return replace(settings, **_optimisers((named or self.variants)[0], settings))

    def _job(
        self,
        stem: str,
        variant: Variant,
        seed: int,
        changes: Mapping[str, Any],
        draw: int | None = None,
    ) -> Job:
        number = f"s{seed}" if draw is None else f"draw{draw}"
        settings = replace(self._shared(variant), seed=seed, name="", **changes)
        return Job(f"{stem}-{number}", variant.name, seed, settings, draw)

    @property
    def smallest_p(self) -> float:
        """The smallest probability these seeds can give."""
        return smallest_p(len(self.variants), len(self.seeds), baseline=bool(self.baseline))

    @property
    def promise(self) -> str:
        """What the seeds can show, said beforehand."""
        losses, seeds = len(self.variants), len(self.seeds)
        least = f"the smallest p that {seeds} seeds can reach is {bound_text(self.smallest_p)}"
        if seeds < 2:
            least = "one seed shows no difference at all"
        if self.smallest_p <= LEVEL:
            enough = f"{least}: enough to show a difference (p ≤ {LEVEL})"
            more = seeds_for_one_apart(losses)
            if self.baseline or seeds >= more:
                return enough
            return (
                f"{enough} if losses come in one order in every seed; {more} seeds show one that "
                "stands apart from the rest"
            )
        needed = seeds_needed(losses, baseline=bool(self.baseline))
        return (
            f"{least}, so no verdict is possible; {needed} seeds would do (--seeds 0-{needed - 1})"
        )

    @property
    def budget(self) -> str:
        """How long each run is, in words."""
        settings = self.settings
        if settings.steps is not None:
            return f"{settings.steps:,} steps"
        if settings.kimg is not None:
            return f"{settings.kimg * 1000:,.0f} images shown to D"
        if settings.epochs is not None:
            return f"{settings.epochs:g} epochs"
        return f"{settings.time_limit or 0.0:g} seconds of training"

    def to_yaml(self) -> str:
        """Write the plan as ``plan.yaml``."""
        import yaml

        values = {
            "ganloss": __version__,
            "command": self.command,
            "task": self.settings.task,
            "variants": {v.name: dict(v.changes) for v in self.variants},
            "seeds": list(self.seeds),
            "baseline": self.baseline,
            "tuning": self.tuning,
            "draws": self.draws,
            "workers": self.workers,
            "settings": asdict(self.settings),
            "jobs": [job.name for job in [*self.search(), *self.jobs()]],
        }
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Read ``plan.yaml``.

        Raises:
            CheckpointError: missing or damaged.
        """
        import yaml

        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
            task, shared = values["task"], dict(values["settings"])
            variants = {str(k): dict(v) for k, v in values["variants"].items()}
            for changes in variants.values():
                settings_of(task, shared | changes)
            made = cls(
                settings_of(task, shared),
                tuple(Variant(name, changes) for name, changes in variants.items()),
                tuple(int(seed) for seed in values["seeds"]),
                str(values["baseline"]),
                str(values["tuning"]),
                int(values["draws"]),
                int(values["workers"]),
                str(values["command"]),
            )
            made.check_sizes()
            made.check()
            return made
        except (*_UNREADABLE, yaml.YAMLError) as error:
            raise CheckpointError(
                f"{path} is not the plan of a comparison ({error}); name another folder"
            ) from error


def plan(
    settings: RunSettings,
    losses: Sequence[str] = (),
    vary: Sequence[str] = (),
    *,
    seeds: Sequence[int] = (),
    baseline: str = "",
    tuning: str = "paper",
    draws: int = 0,
    workers: int | None = None,
    command: str = "",
) -> Plan:
    """Make a plan from names; nothing is read yet.

    Args:
        settings: what all runs share.
        losses: games to compare; by default five, or the settings' own if something varies.
        vary: further settings to compare, as ``NAME=A,B``; each with each.
        seeds: by default five, or as many as can show a difference.
        baseline: compare all others with this variant, instead of all pairs.
        tuning: ``"paper"`` or ``"shared"``.
        draws: settings to try for each variant first.
        workers: runs at a time; by default one for each core, or for each ``settings.threads``.
        command: what was typed.

    Raises:
        UsageError: naming the flag and what it takes.

    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> [variant.name for variant in plan(settings, ["ns"], ["lr=1e-4,2e-4"]).variants]
    ['lr=1e-4', 'lr=2e-4']
    """
    variants = variants_of(settings, losses, vary)
    seeds = _checked(seeds) or default_seeds(len(variants))
    if baseline and baseline not in {v.name for v in variants}:
        baseline = _known(baseline)
    runs = len(variants) * max(len(seeds), draws)
    if settings.device == "auto" and torch.cuda.is_available():
        settings = replace(settings, device="cuda")
    if settings.minutes is not None:  # of training alone, as every budget here
        settings = replace(settings, minutes=None, seconds=60 * settings.minutes)
    if workers is None:
        at_once = 1 if settings.device == "cuda" else _cores() // (settings.threads or 1)
        workers = max(1, min(at_once, runs))
    if not 1 <= workers <= MOST:
        raise UsageError(f"--workers is {workers}; it is a number of runs at a time, at least 1")
    threads = settings.threads or max(1, _cores() // workers)
    settings = replace(_evenly_snapped(settings), threads=threads)
    made = Plan(settings, variants, seeds, baseline, tuning, draws, workers, command)
    try:
        settings_of(settings.task, asdict(settings))
    except ValueError as error:  # of Python; the command line has read numbers itself
        raise UsageError(f"{error}, which is no value of that setting") from error
    made.check()
    return made


def _checked(seeds: Sequence[int]) -> tuple[int, ...]:
    for seed in seeds:
        if type(seed) is not int or not 0 <= seed < _MOST_SEED:
            raise UsageError(
                f"seeds are whole numbers from 0 to {_MOST_SEED - 1:,}, and {seed!r} is none"
            )
    return tuple(seeds)


def variants_of(
    settings: RunSettings, losses: Sequence[str], vary: Sequence[str]
) -> tuple[Variant, ...]:
    """Every loss with every combination of what varies.

    >>> from ganloss.runs.settings import GenerateSettings
    >>> found = variants_of(GenerateSettings(data="x"), ["vanilla", "r3gan"], ["lr=1e-4,2e-4"])
    >>> [variant.name for variant in found]
    ['ns lr=1e-4', 'ns lr=2e-4', 'r3gan lr=1e-4', 'r3gan lr=2e-4']
    """
    names = [_known(name) for name in losses]
    if not names:
        names = [settings.loss] if vary else [_known(name) for name in USUAL_LOSSES]
    found: list[Variant] = []
    for loss in names:
        for words, changes in combinations(settings, loss, vary):
            label = [loss] if len(names) > 1 or not vary else []
            found.append(Variant(" ".join(label + words), {"loss": loss, **changes}))
    return tuple(found)


def default_seeds(variants: int) -> tuple[int, ...]:
    """Five seeds, or as many as it takes to show a difference.

    >>> default_seeds(2), default_seeds(5)
    ((0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4))
    """
    return tuple(range(max(FEWEST_SEEDS, seeds_needed(variants) if variants > 1 else 0)))


def _optimisers(variant: Variant, settings: RunSettings) -> dict[str, Any]:
    """Rates and betas of a variant's game, for all the others; a flag that was given stays."""
    loss = variant.changes.get("loss", settings.loss)
    game, own = (GAMES["ns" if name == "none" else name] for name in (loss, settings.loss))
    generator, discriminator = game.optimisers.generator, game.optimisers.discriminator
    found: dict[str, Any] = {}
    if settings.lr is None:
        found["g_lr"] = settings.g_lr or generator.lr
        found["d_lr"] = settings.d_lr or discriminator.lr
    players = (generator, own.optimisers.generator, own.optimisers.discriminator)
    if settings.betas is None and all(isinstance(player, Adam) for player in players):
        found["betas"] = ",".join(map(str, generator.betas))  # pyright: ignore[reportAttributeAccessIssue]
    return found


def _known(name: str) -> str:
    if name == "none":
        return name
    try:
        return canonical_name(name)
    except KeyError as error:
        raise UsageError(f"{error.args[0]}; see `ganloss losses list`") from error


def _evenly_snapped(settings: RunSettings) -> RunSettings:
    """Fewer snaps than a single run: they are all drawn and scored."""
    if settings.snap is not None or settings.steps is None:
        return settings
    return replace(settings, snap=max(1, settings.steps // SNAPS))


def _rotated(variants: Sequence[Variant], by: int) -> Iterator[Variant]:
    by %= len(variants)
    return itertools.chain(variants[by:], variants[:by])


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
