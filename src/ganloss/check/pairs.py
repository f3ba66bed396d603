"""Checks of pairs: both players' losses, and what a pair declares about itself."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from typing import Any, Literal

import torch
from torch import Tensor

from ganloss._scores import Scores
from ganloss.check._report import Finding, NotApplicable, Wrong, examine
from ganloss.check._subject import Inputs, Subject, accepts, gradients, normal, same
from ganloss.check.properties import EVERY, FIRST, SAMPLES, agrees_with, is_a_value

Player = Literal["discriminator", "generator"]

#: Beyond all range; where exp(x) leaves that of fp32; and where 1 - sigmoid(x) is 0 in fp32. At
#: the latter a naive formula is still right in float64, and so cannot be excused.
_EXTREMES = (-1e4, -100.0, -30.0, 30.0, 100.0, 1e4)


def check_pair(pair: Any, reference: Any = None) -> list[Finding]:
    """Findings about a pair: an object with ``discriminator(real=, fake=)`` and ``generator``.

    >>> from ganloss import Wasserstein
    >>> {finding.verdict for finding in check_pair(Wasserstein())} <= {"ok", "skipped"}
    True
    """
    found: list[list[Finding]] = []
    for player in ("discriminator", "generator"):
        other = None if reference is None else _subject(reference, player)
        found.append(_check_player(_subject(pair, player), other, player))
    usable = all(len(findings) > len(FIRST) for findings in found)
    return [*found[0], *found[1], *examine(pair, _OF_BOTH if usable else (is_a_value,))]


def check_side(function: Callable[..., Tensor], reference: Any, player: Player) -> list[Finding]:
    """Findings about one player's loss, a function, beside that side of a reference pair.

    >>> from ganloss import Hinge, Wasserstein
    >>> d = Wasserstein().discriminator
    >>> any(f.verdict == "failed" for f in check_side(d, Hinge(), "discriminator"))
    True
    """
    call = _by_name(function, player)
    needs_real = player == "discriminator" or _generator_needs_real(reference)
    subject = _subject_of_calls(call, None, player, needs_real=needs_real)
    return _check_player(subject, _subject(reference, player), player)


def _check_player(subject: Subject, reference: Subject | None, player: Player) -> list[Finding]:
    properties: list[Any] = [*EVERY]
    if reference is not None:
        properties.append(agrees_with(reference))
    where: Mapping[Player, str] = {"discriminator": "D", "generator": "G"}
    findings = examine(subject, properties, where[player])
    # A pair has no best scores: two infinities are.
    return [f for f in findings if not f.check.startswith("The loss is least")]


def _subject(pair: Any, player: Player) -> Subject:
    method = getattr(pair, player)
    needs_real = player == "discriminator" or _generator_needs_real(pair)
    statistic = bool(getattr(pair, "batch_statistic", False))
    return _subject_of_calls(
        method,
        partial(method, reduction="none") if accepts(method, "reduction") else None,
        player,
        needs_real=needs_real,
        ignores_fake=player == "discriminator" and bool(getattr(pair, "ignores_fake", False)),
        batch_statistic=statistic,
        compares_samples=bool(getattr(pair, "compares_samples", False)),
        smallest_batch=int(getattr(pair, "smallest_batch", 1)),
    )


def _generator_needs_real(pair: Any) -> bool:
    """As declared; without a declaration, if ``real`` must be passed."""
    declared = getattr(pair, "generator_needs_real", None)
    if declared is not None:
        return bool(declared)
    return accepts(pair.generator, "real")


def _by_name(function: Callable[..., Tensor], player: Player) -> Callable[..., Tensor]:
    """Call a function by its parameters' names where they tell real from fake, else in order."""
    from ganloss.check._subject import parameters

    names = list(parameters(function))
    roles = {
        role: next((n for n in names if any(word in n.lower() for word in words)), None)
        for role, words in (("real", ("real",)), ("fake", ("fake", "gen")))
    }

    def call(**scores: Scores) -> Tensor:
        if all(roles[role] for role in scores):
            return function(**{str(roles[role]): value for role, value in scores.items()})
        return function(*(scores[role] for role in ("real", "fake") if role in scores))

    return call


