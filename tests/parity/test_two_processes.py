"""Two and four gloo processes under torchrun against one process, in float64."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKER = Path(__file__).with_name("two_process_worker.py")


def train(
    name: str, target: Path, processes: int, epsilon: str = "global", accumulate: int = 0
) -> list[torch.Tensor]:
    alone = [sys.executable]
    launched = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)),
        *("--master-port", "0", "--standalone"),
    ]
    words = [str(WORKER), name, str(target), epsilon, str(accumulate)]
    command = [*(alone if processes == 1 else launched), *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found, weights = torch.load(target, weights_only=True)
    assert found == processes
    return weights


def worst_relative_difference(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    """Largest difference of any weight, relative to the largest weight of its tensor."""
    return max(
        float((x - y).abs().max() / y.abs().max().clamp(min=1e-30))
        for x, y in zip(a, b, strict=True)
    )


#: Plain, with a gradient penalty, relativistic, with a controller, and the translations.
SHORT = ["ns", "wgan-gp", "ragan", "began", "pix2pix", "cyclegan"]
MORE = ["ada", "r3gan", "classes", "lecam", "ebgan", "mmd-gan", "stylegan2"]


@pytest.mark.parametrize("name", ["wgan-gp", "ragan", "cyclegan"])
def test_two_processes_equal_one_to_1e_8(name: str, tmp_path: Path) -> None:
    one = train(name, tmp_path / "one.pt", 1)
    two = train(name, tmp_path / "two.pt", 2)
    assert worst_relative_difference(two, one) < 1e-8


@pytest.mark.long
@pytest.mark.parametrize("name", [*SHORT, *MORE])
def test_two_and_four_processes_equal_one_to_1e_8(name: str, tmp_path: Path) -> None:
    one = train(name, tmp_path / "one.pt", 1)
    for processes in (2, 4):
        several = train(name, tmp_path / f"{processes}.pt", processes)
        assert worst_relative_difference(several, one) < 1e-8


@pytest.mark.long
def test_two_processes_of_two_micro_batches_equal_one_of_one(tmp_path: Path) -> None:
    """With augmentation, clipped gradients and power iterations on top."""
    one = train("hinge", tmp_path / "one.pt", 1, accumulate=1)
    two = train("hinge", tmp_path / "two.pt", 2, accumulate=2)
    assert worst_relative_difference(two, one) < 1e-8


def test_control_means_of_each_process_differ(tmp_path: Path) -> None:
    one = train("ragan", tmp_path / "one.pt", 1)
    two = train("ragan", tmp_path / "two.pt", 2, epsilon="local")
    assert worst_relative_difference(two, one) > 1e-4


def test_control_epsilon_drawn_by_each_process_differs(tmp_path: Path) -> None:
    one = train("wgan-gp", tmp_path / "one.pt", 1)
    two = train("wgan-gp", tmp_path / "two.pt", 2, epsilon="local")
    assert worst_relative_difference(two, one) > 1e-4
