"""What a comparison held equal and what it did not, in words."""

from collections.abc import Iterable, Sequence
from typing import Any

from ganloss.constraints import ClipWeights
from ganloss.games import GAMES, Game
from ganloss.lab.plan import Plan
from ganloss.lab.results import Comparison, best_draws, mean_of
from ganloss.outputs import EnergyOutput, FeatureOutput, Output
from ganloss.runs.reading import finite
from ganloss.runs.wording import listed, number

_OPTIMISERS = ("lr", "g_lr", "d_lr", "betas")
_NETWORKS = frozenset(
    {"network", "width", "depth", "norm", "scales", "generator", "discriminator", "latent"}
)


def optimisers_of(plan: Plan) -> str:
    """Whose optimisers the variants have, as a part of a sentence.

    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10, lr=0.001)
    >>> optimisers_of(plan(settings, ["ns", "r3gan"]))
    "each loss's published optimiser with --lr 0.001"
    >>> optimisers_of(plan(settings, ["ns"], ["lr=1e-4,2e-4"]))
    'the optimisers of ns but for the lr compared'
    """
    if plan.draws:
        return f"the best of {plan.draws} random settings for each"
    if plan.tuning == "shared":
        return "one optimiser for all"
    if len(plan.losses) > 1:
        return f"each loss's published optimiser{_but_for(plan)}"
    whose = (
        "the same optimisers" if plan.losses == ["none"] else f"the optimisers of {plan.losses[0]}"
    )
    return f"{whose}{_but_for(plan)}"


def _but_for(plan: Plan) -> str:
    """What was given for all of them, and what is compared."""
    compared = [_flag(name) for name in _OPTIMISERS if name in plan.varied]
    given = [
        f"--{_flag(name)} {value}"
        for name in _OPTIMISERS
        if name not in plan.varied and (value := getattr(plan.settings, name)) is not None
    ]
    words = f" with {listed(given)}" if given else ""
    return words + (f" but for the {listed(compared)} compared" if compared else "")


def sentences(comparison: Comparison) -> list[str]:
    """Say what was held equal, and what was not.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.lab.comparison import create
    >>> from ganloss.lab.plan import plan
    >>> from ganloss.runs.settings import GenerateSettings
    >>> settings = GenerateSettings(data="demo:ring", steps=10)
    >>> with TemporaryDirectory() as out:  # planned, nothing has run yet
    ...     planned = plan(settings, ["ns"], ["batch-size=16,64"])
    ...     print(sentences(Comparison(create(planned, Path(out))))[0])
    What is compared, and so differs: batch-size (16, 64).
    """
    plan = comparison.plan
    return [
        *_compared(plan),
        _start(plan),
        *_other_networks(plan),
        _conduct(plan),
        _tuning(plan),
        *_not_found(comparison),
        *_costs(comparison),
    ]


def _compared(plan: Plan) -> Iterable[str]:
    words = [f"{name} ({', '.join(values)})" for name, values in _differing(plan)]
    if words:
        yield f"What is compared, and so differs: {'; '.join(words)}."


def _differing(plan: Plan) -> Iterable[tuple[str, list[str]]]:
    """Settings in which variants differ, with their values; of weights, each of a name's own."""
    for name, values in plan.varied.items():
        if not any(isinstance(value, list) for value in values):
            yield _flag(name), _once(values)
            continue
        weights = [dict(item.partition("=")[::2] for item in value or []) for value in values]
        for entry in dict.fromkeys(entry for weight in weights for entry in weight):
            found = _once([weight.get(entry) for weight in weights])
            if len(found) > 1:
                yield f"{_flag(name)}.{entry}", found


def _once(values: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys("its own" if value is None else str(value) for value in values))


def _start(plan: Plan) -> str:
    weights = "start from the same weights, " if _same_networks(plan) else ""
    return (
        f"With the same seed, all {weights}see the data in the same order and show samples of the "
        "same latents."
    )


