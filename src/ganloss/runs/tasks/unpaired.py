"""Between two domains without pairs: CycleGAN."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganloss._errors import UsageError
from ganloss._random import seed_of
from ganloss.aids import ImagePool
from ganloss.data.batches import Batches, from_uint8, take, to_uint8
from ganloss.data.order import Order
from ganloss.data.pairs import Images, PairSet, load_pairs
from ganloss.engine.ema import moving_average
from ganloss.engine.hardware import Hardware
from ganloss.engine.loop import Engine
from ganloss.losses import LeastSquares
from ganloss.metrics.distances import frechet_distance
from ganloss.metrics.features import random_vgg_features
from ganloss.networks.load import Description, write_export
from ganloss.networks.translate import PatchDiscriminator, Translator
from ganloss.recipes.unpaired import Translators, unpaired
from ganloss.runs.folder import RunFolder
from ganloss.runs.metric import Metric
from ganloss.runs.options import game_for, largest_default
from ganloss.runs.pictures import grid
from ganloss.runs.settings import UnpairedSettings
from ganloss.runs.tasks._task import Players, Task, require_scores, states_of
from ganloss.runs.tasks.paired import check_depth, interleaved

if TYPE_CHECKING:
    from PIL import Image

MOST_SCORED, FEWEST_SCORED, SHOWN = 200, 8, 5
_BATCH = 16
_COPIES = 1e-9  # a distance below is rounding


class UnpairedTask(Task[UnpairedSettings, PairSet]):
    """Two generators that one optimiser trains, two discriminators that another one does.

    >>> UnpairedTask(UnpairedSettings(data="demo:sketches", loss="wgan-gp")).settings.loss
    'wgan-gp'
    """

    def __init__(self, settings: UnpairedSettings) -> None:
        super().__init__(settings)
        self.game = game_for(settings)
        require_scores(self.game, settings.loss, "unpaired")
        # CycleGAN's least squares has no ½ on the generator's side (its eq. 1 as trained).
        self.adversarial = 2.0 if isinstance(self.game.pair, LeastSquares) else 1.0

    def load(self, hardware: Hardware) -> None:
        """Read the data, for this device and these processes."""
        settings, self.hardware = self.settings, hardware
        self.data = load_pairs(
            settings.data,
            settings.image_size,
            matched=False,
            fit=settings.fit,
            largest=largest_default(hardware),
            keep=settings.cache,
            workers=settings.workers,
            hold_out=settings.held_out,
        )
        if self.data.held_out_inputs is None or self.data.held_out_targets is None:
            raise UsageError("no images are held out to score on; give --held-out 0.1")
        self.held_out_a, self.held_out_b = (
            _drawn(held_out, MOST_SCORED)
            for held_out in (self.data.held_out_inputs, self.data.held_out_targets)
        )
        channels, side = self.data.shape[0], min(self.data.shape[1:])
        if settings.network == "unet":
            check_depth(settings.depth, side)
        usual = max(1, min(4, int(math.log2(side)) - 2)) if settings.network == "unet" else 6
        self.translator = Translator(
            settings.network,
            channels,
            channels,
            settings.width or 32,
            settings.depth or usual,
            normalise=settings.norm == "instance",
        )

    def build(self) -> Players:
        """Make networks and phases; weights depend on the seed alone."""
        settings = self.settings
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            generators = [self.translator.build() for _ in range(2)]
            discriminators = [PatchDiscriminator(self.translator.inputs) for _ in range(2)]
            if self.game.constraint is not None:
                for discriminator in discriminators:
                    self.game.constraint.prepare(discriminator)
        self.nets = Translators(
            *(self.place(network) for network in (*generators, *discriminators)),
            pool_a=ImagePool(settings.pool),
            pool_b=ImagePool(settings.pool),
        )
        self._generators, self._discriminators = self.nets.generators, self.nets.discriminators
        self.average = moving_average(self._generators, settings.batch_size, settings.ema_kimg)
        of_a, of_b = self.rules_of(self.game), self.rules_of(self.game)
        phases = unpaired(
            (of_a, of_b),
            self.nets,
            cycle=settings.lambda_cycle,
            identity=settings.lambda_identity,
            adversarial=self.adversarial,
            gather=self.hardware.gather,
        )
        return Players(
            phases,
            self.game.optimisers,
            self.average,
            phases[0].trains,
            # An order of their own: with as many images on both sides, partners would meet.
            self._batches(self.data.targets, seed_of(settings.seed, "domain-b", 0)),
            sources=self._batches(self.data.inputs, settings.seed),
            controllers={
                "pool_a": self.nets.pool_a,
                "pool_b": self.nets.pool_b,
                **states_of(game_a=of_a, game_b=of_b),
            },
        )

    def _batches(self, images: Images, seed: int) -> Batches:
        return Batches(
            images,
            self.settings.batch_size,
            seed=seed,
            hardware=self.hardware,
            mirror=self.settings.mirror,
        )

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks by what they are called in sentences."""
        return {"Generators": self._generators, "Discriminators": self._discriminators}

    @property
    def title(self) -> str:
        """What the run is called on its page."""
        return f"{self.data.name}: there and back"

    @property
    def facts(self) -> dict[str, str]:
        """What the losses are, by name, in words."""
        settings, t = self.settings, self.translator
        unscored = {"Not scored": self.unscored} if self.unscored else {}
        return {
            **unscored,
            "Network": f"{t.network}, width {t.width}, depth {t.depth}, one for each direction",
            "Adversarial": f"{self.adversarial:g} × G",
            "Cycle consistency": f"{settings.lambda_cycle:g} × L1",
            "Identity": f"{settings.lambda_identity:g} × L1",
            "Pool": f"{settings.pool} images of each domain",
            **super().facts,
        }

    @property
    def in_a_line(self) -> str:
        """The losses in a line."""
        settings = self.settings
        return (
            f"{super().in_a_line}; {self.adversarial:g} × G + {settings.lambda_cycle:g} × cycle + "
            f"{settings.lambda_identity:g} × identity"
        )

    @cached_property
    def _features(self) -> dict[str, Tensor]:
        """Features of held-out images of both domains, which translations are compared with."""
        net, count = random_vgg_features(), self._count
        return {"A": net(self.held_out_a[:count]), "B": net(self.held_out_b[:count])}

    @property
    def unscored(self) -> str:
        """Why there is no metric although one is wanted, and how to get one."""
        if self.settings.metrics == "none" or self._count >= FEWEST_SCORED:
            return ""
        a, b = len(self.held_out_a), len(self.held_out_b)
        fewest = min(len(self.data.inputs) + a, len(self.data.targets) + b)
        share = math.ceil(100 * FEWEST_SCORED / fewest) / 100
        mend = (
            f"hold out more (--held-out {share:g}, or, where there are testA and testB, images in "
            "both)"
            if share <= 0.5
            else f"add images: {2 * FEWEST_SCORED} of each domain are enough, with --held-out 0.5"
        )
        return (
            f"{a} and {b} images are held out, and a score takes {FEWEST_SCORED} of each domain, "
            f"and as many to train on; {mend}"
        )

    @property
    def _count(self) -> int:
        return min(len(self.held_out_a), len(self.held_out_b), len(self.data.inputs),
                   len(self.data.targets))  # fmt: skip

    @property
    def metric(self) -> Metric | None:
        """The Fréchet distance of translations from their domain, mean of both directions."""
        return self._metric

    @cached_property
    def _metric(self) -> Metric | None:
        if self.settings.metrics == "none" or self.unscored:
            return None
        net, count = random_vgg_features(), self._count
        trained = [net(_drawn(side, count)) for side in (self.data.inputs, self.data.targets)]
        a, b = self._features["A"], self._features["B"]
        reference = (frechet_distance(a, trained[0]) + frechet_distance(b, trained[1])) / 2
        return Metric(
            f"fd-{net.name}@{count}",
            "Fréchet distance between translated held-out images and real ones of the other "
            "domain, mean of both directions; lower is better",
            # Nothing to refer to where the held-out images are copies of training images.
            reference if reference > _COPIES else None,
            f"{count} training images of each domain against the same held-out ones",
            frechet_distance(a, b),
            noise_meaning="no translation at all",
        )

    def measure(self) -> dict[str, Any]:
        """Score both directions, and the way there and back."""
        if self.metric is None:
            return {}
        net, count = random_vgg_features(), self._count
        fake_b, back_a = self.there_and_back(self.held_out_a[:count], "a")
        fake_a, back_b = self.there_and_back(self.held_out_b[:count], "b")
        to_b = frechet_distance(self._features["B"], net(fake_b))
        to_a = frechet_distance(self._features["A"], net(fake_a))
        errors = [_error(back_a, self.held_out_a[:count]), _error(back_b, self.held_out_b[:count])]
        return {
            "fd": (to_a + to_b) / 2,
            "cycle": sum(errors) / 2,
            "directions": {"A to B": to_b, "B to A": to_a},
            "there and back": {"from A": errors[0], "from B": errors[1]},
        }

    def there_and_back(self, images: Tensor, domain: str) -> tuple[Tensor, Tensor]:
        """Translate uint8 images of a domain with the moving average, and back again."""
        generators: Any = self.average.module
        there, back = generators if domain == "a" else reversed(list(generators))
        made: list[Tensor] = []
        again: list[Tensor] = []
        with torch.no_grad():
            for part in images.split(_BATCH):
                x = from_uint8(part).to(self.hardware.device, self.hardware.dtype)
                y = there(x)
                made.append(to_uint8(y))
                again.append(to_uint8(back(y)))
        return torch.cat(made), torch.cat(again)

    @property
    def _shown(self) -> tuple[Tensor, Tensor]:
        shown: list[Tensor] = []
        for side in (self.held_out_a, self.held_out_b):
            shown.append(side[torch.linspace(0, len(side) - 1, SHOWN).round().long()])
        return shown[0], shown[1]

    def reals(self) -> "Image.Image":
        """Held-out images of A beside such of B, which do not belong together."""
        columns = min(4, len(self.held_out_a), len(self.held_out_b))
        rows = min(4, len(self.held_out_a) // columns, len(self.held_out_b) // columns)
        a, b = (s[: rows * columns] for s in (self.held_out_a, self.held_out_b))
        parts = zip(a.split(columns), b.split(columns), strict=True)
        return grid(torch.cat([torch.cat(part) for part in parts]), 2 * columns)

    def picture(self) -> "Image.Image":
        """Held-out images, their translation and the way back, from A and from B."""
        a, b = self._shown
        from_a, from_b = self.there_and_back(a, "a"), self.there_and_back(b, "b")
        return grid(interleaved(a, *from_a, b, *from_b), 6)

    def overlays(self) -> Mapping[str, "Image.Image"]:
        """Images of both domains and their translations, to lay over each other."""
        a, b = self._shown
        made = self.there_and_back(a, "a")[0], self.there_and_back(b, "b")[0]
        return {
            "before.png": grid(torch.cat([a, b]), SHOWN),
            "after.png": grid(torch.cat(made), SHOWN),
        }

    def judge(self, engine: Engine) -> tuple[Any, Any] | None:
        """Scores of one batch, real and translated, of the discriminator of B."""
        b, _, a = engine.peek_batch()
        if a is None:
            return None
        self.nets.d_b.eval()
        with torch.no_grad():
            scores = self.nets.d_b(b), self.nets.d_b(self.nets.a_to_b(a))
        self.nets.d_b.train()
        return scores

    def conclude(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Say how far the way there and back leads from where it began."""
        scored = [row for row in rows if "cycle" in row]
        if not scored:
            return {}
        first, last = scored[0]["cycle"], scored[-1]["cycle"]
        ways = ", ".join(
            f"{way} {error:.3g}" for way, error in scored[-1]["there and back"].items()
        )
        return {
            "There and back": f"held-out images come back with a mean absolute error of {last:.3g} "
            f"({ways}), black and white being 1 apart; {first:.3g} before training"
        }

    def export(self, folder: RunFolder) -> None:
        """Write both averaged generators for use without the command line."""
        about = Description(
            self.data.shape,
            0,
            translator=self.translator,
            both_ways=True,
            tile=self.data.shape[-1],
        )
        generators: Any = self.average.module
        write_export(folder.export, about, *generators)

    def next_commands(self, folder: str) -> list[str]:
        """Translate, in both directions."""
        return [
            f"ganloss translate {folder} YOUR_IMAGES",
            f"ganloss translate {folder} YOUR_IMAGES --direction BtoA",
        ]


def _drawn(images: Images, count: int) -> Tensor:
    """Some images, drawn from all over: the first by name may be of one kind."""
    return take(images, Order(len(images), seed=0).indices(0, min(count, len(images))))


def _error(back: Tensor, images: Tensor) -> float:
    """Mean absolute error, black and white being 1 apart."""
    return float((back.float() - images.float()).abs().mean() / 255)
