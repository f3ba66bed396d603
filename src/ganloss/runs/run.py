"""A run that is set up: settings turned into data, networks, engine and folder."""

import math
import shlex
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ganloss._errors import UsageError
from ganloss._random import Draws
from ganloss.data.batches import Batches, take, to_uint8
from ganloss.data.images import load_data
from ganloss.data.order import Order
from ganloss.engine import checkpoint
from ganloss.engine.ema import moving_average
from ganloss.engine.hardware import connect
from ganloss.engine.loop import Engine
from ganloss.games import GAMES, Adam, Game, Optimisers, canonical_name
from ganloss.networks.generate import reference_discriminator, reference_generator
from ganloss.networks.load import DESCRIPTION, WEIGHTS, Description
from ganloss.networks.own import (
    DEFAULT_LATENT,
    own_network,
    probe_discriminator,
    probe_generator,
    refuse_batch_norm,
)
from ganloss.recipes.generate import generate
from ganloss.runs import folder as folders
from ganloss.runs.evaluation import Evaluation, can_be_scored, evaluation_for
from ganloss.runs.folder import RunFolder
from ganloss.runs.options import augment_for, check_augment, check_micro_batches, schedule_for
from ganloss.runs.pictures import COLUMNS, MOST_GRID_ROWS
from ganloss.runs.settings import GenerateSettings

SNAPS_PER_RUN = 20
POINTS_SHOWN = 2000


def game_for(settings: GenerateSettings) -> Game:
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


def _with_rates(game: Game, settings: GenerateSettings) -> Game:
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


