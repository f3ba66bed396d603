"""Properties any loss of a batch should have; each docstring is the sentence of its finding."""

import copy
import re
from collections.abc import Sequence
from dataclasses import is_dataclass

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

from ganloss._importing import told
from ganloss.check._report import NotApplicable, Unusable, Wrong
from ganloss.check._subject import (
    Inputs,
    Subject,
    finite,
    gradients,
    mapped,
    one_number,
    same,
    tensors,
    tensors_named,
)

SAMPLES = 5


def _gives_one_number(subject: Subject) -> None:
    """The loss of a batch is one finite number with a gradient."""
    inputs = subject.draw(SAMPLES, 0)
    finite([one_number(lambda: subject.call(inputs))], "the loss")
    finite(gradients(subject, inputs), "a gradient")


def _equal_calls_agree(subject: Subject) -> None:
    """Two equal calls give the same value and gradient."""
    # Inputs are drawn for each call, which may write to them; others come between, and may be kept.
    first = _value_and_slopes(subject, subject.draw(SAMPLES, 0))
    subject.call(subject.draw(SAMPLES, 50))
    second = _value_and_slopes(subject, subject.draw(SAMPLES, 0))
    agree_again(first, second, "is something inside drawn at random, or kept from call to call?")


def _value_and_slopes(subject: Subject, inputs: Inputs) -> list[Tensor]:
    value = subject.call(inputs)
    try:
        return [value, *gradients(subject, inputs)]
    except Wrong:  # it has none, which is another finding
        return [value]


def agree_again(first: Sequence[Tensor], second: Sequence[Tensor], hint: str) -> None:
    """Raise unless a value and its gradients are those of an equal call.

    Raises:
        Unusable: they differ, and what is compared otherwise would differ by chance.

    >>> agree_again([torch.ones(())], [torch.zeros(())], "is it random?")
    Traceback (most recent call last):
    ganloss.check._report.Unusable: the value of ...: 0 instead of 1; is it random? Nothing else ...
    """
    try:
        for i, (once, again) in enumerate(zip(first, second, strict=True)):
            same(again, once, f"{'a gradient' if i else 'the value'} of a second, equal call")
    except Wrong as wrong:
        raise Unusable(f"{wrong}; {hint} Nothing else was tried") from wrong


def _gradients_are_exact(subject: Subject) -> None:
    """Gradients equal finite differences."""
    inputs = subject.draw(2, 0)
    wanted = [x.clone().requires_grad_(True) for x in tensors(inputs, subject.learns)]

    def function(*leaves: Tensor) -> Tensor:
        source = iter(leaves)
        own = {
            name: mapped(lambda _: next(source), {name: value})[name]
            if name in subject.learns
            else value
            for name, value in inputs.items()
        }
        return subject.call(own)

    try:
        torch.autograd.gradcheck(function, wanted, fast_mode=True, atol=1e-6, rtol=1e-3)
    except GradcheckError as error:
        if subject.constant_weights:
            return
        raise Wrong(_of_gradcheck(str(error), tensors_named(inputs, subject.learns))) from error
    if subject.constant_weights:
        raise Wrong("constant_weights is declared, and gradients equal finite differences")


def _of_gradcheck(message: str, names: Sequence[str]) -> str:
    """What torch's many lines say: by which input, and both numbers along one direction."""
    found = re.search(r"input (\d+),\s*numerical:(\S+)\s*analytical:(\S+)", message)
    if found is None:
        return message.splitlines()[0]
    index, numerical, analytical = found.groups()
    return (
        f"by {names[int(index)]}: {float(analytical):.6g} instead of {float(numerical):.6g} along "
        "a random direction; is something detached that should learn?"
    )


def _order_does_not_matter(subject: Subject) -> None:
    """The order of the samples does not matter."""
    inputs = subject.draw(SAMPLES, 0)
    order = torch.tensor([3, 0, 4, 2, 1])
    same(
        subject.call(mapped(lambda x: x[order], inputs)),
        subject.call(inputs),
        "samples in another order",
    )


def _a_batch_written_twice_is_the_same(subject: Subject) -> None:
    """A batch written twice has the same loss, unless its size is declared to matter."""
    inputs = subject.draw(SAMPLES, 0)
    twice = subject.call(mapped(lambda x: torch.cat([x, x]), inputs))
    once = subject.call(inputs)
    if not subject.compares_samples:
        same(twice, once, "the batch written twice")
    elif torch.allclose(twice.double(), once.double()):
        raise Wrong("compares_samples is declared, and the batch written twice has the same loss")


def _a_batch_is_the_mean_of_its_samples(subject: Subject) -> None:
    """The loss of a batch is the mean over its samples, unless it is declared a statistic."""
    inputs = subject.draw(SAMPLES, 0)
    if subject.smallest_batch > 1:
        _fewer_are_refused(subject)
        return
    alone = [
        subject.call(mapped(lambda x, i=i: x[i : i + 1], inputs)).detach() for i in range(SAMPLES)
    ]
    mean, loss = torch.stack(alone).mean(), subject.call(inputs)
    if not subject.batch_statistic:
        same(mean, loss, "the mean over samples one by one")
    elif torch.allclose(mean.double(), loss.double()):
        raise Wrong("batch_statistic is declared, and the loss is a mean over samples")


