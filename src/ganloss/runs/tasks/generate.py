"""From noise to samples: images, or points in the plane."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganloss._random import Draws
from ganloss.adaptive import AdaptiveAugment, AugmentStrength
from ganloss.data.batches import Batches, take, to_uint8
from ganloss.data.images import ImageSet, load_data
from ganloss.data.order import Order
from ganloss.data.points import PointSet
from ganloss.engine.ema import moving_average
from ganloss.engine.hardware import Hardware
from ganloss.engine.loop import Engine
from ganloss.games import canonical_name
from ganloss.networks.generate import reference_discriminator, reference_generator
from ganloss.networks.load import Description, write_export
from ganloss.networks.own import (
    DEFAULT_LATENT,
    own_network,
    probe_discriminator,
    probe_generator,
    refuse_batch_norm,
)
from ganloss.outputs import FeatureOutput
from ganloss.recipes.generate import generate, given
from ganloss.runs.evaluation import (
    FEWEST_SAMPLES,
    Evaluation,
    can_be_scored,
    evaluation_for,
    memorisation,
)
from ganloss.runs.folder import RunFolder
from ganloss.runs.metric import Metric
from ganloss.runs.options import augment_for, check_augment, game_for, largest_default
from ganloss.runs.pictures import COLUMNS, MOST_GRID_ROWS, draw
from ganloss.runs.settings import GenerateSettings
from ganloss.runs.tasks._task import Players, Task, states_of

if TYPE_CHECKING:
    from PIL import Image

POINTS_SHOWN = 2000


class GenerateTask(Task[GenerateSettings, ImageSet | PointSet]):
    """One generator from noise, one discriminator, any game.

    >>> task = GenerateTask(GenerateSettings(data="demo:ring", steps=10))
    >>> task.load(Hardware())
    >>> _ = task.build()
    >>> task.samples(8).shape, task.sample_latents(Draws(0, 0, 8), 8).shape, task.evaluation.name
    (torch.Size([8, 2]), torch.Size([8, 2]), 'fd-modes@2000')
    """

    def __init__(self, settings: GenerateSettings) -> None:
        super().__init__(settings)
        self.game = game_for(settings)
        self.augment = augment_for(settings, self.game)
        self.strength: AugmentStrength | None = None

    def load(self, hardware: Hardware) -> None:
        """Read the data, for this device and these processes."""
        settings, self.hardware = self.settings, hardware
        self.data = load_data(
            settings.data,
            settings.image_size,
            fit=settings.fit,
            largest=largest_default(hardware),
            cond=settings.cond,
            keep=settings.cache,
            workers=settings.workers,
        )
        self.classes = len(self.data.class_names)
        check_augment(self.augment, self.game, settings.loss, self.data.shape)

    def build(self) -> Players:
        """Make networks and phases; weights depend on the seed alone."""
        settings = self.settings
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            generator, discriminator = self._make_networks()
            if self.game.constraint is not None:
                self.game.constraint.prepare(discriminator)
        self.generator, self.discriminator = self.place(generator), self.place(discriminator)
        self.average = moving_average(self.generator, settings.batch_size, settings.ema_kimg)
        batches, rules, augment = self._batches(), self.rules_of(self.game), self.augment
        if settings.aug == "ada" and isinstance(augment, AdaptiveAugment):
            augment = self.strength = self._strength_of(augment)
        return Players(
            generate(rules, self.generator, self.discriminator, self.latent, augment=augment),
            self.game.optimisers,
            self.average,
            self.generator,
            batches,
            labels=batches.labels if self.classes else None,
            controllers=states_of(game=rules)
            | ({} if self.strength is None else {"augment": self.strength}),
        )

    def _strength_of(self, augment: AdaptiveAugment) -> AugmentStrength:
        strength = augment.controller(across_processes=True)
        return strength.to(self.hardware.device, self.hardware.dtype)

    def _make_networks(self) -> tuple[nn.Module, nn.Module]:
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
            discriminator = reference_discriminator(shape, self.classes, self.game.output)
        else:
            discriminator = own_network(settings.discriminator, shape, self.classes, self.latent)
            probe_discriminator(discriminator, shape, self.classes)
        if self.hardware.processes > 1:
            refuse_batch_norm(generator, "generator")
            refuse_batch_norm(discriminator, "discriminator")
        return generator, discriminator

    def _batches(self) -> Batches:
        return Batches(
            self.data.values,
            self.settings.batch_size,
            seed=self.settings.seed,
            hardware=self.hardware,
            mirror=self.settings.mirror,
            labels=self.data.labels,
        )

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks by what they are called in sentences."""
        return {"Generator": self.generator, "Discriminator": self.discriminator}

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """The metric with what it needs, or None."""
        return evaluation_for(self.data) if self.settings.metrics == "fd" else None

    @property
    def unscored(self) -> str:
        """Why there is no metric although one is wanted, and how to get one."""
        if self.settings.metrics == "none" or can_be_scored(self.data):
            return ""
        return (
            f"a score takes {2 * FEWEST_SAMPLES} images, and there are {len(self.data.values)}; "
            "add images"
        )

    @property
    def metric(self) -> Metric | None:
        """The Fréchet distance to real samples, or None where they are too few."""
        return None if self.evaluation is None else self.evaluation.metric

    def measure(self) -> dict[str, Any]:
        """Score samples of the moving average."""
        if self.evaluation is None:
            return {}
        samples = self.samples(self.evaluation.looked_at)
        shares, found = self.evaluation.shares(samples), self.evaluation.findings(samples)
        scores: dict[str, Any] = {"fd": self.evaluation.score(samples)}
        if shares is not None:
            scores["shares"] = shares
        return scores if found is None else scores | {"found": found.numbers()}

    def reals(self) -> "Image.Image":
        """Real samples, laid out as :meth:`picture` is."""
        return draw(self._real_grid(), self.data)

    def picture(self) -> "Image.Image":
        """Samples of the moving average from fixed latents."""
        return draw(self._grid(), self.data)

    def judge(self, engine: Engine) -> tuple[Any, Any] | None:
        """Scores of one batch of real and of fixed fake samples; energies negated."""
        if isinstance(self.game.output, FeatureOutput):
            return None
        real, labels, _ = engine.peek_batch()
        first, count = self.hardware.share(self.settings.batch_size)
        draws = Draws(self.settings.seed, 0, self.settings.batch_size, first, self.hardware.device)
        z = self.sample_latents(draws, count)
        self.discriminator.eval()
        with torch.no_grad():
            fake = given(self.generator, labels)(z)
            score = given(self.discriminator, labels)
            scores = score(real), score(fake)
        self.discriminator.train()
        return (-scores[0], -scores[1]) if self.game.pair.real_is_low else scores

    def conclude(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Count what can be counted, and look for memorised images."""
        if self.evaluation is None:
            return {}
        facts: dict[str, str] = {}
        samples = self.samples(self.evaluation.looked_at)
        found = self.evaluation.findings(samples)
        if found is not None:
            facts["Known distribution"] = found.in_words()
        ratio = memorisation(samples, self.data)
        if ratio is not None:
            facts["Nearest neighbours"] = (
                f"samples are {ratio:.2f} times as far from the nearest training image as from the "
                "nearest held-out one (real images: 1; far below it, training images were "
                "memorised)"
            )
        if rows and "shares" in rows[-1]:
            facts["Rarest class"] = f"{min(rows[-1]['shares']):.1%} of the samples"
        return facts

    @property
    def facts(self) -> dict[str, str]:
        """What the losses are, and how images are augmented, in words."""
        if self.augment is None:
            return super().facts
        return super().facts | {"Augmentation": repr(self.augment)}

    def controlled(self) -> dict[str, dict[str, float]]:
        """How strong the augmentation is, where overfitting decides."""
        if self.strength is None:
            return {}
        p, r = float(self.strength.p), float(self.strength.overfitting)
        return {"augment": {"p": p, "overfitting": r}}

    def export(self, folder: RunFolder) -> None:
        """Write the averaged generator for use without the command line."""
        description = Description(
            shape=self.data.shape,
            latent=self.latent,
            classes=self.classes,
            class_names=self.data.class_names,
            generator=self.settings.generator,
        )
        write_export(folder.export, description, self.average.module)

    def next_commands(self, folder: str) -> list[str]:
        """Sample, and try another loss."""
        other = "r3gan" if canonical_name(self.settings.loss) != "r3gan" else "hinge"
        return [
            f"ganloss sample {folder} --seeds 0-63",
            f"ganloss train generate --data {self.quoted_data} --loss {other} --minutes 5",
            "ganloss train generate --data YOUR_FOLDER --image-size 32",
        ]

    def samples(self, count: int) -> Tensor:
        """Samples of the averaged generator from fixed latents; images as uint8.

        A latent never changes. With classes, they come as often as in the data.
        """
        return self._generate(count, self._typical_labels(count))

    def _grid(self) -> Tensor:
        """Samples to look at: with classes, a row for each."""
        if not self.classes:
            return self.samples(COLUMNS**2 if len(self.data.shape) == 3 else POINTS_SHOWN)
        if len(self.data.shape) == 1:
            return self.samples(POINTS_SHOWN)
        rows = min(self.classes, MOST_GRID_ROWS)
        return self._generate(rows * COLUMNS, torch.arange(rows).repeat_interleave(COLUMNS))

    def _real_grid(self) -> Tensor:
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
