"""The reference networks: sizes, single samples, classes, energies, gradients to all weights."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganloss import EnergyOutput, FeatureOutput
from ganloss._errors import UsageError
from ganloss.networks.generate import (
    AutoencoderDiscriminator,
    ConvDiscriminator,
    ConvGenerator,
    MLPDiscriminator,
    MLPGenerator,
    Projection,
    reference_discriminator,
    reference_generator,
)

POINTS, TINY, SMALL = (2,), (1, 8, 8), (3, 32, 32)

GENERATORS: dict[str, Callable[[int], nn.Module]] = {
    "points": lambda classes: reference_generator(POINTS, classes),
    "tiny": lambda classes: reference_generator(TINY, classes),
    "conv": lambda classes: ConvGenerator(SMALL, latent=6, width=4, classes=classes),
}
DISCRIMINATORS: dict[str, tuple[tuple[int, ...], Callable[[int], nn.Module]]] = {
    "points": (POINTS, lambda classes: reference_discriminator(POINTS, classes)),
    "tiny": (TINY, lambda classes: reference_discriminator(TINY, classes)),
    "conv": (SMALL, lambda classes: ConvDiscriminator(SMALL, width=4, classes=classes)),
}


def with_classes(network: nn.Module, x: Tensor, classes: int) -> Tensor:
    """One sample of class 0, the next of class 1, and so on."""
    return network(x, torch.arange(len(x)) % classes) if classes else network(x)


def latents(network: nn.Module, count: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(count, int(network.latent), dtype=next(network.parameters()).dtype)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("size", [8, 16, 64, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_each_size_are_made_and_judged(size: int, channels: int) -> None:
    shape = channels, size, size
    generator = reference_generator(shape)
    with torch.no_grad():
        images = generator(latents(generator, 2))
        scores = reference_discriminator(shape)(images)
    assert images.shape == (2, *shape)
    assert images.abs().max() <= 1
    assert scores.shape == (2,)


@pytest.mark.parametrize("size", [4, 9, 24, 48, 512])
@pytest.mark.parametrize("make", [reference_generator, reference_discriminator])
def test_other_sizes_are_refused(make: Callable[..., nn.Module], size: int) -> None:
    with pytest.raises(UsageError, match=f"--image-size {size} is not one of 8, 16, 32"):
        make((3, size, size))


def test_maps_double_while_images_halve_and_stop_at_eight_times_the_width() -> None:
    """256 px to 4 px is 6 halvings: 32, 64, 128, and then 256 = 8 · 32."""
    network = ConvDiscriminator((3, 256, 256))
    widths = [layer.out_channels for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [32, 64, 128, 256, 256, 256]


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("name", GENERATORS)
def test_a_sample_does_not_see_its_neighbours(name: str, classes: int) -> None:
    torch.manual_seed(0)
    network = GENERATORS[name](classes).double()
    z = latents(network, 3)
    labels = (torch.tensor([0, 1, 2]),) if classes else ()
    together = network(z, *labels)
    for i in range(3):
        alone = network(z[i : i + 1], *(label[i : i + 1] for label in labels))
        torch.testing.assert_close(alone[0], together[i], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_score_does_not_see_the_other_samples(name: str, classes: int) -> None:
    torch.manual_seed(0)
    shape, make = DISCRIMINATORS[name]
    network, x = make(classes).double(), torch.randn(3, *shape, dtype=torch.float64)
    together = with_classes(network, x, classes)
    flipped = with_classes(network, torch.cat([x[:1], torch.zeros_like(x[1:])]), classes)
    torch.testing.assert_close(flipped[0], together[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("name", GENERATORS)
def test_every_weight_of_a_generator_is_trained(name: str, classes: int) -> None:
    torch.manual_seed(0)
    network = GENERATORS[name](classes)
    with_classes(network, latents(network, 6), classes).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_penalty_reaches_every_weight_but_the_last_bias(name: str) -> None:
    """The gradient by x depends on all weights; biases act through the kinks alone."""
    torch.manual_seed(0)
    shape, make = DISCRIMINATORS[name]
    network, x = make(0), torch.randn(4, *shape, requires_grad=True)
    (slope,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
    slope.square().sum().backward()
    reached = {n for n, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == {n for n, p in network.named_parameters() if p.dim() > 1}


@pytest.mark.parametrize("name", GENERATORS)
def test_a_class_changes_the_image_and_only_its_own_vector_learns(name: str) -> None:
    torch.manual_seed(0)
    network = GENERATORS[name](3)
    z = latents(network, 1)
    first, second = (network(z, torch.tensor([label])) for label in (0, 2))
    assert not torch.allclose(first, second)
    second.square().sum().backward()
    learnt = network.get_parameter("embed.weight").grad
    assert learnt is not None
    assert learnt.any(1).tolist() == [False, False, True]


def test_projection_is_that_of_the_paper() -> None:
    """f(x) = w · φ + b + eᵧ · φ / √d, in NumPy."""
    torch.manual_seed(0)
    network, features = Projection(5, 3).double(), torch.randn(4, 5, dtype=torch.float64)
    labels = torch.tensor([2, 0, 1, 2])
    w, b, e = (p.detach().numpy() for p in network.parameters())
    phi = features.numpy()
    expected = phi @ w[0] + b + (e[labels.numpy()] * phi).sum(1) / math.sqrt(5)
    np.testing.assert_allclose(network(features, labels).detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("network", "call"),
    [
        (MLPGenerator(TINY, classes=2), r"G\(z, labels\)"),
        (ConvGenerator(SMALL, width=4, classes=2), r"G\(z, labels\)"),
        (MLPDiscriminator(TINY, classes=2), r"D\(x, labels\)"),
        (ConvDiscriminator(SMALL, width=4, classes=2), r"D\(x, labels\)"),
    ],
)
def test_classes_that_were_forgotten(network: nn.Module, call: str) -> None:
    generator = hasattr(network, "latent")
    shape = SMALL if isinstance(network, (ConvGenerator, ConvDiscriminator)) else TINY
    x = latents(network, 2) if generator else torch.zeros(2, *shape)
    with pytest.raises(TypeError, match=call):
        network(x)


class Nothing(nn.Module):
    """Gives back zeros of the shape of points."""

    def forward(self, codes: Tensor) -> Tensor:
        return torch.zeros(len(codes), 2)


@pytest.mark.parametrize(("distance", "energy"), [("euclidean", 5.0), ("absolute", 3.5)])
def test_the_energy_of_a_point_that_is_given_back_as_zero(distance: str, energy: float) -> None:
    """x = (3, 4): a norm of 5, a mean of 3.5."""
    network = AutoencoderDiscriminator(nn.Identity(), Nothing(), distance)
    assert network(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist() == [energy, 0.0]


@pytest.mark.parametrize("distance", ["euclidean", "absolute"])
def test_what_is_given_back_exactly_has_a_finite_gradient(distance: str) -> None:
    network = AutoencoderDiscriminator(nn.Identity(), nn.Identity(), distance)
    x = torch.ones(2, 3, requires_grad=True)
    network(x).sum().backward()
    assert x.grad is not None
    assert not x.grad.any()


@pytest.mark.parametrize(("shape", "length"), [(POINTS, 1), (TINY, 32), (SMALL, 64)])
def test_codes_of_an_autoencoder_are_shorter_than_its_samples(
    shape: tuple[int, ...], length: int
) -> None:
    network = reference_discriminator(shape, output=EnergyOutput("euclidean"))
    assert isinstance(network, AutoencoderDiscriminator)
    x = torch.zeros(2, *shape)
    assert network.codes(x).shape == (2, length)
    assert network(x).shape == (2,)
    assert length < math.prod(shape)


@pytest.mark.parametrize("output", [EnergyOutput("absolute"), FeatureOutput(4)])
def test_energies_and_features_know_no_classes(output: EnergyOutput | FeatureOutput) -> None:
    with pytest.raises(UsageError, match="leave --cond out"):
        reference_discriminator(TINY, 10, output)


@pytest.mark.parametrize("shape", [POINTS, TINY, SMALL])
def test_features_are_as_many_as_the_loss_asks_for(shape: tuple[int, ...]) -> None:
    network = reference_discriminator(shape, output=FeatureOutput(7))
    assert network(torch.zeros(3, *shape)).shape == (3, 7)
