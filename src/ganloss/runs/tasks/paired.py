"""From images to images with targets: pix2pix, restoration, super-resolution."""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganloss._errors import UsageError
from ganloss._random import Draws
from ganloss.data.batches import Batches, from_uint8, take, to_uint8
from ganloss.data.degradations import Degradation
from ganloss.data.order import Order
from ganloss.data.pairs import PairSet, load_folders, load_pairs, load_targets
from ganloss.engine.ema import moving_average
from ganloss.engine.hardware import Hardware
from ganloss.engine.loop import Engine
from ganloss.metrics.intervals import mean_interval
from ganloss.metrics.pairs import paired_numbers
from ganloss.metrics.protocol import Number
from ganloss.networks.load import Description, write_export
from ganloss.networks.translate import PatchDiscriminator, Translator
from ganloss.recipes.paired import paired
from ganloss.runs.folder import RunFolder
from ganloss.runs.metric import Metric
from ganloss.runs.options import game_for, largest_default
from ganloss.runs.pictures import grid
from ganloss.runs.settings import PairedSettings
from ganloss.runs.tasks._task import Players, Task, require_scores, states_of
from ganloss.runs.tasks._terms import FEATURE_MATCHING, pair_terms, term_weights

if TYPE_CHECKING:
    from PIL import Image

MOST_SCORED, MOST_SHOWN = 200, 8
_BATCH = 16


def _chosen(count: int) -> Tensor:
    """Rows of the pairs to score: all, or some from all over, since names may sort by kind."""
    if count <= MOST_SCORED:
        return torch.arange(count)
    return Order(count, seed=0).indices(0, MOST_SCORED).sort().values


@dataclass(frozen=True)
class _HeldOut:
    """Pairs that are never trained on, uint8."""

    inputs: Tensor
    targets: Tensor


