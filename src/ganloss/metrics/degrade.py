"""Ways to make images worse, each by a known degree: what a metric has to notice."""

import math
import warnings

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, conv2d, pad

_THUMBNAIL = 8  # pixels a side
#: Of k-means: beginnings, of which the best counts, and rounds of each.
_STARTS, _ROUNDS = 4, 50


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Blur uint8 images ``(N, C, H, W)`` with a Gaussian of ``sigma`` pixels; edges are repeated.

    >>> image = torch.zeros(1, 1, 5, 5, dtype=torch.uint8)
    >>> image[0, 0, 2, 2] = 255
    >>> blurred(image, 1.0)[0, 0, 2].tolist()
    [5, 25, 41, 25, 5]
    """
    radius = max(1, round(3 * sigma))
    taps = torch.tensor([math.exp(-0.5 * (i / sigma) ** 2) for i in range(-radius, radius + 1)])
    taps = taps / taps.sum()
    count, channels, height, width = images.shape
    x = images.float().reshape(count * channels, 1, height, width)
    x = pad(x, (radius, radius, radius, radius), mode="replicate")
    x = conv2d(conv2d(x, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    return x.view_as(images).round().clamp(0, 255).to(torch.uint8)


def noisy(images: Tensor, noise: Tensor, share: float) -> Tensor:
    """Mix every pixel with one of ``noise``: (1 - share) image + share noise, uint8.

    >>> noisy(torch.tensor([[100]]), torch.tensor([[200]]), 0.25)
    tensor([[125]], dtype=torch.uint8)
    """
    mixed = (1 - share) * images.float() + share * noise.float()
    return mixed.round().clamp(0, 255).to(torch.uint8)


def uniform_noise(reals: Tensor, seed: int) -> Tensor:
    """Uniform noise of this shape: over 0..255 for uint8 images, else over the reals' range.

    >>> noise = uniform_noise(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), seed=0)
    >>> noise.shape, noise.dtype
    (torch.Size([2, 3, 8, 8]), torch.uint8)
    >>> uniform_noise(torch.tensor([[0.0, 5.0], [1.0, 5.0]]), seed=0)[:, 1]
    tensor([5., 5.])
    """
    generator = torch.Generator().manual_seed(seed)
    shape = tuple(reals.shape)
    if reals.dtype == torch.uint8:
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    low, high = reals.amin(0), reals.amax(0)
    return low + (high - low) * torch.rand(shape, generator=generator)


def replaced(values: Tensor, others: Tensor, share: float) -> Tensor:
    """Take the first ``share`` of the rows from ``others``.

    >>> replaced(torch.zeros(4), torch.ones(4), 0.5)
    tensor([1., 1., 0., 0.])
    """
    count = round(share * len(values))
    return torch.cat([others[:count], values[count:]])


def without_groups(groups: Tensor, share: float) -> Tensor:
    """Indices that leave the largest groups out and repeat the others to the same number.

    Args:
        groups: group of each sample, ``(N,)``; at least two groups.
        share: of the groups to leave out: at least one, and never all of them.

    >>> without_groups(torch.tensor([0, 0, 0, 1, 2, 2]), 1 / 3)
    tensor([3, 4, 5, 3, 4, 5])
    """
    names, sizes = groups.unique(return_counts=True)
    dropped = max(1, min(round(share * len(names)), len(names) - 1))
    largest = names[sizes.argsort(descending=True, stable=True)[:dropped]]
    kept = torch.isin(groups, largest, invert=True).nonzero()[:, 0]
    return kept[torch.arange(len(groups)) % len(kept)]


def clusters(images: Tensor, count: int, seed: int = 0) -> Tensor:
    """Group images by k-means of their thumbnails, ``(N,)``.

    Thumbnails rather than the features under test: a network that sees no difference between two
    kinds of images would put them into one cluster, and would then not be asked about them.

    >>> black, white = torch.zeros(3, 1, 8, 8), torch.full((3, 1, 8, 8), 255.0)
    >>> found = clusters(torch.cat([black, white]).to(torch.uint8), count=2)
    >>> len(found[:3].unique()), len(found.unique())
    (1, 2)
    """
    from scipy.cluster.vq import kmeans2  # scikit-learn's takes six times as long to import

    side = min(_THUMBNAIL, *images.shape[-2:])
    pixels = adaptive_avg_pool2d(images.double(), side).flatten(1).numpy()
    random = np.random.default_rng(seed)
    best, least = np.zeros(len(pixels), dtype=np.int64), math.inf
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")  # few kinds of images
        for _ in range(_STARTS):
            centres, found = kmeans2(pixels, count, iter=_ROUNDS, minit="++", rng=random)
            spread = float(np.square(pixels - centres[found]).sum())
            if spread < least:
                best, least = found, spread
    return torch.from_numpy(best).long()
