"""How a run is doing, in plain words, from the numbers it wrote."""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Row: TypeAlias = Mapping[str, Any]
Level: TypeAlias = Literal["good", "watch", "bad"]

#: Fewer recorded steps than this say nothing about balance, gradients and penalties.
FEWEST_ROWS = 8
#: Fewer scores than this show no trend.
FEWEST_SCORES = 5
#: Of ten classes, one with a smaller share of the samples than this is nearly missing.
SMALLEST_SHARE = 0.03
#: Updates a step that fp16 may lose; a loss scale that tries to double loses one in 2,000.
MOST_SKIPPED = 0.05

_SEVERITY = {"bad": 0, "watch": 1, "good": 2}
_PLAYERS = {"d": "discriminator", "g": "generator"}


@dataclass(frozen=True)
class Verdict:
    """One sentence about a run.

    Args:
        level: ``"good"``, ``"watch"`` or ``"bad"``.
        sentence: what was seen, with its numbers, and what may help.

    >>> Verdict("good", "The players are balanced.").level
    'good'
    """

    level: Level
    sentence: str


def verdicts(rows: Sequence[Row], key: str = "fd") -> list[Verdict]:
    """Judge a run from the rows of ``metrics.jsonl``, the worst first; few rows say little.

    Args:
        rows: what the run wrote.
        key: where its scores stand.

    >>> verdicts([])
    []
    """
    history = _History.of(rows, key)
    broken = _finite(history)
    if broken is not None:
        return [broken]
    found = [verdict for check in _CHECKS if (verdict := check(history)) is not None]
    return sorted(found, key=lambda verdict: _SEVERITY[verdict.level])


