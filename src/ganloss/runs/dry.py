"""A dry run: what would be trained, on what, how long it would take, and how much space."""

import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from ganloss.runs.settings import RunSettings
from ganloss.runs.wording import duration, samples

if TYPE_CHECKING:
    from ganloss.runs.run import Run

TIMED_STEPS = 5
#: Length of a timed sample in seconds: short steps are repeated until it is reached.
TIMED_SECONDS = 1.0


def describe(settings: RunSettings) -> str:
    """Describe a run, with its cost estimated from a few timed steps; leaves no files behind.

    >>> from ganloss.runs.settings import GenerateSettings
    >>> describe(GenerateSettings(data="demo:ring", steps=10, threads=1)).splitlines()[0]
    'data      10,000 points in the plane'
    """
    from ganloss.runs.run import Run
    from ganloss.runs.tracking import tracker_names

    settings.check()
    tracker_names(settings)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(replace(settings, out=folder))
        before = _peak_bytes()
        per_step = _seconds_per_step(run)
        trained = _peak_bytes()
        per_snap, snap_bytes, fixed_bytes = _measure_snap(run)
    run.hardware.leave()
    disk = _disk(settings, fixed_bytes + 2 * snap_bytes * _snaps(run))
    lines = [*_what(run), *_cost(run, per_step, per_snap)]
    lines += [("memory", _memory(run, trained - before)), ("disk", disk)]
    lines += [("flags", f"{flags_of(settings)}, everything else as in --help")]
    return "\n".join(f"{word:<10}{text}" for word, text in lines if text)


def _what(run: "Run") -> Iterable[tuple[str, str]]:
    networks = (f"{name.lower()} {count:,}" for name, count in run.parameters.items())
    yield "data", samples(len(run.task.data.values), run.task.data.shape)
    yield "game", run.task.in_a_line
    yield "networks", f"{', '.join(networks)} parameters"
    yield "device", str(run.hardware)
    micro = run.settings.accumulate
    parts = f" in {micro} parts of {run.settings.batch_size // micro}" if micro > 1 else ""
    has_d = len(run.task.networks) > 1
    updates = (
        f"{run.task.game.critic_steps} D update(s) and 1 G update, each" if has_d else "1 update"
    )
    yield "step", f"{updates} on {run.settings.batch_size} images{parts}"


def _seconds_per_step(run: "Run") -> float:
    """Median time of a step; the first ones allocate and are left out."""
    from ganloss.runs.run import threads

    times: list[float] = []
    with threads(run.threads):
        run.engine.advance()
        while not _enough(run, times):
            start = time.perf_counter()
            run.engine.advance()
            _wait_for(run)
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def _enough(run: "Run", times: list[float]) -> bool:
    """Whether to stop timing; all processes stop at the same step."""
    enough = len(times) >= TIMED_STEPS and sum(times) >= TIMED_SECONDS
    return run.hardware.broadcast(str(enough)) == "True"


def _wait_for(run: "Run") -> None:
    import torch

    if run.hardware.device.type == "cuda":
        torch.cuda.synchronize(run.hardware.device)
    elif run.hardware.device.type == "mps":
        torch.mps.synchronize()


def _cost(run: "Run", per_step: float, per_snap: float) -> Iterable[tuple[str, str]]:
    """Say how long it takes; where time is the limit, how far it gets."""
    snaps = _snaps(run)
    scoring = f"{duration(snaps * per_snap)} for samples and scores at {snaps} snaps"
    if run.total is not None:
        training = duration(per_step * run.total)
        yield "length", f"{run.total:,} steps at {_short(per_step)}"
        yield "time", f"about {training} of training and {scoring}"
        return
    limit = run.settings.time_limit or 0.0
    steps = max(0.0, limit - snaps * per_snap) / per_step
    yield "length", f"about {steps:,.0f} steps at {_short(per_step)}"
    yield "time", f"{duration(limit)}, about {scoring} among them"


def _snaps(run: "Run") -> int:
    """Snaps of the run, the one before the first step among them."""
    from ganloss.runs.run import SNAPS_PER_RUN

    if run.total is None or run.snap is None:
        return SNAPS_PER_RUN + 1
    return 1 + -(-run.total // run.snap)


def _measure_snap(run: "Run") -> tuple[float, int, int]:
    """Seconds and bytes of a snap, and bytes that a run needs once, from writing them once.

    The film is counted as a second copy of the samples by the caller.
    """
    from ganloss.runs.page import write_page
    from ganloss.runs.training import write_samples

    folder = run.folder
    if not run.hardware.is_main:
        return 0.0, 0, 0
    _ = run.task.metric  # its reference rows are made once, before the first step
    start = time.perf_counter()
    scored = run.task.measure()
    write_samples(run)
    run.save(folder.last)
    seconds = time.perf_counter() - start
    picture = sum(f.stat().st_size for f in folder.samples.iterdir())
    run.task.export(folder)
    write_page(folder.path)
    everything = sum(f.stat().st_size for f in folder.path.rglob("*") if f.is_file())
    copies = folder.last.stat().st_size if scored else 0  # best.pt
    return seconds, picture, everything - picture + copies


def _disk(settings: RunSettings, size: int) -> str:
    return f"about {_bytes(size)} below {settings.out}"


def _memory(run: "Run", training: int) -> str:
    """Say how much memory was needed at most, as far as the system tells."""
    import torch

    if run.hardware.device.type == "cuda":
        return f"{_bytes(torch.cuda.max_memory_allocated(run.hardware.device))} on the device"
    peak = _peak_bytes()
    return f"{_bytes(peak)} at the peak, {_bytes(training)} of them for the steps" if peak else ""


def _peak_bytes() -> int:
    """Largest resident size of this process so far; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def flags_of(settings: RunSettings) -> str:
    """Settings that are not the default, as they would be typed.

    >>> from ganloss.runs.settings import GenerateSettings
    >>> flags_of(GenerateSettings(data="my photos", steps=10, cond=True, penalty=["gp=1", "r1=2"]))
    "--data 'my photos' --steps 10 --penalty gp=1 --penalty r1=2 --cond"
    """
    defaults = type(settings)()
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return " ".join(
        f"--{name.replace('_', '-')}{'' if item is True else ' ' + shlex.quote(str(item))}"
        for name, value in values.items()
        if value != getattr(defaults, name)
        for item in (value if isinstance(value, list) else [value])  # pyright: ignore
    )


def _short(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms a step" if seconds < 1 else f"{seconds:.3g} s a step"


def _bytes(count: float) -> str:
    """Write a number of bytes as people say it.

    >>> _bytes(2_345_678), _bytes(345_678)
    ('2.3 MB', '346 kB')
    """
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"
