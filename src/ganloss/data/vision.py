"""torchvision's data sets by name."""

from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from PIL import Image

from ganloss._errors import DataError, UsageError
from ganloss._lazy import require, suggest
from ganloss.data.cache import cache_folder
from ganloss.data.decode import Fit, Header, fitted
from ganloss.data.images import ImageSet, default_size

#: Sets of images with classes, and how each calls its training part.
_SETS: dict[str, dict[str, Any]] = {
    "MNIST": {"train": True},
    "FashionMNIST": {"train": True},
    "KMNIST": {"train": True},
    "QMNIST": {"train": True},
    "USPS": {"train": True},
    "CIFAR10": {"train": True},
    "CIFAR100": {"train": True},
    "SVHN": {"split": "train"},
    "STL10": {"split": "train"},
    "Flowers102": {"split": "train"},
    "OxfordIIITPet": {"split": "trainval"},
    "EuroSAT": {},
}


def vision_set(name: str, image_size: int | None, fit: Fit, largest: int, cond: bool) -> ImageSet:
    """Load the training part of one of torchvision's sets, downloaded if it is not there yet.

    Raises:
        UsageError: not one of the known names.
        DataError: it is not there and cannot be downloaded.

    >>> vision_set("CIFAR", None, "crop", 64, cond=False)
    Traceback (most recent call last):
    ganloss._errors.UsageError: no set torchvision:CIFAR...
    """
    known = {spelled.lower(): spelled for spelled in _SETS}
    if name.lower() not in known:
        raise UsageError(
            f"no set torchvision:{name}{suggest(name, _SETS)} (known: {', '.join(_SETS)})"
        )
    data = _open(known[name.lower()])
    width, height = data[0][0].size
    size = image_size or default_size([Header(width, height, "RGB")], largest)
    pixels = [_square(data[i][0], size, fit) for i in range(len(data))]
    labels = torch.tensor([int(data[i][1]) for i in range(len(data))]) if cond else None
    names = tuple(map(str, getattr(data, "classes", ()))) if cond else ()
    if labels is not None and not names:
        names = tuple(map(str, range(int(labels.max()) + 1)))
    images = torch.from_numpy(np.stack(pixels))
    return ImageSet(known[name.lower()], images, labels=labels, class_names=names)


def _open(name: str) -> Any:
    datasets = require(
        "torchvision.datasets",
        "install torch and torchvision together: pip install torch torchvision",
        f"the set torchvision:{name}",
    )
    root = cache_folder() / "torchvision"
    make = getattr(datasets, name)
    try:
        return make(str(root), download=False, **_SETS[name])
    except (RuntimeError, FileNotFoundError):
        pass  # not there yet
    try:
        return make(str(root), download=True, **_SETS[name])
    except (OSError, URLError, RuntimeError) as error:
        raise DataError(
            f"torchvision:{name} is not in {root} and could not be downloaded ({error}); connect "
            f"to the network once, or put its files there by hand, or pass a folder of images"
        ) from error


def _square(image: Image.Image, size: int, fit: Fit) -> np.ndarray:
    pixels = np.asarray(fitted(image, (size, size), fit))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