def _fewer_are_refused(subject: Subject) -> None:
    fewest = subject.smallest_batch
    finite([subject.call(subject.draw(fewest, 0))], f"the loss of {fewest} samples")
    try:
        subject.call(subject.draw(fewest - 1, 0))
    except ValueError:
        return
    raise Wrong(f"smallest_batch is declared {fewest}, and {fewest - 1} samples were accepted")


def _reductions_agree(subject: Subject) -> None:
    """reduction="none" gives one number per sample, whose mean is the loss."""
    if subject.none is None:
        raise NotApplicable("takes no reduction")
    inputs = subject.draw(SAMPLES, 0)
    if subject.batch_statistic:
        try:
            subject.none(inputs)
        except (TypeError, ValueError):
            return
        raise Wrong('a statistic of the batch was returned for reduction="none"')
    each = subject.none(inputs)
    if each.shape != (SAMPLES,):
        raise Wrong(f'reduction="none" has shape {tuple(each.shape)}')
    same(each.mean(), subject.call(inputs), 'the mean of reduction="none"')


def _every_input_counts(subject: Subject) -> None:
    """Every input counts, unless it is declared to be ignored."""
    inputs, others = subject.draw(SAMPLES, 0), subject.draw(SAMPLES, 50)
    loss = subject.call(inputs)
    for name, other in others.items():
        if all(map(torch.equal, tensors({name: other}), tensors({name: inputs[name]}))):
            continue  # labels that are drawn alike
        unmoved = torch.equal(subject.call({**inputs, name: other}), loss)
        if unmoved and name not in subject.ignored:
            raise Wrong(f"the loss is {loss.item():.6g} whatever {name} is")
        if not unmoved and name in subject.ignored:
            raise Wrong(f"{name} is declared to be ignored, and another one changes the loss")


def _inputs_are_left_alone(subject: Subject) -> None:
    """The tensors passed in are left as they were."""
    inputs = subject.draw(SAMPLES, 0)
    before = [(x.clone(), x.requires_grad) for x in tensors(inputs)]
    subject.call(inputs)
    for x, (value, graph) in zip(tensors(inputs), before, strict=True):
        if x.requires_grad != graph:
            raise Wrong("requires_grad of the caller's tensor was switched on")
        if not torch.equal(x, value):
            raise Wrong("the caller's tensor was written to")


def _constants_get_no_gradient(subject: Subject) -> None:
    """The real side gets no gradient: in G's step it is what there is to reach."""
    if not subject.constants:
        raise NotApplicable("all its inputs may learn")
    leaves = mapped(lambda x: x.clone().requires_grad_(True), subject.draw(SAMPLES, 0))
    loss, wanted = subject.call(leaves), tensors(leaves, subject.constants)
    found = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    if any(bool(gradient.any()) for gradient in found):
        raise Wrong("the real side got a gradient, which D would have to compute: detach it")


def _strides_do_not_matter(subject: Subject) -> None:
    """Non-contiguous and channels_last tensors give the same loss."""
    inputs = subject.draw(SAMPLES, 0)
    expected = subject.call(inputs)

    def strided(x: Tensor) -> Tensor:
        return torch.stack([x, torch.zeros_like(x)], -1)[..., 0]

    same(subject.call(mapped(strided, inputs)), expected, "non-contiguous tensors")
    if all(x.dim() == 4 for x in tensors(inputs)):
        last = mapped(lambda x: x.to(memory_format=torch.channels_last), inputs)
        same(subject.call(last), expected, "channels_last tensors")


def _half_precision_is_accumulated_in_fp32(subject: Subject) -> None:
    """fp16 and bf16 inputs give the exact loss of the rounded numbers."""
    mend = f"accumulate in fp32: begin with {subject.learns[0]}.float()"
    for dtype in (torch.float16, torch.bfloat16):
        try:
            _rounded_inputs_have_the_exact_loss(subject, dtype)
        except Wrong as wrong:
            raise Wrong(f"{wrong}; {mend}") from wrong
        except Exception as error:  # of torch, which cannot compute everything in half precision
            raise Wrong(f"{dtype}: {told(error)}; {mend}") from error


def _rounded_inputs_have_the_exact_loss(subject: Subject, dtype: torch.dtype) -> None:
    rounded = mapped(lambda x: x.to(dtype), subject.draw(SAMPLES, 0))
    found = subject.call(rounded)
    exact = subject.call(mapped(lambda x: x.double(), rounded))
    same(found, exact, f"{dtype}", tolerance=1e-3)
    if found.dtype in (torch.float16, torch.bfloat16):
        raise Wrong(f"the loss of {dtype} inputs is {found.dtype}: sums of it overflow")


def _fp32_is_close_to_fp64(subject: Subject) -> None:
    """fp32 agrees with float64."""
    inputs = subject.draw(SAMPLES, 0)
    found = subject.call(mapped(lambda x: x.float(), inputs))
    same(found, subject.call(inputs), "fp32", tolerance=1e-4)


