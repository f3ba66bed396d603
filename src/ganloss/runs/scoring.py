"""Real images against generated ones: what ``ganloss evaluate`` measures, and on which images."""

import json
import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ganloss._errors import DataError, UsageError
from ganloss.data.batches import take
from ganloss.data.decode import Fit, Header
from ganloss.data.files import list_images
from ganloss.data.images import ImageSet, load_images, read_headers
from ganloss.data.layouts import training_part
from ganloss.metrics.features import (
    FeatureNet,
    StackedDigitsFeatures,
    digits_features,
    random_vgg_features,
)
from ganloss.metrics.pretrained import PretrainedFeatures, PretrainedName
from ganloss.metrics.protocol import FEWEST_IMAGES, Measurement, Number, measure
from ganloss.metrics.selftest import FEWEST_IMAGES as FEWEST_TO_TRY
from ganloss.metrics.selftest import SelfTest, self_test
from ganloss.networks.load import is_generator, is_run
from ganloss.runs.evaluation import memorisation
from ganloss.runs.sampling import Sampler
from ganloss.runs.settings import settings_from_file

FeatureName = Literal["auto", "digits", "random-vgg"] | PretrainedName

MOST_IMAGES = 1000
_THREADS = 4  # for reading the headers of files


@dataclass(frozen=True)
class Request:
    """What is to be compared.

    Args:
        real: a folder, zip or bundled set of real images.
        fake: the same of generated images; or a run, whose generator then makes them.
        features: the network whose features are compared; ``"auto"`` depends on ``real`` alone.
        weights: of a pretrained network: ``"auto"``, a file or its folder.
        count: images on each side; by default as many as leave as many real ones to refer to.
        image_size: side of the images; by default that of the generator, or fitting ``real``.
        cond: the classes of ``real`` are what the metric's trial drops.
        pairs: compare images of the same name as well.
        lpips: weights of LPIPS, for pairs: ``"auto"``, a folder or a file; by default it is
            measured where they are on this machine.
        fit: how an image becomes a square; by default as the run made it, or the middle.
        seed: of the choice of images, of noise and of the bootstrap.
        allow_code: import a generator of one's own.

    >>> Request("photos", "generated").features
    'auto'
    """

    real: str
    fake: str
    features: FeatureName = "auto"
    weights: str = "auto"
    count: int | None = None
    image_size: int | None = None
    cond: bool = False
    pairs: bool = False
    lpips: str | None = None
    fit: Fit | None = None
    seed: int = 0
    allow_code: bool = False


@dataclass(frozen=True)
class Report:
    """What was found.

    Args:
        request: what was asked for.
        self_test: the metric's trial, or None.
        measurement: the numbers of the two sets, or None where only pairs were compared.
        pairs: the numbers of images of the same name.
        memorisation: nearest-neighbour ratio, where there are held-out images.
        notes: what was done to the images, in words.
        shape: ``(C, H, W)`` of the images that were compared as sets.

    >>> request = Request("photos", "generated")
    >>> "notes" in Report(request, None, None, (), None, ("resized",)).to_json()
    True
    """

    request: Request
    self_test: SelfTest | None
    measurement: Measurement | None
    pairs: tuple[Number, ...]
    memorisation: float | None
    notes: tuple[str, ...]
    shape: tuple[int, ...] | None = None

    def to_json(self) -> str:
        """Write it down; what is infinite or missing is null."""
        trial = self.self_test
        verdict = None if trial is None else {"passed": trial.passed, "sentence": trial.sentence}
        return (
            json.dumps(_finite(asdict(self) | {"verdict": verdict}), indent=1, ensure_ascii=False)
            + "\n"
        )


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class Comparison:
    """Images and features that are ready to be compared.

    Args:
        data: the real images.
        features: the network.
        real: those compared, uint8 ``(N, C, H, W)``.
        fake: as many generated ones.
        others: as many other real ones, where there are.
        notes: what was done to the images, in words.

    >>> compared = prepare(Request("demo:digits", "demo:digits", count=64))
    >>> compared.measure().count, compared.memorisation() < 1
    (64, True)
    >>> compared.try_metric().passed
    True
    """

    request: Request
    data: ImageSet
    features: FeatureNet
    real: Tensor
    fake: Tensor
    others: Tensor | None
    notes: tuple[str, ...] = field(default=())

    def try_metric(self) -> SelfTest | None:
        """Try the metric on the real images; None where they are too few."""
        images = self.data.images
        if len(images) < FEWEST_TO_TRY:
            return None
        chosen = _chosen(len(images), MOST_IMAGES, self.request.seed)
        labels = None if self.data.labels is None else self.data.labels[chosen]
        seed = self.request.seed
        return self_test(take(images, chosen), self.features, labels=labels, seed=seed)

    def measure(self) -> Measurement:
        """Measure everything that compares the two sets."""
        seed = self.request.seed
        return measure(self.real, self.fake, self.features, others=self.others, seed=seed)

    def memorisation(self) -> float | None:
        """Nearest-neighbour ratio to training and held-out images; None without held-out ones."""
        return memorisation(self.fake, self.data)