def _subject_of_calls(
    call: Callable[..., Tensor],
    none: Callable[..., Tensor] | None,
    player: Player,
    *,
    needs_real: bool,
    ignores_fake: bool = False,
    batch_statistic: bool = False,
    compares_samples: bool = False,
    smallest_batch: int = 1,
) -> Subject:
    def draw(samples: int, seed: int) -> Inputs:
        scores = {
            "real": normal(samples, 1, 2, 2, seed=seed, scale=2.0),
            "fake": normal(samples, 1, 2, 2, seed=seed + 100, scale=2.0),
        }
        return scores if needs_real else {"fake": scores["fake"]}

    x = normal(4, 1, seed=5)
    wrong: dict[str, tuple[Any, Any]] = {
        "(N, 1) real against (N,) fake scores": (x, x[:, 0]),
        "one scale more of real than of fake scores": ([x, x], [x]),
        "a tuple of scores and features": ((x, x), (x, x)),
        "single numbers": (x.mean(), x.mean()),
        "empty batches": (x[:0], x[:0]),
        "integers": (x.long(), x.long()),
    }
    needed = ("real", "fake") if needs_real else ("fake",)
    if player == "generator" and not needs_real:
        wrong = {k: v for k, v in wrong.items() if "against" not in k and "more of" not in k}

    def pick(real: Any, fake: Any) -> Inputs:
        return {name: value for name, value in (("real", real), ("fake", fake)) if name in needed}

    large = [torch.full((2, 1), value, dtype=torch.float64) for value in _EXTREMES]
    return Subject(
        lambda inputs: call(**inputs),
        draw,
        learns=needed if player == "discriminator" else ("fake",),
        ignored=("fake",) if ignores_fake else (),
        none=None if none is None else lambda inputs: none(**inputs),
        batch_statistic=batch_statistic,
        compares_samples=compares_samples,
        smallest_batch=smallest_batch,
        degenerate={
            "equal scores": pick(x, x),
            "zero scores": pick(0 * x, 0 * x),
            **{f"extreme {i}": pick(a, b) for i, (a, b) in enumerate(product(large, large))},
        },
        misuses={name: pick(real, fake) for name, (real, fake) in wrong.items()},
    )


def _learning_parts_the_scores(pair: Any) -> None:
    """Steps of D bring real scores above fake ones, and a step of G raises the fake ones."""
    # Declared energies go the other way; declared features have no up or down.
    if getattr(pair, "scores_are_features", False):
        _learning_parts_the_features(pair)
        return
    sign = -1 if getattr(pair, "real_is_low", False) else 1
    real, fake = _taught(pair, *torch.zeros(2, 8, dtype=torch.float64))
    gap = (real - fake).mean().item()
    if not sign * gap > 0.1:
        found, wanted = ("above", "below") if sign < 0 else ("below", "above")
        raise Wrong(
            f"after 100 steps of D real scores lie {-sign * gap:.3g} {found} fake ones, where "
            f"they should lie {wanted}: is a sign wrong, or are labels swapped?"
        )
    slope = _slope_of_g(pair, real, fake)
    if not (sign * slope < 0).all():
        verb = "lowers" if sign > 0 else "raises"
        raise Wrong(f"G's gradient there is {slope.max().item():.3g}: it {verb} the fake scores")


