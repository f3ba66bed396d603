"""Penalties of a generator: closed forms of linear ones."""

import math

import pytest
import torch
from torch import Tensor

import ganloss as gl


def test_path_lengths_of_a_scaled_rotation() -> None:
    """G(w) = 3 w reshaped to (1, 2, 2): J^T y = 3 y with y ~ N(0, I / 4), so E of the squared
    norm is 9 * 4 / 4 = 9."""
    torch.manual_seed(0)
    w = torch.randn(50_000, 4, dtype=torch.float64)
    lengths = gl.PathLength(0.0).lengths(lambda w: 3 * w.view(-1, 1, 2, 2), latents=w)
    assert lengths.shape == (50_000,)
    assert lengths.square().mean().item() == pytest.approx(9.0, rel=0.02)


def test_path_length_equals_its_formula_for_the_noise_of_the_same_seed() -> None:
    torch.manual_seed(0)
    a, w = torch.randn(6, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    torch.manual_seed(1)
    found = gl.PathLength(average=2.0)(lambda w: w @ a.T, latents=w)
    torch.manual_seed(1)
    y = torch.randn(5, 6, dtype=torch.float64)
    norms = (y.numpy() @ a.numpy()) ** 2
    assert found.item() == pytest.approx(float(((norms.sum(1) ** 0.5 - 2) ** 2).mean()), rel=1e-12)


def test_layers_of_latents_count_their_mean() -> None:
    """The same latent for three layers of which each adds w: the norm is sqrt(mean) of equals."""
    torch.manual_seed(0)
    found = gl.PathLength(0.0).lengths(lambda w: w.sum(1), latents=torch.ones(4, 3, 5))
    torch.manual_seed(0)
    torch.testing.assert_close(found, torch.randn(4, 5).norm(dim=1))


def test_path_length_teaches_the_mapping_too() -> None:
    mapping, weight = torch.nn.Linear(2, 2), torch.ones(2, requires_grad=True)
    z = torch.randn(3, 2)
    gl.PathLength(1.0)(lambda w: weight * w.square(), latents=mapping(z)).backward()
    assert mapping.weight.grad.abs().sum() > 0
    assert weight.grad.abs().sum() > 0
    with torch.no_grad(), pytest.raises(ValueError, match="leave it out when evaluating"):
        gl.PathLength(1.0)(lambda w: w, latents=z)
    with pytest.raises(ValueError, match="images do not depend on the latents"):
        gl.PathLength(1.0)(lambda w: w.detach(), latents=z)


def test_a_dead_generator_gets_finite_gradients() -> None:
    weight = torch.zeros(2, requires_grad=True)
    gl.PathLength(1.0)(lambda w: weight * w, latents=torch.ones(3, 2)).backward()
    assert torch.isfinite(weight.grad).all()


def test_the_mean_follows_the_papers_recurrence() -> None:
    mean = gl.PathLengthMean()
    mean.update(torch.full((4,), 100.0))
    assert mean.average.item() == pytest.approx(1.0)
    mean.update(torch.full((4,), 1.0))
    assert mean.penalty.average.item() == pytest.approx(1.0)
    other = gl.PathLengthMean()
    other.load_state_dict(mean.state_dict())
    assert other.average == mean.average


def test_mode_seeking_is_the_inverse_of_the_stretch() -> None:
    z = torch.randn(4, 3)
    for stretch in (0.5, 4.0):
        found = gl.ModeSeeking()(lambda z, s=stretch: s * z + 1, latents=z, others=z.flip(0))
        assert found.item() == pytest.approx(1 / (stretch + 1e-5), rel=1e-5)
    collapsed = gl.ModeSeeking()(lambda z: 0 * z, latents=z, others=z.flip(0))
    assert collapsed.item() == pytest.approx(1e5, rel=1e-5)


def test_mode_seeking_needs_two_batches() -> None:
    z = torch.randn(4, 3)
    with pytest.raises(TypeError, match="others"):
        gl.ModeSeeking()(lambda z: z, latents=z)
    with pytest.raises(ValueError, match="same shape"):
        gl.ModeSeeking()(lambda z: z, latents=z, others=z[:2])


def test_latent_consistency_of_a_linear_map() -> None:
    """h(z) = 2 z in three dimensions: E |2 s d|^2 = 4 * .03^2 * 3; for D of G, a number each."""
    torch.manual_seed(0)
    z = torch.randn(100_000, 3, dtype=torch.float64)
    found = gl.LatentConsistency()(lambda z: 2 * z, latents=z)
    assert found.item() == pytest.approx(4 * 0.03**2 * 3, rel=0.02)

    def critic_of_samples(z: Tensor) -> Tensor:
        return z.sum(1)

    found = gl.LatentConsistency()(critic_of_samples, latents=z)
    assert found.item() == pytest.approx(0.03**2 * 3, rel=5 * math.sqrt(2 / 100_000))


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=str)
def test_a_half_precision_generators_changes_are_squared_in_fp32(half: torch.dtype) -> None:
    """In fp16 the square of 1e-4 is 0, and 300 squares of 100 overflow."""
    for size in (1e-4, 100.0):
        made = [torch.full((2, 300), size, dtype=half), torch.zeros(2, 300, dtype=half)]
        penalty = gl.LatentConsistency()(lambda z, made=made: made.pop(0), latents=torch.ones(2, 4))
        assert penalty.item() == pytest.approx(300 * size**2, rel=0.01)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=str)
def test_cosines_of_codes_are_those_of_fp32_under_autocast(half: torch.dtype) -> None:
    codes = torch.randn(6, 40, generator=torch.Generator().manual_seed(0))
    exact = gl.PullingAway()(codes)
    with torch.autocast("cpu", half):
        found = gl.PullingAway()(codes)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(exact.item(), rel=1e-6)


def test_every_weight_of_a_generator_takes_part_in_path_length() -> None:
    g = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 12))
    gl.PathLength()(lambda z: g(z).view(-1, 3, 2, 2), latents=torch.randn(5, 4)).backward()
    assert all(p.grad is not None for p in g.parameters())
