"""Folders in which commands have something to do: photographs, and runs that have ended."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from faults.commands import Commands

#: Short runs; each flag that is left out would make them longer.
GENERATE = ("train", "generate", "--data", "photos", "--loss", "hinge", "--image-size", "8",
            "--batch-size", "8", "--steps", "12", "--snap", "3", "--threads", "1")  # fmt: skip
RING = ("train", "generate", "--data", "demo:ring", "--loss", "r3gan", "--batch-size", "16",
        "--steps", "16", "--snap", "4", "--threads", "1")  # fmt: skip
SMALL = ("--image-size", "16", "--width", "4", "--depth", "2", "--batch-size", "2", "--steps", "4",
         "--snap", "1", "--threads", "1")  # fmt: skip
PAIRED = ("train", "paired", "--data", "pairs", "--loss", "lsgan", *SMALL)
UNPAIRED = ("train", "unpaired", "--data", "pairs", "--metrics", "none", *SMALL)
COMPARE = ("compare", "--data", "demo:ring", "--losses", "ns,hinge", "--seeds", "0-1",
           "--batch-size", "16", "--steps", "10", "--snap", "5", "--workers", "2",
           "--threads", "1")  # fmt: skip


def gradients(folder: Path, count: int, size: int = 16, seed: int = 0) -> None:
    """Colour gradients: real files, quickly made."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, size)
    for i in range(count):
        a, b = rng.uniform(0, 255, (2, 3))
        pixels = a + (b - a) * (ramp[:, None, None] + ramp[None, :, None]) / 2
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"bild ä{i:02d}.png")


def furnish(home: Path, commands: Commands) -> None:
    """Make photographs, pairs, and one ended run of each kind with a comparison."""
    gradients(home / "photos", 40)
    for side, seed in (("trainA", 1), ("trainB", 2)):
        gradients(home / "pairs" / side, 12, seed=seed)
    for words, out in ((GENERATE, "made"), (PAIRED, "paired"), (COMPARE, "compared")):
        ended = commands(*words, "--out", out, cwd=home)
        assert ended.code == 0, ended.err
    shutil.rmtree(home / "cache")
    for name in ("made", "paired", "compared"):
        only(home / name).rename(home / f"{name}.run")
        shutil.rmtree(home / name)
    _serve(home / "served")


def copy(template: Path, home: Path) -> None:
    """Copy a home; scripts, which are large and never changed, are linked where possible."""

    def one(source: str, target: str) -> None:
        if source.endswith(".js"):
            with suppress(OSError):  # another file system
                return os.link(source, target)
        shutil.copy2(source, target)
        return None

    shutil.copytree(template, home, copy_function=one, dirs_exist_ok=True)


def _serve(folder: Path) -> None:
    """A file to download, named after its content as weights are."""
    folder.mkdir()
    content = np.random.default_rng(0).bytes(3_000_000)
    name = f"weights-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(content)


def only(folder: Path) -> Path:
    """The one run or comparison below a folder."""
    (found,) = (path for path in folder.iterdir() if not path.name.startswith("."))
    return found


def step_of(home: Path) -> int:
    """The step of the last checkpoint below a folder; -1 where there is none."""
    from ganloss.engine import checkpoint

    found = [checkpoint.load(path)["engine"]["step"] for path in home.glob("runs/*/*/last.pt")]
    return max(found, default=-1)
