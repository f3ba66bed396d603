"""Run the comparison of the page on fairness, and simulate its test; about five minutes.

``python docs/make_comparison.py`` writes ``docs/explanation/comparison.json``, which is committed.
A run that was cut off goes on.
"""

import json
from pathlib import Path

import numpy as np

from ganloss import lab
from ganloss.lab.statistics import LEVEL, all_pairs, differences
from ganloss.runs.settings import GenerateSettings

LOSSES, SEEDS, STEPS = ["ns", "hinge", "lsgan", "r3gan"], 5, 1000
SIMULATIONS, SIZES = 200, (0.0, 1.0, 2.0, 3.0, 4.0)
KEPT = Path(__file__).parent / "explanation" / "comparison.json"


def compared() -> tuple[dict[str, list[float]], str]:
    """Scores of every run, and the sentence the report begins with."""
    out = Path("runs/fairness")
    settings = GenerateSettings(data="demo:digits", out=str(out))
    rows = lab.compare(LOSSES, seeds=range(SEEDS), steps=STEPS, settings=settings)
    scores = {
        name: [float(f"{r['score']:.4g}") for r in rows if r["variant"] == name] for name in LOSSES
    }
    return scores, lab.judge(rows).sentence


def found(seeds: int, size: float) -> float:
    """Share of simulated comparisons of two losses that end with a verdict."""
    draw = np.random.default_rng(seeds)
    hits = 0
    for _ in range(SIMULATIONS):
        logarithms = draw.normal(size=(2, seeds))
        logarithms[1] += size
        hits += any(d.p <= LEVEL for d in differences(np.exp(logarithms), all_pairs(2)))
    return hits / SIMULATIONS


def main() -> None:
    scores, sentence = compared()
    power = {str(n): {f"{s:g}": found(n, s) for s in SIZES} for n in (5, 6, 8, 12)}
    command = (
        f"ganloss compare --data demo:digits --losses {','.join(LOSSES)} --seeds 0-{SEEDS - 1} "
        f"--steps {STEPS}"
    )
    kept = {
        "command": command, "sentence": sentence, "scores": scores, "simulations": SIMULATIONS,
        "power": power,
    }  # fmt: skip
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
