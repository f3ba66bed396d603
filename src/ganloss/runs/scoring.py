"""Real images against generated ones: what ``ganloss evaluate`` measures, and on which images."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ganloss._errors import DataError, UsageError
from ganloss._weights import WEIGHTS, find, locate
from ganloss.data.batches import take
from ganloss.data.decode import UNREADABLE, Header, fitted, read_upright
from ganloss.data.files import ImageFile, list_images
from ganloss.data.images import ImageSet, load_images, read_headers
from ganloss.data.layouts import training_part
from ganloss.metrics.distances import nearest_neighbour_ratio
from ganloss.metrics.features import (
    FeatureNet,
    StackedDigitsFeatures,
    digits_features,
    random_vgg_features,
)
from ganloss.metrics.pairs import SIDES, paired_numbers
from ganloss.metrics.pretrained import PretrainedFeatures, PretrainedName
from ganloss.metrics.protocol import FEWEST_IMAGES, Measurement, Number, measure
from ganloss.metrics.selftest import FEWEST_IMAGES as FEWEST_TO_TRY
from ganloss.metrics.selftest import SelfTest, self_test
from ganloss.runs.sampling import Sampler
from ganloss.terms.lpips import LPIPS

FeatureName = Literal["auto", "digits", "random-vgg"] | PretrainedName

MOST_IMAGES = 1000
_THREADS = 4  # for reading the headers of files
_LPIPS = ("lpips-alex", "alexnet")  # the files it takes


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
        held_out = self.data.held_out
        if held_out is None:
            return None
        count = min(len(self.data.images), len(held_out), 2 * MOST_IMAGES)
        train = take(self.data.images, torch.arange(count))
        return nearest_neighbour_ratio(self.fake, train, held_out[:count])


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
    sampler = _sampler(request)
    data = load_images(request.real, _size(request, sampler), cond=request.cond)
    features = named or _known_for(data)
    _check_fit(features, data)
    channels, side, _ = data.shape
    notes = _resized("real", request.real, side)
    if sampler is None:
        _refuse_runs(request.fake)
        fakes = load_images(request.fake, side)
        notes += _resized("generated", request.fake, side)
        count = _count(request, data, len(fakes.images))
        fake = take(fakes.images, _chosen(len(fakes.images), count, request.seed))
    else:
        count = _count(request, data, None)
        fake = sampler.samples(range(count))
        notes += (f"{count:,} images were made by {request.fake} from seeds 0 to {count - 1}",)
    if fake.shape[1] != channels:
        notes += (f"generated images were made {'gray' if channels == 1 else 'colour'} like REAL",)
        fake = with_channels(fake, channels)
    real, others = _reals(data, count, request.seed)
    if others is None:
        notes += (
            f"real against real is two halves of REAL, {count // 2:,} images each: fewer than "
            f"twice {count:,} are there. Scores of fewer images differ; --count {_most(data)} "
            "compares like with like",
        )
    return Comparison(request, data, features, real, fake, others, notes)


def _refuse_runs(fake: str) -> None:
    """Refuse a folder of runs, whose pictures of samples are no generated images."""
    runs = sorted(
        path.parent
        for path in Path(fake).glob("**/status.json")
        if path.with_name("config.yaml").is_file()
    )
    if runs:
        raise UsageError(
            f"{fake} holds {len(runs)} run(s), whose pictures show many samples at once; name one "
            f"of them, which then makes images: {runs[-1]}"
        )


def _network(name: FeatureName, weights: str) -> FeatureNet | None:
    """Give the network of a name; None for ``"auto"``, which depends on the data."""
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
    if not any((path / name).is_file() for name in ("config.yaml", "config.json")):
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


def _resized(kind: str, source: str, side: int) -> tuple[str, ...]:
    """Say how many images of a folder had to be brought to another size."""
    if ":" in source and not Path(source).exists():
        return ()
    files = training_part(list_images(Path(source))).files
    headers = [h for h in read_headers(files, _THREADS) if isinstance(h, Header)]
    other = sum((h.width, h.height) != (side, side) for h in headers)
    return (f"{other:,} {kind} images were cut and resized to {side}×{side}",) if other else ()


def lpips_of_pairs(request: Request) -> LPIPS | None:
    """Give the distance, or None where its weights are neither asked for nor here.

    Raises:
        WeightsError: they were asked for, and are not here.

    >>> lpips_of_pairs(Request("sharp", "restored")) is None  # there are no pairs
    True
    """
    weights, by_hand = request.lpips, "--lpips FOLDER, which holds both files"
    if not request.pairs:
        return None
    if weights is None and any(find(WEIGHTS[name]) is None for name in _LPIPS):
        return None
    if weights is not None and not Path(weights).is_file():
        for name in _LPIPS:
            locate(WEIGHTS[name], weights, by_hand=by_hand, without="leave --lpips out")
    return LPIPS("alex", weights or "auto", value_range=(0, 255))


def pair_numbers(
    request: Request, lpips: LPIPS | None
) -> tuple[tuple[Number, ...], tuple[str, ...]]:
    """Compare images of the same name, at REAL's own size; the numbers, and notes in words.

    Raises:
        DataError: no names match.
    """
    sides = tuple(list_images(Path(source)).files for source in (request.real, request.fake))
    real, fake = ({file.stem: file for file in reversed(side)} for side in sides)
    names = [name for name in real if name in fake]
    if not names:
        first = [next(iter(side)) for side in (real, fake)]
        raise DataError(
            f"no image of {request.fake} has the name of one in {request.real} (there "
            f"{first[0]!r}, here {first[1]!r}); pairs have equal names, apart from the suffix"
        )
    resized: list[str] = []
    pairs = _pairs(names, real, fake, resized)
    numbers = paired_numbers(pairs, lpips=lpips, seed=request.seed)
    alone = [len(side) - len(names) for side in (real, fake)]
    notes = [f"{alone[0]:,} real and {alone[1]:,} generated images have no partner"]
    notes = notes if any(alone) else []
    twice = sum(map(len, sides)) - len(real) - len(fake)
    if twice:
        notes.append(f"images left out whose name another has, but for the suffix: {twice:,}")
    if resized:
        notes.append(f"{len(resized):,} generated images were resized to their partner's size")
    measured = {number.name.partition("@")[0] for number in numbers}
    notes += [
        f"{name} is left out: it takes images of {side} pixels a side or more"
        for name, side in SIDES.items()
        if name not in measured and (name != "lpips" or lpips is not None)
    ]
    if lpips is None:
        files = " and ".join(f"`ganloss weights fetch {name}`" for name in _LPIPS)
        notes.append(f"lpips is left out: its weights are not here; {files} bring them")
    return numbers, tuple(notes)


def same_names(request: Request) -> bool:
    """Whether every generated image has the name of a real one.

    >>> same_names(Request("no-such-folder", "demo:digits"))
    False
    """
    paths = Path(request.real), Path(request.fake)
    if not all(path.exists() for path in paths):
        return False
    real, fake = ({f.stem for f in list_images(path).files} for path in paths)
    return fake <= real


def _pairs(
    names: list[str], real: dict[str, ImageFile], fake: dict[str, ImageFile], resized: list[str]
) -> Iterator[tuple[Tensor, Tensor]]:
    for name in names:
        try:
            target, image = read_upright(real[name]), read_upright(fake[name])
        except UNREADABLE as error:
            raise DataError(f"the pair {name!r} cannot be read ({error}); remove it") from error
        if image.size != target.size:
            resized.append(name)
            image = fitted(image, target.size, "stretch")
        if image.mode != target.mode:
            image = image.convert(target.mode)
        yield _tensor(target), _tensor(image)


def _tensor(image: Any) -> Tensor:
    array = np.array(image)
    return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))
