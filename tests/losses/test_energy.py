"""Pairs of energies, pulling away, and the controller of BEGAN."""

import copy

import pytest
import torch

import ganloss as gl


def test_beyond_the_margin_fakes_teach_the_discriminator_nothing() -> None:
    fake = torch.tensor([4.0, 11.0], requires_grad=True)
    gl.EnergyBased(10.0).discriminator(real=torch.ones(2), fake=fake).backward()
    assert fake.grad.tolist() == [-0.5, 0.0]


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan")])
def test_a_margin_is_positive(margin: float) -> None:
    with pytest.raises(ValueError, match=r"must be positive|must be finite"):
        gl.EnergyBased(margin)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_pulling_away_of_identical_and_of_orthogonal_codes(scale: float) -> None:
    assert gl.PullingAway()(scale * torch.ones(5, 3)).item() == pytest.approx(1.0, rel=1e-6)
    assert gl.PullingAway()(scale * torch.eye(4)).item() == 0.0


def test_pulling_away_squares_the_cosine() -> None:
    """Codes at 60 degrees, or at 120: cos^2 = 1/4, whatever their lengths."""
    for turn in (1.0, -1.0):
        codes = torch.tensor([[2.0, 0.0], [turn * 0.5, 3**0.5 / 2]], dtype=torch.float64)
        assert gl.PullingAway()(codes).item() == pytest.approx(0.25, rel=1e-12)


def test_pulling_away_of_zero_codes_has_finite_gradients_and_exact_ones_elsewhere() -> None:
    codes = torch.zeros(3, 2, requires_grad=True)
    gl.PullingAway()(codes).backward()
    assert torch.isfinite(codes.grad).all()
    codes = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gl.PullingAway(), (codes,))


def test_pulling_away_misuse() -> None:
    with pytest.raises(ValueError, match="at least two"):
        gl.PullingAway()(torch.ones(1, 4))
    with pytest.raises(TypeError, match="tuple"):
        gl.PullingAway()((torch.ones(2, 4),))


@pytest.mark.parametrize("k", [0.0, 0])
def test_k_follows_the_papers_recurrence(k: float) -> None:
    """k = 0, then .01 * (.5 * 4 - 1) = .01, then + .01 * (.5 * 2 - 3) < 0: clipped at 0."""
    control = gl.BoundaryEquilibriumControl(gamma=0.5, rate=0.01, k=k)
    control.update(real=torch.full((3,), 4.0), fake=torch.full((2,), 1.0))
    assert control.k.item() == pytest.approx(0.01)
    pair = control.pair
    assert pair.discriminator(real=torch.ones(1), fake=torch.ones(1)).item() == pytest.approx(0.99)
    control.update(real=torch.full((3,), 2.0), fake=torch.full((2,), 3.0))
    assert control.k.item() == 0.0
    assert pair.k.item() == pytest.approx(0.01), "a pair given out before is a value"
    for _ in range(3):
        control.update(real=torch.full((1,), 400.0), fake=torch.zeros(1))
    assert control.k.item() == 1.0


def test_the_controller_is_saved_copied_and_moved() -> None:
    control = gl.BoundaryEquilibriumControl(rate=1.0)
    control.update(real=torch.ones(1), fake=torch.zeros(1))
    other = gl.BoundaryEquilibriumControl()
    other.load_state_dict(control.state_dict())
    assert other.k == control.k == 0.5
    assert copy.deepcopy(control).k == 0.5
    assert control.double().k.dtype == torch.float64
    assert list(control.parameters()) == []


def test_convergence_and_a_wrong_ratio() -> None:
    control = gl.BoundaryEquilibriumControl(gamma=0.5)
    assert control.convergence(real=torch.ones(2) * 4, fake=torch.ones(2)).item() == 5.0
    with pytest.raises(ValueError, match="between 0 and 1"):
        gl.BoundaryEquilibriumControl(gamma=2.0)


def pulling_away_of_torchgan(codes: torch.Tensor) -> torch.Tensor:
    """Normalised along the batch, and the diagonal kept."""
    unit = codes / codes.norm(dim=0, keepdim=True)
    return (unit @ unit.T).square().mean()


def pulling_away_of_pytorch_gan(codes: torch.Tensor) -> torch.Tensor:
    """Without the square: opposite codes pass for orthogonal ones."""
    unit = codes / codes.norm(dim=1, keepdim=True)
    count = len(codes)
    return ((unit @ unit.T).sum() - count) / (count * (count - 1))


def gives_the_closed_forms(pulling_away: object) -> bool:
    """Identical codes 1, orthogonal ones 0, opposite ones 1."""
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    cases = ((torch.ones(3, 4), 1.0), (torch.eye(7), 0.0), (opposite, 1.0))
    return all(abs(pulling_away(codes).item() - value) < 1e-6 for codes, value in cases)


def test_control_pulling_away_as_others_got_it_wrong() -> None:
    assert gives_the_closed_forms(gl.PullingAway())
    assert not gives_the_closed_forms(pulling_away_of_torchgan)
    assert not gives_the_closed_forms(pulling_away_of_pytorch_gan)
    assert pulling_away_of_torchgan(torch.eye(7)).item() == pytest.approx(1 / 7)
