"""Checks of penalties: what a linear critic must give, and what must not be touched."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError

from ganloss.check._report import Finding, NotApplicable, Wrong, examine
from ganloss.check._subject import finite, normal, parameters, same
from ganloss.check.properties import is_a_value

#: A penalty as it is checked: ``penalty(critic, real=, fake=)``.
Penalised = Callable[..., Tensor]


def check_penalty(penalty: Any, reference: Any = None) -> list[Finding]:
    """Findings about a penalty, called with a critic and real and fake samples."""
    call = _by_name(penalty)
    findings = examine(call, _EVERY)
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

    def call(critic: Callable[..., Any], *, real: Tensor, fake: Tensor) -> Tensor:
        samples = {real_name: real for real_name in [real_key] if real_name}
        samples |= {fake_name: fake for fake_name in [fake_key] if fake_name}
        return penalty(critic, **samples) if samples else penalty(critic, real, fake)

    real_key, fake_key = real, fake
    return call


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


def gives_one_number(penalty: Penalised) -> None:
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


def doubling_changes_nothing(penalty: Penalised) -> None:
    """The batch size does not matter: a linear critic has the same gradient everywhere."""
    for norm in (0.5, 1.0, 3.0):
        critic = _linear((4,), norm)
        expected = penalty(critic, **_samples(1, 4))
        for count in (2, 16):
            found = penalty(critic, **_samples(count, 4))
            same(found, expected, f"{count} samples, gradient norm {norm}")


def shape_changes_nothing(penalty: Penalised) -> None:
    """The shape of a sample does not matter: the norm runs over everything but the batch."""
    for norm in (0.5, 1.0, 3.0):
        results = {
            shape: penalty(_linear(shape, norm), **_samples(4, *shape))
            for shape in ((12,), (3, 4), (3, 2, 2), (1, 3, 2, 2))
        }
        for shape, found in results.items():
            same(found, results[(12,)], f"samples {shape} against (12,), gradient norm {norm}")


def strides_change_nothing(penalty: Penalised) -> None:
    """channels_last samples give the same penalty."""
    critic, samples = _linear((3, 4, 4), 2.0), _samples(4, 3, 4, 4)
    last = {k: v.contiguous(memory_format=torch.channels_last) for k, v in samples.items()}
    same(penalty(critic, **last), penalty(critic, **samples), "channels_last")


def order_changes_nothing(penalty: Penalised) -> None:
    """The order of the samples does not matter."""
    network = _network()
    x = normal(6, 4, seed=1)
    found = penalty(network, real=x.flip(0), fake=x.flip(0))
    same(found, penalty(network, real=x, fake=x), "samples in reverse")


def patches_count_their_mean(penalty: Penalised) -> None:
    """A critic of patches counts the mean of its patches."""
    linear, samples = _linear((6,), 2.0), _samples(4, 6)

    def patches(x: Tensor) -> Tensor:
        return linear(x).view(-1, 1, 1).expand(-1, 3, 3)

    same(penalty(patches, **samples), penalty(linear, **samples), "nine equal patches")


def callers_tensors_are_left_alone(penalty: Penalised) -> None:
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


def one_point_per_sample_on_its_line(penalty: Penalised) -> None:
    """Points between real and fake lie on the line, at another place for each sample."""
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.square().flatten(1).sum(1)

    start, step = normal(32, 3, seed=1), normal(32, 3, seed=2)
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


def second_derivatives_are_exact(penalty: Penalised) -> None:
    """First and second derivatives by the critic's parameters equal finite differences."""
    weight, head = normal(4, 4, seed=3).requires_grad_(True), normal(4, seed=4).requires_grad_(True)
    x = normal(3, 4, seed=1)

    def function(weight: Tensor, head: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return penalty(lambda x: torch.tanh(x @ weight.T) @ head, real=x, fake=x)

    for test in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        try:
            test(function, (weight, head), fast_mode=True, atol=1e-6)
        except GradcheckError as error:
            raise Wrong(str(error).splitlines()[0]) from error


def a_dead_critic_is_harmless(penalty: Penalised) -> None:
    """A critic of zero gradient gets finite gradients, not NaN."""
    weight = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    loss = penalty(lambda x: x @ weight, **_samples(4, 4))
    finite([loss], "the penalty")
    finite(_slopes(loss, [weight]), "a gradient")


def half_precision_is_close(penalty: Penalised) -> None:
    """Under bf16 and fp16 autocast the penalty of small and of steep critics is within 1 %."""
    for scale in (1e-4, 1.0, 1e4):
        network = _network().float()
        with torch.no_grad():
            for parameter in network[2].parameters():
                parameter.mul_(scale)
        x = normal(8, 4, seed=1).float()
        exact = penalty(network, real=x, fake=x).detach()
        for dtype in (torch.bfloat16, torch.float16):
            with torch.autocast("cpu", dtype):
                found = penalty(network, real=x, fake=x).detach()
            same(found, exact, f"{dtype}, critic scaled by {scale:g}", tolerance=1e-2)


def misuse_is_loud(penalty: Penalised) -> None:
    """Misuse raises: no_grad, empty batches, integers, and fake samples that would broadcast."""
    network, x = _network(), normal(4, 4, seed=1)
    quiet: list[str] = []
    cases = {
        "empty batches": {"real": x[:0], "fake": x[:0]},
        "integers": {"real": x.long(), "fake": x.long()},
    }
    if not _looks_at_one_kind(penalty):
        cases["one fake sample for four real ones"] = {"real": x, "fake": x[:1]}
    for name, samples in cases.items():
        try:
            penalty(network, **samples)
        except Exception:
            continue
        quiet.append(name)
    try:
        with torch.no_grad():
            penalty(network, real=x, fake=x)
    except RuntimeError:
        pass
    else:
        quiet.append("torch.no_grad()")
    if quiet:
        raise Wrong(f"accepted silently: {', '.join(quiet)}")


def _looks_at_one_kind(penalty: Penalised) -> bool:
    network, x, y = _network(), normal(4, 4, seed=1), normal(4, 4, seed=2)

    def value(real: Tensor, fake: Tensor) -> float:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return penalty(network, real=real, fake=fake).item()

    return value(x, x) in (value(x, y), value(y, x))


def _agree(penalty: Penalised, reference: Penalised) -> None:
    """Compare where epsilon plays no role: linear critics, and real samples equal to fake ones."""
    for norm in (0.0, 0.5, 1.0, 3.0):
        critic, samples = _linear((3, 2, 2), norm), _samples(5, 3, 2, 2)
        same(penalty(critic, **samples), reference(critic, **samples), f"gradient norm {norm}")
    network, x = _network(), normal(5, 4, seed=1)
    results = [p(network, real=x, fake=x) for p in (penalty, reference)]
    same(results[0], results[1], "a small network")
    slopes = [_slopes(result, list(network.parameters())) for result in results]
    for found, expected in zip(*slopes, strict=True):
        same(found, expected, "its parameters' gradient")


_EVERY = (
    gives_one_number,
    doubling_changes_nothing,
    shape_changes_nothing,
    strides_change_nothing,
    order_changes_nothing,
    patches_count_their_mean,
    callers_tensors_are_left_alone,
    one_point_per_sample_on_its_line,
    second_derivatives_are_exact,
    a_dead_critic_is_harmless,
    half_precision_is_close,
    misuse_is_loud,
)
