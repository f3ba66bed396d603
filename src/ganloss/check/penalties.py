"""Checks of penalties: what a linear critic must give, and what must not be touched."""

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck

from ganloss.check._report import Finding, NotApplicable, Wrong, examine
from ganloss.check._subject import finite, normal, one_number, same
from ganloss.check.critics import (
    FLAT,
    STEEP,
    Penalised,
    by_name,
    linear_critic,
    seeded,
    slopes_of,
    small_network,
    two_batches,
)
from ganloss.check.properties import agree_again, is_a_value


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
    call = by_name(penalty)
    weights_only = getattr(penalty, "of_weights", False)
    findings = examine(call, _OF_WEIGHTS if weights_only else _EVERY)
    if reference is not None:
        other = by_name(reference)

        def agrees(subject: Penalised) -> None:
            """Values and gradients are those of the reference."""
            _agree(subject, other)

        findings += examine(call, [agrees])
    return [*findings, *examine(penalty, [is_a_value])]


def _gives_one_number(penalty: Penalised) -> None:
    """The penalty is one finite number that teaches the critic."""
    given: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        given.extend(inputs)

    taught = False
    for scale in (FLAT, STEEP):  # a one-sided penalty teaches on one side only
        network = small_network(scale)
        network.register_forward_pre_hook(keep)
        loss = one_number(partial(penalty, network, **two_batches(4, 4)))
        _check_points(given)
        finite([loss], "the penalty")
        if not loss.requires_grad:
            raise Wrong("it has no graph: pass create_graph=True to autograd.grad")
        slopes = slopes_of(loss, list(network.parameters()))
        taught = taught or any(bool(slope.any()) for slope in slopes)
    if not taught:
        raise Wrong("no parameter of the critic gets a gradient")


def _one_seed_gives_one_penalty(penalty: Penalised) -> None:
    """Two equal calls under the same seed give the same penalty and gradient."""
    first, second = (_value_and_slopes(penalty) for _ in range(2))
    agree_again(first, second, "draw by torch.rand and the like, which torch.manual_seed decides.")


def _value_and_slopes(penalty: Penalised) -> list[Tensor]:
    network = small_network(STEEP)
    loss = seeded(penalty, network, **two_batches(4, 4))
    return [loss, *(slopes_of(loss, [*network.parameters()]) if loss.requires_grad else ())]


def _only_points_are_random(penalty: Penalised) -> None:
    """Two calls give a linear critic the same penalty: points are drawn, and nothing else."""
    if penalty.adds_noise and not penalty.differentiates:
        raise NotApplicable("noise of its own changes the scores")
    critic, samples = linear_critic((4,), 3.0), two_batches(4, 4)
    first, second = ([penalty(critic, **samples)] for _ in range(2))
    agree_again(first, second, "is something drawn at random beside the points?")


def _check_points(given: Sequence[Tensor]) -> None:
    """Raise for what epsilon of shape (N, 1, 1, 1) makes of (N, D), by broadcasting."""
    for x in given:
        if x.shape[1:] != (4,):
            raise Wrong(
                f"the critic was given {tuple(x.shape)} points for (4, 4) samples; samples may be "
                "of any rank, so give epsilon the shape (N, 1, ...) with as many dimensions"
            )


def _steep_critics_are_flattened(penalty: Penalised) -> None:
    """Minimising it flattens a steep critic: steeper ones have larger penalties."""
    values = [seeded(penalty, small_network(s), **two_batches(4, 4)).item() for s in (1e2, 1e3)]
    if not values[1] > values[0]:
        raise Wrong(f"{values[0]:.6g} for a steep critic, {values[1]:.6g} for one ten times so")


def _one_sided_is_as_declared(penalty: Penalised) -> None:
    """A flat critic costs nothing only if one_sided is declared."""
    if penalty.one_sided is None:
        raise NotApplicable("declares nothing")
    none, little = (
        seeded(penalty, linear_critic((4,), norm), **two_batches(4, 4)) for norm in (0.0, 0.0123)
    )
    if penalty.one_sided and none.any():
        raise Wrong(f"one_sided is declared, and a flat critic has the penalty {none.item():.6g}")
    if not penalty.one_sided and not little.any():
        raise Wrong("one_sided is declared False, and an almost flat critic costs nothing")


def _doubling_changes_nothing(penalty: Penalised) -> None:
    """The batch size does not matter: a linear critic has the same gradient everywhere."""
    # Scores differ from sample to sample, so a penalty on them is given the same ones again.
    rows, tolerance = (1, 1e-6) if penalty.differentiates else (3, 1e-6)
    if penalty.adds_noise and not penalty.differentiates:
        rows, tolerance = 20_000, 0.1  # right in the mean only: five standard errors
    for norm in (0.5, 1.0, 3.0):
        critic, samples = linear_critic((4,), norm), two_batches(rows, 4)
        expected = penalty(critic, **samples)
        for times in (2, 16):
            more = {k: v.repeat(times, 1) for k, v in samples.items()}
            if penalty.differentiates:
                more = two_batches(times, 4)
            found = penalty(critic, **more)
            same(found, expected, f"{times} times the samples, gradient norm {norm}", tolerance)


