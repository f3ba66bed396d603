"""A run killed at random moments and resumed equals the uninterrupted run, to the bit."""

import random
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.runs import fingerprint, only_run, run, start

KILLS = 3


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty colour gradients of 20 pixels: real files, quickly made."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 20)
    for i in range(60):
        a, b = rng.uniform(0, 255, (2, 3))
        pixels = a + (b - a) * (ramp[:, None, None] + ramp[None, :, None]) / 2
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"bild ä{i:02d}.png")
    return folder


CASES = {
    "wgan-gp on digits": ("--data", "demo:digits", "--loss", "wgan-gp", "--steps", "60"),
    "hinge on a folder": (
        *("--data", "PHOTOS", "--loss", "hinge", "--image-size", "16", "--mirror"),
        *("--batch-size", "16", "--steps", "60"),
    ),
}


def kill_while_it_trains(command: list[str], cwd: Path, rng: random.Random, length: float) -> None:
    """Start, wait for a random moment after the run folder appeared, and send SIGKILL."""
    process = start(*command, cwd=cwd)
    deadline = time.monotonic() + 200
    while process.poll() is None and time.monotonic() < deadline:
        if list((cwd / "out").glob("*/checkpoints")):
            break
        time.sleep(0.02)
    time.sleep(rng.uniform(0, length))
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    "case", ["wgan-gp on digits", pytest.param("hinge on a folder", marks=pytest.mark.long)]
)
def test_killed_and_resumed_equals_uninterrupted(case: str, photos: Path, tmp_path: Path) -> None:
    words = [str(photos) if word == "PHOTOS" else word for word in CASES[case]]
    command = ["train", "generate", *words, "--snap", "6", "--out", "out"]
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    calm.mkdir()
    rough.mkdir()

    started = time.monotonic()
    done = run(*command, cwd=calm)
    assert done.returncode == 0, done.stderr
    training = time.monotonic() - started - 3  # what is not spent on imports

    seed = time.time_ns()
    print(f"kill moments from random.Random({seed})")
    rng = random.Random(seed)
    for _ in range(KILLS):
        kill_while_it_trains([*command, "--resume"], rough, rng, max(training, 1.0))
    done = run(*command, "--resume", cwd=rough)
    assert done.returncode == 0, done.stderr

    expected, found = fingerprint(only_run(calm / "out")), fingerprint(only_run(rough / "out"))
    assert found == expected


def test_resuming_a_finished_run_says_so(tmp_path: Path) -> None:
    command = ("train", "generate", "--data", "demo:digits", "--loss", "ns", "--steps", "2")
    assert run(*command, cwd=tmp_path).returncode == 0
    folder = only_run(tmp_path / "runs")
    before = (folder / "checkpoints" / "last.pt").read_bytes()
    again = run("train", "generate", "--resume", str(folder), cwd=tmp_path)
    assert again.returncode == 0
    assert "finished already" in again.stdout
    assert (folder / "checkpoints" / "last.pt").read_bytes() == before

    longer = run("train", "generate", "--resume", str(folder), "--steps", "4", cwd=tmp_path)
    assert longer.returncode == 0, longer.stderr
    assert "continued at step 2" in longer.stdout

    other = run("train", "generate", "--resume", str(folder), "--loss", "hinge", cwd=tmp_path)
    assert other.returncode == 2
    assert "has loss 'ns'" in other.stderr
    assert "Leave the flag out" in other.stderr
    default = run("train", "generate", "--resume", str(folder), "--loss", "wgan-gp", cwd=tmp_path)
    assert default.returncode == 2, "what is typed counts, also where it is the default"
    assert "has loss 'ns'" in default.stderr


def test_control_another_seed_gives_another_fingerprint(tmp_path: Path) -> None:
    command = ("train", "generate", "--data", "demo:digits", "--steps", "2", "--loss", "ns")
    for seed in ("0", "1"):
        done = run(*command, "--seed", seed, "--out", f"out{seed}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    first, second = (fingerprint(only_run(tmp_path / f"out{seed}")) for seed in ("0", "1"))
    assert first["state"] != second["state"]
    assert first["samples"] != second["samples"]