@dataclass(frozen=True)
class _History:
    """The rows of a run, cut into what the checks look at.

    Args:
        rows: every row.
        early: the first quarter of the rows with losses; empty while there are few.
        recent: the last quarter of them, at least eight; empty while there are few.
        scores: ``(step, score)`` where the metric was measured.
        from_nothing: whether the score began at that of noise, and not at that of an input which
            is near its target already, as in restoration.
    """

    rows: Sequence[Row]
    early: Sequence[Row]
    recent: Sequence[Row]
    scores: Sequence[tuple[int, float]]
    from_nothing: bool = True

    @classmethod
    def of(cls, rows: Sequence[Row], key: str) -> "_History":
        trained = [row for row in rows if isinstance(row.get("g"), Mapping)]
        scores = [(int(row["step"]), float(row[key])) for row in rows if _is_number(row.get(key))]
        from_nothing = key != "l1"
        if len(trained) < FEWEST_ROWS:
            return cls(rows, [], [], scores, from_nothing)
        quarter = max(FEWEST_ROWS // 2, len(trained) // 4)
        early, recent = trained[:quarter], trained[-max(FEWEST_ROWS, quarter) :]
        return cls(rows, early, recent, scores, from_nothing)


def _finite(history: _History) -> Verdict | None:
    for row in history.rows:
        for name, value in _numbers(row):
            if not math.isfinite(value):
                return Verdict(
                    "bad",
                    f"{name} is {value} since step {row.get('step', 0):,}: the run has diverged. "
                    "Lower --lr, or choose a loss with a penalty, e.g. --loss r3gan.",
                )
    return None


def _stable(history: _History) -> Verdict | None:
    """Compare the size of losses and gradients now with the start."""
    for group, name, words in (
        ("d", "total", "The discriminator's loss"),
        ("g", "total", "The generator's loss"),
        ("gradient", "d", "The discriminator's gradient"),
        ("gradient", "g", "The generator's gradient"),
    ):
        before = _typical(history.early, group, name)
        now = _typical(history.recent, group, name)
        if before is None or now is None or now < 100 * max(before, 1.0):
            continue
        return Verdict(
            "bad",
            f"{words} is exploding: about {_short(now)} now, {_short(before)} in the first quarter "
            "of the run. Lower --lr, or add a penalty (--penalty r1=1).",
        )
    return None


def _alive(history: _History) -> Verdict | None:
    """Look for a player that no longer learns."""
    for player, advice in (
        ("g", "Try a loss that does not saturate, e.g. --loss r3gan or --loss hinge."),
        ("d", "It has nothing left to learn from; add a penalty (--penalty r1=1)."),
    ):
        norm = _typical(history.recent, "gradient", player)
        if norm is not None and norm < 1e-6:
            return Verdict(
                "bad", f"The {_PLAYERS[player]} gets no gradient (norm {norm:.1e}). {advice}"
            )
    return None


def _balance(history: _History) -> Verdict | None:
    """Compare how well D tells real from fake with how much gradient G receives."""
    share = _mean(history.recent, "scores", "gap_accuracy")
    if share is None:
        return None
    seen = f"{share:.0%} of real scores lie above the typical fake score"
    if share > 0.98:
        return _overpowered(history, seen)
    if share < 0.44:
        return Verdict(
            "watch",
            f"The discriminator does worse than a coin: only {seen}. "
            "It may be too small or its learning rate (--d-lr) too low.",
        )
    if share < 0.56 and _hardly_improved(history):
        return Verdict(
            "watch",
            f"The discriminator cannot tell real from fake ({seen}), yet the samples are far from "
            "real: it may be too weak. Raise --d-lr or --critic-steps.",
        )
    if share < 0.56:
        return Verdict("good", f"The discriminator can hardly tell real from fake: {seen}.")
    return Verdict("good", f"The players are balanced: {seen}.")


def _overpowered(history: _History, seen: str) -> Verdict:
    early = _typical(history.early, "gradient", "g")
    now = _typical(history.recent, "gradient", "g")
    if now is not None and (now < 1e-4 or (early is not None and now < 0.01 * early)):
        return Verdict(
            "bad",
            f"The discriminator wins: {seen}, and the generator's gradient has shrunk to "
            f"{now:.1e}. Add a penalty (--penalty r1=1) or lower --d-lr.",
        )
    if now is not None and is_improving([value for _, value in history.scores]):
        return Verdict(
            "good",
            f"The discriminator is nearly always right ({seen}), and the generator still learns "
            f"from it (gradient norm {_short(now)}, and the score improves).",
        )
    if now is not None and early is not None and now > 0.3 * early:
        return Verdict(
            "watch",
            f"The discriminator is nearly always right ({seen}), but the generator still gets a "
            f"gradient (norm {_short(now)}). Worry only if the samples stop changing.",
        )
    return Verdict(
        "watch",
        f"The discriminator is nearly always right ({seen}). If the samples stop improving, add a "
        "penalty (--penalty r1=1) or lower --d-lr.",
    )


def _hardly_improved(history: _History) -> bool:
    scores = [value for _, value in history.scores]
    return len(scores) >= FEWEST_SCORES and statistics.median(scores[-3:]) > 0.5 * scores[0]


def _lipschitz(history: _History) -> Verdict | None:
    """GP is the mean of (norm - 1)^2; its root is a typical distance of the norm from 1."""
    value = _mean(history.recent, "d", "gp")
    if value is None:
        return None
    off = math.sqrt(max(value, 0.0))
    if off > 0.5:
        return Verdict(
            "bad" if off > 3 else "watch",
            f"The gradient penalty is off: the critic's gradient norms are about {_short(off)} "
            f"away from 1 (penalty {_short(value)}). A larger weight, e.g. --penalty gp=30, or a "
            "smaller --d-lr holds them closer.",
        )
    return Verdict(
        "good",
        f"The gradient penalty holds: the critic's gradient norms stay within about {_short(off)} "
        "of 1.",
    )


def _penalty_size(history: _History) -> Verdict | None:
    """Compare what the penalties add to the discriminator's loss with the game itself."""
    losses = [row.get("d") for row in history.recent]
    rows = [{"d": d} for d in losses if isinstance(d, Mapping) and len(d) > 2]
    totals, games = _values(rows, "d", "total"), _values(rows, "d", "adv")
    if not rows or not len(history.recent) == len(totals) == len(games):
        return None  # a penalty that is skipped at times shows nothing here
    added = statistics.median(abs(total - adv) for total, adv in zip(totals, games, strict=True))
    game = statistics.median(map(abs, games))
    if added < 1e-9:
        return Verdict("watch", "The penalty is 0: the discriminator is flat and teaches nothing.")
    if added > max(2 * game, 0.5):
        return Verdict(
            "watch",
            f"The penalty is at odds with the game: it adds {_short(added)} to the discriminator's "
            f"loss, whose adversarial part is {_short(game)}. A smaller weight may let it learn.",
        )
    return None


def _half_precision(history: _History) -> Verdict | None:
    """Count the updates that were skipped because an fp16 gradient overflowed."""
    rows = [row for row in history.recent if isinstance(row.get("skipped"), Mapping)]
    if len(rows) < FEWEST_ROWS:
        return None
    steps = int(rows[-1]["step"]) - int(rows[0]["step"])
    for player, words in _PLAYERS.items():
        counts = _values(rows, "skipped", player)
        lost = counts[-1] - counts[0] if counts else 0  # restoration may have one player alone
        if lost > MOST_SKIPPED * steps:
            return Verdict(
                "watch",
                f"Half precision loses updates: {lost:.0f} of the {words}'s were skipped "
                f"in the last {steps:,} steps because its gradient overflowed. --precision bf16 "
                "or 32 skips none.",
            )
    total = sum(rows[-1]["skipped"].values())
    return Verdict(
        "good",
        f"Half precision holds: {total:,} updates were skipped in all while the loss scales "
        "settled.",
    )


def _coverage(history: _History) -> Verdict | None:
    shares = next((row["shares"] for row in reversed(history.rows) if row.get("shares")), None)
    if not history.recent or not isinstance(shares, list) or not all(map(_is_number, shares)):
        return None
    least = min(SMALLEST_SHARE, 0.3 / len(shares))
    rare = [i for i, share in enumerate(shares) if share < least]
    if not rare:
        return Verdict(
            "good",
            f"All {len(shares)} classes appear, each in at least {min(shares):.1%} of the samples.",
        )
    names = ", ".join(f"{i} ({shares[i]:.1%})" for i in rare[:10])
    gone = any(shares[i] < least / 6 for i in rare) or len(rare) > len(shares) / 3
    return Verdict(
        "bad" if gone else "watch",
        f"Under {least:.1%} of the samples belong to class {names}, {len(rare)} of {len(shares)}: "
        "modes are missing. Train longer if they are still coming; if they were there before, the "
        "generator is collapsing, and a penalty or --loss r3gan may help.",
    )


def _trend(history: _History) -> Verdict | None:
    """Judge the metric: worse than its best, stuck, still improving, or settled."""
    scores = history.scores
    if len(scores) < FEWEST_SCORES:
        return None
    first, now = scores[0][1], statistics.median(value for _, value in scores[-2:])
    best_step, best = min(scores, key=lambda item: item[1])
    values = [value for _, value in scores]
    if best > (0.9 if history.from_nothing else 0.99) * first:
        began = f"the score began at {_short(first)} and its best is {_short(best)}"
        if is_improving(values):
            return Verdict("watch", f"The samples improve again after a bad start: {began}.")
        return Verdict(
            "bad" if len(scores) >= 2 * FEWEST_SCORES else "watch",
            f"The samples have not improved: {began}.",
        )
    if now > 1.5 * best:
        return Verdict(
            "bad" if now > 2 * best else "watch",
            f"The score got worse again: {_short(now)} now, {_short(best)} at step {best_step:,}. "
            "checkpoints/best.pt holds the better generator.",
        )
    return _pace(values, from_nothing=history.from_nothing)


def is_improving(scores: Sequence[float]) -> bool:
    """Whether a run's scores were still falling at its end: the last third below the one before.

    >>> is_improving([9.0, 5.0, 4.0, 3.0, 2.0, 1.0]), is_improving([9.0, 5.0, 1.0, 1.0, 1.0, 1.0])
    (True, False)
    """
    if len(scores) < FEWEST_SCORES:
        return False
    before, after = _middle_and_end(scores)
    return after < 0.93 * before


def _middle_and_end(scores: Sequence[float]) -> tuple[float, float]:
    """Typical score in the last third of the run and in the one before."""
    third = max(2, len(scores) // 3)
    return statistics.median(scores[-2 * third : -third]), statistics.median(scores[-third:])


def _pace(scores: Sequence[float], *, from_nothing: bool) -> Verdict:
    before, after = _middle_and_end(scores)
    change = f"{_short(before)} in the middle of the run, {_short(after)} at its end"
    if is_improving(scores):
        return Verdict(
            "good", f"The score is still improving ({change}): training longer should help."
        )
    if after > 1.15 * before:
        return Verdict("watch", f"The score is drifting up ({change}); lower is better.")
    if from_nothing and after > 0.3 * scores[0]:
        return Verdict(
            "watch",
            f"The score has settled far from where it should go ({change}, {_short(scores[0])} at "
            "the start): another loss or learning rate may do better.",
        )
    return Verdict(
        "good", f"The score has settled ({change}): more steps alone will change little."
    )


def _numbers(row: Row) -> Iterator[tuple[str, float]]:
    """Every number of a row by a name for people: losses, gradients, scores and the metric."""
    for group, values in row.items():
        if isinstance(values, Mapping):
            words = {"d": "Loss", "g": "Loss", "gradient": "Gradient"}.get(group, group.title())
            for name, value in values.items():
                if _is_number(value):
                    label = f"{group}.{name}" if words == "Loss" else name
                    yield f"{words} {label}", value
    for key in ("fd", "l1"):
        if _is_number(row.get(key)):
            yield "The score", row[key]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _values(rows: Sequence[Row], group: str, name: str) -> list[float]:
    groups = [row[group] for row in rows if isinstance(row.get(group), Mapping)]
    return [values[name] for values in groups if _is_number(values.get(name))]


def _mean(rows: Sequence[Row], group: str, name: str) -> float | None:
    values = _values(rows, group, name)
    return statistics.fmean(values) if values else None


def _typical(rows: Sequence[Row], group: str, name: str) -> float | None:
    """Median size, which single spikes do not move."""
    values = _values(rows, group, name)
    return statistics.median(map(abs, values)) if values else None


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


_CHECKS: tuple[Callable[[_History], Verdict | None], ...] = (
    _stable,
    _alive,
    _balance,
    _lipschitz,
    _penalty_size,
    _half_precision,
    _coverage,
    _trend,
)
