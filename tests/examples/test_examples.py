"""Every example runs, for a few steps; the two of other frameworks with two processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
ALONE = sorted(p.stem for p in EXAMPLES.glob("*.py") if not p.stem.startswith("with_"))


def run(folder: Path, *words: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True,
        encoding="utf-8", timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "name",
    [n if n in ("wgan_gp", "own_loss") else pytest.param(n, marks=pytest.mark.long) for n in ALONE],
)
def test_runs_and_leaves_what_it_says(name: str, tmp_path: Path) -> None:
    said = run(tmp_path, str(EXAMPLES / f"{name}.py"), "--steps", "3")
    assert "step 2: " in said
    if name != "own_loss":
        picture = said.split()[-1]
        assert (tmp_path / picture).stat().st_size > 500


@pytest.mark.long
def test_accelerate_with_two_processes(tmp_path: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    said = run(tmp_path, *launcher, str(EXAMPLES / "with_accelerate.py"), "--steps", "3")
    assert "2 process(es); samples: accelerate.png" in said


@pytest.mark.long
def test_lightning_with_two_processes(tmp_path: Path) -> None:
    said = run(tmp_path, str(EXAMPLES / "with_lightning.py"), "--steps", "6", "--devices", "2")
    assert "2 process(es)" in said
    assert (tmp_path / "lightning.png").exists()


def test_examples_are_short() -> None:
    lengths = {
        p.name: len(p.read_text(encoding="utf-8").splitlines()) for p in EXAMPLES.glob("*.py")
    }
    assert max(lengths.values()) <= 150, lengths
    assert len(lengths) == 9
