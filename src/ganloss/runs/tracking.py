"""Numbers and samples for TensorBoard and Weights & Biases, beside the run's own files."""

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from ganloss._errors import UsageError
from ganloss._lazy import require, suggest
from ganloss.runs.folder import RunFolder, write_text
from ganloss.runs.settings import RunSettings

if TYPE_CHECKING:
    from PIL import Image


class Tracker(Protocol):
    """Where rows of ``metrics.jsonl`` are told as well.

    >>> class Printer:
    ...     def write(self, row, samples): print(row)
    ...     def close(self): print("done")
    >>> tracker: Tracker = Printer()
    >>> tracker.write({"step": 1}, None), tracker.close()
    {'step': 1}
    done
    (None, None)
    """

    def write(self, row: Mapping[str, Any], samples: "Image.Image | None") -> None:
        """Tell one row, and the grid of samples where there is one."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def tracker_names(settings: RunSettings) -> list[str]:
    """Trackers that are asked for, each with its package imported.

    Raises:
        UsageError: an unknown tracker, or a package that is missing, with the line to install it.

    >>> tracker_names(RunSettings())
    []
    """
    names = [name.strip().lower() for name in (settings.track or "").split(",")]
    names = list(dict.fromkeys(name for name in names if name))
    for name in names:
        if name not in _TRACKERS:
            hint = suggest(name, _TRACKERS) or "."
            raise UsageError(f"no tracker {name!r}{hint} --track takes {', '.join(_TRACKERS)}")
        _import(name)
    return names


def open_trackers(settings: RunSettings, folder: RunFolder, first: int) -> list[Tracker]:
    """Open the trackers of a run.

    Args:
        settings: settings of the run.
        folder: the run's folder.
        first: first step that will be told; what was told of later ones is replaced.

    >>> open_trackers(RunSettings(), None, first=1)  # --track names them
    []
    """
    return [_TRACKERS[name](settings, folder, first) for name in tracker_names(settings)]


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """Numbers of a row by path.

    >>> scalars({"step": 5, "fd": 2.0, "d": {"adv": 1.0}, "shares": [0.25, 0.75]})
    {'fd': 2.0, 'd/adv': 1.0, 'shares/0': 0.25, 'shares/1': 0.75}
    """
    found: dict[str, float] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= {f"{name}/{key}": float(item) for key, item in value.items()}
        elif isinstance(value, list):
            found |= {f"{name}/{i}": float(item) for i, item in enumerate(value)}
        elif name != "step":
            found[name] = float(value)
    return found


def _import(name: str) -> ModuleType:
    module = {"tensorboard": "torch.utils.tensorboard"}.get(name, name)
    try:
        return require(module, f"pip install 'ganloss[track]' or pip install {name}",
                       f"--track {name}")  # fmt: skip
    except ModuleNotFoundError as error:
        raise UsageError(f"{error}. Or leave --track out") from error


class TensorBoard:
    """Event files in ``RUN/tensorboard``; look at them with ``tensorboard --logdir runs``."""

    def __init__(self, settings: RunSettings, folder: RunFolder, first: int) -> None:
        module = _import("tensorboard")
        # What a killed run wrote after its last checkpoint is written again: readers drop it.
        self._writer = module.SummaryWriter(str(folder.path / "tensorboard"), purge_step=first)

    def write(self, row: Mapping[str, Any], samples: "Image.Image | None") -> None:
        """Tell one row."""
        import numpy as np

        for name, value in scalars(row).items():
            self._writer.add_scalar(name, value, row["step"])
        if samples is not None:
            pixels = np.asarray(samples.convert("RGB"))
            self._writer.add_image("samples", pixels, row["step"], dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


class Wandb:
    """A run of Weights & Biases in ``RUN/wandb``, offline unless ``WANDB_MODE`` says otherwise.

    Rows are the same when they are computed again after a kill, so those told before are left out.
    """

    def __init__(self, settings: RunSettings, folder: RunFolder, first: int) -> None:
        self._wandb = _import("wandb")
        self._memory = folder.path / "wandb.json"
        self._told = self._remember(first)
        self._run = self._wandb.init(
            project="ganloss",
            id=self._told["id"],
            resume="allow",
            name=folder.path.name,
            dir=str(folder.path),
            config=asdict(settings),
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=self._wandb.Settings(silent=True),
        )

    def _remember(self, first: int) -> dict[str, Any]:
        try:
            told = json.loads(self._memory.read_text(encoding="utf-8"))
            return {"id": str(told["id"]), "step": int(told["step"])}
        except (OSError, ValueError, KeyError, TypeError):
            return {"id": uuid.uuid4().hex[:12], "step": first - 1}

    def write(self, row: Mapping[str, Any], samples: "Image.Image | None") -> None:
        """Tell one row."""
        if row["step"] <= self._told["step"]:
            return
        values: dict[str, Any] = dict(scalars(row))
        if samples is not None:
            values["samples"] = self._wandb.Image(samples)
        self._run.log(values, step=row["step"])
        self._told["step"] = row["step"]
        write_text(self._memory, json.dumps(self._told))

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


_TRACKERS: dict[str, type[TensorBoard] | type[Wandb]] = {"tensorboard": TensorBoard, "wandb": Wandb}
