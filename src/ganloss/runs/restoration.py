"""What the translation demos conclude: which term restores what, and how true a sketch is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganloss._random import Draws
from ganloss.data.batches import from_uint8, to_uint8
from ganloss.data.degradations import Degradation
from ganloss.data.demo_pairs import demo_pairs
from ganloss.data.pairs import PairSet
from ganloss.metrics.intervals import mean_interval
from ganloss.metrics.protocol import Number
from ganloss.networks.load import load_generator
from ganloss.runs.folder import RunFolder
from ganloss.runs.pictures import grid, save_png
from ganloss.runs.settings import PairedSettings, UnpairedSettings
from ganloss.runs.tasks.paired import enlarged, interleaved, pair_numbers_with_l1
from ganloss.terms import Perceptual

#: Terms that are compared; SSIM and features beside the same L1.
VARIANTS = {
    "L1": ["l1=1"],
    "L1 + SSIM": ["l1=1", "ssim=0.5"],
    "L1 + features": ["l1=1", "perceptual=30"],
}
_SHOWN, _BATCH = 6, 16
_MEASURES = {"psnr": "PSNR / dB", "ssim": "SSIM", "features": "features"}


@dataclass(frozen=True)
class Restored:
    """A finished run of the comparison."""

    folder: RunFolder

    @property
    def seconds(self) -> float:
        """How long it trained."""
        return float(self.folder.rows()[-1]["seconds"])

    def scores_at(self, seconds: float) -> Mapping[str, float]:
        """Scores of the last snap within so many seconds."""
        rows = [r for r in self.folder.rows() if "psnr" in r and r["seconds"] <= seconds]
        return rows[-1]


@dataclass(frozen=True)
class Report:
    """The comparison: a table in words, and a picture of held-out crops.

    >>> from pathlib import Path
    >>> Report("PSNR ...", Path("restored.png")).picture.name
    'restored.png'
    """

    table: str
    picture: Path


def report(settings: PairedSettings, runs: Mapping[str, Restored]) -> Report:
    """Score all runs on the held-out photographs, for the same steps and for the same time."""
    pairs = demo_pairs("photos", settings.image_size, "AtoB", matched=True)
    targets = _held_out(pairs)
    degradation = Degradation.parse(settings.degrade)
    small = to_uint8(degradation(from_uint8(targets), Draws(0, 0, len(targets))))
    made = {"bicubic": enlarged(small, targets.shape[2:])}
    made |= {name: _restored(run.folder, small) for name, run in runs.items()}
    features = Perceptual(pretrained="random", value_range=(0.0, 255.0))
    numbers = {name: _numbers(images, targets, features) for name, images in made.items()}
    steps = f"{settings.steps:,} steps"
    time = runs[next(iter(runs))].seconds
    lines = [
        f"{len(targets)} squares of two photographs that were held out whole; 95 % intervals",
        f"{'':<16}" + "".join(f"{word:>30}" for word in _MEASURES.values())
        + f"{f'PSNR, SSIM in {time:.0f} s':>30}",
    ]  # fmt: skip
    for name, row in numbers.items():
        cells = "".join(f"{_cell(row[key]):>30}" for key in _MEASURES)
        same_time = runs[name].scores_at(time) if name in runs else None
        equal = f"{same_time['psnr']:.2f}, {same_time['ssim']:.4f}" if same_time else ""
        lines.append(f"{name:<16}{cells}{equal:>30}")
    lines += [
        f"Trained for {steps} each, which took "
        + ", ".join(f"{run.seconds:.0f} s ({name})" for name, run in runs.items())
        + "; the last column is after the time that L1 took.",
        "Features: mean squared distance of random VGG16 features; lower is better.",
        _verdict(numbers),
        f"In the picture, from left to right: {', '.join(made)}, original.",
    ]
    rows = torch.linspace(0, len(targets) - 1, _SHOWN).round().long()
    picture = runs[next(iter(runs))].folder.path.parent / f"restore-s{settings.seed}.png"
    columns = [images[rows] for images in (*made.values(), targets)]
    save_png(grid(interleaved(*columns), len(columns), cell=192), picture)
    return Report("\n".join(lines), picture)


def _verdict(numbers: Mapping[str, Mapping[str, Number]]) -> str:
    gain = numbers["L1"]["psnr"].value - numbers["bicubic"]["psnr"].value
    best: dict[str, str] = {}
    for key, row in numbers["L1"].items():
        values = {name: scores[key].value for name, scores in numbers.items()}
        wanted = max(values.values()) if row.higher_is_better else min(values.values())
        best[key] = next(name for name, value in values.items() if value == wanted)
    return (
        f"L1 gains {gain:+.2f} dB over bicubic. Best in PSNR: {best['psnr']}; in SSIM: "
        f"{best['ssim']}; in features: {best['features']}."
    )


def _held_out(pairs: PairSet) -> Tensor:
    held_out = pairs.held_out_targets
    return held_out[:] if held_out is not None else pairs.targets[:]


def _numbers(made: Tensor, targets: Tensor, features: Perceptual) -> dict[str, Number]:
    found = {n.name.split("@")[0]: n for n in pair_numbers_with_l1(made, targets)}
    with torch.no_grad():
        values = torch.stack(
            [features(a[None].float(), b[None].float()) for a, b in zip(made, targets, strict=True)]
        )
    distance = Number(f"features@{len(made)}", float(values.mean()), mean_interval(values))
    return {"psnr": found["psnr"], "ssim": found["ssim"], "features": distance}


def _cell(number: Number) -> str:
    places = {"psnr": 2, "features": 6}.get(number.name.split("@")[0], 4)
    value, low, high = number.value, number.interval.low, number.interval.high
    return f"{value:.{places}f} ({low:.{places}f}–{high:.{places}f})"


def _restored(folder: RunFolder, images: Tensor) -> Tensor:
    generator = load_generator(folder.path)
    with torch.no_grad():
        return torch.cat([to_uint8(generator(from_uint8(part))) for part in images.split(_BATCH)])


def judge_sketches(settings: UnpairedSettings, folder: RunFolder) -> str:
    """Compare sketches of held-out photographs with those that are known, in words."""
    pairs = demo_pairs("sketches", settings.image_size, "AtoB", matched=False)
    if pairs.held_out_inputs is None or pairs.held_out_targets is None:
        return ""
    photos, known = pairs.held_out_inputs[:], pairs.held_out_targets[:]
    rows = {
        "translated": _restored(folder, photos),
        "blank page": torch.full_like(known, 255),
        "the photo itself": photos[:],
    }
    lines = [f"Sketches of {len(known)} held-out squares against the known ones, 95 % intervals"]
    for name, made in rows.items():
        l1, _, ssim, *_ = pair_numbers_with_l1(made, known)
        placed = _correlation(made, known)
        cells = f"L1 {_cell(l1)}   SSIM {_cell(ssim)}   correlation {_cell(placed)}"
        lines.append(f"{name:<18}{cells}")
    lines.append(
        "Correlation asks whether lines are where they belong: a blank page, near a sketch in L1, "
        "has none."
    )
    return "\n".join(lines)


def _correlation(made: Tensor, known: Tensor) -> Number:
    """Pearson's correlation of pixels, mean over images; 0 for an image of one colour."""
    a, b = (images.double().flatten(1) for images in (made, known))
    a, b = (x - x.mean(1, keepdim=True) for x in (a, b))
    values = torch.cosine_similarity(a, b)
    return Number(f"correlation@{len(values)}", float(values.mean()), mean_interval(values))
