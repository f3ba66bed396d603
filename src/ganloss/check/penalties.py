"""Checks of penalties: what a linear critic must give, and what must not be touched."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError

from ganloss.check._report import Finding, NotApplicable, Wrong, examine
from ganloss.check._subject import finite, normal, parameters, same
from ganloss.check.properties import is_a_value

#: A penalty as it is checked: ``penalty(critic, real=, fake=)``.
Penalised: TypeAlias = "_Call"


def check_penalty(penalty: Any, reference: Any = None) -> list[Finding]:
    """Findings about a penalty, called with a critic and real and fake samples.

    >>> from ganloss import R1
    >>> any(finding.verdict == "failed" for finding in check_penalty(R1()))
    False
    >>> def constant(critic, *, real):
    ...     return torch.tensor(0.0)
    >>> check_penalty(constant)[0].detail
    'it has no graph: pass create_graph=True to autograd.grad'
    """
    call = _by_name(penalty)
    weights_only = getattr(penalty, "of_weights", False)
    findings = examine(call, _OF_WEIGHTS if weights_only else _EVERY)
    if reference is not None:
        other = _by_name(reference)

        def agrees(subject: Penalised) -> None:
            """Values and gradients are those of the reference."""
            _agree(subject, other)

        findings += examine(call, [agrees])
    return [*findings, *examine(penalty, [is_a_value])]


def _by_name(penalty: Any) -> Penalised:
    """Call by ``real=`` and ``fake=``, or by parameters whose names say so, or in order."""
    names = list(parameters(penalty))
    real = next((n for n in names if "real" in n.lower()), None)
    fake = next((n for n in names if "fake" in n.lower() or "gen" in n.lower()), None)

    return _Call(penalty, real, fake)


class _Call:
    """A penalty called by ``real=`` and ``fake=``, with what it declares about itself."""

    def __init__(self, penalty: Any, real: str | None, fake: str | None) -> None:
        self._penalty, self._real, self._fake = penalty, real, fake
        self.differentiates = bool(getattr(penalty, "differentiates", True))
        self.adds_noise = bool(getattr(penalty, "adds_noise", False))
        self.batch_statistic = bool(getattr(penalty, "batch_statistic", False))

    def __call__(self, critic: Callable[..., Any], *, real: Tensor, fake: Tensor) -> Tensor:
        samples = {self._real: real} if self._real else {}
        samples |= {self._fake: fake} if self._fake else {}
        if not samples:
            return self._penalty(critic, real, fake)
        return self._penalty(critic, **samples)


def _seeded(penalty: Penalised, critic: Callable[..., Any], **samples: Tensor) -> Tensor:
    """Call a penalty with the same random numbers each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return penalty(critic, **samples)


def _linear(shape: tuple[int, ...], norm: float) -> Callable[[Tensor], Tensor]:
    weight = normal(*shape, seed=9)
    weight = weight * (norm / weight.norm())
    return lambda x: (x * weight.to(x.dtype)).flatten(1).sum(1)


def _samples(count: int, *shape: int) -> dict[str, Tensor]:
    return {"real": normal(count, *shape, seed=1), "fake": normal(count, *shape, seed=2)}


def _network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1)).double()


def _slopes(loss: Tensor, parameters: list[Tensor]) -> tuple[Tensor, ...]:
    """Gradients of the parameters, zeros where there is none."""
    return torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)


def _gives_one_number(penalty: Penalised) -> None:
    """The penalty is one finite number that teaches the critic."""
    network = _network()
    loss = penalty(network, **_samples(4, 4))
    if loss.dim() != 0:
        raise Wrong(f"a tensor of shape {tuple(loss.shape)} was returned")
    finite([loss], "the penalty")
    if not loss.requires_grad:
        raise Wrong("it has no graph: pass create_graph=True to autograd.grad")
    slopes = _slopes(loss, list(network.parameters()))
    if not any(slope.any() for slope in slopes):
        raise Wrong("no parameter of the critic gets a gradient")


