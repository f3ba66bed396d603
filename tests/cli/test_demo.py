"""The main job: `ganloss demo digits` as a user runs it, held to what it promises."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cli.runs import COMMAND, environment, only_run, run
from ganloss.cli.demo import DEMOS


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_demo_ends_within_twice_the_score_of_real_digits(tmp_path: Path) -> None:
    done = run("demo", "digits", cwd=tmp_path, timeout=890)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    folder = only_run(tmp_path / "runs")
    status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    last = rows[-1]
    assert last["fd"] <= 2 * status["metric"]["reference"]
    assert rows[0]["fd"] >= 30 * status["metric"]["reference"]
    assert min(last["shares"]) >= 0.03
    ratio = re.search(r"Nearest neighbours: samples are (\d\.\d\d) times", done.stdout)
    assert ratio is not None
    assert 0.8 < float(ratio[1]) < 1.2
    assert "index.html" in done.stdout
    assert "next      ganloss" in done.stdout
    for name in ("config.yaml", "command.txt", "env.json", "index.html", "reals.png",
                 "progress.gif", "checkpoints/last.pt", "checkpoints/best.pt",
                 "export/generator.safetensors"):  # fmt: skip
        assert (folder / name).stat().st_size > 0


def test_every_demo_is_in_the_help() -> None:
    done = run("demo", "--help", cwd=Path.cwd())
    assert done.returncode == 0
    for name in DEMOS:
        assert re.search(rf"^  {name} ", done.stdout, re.M), name


@pytest.mark.long
def test_the_ring_is_covered(tmp_path: Path) -> None:
    """A shorter run than the demo's own 2,500 steps."""
    done = run("demo", "ring", "--steps", "1500", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = only_run(tmp_path / "runs")
    found = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["found"]
    assert found["modes covered"] == 1.0
    assert found["good samples"] > 0.4
    assert found["reverse KL"] < 0.05
    assert "Known distribution: 8 of 8 modes covered" in done.stdout


@pytest.mark.long
def test_restoring_ends_with_a_table_and_a_picture(tmp_path: Path) -> None:
    """A few steps: who wins is measured by the demo itself, in three minutes."""
    done = run("demo", "restore", "--steps", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for name in ("bicubic", "L1", "L1 + SSIM", "L1 + features"):
        assert re.search(rf"^{re.escape(name)} +\d+\.\d\d \(\d+\.\d\d–", done.stdout, re.M), name
    assert "dB over bicubic. Best in PSNR: " in done.stdout
    assert (tmp_path / "runs" / "restore-s0.png").stat().st_size > 0
    assert len([p for p in (tmp_path / "runs").iterdir() if p.is_dir()]) == 3


@pytest.mark.long
def test_an_interrupted_restoration_goes_on(tmp_path: Path) -> None:
    words = ("demo", "restore", "--steps", "60")
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and len([*tmp_path.glob("runs/*/*/last.pt")]) < 2:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 130
    assert "ganloss train paired --resume runs/00001-" in said
    assert "ganloss demo restore --resume" in said
    done = run(*words, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "00000-none-photos-s0 is finished already" in done.stdout
    assert "dB over bicubic. Best in PSNR: " in done.stdout
    assert len([p for p in (tmp_path / "runs").iterdir() if p.is_dir()]) == 3


@pytest.mark.long
def test_translating_compares_with_the_sketches_that_are_known(tmp_path: Path) -> None:
    done = run("demo", "translate", "--steps", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert re.search(r"^translated +L1 0\.\d+ .* SSIM", done.stdout, re.M)
    assert re.search(r"^blank page +L1 0\.\d+ .* SSIM .* correlation 0\.0000 ", done.stdout, re.M)
    assert "There and back: held-out images come back" in done.stdout
