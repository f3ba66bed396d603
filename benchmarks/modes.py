"""Modes that games cover, each at its best learning rate: `python -m benchmarks.modes`.

The rate is chosen on a seed of its own, by the modes covered and then by the reverse KL; the table
is of other seeds. On the grid every game is shown as many real samples, so that one with more
updates of D per step makes fewer steps; on stacked digits all make as many steps. Everything else
is as published, but for a rate that falls to 0 along a cosine, the weights of penalties on points
(`POINTS`), and Adam's betas on stacked digits, (0.5, 0.9) for all. Intervals are Student's, 95 %,
over seeds. Prints a table in Markdown.
"""

import argparse
import math
import multiprocessing
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ganloss import GAMES, Adam
from ganloss.lab.statistics import mean_and_interval
from ganloss.runs.settings import GenerateSettings
from ganloss.runs.training import train

GAME_NAMES = ("ns", "lsgan", "hinge", "wgan-gp", "r3gan")
TUNING_SEED = 100
#: The weight of a gradient penalty has the unit of a squared length, and modes are 0.05 wide: an
#: image's weight would forbid D the slopes that tell one from its surroundings. For WGAN-GP it is
#: that of its authors' code for points (Gulrajani et al. 2017, gan_toy.py); for R3GAN the best of
#: 0.001, 0.01 and 0.1 on seed 0.
POINTS: Mapping[str, Mapping[str, Any]] = {
    "wgan-gp": {"penalty": ["gp=0.1"]},
    "r3gan": {"gamma": 0.1},
}


@dataclass(frozen=True)
class Trial:
    """What is run for every game.

    Args:
        data: a demo set whose modes are known.
        modes: how many there are.
        seeds: those of the table.
        unit: what lengths count.
        length: of a run.
        tuning: length of the runs that choose the rate.
        rates: learning rates to choose from.
        batch_size: samples per update.
        betas: Adam's, for all games; None for each game's own.
        options: further settings of a game.
    """

    data: str
    modes: int
    seeds: Sequence[int]
    unit: Literal["updates of D", "steps"]
    length: int
    tuning: int
    rates: Sequence[float]
    batch_size: int
    betas: str | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Any])


TRIALS = {
    "grid": Trial(
        data="demo:grid", modes=25, seeds=range(1, 6), unit="updates of D", length=6_000,
        tuning=2_000, rates=(5e-4, 1e-3), batch_size=256, options=POINTS,
    ),
    "stacked-digits": Trial(
        data="demo:stacked-digits", modes=1000, seeds=range(3), unit="steps", length=5_000,
        tuning=5_000, rates=(5e-4, 1e-3, 2e-3), batch_size=64, betas="0.5,0.9",
    ),
}  # fmt: skip


class Silent:
    def started(self, run: object) -> None: ...

    def progressed(self, step: int, total: int | None, done: float) -> None: ...

    def snapped(self, row: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class Run:
    trial: str
    game: str
    rate: float
    seed: int

    @property
    def steps(self) -> int:
        trial = TRIALS[self.trial]
        length = trial.tuning if self.seed == TUNING_SEED else trial.length
        return length // (GAMES[self.game].critic_steps if trial.unit == "updates of D" else 1)

    def found(self) -> Mapping[str, float | None]:
        """Modes covered, share of good samples, and reverse KL at the end."""
        trial = TRIALS[self.trial]
        adam = isinstance(GAMES[self.game].optimisers.generator, Adam)
        with tempfile.TemporaryDirectory() as out:
            settings = GenerateSettings(
                data=trial.data, loss=self.game, lr=self.rate, seed=self.seed,
                betas=trial.betas if adam else None,
                steps=self.steps, snap=self.steps, batch_size=trial.batch_size,
                lr_schedule="cosine", threads=1, out=out, **trial.options.get(self.game, {}),
            )  # fmt: skip
            return train(settings, Silent()).run.rows()[-1]["found"]


def found(run: Run) -> Mapping[str, float | None]:
    numbers = run.found()
    print(run, dict(numbers), file=sys.stderr, flush=True)
    return numbers


def worse(numbers: Mapping[str, float | None]) -> tuple[float, float]:
    """What the rate is chosen by: less is better."""
    kl = numbers["reverse KL"]
    return (-(numbers["modes covered"] or 0.0), math.inf if kl is None else kl)


def rows(name: str, games: Iterable[str], seeds: Sequence[int], jobs: int) -> Iterable[str]:
    """The table's rows, each as soon as it is known."""
    trial = TRIALS[name]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for game in games:
            tried = [Run(name, game, rate, TUNING_SEED) for rate in trial.rates]
            scores = pool.map(found, tried, chunksize=1)
            best = tried[min(range(len(tried)), key=lambda i: worse(scores[i]))]
            runs = [Run(name, game, best.rate, seed) for seed in seeds]
            yield _row(best, pool.map(found, runs, chunksize=1))


def _row(best: Run, ends: Sequence[Mapping[str, float | None]]) -> str:
    modes = [TRIALS[best.trial].modes * (end["modes covered"] or 0.0) for end in ends]
    good, kl = ([end[key] or 0.0 for end in ends] for key in ("good samples", "reverse KL"))
    cells = (
        f"`{best.game}`", f"{best.rate:g}", _interval(modes, 1),
        ", ".join(f"{m:.0f}" for m in modes),
        _interval([100 * g for g in good], 1) + " %", _interval(kl, 3),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _interval(values: Sequence[float], places: int) -> str:
    mean, _, high = mean_and_interval(values)
    return f"{mean:.{places}f} ± {high - mean:.{places}f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.modes")
    parser.add_argument("trials", nargs="*", default=list(TRIALS), choices=[*TRIALS])
    parser.add_argument("--games", default=",".join(GAME_NAMES))
    parser.add_argument("--seeds", type=int, help="only the first so many of the table's")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, a thread each")
    asked = parser.parse_args()
    for name in asked.trials:
        trial, seeds = TRIALS[name], TRIALS[name].seeds[: asked.seeds]
        print(
            f"`python -m benchmarks.modes {name}`: {trial.length:,} {trial.unit}, batches of "
            f"{trial.batch_size}, {len(seeds)} seeds.\n\n"
            f"| game | rate | modes of {trial.modes:,} | in each seed | good samples | reverse KL |"
            "\n|---|---|---|---|---|---|",
            flush=True,
        )
        for row in rows(name, asked.games.split(","), seeds, asked.jobs):
            print(row, flush=True)


if __name__ == "__main__":
    main()