def _taught(pair: Any, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Scores after 100 small steps of D."""
    real, fake = (scores.clone().requires_grad_(True) for scores in (real, fake))
    for _ in range(100):
        loss = pair.discriminator(real=real, fake=fake)
        for scores, slope in zip(
            (real, fake),
            torch.autograd.grad(loss, (real, fake), allow_unused=True, materialize_grads=True),
            strict=True,
        ):
            scores.data -= 0.2 * len(scores) * slope.clamp(-1, 1)
    return real.detach(), fake.detach()


def _slope_of_g(pair: Any, real: Tensor, fake: Tensor) -> Tensor:
    inputs = {"real": real, "fake": fake} if _generator_needs_real(pair) else {"fake": fake}
    (slope,) = gradients(_subject(pair, "generator"), inputs)
    return slope


def _learning_parts_the_features(pair: Any) -> None:
    real, fake = normal(8, 3, seed=1), normal(8, 3, seed=2)
    before = pair.discriminator(real=real, fake=fake)
    same(pair.discriminator(real=-real, fake=-fake), before, "features with the other sign")
    real, fake = _taught(pair, real, fake)
    after = pair.discriminator(real=real, fake=fake)
    if not after < before:
        raise Wrong(f"100 steps of D bring its loss from {before.item():.6g} to {after.item():.6g}")
    slope = _slope_of_g(pair, real, fake)
    answer = pair.discriminator(real=real, fake=fake - 0.01 * slope / slope.norm())
    if not answer > after:
        raise Wrong("a step of G lowers D's loss as well: the players want the same")


def _scores_are_raw(pair: Any) -> None:
    """Scores are raw: where D is wrong by far it learns, unless it is declared to saturate."""
    if getattr(pair, "scores_are_features", False):
        raise NotApplicable("features have no up or down")
    one = torch.ones(4, dtype=torch.float64)
    low, high, near = (_slopes_of_d(pair, -x * one, x * one) for x in (30.0, -30.0, 0.0))
    # Where D is right by far it need not learn; at one of the ends it is wrong.
    far = {name: max(low[name], high[name]) for name in near}
    faint = [name for name in far if near[name] > 0 and not far[name] > 1e-6 * near[name]]
    if getattr(pair, "ignores_fake", False):
        faint = [name for name in faint if name != "fake"]
    declared = bool(getattr(pair, "saturates", False))
    if faint and not declared:
        name = faint[0]
        raise Wrong(
            f"D's gradient by {name} is {near[name]:.3g} where {name} scores are 0, and at most "
            f"{far[name]:.3g} at -30 and 30: is a sigmoid or tanh inside? Scores come without"
        )
    if declared and not faint:
        raise Wrong("saturates is declared, and D learns where it is wrong by far")


def _slopes_of_d(pair: Any, real: Tensor, fake: Tensor) -> dict[str, float]:
    found = gradients(_subject(pair, "discriminator"), {"real": real, "fake": fake})
    return {name: slope.norm().item() for name, slope in zip(("real", "fake"), found, strict=True)}


def _scales_add_up(pair: Any) -> None:
    """A list of scales has the sum of their losses."""
    real = [normal(4, 1, seed=1), normal(4, 1, 3, 3, seed=2)]
    fake = [normal(4, 1, seed=3), normal(4, 1, 3, 3, seed=4)]
    try:
        whole = pair.discriminator(real=real, fake=fake)
    except (TypeError, AttributeError) as error:
        raise NotApplicable("takes no lists of scales") from error
    parts = [pair.discriminator(real=r, fake=f) for r, f in zip(real, fake, strict=True)]
    same(whole, parts[0] + parts[1], "two scales")


def _shape_does_not_matter(pair: Any) -> None:
    """Scores of any shape (N, ...) count the mean over a sample."""
    real, fake = normal(4, 1, 3, 3, seed=1), normal(4, 1, 3, 3, seed=2)
    flat = pair.discriminator(real=real.flatten(1), fake=fake.flatten(1))
    same(flat, pair.discriminator(real=real, fake=fake), "patches in a row")


def _pairing_is_as_declared(pair: Any) -> None:
    """Sample i of real meets sample i of fake only if declared, and then batches must be equal."""
    real, fake = normal(SAMPLES, seed=1), normal(SAMPLES, seed=2)
    loss = pair.discriminator(real=real, fake=fake)
    mixed = pair.discriminator(real=real.flip(0), fake=fake)
    if not getattr(pair, "paired", False):
        same(mixed, loss, "real samples in another order")
        pair.discriminator(real=real, fake=fake[:3])
        return
    if torch.allclose(mixed, loss):
        raise Wrong("paired is declared, and another order of real samples changes nothing")
    try:
        pair.discriminator(real=real, fake=fake[:3])
    except ValueError:
        return
    raise Wrong("unequal batches of a paired loss were accepted")


def _real_scores_of_g_are_as_declared(pair: Any) -> None:
    """G's loss looks at real scores only if declared, and then asks for them."""
    if getattr(pair, "generator_needs_real", None) is None:
        raise NotApplicable("declares nothing")
    real, fake = normal(SAMPLES, seed=1), normal(SAMPLES, seed=2)
    loss = pair.generator(real=real, fake=fake)
    other = pair.generator(real=real + 1, fake=fake)
    if not pair.generator_needs_real:
        same(other, loss, "other real scores")
        same(pair.generator(fake=fake), loss, "no real scores")
        return
    if torch.allclose(other, loss):
        raise Wrong("generator_needs_real is declared, and real scores change nothing")
    try:
        pair.generator(fake=fake)
    except TypeError:
        return
    raise Wrong("G's loss without real scores was accepted")


_OF_BOTH = (
    _learning_parts_the_scores,
    _scores_are_raw,
    _scales_add_up,
    _shape_does_not_matter,
    _pairing_is_as_declared,
    _real_scores_of_g_are_as_declared,
    is_a_value,
)
