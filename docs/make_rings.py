"""Train the games of the gallery and draw them.

``python docs/make_rings.py [NAME ...]`` trains (about 15 seconds each) and keeps what it saw in
``runs/rings``; ``python docs/make_rings.py --draw`` draws that again. Pictures are committed.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from rings import REACH, RINGS, Film, train
from torch import Tensor

from ganloss.data.points import ring

KEPT, PICTURES = Path("runs/rings"), Path(__file__).parent / "pictures" / "rings"
FACTS = PICTURES / "facts.json"
SIDE, FINER = 240, 3
GENERATED, MODE = (46, 134, 193, 255), (230, 159, 0, 255)


def main(arguments: list[str]) -> None:
    names = [a for a in arguments if not a.startswith("-")] or list(RINGS)
    torch.set_num_threads(1)
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in names:
        if "--draw" not in arguments:
            torch.save(asdict(train(RINGS[name].game)), KEPT / f"{name}.pt")
        write(name, Film(**torch.load(KEPT / f"{name}.pt", weights_only=True)))
        sys.stdout.write(f"{name}: {json.loads(FACTS.read_text())[name]}\n")
        sys.stdout.flush()


def write(name: str, film: Film) -> None:
    pictures = [scatter(points) for points in film.frames]
    # Still for a moment before it starts anew.
    times = [110] * (len(pictures) - 1) + [2500]
    first, *others = pictures
    first.save(
        PICTURES / f"{name}.webp", save_all=True, append_images=others, duration=times, loop=0,
        lossless=True, method=4,
    )  # fmt: skip
    pictures[-1].save(PICTURES / f"{name}.png", optimize=True)
    if film.scores is not None:
        landscape(film.scores).save(PICTURES / f"{name}-critic.png", optimize=True)
    facts = json.loads(FACTS.read_text()) if FACTS.exists() else {}
    facts[name] = {key: float(f"{value:.4g}") for key, value in film.facts.items()}
    ordered = {key: facts[key] for key in RINGS if key in facts}
    FACTS.write_text(json.dumps(ordered, indent=1) + "\n")


def scatter(points: Tensor) -> Image.Image:
    """Points over rings where the modes are, on nothing: it shows on light and dark pages."""
    sheet = Image.new("RGBA", (SIDE * FINER, SIDE * FINER), (255, 255, 255, 0))
    draw = ImageDraw.Draw(sheet)
    for x, y in ring().modes.tolist():
        draw.ellipse(_box(x, y, 9), outline=MODE, width=5)
    for x, y in points.tolist():
        if abs(x) < REACH and abs(y) < REACH:
            draw.ellipse(_box(x, y, 1.4), fill=GENERATED)
    small = sheet.resize((SIDE, SIDE), Image.Resampling.BOX)
    return small.quantize(24, method=Image.Quantize.FASTOCTREE).convert("RGBA")


def _box(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    across = (x / REACH + 1) / 2 * SIDE * FINER
    down = (1 - y / REACH) / 2 * SIDE * FINER
    r = radius * FINER
    return across - r, down - r, across + r, down + r


def landscape(scores: Tensor) -> Image.Image:
    """Scores in twelve steps of colour from low to high, with the modes."""
    import matplotlib

    low, high = scores.min(), scores.max()
    steps = ((scores - low) / (high - low + 1e-12) * 11.999).floor() / 11
    colours = (matplotlib.colormaps["cividis"](steps.numpy())[..., :3] * 255).astype("uint8")
    sheet = Image.fromarray(colours).resize((SIDE * 2, SIDE * 2), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(sheet)
    for x, y in ring().modes.tolist():
        box = [value * 2 / FINER for value in _box(x, y, 9)]
        draw.ellipse(box, outline=(255, 255, 255), width=3)
    return sheet.resize((SIDE, SIDE), Image.Resampling.LANCZOS).quantize(48)


if __name__ == "__main__":
    main(sys.argv[1:])