def _shape_changes_nothing(penalty: Penalised) -> None:
    """The shape of a sample does not matter: the norm runs over everything but the batch."""
    for norm in (0.5, 1.0, 3.0):
        results = {
            shape: seeded(penalty, linear_critic(shape, norm), **two_batches(4, *shape))
            for shape in ((12,), (3, 4), (3, 2, 2), (1, 3, 2, 2))
        }
        for shape, found in results.items():
            same(found, results[(12,)], f"samples {shape} against (12,), gradient norm {norm}")


def _strides_change_nothing(penalty: Penalised) -> None:
    """channels_last samples give the same penalty."""
    critic, samples = linear_critic((3, 4, 4), 2.0), two_batches(4, 3, 4, 4)
    last = {k: v.contiguous(memory_format=torch.channels_last) for k, v in samples.items()}
    same(seeded(penalty, critic, **last), seeded(penalty, critic, **samples), "channels_last")


def _order_changes_nothing(penalty: Penalised) -> None:
    """The order of the samples does not matter."""
    # Noise of its own belongs to places in the batch: a linear critic does not see it.
    blind = penalty.adds_noise and penalty.differentiates
    critics = [linear_critic((4,), 2.0)] if blind else [small_network(s) for s in (FLAT, STEEP)]
    x = normal(6, 4, seed=1)
    if penalty.adds_noise and not penalty.differentiates:
        x = x[:1].expand(6, 4).clone()
    for critic in critics:
        found = seeded(penalty, critic, real=x.flip(0), fake=x.flip(0))
        same(found, seeded(penalty, critic, real=x, fake=x), "samples in reverse")


def _a_batch_is_the_mean_of_its_samples(penalty: Penalised) -> None:
    """The penalty of a batch is the mean over its samples, unless it is declared a statistic."""
    if penalty.adds_noise:
        raise NotApplicable("noise of its own belongs to places in the batch")
    network, x = small_network(STEEP), normal(5, 4, seed=1)
    whole = penalty(network, real=x, fake=x)
    alone = [penalty(network, real=x[i : i + 1], fake=x[i : i + 1]) for i in range(len(x))]
    mean = torch.stack(alone).mean()
    if not penalty.batch_statistic:
        same(mean, whole, "the mean over samples one by one")
    elif torch.allclose(mean, whole):
        raise Wrong("batch_statistic is declared, and the penalty is a mean over samples")


def _patches_count_their_mean(penalty: Penalised) -> None:
    """A critic of patches counts the mean of its patches: it is taken before all else."""
    for scale in (FLAT, STEEP):
        network = small_network(scale, outputs=9)

        def patches(x: Tensor, network: nn.Module = network) -> Tensor:
            return network(x).view(-1, 1, 3, 3)

        def means(x: Tensor, network: nn.Module = network) -> Tensor:
            return network(x).mean(1)

        samples = two_batches(4, 4)
        expected = seeded(penalty, means, **samples)
        same(seeded(penalty, patches, **samples), expected, "nine patches against their mean")


def _scales_count_their_sum(penalty: Penalised) -> None:
    """A critic of several scales counts the sum of their scores."""
    samples, network = two_batches(4, 4), small_network(STEEP, outputs=2)
    try:
        found = seeded(penalty, lambda x: list(network(x).split(1, 1)), **samples)
    except Exception as error:
        raise NotApplicable("takes no lists of scales") from error
    same(found, seeded(penalty, lambda x: network(x).sum(1), **samples), "two scales")


def _callers_tensors_are_left_alone(penalty: Penalised) -> None:
    """The caller's tensors are left alone, and the generator gets no gradient."""
    source = normal(4, 4, seed=2).requires_grad_(True)
    real, fake = normal(4, 4, seed=1), source * 2
    before = real.clone()
    penalty(small_network(), real=real, fake=fake).backward()
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

    def function(weight: Tensor, head: Tensor, scale: float) -> Tensor:
        return seeded(penalty, lambda x: torch.tanh(x @ weight.T) @ head * scale, real=x, fake=x)

    for scale, test in product((0.1, 1.0, 10.0), (gradcheck, gradgradcheck)):
        try:
            test(partial(function, scale=scale), (weight, head), fast_mode=True, atol=1e-6)
        except GradcheckError as error:
            raise Wrong(str(error).splitlines()[0]) from error


def _a_dead_critic_is_harmless(penalty: Penalised) -> None:
    """A critic of zero gradient gets finite gradients, not NaN."""
    weight = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    loss = penalty(lambda x: x @ weight, **two_batches(4, 4))
    finite([loss], "the penalty")
    finite(slopes_of(loss, [weight]), "a gradient")


_FULL_PRECISION = (
    "compute it in fp32: call the critic on x.float() within "
    "torch.autocast(x.device.type, enabled=False)"
)