def prepare(request: Request) -> Comparison:
    """Read or make the images; weights are looked for before anything else is done.

    Raises:
        WeightsError: the weights of the features are not here.
        CheckpointError: the generator of the run cannot be loaded.
        DataError: too few images, or none.
        UsageError: features or sizes that do not fit the images.

    >>> prepare(Request("demo:digits", "demo:digits", count=64)).real.shape
    torch.Size([64, 1, 8, 8])
    """
    named = _network(request.features, request.weights)
    _refuse_a_run(request.real)
    sampler = _sampler(request)
    fit = request.fit or (_fit_of(Path(request.fake)) if sampler else "crop")
    data = load_images(request.real, _size(request, sampler), fit=fit, cond=request.cond)
    features = named or _known_for(data)
    _check_fit(features, data)
    channels, side, _ = data.shape
    notes = _resized("real", request.real, side, fit) + _left_out("real", data)
    if sampler is None:
        _refuse_runs(request.fake)
        fakes = load_images(request.fake, side, fit=fit)
        notes += _resized("generated", request.fake, side, fit) + _left_out("generated", fakes)
        count = _count(request, data, len(fakes.images))
        fake = take(fakes.images, _chosen(len(fakes.images), count, request.seed))
    else:
        count = _count(request, data, None)
        labels, classes = _classes(sampler, data, count)
        fake = sampler(sampler.latents(range(count)), labels)
        made = f"{count:,} images were made by {request.fake} from seeds 0 to {count - 1}"
        notes += (made + classes,)
    if fake.shape[1] != channels:
        notes += (f"generated images were made {'gray' if channels == 1 else 'colour'} like REAL",)
        fake = with_channels(fake, channels)
    real, others = _reals(data, count, request.seed)
    if others is None:
        notes += (
            f"real against real is two halves of REAL, {count // 2:,} images each: fewer than "
            f"twice {count:,} are there. Scores of fewer images differ"
            + (
                f"; --count {_most(data)} compares like with like"
                if _most(data) >= FEWEST_IMAGES
                else ""
            ),
        )
    done = replace(request, fit=fit)
    return Comparison(done, data, features, real, fake, others, notes)


def _classes(sampler: Sampler, data: ImageSet, count: int) -> tuple[Tensor | None, str]:
    """Classes to make, as often as in REAL where its classes are known; and that in words."""
    names = sampler.about.class_names
    if data.labels is None or tuple(names) != tuple(data.class_names):
        said = f", the {len(names):,} classes equally often" if names else ""
        return sampler.labels(range(count)), said
    ordered = data.labels.sort().values
    chosen = torch.linspace(0, len(ordered) - 1, count).round().long()
    return ordered[chosen], ", each class as often as in REAL"


def _fit_of(run: Path) -> Fit:
    """How a run, or the run of an export, made squares of its images."""
    for folder in (run, run.parent):
        if is_run(folder):
            return settings_from_file(folder / "config.yaml").fit
    return "crop"


def _refuse_a_run(real: str) -> None:
    """Refuse a run in the place of REAL."""
    if is_generator(Path(real)) or is_run(Path(real).parent):
        raise UsageError(
            f"{real} is a run, or a part of one, and not real images; those come first: "
            "`ganloss evaluate REAL RUN`"
        )


def _refuse_runs(fake: str) -> None:
    """Refuse a folder of runs, or of a run: its pictures of samples are no generated images."""
    above = Path(fake).parent
    if is_run(above) and Path(fake).name == "samples":
        raise UsageError(
            f"the pictures of {fake} show many samples at once; name the run, which then makes "
            f"images: {above}"
        )
    runs = sorted(path.parent for path in Path(fake).glob("**/status.json") if is_run(path.parent))
    if runs:
        raise UsageError(
            f"{fake} holds {len(runs)} run(s), whose pictures show many samples at once; name one "
            f"of them, which then makes images: {runs[-1]}"
        )


def _network(name: FeatureName, weights: str) -> FeatureNet | None:
    """Give the network of a name; None for ``"auto"``, which depends on the data."""
    if weights != "auto" and name in ("auto", "digits", "random-vgg"):
        raise UsageError(
            f"--weights {weights} is a file of a pretrained network; say which: --features "
            "inception, vgg16, clip or dinov2"
        )
    if name == "auto":
        return None
    if name == "digits":
        return digits_features()
    return random_vgg_features() if name == "random-vgg" else PretrainedFeatures(name, weights)


