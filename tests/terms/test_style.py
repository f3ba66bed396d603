"""The style loss: its matrices, their scale, and its frozen network."""

import copy
import pickle

import pytest
import torch
import torchvision
from torch import Tensor, nn

import ganloss as gl


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def pixels(x: Tensor) -> list[Tensor]:
    return [x]


def test_gatys_loss_of_a_layer_is_a_quarter():
    """Gatys et al. 2016, eqs. 3 and 4: sums, divided by 4 N² M² afterwards."""
    x, y = draw(1, 5, 4, 6), draw(1, 5, 4, 6, seed=1)
    grams = [torch.einsum("ik,jk->ij", z[0].flatten(1), z[0].flatten(1)) for z in (x, y)]
    gatys = (grams[0] - grams[1]).square().sum() / (4 * 5**2 * 24**2)
    style = gl.Style(features=pixels, value_range=None)
    torch.testing.assert_close(style(x, y), 4 * gatys)


def test_where_features_are_does_not_matter():
    x, y = draw(2, 3, 4, 4), draw(2, 3, 4, 4, seed=1)
    style = gl.Style(features=pixels, value_range=None)
    torch.testing.assert_close(style(x.flip(-1), y.transpose(2, 3)), style(x, y))
    assert style(x.flip(-1), x).item() == pytest.approx(0, abs=1e-12)


def test_the_size_of_the_image_does_not_matter():
    """piq does not divide by CHW: its value grows with the fourth power of the side."""
    style = gl.Style(features=pixels, value_range=None)
    x, y = draw(1, 3, 4, 4), draw(1, 3, 4, 4, seed=1)
    larger = [z.repeat(1, 1, 3, 3) for z in (x, y)]
    torch.testing.assert_close(style(*larger), style(x, y))


def test_half_precision_maps_are_multiplied_in_fp32():
    """200² · 256 places is beyond fp16."""
    style = gl.Style(features=pixels, value_range=None)
    x = torch.full((1, 4, 16, 16), 200.0)
    half = style(x.half(), 0 * x.half())
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(16 * (200**2 / 4) ** 2)


def vgg(**options: object) -> gl.Style:
    return gl.Style(pretrained="random", value_range=(0, 1), **options)


def test_johnsons_formula_on_a_real_vgg():
    """Eqs. 3 and 4 at two layers of torchvision's network with the same weights."""
    style = vgg(layers=("relu1_2", "relu2_2"), weights=(1.0, 0.5))
    reference = torchvision.models.vgg16(weights=None).features[:9]
    reference.load_state_dict(style._hidden[1].layers.state_dict())
    x, y = draw(2, 3, 32, 32), draw(2, 3, 32, 32, seed=1)
    normalise = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    expected = 0.0
    with torch.no_grad():
        for weight, layer in ((1.0, 3), (0.5, 8)):
            maps = [reference[: layer + 1](normalise(z)).double() for z in (x, y)]
            a, b = (torch.einsum("nchw,ndhw->ncd", m, m) / m[0].numel() for m in maps)
            expected += weight * ((a - b) ** 2).sum((1, 2)).mean().item()
    assert style(x, y).item() == pytest.approx(expected, rel=1e-4)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Conv2d(3, 3, 1)
        self.style = vgg(layers=("relu1_1",))


def test_the_network_is_no_part_of_the_model():
    model = Model()
    model.train()
    model.requires_grad_(True)
    network = model.style._hidden[1]
    assert set(model.state_dict()) == {"generator.weight", "generator.bias"}
    assert len(list(model.parameters())) == 2
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    model.double()
    assert {p.dtype for p in network.parameters()} == {torch.float64}


def test_copies_and_pickles_keep_the_weights():
    style, x, y = vgg(layers=("relu1_1",)), draw(1, 3, 16, 16), draw(1, 3, 16, 16, seed=1)
    for other in (copy.deepcopy(style), pickle.loads(pickle.dumps(style))):
        assert torch.equal(other(x, y), style(x, y))


def test_vectors_have_no_gram_matrix():
    with pytest.raises(ValueError, match=r"\(N, C, ...\)"):
        gl.Style(features=pixels, value_range=None)(draw(2, 3), draw(2, 3))


def test_features_without_maps_are_refused():
    with pytest.raises(TypeError, match=r"\[map\]"):
        gl.Style(features=lambda x: x, value_range=None)(draw(2, 3, 4, 4), draw(2, 3, 4, 4))
