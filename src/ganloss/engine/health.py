"""How a run is doing, in words, from the numbers it wrote."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Row: TypeAlias = Mapping[str, Any]
Level = Literal["good", "watch", "bad"]

#: Fewer recorded steps than this say nothing about health.
FEWEST_ROWS = 8
#: A class with a smaller share of the samples than this counts as missing.
SMALLEST_SHARE = 0.03


@dataclass(frozen=True)
class Verdict:
    """One sentence about a run.

    Args:
        level: ``"good"``, ``"watch"`` or ``"bad"``.
        sentence: what was seen, with its numbers, and what may help.
    """

    level: Level
    sentence: str


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """Judge a run from the rows of ``metrics.jsonl``; too few rows give no verdicts.

    >>> verdicts([])
    []
    """
    trained = [row for row in rows if "d" in row]
    if len(trained) < FEWEST_ROWS:
        return []
    recent = trained[-max(FEWEST_ROWS, len(trained) // 4) :]
    found = [check(recent, rows) for check in _CHECKS]
    return [verdict for verdict in found if verdict is not None]


def _finite(recent: Sequence[Row], rows: Sequence[Row]) -> Verdict | None:
    for row in recent:
        for player in ("d", "g"):
            for name, value in row[player].items():
                if not math.isfinite(value):
                    text = f"{player}.{name} is {value} since step {row['step']}: lower --lr."
                    return Verdict("bad", f"A loss is not a number any more: {text}")
    return None


def _balance(recent: Sequence[Row], rows: Sequence[Row]) -> Verdict | None:
    """Compare how well D tells real from fake with how much gradient G receives."""
    shares = [row["scores"]["gap_accuracy"] for row in recent if "scores" in row]
    if not shares:
        return None
    share = statistics.fmean(shares)
    gradient = _recent_mean(recent, "gradient", "g")
    if share > 0.98 and gradient is not None and gradient < 1e-4:
        return Verdict(
            "bad",
            f"The discriminator wins: {share:.0%} of real scores lie above the typical fake one "
            f"and the generator's gradient is {gradient:.1e}. Add a penalty (--penalty r1=1) or "
            "lower --d-lr.",
        )
    if share > 0.98:
        return Verdict(
            "watch",
            f"The discriminator tells real from fake almost always ({share:.0%} of real scores lie "
            "above the typical fake one), but the generator still receives a gradient.",
        )
    if share < 0.5:
        return Verdict(
            "watch",
            f"The discriminator does no better than chance ({share:.0%} of real scores lie above "
            "the typical fake one): its learning rate or size may be too small.",
        )
    return Verdict(
        "good",
        f"The players are balanced: {share:.0%} of real scores lie above the typical fake one.",
    )


def _generator_alive(recent: Sequence[Row], rows: Sequence[Row]) -> Verdict | None:
    gradient = _recent_mean(recent, "gradient", "g")
    if gradient is None or gradient > 1e-6:
        return None
    return Verdict(
        "bad",
        f"The generator receives no gradient (norm {gradient:.1e}); with a saturating loss or "
        "clipped weights this does not come back. Try --loss r3gan or --loss hinge.",
    )


def _penalty(recent: Sequence[Row], rows: Sequence[Row]) -> Verdict | None:
    """GP is (norm - 1)^2 on average; its square root is the typical distance from 1."""
    value = _recent_mean(recent, "d", "gp")
    if value is None:
        return None
    off = math.sqrt(max(value, 0.0))
    if off > 0.5:
        return Verdict(
            "watch",
            f"The gradient penalty is {value:.2g}: gradient norms are about {off:.1f} away from 1, "
            "so the critic is not 1-Lipschitz. A larger --penalty gp=... holds it closer.",
        )
    return Verdict(
        "good", f"The gradient penalty holds: gradient norms are within about {off:.2f} of 1."
    )


def _coverage(recent: Sequence[Row], rows: Sequence[Row]) -> Verdict | None:
    shares = next((row["shares"] for row in reversed(rows) if row.get("shares")), None)
    if shares is None:
        return None
    rare = [i for i, share in enumerate(shares) if share < SMALLEST_SHARE]
    if rare:
        names = ", ".join(f"{i} ({shares[i]:.1%})" for i in rare)
        return Verdict(
            "bad" if len(rare) > len(shares) // 3 else "watch",
            f"Some classes are nearly missing from the samples: {names}.",
        )
    return Verdict(
        "good",
        f"All {len(shares)} classes appear, each in at least {min(shares):.1%} of the samples.",
    )


def _trend(recent: Sequence[Row], rows: Sequence[Row]) -> Verdict | None:
    scored = [(row["step"], row["fd"]) for row in rows if "fd" in row and row["step"] > 0]
    if len(scored) < 5:
        return None
    last, (best_step, best) = scored[-1][1], min(scored, key=lambda item: item[1])
    if last > 2 * best:
        return Verdict(
            "bad",
            f"The score got worse: {last:.3g} now, {best:.3g} at step {best_step}. "
            "checkpoints/best.pt holds the better network.",
        )
    third = max(2, len(scored) // 3)
    before = statistics.fmean(value for _, value in scored[-2 * third : -third])
    after = statistics.fmean(value for _, value in scored[-third:])
    if after < 0.97 * before:
        gain = f"{before:.3g} to {after:.3g} over the last third"
        return Verdict("good", f"Still improving ({gain}): training longer should help.")
    return Verdict("good", f"The score has settled at about {after:.3g}; more steps may not help.")


def _recent_mean(recent: Sequence[Row], group: str, name: str) -> float | None:
    values = [row[group][name] for row in recent if name in row.get(group, {})]
    return statistics.fmean(values) if values else None


_CHECKS: tuple[Callable[[Sequence[Row], Sequence[Row]], Verdict | None], ...] = (
    _finite,
    _generator_alive,
    _balance,
    _penalty,
    _coverage,
    _trend,
)
