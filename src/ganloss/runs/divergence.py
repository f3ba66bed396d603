"""A run that diverged: which number went first, and the step at which it did, to be made again."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganloss._errors import CheckpointError, DivergedError, UsageError
from ganloss.engine import checkpoint
from ganloss.engine.hardware import Hardware
from ganloss.engine.loop import Engine, Look
from ganloss.engine.scaling import SMALLEST_SCALE
from ganloss.runs.folder import RunFolder, open_run, write_text
from ganloss.runs.run import Run, threads
from ganloss.runs.settings import settings_from_file

#: Of the names in a message; the dump has them all.
_MOST_NAMES = 5
_PLAYERS = {"d": "the discriminator", "g": "the generator"}


@dataclass(frozen=True)
class First:
    """The first number of a run that is not finite.

    Args:
        step: the step that made it, counted from 1 as in ``metrics.jsonl``.
        player: whose update it was, e.g. ``"d"``.
        kind: ``"term"`` of the loss, ``"gradient"``, ``"weight"`` or ``"optimiser"`` state.
        name: of the term, or of the parameter.
        value: ``"nan"`` or ``"inf"``.

    >>> print(First(step=7, player="d", kind="term", name="gp", value="nan"))
    term gp of the discriminator is nan
    """

    step: int
    player: str
    kind: str
    name: str
    value: str

    def __str__(self) -> str:
        player = _PLAYERS.get(self.player, self.player)
        kind = "optimiser state" if self.kind == "optimiser" else self.kind
        return f"{kind} {self.name} of {player} is {self.value}"


class _Seen(Exception):
    def __init__(self, first: First) -> None:
        super().__init__(str(first))
        self.first = first


def stop_if_diverged(run: Run, row: Mapping[str, Any], *, weights: bool) -> None:
    """Stop when a loss, gradient or score is not finite; with ``weights``, look at those too.

    Every process finds the same. What went first is found by making the steps since the last
    checkpoint again; that checkpoint stays as it is.

    Raises:
        DivergedError: with what went first, and where the dump is.
    """
    bad = _not_finite(row) + (run.engine.not_finite() if weights else [])
    if bad:
        raise DivergedError(_explain(run, row, bad))


def _not_finite(row: Mapping[str, Any]) -> list[str]:
    groups = {k: v for k, v in row.items() if isinstance(v, Mapping)}
    bad = [
        f"{group}.{name}"
        for group, values in groups.items()
        for name, value in values.items()
        if not math.isfinite(value)
    ]
    scales: Mapping[str, float] = row.get("loss_scale", {})
    return bad + [f"gradient.{name}" for name, s in scales.items() if s < SMALLEST_SCALE]


def _explain(run: Run, row: Mapping[str, Any], bad: list[str]) -> str:
    """Find what went first, write the dump, and say both in a sentence."""
    folder, seen_at = run.folder, run.engine.step
    found = _first_since_checkpoint(run)
    if run.hardware.is_main:
        dump = {"seen": {"step": seen_at, "not finite": bad, "row": dict(row)}}
        if found is not None:
            first, before = found
            dump = {"first": asdict(first), **dump}
            checkpoint.save({"engine": before, "seconds": 0.0}, folder.diverged)
        write_text(folder.path / "diverged.json", json.dumps(dump, indent=1))
    names = ", ".join(bad[:_MOST_NAMES]) + (" …" if len(bad) > _MOST_NAMES else "")
    mend = "Lower --lr, or choose a loss with a penalty, e.g. --loss r3gan"
    if run.settings.precision == "16":
        mend += ", or --precision bf16: fp16 ends at 65,504"
    if found is None:
        return (
            f"training diverged at step {seen_at}: {names} is not finite. The values are in "
            f"{folder.path / 'diverged.json'}, the last good checkpoint in {folder.last}. {mend}"
        )
    return (
        f"training diverged at step {found[0].step}: {found[0]}, which is not finite and went "
        f"first; at step {seen_at} it was {names}. The step can be made again from "
        f"{folder.diverged}, the last good checkpoint is {folder.last}. {mend}"
    )


def _first_since_checkpoint(run: Run) -> tuple[First, Any] | None:
    """What goes first when the steps since the checkpoint are made again, and the state before.

    None where it does not come again: a network may keep a state that no checkpoint has, and a
    device may add in another order.
    """
    until = run.engine.step
    try:
        run.engine.load(checkpoint.load(run.folder.last)["engine"])
    except CheckpointError:
        return None
    while run.engine.step < until:
        before = _copied(run.engine.state())
        try:
            run.engine.advance(look=_watch(run.engine, run.hardware))
        except _Seen as seen:
            return seen.first, before
    return None


def _watch(engine: Engine, hardware: Hardware, look: Look | None = None) -> Look:
    """Look for the first number that is not finite, in all processes."""

    def watch(player: str, kind: str, tensors: Mapping[str, Tensor]) -> None:
        if look is not None:
            look(player, kind, tensors)
        there = {n: t.detach() for n, t in tensors.items() if t.numel() and t.is_floating_point()}
        if not there:
            return
        largest = torch.stack([t.abs().amax().to(hardware.device) for t in there.values()])
        for name, value in zip(there, hardware.mean(largest).tolist(), strict=True):
            if not math.isfinite(value):
                raise _Seen(First(engine.step + 1, player, kind, name, str(value)))

    return watch


def _copied(value: Any) -> Any:
    """Copy nested dicts and lists of tensors, to the CPU."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list | tuple) else value


def replay(run: str | Path, look: Look | None = None, *, allow_code: bool = False) -> First | None:
    """Make the step again at which a run diverged, from ``diverged.pt`` in its folder.

    Args:
        run: the folder of a run that diverged. Nothing in it is changed.
        look: shown the player, ``"term"``, ``"gradient"``, ``"weight"`` or ``"optimiser"``, and
            tensors by name, in the order in which they are computed, up to the first that is not
            finite: a place for a breakpoint.
        allow_code: import networks of one's own that the run's configuration names.

    Returns:
        What went first; None if all is finite this time.

    Raises:
        UsageError: no run folder, or one that needs ``allow_code``.
        CheckpointError: there is no dump in it, or it is damaged.

    >>> replay("no-such-run")
    Traceback (most recent call last):
    ganloss._errors.UsageError: no-such-run is not a run folder...
    """
    folder = open_run(str(run))
    state = checkpoint.load(folder.diverged)
    again = Run(_settings(folder, allow_code), str(folder.path))
    again.engine.load(state["engine"])
    with threads(again.threads):
        try:
            again.engine.advance(look=_watch(again.engine, again.hardware, look))
        except _Seen as seen:
            return seen.first
    return None


def _settings(folder: RunFolder, allow_code: bool) -> Any:
    settings = settings_from_file(folder.config)
    named = [getattr(settings, name, "") for name in ("generator", "discriminator")]
    if any(named) and not allow_code:
        raise UsageError(
            f"the configuration names code, {' and '.join(filter(None, named))}, and importing "
            "that runs it; if you trust it, pass allow_code=True"
        )
    return settings
