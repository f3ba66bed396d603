"""Scoring of every kind of data set: real samples come out near 1, noise and gaps far off."""

import pytest
import torch

from ganloss.data.images import ImageSet, load_data
from ganloss.data.points import PointSet
from ganloss.metrics.degrade import uniform_noise
from ganloss.metrics.synthetic import MemberReport, ModeReport
from ganloss.runs.evaluation import Evaluation, evaluation_for


def loaded(name: str) -> tuple[ImageSet | PointSet, Evaluation, torch.Tensor]:
    data = load_data(f"demo:{name}")
    evaluation = evaluation_for(data)
    assert evaluation is not None
    others = torch.as_tensor(data.values[:])
    return data, evaluation, others


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("digits", "fd-digits@897"),
        ("ring", "fd-modes@2000"),
        ("grid", "fd-modes@2000"),
        ("stacked-digits", "fd-stacked-digits@2000"),
        ("triangles", "fd-random-vgg@430"),
    ],
)
def test_real_samples_score_as_the_reference_and_noise_does_not(name: str, protocol: str):
    _, evaluation, others = loaded(name)
    assert evaluation.name == protocol
    assert evaluation.score(others) == pytest.approx(evaluation.reference)
    noise = uniform_noise(others[: evaluation.looked_at], seed=1)
    assert evaluation.score(noise) > 30 * evaluation.reference


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_a_dropped_mode_shows_in_score_and_findings(name: str):
    data, evaluation, others = loaded(name)
    assert isinstance(data, PointSet)
    kept = others[torch.cdist(others, data.modes).argmin(1) > 0]
    assert evaluation.score(kept) > 3 * evaluation.reference
    found = evaluation.findings(kept)
    assert isinstance(found, ModeReport)
    assert found.covered == found.modes - 1


def test_stacked_digits_are_counted_by_the_digit_network():
    _, evaluation, others = loaded("stacked-digits")
    found = evaluation.findings(others)
    assert isinstance(found, ModeReport)
    # 6,000 draws leave 1000·exp(-6) = 2.5 modes out, and some digits are misread.
    assert found.covered > 970
    assert found.good > 0.97
    same = evaluation.findings(others[:1].repeat(100, 1, 1, 1))
    assert isinstance(same, ModeReport)
    assert same.covered == 1
    noise = evaluation.findings(uniform_noise(others[:500], seed=0))
    assert isinstance(noise, ModeReport)
    assert noise.good < 0.05


def test_triangles_that_were_learnt_by_heart_have_precision_without_recall():
    _, evaluation, others = loaded("triangles")
    found = evaluation.findings(others)
    assert isinstance(found, MemberReport)
    assert found.precision == 1.0
    assert found.recall < 0.15
