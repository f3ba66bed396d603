"""Fixed feature networks: uint8 images in, float64 features out, the same on every call."""

from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from typing import Protocol, final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, linear

from ganloss._lazy import require

_BATCH = 256


class FeatureNet(Protocol):
    """A fixed network: uint8 images ``(N, C, H, W)`` to features ``(N, d)``, float64.

    >>> net = digits_features()
    >>> net.name, net(torch.zeros(2, 1, 8, 8, dtype=torch.uint8)).shape
    ('digits', torch.Size([2, 16]))
    """

    @property
    def name(self) -> str:
        """What protocols call it, e.g. ``"digits"`` in ``fd-digits@897``."""
        ...

    def __call__(self, images: Tensor, /) -> Tensor:
        """Give the features."""
        ...


def digit_features(images: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Map images ``(N, 1, 8, 8)`` in [-1, 1] to features ``(N, 16)``."""
    x = leaky_relu(conv2d(images, weights["conv1.weight"], weights["conv1.bias"], padding=1), 0.1)
    x = conv2d(x, weights["conv2.weight"], weights["conv2.bias"], stride=2, padding=1)
    x = leaky_relu(x, 0.1)
    x = conv2d(x, weights["conv3.weight"], weights["conv3.bias"], stride=2, padding=1)
    x = leaky_relu(x, 0.1).flatten(1)
    return leaky_relu(linear(x, weights["features.weight"], weights["features.bias"]), 0.1)


def digit_logits(features: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Map features to logits of the ten digits and of "not a digit", ``(N, 11)``."""
    return linear(features, weights["head.weight"], weights["head.bias"])


@final
class DigitsFeatures:
    """The shipped network for 8-pixel digits; trained by ``tools/train_digits_features.py``.

    >>> from ganloss.data.demo import digits
    >>> split, net = digits(), DigitsFeatures()
    >>> float((net.classify(split.held_out_images) == split.held_out_labels).double().mean()) > 0.95
    True
    >>> net.logits(split.held_out_images[:2]).shape
    torch.Size([2, 11])
    """

    name = "digits"

    def __init__(self) -> None:
        from safetensors.torch import load

        file = files("ganloss.metrics") / "weights" / "digits.safetensors"
        self._weights = load(file.read_bytes())

    def __call__(self, images: Tensor) -> Tensor:
        """Map uint8 images ``(N, 1, 8, 8)`` to features ``(N, 16)``, float64."""
        if images.shape[1:] != (1, 8, 8):
            raise ValueError(
                f"images are {tuple(images.shape)}; the digit features take (N, 1, 8, 8)"
            )
        return _in_batches(images, lambda x: digit_features(x.div(127.5).sub(1), self._weights))

    def logits(self, images: Tensor) -> Tensor:
        """Give the logits of the ten digits and of "not a digit", ``(N, 11)``."""
        return digit_logits(self(images).float(), self._weights)

    def classify(self, images: Tensor) -> Tensor:
        """Give the most likely digit of each image, ``(N,)``."""
        return self.logits(images)[:, :10].argmax(1)


@final
class StackedDigitsFeatures:
    """The digit network on each channel of stacked digits.

    >>> net = StackedDigitsFeatures()
    >>> images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    >>> net(images).shape, net.classify(images).shape
    (torch.Size([2, 48]), torch.Size([2, 3]))
    """

    name = "stacked-digits"

    def __call__(self, images: Tensor) -> Tensor:
        """Map uint8 images ``(N, 3, 8, 8)`` to features ``(N, 48)``, float64."""
        return digits_features()(images.reshape(-1, 1, 8, 8)).reshape(len(images), -1)

    def classify(self, images: Tensor) -> Tensor:
        """Give the most likely digit of each channel, ``(N, 3)``; 10 where it shows none."""
        net = digits_features()
        labels = net.logits(images.reshape(-1, 1, 8, 8)).argmax(1)
        return labels.reshape(len(images), -1)


@final
class RandomVGGFeatures:
    """Mean and spread of the feature maps of a VGG16 with fixed random weights.

    Random features measure colour, contrast and texture; they need no download and know no
    objects. Maps after relu2_2 and relu3_3 give 2 × (128 + 256) = 768 features.

    References:
        Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020,
        arXiv:2002.09797, section 4.1 (random embeddings).

    >>> random_vgg_features()(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape
    torch.Size([1, 768])
    """

    name = "random-vgg"
    _SEED = 2020
    _MAPS = (8, 15)  # positions of relu2_2 and relu3_3

    def __init__(self) -> None:
        vision = require(
            "torchvision.models",
            "install torch and torchvision together: pip install torch torchvision",
            "the random VGG metric",
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._SEED)
            layers = vision.vgg16(weights=None).features[: self._MAPS[-1] + 1]
        self._layers: nn.Sequential = layers.eval().requires_grad_(False)
        self._mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        self._std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        """Map uint8 images ``(N, 1 or 3, H, W)`` of at least 8 px to features, float64."""
        return _in_batches(images, self._features)

    def _features(self, x: Tensor) -> Tensor:
        x = (x.expand(-1, 3, -1, -1) / 255 - self._mean) / self._std
        statistics: list[Tensor] = []
        for i, layer in enumerate(self._layers):
            x = layer(x)
            if i in self._MAPS:
                statistics += [x.mean((2, 3)), x.std((2, 3), correction=0)]
        return torch.cat(statistics, 1)


def _in_batches(images: Tensor, extract: Callable[[Tensor], Tensor]) -> Tensor:
    with torch.no_grad():
        pieces = [extract(batch.float()).double() for batch in images.split(_BATCH)]
    return torch.cat(pieces)


@lru_cache(maxsize=1)
def digits_features() -> DigitsFeatures:
    """Give the shipped digit features, loaded once.

    >>> digits_features()(torch.zeros(2, 1, 8, 8, dtype=torch.uint8)).shape
    torch.Size([2, 16])
    """
    return DigitsFeatures()


@lru_cache(maxsize=1)
def random_vgg_features() -> RandomVGGFeatures:
    """Give the random VGG features, built once.

    >>> random_vgg_features() is random_vgg_features()
    True
    """
    return RandomVGGFeatures()
