"""Mistakes people make with GAN losses: each raises, and the sentence says how to mend it."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganloss as gl

PAIRS = [gl.Minimax(), gl.NonSaturating(), gl.Wasserstein(), gl.LeastSquares(), gl.Hinge()]
JOINT = gl.Relativistic(gl.NonSaturating())
EVERY = [*PAIRS, JOINT]

pairs = pytest.mark.parametrize("pair", EVERY, ids=lambda pair: type(pair).__name__)


def scores(*shape: int) -> Tensor:
    return torch.zeros(*shape)


@pairs
def test_real_and_fake_cannot_be_swapped_by_position(pair: gl.GANLoss):
    name = type(pair).__name__
    by_name = f"{name} takes these arguments by name.*: "
    with pytest.raises(TypeError, match=by_name + r"discriminator\(real=\.\.\., fake=\.\.\.\)$"):
        pair.discriminator(scores(4), scores(4))
    with pytest.raises(TypeError, match=by_name + r"generator\(fake=\.\.\.\)$"):
        pair.generator(scores(4))


def test_the_controller_of_a_pair_takes_names_as_well():
    control = gl.BoundaryEquilibrium().controller()
    with pytest.raises(TypeError, match=r"Control takes these arguments by name.*discriminator\("):
        control.discriminator(scores(4), scores(4))
    with pytest.raises(TypeError, match=r"Control takes these arguments by name.*generator\("):
        control.generator(scores(4))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (gl.Minimax().value, "value(real=..., fake=...)"),
        (gl.Wasserstein().distance, "distance(real=..., fake=...)"),
        (gl.FeatureMatching(), "loss(fake=..., real=...)"),
        (gl.MeanFeatureMatching(), "loss(fake=..., real=...)"),
        (gl.PatchNCE(), "loss(fake=..., real=...)"),
        (gl.CycleConsistency(), "loss(real_a=..., real_b=..., a_to_b=..., b_to_a=...)"),
        (gl.Identity(), "loss(real_a=..., real_b=..., a_to_b=..., b_to_a=...)"),
    ],
)
def test_matching_and_translation_take_names_as_well(call: Any, words: str):
    with pytest.raises(TypeError, match=f"takes these arguments by name.*: {re.escape(words)}$"):
        call(scores(4), scores(4))


def test_what_says_so_leaves_the_signature_to_be_read():
    """By help(), editors and the battery, which looks for ``real`` and ``reduction``."""
    for method in (gl.Hinge().discriminator, gl.Hinge().generator, gl.R1()):
        names = inspect.signature(method).parameters
        assert {"real", "fake"} <= set(names)
        assert all(p.kind is p.KEYWORD_ONLY for n, p in names.items() if n != "critic")
    assert gl.Hinge.discriminator.__name__ == "discriminator"
    assert "Loss of the discriminator" in (gl.Hinge.discriminator.__doc__ or "")


@pytest.mark.parametrize("pair", [gl.Hinge(), JOINT], ids=lambda pair: type(pair).__name__)
def test_scores_on_two_devices_are_refused(pair: gl.GANLoss):
    """torch adds two means of two devices, and waits for one of them."""
    here, there = scores(4), scores(4).to("meta")
    with pytest.raises(ValueError, match=r"real is on meta and fake on cpu; .*fake\.to\(real"):
        pair.discriminator(real=there, fake=here)
    with pytest.raises(ValueError, match="real is on cpu and fake on meta"):
        pair.discriminator(real=[here, here], fake=[there, there])


def test_real_scores_of_the_generator_on_another_device_are_refused():
    with pytest.raises(ValueError, match="real is on meta and fake on cpu"):
        JOINT.generator(real=scores(4).to("meta"), fake=scores(4))


@pairs
def test_half_a_discriminator_step_cannot_be_written(pair: gl.GANLoss):
    with pytest.raises(TypeError, match="'real'"):
        pair.discriminator(fake=scores(4))
    with pytest.raises(TypeError, match="'fake'"):
        pair.discriminator(real=scores(4))


@pairs
def test_scores_that_would_broadcast_are_refused(pair: gl.GANLoss):
    """(N, 1) against (N,) is N x N numbers in a relativistic loss, silently."""
    with pytest.raises(ValueError, match=r"would broadcast.*flatten or unsqueeze"):
        pair.discriminator(real=scores(4, 1), fake=scores(4))


@pairs
def test_a_mean_taken_before_the_loss_is_refused(pair: gl.GANLoss):
    with pytest.raises(ValueError, match="pass the raw output of the network"):
        pair.discriminator(real=scores(4).mean(), fake=scores(4).mean())


@pairs
def test_an_empty_batch_is_refused(pair: gl.GANLoss):
    with pytest.raises(ValueError, match="at least one sample"):
        pair.discriminator(real=scores(0, 1), fake=scores(0, 1))


@pairs
def test_another_number_of_scales_is_refused(pair: gl.GANLoss):
    with pytest.raises(ValueError, match=r"3 scales and fake has 2.*same discriminators"):
        pair.discriminator(real=[scores(4)] * 3, fake=[scores(4)] * 2)


@pairs
def test_scores_with_features_must_be_unpacked(pair: gl.GANLoss):
    with pytest.raises(TypeError, match="unpack them first"):
        pair.discriminator(real=(scores(4), [scores(4)]), fake=scores(4))
    with pytest.raises(TypeError, match=r"real\[0\] is a tuple"):
        pair.discriminator(real=[(scores(4), scores(4))], fake=[scores(4)])


@pairs
def test_an_empty_list_of_scales_is_refused(pair: gl.GANLoss):
    with pytest.raises(ValueError, match="pass one tensor per scale"):
        pair.discriminator(real=[], fake=[])


@pairs
def test_integer_scores_are_refused(pair: gl.GANLoss):
    with pytest.raises(TypeError, match=r"floating point is needed.*\.float\(\)"):
        pair.discriminator(real=scores(4).long(), fake=scores(4))


@pairs
def test_a_misspelt_reduction_is_refused(pair: gl.GANLoss):
    with pytest.raises(ValueError, match='use "mean", "sum" or "none"'):
        pair.discriminator(real=scores(4), fake=scores(4), reduction="avg")


@pairs
def test_a_weight_of_another_length_is_refused(pair: gl.GANLoss):
    with pytest.raises(ValueError, match=r"one weight per sample is needed, \(4,\)"):
        pair.discriminator(real=scores(4, 1), fake=scores(4, 1), real_weight=scores(4, 1))


def test_the_relativistic_generator_needs_real_scores():
    with pytest.raises(TypeError, match=r"pass real=D\(real\) as well"):
        JOINT.generator(fake=scores(4))


def test_a_relativistic_loss_needs_equal_batches():
    with pytest.raises(ValueError, match="pass equal batches"):
        JOINT.discriminator(real=scores(4), fake=scores(3))


def test_a_weight_for_a_side_that_is_absent_is_refused():
    with pytest.raises(ValueError, match="fake_weight has no effect"):
        JOINT.discriminator(real=scores(4), fake=scores(4), fake_weight=scores(4))


def test_a_relativistic_loss_over_itself_is_refused():
    with pytest.raises(TypeError, match=r"e\.g\. Relativistic\(NonSaturating\(\)\)"):
        gl.Relativistic(JOINT)


def test_a_vector_per_sample_of_unequal_batches_is_refused():
    with pytest.raises(ValueError, match="pass equal batches"):
        gl.Hinge().discriminator(real=scores(4), fake=scores(3), reduction="none")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([scores(2, 2)], r"input is a list; .*torch\.cat or torch\.stack"),
        ((scores(2, 2), scores(2, 2)), "input is a tuple; .*unpack them first"),
        (scores(2, 2).numpy(), r"torch\.from_numpy\(input\)"),
        (scores(2, 2).to(torch.complex64), r"dtype torch\.complex64; .*input\.abs\(\)"),
        (scores(2, 2).bool(), r"input\.float\(\)"),
        (1.0, "input must be a tensor, not float"),
    ],
)
def test_a_term_says_what_to_do_with_what_is_no_tensor(given: object, words: str):
    with pytest.raises(TypeError, match=words):
        gl.L1()(given, given)


PENALTIES = [gl.GradientPenalty(), gl.R1(), gl.R2()]
penalties = pytest.mark.parametrize("penalty", PENALTIES, ids=lambda p: type(p).__name__)


@penalties
def test_penalties_take_no_positional_samples(penalty: gl.Penalty):
    words = r"by name, .*: penalty\(critic, real=\.\.\., fake=\.\.\.\)$"
    with pytest.raises(TypeError, match=type(penalty).__name__ + " takes these arguments " + words):
        penalty(nn.Linear(2, 1), scores(4, 2), scores(4, 2))


def test_penalties_of_the_generator_take_no_positional_latents():
    with pytest.raises(TypeError, match=r"PathLength takes .*penalty\(generator, latents=\.\.\., "):
        gl.PathLength()(nn.Linear(2, 1), scores(4, 2))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (gl.AuxiliaryClassifier().discriminator, r": discriminator\(real=\.\.\., "),
        (gl.AuxiliaryClassifier().generator, r": generator\(fake=\.\.\., fake_labels=\.\.\.\)$"),
        (gl.TwinAuxiliaryClassifier().generator, r": generator\(fake=\.\.\., fake_twin=\.\.\., "),
        (gl.MultiHinge().discriminator, r": discriminator\(real=\.\.\., "),
        (gl.MutualInformation(), r": loss\(logits=\.\.\., categories=\.\.\.\)$"),
        (
            gl.DataToDataCrossEntropy(),
            r": loss\(embeddings=\.\.\., proxies=\.\.\., labels=\.\.\.\)$",
        ),
    ],
)
def test_losses_of_classes_take_no_positional_arguments(call: Callable[..., Tensor], words: str):
    with pytest.raises(TypeError, match="takes these arguments by name, .*" + words):
        call(scores(4, 2), scores(4, 2))


@penalties
def test_a_penalty_without_its_samples_names_them(penalty: gl.Penalty):
    with pytest.raises(TypeError, match=f"pass {penalty.needs[0]}="):
        penalty(nn.Linear(2, 1))


@penalties
def test_the_samples_need_no_requires_grad(penalty: gl.Penalty):
    """R1 on x without a graph, or on another forward pass, is impossible."""
    x = scores(4, 2)
    assert penalty(nn.Linear(2, 1), real=x, fake=x).requires_grad
    assert not x.requires_grad


@penalties
def test_integer_images_are_refused(penalty: gl.Penalty):
    x = scores(4, 2).byte()
    with pytest.raises(TypeError, match="convert the samples to floating point"):
        penalty(nn.Linear(2, 1), real=x, fake=x)


@penalties
def test_a_penalty_takes_no_reduction(penalty: gl.Penalty):
    with pytest.raises(TypeError, match="unexpected keyword argument 'reduction'"):
        penalty(nn.Linear(2, 1), real=scores(4, 2), fake=scores(4, 2), reduction="none")


def test_interpolates_of_unequal_batches_are_refused():
    with pytest.raises(ValueError, match="must have the same shape; nothing is broadcast"):
        gl.GradientPenalty()(nn.Linear(2, 1), real=scores(4, 2), fake=scores(1, 2))


def test_unknown_points_are_refused():
    with pytest.raises(ValueError, match="use one of interpolates, real, fake"):
        gl.GradientPenalty(points="mixed")


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(AttributeError, match="did you mean 'NonSaturating'"):
        gl.NonSaturatng  # noqa: B018
    with pytest.raises(KeyError, match="did you mean 'hinge'"):
        gl.LOSSES["hinj"]
    with pytest.raises(KeyError, match="did you mean 'gp'"):
        gl.PENALTIES["gpp"]
    with pytest.raises(KeyError, match="no loss 'wgangp2'; did you mean 'wgangp'"):
        gl.GAMES["wgangp2"]


def mistakes():
    """Those of the page docs/wrong_use.md."""
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
    try:
        import make_wrong_use
    finally:
        sys.path.pop(0)
    return make_wrong_use


@pytest.mark.parametrize("mistake", mistakes().MISTAKES, ids=lambda mistake: mistake.title)
def test_each_mistake_on_the_page_is_answered(mistake):
    assert len(mistake.message()) > 20


def test_control_a_mistake_that_nobody_minds_is_seen():
    harmless = mistakes().Mistake("doing nothing wrong", "pair.generator(fake=scores)", "")
    with pytest.raises(RuntimeError, match="nothing was said"):
        harmless.message()
