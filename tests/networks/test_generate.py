"""Networks from noise to samples: sizes, formulas in NumPy, classes, energies, single samples."""

from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, nn

from ganloss import EnergyOutput, FeatureOutput
from ganloss._errors import UsageError
from ganloss.networks.generate import (
    AutoencoderDiscriminator,
    ConvDiscriminator,
    ConvGenerator,
    MLPGenerator,
    Projection,
    reference_discriminator,
    reference_generator,
)
from ganloss.outputs import Output

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

SHAPES = [(2,), (1, 8, 8), (3, 16, 16)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def rolled(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def weights(layer: nn.Module) -> list[Array]:
    return [p.detach().numpy() for p in layer.parameters()]


def leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.2 * x)


def convolved(x: Array, layer: nn.Module, stride: int = 1) -> Array:
    kernel, bias = weights(layer)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, kernel.shape[2:], axis=(2, 3))  # type: ignore[call-overload]
    found = np.einsum("nchwij,ocij->nohw", windows[:, :, ::stride, ::stride], kernel)
    return found + bias[:, None, None]


def enlarged(x: Array) -> Array:
    return x.repeat(2, axis=2).repeat(2, axis=3)


def of_unit_size(x: Array) -> Array:
    """Pixel norm of Karras et al. 2018, section 4.2: a / sqrt(mean of a² over channels + 1e-8)."""
    return x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-8)


def test_the_generator_is_its_formula() -> None:
    """16 px: 4 x 4 from a linear layer, one block at 8 x 8, and the image, each after doubling."""
    torch.manual_seed(0)
    network, z = ConvGenerator((3, 16, 16), latent=5, width=2).double(), rolled(1, 2, 5)
    matrix, bias = weights(network.stem)
    x = (z.numpy() @ matrix.T + bias).reshape(2, 4, 4, 4)
    x = of_unit_size(leaky(x))
    x = of_unit_size(leaky(convolved(enlarged(x), network.blocks[0])))
    expected = np.tanh(convolved(enlarged(x), network.to_image))
    np.testing.assert_allclose(network(z).detach().numpy(), expected, rtol=1e-10, atol=1e-12)


def test_the_discriminator_is_its_formula_and_projects_classes() -> None:
    """Miyato & Koyama, eq. 3, with the product of class vector and features over √d."""
    torch.manual_seed(0)
    network = ConvDiscriminator((3, 16, 16), width=2, classes=4).double()
    images, labels = rolled(2, 3, 3, 16, 16), torch.tensor([3, 0, 3])
    x = images.numpy()
    for block in network.blocks:
        x = leaky(convolved(x, block, stride=2))
    features = x.reshape(3, 4 * 4 * 4)
    assert isinstance(network.head, Projection) and network.head.embed is not None
    (row, bias), (vectors,) = weights(network.head.score), weights(network.head.embed)
    match = (vectors[labels.numpy()] * features).sum(1) / np.sqrt(64)
    expected = features @ row[0] + bias + match
    np.testing.assert_allclose(network(images, labels).detach().numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128, 256])
def test_every_size_comes_out_of_the_generator_and_goes_into_the_discriminator(size: int) -> None:
    g, d = reference_generator((3, size, size)), reference_discriminator((3, size, size))
    with torch.no_grad():
        made = g(torch.randn(1, g.latent))
        assert made.shape == (1, 3, size, size)
        assert d(made).shape == (1,)