class Run:
    """A run that is set up: data, networks, engine and folder.

    Args:
        settings: what is asked for; checked.
        resume: None for a new run, ``"auto"`` for the newest that fits, or a run folder's path.
    """

    def __init__(self, settings: GenerateSettings, resume: str | None = None) -> None:
        self.settings = settings
        self.game = game_for(settings)
        self.augment = augment_for(settings)
        self.hardware = connect(settings.device, settings.devices, settings.precision)
        if self.hardware.processes > 1:
            self.game = replace(self.game, pair=self.game.pair.globally())
        largest = 128 if self.hardware.device.type == "cuda" else 64
        self.data = load_data(
            settings.data,
            settings.image_size,
            fit=settings.fit,
            largest=largest,
            cond=settings.cond,
            keep=settings.cache,
            workers=settings.workers,
        )
        self.classes = len(self.data.class_names)
        check_augment(self.augment, self.data.shape)
        if settings.patience is not None and not can_be_scored(self.data):
            raise UsageError(
                f"--patience waits for a better score, and {len(self.data.values)} images are too "
                "few to score samples; leave --patience out, or add images"
            )
        self.total = settings.total_steps(len(self.data.values), self.game.critic_steps)
        self._build()
        self.folder = self._find_folder(resume)
        self.resumed = self.folder.last.exists()
        self.seconds = 0.0
        self.stopped_early = ""
        if self.resumed:
            self._load()

    def _build(self) -> None:
        """Make networks, optimisers and engine; weights depend on the seed alone."""
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed)
            generator, discriminator = self._networks()
            if self.game.constraint is not None:
                self.game.constraint.prepare(discriminator)
        self.generator = self._place(generator)
        self.discriminator = self._place(discriminator)
        self.average = moving_average(
            self.generator, self.settings.batch_size, self.settings.ema_kimg
        )
        optimisers, batches = self.game.optimisers, self._batches()
        self.engine = Engine(
            generate(
                self.game, self.generator, self.discriminator, self.latent, augment=self.augment
            ),
            {
                "d": optimisers.discriminator.build(self.discriminator.parameters()),
                "g": optimisers.generator.build(self.generator.parameters()),
            },
            batches=batches,
            labels=batches.labels if self.classes else None,
            batch_size=self.settings.batch_size,
            seed=self.settings.seed,
            hardware=self.hardware,
            average=self.average,
            averaged=self.generator,
            accumulate=self.settings.accumulate,
            clip_norm=self.settings.clip_grad,
            schedule=schedule_for(self.settings, self.total),
        )

    def _networks(self) -> tuple[nn.Module, nn.Module]:
        """The networks asked for, or the reference networks that fit the data."""
        settings, shape = self.settings, self.data.shape
        if not settings.generator:
            reference = reference_generator(shape, self.classes)
            generator, self.latent = reference, reference.latent
        else:
            asked = settings.latent or DEFAULT_LATENT
            generator = own_network(settings.generator, shape, self.classes, asked)
            self.latent = int(getattr(generator, "latent", asked))
            probe_generator(generator, shape, self.classes, self.latent)
        if not settings.discriminator:
            discriminator = reference_discriminator(shape, self.classes)
        else:
            discriminator = own_network(settings.discriminator, shape, self.classes, self.latent)
            probe_discriminator(discriminator, shape, self.classes)
        if self.hardware.processes > 1:
            refuse_batch_norm(generator, "generator")
            refuse_batch_norm(discriminator, "discriminator")
        return generator, discriminator

    def _place(self, network: nn.Module) -> nn.Module:
        return network.to(self.hardware.device, self.hardware.dtype)

    def _batches(self) -> Batches:
        return Batches(
            self.data.values,
            self.settings.batch_size,
            seed=self.settings.seed,
            hardware=self.hardware,
            mirror=self.settings.mirror,
            labels=self.data.labels,
        )

    def _find_folder(self, resume: str | None) -> RunFolder:
        path = ""
        if self.hardware.is_main:
            found = None
            if resume == "auto":
                found = folders.find_resumable(self.settings)
            elif resume is not None:
                found = folders.open_run(resume)
            path = str((found or folders.create(self.settings, self.data.name)).path)
        return folders.RunFolder(folders.Path(self.hardware.broadcast(path)))

    def _load(self) -> None:
        state = checkpoint.load(self.folder.last)
        self.engine.load(state["engine"])
        self.seconds = state["seconds"]

    def save(self, path: folders.Path) -> None:
        """Write a checkpoint."""
        checkpoint.save({"engine": self.engine.state(), "seconds": self.seconds}, path)

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """The metric with its reference rows, or None."""
        return evaluation_for(self.data) if self.settings.metrics == "fd" else None

    @property
    def snap(self) -> int | None:
        """Steps between snaps, or None when time decides."""
        if self.settings.snap is not None:
            return self.settings.snap
        return None if self.total is None else max(1, self.total // SNAPS_PER_RUN)

    @property
    def threads(self) -> int:
        """CPU threads to compute with; tiny networks lose time waiting for a second one."""
        tiny = self.data.shape[-1] <= 8
        return self.settings.threads or (1 if tiny else torch.get_num_threads())

    @property
    def parameters(self) -> tuple[int, int]:
        """Numbers of parameters of generator and discriminator."""
        return _count(self.generator), _count(self.discriminator)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        if self.total is not None:
            return self.engine.step >= self.total
        limit = self.settings.time_limit
        return limit is not None and self.seconds >= limit

    @property
    def done(self) -> float:
        """Share of the run that is behind us."""
        if self.total is not None:
            return self.engine.step / self.total
        return min(1.0, self.seconds / (self.settings.time_limit or math.inf))

    def samples(self, count: int) -> Tensor:
        """Samples of the averaged generator from fixed latents; images as uint8.

        A latent never changes. With classes, they come as often as in the data.
        """
        return self._generate(count, self._typical_labels(count))

    def grid(self) -> Tensor:
        """Samples to look at: with classes, a row for each."""
        if not self.classes:
            return self.samples(COLUMNS**2 if len(self.data.shape) == 3 else POINTS_SHOWN)
        if len(self.data.shape) == 1:
            return self.samples(POINTS_SHOWN)
        rows = min(self.classes, MOST_GRID_ROWS)
        return self._generate(rows * COLUMNS, torch.arange(rows).repeat_interleave(COLUMNS))

    def real_grid(self) -> Tensor:
        """Real samples to look at, laid out as :meth:`grid` is."""
        values, labels = self.data.values, self.data.labels
        if len(self.data.shape) == 1:
            return take(values, torch.arange(POINTS_SHOWN))
        if labels is None:
            return take(values, Order(len(values), seed=0).indices(0, COLUMNS**2))
        rows = [torch.nonzero(labels == c)[:, 0] for c in range(min(self.classes, MOST_GRID_ROWS))]
        return take(values, torch.cat([_exactly(r, COLUMNS) for r in rows if len(r)]))

    def _typical_labels(self, count: int) -> Tensor | None:
        if self.data.labels is None:
            return None
        ordered = self.data.labels.sort().values
        return ordered[torch.linspace(0, len(ordered) - 1, count).round().long()]

    def _generate(self, count: int, labels: Tensor | None) -> Tensor:
        draws = Draws(self.settings.seed, 0, count, device=self.hardware.device)
        inputs = [self.sample_latents(draws, count)]
        if labels is not None:
            inputs.append(labels.to(self.hardware.device))
        batches = zip(*(x.split(256) for x in inputs), strict=True)
        with torch.no_grad():
            pieces = [self.average(*batch) for batch in batches]
        samples = torch.cat(pieces)
        return to_uint8(samples) if samples.dim() == 4 else samples.float().cpu()

    def sample_latents(self, draws: Draws, count: int) -> Tensor:
        """Latents of the sample grid and of the metric, on a stream of their own."""
        return draws.normal("samples", count, self.latent, dtype=self.hardware.dtype)


def _exactly(rows: Tensor, count: int) -> Tensor:
    """The first rows, over and over where there are too few."""
    return rows[torch.arange(count) % len(rows)]


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def status(run: Run, state: str, message: str, extra: Mapping[str, str]) -> dict[str, Any]:
    """What ``status.json`` says about a run."""
    evaluation = run.evaluation
    metric = None
    if evaluation is not None:
        metric = {
            "name": evaluation.name,
            "meaning": "Fréchet distance between samples and real images; lower is better",
            "reference": evaluation.reference,
            "reference_meaning": evaluation.reference_meaning,
            "noise": evaluation.noise,
            "warning": evaluation.warning,
        }
    generator, discriminator = run.parameters
    return {
        "state": state,
        "message": message,
        "step": run.engine.step,
        "steps": run.total,
        "seconds": run.seconds,
        "title": f"{run.settings.loss} on {run.data.name}",
        "data": {
            "name": run.data.name,
            "images": len(run.data.values),
            "shape": list(run.data.shape),
            "kept": run.data.where,
            "classes": list(run.data.class_names),
            "skipped": [list(item) for item in run.data.skipped],
        },
        "metric": metric,
        "facts": {
            "Generator": f"{generator:,} parameters",
            "Discriminator": f"{discriminator:,} parameters",
            "Pair": repr(run.game.pair),
            "Penalties": ", ".join(
                f"{weighted.penalty!r} × {weighted.weight}"
                for weighted in run.game.penalties.values()
            )
            or "none",
            "Constraint": repr(run.game.constraint) if run.game.constraint else "none",
            "Updates of D per step": str(run.game.critic_steps),
            "Optimisers": f"G {run.game.optimisers.generator!r}, "
            f"D {run.game.optimisers.discriminator!r}",
            **_options(run),
            "Device": f"{run.hardware.device}, {run.hardware.processes} process(es)",
            "Precision": run.settings.precision,
        },
        "next": next_commands(run),
        "extra": dict(extra),
    }


def _options(run: Run) -> dict[str, str]:
    """What was chosen beside the game, in words; nothing for what was left alone."""
    settings, schedule = run.settings, schedule_for(run.settings, run.total)
    facts: dict[str, str] = {}
    if run.augment is not None:
        facts["Augmentation"] = ", ".join(run.augment.policy)
    if schedule is not None:
        facts["Learning rates"] = repr(schedule)
    if settings.clip_grad is not None:
        facts["Gradients"] = f"clipped to norm {settings.clip_grad:g}"
    if settings.accumulate > 1:
        facts["Micro-batches"] = f"{settings.accumulate} per update"
    if settings.patience is not None:
        facts["Patience"] = f"{settings.patience} snaps"
    return facts


def next_commands(run: Run) -> list[str]:
    """Commands a user may want after this run."""
    data = shlex.quote(run.settings.data)
    other = "r3gan" if canonical_name(run.settings.loss) != "r3gan" else "hinge"
    folder = shlex.quote(str(run.folder.path))
    again = f"ganloss train generate --resume {folder}"
    if run.stopped_early:
        longer = [f"{again} --patience {2 * (run.settings.patience or 1)}"]
    else:  # a decayed learning rate has reached 0: there is nothing to continue with
        longer = [] if run.settings.decays else [f"{again} --steps {2 * max(run.engine.step, 1)}"]
    return [
        f"ganloss sample {folder} --seeds 0-63",
        f"ganloss train generate --data {data} --loss {other} --minutes 5",
        *longer,
        "ganloss train generate --data YOUR_FOLDER --image-size 32",
    ]


def export(run: Run) -> None:
    """Write the averaged generator for use without the command line."""
    from safetensors.torch import save as to_bytes

    weights = {k: v.contiguous() for k, v in run.average.module.state_dict().items()}
    payload = to_bytes(weights)
    checkpoint.write_atomically(run.folder.export / WEIGHTS, lambda stream: stream.write(payload))
    description = Description(
        shape=run.data.shape,
        latent=run.latent,
        classes=run.classes,
        class_names=run.data.class_names,
        generator=run.settings.generator,
    )
    folders.write_text(run.folder.export / DESCRIPTION, description.to_json())