class PairedTask(Task[PairedSettings, PairSet]):
    """One generator from inputs to targets; a discriminator of both together, or none.

    >>> PairedTask(PairedSettings(data="demo:sketches", term=["l3=1"]))
    Traceback (most recent call last):
    ganloss._errors.UsageError: ...
    """

    def __init__(self, settings: PairedSettings) -> None:
        super().__init__(settings)
        self.adversarial = settings.loss.strip().lower() != "none"
        if not self.adversarial:
            self._refuse_what_needs_d()
        # Without a discriminator the game lends its optimiser alone.
        self.game = game_for(settings if self.adversarial else replace(settings, loss="ns"))
        require_scores(self.game, settings.loss, "paired")
        usual = settings.usual_terms(settings.loss)
        self.weights = term_weights(usual if settings.term is None else settings.term)
        self.degradation = Degradation.parse(settings.degrade) if settings.degrade else None
        if not self.adversarial:
            self._check_terms()

    def _refuse_what_needs_d(self) -> None:
        usual = PairedSettings()
        for name in ("penalty", "critic_steps", "gamma", "penalty_every", "scales", "lambda_adv"):
            if getattr(self.settings, name) != getattr(usual, name):
                flag = name.replace("_", "-")
                raise UsageError(f"--{flag} is about the discriminator, and --loss none has none")

    def _check_terms(self) -> None:
        if FEATURE_MATCHING in self.weights:
            raise UsageError(
                f"--term {FEATURE_MATCHING} compares maps of the discriminator, and --loss none "
                "has none; leave the term out, or name a game, e.g. --loss ns"
            )
        if not self.weights:
            raise UsageError("--loss none leaves the terms alone; name one, e.g. --term l1=1")

    def load(self, hardware: Hardware) -> None:
        """Read the data, for this device and these processes."""
        self.hardware = hardware
        self._terms = pair_terms(self.weights, self.settings.features, self.place)
        self.data = self._read()
        if self.data.held_out_targets is None or self.data.held_out_inputs is None:
            raise UsageError("no pairs are held out to score the generator on; give --held-out 0.1")
        chosen = _chosen(len(self.data.held_out_targets))
        targets = take(self.data.held_out_targets, chosen)
        inputs = take(self.data.held_out_inputs, chosen)
        if self.degradation is not None:
            _check_divides(self.degradation, targets.shape[2:])
            draws = Draws(seed=0, step=0, rows=len(targets))
            inputs = to_uint8(self.degradation(from_uint8(targets), draws))
        self.held_out = _HeldOut(inputs, targets)
        self.translator = self._choose()

    def _read(self) -> PairSet:
        settings = self.settings
        options: dict[str, Any] = {
            "fit": settings.fit,
            "largest": largest_default(self.hardware),
            "keep": settings.cache,
            "workers": settings.workers,
            "hold_out": settings.held_out,
        }
        if settings.lq:
            return load_folders(settings.lq, settings.gt, settings.image_size, **options)
        if self.degradation is not None:
            return load_targets(settings.data, settings.image_size, **options)
        if settings.data == "demo:photos":
            raise UsageError("demo:photos are their own targets; add --degrade downscale=4")
        return load_pairs(
            settings.data, settings.image_size, direction=settings.direction, **options
        )

    def _choose(self) -> Translator:
        settings, degradation = self.settings, self.degradation
        inputs, outputs = self.held_out.inputs.shape[1], self.data.shape[0]
        scale = 1 if degradation is None else degradation.scale
        undoes = degradation is not None and degradation.kind != "gray"
        network = settings.network
        if network == "auto":
            network = "sr" if undoes else "unet"
        if network == "sr" and inputs != outputs:
            raise UsageError(
                f"--network sr adds details to its input, and {inputs} channel(s) go in while "
                f"{outputs} come out; use --network unet"
            )
        if network != "sr" and scale > 1:
            raise UsageError(f"--network {network} keeps the size; use sr to undo a downscale")
        side = min(self.held_out.inputs.shape[-2:])
        if network == "unet":
            check_depth(settings.depth, side)
        usual = max(1, min(4, int(math.log2(side)) - 2)) if network == "unet" else 6
        return Translator(
            network,
            inputs,
            outputs,
            settings.width or 32,
            settings.depth or usual,
            scale,
            normalise=settings.norm == "instance",
        )

    def build(self) -> Players:
        """Make networks and phases; weights depend on the seed alone."""
        settings = self.settings
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            generator = self.translator.build()
            channels = self.translator.inputs + self.translator.outputs
            discriminator = PatchDiscriminator(channels, scales=settings.scales)
            if self.game.constraint is not None and self.adversarial:
                self.game.constraint.prepare(discriminator)
        self.generator, self.discriminator = self.place(generator), self.place(discriminator)
        self._rehearse()
        self.average = moving_average(self.generator, settings.batch_size, settings.ema_kimg)
        targets = self._batches(self.data.targets)
        sources = (
            self._batches(self.data.inputs)
            if self.degradation is None
            else self._spoilt(targets, self.degradation)
        )
        rules = self.rules_of(self.game)
        phases = paired(
            rules,
            self.generator,
            self.discriminator,
            self._terms,
            adversarial=settings.lambda_adv if self.adversarial else 0.0,
            feature_matching=self.weights.get(FEATURE_MATCHING, 0.0),
        )
        return Players(
            phases,
            self.game.optimisers,
            self.average,
            self.generator,
            targets,
            sources=sources,
            controllers=states_of(game=rules),
        )

    def _rehearse(self) -> None:
        """Compute every term and all scores of one image, before there is a folder.

        Raises:
            UsageError: the images are too small for one of them.
        """
        dtype, device = self.hardware.dtype, self.hardware.device
        x, y = (
            from_uint8(images[:1]).to(device, dtype)
            for images in (self.held_out.inputs, self.held_out.targets)
        )
        with torch.no_grad():
            made = self.generator(x)
            for name, (term, _) in self._terms.items():
                with _too_small_in_words(f"--term {name}", "leave the term out", y):
                    term(made, y)
            if self.adversarial:
                self.discriminator.eval()  # so that spectral normalisation stays where it is
                scales = f"a discriminator with --scales {self.settings.scales}"
                with _too_small_in_words(scales, "use fewer scales", y):
                    self.discriminator(torch.cat([interpolate(x, size=y.shape[2:]), y], 1))
                self.discriminator.train()

    def _batches(self, images: Any) -> Batches:
        return Batches(
            images,
            self.settings.batch_size,
            seed=self.settings.seed,
            hardware=self.hardware,
            mirror=self.settings.mirror,
        )

    def _spoilt(self, targets: Batches, degradation: Degradation) -> Callable[[int], Tensor]:
        """Inputs made from the targets; noise is new in every batch."""
        rows = self.settings.batch_size
        first, _ = self.hardware.share(rows)

        def spoil(k: int) -> Tensor:
            draws = Draws(self.settings.seed, k, rows, first, self.hardware.device)
            return degradation(targets(k), draws)

        return spoil

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks by what they are called in sentences."""
        if not self.adversarial:
            return {"Generator": self.generator}
        return {"Generator": self.generator, "Discriminator": self.discriminator}

    @property
    def title(self) -> str:
        """What the run is called on its page."""
        if self.degradation is not None:
            return f"{self.data.name}: undo {self.degradation}"
        return f"{self.data.name}: input to target"

    @property
    def facts(self) -> dict[str, str]:
        """What the losses are, by name, in words."""
        t = self.translator
        facts = {
            "Network": f"{t.network}, width {t.width}, depth {t.depth}"
            + (f", {t.scale} times larger" if t.scale > 1 else ""),
            "Terms": ", ".join(f"{w:g} × {name}" for name, w in self.weights.items()) or "none",
        }
        return facts | (super().facts if self.adversarial else {"Pair": "none"})

    @property
    def in_a_line(self) -> str:
        """The losses in a line."""
        terms = " + ".join(f"{w:g} × {name}" for name, w in self.weights.items())
        return (
            f"{super().in_a_line}; G + {terms}"
            if self.adversarial
            else f"no discriminator; G {terms}"
        )

    @property
    def metric(self) -> Metric | None:
        """The mean absolute error on held-out pairs, beside that of the cheapest answers."""
        return self._metric

    @cached_property
    def _metric(self) -> Metric | None:
        if self.settings.metrics == "none":
            return None
        count = len(self.held_out.targets)
        errors = {name: float(_errors(made, self.held_out.targets).mean())
                  for name, made in self._cheap_answers().items()}  # fmt: skip
        best = min(errors, key=lambda name: errors[name])
        return Metric(
            f"l1@{count}",
            "Mean absolute error on held-out pairs, black and white being 1 apart; lower is better",
            None,
            "",
            errors[best],
            key="l1",
            noise_meaning=best,
        )

    def _cheap_answers(self) -> dict[str, Tensor]:
        """Answers that cost no training: one level, the mean target, and the input itself."""
        targets = take(self.data.targets, torch.arange(min(1000, len(self.data.targets))))
        mean = targets.float().mean(0, keepdim=True).round().to(torch.uint8)
        # The median is the constant of the least absolute error.
        level = targets.transpose(0, 1).flatten(1).median(1).values.view(1, -1, 1, 1)
        answers = {
            "the mean target": mean.expand_as(self.held_out.targets),
            "one colour all over": level.expand_as(self.held_out.targets),
        }
        if self.translator.inputs == self.translator.outputs:
            name = "the bicubic image" if self.translator.scale > 1 else "the input itself"
            answers[name] = enlarged(self.held_out.inputs, self.held_out.targets.shape[2:])
        return answers

    def measure(self) -> dict[str, Any]:
        """Score the moving average on the held-out pairs."""
        if self.metric is None:
            return {}
        numbers = self._numbers()
        return {number.name.split("@")[0]: number.value for number in numbers}

    def _numbers(self) -> tuple[Number, ...]:
        made, targets = self.translated(self.held_out.inputs), self.held_out.targets
        return pair_numbers_with_l1(made, targets)

    def translated(self, images: Tensor) -> Tensor:
        """Translate uint8 images with the moving average, to uint8."""
        dtype, device = self.hardware.dtype, self.hardware.device
        with torch.no_grad():
            made = [
                to_uint8(self.average(from_uint8(part).to(device, dtype)))
                for part in images.split(_BATCH)
            ]
        return torch.cat(made)

    def reals(self) -> "Image.Image":
        """Held-out inputs beside their targets."""
        inputs, targets = self._shown
        return grid(interleaved(inputs, targets), 4)

    def picture(self) -> "Image.Image":
        """Held-out inputs, what the moving average makes of them, and their targets."""
        inputs, targets = self._shown
        made = self.translated(self.held_out.inputs[self._rows])
        return grid(interleaved(inputs, made, targets), 6)

    def overlays(self) -> Mapping[str, "Image.Image"]:
        """The same inputs and results as two pictures, to lay over each other."""
        inputs, _ = self._shown
        made = self.translated(self.held_out.inputs[self._rows])
        return {"before.png": grid(_in_colour(inputs), 4), "after.png": grid(_in_colour(made), 4)}

    @property
    def _rows(self) -> Tensor:
        count = len(self.held_out.targets)
        return torch.linspace(0, count - 1, min(MOST_SHOWN, count)).round().long()

    @property
    def _shown(self) -> tuple[Tensor, Tensor]:
        inputs, targets = self.held_out.inputs[self._rows], self.held_out.targets[self._rows]
        return enlarged(inputs, targets.shape[2:], "nearest"), targets

    def judge(self, engine: Engine) -> tuple[Any, Any] | None:
        """Scores of one batch of pairs, with targets and with what was made."""
        if not self.adversarial:
            return None
        real, _, x = engine.peek_batch()
        if x is None:
            return None
        size = real.shape[2:]
        self.discriminator.eval()
        with torch.no_grad():
            fake = self.generator(x)
            beside = interpolate(x, size=size, mode="nearest") if x.shape[2:] != size else x
            scores = tuple(self.discriminator(torch.cat([beside, y], 1)) for y in (real, fake))
        self.discriminator.train()
        return scores[0], scores[1]

    def conclude(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Give the held-out scores with their intervals, beside those of the cheapest answers."""
        if self.metric is None:
            return {}
        facts: dict[str, str] = {}
        cheap = {
            name: pair_numbers_with_l1(made, self.held_out.targets)
            for name, made in self._cheap_answers().items()
        }
        for i, number in enumerate(self._numbers()):
            others = ", ".join(f"{name} {n[i].value:.4g}" for name, n in cheap.items())
            facts[f"Held-out {number.name}"] = (
                f"{number.value:.4g}, 95 % interval {number.interval.low:.4g} to "
                f"{number.interval.high:.4g} ({others})"
            )
        return facts

    def export(self, folder: RunFolder) -> None:
        """Write the averaged generator for use without the command line."""
        about = Description(
            self.data.shape, 0, translator=self.translator, tile=self.held_out.inputs.shape[-1]
        )
        write_export(folder.export, about, self.average.module)

    def next_commands(self, folder: str) -> list[str]:
        """Translate, and try another loss."""
        return [f"ganloss translate {folder} YOUR_IMAGES"]


