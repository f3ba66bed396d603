"""Controllers called as training calls them: what the loss sees, and when the state moves."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ganloss as gl


def total(x: Tensor) -> Tensor:
    return x.flatten(1).sum(1)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_lecams_first_step_sets_the_averages_and_sees_them() -> None:
    """Scores 1, 3 and -1, -5 have means 2 and -3: (16 + 36) / 2 + (9 + 49) / 2 = 55."""
    averages = gl.LeCamAverages(decay=0.9)
    first = averages(total, real=column(1, 3), fake=column(-1, -5))
    assert first.item() == pytest.approx(55.0)
    assert (averages.real.item(), averages.fake.item()) == (2.0, -3.0)


def test_lecams_later_steps_see_the_averages_of_before_and_move_them_after() -> None:
    """Averages 2 and -3; scores 4 and 0: (4 + 3)^2 + (0 - 2)^2 = 53, then 2.2 and -2.7."""
    averages = gl.LeCamAverages(decay=0.9)
    averages.update(real=column(1, 3), fake=column(-1, -5))
    assert averages(total, real=column(4), fake=column(0)).item() == pytest.approx(53.0)
    assert averages.real.item() == pytest.approx(2.2)
    assert averages.fake.item() == pytest.approx(-2.7)


def test_lecam_teaches_the_critic_through_the_scores_and_not_through_the_averages() -> None:
    """D = w x at x = 1 and -1, w = 1, averages 1 and -1: d/dw is 2 (w + 1) + 2 (w + 1) = 8."""
    w = torch.ones((), dtype=torch.float64, requires_grad=True)
    loss = gl.LeCamAverages()(lambda x: w * total(x), real=column(1), fake=column(-1))
    (slope,) = torch.autograd.grad(loss, w)
    assert slope.item() == pytest.approx(8.0)


def test_lecam_asks_the_critic_once_for_each_kind_of_sample() -> None:
    seen: list[int] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(len(x))
        return total(x)

    gl.LeCamAverages()(gl.Critic(critic), real=column(1, 2, 3), fake=column(4, 5))
    assert seen == [3, 2]


def test_scales_of_scores_are_averaged_by_themselves_and_added() -> None:
    """Means 2 of a map of four and 5 of a vector are 7, however many numbers each has."""
    scales = [torch.tensor([[[0.0, 4.0]], [[1.0, 3.0]]]), torch.tensor([4.0, 6.0])]
    averages = gl.LeCamAverages()
    averages.update(real=scales, fake=[-s for s in scales])
    assert (averages.real.item(), averages.fake.item()) == (7.0, -7.0)
    control = gl.BoundaryEquilibriumControl(gamma=0.5, rate=0.1)
    control.update(real=scales, fake=[s / 7 for s in scales])
    assert control.k.item() == pytest.approx(0.1 * (0.5 * 7 - 1))


def test_begans_discriminator_pays_by_the_k_of_before() -> None:
    """k = .2, errors 4 and 1: 4 - .2, then k = .2 + .1 (.5 * 4 - 1) = .3; G's turn leaves it."""
    control = gl.BoundaryEquilibrium(k=0.2, gamma=0.5, rate=0.1).controller()
    loss = control.discriminator(real=column(4), fake=column(1))
    assert loss.item() == pytest.approx(3.8)
    assert control.generator(fake=column(7)).item() == 7.0
    assert control.k.item() == pytest.approx(0.3)


def test_begans_k_is_a_constant_to_both_networks() -> None:
    """L_D = r - k f: its slopes are 1 and -k, though k itself follows from r and f."""
    control = gl.BoundaryEquilibrium(k=0.25, rate=0.1).controller()
    real, fake = (column(v).requires_grad_(True) for v in (4, 1))
    slopes = torch.autograd.grad(control.discriminator(real=real, fake=fake), (real, fake))
    assert [s.item() for s in slopes] == [1.0, -0.25]
    assert not control.k.requires_grad


def lengths_of_a_line(count: int, slope: float) -> np.ndarray:
    """|slope y| for the standard normal y of torch's generator at 0, one for each sample."""
    torch.manual_seed(0)
    return np.abs(slope * torch.randn(count, 1, dtype=torch.float64).numpy()[:, 0])


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_the_mean_path_length_moves_before_the_penalty_sees_it(rate: float) -> None:
    """G(w) = 3 w: lengths 3 |y|, a = rate E l, penalty E (l - a)^2; with rate 1 the variance."""
    lengths = lengths_of_a_line(6, 3.0)
    mean = gl.PathLengthMean(rate)
    torch.manual_seed(0)
    found = mean(lambda w: 3 * w, latents=torch.zeros(6, 1, dtype=torch.float64))
    average = rate * lengths.mean()
    assert mean.average.item() == pytest.approx(average, rel=1e-6)
    assert found.item() == pytest.approx(((lengths - average) ** 2).mean(), rel=1e-6)


def test_the_mean_path_length_is_a_constant_to_the_generator() -> None:
    """G(w) = c w at c = 3, a = E l / 2: d/dc E (c l' - a)^2 = 2 E (c l' - a) l', l' = |y|."""
    ones = lengths_of_a_line(6, 1.0)
    c = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(0)
    loss = gl.PathLengthMean(0.5)(lambda w: c * w, latents=torch.zeros(6, 1).double())
    (slope,) = torch.autograd.grad(loss, c)
    average = 0.5 * 3 * ones.mean()
    assert slope.item() == pytest.approx(2 * ((3 * ones - average) * ones).mean(), rel=1e-6)


