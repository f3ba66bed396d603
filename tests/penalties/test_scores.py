"""Penalties on scores, their controllers, consistency, and penalties of weights."""

import copy

import pytest
import torch
from torch import Tensor, nn

import ganloss as gl


def total(x: Tensor) -> Tensor:
    return x.flatten(1).sum(1)


def test_lecam_at_zero_scores_and_averages_one_and_minus_one_is_two() -> None:
    x = torch.zeros(3, 2)
    assert gl.LeCam(1.0, -1.0)(total, real=x, fake=x).item() == 2.0


def test_lecam_pulls_real_scores_to_the_average_of_fake_ones() -> None:
    """r = 3 against a_F = 1: 4; f = -2 against a_R = 0: 4."""
    real, fake = torch.tensor([[3.0]]), torch.tensor([[-2.0]])
    assert gl.LeCam(0.0, 1.0)(total, real=real, fake=fake).item() == 8.0


def test_the_averages_follow_the_papers_recurrence() -> None:
    """The first update sets them; then .9 * 2 + .1 * 4 = 2.2."""
    averages = gl.LeCamAverages(decay=0.9)
    averages.update(real=torch.full((3,), 2.0), fake=torch.full((3,), -1.0))
    assert (averages.real.item(), averages.fake.item()) == (2.0, -1.0)
    penalty = averages.penalty
    averages.update(real=torch.full((5,), 4.0), fake=torch.full((5,), -1.0))
    assert averages.real.item() == pytest.approx(2.2)
    assert penalty.real_average.item() == 2.0, "a penalty given out before is a value"
    other = gl.LeCamAverages()
    other.load_state_dict(averages.state_dict())
    assert other.real == averages.real
    assert other.started == 1
    assert copy.deepcopy(averages).real == averages.real


@pytest.mark.parametrize(("penalty", "exact"), [("ApproximateR1", "R1"), ("ApproximateR2", "R2")])
def test_finite_differences_are_r1_and_r2_in_the_mean(penalty: str, exact: str) -> None:
    """100,000 samples of a curved critic: within five standard errors and s^2, 3 %."""
    torch.manual_seed(0)
    d = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    x = torch.randn(100_000, 3, dtype=torch.float64)
    found = getattr(gl, penalty)()(d, real=x, fake=x).item()
    assert found == pytest.approx(getattr(gl, exact)()(d, real=x, fake=x).item(), rel=0.03)


def test_a_compiled_critic_is_taken_where_nothing_is_differentiated() -> None:
    d = nn.Linear(3, 1)
    compiled = torch.compile(d, backend="aot_eager")
    x = torch.randn(4, 3)
    gl.ApproximateR1()(compiled, real=x).backward()
    assert d.weight.grad.abs().sum() > 0
    with pytest.raises(ValueError, match=r"torch\.compile"):
        gl.R1()(compiled, real=x)


def test_random_numbers_of_penalties_belong_to_samples() -> None:
    """Two halves of a batch have the noise of the whole one."""
    from ganloss._random import Draws

    x, draws = torch.randn(4, 3), Draws(seed=0, step=1, rows=4)
    d = nn.Linear(3, 1)
    for penalty in (gl.DRAGAN(), gl.ApproximateR1()):
        whole = penalty(d, real=x, random=draws)
        halves = [
            penalty(d, real=x[i : i + 2], random=Draws(seed=0, step=1, rows=4, first=i))
            for i in (0, 2)
        ]
        torch.testing.assert_close((halves[0] + halves[1]) / 2, whole)


def test_a_critic_that_is_invariant_costs_nothing_under_consistency() -> None:
    x = torch.randn(4, 1, 6, 6)
    flip = gl.Consistency(lambda x: x.flip(-1), on="both")
    assert flip(total, real=x, fake=x).item() < 1e-9
    assert flip(lambda x: x[:, 0, 0, 0], real=x, fake=x).item() > 0.1


def test_consistency_takes_diffaugment_and_refuses_another_shape() -> None:
    x = torch.randn(4, 1, 8, 8)
    augmented = gl.Consistency(gl.DiffAugment())
    assert augmented(total, real=x).item() > 0
    with pytest.raises(ValueError, match="augmented copies"):
        gl.Consistency(lambda x: x[..., 1:])(total, real=x)
    with pytest.raises(ValueError, match="use one of real, fake, both"):
        gl.Consistency(abs, on="none")


def test_orthogonal_filters_cost_nothing_whatever_their_lengths() -> None:
    layer = nn.Linear(3, 3, bias=False)
    layer.weight.data = 5 * torch.eye(3)
    assert gl.Orthogonal()(layer).item() == 0.0
    layer.weight.data = torch.ones(3, 3)
    assert gl.Orthogonal()(gl.Critic(layer)).item() == 6 * 9
    with pytest.raises(TypeError, match="pass the network itself"):
        gl.Orthogonal()(lambda x: x)


@pytest.mark.parametrize("norm", [0.5, 1.0, 2.0])
def test_the_max_penalty_pushes_the_steepest_sample_alone(norm: float) -> None:
    x = torch.tensor([[1.0], [norm * 3]])
    w = torch.ones(2, requires_grad=True)

    def critic(x: Tensor) -> Tensor:
        return w * x.square().sum(1) / 2

    gl.MaxGradientPenalty()(critic, real=x, fake=x).backward()
    assert w.grad.tolist() == pytest.approx([0.0, 2 * (norm * 3) ** 2] if norm * 3 > 1 else [2, 0])


def test_wrong_settings_are_refused() -> None:
    for make in (
        lambda: gl.WGANDiv(power=1.0),
        lambda: gl.ApproximateR1(0.0),
        lambda: gl.ApproximateR2(-1.0),
        lambda: gl.LeCamAverages(decay=1.0),
        lambda: gl.PathLengthMean(rate=0.0),
    ):
        with pytest.raises(ValueError, match=r"paper|0\.01"):
            make()


def test_a_penalty_that_must_be_given_arguments_is_no_flag() -> None:
    with pytest.raises(ValueError, match="in Python, as a Weighted"):
        gl.GAMES["hinge"].with_penalty("consistency", 10.0)
