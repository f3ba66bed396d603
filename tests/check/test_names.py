"""What a name of ours means for a pair, a penalty and a function."""

import re
from typing import Any

import pytest
from torch import Tensor

import ganloss as gl
from ganloss._errors import UsageError
from ganloss.check import check
from ganloss.check.ours import find
from ganloss.penalties import Critic


def gp(critic: Critic, *, real: Tensor, fake: Tensor) -> Tensor:
    return gl.GradientPenalty()(critic, real=real, fake=fake)


def d_loss(real: Tensor, fake: Tensor) -> Tensor:
    return gl.NonSaturating().discriminator(real=real, fake=fake)


#: Names of games and what people type for them, with what they mean for each kind of loss.
def label(value: object) -> str:
    """A test's name must be the same in every process: an address is not."""
    return getattr(value, "__name__", None) or str(value)[:30]


MEANT = [
    (gl.NonSaturating(), "vanilla", gl.NonSaturating()),
    (gl.NonSaturating(), "BCE", gl.NonSaturating()),
    (gl.NonSaturating(), "r1", gl.NonSaturating()),
    (gl.LeastSquares(), "mse", gl.LeastSquares()),
    (gl.Wasserstein(), "wgan-gp", gl.Wasserstein()),
    (gl.Wasserstein(), "WGAN_GP", gl.Wasserstein()),
    (gl.BoundaryEquilibrium(), "began", gl.BoundaryEquilibrium()),
    (gp, "wgan-gp", gl.GradientPenalty()),
    (gp, "wgan-lp", gl.GradientPenalty(one_sided=True)),
    (gp, "r1", gl.R1()),
    (gl.L1(), "mse", gl.MSE()),
    (d_loss, "ns.discriminator", gl.NonSaturating()),
    (d_loss, "LeastSquares(-1, 1, 0).generator", gl.LeastSquares(-1, 1, 0)),
    (gl.Cosine(), "Relativistic.generator", gl.Relativistic(gl.NonSaturating())),
]


@pytest.mark.parametrize(("thing", "name", "meant"), MEANT, ids=label)
def test_a_name_means_what_suits_the_loss(thing: Any, name: str, meant: object):
    from ganloss.check import _kind

    assert find(name, _kind(thing, "it")).thing == meant


@pytest.mark.parametrize(
    ("thing", "name", "words"),
    [
        (d_loss, "vanilla", "type vanilla.discriminator or vanilla.generator"),
        (d_loss, "hinge", "type hinge.discriminator or hinge.generator"),
        (gp, "r3gan", "r3gan has the penalties r1 and r2; type one of them"),
        (gp, "ns", "the game ns has no penalty of the discriminator"),
        (gp, "psnr", "psnr cannot be compared with a penalty; choose among gp "),
        (gl.Hinge(), "psnr", "psnr cannot be compared with a pair; choose among minimax "),
        (gl.Hinge(), "path-length", "is a penalty of the generator"),
        (d_loss, "psnr.discriminator", "psnr is no pair, and has no sides; choose among minimax "),
    ],
    ids=label,
)
def test_a_name_of_another_kind_is_told_with_what_to_type(thing: Any, name: str, words: str):
    with pytest.raises(UsageError, match=re.escape(words)):
        check(thing, name)


def test_a_game_is_compared_by_its_pair_and_its_penalty():
    assert check(gl.Wasserstein(), "wgan-gp").ok
    assert check(gp, "wgan-gp").ok
    assert "compared with wgan-lp, GradientPenalty(" in check(gp, "wgan-lp").subject
    assert not check(gp, "wgan-lp").ok
