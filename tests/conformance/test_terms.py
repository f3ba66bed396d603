"""Every term in TERMS: its formula, its closed forms, and what only our terms promise."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

import ganloss as gl
from conformance import formulas

NAMES = list(formulas.TERMS)
NAMESPACE = {name: getattr(gl, name) for name in gl.PUBLIC_NAMES}
IN_ORDER = [n for n, f in formulas.TERMS.items() if isinstance(f.closed[0][0], tuple)]


def make(name: str) -> Any:
    return eval(name, NAMESPACE)


def tensors(arguments: formulas.Arguments, dtype: torch.dtype = torch.float64) -> Any:
    def convert(x: Any) -> Any:
        return torch.from_numpy(x).to(dtype) if isinstance(x, np.ndarray) else x

    return tree_map(convert, arguments)


def call(term: Any, arguments: Any, **options: Any) -> Tensor:
    if isinstance(arguments, dict):
        return term(**arguments, **options)
    return term(*arguments, **options)


def test_every_entry_has_a_formula() -> None:
    assert formulas.missing(gl.TERMS.values(), formulas.TERMS) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_value_is_that_of_the_formula(name: str, seed: int) -> None:
    formula = formulas.TERMS[name]
    arguments = formula.draw(np.random.default_rng(seed))
    expected = (
        formula.value(**arguments) if isinstance(arguments, dict) else formula.value(*arguments)
    )
    assert call(make(name), tensors(arguments)).item() == pytest.approx(expected, rel=1e-10)
    found = call(make(name), tensors(arguments, torch.float32)).item()
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_closed_forms_hold_in_fp32_and_fp64(name: str) -> None:
    for arguments, value in formulas.TERMS[name].closed:
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-9)):
            found = call(make(name), tensors(arguments, dtype))
            assert found.item() == pytest.approx(value, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("name", IN_ORDER)
def test_weights_follow_the_weighted_means_of_numpy(name: str) -> None:
    arguments = tensors(formulas.TERMS[name].draw(np.random.default_rng(0)))
    term, samples = make(name), len(arguments[0])
    each = call(term, arguments, reduction="none").numpy()
    weight = torch.linspace(0, 2, samples + 1, dtype=torch.float64)[1:]
    w = weight.numpy()
    found = call(term, arguments, weight=weight).item()
    assert found == pytest.approx(float((w * each).sum() / w.sum()), rel=1e-12)
    found = call(term, arguments, weight=weight, reduction="sum").item()
    assert found == pytest.approx(float((w * each).sum()), rel=1e-12)
    found = call(term, arguments, weight=weight, reduction="none")
    np.testing.assert_allclose(found.numpy(), w * each)
    with pytest.raises(ValueError, match="one weight per sample is needed"):
        call(term, arguments, weight=weight[:, None])
    with pytest.raises(ValueError, match='use "mean", "sum" or "none"'):
        call(term, arguments, reduction="avg")


@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing(name: str) -> None:
    arguments = tensors(formulas.TERMS[name].draw(np.random.default_rng(0)), torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = call(make(name), arguments)
    torch.testing.assert_close(found, call(make(name), arguments))


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("Perceptual")])
def test_a_term_is_a_value(name: str) -> None:
    assert eval(repr(make(name)), NAMESPACE) == make(name)
    assert hash(make(name)) == hash(make(name))


def test_a_perceptual_loss_is_a_frozen_network() -> None:
    term = make(next(name for name in NAMES if name.startswith("Perceptual")))
    assert isinstance(term, nn.Module)
    assert not any(True for _ in term.parameters())