def _doubling_changes_nothing(penalty: Penalised) -> None:
    """The batch size does not matter: a linear critic has the same gradient everywhere."""
    # Scores differ from sample to sample, so a penalty on them is given the same ones again.
    rows, tolerance = (1, 1e-6) if penalty.differentiates else (3, 1e-6)
    if penalty.adds_noise and not penalty.differentiates:
        rows, tolerance = 20_000, 0.1  # right in the mean only: five standard errors
    for norm in (0.5, 1.0, 3.0):
        critic, samples = _linear((4,), norm), _samples(rows, 4)
        expected = penalty(critic, **samples)
        for times in (2, 16):
            more = {k: v.repeat(times, 1) for k, v in samples.items()}
            if penalty.differentiates:
                more = _samples(times, 4)
            found = penalty(critic, **more)
            same(found, expected, f"{times} times the samples, gradient norm {norm}", tolerance)


def _shape_changes_nothing(penalty: Penalised) -> None:
    """The shape of a sample does not matter: the norm runs over everything but the batch."""
    for norm in (0.5, 1.0, 3.0):
        results = {
            shape: _seeded(penalty, _linear(shape, norm), **_samples(4, *shape))
            for shape in ((12,), (3, 4), (3, 2, 2), (1, 3, 2, 2))
        }
        for shape, found in results.items():
            same(found, results[(12,)], f"samples {shape} against (12,), gradient norm {norm}")


def _strides_change_nothing(penalty: Penalised) -> None:
    """channels_last samples give the same penalty."""
    critic, samples = _linear((3, 4, 4), 2.0), _samples(4, 3, 4, 4)
    last = {k: v.contiguous(memory_format=torch.channels_last) for k, v in samples.items()}
    same(_seeded(penalty, critic, **last), _seeded(penalty, critic, **samples), "channels_last")


def _order_changes_nothing(penalty: Penalised) -> None:
    """The order of the samples does not matter."""
    # Noise of its own belongs to places in the batch: a linear critic does not see it.
    network = _linear((4,), 2.0) if penalty.adds_noise and penalty.differentiates else _network()
    x = normal(6, 4, seed=1)
    if penalty.adds_noise and not penalty.differentiates:
        x = x[:1].expand(6, 4).clone()
    found = _seeded(penalty, network, real=x.flip(0), fake=x.flip(0))
    same(found, _seeded(penalty, network, real=x, fake=x), "samples in reverse")


def _a_batch_is_the_mean_of_its_samples(penalty: Penalised) -> None:
    """The penalty of a batch is the mean over its samples, unless it is declared a statistic."""
    if penalty.adds_noise:
        raise NotApplicable("noise of its own belongs to places in the batch")
    network, x = _network(), normal(5, 4, seed=1)
    whole = penalty(network, real=x, fake=x)
    alone = [penalty(network, real=x[i : i + 1], fake=x[i : i + 1]) for i in range(len(x))]
    mean = torch.stack(alone).mean()
    if not penalty.batch_statistic:
        same(mean, whole, "the mean over samples one by one")
    elif torch.allclose(mean, whole):
        raise Wrong("batch_statistic is declared, and the penalty is a mean over samples")


def _patches_count_their_mean(penalty: Penalised) -> None:
    """A critic of patches counts the mean of its patches."""
    linear, samples = _linear((6,), 2.0), _samples(4, 6)

    def patches(x: Tensor) -> Tensor:
        return linear(x).view(-1, 1, 1).expand(-1, 3, 3)

    same(
        _seeded(penalty, patches, **samples),
        _seeded(penalty, linear, **samples),
        "nine equal patches",
    )


