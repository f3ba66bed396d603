"""A dry run: what would be trained, on what, and how long it would take."""

import tempfile
import time
from dataclasses import replace

from ganloss.runs.settings import GenerateSettings

TIMED_STEPS = 5


def describe(settings: GenerateSettings) -> str:
    """Describe a run, with its time estimated from a few timed steps; leaves no files behind."""
    from ganloss.runs.training import Run

    with tempfile.TemporaryDirectory() as folder:
        run = Run(replace(settings, out=folder, metrics="none"))
        run.engine.advance()  # the first step allocates
        start = time.perf_counter()
        for _ in range(TIMED_STEPS):
            run.engine.advance()
        per_step = (time.perf_counter() - start) / TIMED_STEPS
    generator, discriminator = run.parameters
    length = f"{run.total:,} steps" if run.total else f"{settings.time_limit or 0:.0f} s"
    estimate = per_step * run.total if run.total else settings.time_limit or 0.0
    lines = [
        f"data      {len(run.data.values):,} images {run.data.shape}",
        f"game      {run.game!r}",
        f"networks  G {generator:,} and D {discriminator:,} parameters on {run.hardware.device}",
        f"length    {length}, about {per_step * 1e3:.1f} ms a step, {estimate / 60:.1f} min in all",
        "",
        settings.to_yaml(),
    ]
    return "\n".join(lines)