def _same_networks(plan: Plan) -> bool:
    return not _NETWORKS & set(plan.varied) and len(_outputs(plan)) == 1


def _outputs(plan: Plan) -> dict[str, list[str]]:
    """The losses by what they want of the last layer of a discriminator."""
    found: dict[str, list[str]] = {}
    for loss in plan.losses:
        output = None if loss == "none" else GAMES[loss].output
        found.setdefault(_last_layer(output), []).append(loss)
    return found


def _last_layer(output: Output | None) -> str:
    if isinstance(output, FeatureOutput):
        return f"{output.count} numbers"
    return "an image, as an autoencoder" if isinstance(output, EnergyOutput) else "a score"


def _other_networks(plan: Plan) -> Iterable[str]:
    if len(groups := _outputs(plan)) > 1:
        words = "; ".join(f"{listed(losses)}: {output}" for output, losses in groups.items())
        yield f"Not equal: discriminators, since losses want other outputs of them ({words})."
    clipped = [loss for loss in plan.losses if loss != "none" and _clips(GAMES[loss])]
    if clipped and len(clipped) < len(plan.losses):
        clip = "clips" if len(clipped) == 1 else "clip"
        yield f"{listed(clipped)} {clip} the first weights of D as well."


def _clips(game: Game) -> bool:
    return isinstance(game.constraint, ClipWeights)


def _conduct(plan: Plan) -> str:
    same = ["the same networks"] if _same_networks(plan) else []
    if "batch_size" not in plan.varied:
        same.append(f"batches of {plan.settings.batch_size}")
    words = ", ".join([*same, f"{plan.budget} each"])
    return f"{words[0].upper()}{words[1:]}; runs took turns over the variants, seed by seed."


def _tuning(plan: Plan) -> str:
    if plan.draws:
        return (
            f"Equal tuning: {plan.draws} random settings were tried for each, the same draws for "
            "all, with a seed of their own; the best of each went on. What was given or is "
            "compared was not drawn."
        )
    if plan.tuning == "shared":
        return "The same optimiser for all losses, as far as they take it."
    if len(plan.losses) > 1:
        return (
            f"Not equal: optimisers. Each loss has those of its paper{_but_for(plan)} (--tuning "
            "shared gives all the same)."
        )
    words = optimisers_of(plan)
    return f"{words[0].upper()}{words[1:]}, for all."


def _not_found(comparison: Comparison) -> Iterable[str]:
    """Variants of which no draw of a search has ended."""
    drawn = {row["variant"] for row in comparison.draws}
    lost = [
        v.name for v in comparison.plan.variants if v.name in drawn - set(best_draws(comparison))
    ]
    if lost:
        yield (
            f"No random setting of {listed(lost)} trained to its end, so "
            f"{'its' if len(lost) == 1 else 'their'} own went on."
        )


def _costs(comparison: Comparison) -> Iterable[str]:
    images = [f"{n} {c:,.0f}" for n, c in _mean_by_variant(comparison, "images").items()]
    if images:
        yield f"Real images shown to D, per run: {'; '.join(images)}."
    cpu = [f"{n} {number(c)} s" for n, c in _mean_by_variant(comparison, "cpu_seconds").items()]
    if cpu:
        yield f"CPU time, per run: {'; '.join(cpu)}."
    shares = [
        1 - trained / seconds
        for row in comparison.rows
        if (trained := finite(row.get("trained"))) and (seconds := finite(row.get("seconds")))
    ]
    if shares:
        yield (
            f"Samples, scores and checkpoints took {sum(shares) / len(shares):.0%} of the time; it "
            "does not count as training."
        )


def _mean_by_variant(comparison: Comparison, column: str) -> dict[str, float]:
    rows = comparison.rows
    means = {
        v.name: mean_of((row for row in rows if row["variant"] == v.name), column)
        for v in comparison.plan.variants
    }
    return {name: mean for name, mean in means.items() if mean is not None}


def _flag(name: str) -> str:
    return name.replace("_", "-")
