"""Twelve kinds of misuse of every pair, penalty and term: each ends in a sentence of our own."""

import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ganloss as gl

SETTINGS: dict[str, tuple[Any, ...]] = {
    "f-divergence": ("kl",),
    "mmd": ("gaussian",),
    "relativistic": (gl.Hinge(),),
    "relativistic-average": (gl.Hinge(),),
    "consistency": (lambda x: x.flip(-1),),
    "psnr": (1.0,),
    "ssim": (1.0, 3),
    "ms-ssim": (1.0, 3, 1.5, (0.5, 0.5)),
    "mel": (22050,),
}
#: Terms called as ``term(input, target)``, with the shape of what they take.
SHAPES = dict.fromkeys(("l1", "mse", "psnr", "charbonnier", "cosine", "kl", "gaussian-kl"), (4, 3))
SHAPES |= dict.fromkeys(("ssim", "ms-ssim", "focal-frequency", "contextual"), (2, 3, 8, 8))
SHAPES |= dict.fromkeys(("stft", "mel"), (2, 8000))


def bad(x: Tensor) -> dict[str, Any]:
    """What is given in place of a tensor."""
    return {
        "a tuple": (x, x),
        "a list of a list": [[x]],
        "a number": 1.0,
        "nothing": None,
        "a text": "x",
        "0-d": x.sum(),
        "an empty batch": x[:0],
        "integers": (x * 9).to(torch.uint8),
        "bools": x > 0,
        "complex numbers": x + 0j,
        "an array": x.numpy(),
        "a sparse tensor": x.to_sparse(),
    }


def assert_answered(call: Callable[[], Any]) -> None:
    """A TypeError or ValueError, raised by ganloss itself or by Python for a wrong call."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    words = str(caught.value)
    ours = Path(gl.__file__).parent in Path(last.filename).parents
    assert ours or "positional argument" in words or "required keyword" in words, words
    assert len(words) > 20
    assert "unsupported operand" not in words


@pytest.mark.parametrize("name", gl.LOSSES)
def test_pairs(name: str) -> None:
    pair, x = gl.LOSSES[name](*SETTINGS.get(name, ())), torch.rand(4, 2)
    for given in bad(x).values():
        assert_answered(partial(pair.discriminator, real=given, fake=x))
        assert_answered(partial(pair.discriminator, real=x, fake=given))
        assert_answered(partial(pair.generator, real=x, fake=given))
        if given is not None:
            assert_answered(partial(pair.discriminator, real=x, fake=x, real_weight=given))
    for other in (torch.rand(4, 3), torch.rand(4, 2, 1), torch.rand(4), [x, x]):
        assert_answered(partial(pair.discriminator, real=x, fake=other))
    assert_answered(partial(pair.discriminator, x, x))
    assert_answered(partial(pair.discriminator, real=x))
    assert_answered(partial(pair.discriminator, real=x, fake=x, real_weight=torch.ones(4) + 0j))


@pytest.mark.parametrize("name", gl.PENALTIES)
def test_penalties(name: str) -> None:
    penalty = gl.PENALTIES[name](*SETTINGS.get(name, ()))
    critic, x = nn.Linear(2, 1), torch.ones(4, 2)
    good = {kind: x for kind in penalty.needs}
    for kind in good:
        for given in bad(x).values():
            assert_answered(partial(penalty, critic, **(good | {kind: given})))
    for wrong in (None, "D", lambda x: (x, x), lambda x: None, lambda x: x.mean(), lambda x: x[:2]):
        if not penalty.of_weights:
            with pytest.raises((TypeError, ValueError)):
                penalty(wrong, **good)
    assert_answered(partial(penalty, critic, x, x))
    assert_answered(partial(penalty, critic, random=3, **good))


@pytest.mark.parametrize("name", ["path-length", "mode-seeking", "latent-consistency"])
def test_penalties_of_a_generator(name: str) -> None:
    penalty, z = gl.GENERATOR_PENALTIES[name](), torch.rand(4, 3)
    for given in bad(z).values():
        assert_answered(partial(penalty, nn.Identity(), latents=given, others=z))
        if penalty.needs_others:
            assert_answered(partial(penalty, nn.Identity(), latents=z, others=given))
    wrongs = (None, (z, z), 1.0, z.numpy(), z.long(), z[:2], z.sum())
    for made in wrongs:
        assert_answered(partial(penalty, lambda z, made=made: made, latents=z, others=z))
    assert_answered(partial(penalty, nn.Identity(), z, z))
    assert_answered(partial(penalty, nn.Identity(), latents=z, others=z, random=3))


@pytest.mark.parametrize("name", SHAPES)
def test_terms(name: str) -> None:
    term, x = gl.TERMS[name](*SETTINGS.get(name, ())), torch.rand(SHAPES[name])
    for given in bad(x).values():
        assert_answered(partial(term, given, x))
        assert_answered(partial(term, x, given))
        if given is not None:
            assert_answered(partial(term, x, x, weight=given))
    assert_answered(partial(term, x))
    assert_answered(partial(term, x, x[:1]))
    assert_answered(partial(term, x, x, reduction="avg"))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: gl.LeCamAverages()(nn.Linear(2, 1), real=None, fake=x), "LeCam needs real"),
        (lambda x: gl.PathLengthMean()(nn.Identity(), latents=None), "PathLength needs latents"),
        (lambda x: gl.MelSpectrogram(22050).spectrogram([x]), "waves is a list"),
        (lambda x: gl.GaussianKL()(x, x, np.ones(2)), "prior_mean is array.*a number"),
        (lambda x: gl.GaussianKL()(x, x, 0.0, float("nan")), "prior_log_variance is nan"),
        (
            lambda x: gl.MutualInformation()(distributions=["a"], values=[x]),
            r"distributions\[0\]",
        ),
        (lambda x: gl.DiffAugment()(None), r"images must be a tensor \(N, C, H, W\)"),
        (lambda x: gl.AdaptiveAugment()(x.numpy()), "not ndarray"),
        (lambda x: gl.top_k(x, 1.5), "count is 1.5; it must be a whole number"),
        (lambda x: gl.ImagePool("3"), "size is '3'; it must be a whole number"),
        (lambda x: gl.latent_step(x, torch.sum, rate="1"), "rate is '1'"),
        (lambda x: gl.latent_step([x], torch.sum), "latents is a list"),
        (lambda x: gl.LPIPS(pretrained="random", value_range=1), r"pass \(black, white\)"),
        (lambda x: gl.Style(lambda x: [x], weights=("1",), value_range=None), "weights is '1'"),
    ],
)
def test_others(call: Callable[[Tensor], Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        call(torch.rand(4, 2))


def test_control_an_error_of_torch_is_no_answer() -> None:
    with pytest.raises(AssertionError):
        assert_answered(lambda: torch.ones(2).sum(5.5))
    with pytest.raises(BaseException, match="DID NOT RAISE"):
        assert_answered(lambda: None)