def _half_precision_is_close(penalty: Penalised) -> None:
    """Under bf16 and fp16 autocast the penalty of small and of steep critics is within 1 %."""
    for scale in (1e-4, 1.0, 1e4):
        network = small_network(scale).float()
        x = normal(8, 4, seed=1).float()
        exact = seeded(penalty, network, real=x, fake=x).detach()
        for dtype in (torch.bfloat16, torch.float16):
            with torch.autocast("cpu", dtype):
                found = seeded(penalty, network, real=x, fake=x).detach()
            try:
                same(found, exact, f"{dtype}, critic scaled by {scale:g}", tolerance=1e-2)
            except Wrong as wrong:
                raise Wrong(f"{wrong}; {_FULL_PRECISION}") from wrong


def _misuse_is_loud(penalty: Penalised) -> None:
    """Misuse raises: no_grad, empty batches, integers, and fake samples that would broadcast."""
    network, x = small_network(), normal(4, 4, seed=1)
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
    network, x = small_network(), normal(4, 4, seed=1)
    try:
        with torch.no_grad():
            penalty(network, real=x, fake=x)
    except (TypeError, ValueError, RuntimeError):  # torch itself raises the last
        return False
    return True


def _looks_at_one_kind(penalty: Penalised) -> bool:
    network, x, y = small_network(STEEP), normal(4, 4, seed=1), normal(4, 4, seed=2)

    def value(real: Tensor, fake: Tensor) -> float:
        return seeded(penalty, network, real=real, fake=fake).item()

    return value(x, x) in (value(x, y), value(y, x))


def _agree(penalty: Penalised, reference: Penalised) -> None:
    """Compare where epsilon plays no role: linear critics, and real samples equal to fake ones."""
    for norm in (0.0, 0.5, 1.0, 3.0):
        critic, samples = linear_critic((3, 2, 2), norm), two_batches(5, 3, 2, 2)
        found, expected = (seeded(p, critic, **samples) for p in (penalty, reference))
        # Only a dead critic sees the epsilon that keeps its gradient finite.
        same(found, expected, f"gradient norm {norm}", tolerance=1e-6 if norm else 1e-5)
    x = normal(5, 4, seed=1)
    for scale, name in ((FLAT, "a flat network"), (STEEP, "a steep network")):
        network = small_network(scale)
        results = [seeded(p, network, real=x, fake=x) for p in (penalty, reference)]
        same(results[0], results[1], name)
        slopes = [slopes_of(result, list(network.parameters())) for result in results]
        for found, expected in zip(*slopes, strict=True):
            same(found, expected, f"{name}, its parameters' gradient")


_EVERY = (
    _gives_one_number,
    _one_seed_gives_one_penalty,
    _only_points_are_random,
    _steep_critics_are_flattened,
    _one_sided_is_as_declared,
    _doubling_changes_nothing,
    _shape_changes_nothing,
    _strides_change_nothing,
    _order_changes_nothing,
    _a_batch_is_the_mean_of_its_samples,
    _patches_count_their_mean,
    _scales_count_their_sum,
    _callers_tensors_are_left_alone,
    _one_point_per_sample_on_its_line,
    _second_derivatives_are_exact,
    _a_dead_critic_is_harmless,
    _half_precision_is_close,
    _misuse_is_loud,
)


def _samples_play_no_role(penalty: Penalised) -> None:
    """Only weights count, as declared: other samples give the same penalty."""
    network = small_network()
    other = {k: v + 1 for k, v in two_batches(3, 4).items()}
    same(penalty(network, **other), penalty(network, **two_batches(4, 4)), "other samples")


def _large_weights_are_shrunk(penalty: Penalised) -> None:
    """Minimising it shrinks large weights: larger ones have larger penalties."""
    network, values = small_network(), list[float]()
    for _ in range(2):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(100.0)
        values.append(penalty(network, **two_batches(4, 4)).item())
    if not values[1] > values[0]:
        raise Wrong(f"{values[0]:.6g} for large weights, {values[1]:.6g} for 100 times as large")


def _weights_are_learnt_exactly(penalty: Penalised) -> None:
    """Gradients by the weights equal finite differences."""
    network = small_network()
    weights = [p for p in network.parameters() if p.dim() > 1]
    loss = penalty(network, **two_batches(4, 4))
    slope = torch.autograd.grad(loss, weights)[0][0, 0].item()
    with torch.no_grad():
        values: list[float] = []
        for step in (1e-5, -2e-5):
            weights[0][0, 0] += step
            values.append(penalty(network, **two_batches(4, 4)).item())
    difference = (values[0] - values[1]) / 2e-5
    if abs(slope - difference) > 1e-6 * max(1.0, abs(difference)):
        raise Wrong(f"{slope:.8g} instead of {difference:.8g}")


def _dead_weights_are_harmless(penalty: Penalised) -> None:
    """Weights of zero get finite gradients."""
    network = small_network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    loss = penalty(network, **two_batches(4, 4))
    finite([loss, *slopes_of(loss, list(network.parameters()))], "the penalty or a gradient")


_OF_WEIGHTS = (
    _gives_one_number,
    _one_seed_gives_one_penalty,
    _large_weights_are_shrunk,
    _samples_play_no_role,
    _weights_are_learnt_exactly,
    _dead_weights_are_harmless,
    _half_precision_is_close,
)
