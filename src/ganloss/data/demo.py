"""Data sets that come with the dependencies: nothing is downloaded."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_TRAIN = 900
_SPLIT_SEED = 1998


@dataclass(frozen=True)
class DigitsSplit:
    """Scikit-learn's 1,797 handwritten digits, split once and for all.

    Args:
        train_images: ``(900, 1, 8, 8)``, uint8.
        train_labels: ``(900,)``.
        held_out_images: ``(897, 1, 8, 8)``, uint8; never trained on.
        held_out_labels: ``(897,)``.
    """

    train_images: Tensor
    train_labels: Tensor
    held_out_images: Tensor
    held_out_labels: Tensor


def digits() -> DigitsSplit:
    """Load the digits; values 0 to 16 become 0 to 255.

    >>> split = digits()
    >>> tuple(split.train_images.shape), tuple(split.held_out_images.shape)
    ((900, 1, 8, 8), (897, 1, 8, 8))
    """
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(values))
    pixels = np.rint(values[order].reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    images, classes = torch.from_numpy(pixels), torch.from_numpy(labels[order])
    return DigitsSplit(images[:_TRAIN], classes[:_TRAIN], images[_TRAIN:], classes[_TRAIN:])
