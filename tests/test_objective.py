"""The weighted sum, its schedules, and what it says about a forgotten term."""

import pickle

import pytest
import torch

import ganloss as gl


def scalar(value: float) -> torch.Tensor:
    return torch.tensor(value, requires_grad=True)


def test_the_total_is_the_weighted_sum_and_terms_are_unweighted_and_detached():
    adv, gp = scalar(2.0), scalar(0.5)
    losses = gl.WeightedSum(adv=1.0, gp=10.0)(adv=adv, gp=gp)
    assert losses.total.item() == 7.0
    assert {name: value.item() for name, value in losses.terms.items()} == {"adv": 2.0, "gp": 0.5}
    assert not any(value.requires_grad for value in losses.terms.values())
    losses.total.backward()
    assert adv.grad.item() == 1.0
    assert gp.grad.item() == 10.0


def test_a_thunk_of_weight_zero_is_not_computed_and_is_absent():
    def never() -> torch.Tensor:
        raise AssertionError

    losses = gl.WeightedSum(adv=1.0, gp=0.0)(adv=scalar(2.0), gp=never)
    assert set(losses.terms) == {"adv"}


def test_when_all_weights_are_zero_backward_reaches_nothing():
    x = scalar(3.0)
    losses = gl.WeightedSum(a=0.0, b=0.0)(a=x * 2, b=lambda: x)
    losses.total.backward()
    assert losses.total.item() == 0
    assert losses.terms == {}
    assert x.grad is None


def test_lazy_regularisation_keeps_the_mean_over_time():
    objective = gl.WeightedSum(adv=1.0, r1=gl.every(4, 2.5))
    totals = [objective(step, adv=scalar(0.0), r1=scalar(1.0)).total.item() for step in range(8)]
    assert totals == [10.0, 0, 0, 0, 10.0, 0, 0, 0]
    assert sum(totals) / 8 == 2.5


def test_a_ramp_is_linear_and_then_constant():
    warm_up = gl.ramp(1.0, 3.0, 4)
    assert [warm_up(step) for step in (0, 1, 2, 4, 9)] == [1.0, 1.5, 2.0, 3.0, 3.0]


def test_a_schedule_needs_the_step():
    with pytest.raises(TypeError, match=r"every\(4, 1.0\): pass the step"):
        gl.WeightedSum(r1=gl.every(4, 1.0))(r1=scalar(1.0))


def test_a_missing_term_is_named():
    with pytest.raises(TypeError, match=r"term 'gp' of .* is missing; pass gp="):
        gl.WeightedSum(adv=1.0, gp=10.0)(adv=scalar(1.0))


def test_a_misspelt_term_gets_the_nearest_name():
    with pytest.raises(TypeError, match="no term 'identiy'; did you mean 'identity'"):
        gl.WeightedSum(identity=1.0)(identity=scalar(1.0), identiy=scalar(1.0))


def test_a_vector_is_refused_with_the_mend():
    with pytest.raises(ValueError, match="reduce it first"):
        gl.WeightedSum(adv=1.0)(adv=torch.ones(3))


def test_something_that_is_no_tensor_is_refused():
    for term in (lambda: 1.0, 1.0):
        with pytest.raises(TypeError, match=r"'adv' is of type float; .*adv=lambda: penalty"):
            gl.WeightedSum(adv=1.0)(adv=term)


def test_a_step_by_keyword_is_told_from_a_term():
    with pytest.raises(TypeError, match=r"the step is positional: objective\(step, \.\.\.\)"):
        gl.WeightedSum(adv=gl.every(2, 1.0))(step=3, adv=torch.tensor(1.0))
    assert gl.WeightedSum(step=1.0)(step=torch.tensor(2.0)).total == 2  # a term of that name


@pytest.mark.parametrize("make", [lambda: gl.every(0, 1.0), lambda: gl.ramp(0.0, 1.0, 0)])
def test_schedules_over_no_steps_are_refused(make: object):
    with pytest.raises(ValueError, match="at least 1"):
        make()


def test_an_empty_objective_is_refused():
    with pytest.raises(TypeError, match="at least one term"):
        gl.WeightedSum()


def test_an_objective_is_a_value():
    objective = gl.WeightedSum(adv=1.0, r1=gl.every(16, 2.0), l1=gl.ramp(0.0, 100.0, 10))
    names = {"WeightedSum": gl.WeightedSum, "every": gl.every, "ramp": gl.ramp}
    assert eval(repr(objective), names) == objective
    assert pickle.loads(pickle.dumps(objective)) == objective
    assert hash(objective) == hash(eval(repr(objective), names))
    assert objective != gl.WeightedSum(adv=1.0)


def test_the_order_of_the_terms_does_not_matter_to_a_set() -> None:
    """Equal values are one entry, whatever the order their terms were written in."""
    objectives = {gl.WeightedSum(adv=1.0, gp=10.0), gl.WeightedSum(gp=10.0, adv=1.0)}
    assert len(objectives) == 1


def test_gradients_of_the_terms_and_their_conflicts():
    """At w = (1, 2): d(3 w0) = (3, 0); 2 d(w1^2) = (0, 8); d(-w0) = (-1, 0)."""
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    objective = gl.WeightedSum(a=3.0, b=2.0, c=1.0, off=0.0)
    report = objective.gradients([w], a=w[0], b=lambda: w[1] ** 2, c=-w[0], off=w[0])
    assert report.norms == pytest.approx({"a": 3.0, "b": 8.0, "c": 1.0})
    assert report.cosines == pytest.approx({("a", "b"): 0.0, ("a", "c"): -1.0, ("b", "c"): 0.0})
    assert report.conflicts == [("a", "c")]
    assert w.grad is None


def test_gradients_of_what_reaches_no_parameter_are_refused():
    x = torch.ones(2, requires_grad=True)
    objective = gl.WeightedSum(a=1.0, b=1.0)
    with pytest.raises(ValueError, match="term 'b' depends on no parameter"):
        objective.gradients([x], a=x.sum(), b=x.sum().detach())
    with pytest.raises(ValueError, match="pass those that are being trained"):
        objective.gradients([torch.ones(2)], a=x.sum(), b=x.sum())
