"""Every term in TERMS: its formula, its closed forms, and what only our terms promise."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

import ganloss as gl
from conformance import class_formulas, formulas, term_formulas

TERMS = term_formulas.TERMS | class_formulas.TERMS
#: Terms with a real network, whose convolutions follow autocast and have a precision of their own.
NETWORKS = ("LPIPS",)
NAMES = list(TERMS)
NAMESPACE = {name: getattr(gl, name) for name in gl.PUBLIC_NAMES}
IN_ORDER = [n for n, f in TERMS.items() if isinstance(f.closed[0][0], tuple)]


def make(name: str, dtype: torch.dtype = torch.float32) -> Any:
    term = eval(name, NAMESPACE)
    return term.to(dtype) if isinstance(term, nn.Module) else term


def tensors(arguments: term_formulas.Arguments, dtype: torch.dtype = torch.float64) -> Any:
    def convert(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        return torch.from_numpy(x).to(dtype) if x.dtype == np.float64 else torch.from_numpy(x)

    return tree_map(convert, arguments)


def call(term: Any, arguments: Any, **options: Any) -> Tensor:
    if isinstance(arguments, dict):
        return term(**arguments, **options)
    return term(*arguments, **options)


def test_every_entry_has_a_formula() -> None:
    assert formulas.missing(gl.TERMS.values(), TERMS) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_value_is_that_of_the_formula(name: str, seed: int) -> None:
    formula = TERMS[name]
    arguments = formula.draw(np.random.default_rng(seed))
    expected = (
        formula.value(**arguments) if isinstance(arguments, dict) else formula.value(*arguments)
    )
    found = call(make(name, torch.float64), tensors(arguments)).item()
    # The means and spreads of ImageNet are kept in fp32.
    assert found == pytest.approx(expected, rel=1e-7 if name.startswith(NETWORKS) else 1e-10)
    found = call(make(name), tensors(arguments, torch.float32)).item()
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_closed_forms_hold_in_fp32_and_fp64(name: str) -> None:
    for arguments, value in TERMS[name].closed:
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-9)):
            found = call(make(name, dtype), tensors(arguments, dtype))
            assert found.item() == pytest.approx(value, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("name", IN_ORDER)
def test_weights_follow_the_weighted_means_of_numpy(name: str) -> None:
    arguments = tensors(TERMS[name].draw(np.random.default_rng(0)))
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


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith(NETWORKS)])
def test_autocast_changes_nothing(name: str) -> None:
    arguments = tensors(TERMS[name].draw(np.random.default_rng(0)), torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = call(make(name), arguments)
    torch.testing.assert_close(found, call(make(name), arguments))


FROZEN = [name for name in NAMES if isinstance(make(name), nn.Module)]


@pytest.mark.parametrize("name", [n for n in NAMES if n not in FROZEN])
def test_a_term_is_a_value(name: str) -> None:
    name = name.partition(")")[0] + ")"  # without the side
    assert eval(repr(make(name)), NAMESPACE) == make(name)
    assert hash(make(name)) == hash(make(name))


@pytest.mark.parametrize("name", FROZEN)
def test_terms_with_a_network_are_frozen(name: str) -> None:
    term = make(name)
    assert not any(True for _ in term.parameters())
    assert not term.state_dict()


def test_networks_are_frozen_and_everything_else_is_a_value() -> None:
    assert {name.partition("(")[0] for name in FROZEN} == {"Perceptual", "Style", "LPIPS"}