def _callers_tensors_are_left_alone(penalty: Penalised) -> None:
    """The caller's tensors are left alone, and the generator gets no gradient."""
    source = normal(4, 4, seed=2).requires_grad_(True)
    real, fake = normal(4, 4, seed=1), source * 2
    before = real.clone()
    penalty(_network(), real=real, fake=fake).backward()
    if real.requires_grad or real.grad is not None:
        raise Wrong("requires_grad of the real batch was switched on")
    if not torch.equal(real, before):
        raise Wrong("the real batch was written to")
    if source.grad is not None:
        raise Wrong("the generator got a gradient: detach the fake samples")


def _one_point_per_sample_on_its_line(penalty: Penalised) -> None:
    """Points between real and fake lie on the line, at another place for each sample."""
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.square().flatten(1).sum(1)

    if not penalty.differentiates and not penalty.adds_noise:
        raise NotApplicable("looks at scores only")
    start, step = normal(32, 3, seed=1), normal(32, 3, seed=2)
    if penalty.adds_noise:
        penalty(critic, real=start, fake=start)
        if len(unique := (seen[0] - start).round(decimals=6).unique()) < 90:
            raise Wrong(f"adds_noise is declared, and 96 coordinates got {len(unique)} numbers")
        return
    penalty(critic, real=start + step, fake=start)
    places = (seen[-1] - start) / step
    if places.shape != (32, 3):
        raise Wrong(f"the critic was given {tuple(places.shape)} points for (32, 3) samples")
    if torch.allclose(places, places.round()):
        raise NotApplicable("looks at the samples themselves")
    if not torch.allclose(places, places[:, :1].expand_as(places), atol=1e-6):
        raise Wrong("the coordinates of one point are mixed by different epsilons")
    if len(places[:, 0].round(decimals=6).unique()) < 30:
        raise Wrong("one epsilon is shared by the whole batch")


def _second_derivatives_are_exact(penalty: Penalised) -> None:
    """First and second derivatives by the critic's parameters equal finite differences."""
    weight, head = normal(4, 4, seed=3).requires_grad_(True), normal(4, seed=4).requires_grad_(True)
    x = normal(3, 4, seed=1)

    def function(weight: Tensor, head: Tensor) -> Tensor:
        return _seeded(penalty, lambda x: torch.tanh(x @ weight.T) @ head, real=x, fake=x)

    for test in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        try:
            test(function, (weight, head), fast_mode=True, atol=1e-6)
        except GradcheckError as error:
            raise Wrong(str(error).splitlines()[0]) from error


def _a_dead_critic_is_harmless(penalty: Penalised) -> None:
    """A critic of zero gradient gets finite gradients, not NaN."""
    weight = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    loss = penalty(lambda x: x @ weight, **_samples(4, 4))
    finite([loss], "the penalty")
    finite(_slopes(loss, [weight]), "a gradient")


def _half_precision_is_close(penalty: Penalised) -> None:
    """Under bf16 and fp16 autocast the penalty of small and of steep critics is within 1 %."""
    for scale in (1e-4, 1.0, 1e4):
        network = _network().float()
        with torch.no_grad():
            for parameter in network[2].parameters():
                parameter.mul_(scale)
        x = normal(8, 4, seed=1).float()
        exact = _seeded(penalty, network, real=x, fake=x).detach()
        for dtype in (torch.bfloat16, torch.float16):
            with torch.autocast("cpu", dtype):
                found = _seeded(penalty, network, real=x, fake=x).detach()
            same(found, exact, f"{dtype}, critic scaled by {scale:g}", tolerance=1e-2)


def _misuse_is_loud(penalty: Penalised) -> None:
    """Misuse raises: no_grad, empty batches, integers, and fake samples that would broadcast."""
    network, x = _network(), normal(4, 4, seed=1)
    quiet: list[str] = []
    cases = {
        "empty batches": {"real": x[:0], "fake": x[:0]},
        "integers": {"real": x.long(), "fake": x.long()},
    }
    if penalty.differentiates and not _looks_at_one_kind(penalty):
        cases["one fake sample for four real ones"] = {"real": x, "fake": x[:1]}
    for name, samples in cases.items():
        try:
            penalty(network, **samples)
        except Exception:
            continue
        quiet.append(name)
    if penalty.differentiates and _works_without_gradients(penalty):
        quiet.append("torch.no_grad()")
    if quiet:
        raise Wrong(f"accepted silently: {', '.join(quiet)}")
    if not penalty.differentiates and not _works_without_gradients(penalty):
        raise Wrong("it is declared not to differentiate, and fails under torch.no_grad()")


