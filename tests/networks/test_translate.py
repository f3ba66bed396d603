"""Networks from images to images: any size, single images, gradients to every weight."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from ganloss.networks.translate import (
    PatchDiscriminator,
    ResNetGenerator,
    SuperResolution,
    UNet,
)

MAKERS: dict[str, Callable[[], nn.Module]] = {
    "unet": lambda: UNet(3, 3, width=8),
    "resnet": lambda: ResNetGenerator(3, 3, width=8, blocks=2),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("size", [(1, 1), (5, 9), (16, 16), (33, 64), (64, 50)])
def test_any_size_comes_back(name: str, size: tuple[int, int]):
    torch.manual_seed(0)
    made = MAKERS[name]()(torch.rand(2, 3, *size) * 2 - 1)
    assert made.shape == (2, 3, *size)
    assert made.isfinite().all()
    assert made.abs().max() <= 1


@pytest.mark.parametrize("name", MAKERS)
def test_an_image_does_not_see_its_neighbours_in_the_batch(name: str):
    torch.manual_seed(0)
    network, images = MAKERS[name]().double(), torch.rand(3, 3, 32, 32, dtype=torch.float64)
    alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(network(images), alone, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", MAKERS)
def test_every_weight_is_trained(name: str):
    torch.manual_seed(0)
    network = MAKERS[name]()
    network(torch.rand(2, 3, 32, 32)).square().sum().backward()
    unused = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert unused == []


def test_super_resolution_starts_from_the_bicubic_image():
    x = torch.rand(1, 3, 12, 15)
    made = SuperResolution(3, scale=3, width=8, blocks=1)(x)
    torch.testing.assert_close(made, interpolate(x, scale_factor=3.0, mode="bicubic"))


def test_patches_at_several_scales_and_their_features():
    network = PatchDiscriminator(6, width=8, scales=3)
    x = torch.rand(2, 6, 64, 64)
    scores, features = network(x), network.features(x)
    assert isinstance(scores, list)
    assert [s.shape[2:] for s in scores] == [(8, 8), (4, 4), (2, 2)]
    for score, maps in zip(scores, features, strict=True):
        assert len(maps) == 4
        assert torch.equal(score, maps[-1])


def test_a_patch_score_depends_on_its_surroundings_only():
    """Three strided layers of 4 and one of 3: a score sees 38 pixels a side."""
    torch.manual_seed(0)
    network = PatchDiscriminator(1, width=4)
    x = torch.rand(1, 1, 128, 128, requires_grad=True)
    scores = network(x)
    assert isinstance(scores, torch.Tensor)
    (gradient,) = torch.autograd.grad(scores[0, 0, 8, 8], x)
    rows = gradient[0, 0].abs().sum(1).nonzero()[:, 0]
    # Receptive field: 4 + 2·(4-1) + 4·(4-1) + 8·(3-1) = 38.
    assert rows.max() - rows.min() + 1 == 38
