"""Batch statistics over two processes equal those of one, gradients averaged as the engine does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from losses.across_processes_worker import PAIRS, gradients

WORKER = Path(__file__).with_name("across_processes_worker.py")


def test_two_processes_give_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    workers = [
        subprocess.Popen([sys.executable, str(WORKER), str(rank), str(tmp_path)], env=environment)
        for rank in range(2)
    ]
    assert [worker.wait(120) for worker in workers] == [0, 0]
    found = torch.load(tmp_path / "found.pt", weights_only=True)
    for pair, of_two in zip(PAIRS, found, strict=True):
        whole = gradients(pair, slice(0, 6))
        torch.testing.assert_close(of_two, whole, rtol=1e-10, atol=1e-12)
        halves = [gradients(pair, slice(i, i + 3)) for i in (0, 3)]
        # Control: local statistics are another loss.
        with pytest.raises(AssertionError):
            torch.testing.assert_close((halves[0] + halves[1]) / 2, whole, rtol=1e-3, atol=1e-6)
