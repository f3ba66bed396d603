"""A run folder as a training leaves it, made in a second: real digits, invented curves."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganloss.runs.pictures import grid, save_png, write_gif

STEPS, SNAP, TICK, BATCH = 700, 35, 7, 64
COMMAND = "ganloss train generate --data demo:digits --loss wgan-gp --steps 700 --seed 0"


def digits(count: int = 64) -> Tensor:
    """Real digits ``(count, 1, 8, 8)``, uint8."""
    from sklearn.datasets import load_digits

    images = load_digits().images[:count] * (255 / 16)
    return torch.from_numpy(images.round().astype(np.uint8)).unsqueeze(1)


def noisy_digits(done: float, count: int = 64) -> Tensor:
    """Digits that come out of noise as ``done`` goes from 0 to 1."""
    noise = np.random.default_rng(7).integers(0, 256, (count, 1, 8, 8))
    clear = min(1.0, done**0.6)
    mixed = clear * digits(count + 64)[64:].numpy() + (1 - clear) * noise
    return torch.from_numpy(mixed.clip(0, 255).astype(np.uint8))


def healthy_rows(steps: int = STEPS) -> list[dict[str, Any]]:
    """Rows of a WGAN-GP run that goes well."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for step in range(0, steps + 1, TICK):
        done = step / STEPS
        row: dict[str, Any] = {
            "step": step, "images": step * BATCH * 5, "seconds": round(step * 0.088, 3)
        }  # fmt: skip
        if step:
            row |= _training(done, rng)
        if step % SNAP == 0:
            row["fd"] = 2050 * math.exp(-7 * done**0.55) + 12 + float(rng.uniform(0, 2))
            shares = 0.1 + (0.05 * (1 - done) + 0.008) * rng.uniform(-1, 1, 10)
            row["shares"] = [round(float(s), 4) for s in shares / shares.sum()]
        rows.append(row)
    return rows


def _training(done: float, rng: np.random.Generator) -> dict[str, Any]:
    wave = float(rng.normal(0, 0.05))
    gap = 0.6 + 4 * math.exp(-6 * done)
    gp = max(0.005, 0.012 + 0.3 * math.exp(-12 * done) + 0.1 * wave**2)
    fake = 0.4 * math.sin(5 * done) + wave
    return {
        "d": {"total": -gap + 10 * gp + wave, "adv": -gap + wave, "gp": gp},
        "g": {"total": -fake, "adv": -fake},
        "gradient": {
            "d": 1.2 + 3 * math.exp(-5 * done) + abs(wave),
            "g": 0.35 + 0.4 * math.exp(-4 * done) + abs(wave),
        },
        "scores": {
            "real": fake + gap,
            "fake": fake,
            "gap_accuracy": min(1.0, 0.78 + 0.2 * math.exp(-5 * done) + 0.3 * wave),
        },
    }


def status(**changes: Any) -> dict[str, Any]:
    """Contents of ``status.json``."""
    return {
        "state": "finished",
        "message": "",
        "step": STEPS,
        "steps": STEPS,
        "seconds": 61.6,
        "title": "wgan-gp on digits",
        "data": {"name": "digits", "images": 900, "shape": [1, 8, 8], "skipped": []},
        "metric": {
            "name": "fd-digits@897",
            "meaning": "Fréchet distance between samples and real images; lower is better",
            "reference": 10.1,
            "reference_meaning": "897 training images against the same held-out ones",
            "noise": 2100.0,
        },
        "facts": {
            "Generator": "77,313 parameters",
            "Discriminator": "92,801 parameters",
            "Pair": "Wasserstein()",
            "Penalties": "GradientPenalty(center=1.0, one_sided=False, points='interpolates') × 10",
            "Constraint": "none",
            "Updates of D per step": "5",
            "Optimisers": "G Adam(lr=0.0001, betas=(0, 0.9)), D Adam(lr=0.0001, betas=(0, 0.9))",
            "Device": "cpu, 1 process",
            "Precision": "32",
        },
        "next": [
            "ganloss train generate --data demo:digits --loss r3gan --minutes 5",
            "ganloss train generate --resume runs/00003-wgan-gp-digits-s0 --steps 1400",
            "ganloss train generate --data YOUR_FOLDER --image-size 32",
        ],
        "extra": {
            "Nearest neighbours": "samples are 1.02 times as far from the nearest training image "
            "as from the nearest held-out one (real images: 1; far below it, training images were "
            "memorised)",
            "Rarest class": "8.7% of the samples",
        },
    } | changes


def fake_run(
    path: Path,
    *,
    rows: list[dict[str, Any]] | None = None,
    film: bool = True,
    **changes: Any,
) -> Path:
    """Make the folder; ``changes`` replace entries of ``status.json``."""
    (path / "samples").mkdir(parents=True)
    rows = healthy_rows() if rows is None else rows
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (path / "metrics.jsonl").write_text(lines, encoding="utf-8")
    _write_json(path / "status.json", status(**changes))
    packages = {"torch": "2.8.0", "numpy": "2.3.0"}
    _write_json(path / "env.json", {"ganloss": "0.1.0", "python": "3.12.1", "packages": packages})
    (path / "command.txt").write_text(COMMAND + "\n", encoding="utf-8")
    (path / "config.yaml").write_text(
        "data: demo:digits\nloss: wgan-gp\nsteps: 700\nlr: null\nseed: 0\n", encoding="utf-8"
    )
    save_png(grid(digits(), 8), path / "reals.png")
    frames = [path / "samples" / f"{row['step']:06d}.png" for row in rows if "fd" in row]
    for frame in frames:
        save_png(grid(noisy_digits(int(frame.stem) / STEPS), 8), frame)
    if film:
        captions = [f"step {int(frame.stem):,}" for frame in frames]
        write_gif(frames, path / "progress.gif", captions)
    return path


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values), encoding="utf-8")
