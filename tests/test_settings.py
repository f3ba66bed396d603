"""Settings of a wrong type, or that are not finite, are refused when the value is made."""

import pickle
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch

import ganloss as gl
from ganloss.optimisers import Adam, Optimisers, RMSprop

#: Arguments without which nothing is made.
NEEDED: dict[str, dict[str, Any]] = {
    "PSNR": {"data_range": 1.0},
    "SSIM": {"data_range": 1.0},
    "MultiScaleSSIM": {"data_range": 1.0},
    "MelSpectrogram": {"sample_rate": 22050},
    "FDivergence": {"kind": "kl"},
    "MaximumMeanDiscrepancy": {"kernel": "gaussian"},
    "Relativistic": {"base": gl.Hinge()},
    "RelativisticAverage": {"base": gl.Hinge()},
    "Consistency": {"augment": torch.relu},
    "Game": {"pair": gl.Hinge()},
    "FeatureOutput": {"count": 4},
}
BAD: dict[Any, list[Any]] = {
    float: [None, "1", float("nan"), float("inf"), True, [1.0], torch.ones(2)],
    int: [None, "1", 1.5, float("nan"), True],
    bool: [None, "yes", 2, 0.0],
    float | None: ["1", float("nan"), float("inf"), True],
    int | None: ["1", 1.5, True],
    float | torch.Tensor: [None, "1", float("nan"), torch.ones(2), torch.tensor(1)],
    tuple[float, float]: [None, 1.0, (0.9,), (0.9, 0.99, 1.0), (0.9, "1")],
    tuple[float, ...]: [None, "1", 1.0, (1.0, float("nan")), (1.0, "1")],
    tuple[int, ...]: [None, "1", 1, (1, 1.5), (1, None)],
}


def classes() -> list[type]:
    registries = (gl.LOSSES, gl.PENALTIES, gl.GENERATOR_PENALTIES, gl.TERMS)
    found = [cls for registry in registries for cls in registry.values()]
    others = [gl.DiffAugment, gl.AdaptiveAugment, gl.ClipWeights, gl.Game, gl.FeatureOutput]
    return [cls for cls in (*found, *others, Adam, RMSprop) if is_dataclass(cls)]


def numbers() -> Iterator[tuple[type, str, Any]]:
    """Every field that declares a number, or yes or no."""
    for cls in classes():
        for field in fields(cls):
            if field.type in BAD:
                yield cls, field.name, field.type


def test_the_fields_that_are_tried_are_most_of_all():
    assert len(list(numbers())) >= 70


@pytest.mark.parametrize(("cls", "name", "kind"), list(numbers()))
def test_settings_of_a_wrong_type_or_not_finite_are_refused(cls: Any, name: str, kind: Any):
    for value in BAD[kind]:
        with pytest.raises((TypeError, ValueError), match=f"{name}.* (is|has) "):
            cls(**(NEEDED.get(cls.__name__, {}) | {name: value}))


@pytest.mark.parametrize(
    ("made", "same"),
    [
        (gl.Hinge(margin=np.float32(2)), gl.Hinge(margin=2.0)),
        (gl.Hinge(margin=np.int64(2)), gl.Hinge(margin=2.0)),
        (gl.Hinge(margin=np.float64(2)), gl.Hinge(2.0)),
        (gl.Sphere(moments=np.int64(2)), gl.Sphere(2)),
        (gl.GradientPenalty(one_sided=np.bool_(True)), gl.GradientPenalty(one_sided=True)),
        (
            gl.MultiResolutionSTFT(sizes=[64], hops=[np.int64(16)], windows=(32,)),
            gl.MultiResolutionSTFT((64,), (16,), (32,)),
        ),
        (gl.MultiScaleSSIM(1, weights=[0.5, 0.5]), gl.MultiScaleSSIM(1, weights=(0.5, 0.5))),
        (gl.DiffAugment(policy=["color"]), gl.DiffAugment(policy=("color",))),
        (gl.WeightedSum(adv=np.float32(2)), gl.WeightedSum(adv=2.0)),
        (gl.WeightedSum(adv=True), gl.WeightedSum(adv=1)),
        (gl.Weighted(gl.R1(), np.float64(2)), gl.Weighted(gl.R1(), 2.0)),
    ],
)
def test_numbers_of_numpy_and_lists_become_those_of_python(made: Any, same: Any):
    assert made == same
    assert repr(made) == repr(same)
    assert pickle.loads(pickle.dumps(made)) == same


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gl.Hinge(margin="1"), "margin is '1'; it must be a number"),
        (lambda: gl.GradientPenalty(center=None), "center is None; it must be a number"),
        (lambda: gl.SSIM(data_range="1"), "data_range is '1'; it must be a number"),
        (lambda: gl.Hinge(fake_margin="1"), "it must be a number or None"),
        (lambda: gl.LeCam("1"), "it must be a number or a 0-d tensor"),
        (lambda: gl.SSIM(1.0, window=11.0), "window is 11.0; it must be a whole number"),
        (lambda: gl.TotalVariation(isotropic=1), "isotropic is 1; it must be True or False"),
        (lambda: gl.Hinge(margin=np.ones((9, 9))), "margin is a ndarray; it must be a number"),
        (lambda: gl.WeightedSum(adv=None), "pass a number or a schedule"),
        (lambda: gl.WeightedSum(adv="1"), "the weight of 'adv' is '1'"),
        (lambda: gl.Weighted(gl.R1(), None), "the weight of 'R1' is None"),
        (lambda: gl.every(1.5, 1.0), "interval is 1.5; it must be a whole number"),
        (lambda: gl.every(16, "1"), "weight is '1'"),
        (lambda: gl.ramp(None, 1.0, 3), "start is None"),
        (lambda: gl.ramp(0.0, 1.0, "3"), "steps is '3'"),
        (lambda: gl.DiffAugment(policy="color"), r"pass a tuple of names, e\.g\. \('color',\)"),
        (lambda: gl.AdaptiveAugment(None), "pass a tuple of names"),
        (lambda: gl.Consistency(None), "pass a DiffAugment"),
    ],
)
def test_the_sentence_says_what_is_wanted(make: Any, message: str):
    with pytest.raises(TypeError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: gl.WeightedSum(adv=float("nan")),
        lambda: gl.WeightedSum(adv=float("-inf")),
        lambda: gl.every(16, float("nan")),
        lambda: gl.ramp(0.0, float("inf"), 3),
        lambda: gl.FDivergence(["kl"]),
        lambda: gl.DiffAugment(policy=(["color"],)),
        lambda: gl.AdaptiveAugment((1,)),
    ],
)
def test_values_that_cannot_be_are_refused(make: Any):
    with pytest.raises(ValueError, match=r"finite|no divergence|no augmentation|no operations"):
        make()


def test_an_optimiser_is_made_of_settings() -> None:
    with pytest.raises(TypeError, match="the optimiser of the generator is 'adam'; pass settings"):
        Optimisers("adam")  # pyright: ignore[reportArgumentType]


def test_an_energy_has_one_of_two_distances() -> None:
    with pytest.raises(ValueError, match="distance is 'l2'; it is 'euclidean' or 'absolute'"):
        gl.EnergyOutput("l2")  # pyright: ignore[reportArgumentType]