def _nan_is_passed_on(subject: Subject) -> None:
    """NaN in an input is NaN in the loss, not a number that hides it."""

    def poisoned(x: Tensor) -> Tensor:
        x = x.clone()
        x[0] = torch.nan
        return x

    inputs = subject.draw(SAMPLES, 0)
    for name in subject.learns:  # one at a time, or another one's NaN would cover for it
        if name in subject.ignored:
            continue
        loss = subject.call({**inputs, **mapped(poisoned, {name: inputs[name]})})
        if not torch.isnan(loss):
            raise Wrong(f"the loss is {loss.item():.6g} with NaN in {name}")


def _degenerate_inputs_are_finite(subject: Subject) -> None:
    """Degenerate inputs (identical, zero, constant, extreme) have finite losses and gradients."""
    if not subject.degenerate:
        raise NotApplicable("none are known")
    for name, inputs in subject.degenerate.items():
        exact = subject.call(inputs)
        if not (torch.isfinite(exact) and exact.abs() < torch.finfo(torch.float32).max):
            if not name.startswith("extreme"):
                raise Wrong(f"{name}: the loss is {exact.item()}")
            continue  # the formula itself leaves the range of fp32 here
        single = mapped(lambda x: x.float(), inputs)
        finite([subject.call(single)], f"{name}: the loss")
        finite(gradients(subject, single), f"{name}: a gradient")


def _misuse_is_loud(subject: Subject) -> None:
    """Misuse raises: shapes that would broadcast, empty batches, integers, single numbers."""
    if not subject.misuses:
        raise NotApplicable("no misuse is known")
    quiet: list[str] = []
    for name, inputs in subject.misuses.items():
        try:
            subject.call(inputs)
        except Exception:
            continue
        quiet.append(name)
    if quiet:
        raise Wrong(f"accepted silently: {', '.join(quiet)}")


def _the_least_is_where_it_should_be(subject: Subject) -> None:
    """The loss is least where input and target agree, so minimising it brings them together."""
    if subject.least is None:
        raise NotApplicable("no best input is known")
    best, others = subject.least
    least = subject.call(best).item()
    for other in others:
        value = subject.call(other).item()
        if not value > least:
            raise Wrong(f"{least:.6g} at equality, {value:.6g} away from it")


def agrees_with(reference: Subject) -> object:
    """Build the property that values and gradients are those of a reference.

    >>> from ganloss.check import term_inputs
    >>> half, whole = (term_inputs.image(lambda x, c=c: c * x.mean()) for c in (0.5, 1.0))
    >>> agrees_with(whole)(half)
    Traceback (most recent call last):
    ganloss.check._report.Wrong: ...
    """

    def agrees(subject: Subject) -> None:
        """Values and gradients are those of the reference."""
        for seed in range(3):
            _agree(subject, reference, subject.draw(SAMPLES, seed), f"draw {seed}")
        fewest = max(subject.smallest_batch, reference.smallest_batch)
        _agree(subject, reference, subject.draw(fewest, 7), "as few samples as can be")
        for name, inputs in subject.degenerate.items():
            same(subject.call(inputs), reference.call(inputs), name)

    return agrees


def _agree(subject: Subject, reference: Subject, inputs: Inputs, where: str) -> None:
    same(subject.call(inputs), reference.call(inputs), f"{where}, value")
    pairs = zip(gradients(subject, inputs), gradients(reference, inputs), strict=True)
    for found, expected in pairs:
        same(found, expected, f"{where}, gradient")


def is_a_value(thing: object) -> None:
    """It is a value: equal to its copies, unchangeable, and it survives a pickle.

    >>> from ganloss import Hinge
    >>> is_a_value(Hinge())
    >>> is_a_value(lambda x: x)
    Traceback (most recent call last):
    ganloss.check._report.NotApplicable: ...
    """
    import pickle

    if isinstance(thing, torch.nn.Module):
        raise NotApplicable("a frozen network")
    if not is_dataclass(thing):
        raise NotApplicable("not a dataclass")
    if copy.deepcopy(thing) != thing:
        raise Wrong("a copy is not equal to it")
    if pickle.loads(pickle.dumps(thing)) != thing:
        raise Wrong("it is another one after pickling")
    if not getattr(thing, "__dataclass_params__").frozen:  # noqa: B009
        raise Wrong("its fields can be changed: declare it @dataclass(frozen=True)")


#: Where one of these does not hold, nothing else may be tried.
FIRST = (_gives_one_number, _equal_calls_agree)
EVERY = (
    *FIRST,
    _gradients_are_exact,
    _order_does_not_matter,
    _a_batch_written_twice_is_the_same,
    _a_batch_is_the_mean_of_its_samples,
    _reductions_agree,
    _every_input_counts,
    _inputs_are_left_alone,
    _constants_get_no_gradient,
    _strides_do_not_matter,
    _fp32_is_close_to_fp64,
    _half_precision_is_accumulated_in_fp32,
    _nan_is_passed_on,
    _degenerate_inputs_are_finite,
    _misuse_is_loud,
    _the_least_is_where_it_should_be,
)