def _known_for(data: ImageSet) -> FeatureNet:
    """Give the network that a run on these images is scored with."""
    if data.judge == "digits":
        return digits_features()
    return StackedDigitsFeatures() if data.judge == "stacked-digits" else random_vgg_features()


def _sampler(request: Request) -> Sampler | None:
    """Give the generator, if FAKE is a run or an export."""
    path = Path(request.fake)
    if not is_generator(path):
        return None
    sampler = Sampler.load(path, allow_code=request.allow_code)
    if not sampler.makes_images:
        raise UsageError(f"the generator of {path} makes points, and images are compared here")
    return sampler


def _size(request: Request, sampler: Sampler | None) -> int | None:
    if sampler is None:
        return request.image_size
    side = sampler.about.shape[1]
    if request.image_size not in (None, side):
        raise UsageError(
            f"the generator makes {side}-px images; leave --image-size {request.image_size} out"
        )
    return side


def _check_fit(features: FeatureNet, data: ImageSet) -> None:
    if features.name == "digits" and data.shape != (1, 8, 8):
        channels, height, width = data.shape
        raise UsageError(
            f"--features digits knows 8x8 gray digits, and {data.name} has {width}x{height} images "
            f"of {channels} channel(s); use --features random-vgg"
        )


def _count(request: Request, data: ImageSet, fakes: int | None) -> int:
    """Images on each side."""
    reals = len(data.images if data.held_out is None else data.held_out)
    available = reals if fakes is None else min(reals, fakes)
    said = f"REAL has {reals:,} images" + ("" if fakes is None else f" and FAKE {fakes:,}")
    if request.count is not None:
        if not FEWEST_IMAGES <= request.count <= available:
            raise DataError(
                f"--count is {request.count:,}, and {said}; both sides have the same number, "
                f"at least {FEWEST_IMAGES} and at most {available:,}"
            )
        return request.count
    count = min(_most(data), available, MOST_IMAGES)
    if count < FEWEST_IMAGES:
        raise DataError(
            f"{said}; comparing sets takes at least {FEWEST_IMAGES} on each side, and as many real "
            "ones again to refer to. Add images, or give --count to refer to fewer; --pairs "
            "compares images of the same name, however few"
        )
    return count


def _most(data: ImageSet) -> int:
    """Most images on a side that leave as many others to refer to."""
    if data.held_out is None:
        return len(data.images) // 2
    return min(len(data.held_out), len(data.images))


def _reals(data: ImageSet, count: int, seed: int) -> tuple[Tensor, Tensor | None]:
    """Real images to compare with, and as many others; the held-out ones where there are."""
    if data.held_out is not None:
        others = take(data.images, torch.arange(count)) if len(data.images) >= count else None
        return data.held_out[:count], others
    # Shuffled: in a folder of classes the first half would be other classes than the second.
    order = _chosen(len(data.images), 2 * count, seed)
    others = take(data.images, order[count:]) if len(order) == 2 * count else None
    return take(data.images, order[:count]), others


def _chosen(total: int, count: int, seed: int) -> Tensor:
    """Indices of ``count`` images, or of all, in a random order."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:count]


def with_channels(images: Tensor, channels: int) -> Tensor:
    """Bring uint8 images to one or three channels; gray is BT.601's luma, as Pillow's.

    >>> with_channels(torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1), 1).item()
    76
    """
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.expand(-1, 3, -1, -1)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (images * luma).sum(1, keepdim=True).round().clamp(0, 255).to(torch.uint8)


def _left_out(kind: str, data: ImageSet) -> tuple[str, ...]:
    """Say which files could not be read."""
    if not data.skipped:
        return ()
    path, why = data.skipped[0]
    return (f"{len(data.skipped):,} {kind} file(s) left out, unreadable: {path} ({why}) …",)


def _resized(kind: str, source: str, side: int, fit: Fit) -> tuple[str, ...]:
    """Say how many images of a folder had to be brought to another size."""
    if ":" in source and not Path(source).exists():
        return ()
    files = training_part(list_images(Path(source))).files
    headers = [h for h in read_headers(files, _THREADS) if isinstance(h, Header)]
    other = sum((h.width, h.height) != (side, side) for h in headers)
    done = {"crop": "cut and resized", "pad": "padded and resized", "stretch": "stretched"}[fit]
    return (f"{other:,} {kind} images were {done} to {side}×{side}",) if other else ()
