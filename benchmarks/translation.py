"""Held-out scores of translators beside answers that take no training.

        python -m benchmarks.translation DATA RUN [--size 64]

DATA has trainA, trainB, testA and testB; RUN was trained from A to B, or with --direction
BtoA the other way. The answers: the best constant page, the contours of Sobel's operator at the
threshold that is best on the training pairs, and the mean training target.
"""

import argparse
from collections.abc import Mapping

import numpy as np
import torch
from skimage.color import rgb2gray
from skimage.filters import sobel
from torch import Tensor

from ganloss.data.batches import from_uint8, take, to_uint8
from ganloss.data.pairs import Direction, PairSet, load_pairs
from ganloss.networks.load import load_generator
from ganloss.runs.tasks.paired import pair_numbers_with_l1

THRESHOLDS = np.linspace(0.02, 0.5, 25)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("run")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--direction", choices=("AtoB", "BtoA"), default="AtoB")
    options = parser.parse_args()
    pairs = load_pairs(options.data, options.size, direction=options.direction)
    targets = everything(pairs.held_out_targets)
    answers = cheap_answers(pairs, options.direction) | {"the run": translated(options.run, pairs)}
    for name, made in answers.items():
        l1, psnr, ssim, *_ = pair_numbers_with_l1(made, targets)
        print(
            f"{name:<24} L1 {l1.value:.4f} ({l1.interval.low:.4f}-{l1.interval.high:.4f})  "
            f"SSIM {ssim.value:.4f} ({ssim.interval.low:.4f}-{ssim.interval.high:.4f})  "
            f"PSNR {psnr.value:.2f}"
        )


def everything(images: object) -> Tensor:
    assert images is not None
    return take(images, torch.arange(len(images)))  # type: ignore[arg-type]


def cheap_answers(pairs: PairSet, direction: Direction) -> Mapping[str, Tensor]:
    trained, held_out = everything(pairs.targets), everything(pairs.held_out_targets)
    mean = trained.float().mean(0).round().to(torch.uint8)
    median = trained.transpose(0, 1).flatten(1).median(1).values.view(1, -1, 1, 1)
    answers = {
        "the mean target": mean.expand_as(held_out),
        "the best constant page": median.expand_as(held_out),
    }
    if direction == "AtoB":
        answers["Sobel, best threshold"] = best_sobel(pairs)
    return answers


def best_sobel(pairs: PairSet) -> Tensor:
    inputs, targets = everything(pairs.inputs), everything(pairs.targets)
    strength = contours(inputs)

    def error(threshold: float) -> float:
        return float((drawn(strength, threshold).float() - targets.float()).abs().mean())

    return drawn(contours(everything(pairs.held_out_inputs)), min(THRESHOLDS, key=error))


def contours(images: Tensor) -> np.ndarray:
    return np.stack([sobel(rgb2gray(i)) for i in images.permute(0, 2, 3, 1).numpy()])


def drawn(strength: np.ndarray, threshold: float) -> Tensor:
    return torch.from_numpy(np.where(strength > threshold, 0, 255).astype(np.uint8))[:, None]


def translated(run: str, pairs: PairSet) -> Tensor:
    generator, inputs = load_generator(run), everything(pairs.held_out_inputs)
    with torch.no_grad():
        return torch.cat([to_uint8(generator(from_uint8(x))) for x in inputs.split(16)])


if __name__ == "__main__":
    main()
