"""Modes that games cover, each at its best of three learning rates: `python -m benchmarks.modes`.

The rate is chosen on a seed of its own, by the modes covered and then by the reverse KL; the table
is of other seeds. Everything else is as published, but for Adam's betas, which are (0.5, 0.9) for
all, and a rate that falls to 0 along a cosine. Intervals are Student's, 95 %, over seeds. Prints a
table in Markdown.
"""

import math
import multiprocessing
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganloss import GAMES, Adam
from ganloss.lab.statistics import mean_and_interval
from ganloss.runs.settings import GenerateSettings
from ganloss.runs.training import train

GAME_NAMES = ("ns", "lsgan", "hinge", "wgan-gp", "r3gan")
RATES = (5e-4, 1e-3, 2e-3)
TUNING_SEED = 100


@dataclass(frozen=True)
class Trial:
    """What is run for every game.

    Args:
        data: a demo set whose modes are known.
        modes: how many there are.
        seeds: those of the table.
        steps: updates of the generator.
        batch_size: samples per update.
    """

    data: str
    modes: int
    seeds: int
    steps: int
    batch_size: int


TRIALS = {
    "grid": Trial("demo:grid", 25, 5, 10_000, 256),
    "stacked-digits": Trial("demo:stacked-digits", 1000, 3, 5_000, 64),
}


class Silent:
    def started(self, run: object) -> None: ...

    def progressed(self, step: int, total: int | None, done: float) -> None: ...

    def snapped(self, row: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class Run:
    trial: Trial
    game: str
    rate: float
    seed: int

    def found(self) -> Mapping[str, float | None]:
        """Modes covered, share of good samples, and reverse KL at the end."""
        betas = "0.5,0.9" if isinstance(GAMES[self.game].optimisers.generator, Adam) else None
        with tempfile.TemporaryDirectory() as out:
            settings = GenerateSettings(
                data=self.trial.data, loss=self.game, lr=self.rate, betas=betas, seed=self.seed,
                steps=self.trial.steps, snap=self.trial.steps, batch_size=self.trial.batch_size,
                lr_schedule="cosine", threads=1, out=out,
            )  # fmt: skip
            return train(settings, Silent()).run.rows()[-1]["found"]


def found(run: Run) -> Mapping[str, float | None]:
    numbers = run.found()
    print(run.trial.data, run.game, run.rate, run.seed, dict(numbers), file=sys.stderr, flush=True)
    return numbers


def worse(numbers: Mapping[str, float | None]) -> tuple[float, float]:
    """What the rate is chosen by: less is better."""
    kl = numbers["reverse KL"]
    return (-(numbers["modes covered"] or 0.0), math.inf if kl is None else kl)


def table(trial: Trial, name: str) -> str:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        tried = [Run(trial, game, rate, TUNING_SEED) for game in GAME_NAMES for rate in RATES]
        scores = dict(zip(tried, pool.map(found, tried, chunksize=1), strict=True))
        best = {
            game: min((run for run in tried if run.game == game), key=lambda r: worse(scores[r]))
            for game in GAME_NAMES
        }
        runs = [
            Run(trial, game, best[game].rate, seed)
            for seed in range(trial.seeds)
            for game in GAME_NAMES
        ]
        ends = dict(zip(runs, pool.map(found, runs, chunksize=1), strict=True))
    lines = [
        f"`python -m benchmarks.modes {name}`: {trial.steps:,} steps, batches of "
        f"{trial.batch_size}, {trial.seeds} seeds.",
        "",
        f"| game | rate | modes of {trial.modes:,} | in each seed | good samples | reverse KL |",
        "|---|---|---|---|---|---|",
    ]
    for game in GAME_NAMES:
        rows = [ends[run] for run in runs if run.game == game]
        modes = [trial.modes * (row["modes covered"] or 0.0) for row in rows]
        each = ", ".join(f"{m:.0f}" for m in modes)
        good, kl = ([row[key] or 0.0 for row in rows] for key in ("good samples", "reverse KL"))
        cells = (
            f"`{game}`", f"{best[game].rate:g}", _interval(modes, 1), each,
            _interval([100 * g for g in good], 1) + " %", _interval(kl, 3),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _interval(values: Sequence[float], places: int) -> str:
    mean, _, high = mean_and_interval(values)
    return f"{mean:.{places}f} ± {high - mean:.{places}f}"


if __name__ == "__main__":
    for asked in sys.argv[1:] or list(TRIALS):
        print(table(TRIALS[asked], asked), flush=True)
