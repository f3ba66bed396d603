"""Every pair, penalty and term on odd inputs: a finite number with finite gradients, or a sentence.

Inputs begin as those of the battery (`ganloss check`) and are then changed: number formats, layouts
in memory, sizes of values, and one of many things that are wrong with them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._pytree import tree_map

import ganloss as gl
from faults.ledger import Fault, Ledger
from ganloss.check import example, pairs, terms
from ganloss.check._subject import Inputs, Subject, mapped, normal, tensors

PROMISE = (
    "a number of the right shape, finite with finite gradients wherever inputs are (up to 1e4, in "
    "float32 and float64); or TypeError or ValueError, with words"
)

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
SCALES = (1.0, 0.0, 1e-8, 1e-3, 1e2, 1e4, -1e4, 1e20, 1e-40, float("inf"), float("nan"))
#: Up to this size of values everything is finite; images have a range, features have not.
FINITE_UP_TO = 1e4


def strided(x: Tensor) -> Tensor:
    """The same numbers, every other place of a larger tensor."""
    wide = x.new_zeros(*x.shape[:-1], 2 * x.shape[-1])
    wide[..., ::2] = x
    return wide[..., ::2]


def turned(x: Tensor) -> Tensor:
    """The same numbers, with the first dimension innermost in memory."""
    return x.movedim(0, -1).contiguous().movedim(-1, 0)


def channels_last(x: Tensor) -> Tensor:
    return x.to(memory_format=torch.channels_last) if x.dim() == 4 else x


def expanded(x: Tensor) -> Tensor:
    """One sample for all, without memory of their own."""
    return x[:1].expand_as(x)


LAYOUTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "plain": lambda x: x,
    "strided": strided,
    "turned": turned,
    "channels last": channels_last,
    "expanded": expanded,
}

#: What may be wrong with one of the inputs.
WRONGS: Mapping[str, Callable[[Any], Any]] = {
    "a tuple": lambda x: (x, x),
    "no list": lambda x: [],
    "in a list": lambda x: [x],
    "in two lists": lambda x: [[x]],
    "several scales": lambda x: [x, x] if isinstance(x, Tensor) else [*x, *x],
    "a dict": lambda x: {"x": x},
    "None": lambda x: None,
    "a number": lambda x: 1.0,
    "text": lambda x: "x",
    "numpy": lambda x: first(x).detach().float().numpy(),
    "no samples": lambda x: tree_map(lambda t: t[:0], x),
    "fewer samples": lambda x: tree_map(lambda t: t[: max(1, len(t) // 2)], x),
    "one more dimension": lambda x: tree_map(lambda t: t[..., None], x),
    "one dimension less": lambda x: tree_map(lambda t: t[0], x),
    "a single number": lambda x: first(x).sum(),
    "nothing in a sample": lambda x: tree_map(lambda t: t[..., :0], x),
    "a cut side": lambda x: tree_map(lambda t: t[..., :1], x),
    "flat": lambda x: tree_map(lambda t: t.flatten(), x),
    "integers": lambda x: tree_map(lambda t: t.detach().nan_to_num().long(), x),
    "bytes": lambda x: tree_map(lambda t: t.detach().nan_to_num().byte(), x),
    "truths": lambda x: tree_map(lambda t: t.detach() > 0, x),
    "complex": lambda x: tree_map(lambda t: t.detach().to(torch.complex64), x),
}


def first(value: Any) -> Tensor:
    """The first tensor in nested lists."""
    return value if isinstance(value, Tensor) else first(value[0])


@dataclass(frozen=True)
class Odd:
    """One example.

    Args:
        samples, seed: of the inputs.
        dtype, layout, scale: what is done to all of them.
        wrong: what is wrong with one of them, and which; empty for nothing.
        none: whether the loss of each sample is asked for.
    """

    samples: int
    seed: int
    dtype: torch.dtype
    layout: str
    scale: float
    wrong: str
    which: int
    none: bool

    @property
    def ordinary(self) -> bool:
        """Whether it has to succeed, with finite numbers."""
        fine = self.scale == 0 or 1e-8 <= abs(self.scale) <= FINITE_UP_TO
        return not self.wrong and fine and self.dtype in DTYPES[:2]


ODD = st.builds(
    Odd,
    st.integers(1, 5),
    st.integers(0, 1000),
    st.sampled_from(DTYPES),
    st.sampled_from(list(LAYOUTS)),
    st.sampled_from(SCALES),
    st.one_of(st.just(""), st.sampled_from(list(WRONGS))),
    st.integers(0, 3),
    st.booleans(),
)


def changed(inputs: Inputs, odd: Odd, labels: Sequence[str] = ()) -> dict[str, Any]:
    """The inputs as the example has them; labels keep their numbers."""

    def change(x: Tensor) -> Tensor:
        return LAYOUTS[odd.layout]((odd.scale * x).to(odd.dtype))

    kept = {name: value for name, value in inputs.items() if name in labels}
    found = mapped(change, inputs) | kept
    found = mapped(lambda x: x.detach().requires_grad_(x.is_floating_point()), found)
    if odd.wrong:
        name = list(found)[odd.which % len(found)]
        found[name] = WRONGS[odd.wrong](found[name])
    return found


def hold(
    call: Callable[[Inputs], Tensor], inputs: Inputs, odd: Odd, *, must: bool, samples: int
) -> str:
    """Make one call and hold it to the promise; "value" or "sentence" for what came of it."""
    try:
        value = call(inputs)
    except (TypeError, ValueError) as error:
        assert str(error).strip(), "an error without words"
        assert not must, f"refused: {error}"
        return "sentence"
    assert isinstance(value, Tensor), f"gave a {type(value).__name__}"
    assert value.is_floating_point()
    assert value.dim() <= 1 if odd.wrong else value.shape in ((), (samples,)), tuple(value.shape)
    if must:
        _check_finite(call, value, inputs)
    return "value"


def _check_finite(call: Callable[[Inputs], Tensor], value: Tensor, inputs: Inputs) -> None:
    """Value and gradients are finite wherever those in float64 are, and fit into float32."""
    found = [value, *_gradients(value, inputs)]
    if all(bool(torch.isfinite(x).all()) for x in found):
        return
    again = mapped(lambda x: x.detach().double().requires_grad_(True) if x.requires_grad else x,
                   inputs)  # fmt: skip
    exact = call(again)
    for name, x, y in zip(
        ["value", *tensors(inputs)], found, [exact, *_gradients(exact, again)], strict=False
    ):
        fits = bool(torch.isfinite(y.float()).all())
        what = "the value" if isinstance(name, str) else "a gradient"
        assert not fits or bool(torch.isfinite(x).all()), f"{what} is {x} and should be {y}"


def _gradients(value: Tensor, inputs: Inputs) -> list[Tensor]:
    leaves = [x for x in tensors(inputs) if x.requires_grad]
    if not leaves or not value.requires_grad:
        return []
    return list(torch.autograd.grad(value.sum(), leaves, allow_unused=True, materialize_grads=True))


LABELS = ("real_labels", "fake_labels", "labels", "categories")


def try_subject(subject: Subject, odd: Odd, *, scale_is_free: bool) -> str:
    if not odd.wrong and odd.samples < subject.smallest_batch:
        return ""
    inputs = changed(subject.draw(odd.samples, odd.seed), odd, LABELS)
    each = odd.none and subject.none is not None
    call = subject.none if odd.none and subject.none is not None else subject.call
    refused = each and subject.batch_statistic
    must = odd.ordinary and not refused and (scale_is_free or abs(odd.scale) <= 1)
    return hold(call, inputs, odd, must=must, samples=odd.samples)


class Critic(nn.Module):
    """A small network with curvature, in the number format of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 4)
        self.head = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.to(_six_numbers(x).dtype)
        return self.head(torch.tanh(self.layer(x.flatten(1))))