def lecam(averages: nn.Module, value: float) -> None:
    averages(total, real=column(value, 2 * value), fake=column(-value, 0.0))


def path_length(mean: nn.Module, value: float) -> None:
    torch.manual_seed(int(value))
    mean(lambda w: value * w, latents=torch.ones(4, 2))


def began(control: nn.Module, value: float) -> None:
    assert isinstance(control, gl.BoundaryEquilibriumControl)
    control.discriminator(real=column(value), fake=column(0.1))


@pytest.mark.parametrize(
    ("make", "step", "names"),
    [
        (lambda: gl.LeCamAverages(decay=0.5), lecam, {"real", "fake", "started"}),
        (lambda: gl.PathLengthMean(0.5), path_length, {"average"}),
        (lambda: gl.BoundaryEquilibriumControl(rate=0.05), began, {"k"}),
    ],
)
def test_a_state_saved_halfway_goes_on_as_if_nothing_had_happened(
    make: Callable[[], nn.Module], step: Callable[[nn.Module, float], None], names: set[str]
) -> None:
    whole, resumed = make(), make()
    for value in (1.0, 2.0):
        step(whole, value)
    saved = {name: value.clone() for name, value in whole.state_dict().items()}
    assert saved.keys() == names
    resumed.load_state_dict(saved)
    for controller in (whole, resumed):
        step(controller, 5.0)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])
    assert any(not torch.equal(v, whole.state_dict()[n]) for n, v in saved.items())


def test_a_value_hands_its_settings_on_to_its_controller() -> None:
    """With decay .5 a second step halves the distance; with rate 1 the mean is the last one."""
    averages = gl.LeCam(decay=0.5).controller()
    for value in (0.0, 4.0):
        averages.update(real=column(value), fake=column(-value))
    assert (averages.real.item(), averages.fake.item()) == (2.0, -2.0)
    mean = gl.PathLength(rate=1.0).controller()
    for value in (3.0, 8.0):
        mean.update(torch.tensor([value]))
    assert mean.average.item() == 8.0


def test_controllers_begin_where_their_values_are() -> None:
    """A mean of norms of 2 that moves by half towards c = 4 is 3; LeCam's by a tenth, as well."""
    mean = gl.PathLength(average=2.0, rate=0.5).controller()
    assert mean.penalty == gl.PathLength(torch.tensor(2.0), 0.5)
    mean.update(torch.tensor([4.0]))
    assert mean.average.item() == 3.0
    averages = gl.LeCam(real_average=1.0, fake_average=torch.tensor(-1.0), decay=0.9).controller()
    assert (averages.penalty.real_average, averages.penalty.fake_average) == (1.0, -1.0)
    averages.update(real=column(2), fake=column(0))
    assert averages.real.item() == pytest.approx(1.1)
    assert averages.fake.item() == pytest.approx(-0.9)
    assert gl.BoundaryEquilibrium(k=0.3).controller().k.item() == pytest.approx(0.3)
    assert gl.AdaptiveAugment(p=0.3).controller().p.item() == pytest.approx(0.3)


def test_a_controller_made_anew_from_its_penalty_goes_on() -> None:
    averages = gl.LeCamAverages(decay=0.9)
    averages.update(real=column(1, 3), fake=column(-1, -5))
    again = averages.penalty.controller()
    for one in (averages, again):
        one.update(real=column(4), fake=column(0))
    assert torch.equal(averages.real, again.real)
    assert torch.equal(averages.fake, again.fake)


NAN = torch.tensor([float("nan"), 1.0])


def test_a_step_that_is_not_finite_moves_no_state() -> None:
    """A loss scaler leaves such a step out; a state that became NaN would stay so for good."""
    k = gl.BoundaryEquilibrium(k=0.25).controller()
    k.update(real=NAN, fake=torch.ones(2))
    assert k.k == 0.25
    averages = gl.LeCam(1.0, -1.0).controller()
    averages.update(real=NAN, fake=NAN)
    assert (averages.real, averages.fake) == (1.0, -1.0)
    lengths = gl.PathLength(2.0).controller()
    lengths.update(NAN)
    assert lengths.average == 2.0


def test_in_eval_mode_states_hold_still() -> None:
    x, y = torch.ones(4, 2), torch.zeros(4, 2)
    k = gl.BoundaryEquilibrium(rate=0.1).controller().eval()
    k.discriminator(real=x[:, 0] * 4, fake=x[:, 0])
    averages = gl.LeCam().controller().eval()
    averages(lambda s: s.sum(1), real=x, fake=y)
    lengths = gl.PathLength().controller().eval()
    lengths(lambda z: 2 * z[:, :, None, None], latents=x)
    pool = gl.ImagePool(4).eval()
    assert torch.equal(pool(x), x)
    assert (k.k, averages.real, averages.started, lengths.average, len(pool)) == (0, 0, 0, 0, 0)
    k.train().discriminator(real=x[:, 0] * 4, fake=x[:, 0])
    assert k.k > 0
