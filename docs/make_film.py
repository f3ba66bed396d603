"""Train the demo and film its samples for the README: ``python docs/make_film.py``, about a minute.

The film, ``docs/pictures/digits.gif``, is committed.
"""

import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganloss.cli import main as ganloss

TARGET = Path(__file__).parent / "pictures" / "digits.gif"
COLUMNS, ROWS, PIXELS, ZOOM = 14, 4, 8, 5
TILE, STRIP = (PIXELS + 1) * ZOOM, 30
PAPER, INK, GRAYS = 255, 40, 16


def trained(out: Path) -> Path:
    """Run the demo, and give its run folder."""
    shutil.rmtree(out, ignore_errors=True)
    ganloss(["demo", "digits", "--out", str(out)])
    (run,) = (path.parent for path in out.glob("*/metrics.jsonl"))
    return run


def digits(sheet: Path) -> list[Image.Image]:
    """Samples of a run's sheet of eight by eight, in their own size."""
    with Image.open(sheet) as opened:
        image = opened.convert("L")
    step = (image.width + 2) // 8
    corners = [(x * step, y * step) for y in range(8) for x in range(8)]
    tiles = [image.crop((x, y, x + step - 2, y + step - 2)) for x, y in corners]
    return [tile.resize((PIXELS, PIXELS), Image.Resampling.BOX) for tile in tiles]


def frame(sheet: Path, words: str) -> Image.Image:
    """Samples side by side over a line of words."""
    page = Image.new("L", (COLUMNS * TILE - ZOOM, ROWS * TILE - ZOOM + STRIP), PAPER)
    for i, digit in enumerate(digits(sheet)[: COLUMNS * ROWS]):
        row, column = divmod(i, COLUMNS)
        large = digit.resize((PIXELS * ZOOM,) * 2, Image.Resampling.NEAREST)
        page.paste(large, (column * TILE, row * TILE))
    font = ImageFont.load_default(size=16)
    ImageDraw.Draw(page).text((2, page.height - STRIP / 2), words, INK, font, anchor="lm")
    few = np.asarray(page).astype(float) * (GRAYS - 1) / 255
    return Image.fromarray((few.round() * 255 / (GRAYS - 1)).astype("uint8"))


def main() -> None:
    run = trained(Path("runs/film"))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    scores = {row["step"]: row["fd"] for row in rows if "fd" in row}
    frames = []
    for sheet in sorted((run / "samples").glob("*.png")):
        step = int(sheet.stem)
        score = f", score {scores[step]:.3g}" if step in scores else ""
        frames.append(frame(sheet, f"ganloss demo digits: step {step:,}{score}"))
    times = [1000] + [260] * (len(frames) - 2) + [3500]
    first, *others = frames
    first.save(TARGET, save_all=True, append_images=others, duration=times, loop=0)


if __name__ == "__main__":
    main()
