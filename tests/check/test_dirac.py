"""Theory as the oracle: the Dirac-GAN of Mescheder et al. 2018."""

import cmath

import pytest
import torch

import ganloss as gl
from ganloss.check.dirac import DiracGAN

#: f'(0) of each pair: the slope of D's loss at a score of 0.
SLOPES = {"minimax": 0.5, "ns": 0.5, "wgan": 1.0, "hinge": 1.0}


def eigenvalues(game: gl.Game) -> list[complex]:
    return DiracGAN(game).eigenvalues().tolist()


def theory(slope: float, gamma: float) -> list[complex]:
    """-gamma/2 +- sqrt(gamma^2/4 - f'(0)^2) (lemmas 2.3 and 3.3)."""
    root = cmath.sqrt(gamma**2 / 4 - slope**2)
    return [-gamma / 2 - root, -gamma / 2 + root]


@pytest.mark.parametrize("name", SLOPES)
def test_without_a_penalty_the_eigenvalues_are_imaginary(name: str):
    assert eigenvalues(gl.GAMES[name]) == pytest.approx(theory(SLOPES[name], 0.0), abs=1e-6)


@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("penalty", [gl.R1(), gl.R2()])
@pytest.mark.parametrize("gamma", [0.3, 1.5, 10.0])
def test_r1_and_r2_pull_them_to_the_left(name: str, penalty: gl.Penalty, gamma: float):
    game = gl.Game(gl.GAMES[name].pair, {"r": gl.Weighted(penalty, gamma)})
    assert eigenvalues(game) == pytest.approx(theory(SLOPES[name], gamma), abs=1e-6)


def test_control_r1_without_its_half_has_other_eigenvalues():
    game = gl.Game(gl.NonSaturating(), {"r": gl.Weighted(gl.R1(), 3.0)})
    assert eigenvalues(game) != pytest.approx(theory(0.5, 1.5), abs=1e-3)


def test_r1_and_r2_together_add_up():
    """Both are gamma psi^2 / 2 for a linear critic."""
    assert eigenvalues(gl.GAMES["r3gan"]) == pytest.approx(theory(0.5, 2.0), abs=1e-6)


def test_the_field_at_a_point_is_the_papers():
    """v = (psi f'(theta psi), -theta f'(theta psi)) with f' the sigmoid, at (.7, -.4)."""
    theta, psi = 0.7, -0.4
    slope = 1 / (1 + cmath.exp(-theta * psi).real)
    point = torch.tensor([theta, psi], dtype=torch.float64)
    expected = [psi * slope, -theta * slope]
    assert DiracGAN(gl.GAMES["minimax"]).field(point).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("alternating", [False, True])
@pytest.mark.parametrize("steps", [5_000, pytest.param(20_000, marks=pytest.mark.long)])
def test_wgan_gp_does_not_approach_the_equilibrium(alternating: bool, steps: int):
    path = DiracGAN(gl.GAMES["wgan-gp"]).trajectory(steps, lr=0.01, alternating=alternating)
    assert path.norm(dim=1).min() > 1


@pytest.mark.parametrize("alternating", [False, True])
def test_control_with_r1_and_r2_it_is_reached(alternating: bool):
    path = DiracGAN(gl.GAMES["r3gan"]).trajectory(2_000, lr=0.1, alternating=alternating)
    assert path[-1].norm() < 1e-9


def test_simultaneous_steps_of_an_unregularised_game_drive_it_away():
    """|1 + i lr| > 1: WGAN's distance grows by sqrt(1 + lr^2) a step."""
    path = DiracGAN(gl.GAMES["wgan"]).trajectory(50, lr=0.1)
    growth = (path[-1].norm() / path[0].norm()).item()
    assert growth == pytest.approx(1.01**25)


def test_alternating_steps_keep_wgan_on_its_circle():
    path = DiracGAN(gl.GAMES["wgan"]).trajectory(1000, lr=0.1, alternating=True)
    distances = path.norm(dim=1)
    assert 1.3 < distances.min() < distances.max() < 1.6
