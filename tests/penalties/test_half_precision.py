"""Penalties under autocast: their gradients are those of fp32, whatever the critic's scale."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import ganloss as gl
from ganloss.penalties import GENERATOR_PENALTIES, PENALTIES

HALVES = [torch.bfloat16, torch.float16]
SCALES = [1e-4, 1.0, 1e4]
#: Penalties of a critic that differentiate it; the others look at scores or weights.
DIFFERENTIATING = [name for name in PENALTIES if PENALTIES[name].differentiates]
RUN_A_GENERATOR = [name for name in GENERATOR_PENALTIES if name != "pulling-away"]
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def network(scale: float = 1.0, device: str = "cpu") -> nn.Sequential:
    """A small convolutional critic, its scores multiplied by ``scale``."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 8, 3, stride=2), nn.SiLU(),
        nn.Flatten(), nn.Linear(72, 1),
    )  # fmt: skip
    with torch.no_grad():
        for parameter in layers[-1].parameters():
            parameter.mul_(scale)
    return layers.to(device)


def images(seed: int, device: str = "cpu") -> Tensor:
    return torch.randn(8, 2, 8, 8, generator=torch.Generator().manual_seed(seed)).to(device)


def gradient(loss: Callable[[], Tensor], layers: nn.Module, half: torch.dtype | None) -> Tensor:
    """Gradient of the parameters, in one vector; in fp32 throughout without ``half``."""
    torch.manual_seed(1)
    device = next(layers.parameters()).device.type
    with torch.autocast(device, half, enabled=half is not None):
        value = loss()
    found = torch.autograd.grad(value, list(layers.parameters()), materialize_grads=True,
                                allow_unused=True)  # fmt: skip
    return torch.cat([g.double().flatten() for g in found])


def distance(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", DIFFERENTIATING)
def test_a_penaltys_gradient_is_within_1_percent_of_fp32(
    name: str, scale: float, half: torch.dtype, device: str
) -> None:
    d, real, fake = network(scale, device), images(0, device), images(1, device)
    penalty = PENALTIES[name]()

    def beside_the_adversarial_loss() -> Tensor:
        critic = gl.Critic(d)
        adversarial = gl.NonSaturating().discriminator(real=critic(real), fake=critic(fake))
        return penalty(critic, real=real, fake=fake) + 0.0 * adversarial

    found, exact = (gradient(beside_the_adversarial_loss, d, h) for h in (half, None))
    assert exact.norm() > 0
    assert distance(found, exact) < 0.01


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("name", ["r1", "gp"])
def test_a_forward_pass_made_under_autocast_is_not_reused_after_it(
    name: str, half: torch.dtype
) -> None:
    """The penalty stands outside of the block here, as in many loops."""
    d, real, fake, penalty = network(1e4), images(0), images(1), PENALTIES[name]()

    def loss() -> Tensor:
        critic = gl.Critic(d)
        with torch.autocast("cpu", half):
            gl.NonSaturating().discriminator(real=critic(real), fake=critic(fake))
        return penalty(critic, real=real, fake=fake)

    exact = gradient(lambda: penalty(d, real=real, fake=fake), d, None)
    assert distance(gradient(loss, d, None), exact) < 1e-6


def test_penalties_at_the_same_samples_share_one_forward_pass_in_fp32() -> None:
    calls: list[torch.dtype] = []
    layers = network()

    def d(x: Tensor) -> Tensor:
        scores = layers(x)
        calls.append(scores.dtype)
        return scores

    critic, real = gl.Critic(d), images(0)
    with torch.autocast("cpu", torch.bfloat16):
        critic(real)
        gl.R1()(critic, real=real)
        gl.Drift()(critic, real=real)
    assert calls == [torch.bfloat16, torch.float32]


def test_half_precision_samples_are_widened_for_penalties() -> None:
    """A generator's samples are half precision under autocast."""
    d, fake = network(), images(1).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        critic = gl.Critic(d)
        critic(fake)
        found = gl.R2()(critic, fake=fake)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(gl.R2()(d, fake=fake.float()).item(), rel=1e-5)


def r1_inside_autocast(d: nn.Module, real: Tensor) -> Tensor:
    """What a loop does that takes the gradient where the adversarial loss is computed."""
    x = real.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(d(x).sum(), x, create_graph=True)
    return 0.5 * slope.flatten(1).square().sum(1).mean()


#: bf16 has eight bits, so its gradient is off by about 2⁻⁹; how far depends on the processor.
TOO_FAR = [(torch.float16, 1e-4, 0.01), (torch.float16, 1e4, 0.01), (torch.bfloat16, 1.0, 2**-10)]


@pytest.mark.parametrize(("half", "scale", "least"), TOO_FAR)
def test_control_r1_inside_autocast_is_further_off(
    half: torch.dtype, scale: float, least: float
) -> None:
    d, real = network(scale), images(0)
    found, exact = (gradient(lambda: r1_inside_autocast(d, real), d, h) for h in (half, None))
    assert not distance(found, exact) < least
    ours = gradient(lambda: gl.R1()(d, real=real), d, half)
    assert distance(ours, exact) < least / 10


def generator() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(4, 16), nn.SiLU(), nn.Linear(16, 32), nn.Unflatten(1, (2, 4, 4)))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("name", RUN_A_GENERATOR)
def test_a_generators_penalty_is_within_1_percent_of_fp32(
    name: str, half: torch.dtype, device: str
) -> None:
    g, penalty = generator().to(device), GENERATOR_PENALTIES[name]()
    latents, others = (torch.randn(8, 4, generator=torch.Generator().manual_seed(s)).to(device)
                       for s in (3, 4))  # fmt: skip
    found, exact = (
        gradient(lambda: penalty(g, latents=latents, others=others), g, h) for h in (half, None)
    )
    assert distance(found, exact) < 0.01


@pytest.mark.parametrize("half", HALVES, ids=str)
def test_the_mean_path_length_is_that_of_fp32(half: torch.dtype) -> None:
    g, z = generator(), torch.randn(8, 4, generator=torch.Generator().manual_seed(3))

    def loss() -> Tensor:
        return gl.PathLength().controller()(g, latents=z)

    assert distance(gradient(loss, g, half), gradient(loss, g, None)) < 0.01


@pytest.mark.parametrize("half", HALVES, ids=str)
def test_control_noise_on_latents_is_lost_inside_autocast(half: torch.dtype) -> None:
    """Of a change of 0.03 in the latents, half precision keeps a few bits."""
    g, z = generator(), torch.randn(8, 4, generator=torch.Generator().manual_seed(3))
    tiny = 1e-3

    def change() -> Tensor:
        torch.manual_seed(5)
        return (g(z + tiny * torch.randn_like(z)) - g(z)).flatten(1).square().sum(1).mean()

    assert not distance(gradient(change, g, half), gradient(change, g, None)) < 0.01
