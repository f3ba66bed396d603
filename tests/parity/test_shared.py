"""Two processes: nothing is sent that need not be, and all end with the same numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from parity.shared_worker import statistics

WORKER = Path(__file__).with_name("shared_worker.py")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    target = tmp_path_factory.mktemp("shared") / "found.json"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, "--standalone", str(WORKER), str(target)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(target.read_text(encoding="utf-8"))


def test_each_update_sends_its_gradient_once(found: dict[str, Any]) -> None:
    """One for each player; a control that sends more is the game with five turns of D."""
    assert list(found["plain"].values()) == [2]
    assert list(found["five turns of D"].values()) == [6]


def test_micro_batches_send_nothing_of_their_own(found: dict[str, Any]) -> None:
    assert found["in four parts"] == found["plain"]


def test_parameters_buffers_and_averages_are_the_same_everywhere(found: dict[str, Any]) -> None:
    """Power iterations of spectral norms among them."""
    assert set(found["spread"].values()) == {0.0}, found["spread"]


def test_an_overflow_on_one_process_is_skipped_by_all(found: dict[str, Any]) -> None:
    overflow = found["overflow"]
    assert overflow["skipped"] == [1.0, 1.0]
    assert overflow["after"] == [1.0, 1.0]
    assert set(overflow["spread"].values()) == {0.0}


def expected() -> list[float]:
    """Hinge: 1 - r on real, 1 + f on fake scores below 1, and -f for G, with weights, by hand."""
    generator = torch.Generator().manual_seed(0)
    r, f, u, v = torch.rand(4, 6, generator=generator, dtype=torch.float64)
    ur, vf = (u * r).sum() / u.sum(), (v * f).sum() / v.sum()
    return [float(x) for x in (1 - ur + 1 + vf, -ur + vf, -vf, -vf)]


def test_weighted_means_are_those_of_the_global_batch(found: dict[str, Any]) -> None:
    assert found["weighted"] == pytest.approx(expected(), rel=1e-12)


def test_statistics_of_terms_are_those_of_the_global_batch(found: dict[str, Any]) -> None:
    """Averaged over processes, value and gradient are those of one process with all samples."""
    for name, whole in statistics().items():
        assert found["statistics"][name] == pytest.approx(whole, rel=1e-9), name


def test_control_weights_that_each_process_adds_up_alone_give_another_mean(
    found: dict[str, Any],
) -> None:
    assert found["locally weighted"] != pytest.approx(expected(), rel=1e-3)
