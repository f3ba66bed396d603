"""Every penalty in PENALTIES: formula, closed form, and what all penalties promise."""

import pickle

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ganloss as gl
from conformance import formulas

NAMES = list(formulas.PENALTIES)
OF_GRADIENTS = [name for name in NAMES if formulas.PENALTIES[name].linear is not None]
NAMESPACE = {name: getattr(gl, name) for name in gl.PUBLIC_NAMES}


def make(name: str) -> gl.Penalty:
    return eval(name, NAMESPACE)


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


class Linear:
    """D(x) = w.x over all of a sample, with |w| = norm, for samples of any shape."""

    def __init__(self, norm: float, numel: int) -> None:
        weight = draw(numel, seed=9)
        self.weight = (norm * weight / weight.norm()).requires_grad_(True)

    def __call__(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight


def test_every_entry_has_a_formula() -> None:
    found = [*formulas.PENALTIES, *formulas.OF_WEIGHTS]
    assert formulas.missing(gl.PENALTIES.values(), found) == []


@pytest.mark.parametrize("name", formulas.OF_WEIGHTS)
def test_penalties_of_weights_equal_their_formulas(name: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Linear(4, 5)).double()
    weights = [layer.weight.detach().flatten(1).numpy() for layer in network]
    found = make(name)(network)
    assert found.item() == pytest.approx(formulas.OF_WEIGHTS[name](weights), rel=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_a_quadratic_critic_gives_the_formula(name: str) -> None:
    a = draw(3, 3, seed=5)
    a, b = a + a.T, draw(3, seed=6)
    real, fake = draw(5, 3), draw(5, 3, seed=1)

    def critic(x: Tensor) -> Tensor:
        return 0.5 * ((x @ a) * x).sum(1) + x @ b

    torch.manual_seed(0)
    found = make(name)(critic, real=real, fake=fake)
    torch.manual_seed(0)
    epsilon = torch.rand(5, dtype=torch.float64).view(5, 1)
    torch.manual_seed(0)
    noise = torch.randn(5, 3, dtype=torch.float64)
    points = (real, fake, epsilon * real + (1 - epsilon) * fake, real + 0.5 * noise)
    norms = [np.linalg.norm(p.numpy() @ a.numpy() + b.numpy(), axis=1) for p in points]

    def score(x: np.ndarray) -> np.ndarray:
        return 0.5 * ((x @ a.numpy()) * x).sum(1) + x @ b.numpy()

    given = formulas.Points(*norms, score, real.numpy(), fake.numpy(), noise.numpy())
    assert found.item() == pytest.approx(formulas.PENALTIES[name].value(given), rel=1e-9)


@pytest.mark.parametrize("name", OF_GRADIENTS)
@pytest.mark.parametrize("shape", [(6,), (3, 2), (3, 4, 4), (2, 3, 2, 2)])
@pytest.mark.parametrize("count", [1, 4, 64])
@pytest.mark.parametrize("norm", [0.0, 1.0, 5.0])
def test_a_linear_critic_gives_the_closed_form_whatever_the_batch_and_shape(
    name: str, shape: tuple[int, ...], count: int, norm: float
) -> None:
    critic = Linear(norm, int(np.prod(shape)))
    found = make(name)(critic, real=draw(count, *shape), fake=draw(count, *shape, seed=1))
    expected = formulas.PENALTIES[name].linear(norm)
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", OF_GRADIENTS)
def test_a_patch_critic_counts_the_mean_of_its_patches_and_the_sum_of_its_scales(name: str) -> None:
    critic = Linear(2.0, 6)
    x = draw(4, 6)

    def patches(x: Tensor) -> Tensor:
        return critic(x).view(-1, 1, 1).expand(-1, 3, 3)

    def scales(x: Tensor) -> list[Tensor]:
        return [critic(x), 0.5 * patches(x)]

    expected = formulas.PENALTIES[name].linear
    assert make(name)(patches, real=x, fake=x).item() == pytest.approx(expected(2.0), rel=1e-9)
    assert make(name)(scales, real=x, fake=x).item() == pytest.approx(expected(3.0), rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_needed_may_be_missing_or_given(name: str) -> None:
    penalty, critic, x = make(name), Linear(2.0, 6), draw(4, 6)
    needed = {argument: x for argument in penalty.needs}
    found = []
    for samples in (needed, {"real": x, "fake": x}):
        torch.manual_seed(0)
        found.append(penalty(critic, **samples))
    torch.testing.assert_close(*found)
    for argument in penalty.needs:
        rest = {k: v for k, v in needed.items() if k != argument}
        with pytest.raises(TypeError, match=f"pass {argument}="):
            penalty(critic, **rest)


@pytest.mark.parametrize("name", NAMES)
def test_a_critic_gives_the_same_parameter_gradients_as_running_d_again(name: str) -> None:
    torch.manual_seed(0)
    d = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    real, fake = draw(4, 6), draw(4, 6, seed=1)

    def gradients(critic: object) -> list[Tensor]:
        torch.manual_seed(1)
        adversarial = gl.NonSaturating().discriminator(real=critic(real), fake=critic(fake))
        loss = adversarial + make(name)(critic, real=real, fake=fake)
        return list(torch.autograd.grad(loss, list(d.parameters())))

    for a, b in zip(gradients(gl.Critic(d)), gradients(d), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_under_autocast_the_penalty_is_computed_in_fp32(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    d = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1))
    real, fake = draw(4, 6).float(), draw(4, 6, seed=1).float()

    def gradients(enabled: bool) -> list[Tensor]:
        torch.manual_seed(1)
        with torch.autocast("cpu", dtype, enabled=enabled):
            loss = make(name)(gl.Critic(d), real=real, fake=fake)
        found = torch.autograd.grad(loss, list(d.parameters()), allow_unused=True)
        return [g for g in found if g is not None]

    for half, full in zip(gradients(True), gradients(False), strict=True):
        torch.testing.assert_close(half, full)


@pytest.mark.parametrize("name", NAMES)
def test_a_penalty_is_a_value(name: str) -> None:
    penalty = make(name)
    if not name.startswith("Consistency"):  # its augmentation is whatever the caller gave
        assert eval(repr(penalty), NAMESPACE) == penalty
    assert hash(penalty) == hash(make(name))
    assert pickle.loads(pickle.dumps(penalty)) == penalty