def _works_without_gradients(penalty: Penalised) -> bool:
    network, x = _network(), normal(4, 4, seed=1)
    try:
        with torch.no_grad():
            penalty(network, real=x, fake=x)
    except (TypeError, ValueError, RuntimeError):  # torch itself raises the last
        return False
    return True


def _looks_at_one_kind(penalty: Penalised) -> bool:
    network, x, y = _network(), normal(4, 4, seed=1), normal(4, 4, seed=2)

    def value(real: Tensor, fake: Tensor) -> float:
        return _seeded(penalty, network, real=real, fake=fake).item()

    return value(x, x) in (value(x, y), value(y, x))


def _agree(penalty: Penalised, reference: Penalised) -> None:
    """Compare where epsilon plays no role: linear critics, and real samples equal to fake ones."""
    for norm in (0.0, 0.5, 1.0, 3.0):
        critic, samples = _linear((3, 2, 2), norm), _samples(5, 3, 2, 2)
        found, expected = (_seeded(p, critic, **samples) for p in (penalty, reference))
        same(found, expected, f"gradient norm {norm}")
    network, x = _network(), normal(5, 4, seed=1)
    results = [_seeded(p, network, real=x, fake=x) for p in (penalty, reference)]
    same(results[0], results[1], "a small network")
    slopes = [_slopes(result, list(network.parameters())) for result in results]
    for found, expected in zip(*slopes, strict=True):
        same(found, expected, "its parameters' gradient")


_EVERY = (
    _gives_one_number,
    _doubling_changes_nothing,
    _shape_changes_nothing,
    _strides_change_nothing,
    _order_changes_nothing,
    _a_batch_is_the_mean_of_its_samples,
    _patches_count_their_mean,
    _callers_tensors_are_left_alone,
    _one_point_per_sample_on_its_line,
    _second_derivatives_are_exact,
    _a_dead_critic_is_harmless,
    _half_precision_is_close,
    _misuse_is_loud,
)


def _samples_play_no_role(penalty: Penalised) -> None:
    """Only weights count, as declared: other samples give the same penalty."""
    network = _network()
    other = {k: v + 1 for k, v in _samples(3, 4).items()}
    same(penalty(network, **other), penalty(network, **_samples(4, 4)), "other samples")


def _weights_are_learnt_exactly(penalty: Penalised) -> None:
    """Gradients by the weights equal finite differences."""
    network = _network()
    weights = [p for p in network.parameters() if p.dim() > 1]
    loss = penalty(network, **_samples(4, 4))
    slope = torch.autograd.grad(loss, weights)[0][0, 0].item()
    with torch.no_grad():
        values: list[float] = []
        for step in (1e-5, -2e-5):
            weights[0][0, 0] += step
            values.append(penalty(network, **_samples(4, 4)).item())
    difference = (values[0] - values[1]) / 2e-5
    if abs(slope - difference) > 1e-6 * max(1.0, abs(difference)):
        raise Wrong(f"{slope:.8g} instead of {difference:.8g}")


def _dead_weights_are_harmless(penalty: Penalised) -> None:
    """Weights of zero get finite gradients."""
    network = _network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    loss = penalty(network, **_samples(4, 4))
    finite([loss, *_slopes(loss, list(network.parameters()))], "the penalty or a gradient")


_OF_WEIGHTS = (
    _gives_one_number,
    _samples_play_no_role,
    _weights_are_learnt_exactly,
    _dead_weights_are_harmless,
    _half_precision_is_close,
)
