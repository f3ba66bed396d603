"""Two and four gloo processes under torchrun against one process, in float64."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKER = Path(__file__).with_name("two_process_worker.py")


def train(*asked: str, folder: Path, processes: int) -> dict[str, list[torch.Tensor]]:
    """Weights of each game; all are trained by the same processes, one game after the other."""
    target = folder / f"{processes}.pt"
    launcher = ("torch.distributed.run", "--nproc-per-node", str(processes), "--standalone")
    alone = [sys.executable, str(WORKER), str(target), *asked]
    command = alone if processes == 1 else [sys.executable, "-m", *launcher, *alone[1:]]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    took_part, weights = torch.load(target, weights_only=True)
    assert took_part == processes
    return weights


def differences(*asked: str, folder: Path, processes: int) -> dict[str, float]:
    """Largest difference of any weight to those of one process, relative to its tensor's largest.

    The one process makes no mistakes.
    """
    several = train(*asked, folder=folder, processes=processes)
    one = train(*{ONE.get(words, words) for words in asked}, folder=folder, processes=1)
    return {
        words: max(
            float((x - y).abs().max() / y.abs().max().clamp(min=1e-30))
            for x, y in zip(several[words], one[ONE.get(words, words)], strict=True)
        )
        for words in asked
    }


#: What one process trains for comparison, where it is not the same words.
ONE = {"ragan/means": "ragan", "wgan-gp/epsilon": "wgan-gp", "hinge/2": "hinge/1"}
#: With a gradient penalty, relativistic, and a translation.
SHORT = ["wgan-gp", "ragan", "cyclegan"]
#: Plain, with controllers, classes, and whatever else goes over the batch; with micro-batches,
#: augmentation, clipped gradients and power iterations on top.
MORE = ["ns", "began", "pix2pix", "ada", "r3gan", "classes", "lecam", "ebgan", "mmd-gan",
        "stylegan2", "hinge/2"]  # fmt: skip


def test_two_processes_equal_one_to_1e_8_and_mistakes_do_not(tmp_path: Path) -> None:
    mistakes = ["ragan/means", "wgan-gp/epsilon"]
    found = differences(*SHORT, *mistakes, folder=tmp_path, processes=2)
    for mistake in mistakes:
        assert found.pop(mistake) > 1e-4, mistake
    assert max(found.values()) < 1e-8, found


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("processes", "asked"), [(2, MORE), (4, [*SHORT, *MORE])])
def test_more_processes_equal_one_to_1e_8(processes: int, asked: list[str], tmp_path: Path) -> None:
    found = differences(*asked, folder=tmp_path, processes=processes)
    assert max(found.values()) < 1e-8, found
