"""Batch statistics over two processes equal those of one, gradients averaged as the engine does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from losses.across_processes_worker import PAIRS, gradients

WORKER = Path(__file__).with_name("across_processes_worker.py")


def of_two_processes(folder: Path, backward: str) -> torch.Tensor:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    workers = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(rank), str(folder), backward], env=environment
        )
        for rank in range(2)
    ]
    assert [worker.wait(120) for worker in workers] == [0, 0]
    return torch.load(folder / "found.pt", weights_only=True)


def test_two_processes_give_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    for pair, of_two in zip(PAIRS, of_two_processes(tmp_path, "global"), strict=True):
        whole = gradients(pair, slice(0, 6))
        torch.testing.assert_close(of_two, whole, rtol=1e-10, atol=1e-12)
        halves = [gradients(pair, slice(i, i + 3)) for i in (0, 3)]
        # Control: local statistics are another loss.
        with pytest.raises(AssertionError):
            torch.testing.assert_close((halves[0] + halves[1]) / 2, whole, rtol=1e-3, atol=1e-6)


def test_control_a_gradient_that_stays_in_its_process_is_another(tmp_path: Path) -> None:
    for pair, of_two in zip(PAIRS, of_two_processes(tmp_path, "local"), strict=True):
        with pytest.raises(AssertionError):
            torch.testing.assert_close(of_two, gradients(pair, slice(0, 6)), rtol=1e-3, atol=1e-6)