def _six_numbers(x: Any, count: int = 6) -> Tensor:
    """What a network complains of itself is not the penalty's to say."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError("this network takes tensors of real numbers")
    if x.dim() < 2 or x.flatten(1).shape[1] != count or len(x) == 0:
        raise ValueError(f"this network takes samples of {count} numbers")
    return x


def try_penalty(penalty: Any, odd: Odd) -> str:
    shape = (odd.samples, 3, 1, 2)  # six numbers that pass for an image
    names = ("real", "fake")
    drawn = {n: normal(*shape, seed=odd.seed + i) for i, n in enumerate(names)}
    inputs = changed(drawn, odd)
    torch.manual_seed(odd.seed)
    critic = Critic()
    if getattr(penalty, "of_weights", False):
        return hold(lambda _: penalty(critic), {}, odd, must=True, samples=odd.samples)

    def call(inputs: Inputs) -> Tensor:
        return penalty(critic, **inputs)

    return hold(call, inputs, odd, must=odd.ordinary, samples=odd.samples)


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 6)

    def forward(self, z: Tensor) -> Tensor:
        self.to(_six_numbers(z, 3).dtype)
        return torch.tanh(self.layer(z.flatten(1)))


def try_generator_penalty(penalty: Any, odd: Odd) -> str:
    torch.manual_seed(odd.seed)
    if isinstance(penalty, gl.PullingAway):
        inputs = changed({"codes": normal(odd.samples + 1, 4, seed=odd.seed)}, odd)

        def of_codes(inputs: Inputs) -> Tensor:
            return penalty(inputs["codes"])

        return hold(of_codes, inputs, odd, must=odd.ordinary, samples=odd.samples + 1)
    names = ("latents", "others")
    drawn = {n: normal(odd.samples, 3, seed=odd.seed + i) for i, n in enumerate(names)}
    inputs = changed(drawn, odd)
    generator = Generator()

    def call(inputs: Inputs) -> Tensor:
        return penalty(generator, **inputs)

    return hold(call, inputs, odd, must=odd.ordinary, samples=odd.samples)


#: Terms whose formula leaves float32, or asks for images in their range, are held to their range.
def try_term(name: str, odd: Odd) -> str:
    term = example(name)
    subject = terms._subject(term, terms.SHAPES.get(name, "images"))
    return try_subject(subject, odd, scale_is_free=False)


def tries_of(kind: str, name: str) -> Sequence[Callable[[Odd], str]]:
    if kind == "pairs":
        pair = example(name)
        subjects = [pairs._subject(pair, side) for side in ("discriminator", "generator")]
        return [partial(try_subject, subject, scale_is_free=True) for subject in subjects]
    if kind == "penalties":
        return [partial(try_penalty, example(name))]
    if kind == "penalties of the generator":
        return [partial(try_generator_penalty, gl.GENERATOR_PENALTIES[name]())]
    return [partial(try_term, name)]


ENTRIES = [
    *(("pairs", name) for name in gl.LOSSES),
    *(("penalties", name) for name in gl.PENALTIES),
    *(("penalties of the generator", name) for name in gl.GENERATOR_PENALTIES),
    *(("terms", name) for name in gl.TERMS),
]
#: Networks and long sounds take their time.
SLOW = ("perceptual", "lpips", "style", "contextual", "ms-ssim", "stft", "mel")


def run_examples(found: Sequence[Callable[[Odd], str]], count: int) -> tuple[list[str], str]:
    """What came of so many examples, and the smallest one that broke the promise."""
    seen: list[str] = []

    @settings(max_examples=count, deadline=None, database=None, derandomize=True,
              report_multiple_bugs=False, suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(ODD, st.integers(0, len(found) - 1))
    def examples(odd: Odd, which: int) -> None:
        seen.append(found[which](odd))

    try:
        examples()
    except Exception as error:
        notes = " ".join(getattr(error, "__notes__", []))
        return seen, f"{type(error).__name__}: {str(error)[:300]} {notes[:300]}"
    return seen, ""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=lambda value: value)
def test_a_number_or_a_sentence(kind: str, name: str, ledger: Ledger) -> None:
    slow = name in SLOW
    fault = Fault(f"odd inputs to {kind}: {name}", PROMISE, 3 if slow else 8, 60 if slow else 110)
    found = tries_of(kind, name)
    count = fault.tries * (2 if kind == "pairs" else 1) * (2 if not slow else 1)
    for number in ledger.left(Fault(fault.name, PROMISE, 1, 1)):
        seen, lost = run_examples(found, count)
        if not lost and count > 20 and "value" not in seen:
            lost = f"only {set(seen)} were seen"
        ledger.note(fault, number, lost, times=len(seen))
    assert not ledger.lost(fault)
