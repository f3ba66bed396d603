"""What a run folder says, with a default for everything that may be missing or half-written."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from ganloss.runs.folder import RunFolder
from ganloss.runs.metric import Metric

Row: TypeAlias = dict[str, Any]

_FILES = {
    "config.yaml": "settings",
    "metrics.jsonl": "all numbers",
    "log.txt": "log",
    "env.json": "machine and versions",
    "diverged.json": "what went first when it diverged",
    "diverged.pt": "the state before that step",
    "export/generator.safetensors": "the generator for use elsewhere",
    "export/generator_b_to_a.safetensors": "the generator from B to A",
    "checkpoints/last.pt": "last checkpoint",
    "checkpoints/best.pt": "best checkpoint",
}


def read_metric(values: Mapping[str, Any]) -> Metric:
    """Read ``metric`` of ``status.json``.

    >>> read_metric({"name": "fd-digits@897", "reference": -1}).reference
    """
    return Metric(
        name=text(values.get("name")) or "the score",
        meaning=text(values.get("meaning")).rstrip("."),
        reference=_positive(values.get("reference")),
        reference_meaning=text(values.get("reference_meaning")) or "real images",
        noise=_positive(values.get("noise")),
        warning=text(values.get("warning")),
        key=text(values.get("key")) or "fd",
        noise_meaning=text(values.get("noise_meaning")) or "uniform noise",
        tried=values.get("tried") is True,
    )


@dataclass(frozen=True)
class Status:
    """``status.json``, with a default for every piece.

    Args:
        metric: None where the run was not scored.
        task: what was trained, as in ``ganloss train TASK``.
        steps: the run's length, None when time is the limit.
        trained: seconds of training alone.

    >>> status = Status.read(Path("no-such-run"))
    >>> status.state, status.running, status.remaining
    ('', False, None)
    """

    state: str
    message: str
    title: str
    step: int | None
    steps: int | None
    seconds: float | None
    data: str
    metric: Metric | None
    facts: Mapping[str, str]
    extra: Mapping[str, str]
    task: str = "generate"
    trained: float | None = None
    classes: Sequence[str] = ()
    points: bool = False
    skipped: Sequence[tuple[str, str]] = ()
    next: Sequence[str] = field(default_factory=list[str])

    @classmethod
    def read(cls, run: Path) -> "Status":
        """Read the status of a run folder."""
        values = mapping(parse(read_text(run / "status.json")))
        data = mapping(values.get("data"))
        return cls(
            state=text(values.get("state")),
            message=text(values.get("message")),
            title=text(values.get("title")) or run.resolve().name,
            step=integer(values.get("step")),
            steps=integer(values.get("steps")),
            seconds=finite(values.get("seconds")),
            data=_describe(data),
            metric=read_metric(metric) if (metric := mapping(values.get("metric"))) else None,
            facts=texts(values.get("facts")),
            extra=texts(values.get("extra")),
            task=text(values.get("task")) or "generate",
            trained=finite(values.get("trained")),
            classes=[text(name) for name in listing(data.get("classes"))],
            points=len(listing(data.get("shape"))) == 1,
            skipped=[
                (text(p[0]), text(p[-1])) for p in map(listing, listing(data.get("skipped"))) if p
            ],
            next=[text(item) for item in listing(values.get("next"))],
        )

    @property
    def running(self) -> bool:
        """Whether the page has to refresh itself."""
        return self.state == "running"

    @property
    def remaining(self) -> float | None:
        """Seconds left, from the pace so far."""
        if not self.running or not self.step or not self.steps or self.seconds is None:
            return None
        return self.seconds / self.step * max(self.steps - self.step, 0)


def _describe(data: Mapping[str, Any]) -> str:
    """Say what the images are, as far as it is known."""
    shape = [integer(side) for side in listing(data.get("shape"))]
    parts = [text(data.get("name"))]
    if (count := integer(data.get("images"))) is not None:
        parts.append(f"{count:,} {'points' if len(shape) == 1 else 'images'}")
    if len(shape) == 3 and None not in shape:
        parts.append(f"{shape[2]}×{shape[1]} {'gray' if shape[0] in (1, 2) else 'colour'}")
    if classes := listing(data.get("classes")):
        parts.append(f"{len(classes)} classes")
    return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Sample:
    """One grid of samples.

    Args:
        step: when it was made.
        source: its path, relative to the page.

    >>> Sample(35, "samples/000035.png").step
    35
    """

    step: int
    source: str


def read_samples(run: Path) -> list[Sample]:
    """Grids of samples, oldest first.

    >>> read_samples(Path("no-such-run"))
    []
    """
    folder = RunFolder(run).samples
    names = [f.name for f in folder.iterdir()] if folder.is_dir() else []
    found = [Sample(int(n[:-4]), f"samples/{n}") for n in names if re.fullmatch("[0-9]+[.]png", n)]
    return sorted(found, key=lambda sample: sample.step)


def read_rows(run: Path) -> list[Row]:
    r"""Rows of ``metrics.jsonl`` that can be read and have a step; a half-written one cannot.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "metrics.jsonl").write_text('{"step": 1}\n{"ste')
    ...     read_rows(Path(folder))
    [{'step': 1}]
    """
    rows = [parse(line) for line in read_text(run / "metrics.jsonl").splitlines()]
    return [row for row in rows if isinstance(row, dict) and integer(row.get("step")) is not None]


def read_settings(run: Path) -> dict[str, str]:
    r"""``config.yaml`` as a flat table, empty settings left out.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "config.yaml").write_text("loss: ns\nlr: 0.001\npenalty:\n")
    ...     read_settings(Path(folder))
    {'loss': 'ns', 'lr': '0.001'}
    """
    return dict(_settings(read_text(RunFolder(run).config)))


@lru_cache(maxsize=8)
def _settings(config: str) -> dict[str, str]:
    """Parsed once: a page is written at every snap, and half of its time would go here."""
    import yaml

    try:
        values = yaml.safe_load(config)
    except yaml.YAMLError:
        return {}
    return {k: v for k, v in texts(values).items() if v}


def read_files(run: Path) -> dict[str, str]:
    """Files a reader may want to open, with what they are.

    >>> read_files(Path("no-such-run"))
    {}
    """
    return {name: meaning for name, meaning in _FILES.items() if (run / name).is_file()}


def read_software(run: Path) -> dict[str, str]:
    """``env.json`` as a flat table.

    >>> read_software(Path("no-such-run"))
    {}
    """
    values = dict(mapping(parse(read_text(run / "env.json"))))
    packages = mapping(values.pop("packages", None))
    return {k: v for k, v in texts({**values, **packages}).items() if v}


def read_text(path: Path) -> str:
    """Text of a file; empty where there is none.

    >>> read_text(Path("no-such-file"))
    ''
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def parse(text: str) -> Any:
    """Value of a piece of JSON, or None.

    >>> parse('{"step": 1}'), parse('{"ste')
    ({'step': 1}, None)
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    """Give the value if it is a table, else an empty one.

    >>> mapping({"a": 1}), mapping([1])
    ({'a': 1}, {})
    """
    return value if isinstance(value, dict) else {}


def listing(value: Any) -> list[Any]:
    """Give the value if it is a list, else an empty one.

    >>> listing([1]), listing("ab")
    ([1], [])
    """
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """Write any value as text; nothing for None.

    >>> text(1.5), text(None)
    ('1.5', '')
    """
    return "" if value is None else str(value)


def texts(value: Any) -> dict[str, str]:
    """Write keys and values of a table as text.

    >>> texts({"lr": 0.1, 3: None})
    {'lr': '0.1', '3': ''}
    """
    return {text(k): text(v) for k, v in mapping(value).items()}


def finite(value: Any) -> float | None:
    """The finite number that ``value`` is, or None.

    >>> finite(2), finite(float("nan")), finite("2"), finite(True)
    (2.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def numbers(rows: Iterable[Mapping[str, Any]], key: str) -> list[float]:
    """The finite numbers of a column.

    >>> numbers([{"fd": 2}, {"fd": float("nan")}, {}, {"fd": 0.5}], "fd")
    [2.0, 0.5]
    """
    return [value for row in rows if (value := finite(row.get(key))) is not None]


def _positive(value: Any) -> float | None:
    found = finite(value)
    return found if found is not None and found > 0 else None


def integer(value: Any) -> int | None:
    """Give the whole part of a finite number, or None.

    >>> integer(2.7), integer(None)
    (2, None)
    """
    found = finite(value)
    return None if found is None else int(found)