@shapes
def test_every_weight_is_trained(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    g, d = reference_generator(shape), reference_discriminator(shape)
    d(g(torch.randn(2, g.latent))).square().sum().backward()
    named = [*g.named_parameters("g"), *d.named_parameters("d")]
    assert [n for n, p in named if p.grad is None or not p.grad.any()] == []


def test_maps_double_with_each_halving_up_to_eight_times_the_width() -> None:
    d, g = (make((3, 256, 256), width=2) for make in (ConvDiscriminator, ConvGenerator))
    assert [w.shape[0] for w in d.parameters()][:-2:2] == [2, 4, 8, 16, 16, 16]
    assert [w.shape[0] for w in g.blocks.parameters()][::2] == [16, 16, 8, 4, 2]


@shapes
def test_a_sample_does_not_see_its_neighbours_in_the_batch(shape: tuple[int, ...]) -> None:
    """What keeps penalties per sample, and results the same for any number of processes."""
    torch.manual_seed(0)
    g, d = reference_generator(shape).double(), reference_discriminator(shape).double()
    for network, batch in ((g, rolled(3, 3, g.latent)), (d, rolled(4, 3, *shape))):
        alone = torch.cat([network(sample[None]) for sample in batch])
        torch.testing.assert_close(network(batch), alone, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [0, 4, 12, 48, 512])
def test_other_sizes_are_refused_by_both_players(size: int) -> None:
    for make in (reference_generator, reference_discriminator):
        with pytest.raises(UsageError, match=f"--image-size {size} is not one of 8, 16, 32, 64"):
            make((3, size, size))


@pytest.mark.parametrize(("shape", "bounded"), [((2,), False), ((1, 8, 8), True)])
def test_images_are_bounded_and_points_are_not(shape: tuple[int, ...], bounded: bool) -> None:
    torch.manual_seed(0)
    made = MLPGenerator(shape, latent=2)(torch.full((1, 2), 1e6))
    assert (made.abs().max().item() <= 1) == bounded


@shapes
def test_a_class_trains_its_own_vector_alone(shape: tuple[int, ...]) -> None:
    """Of four classes, 1 and 3 are in the batch."""
    torch.manual_seed(0)
    g, d, labels = reference_generator(shape, 4), reference_discriminator(shape, 4), [1, 3, 3]
    y = torch.tensor(labels)
    d(g(torch.randn(3, g.latent), y), y).square().sum().backward()
    for player in (g, d):
        (vectors,) = (m.weight for m in player.modules() if isinstance(m, nn.Embedding))
        assert vectors.grad is not None
        assert vectors.grad.any(1).tolist() == [False, True, False, True]


@shapes
def test_players_with_classes_do_not_guess_them(shape: tuple[int, ...]) -> None:
    g, d = reference_generator(shape, 3), reference_discriminator(shape, 3)
    with pytest.raises(TypeError, match=r"has 3 classes: call it as G\(z, labels\)"):
        g(torch.zeros(2, g.latent))
    with pytest.raises(TypeError, match=r"has classes: call it as D\(x, labels\)"):
        d(torch.zeros(2, *shape))


@pytest.mark.parametrize(
    "output", [EnergyOutput("euclidean"), EnergyOutput("absolute"), FeatureOutput(4)], ids=repr
)
def test_classes_need_a_score(output: Output) -> None:
    with pytest.raises(UsageError, match=r"classes only by a score; leave --cond out"):
        reference_discriminator((1, 8, 8), 3, output)


@pytest.mark.parametrize(("shape", "code"), [((2,), 1), ((1, 8, 8), 32), ((3, 16, 16), 64)])
def test_an_autoencoder_has_codes_too_short_to_copy(shape: tuple[int, ...], code: int) -> None:
    """Of 2 numbers 1 is kept, of 64 pixels 32, of 768 numbers 64; energies are one a sample."""
    network = reference_discriminator(shape, output=EnergyOutput("euclidean"))
    assert isinstance(network, AutoencoderDiscriminator)
    x = rolled(5, 3, *shape).float()
    assert network.codes(x).shape == (3, code)
    assert network(x).shape == (3,)
    assert (network(x) > 0).all()


class Halving(nn.Module):
    """Gives half of each number, so that the error of x is x / 2."""

    def forward(self, x: Tensor) -> Tensor:
        return x / 2


@pytest.mark.parametrize(("distance", "expected"), [("euclidean", 2.5), ("absolute", 0.875)])
def test_an_energy_is_the_distance_to_what_comes_back(distance: str, expected: float) -> None:
    """x = (3, 0, 4, 0), error (1.5, 0, 2, 0): norm √(2.25 + 4) = 2.5, mean size 3.5 / 4."""
    d = AutoencoderDiscriminator(nn.Identity(), Halving(), distance)
    x = torch.tensor([[[3.0, 0.0], [4.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]], requires_grad=True)
    energies = d(x)
    assert energies.tolist() == pytest.approx([expected, 0.0])
    energies.sum().backward()
    assert x.grad is not None and x.grad[1].tolist() == [[0.0, 0.0], [0.0, 0.0]]
