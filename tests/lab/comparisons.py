"""Comparisons as `compare` leaves them, made in a second from invented rows and drawn pictures."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganloss.lab.comparison import create
from ganloss.lab.jobs import run_folder
from ganloss.lab.plan import Plan, plan
from ganloss.lab.results import Comparison
from ganloss.runs.pictures import grid, save_png
from ganloss.runs.settings import GenerateSettings

METRIC = {
    "name": "fd-digits@897",
    "meaning": "Fréchet distance between samples and real images; lower is better",
    "reference": 0.3,
    "reference_meaning": "897 training images against the same held-out ones",
    "noise": 130.0,
    "warning": "",
    "key": "fd",
    "noise_meaning": "uniform noise",
}
STEPS = 100
COMMAND = "ganloss compare --data demo:digits --losses ns,r3gan --steps 100"


def planned(losses: Sequence[str] = ("ns", "hinge", "r3gan"), **options: Any) -> Plan:
    settings = GenerateSettings(data="demo:digits", steps=STEPS, out="runs")
    options = {"seeds": range(5), "workers": 1, "command": COMMAND} | options
    return plan(settings, losses, **options)


def pretended(
    out: Path,
    scores: Mapping[str, Sequence[float]],
    *,
    metric: Mapping[str, Any] = METRIC,
    states: Mapping[str, str] | None = None,
    pictures: bool = True,
    **options: Any,
) -> Comparison:
    """A comparison whose runs have these final scores; NaN where a run has no row yet."""
    states = states or {}
    options = {"seeds": range(len(next(iter(scores.values()))))} | options
    made = planned(list(scores), **options)
    folder = create(made, out)
    rows = []
    for job in made.jobs():
        score = scores[job.variant][made.seeds.index(job.seed)]
        if math.isnan(score):
            continue
        state = states.get(job.name, "finished")
        _run(run_folder(folder, job.name), score, metric, job.seed, pictures)
        row = {
            "job": job.name, "variant": job.variant, "seed": job.seed, "draw": None,
            "state": state, "message": "" if state == "finished" else "it is not finite",
            "score": score if state == "finished" else None, "best": 0.9 * score,
            "metric": dict(metric), "steps": STEPS, "images": 64 * STEPS, "trained": 10.0,
            "seconds": 11.0, "scores": {}, "found": {}, "shares": [0.1] * 10,
            "cpu_seconds": 12.0, "peak_mb": 300.0,
        }  # fmt: skip
        rows.append(json.dumps(row))
    (folder / "results.jsonl").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return Comparison(folder)


def _run(folder: Path, score: float, metric: Mapping[str, Any], seed: int, pictures: bool) -> None:
    (folder / "samples").mkdir(parents=True)
    lines = []
    for snap in range(0, 11):
        step = snap * STEPS // 10
        row = {
            "step": step, "images": 64 * step, "seconds": 0.11 * step,
            "fd": 200.0 * (score / 200.0) ** (snap / 10),
        }  # fmt: skip
        if step:
            row |= {
                "d": {"total": 1.0, "adv": 1.0},
                "g": {"total": 1.0, "adv": 1.0},
                "gradient": {"d": 1.0, "g": 1.0},
                "scores": {"real": 1.0, "fake": 0.0, "gap_accuracy": 0.8},
            }
        lines.append(json.dumps(row) + "\n")
    (folder / "metrics.jsonl").write_text("".join(lines))
    status = {
        "state": "finished", "title": "a run", "step": STEPS, "steps": STEPS, "seconds": 11.0,
        "trained": 10.0,
        "data": {"name": "digits", "images": 900, "shape": [1, 8, 8]}, "metric": dict(metric),
        "facts": {"Pair": "NonSaturating()"},
    }  # fmt: skip
    (folder / "status.json").write_text(json.dumps(status))
    if not pictures:
        return
    random = np.random.default_rng(seed)
    for snap in range(0, 11, 2):
        noise = torch.from_numpy(random.integers(0, 256, (64, 1, 8, 8)).astype(np.uint8))
        save_png(grid(noise, 8), folder / "samples" / f"{snap * STEPS // 10:06d}.png")
    save_png(grid(noise, 8), folder / "reals.png")
