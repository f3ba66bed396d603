"""Checkpoints: atomic, checked, and never a way to run code."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from ganloss._errors import CheckpointError, StorageError
from ganloss.engine import checkpoint

STATE = {"step": 3, "weights": {"w": torch.arange(4.0)}, "names": ["a", 1, None]}


def test_a_state_comes_back_to_the_bit(tmp_path: Path) -> None:
    file = tmp_path / "last.pt"
    checkpoint.save(STATE, file)
    loaded = checkpoint.load(file)
    assert checkpoint.digest(loaded) == checkpoint.digest(STATE)
    assert os.listdir(tmp_path) == ["last.pt"]


def test_it_is_a_plain_torch_file_for_everybody_else(tmp_path: Path) -> None:
    checkpoint.save(STATE, tmp_path / "last.pt")
    payload = torch.load(tmp_path / "last.pt", weights_only=True)
    assert payload["schema"] == checkpoint.SCHEMA
    assert payload["state"]["step"] == 3


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_truncated_file_is_named(tmp_path: Path, keep: int) -> None:
    file = tmp_path / "last.pt"
    checkpoint.save(STATE, file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        checkpoint.load(file)


def test_an_altered_value_breaks_the_checksum(tmp_path: Path) -> None:
    file = tmp_path / "last.pt"
    checkpoint.save(STATE, file)
    payload = torch.load(file, weights_only=True)
    payload["state"]["weights"]["w"][0] = 9.0
    torch.save(payload, file)
    with pytest.raises(CheckpointError, match="checksum does not match"):
        checkpoint.load(file)


def test_another_version_is_named(tmp_path: Path) -> None:
    file = tmp_path / "last.pt"
    torch.save({"schema": 99, "digest": "", "state": {}}, file)
    with pytest.raises(CheckpointError, match="format 99 and this version reads 1"):
        checkpoint.load(file)


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_malicious_file_runs_nothing(tmp_path: Path) -> None:
    target = tmp_path / "pwned"
    payload = {"schema": 1, "digest": "", "state": Malicious(target)}
    torch.save(payload, tmp_path / "evil.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(payload))
    for name in ("evil.pt", "raw.pt"):
        with pytest.raises(CheckpointError):
            checkpoint.load(tmp_path / name)
    assert not target.exists()
    # The control: the same file does run code when loaded without care.
    torch.load(tmp_path / "evil.pt", weights_only=False)
    assert target.exists()


def test_a_failing_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "last.pt"
    checkpoint.save(STATE, file)
    before = file.read_bytes()

    def fail(stream: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="What was there before is untouched"):
        checkpoint.write_atomically(file, fail)
    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == ["last.pt"]


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "last.pt"
    checkpoint.save(STATE, file)

    def interrupted(stream: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checkpoint.write_atomically(file, interrupted)
    assert checkpoint.load(file)["step"] == 3
    assert os.listdir(tmp_path) == ["last.pt"]


def test_the_digest_sees_every_bit() -> None:
    a = {"x": torch.tensor([0.0]), "y": [1, 2]}
    assert checkpoint.digest(a) != checkpoint.digest({"x": torch.tensor([-0.0]), "y": [1, 2]})
    assert checkpoint.digest(a) != checkpoint.digest({"x": torch.tensor([0.0]), "y": [2, 1]})
    assert checkpoint.digest(a) != checkpoint.digest(
        {"x": torch.tensor([0.0], dtype=torch.float64), "y": [1, 2]}
    )
