"""The pictures of a report: the same latents of every loss, over time, in one small file."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ganloss.lab.results import Comparison, runs_of
from ganloss.runs.reading import read_samples

#: Bytes that all pictures together may take, before they are written as text (a third more).
MOST_BYTES = 3_000_000
MOST_FRAMES, FEWEST_FRAMES, MOST_SEEDS, WIDTH, _QUALITY = 11, 4, 5, 360, 72


@dataclass(frozen=True)
class Grids:
    """Pictures by variant, seed and moment.

    Args:
        seeds: those shown.
        moments: shares of the budget, the last one 1.
        pictures: ``pictures[variant][seed][moment]`` as data URLs, empty where there is none.
        steps: the step of each, laid out alike.
        reals: what they should look like, as a data URL.
    """

    seeds: tuple[int, ...]
    moments: tuple[float, ...]
    pictures: dict[str, list[list[str]]]
    steps: dict[str, list[list[int]]]
    reals: str

    def script(self) -> dict[str, Any]:
        """What the page's script needs."""
        return {
            "seeds": list(self.seeds),
            "moments": list(self.moments),
            "pictures": list(self.pictures.values()),
            "steps": list(self.steps.values()),
        }


def grids_of(comparison: Comparison) -> Grids:
    """Choose, shrink and encode; with many runs, fewer moments and then fewer seeds."""
    names = [variant.name for variant in comparison.plan.variants]
    runs = {name: runs_of(comparison, name) for name in names}
    seeds = [s for s in comparison.plan.seeds if any(s in found for found in runs.values())]
    seeds = seeds[:MOST_SEEDS]
    frames = _affordable(runs, seeds)
    while frames < min(FEWEST_FRAMES, _longest(runs, seeds)) and len(seeds) > 1:
        seeds = seeds[:-1]
        frames = _affordable(runs, seeds)
    moments = [i / (frames - 1) for i in range(frames)] if frames > 1 else [1.0]
    pictures: dict[str, list[list[str]]] = {}
    steps: dict[str, list[list[int]]] = {}
    for name in names:
        found = [_film(runs[name].get(seed), moments) for seed in seeds]
        pictures[name] = [[picture for _, picture in film] for film in found]
        steps[name] = [[step for step, _ in film] for film in found]
    first = next((path for found in runs.values() for path in found.values()), None)
    reals = _encoded(first / "reals.png") if first and (first / "reals.png").is_file() else b""
    return Grids(tuple(seeds), tuple(moments), pictures, steps, _url(reals))


def _affordable(runs: Mapping[str, Mapping[int, Path]], seeds: Sequence[int]) -> int:
    """Moments that fit into the bytes there are, judged by the last pictures."""
    lasts = _last_pictures(runs, seeds)
    if not lasts:
        return 1
    some = lasts[:: max(1, len(lasts) // 6)]
    typical = sum(len(_encoded(path)) for path in some) / len(some)
    most = min(MOST_FRAMES, _longest(runs, seeds))
    return max(1, min(most, int(MOST_BYTES / (typical * len(lasts)))))


def _longest(runs: Mapping[str, Mapping[int, Path]], seeds: Sequence[int]) -> int:
    """Pictures of the run that has most of them."""
    lasts = _last_pictures(runs, seeds)
    return max((len(read_samples(path.parent.parent)) for path in lasts), default=1)


def _last_pictures(runs: Mapping[str, Mapping[int, Path]], seeds: Sequence[int]) -> list[Path]:
    found: list[Path] = []
    for folders in runs.values():
        for seed in seeds:
            samples = read_samples(folders[seed]) if seed in folders else []
            if samples:
                found.append(folders[seed] / samples[-1].source)
    return found


def _film(run: Path | None, moments: Sequence[float]) -> list[tuple[int, str]]:
    """Step and picture nearest to each moment."""
    samples = read_samples(run) if run is not None else []
    if run is None or not samples:
        return [(0, "") for _ in moments]
    last = samples[-1].step
    film: list[tuple[int, str]] = []
    for moment in moments:
        nearest = min(samples, key=lambda sample: abs(sample.step - moment * last))
        film.append((nearest.step, _url(_encoded(run / nearest.source))))
    return film


def _encoded(path: Path) -> bytes:
    """A picture as the page shows it; one that has not changed is encoded once.

    A report is written again and again while runs go on, and nearly all of its time went here.
    """
    try:
        return _webp(path, path.stat().st_mtime_ns)
    except OSError:
        return b""


@lru_cache(maxsize=1024)
def _webp(path: Path, written: int) -> bytes:
    """A picture on white, no wider than the page shows it, as WebP; nothing if it is damaged."""
    from PIL import Image

    del written  # another time is another picture
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGBA")
    except (OSError, ValueError):
        return b""
    paper = Image.new("RGBA", picture.size, "white")
    picture = Image.alpha_composite(paper, picture).convert("RGB")
    if picture.width > WIDTH:
        size = (WIDTH, round(picture.height * WIDTH / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, format="WEBP", quality=_QUALITY, method=4)
    return stream.getvalue()


def _url(picture: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(picture).decode()}" if picture else ""
