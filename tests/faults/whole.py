"""What must hold of files whatever happened: each is whole, or not there under its name."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from PIL import Image, ImageSequence
from safetensors.torch import load as load_tensors

from ganloss.engine import checkpoint

#: Keys of JSON files that hold times, which are never the same, and where pixels are kept.
TIMES = {"seconds", "trained", "cpu_seconds", "peak_mb", "kept"}


def _picture(path: Path) -> None:
    with Image.open(path) as image:
        for frame in ImageSequence.Iterator(image):
            frame.load()


def _lines(path: Path) -> None:
    """Every line but a last one that is not ended."""
    for line in path.read_text("utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            json.loads(line)


def _page(path: Path) -> None:
    text = path.read_text("utf-8").rstrip()
    if not text.endswith("</html>"):
        raise ValueError(f"ends with {text[-20:]!r}")


def _table(path: Path) -> None:
    if not path.read_text("utf-8").endswith("\n"):
        raise ValueError("its last line is not ended")


def _yaml(path: Path) -> None:
    if not yaml.safe_load(path.read_text("utf-8")):
        raise ValueError("it is empty")


def _script(path: Path) -> None:
    from plotly.offline import get_plotlyjs

    if path.read_text("utf-8") != get_plotlyjs():
        raise ValueError("it is not plotly's script")


def _entry(path: Path) -> None:
    """Decoded images: as many bytes as rows."""
    about = json.loads(path.read_text("utf-8"))
    size = (path.parent / "pixels.bin").stat().st_size
    if about["rows"] and (size == 0 or size % len(about["rows"])):
        raise ValueError(f"{size} bytes for {len(about['rows'])} images")


READERS: Mapping[str, Callable[[Path], object]] = {
    ".pt": checkpoint.load,
    ".png": _picture,
    ".gif": _picture,
    ".jpg": _picture,
    ".json": lambda path: json.loads(path.read_text("utf-8")),
    ".jsonl": _lines,
    ".yaml": _yaml,
    ".html": _page,
    ".csv": _table,
    ".js": _script,
    ".safetensors": lambda path: load_tensors(path.read_bytes()),
}


def visible(folder: Path) -> dict[str, Path]:
    """Files under names that are not hidden, by their path in the folder."""
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*"))}
    return {
        name: path
        for name, path in found.items()
        if path.is_file() and not any(part.startswith(".") for part in Path(name).parts)
    }


def damaged(folder: Path) -> list[str]:
    """Files that are there under their final names and are not whole."""
    found: list[str] = []
    for name, path in visible(folder).items():
        read = _entry if path.name == "entry.json" else READERS.get(path.suffix)
        try:
            if read is not None:
                read(path)
        except Exception as error:
            found.append(f"{name}: {type(error).__name__}: {error}")
    return found


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything below a folder that must not depend on how often a command was killed."""
    return {name: _content(path) for name, path in visible(folder).items() if _counts(name)}


def _counts(name: str) -> bool:
    """Pages and logs tell the time of day, the cache is a convenience, and what torch has not
    downloaded to its end is called ``.partial``.
    """
    return not (name.endswith((".html", ".txt", ".log", ".partial")) or name.startswith("cache/"))


def _content(path: Path) -> Any:
    if path.suffix == ".pt":
        return checkpoint.digest(checkpoint.load(path)["engine"])
    if path.suffix == ".jsonl":
        rows = map(json.loads, path.read_text("utf-8").splitlines())
        return sorted((_timeless(row) for row in rows), key=json.dumps)
    if path.suffix == ".json":
        return _timeless(json.loads(path.read_text("utf-8")))
    if path.name == "summary.csv":
        return re.sub(r"[\d.]+", "#", path.read_text("utf-8"))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in TIMES}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Names of files that are missing, too many or different."""
    names = sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))
    return ", ".join(
        f"{n} {'is missing' if n not in found else 'is new' if n not in wanted else 'differs'}"
        for n in names
    )