def check_depth(depth: int | None, side: int) -> None:
    """Refuse a U-Net that halves images more often than they have pixels to halve.

    Raises:
        UsageError: with the largest depth.

    >>> check_depth(5, 32)
    >>> check_depth(9, 32)
    Traceback (most recent call last):
    ganloss._errors.UsageError: --depth 9 halves images 9 times, and a side of 32 pixels can be ...
    """
    most = max(1, int(math.log2(side)))
    if depth is not None and depth > most:
        raise UsageError(
            f"--depth {depth} halves images {depth} times, and a side of {side} pixels can be "
            f"halved {most} times; use --depth {most} or less"
        )


def _check_divides(degradation: Degradation, size: Sequence[int]) -> None:
    """Refuse targets that are not a whole number of times as large as their inputs."""
    scale = degradation.scale
    rest = [side for side in size if side % scale or side < scale]
    if rest:
        near = max(scale, rest[0] // scale * scale)
        raise UsageError(
            f"--degrade {degradation} needs sides that {scale} divides, and the images have "
            f"{size[0]}×{size[1]} pixels; add e.g. --image-size {near}"
        )


@contextmanager
def _too_small_in_words(what: str, mend: str, images: Tensor) -> Generator[None]:
    """Say in a sentence that something cannot be computed of images of this size."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (ValueError, RuntimeError) as error:
        height, width = images.shape[2:]
        raise UsageError(
            f"{what} does not work on images of {height}×{width} pixels ({error}); take larger "
            f"ones (--image-size), or {mend}"
        ) from error


def pair_numbers_with_l1(made: Tensor, targets: Tensor) -> tuple[Number, ...]:
    """L1, PSNR, SSIM and MS-SSIM of uint8 images against their targets, with intervals.

    >>> black = torch.zeros(2, 1, 16, 16, dtype=torch.uint8)
    >>> [round(number.value, 3) for number in pair_numbers_with_l1(black, black + 255)]
    [1.0, 0.0, 0.0]
    """
    errors = _errors(made, targets)
    l1 = Number(f"l1@{len(errors)}", float(errors.mean()), mean_interval(errors))
    return (l1, *paired_numbers(zip(targets, made, strict=True)))


def _errors(made: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute error of each image, black and white being 1 apart."""
    return (made.double() - targets.double()).abs().flatten(1).mean(1) / 255


def enlarged(images: Tensor, size: Sequence[int], mode: str = "bicubic") -> Tensor:
    """Bring uint8 images to a size.

    >>> enlarged(torch.full((1, 3, 8, 8), 7, dtype=torch.uint8), (16, 16)).unique()
    tensor([7], dtype=torch.uint8)
    """
    if list(images.shape[2:]) == list(size):
        return images
    larger = interpolate(images.float(), size=list(size), mode=mode)
    return larger.round().clamp(0, 255).to(torch.uint8)


def _in_colour(images: Tensor) -> Tensor:
    """Give gray images three channels."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def interleaved(*columns: Tensor) -> Tensor:
    """First images of all columns, then the second ones, and so on; in colour if any is.

    >>> interleaved(torch.zeros(2, 1, 4, 4), torch.ones(2, 3, 4, 4)).shape
    torch.Size([4, 3, 4, 4])
    """
    if len({column.shape[1] for column in columns}) > 1:
        columns = tuple(map(_in_colour, columns))
    return torch.stack(columns, 1).flatten(0, 1)
