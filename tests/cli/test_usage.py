"""What a user meets at the command line: help, mistakes, exit codes."""

import re
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.runs import COMMAND, environment, only_run, run
from ganloss.cli import main
from ganloss.runs.settings import GenerateSettings


@pytest.mark.parametrize(
    "words",
    [("--help",), ("train", "--help"), ("train", "generate", "--help"), ("demo", "--help"),
     ("doctor", "--help"), ("--version",)],
)  # fmt: skip
def test_help_is_quick_to_say_and_imports_no_torch(words: tuple[str, ...]) -> None:
    script = (
        "import sys; from ganloss.cli import main\n"
        f"code = main({list(words)!r})\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace("\n", "").isprintable()
    assert re.search(r"usage|ganloss \d", done.stdout)


def test_every_setting_is_a_flag_with_an_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "generate", "--help"])
    text = capsys.readouterr().out
    for item in fields(GenerateSettings):
        assert f"--{item.name.replace('_', '-')}" in text


MISTAKES = [
    (["trian"], "did you mean `ganloss train`"),
    (["train", "generat"], "did you mean 'generate'"),
    (["train", "generate"], "Add --data FOLDER, or --data demo:digits"),
    (["train", "generate", "--data", "demo:digits", "--loss", "hingee"], "did you mean 'hinge'"),
    (["train", "generate", "--data", "demo:digits", "--batchsize", "3"], "--batch-size"),
    (["train", "generate", "--epoch", "3"], "did you mean --epochs"),
    (["train", "generate", "--data", "x", "--steps", "3", "--kimg", "3"], "keep one of them"),
    (["train", "generate", "--data", "x", "--steps", "0"], "--steps is 0; it must be positive"),
    (
        ["train", "generate", "--data", "x", "--steps", "many"],
        "--steps is 'many'; it takes a whole number",
    ),
    (["train", "generate", "--data", "demo:digits", "--penalty", "r9=1"], "no penalty 'r9'"),
    (["train", "generate", "--data", "demo:digits", "--loss", "hinge", "--gamma", "1"], "R1"),
    (["train", "generate", "--data", "demo:digits", "--betas", "x"], "give two numbers"),
    (["train", "generate", "--data", "demo:digits", "--betas", "nan,0.9"], "at least 0 and below"),
    (["train", "generate", "--data", "demo:digits", "--betas", "0,1"], "at least 0 and below 1"),
    (
        ["train", "generate", "--data", "demo:digits", "--device", "tpu"],
        "it takes one of auto, cpu",
    ),
    (
        ["train", "generate", "--data", "demo:digits", "--accumulate", "6"],
        "--batch-size 64 does not divide into --accumulate 6 equal parts; use --accumulate 4, or "
        "--batch-size 66",
    ),
    (["train", "generate", "--data", "demo:digits", "--accumulate", "0"], "--accumulate is 0"),
    (["train", "generate", "--data", "demo:digits", "--clip-grad", "0"], "--clip-grad is 0"),
    (
        ["train", "generate", "--data", "demo:digits", "--lr-schedule", "linear"],
        "a run of 10 minutes does not know how many steps it has; say --steps, --kimg or --epochs",
    ),
    (
        ["train", "generate", "--data", "demo:digits", "--lr-schedule", "cosine", "--minutes", "3"],
        "a run of 3 m",
    ),
    (
        ["train", "generate", "--data", "demo:digits", "--lr-schedule", "cubic"],
        "one of constant, linear, cosine",
    ),
    (
        ["train", "generate", "--data", "demo:digits", "--lr-decay-from", "0.3"],
        "belongs to --lr-schedule linear",
    ),
    (
        [
            "train",
            "generate",
            "--data",
            "demo:digits",
            "--steps",
            "9",
            "--lr-schedule",
            "linear",
            "--lr-decay-from",
            "1",
        ],
        "a share of the run from 0 to below 1",
    ),
    (
        ["train", "generate", "--data", "demo:digits", "--diffaugment", "colour"],
        "did you mean 'color'",
    ),
    (["train", "generate", "--data", "demo:digits", "--augment", "color,color"], "name each once"),
    (
        ["train", "generate", "--data", "demo:digits", "--patience", "2", "--metrics", "none"],
        "measures none",
    ),
    (["train", "generate", "--data", "demo:digits", "--patience", "0"], "--patience is 0"),
    (
        ["train", "generate", "--data", "demo:digits", "--track", "tensorbord"],
        "did you mean 'tensorboard'",
    ),
    (["demo", "digit"], "did you mean 'digits'"),
    (["train", "generate", "--resume", "nowhere"], "is not a run folder"),
    (["doctor", "now"], "takes no arguments"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES)
def test_a_usage_mistake_exits_2_with_one_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1


def test_an_empty_folder_exits_3(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("train", "generate", "--data", "empty", cwd=tmp_path)
    assert done.returncode == 3
    assert "no images below empty" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_an_unwritable_place_exits_6(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run(
        "train", "generate", "--data", "demo:digits", "--out", "file/runs", "--steps", "1",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 6
    assert "cannot be a folder, since a file is in its place; choose another --out" in done.stderr


def test_a_damaged_checkpoint_exits_7_and_is_kept(tmp_path: Path) -> None:
    words = ("train", "generate", "--data", "demo:digits", "--loss", "ns")
    assert run(*words, "--steps", "2", cwd=tmp_path).returncode == 0
    last = only_run(tmp_path / "runs") / "checkpoints" / "last.pt"
    damaged = last.read_bytes()[:-500]
    last.write_bytes(damaged)
    done = run(*words, "--steps", "4", "--resume", cwd=tmp_path)
    assert done.returncode == 7
    assert "not a readable checkpoint" in done.stderr
    assert last.read_bytes() == damaged


def test_divergence_exits_5_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    done = run(
        "train", "generate", "--data", "demo:digits", "--loss", "lsgan", "--lr", "1e9",
        "--steps", "40", "--snap", "5", "--metrics", "none", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 5, done.stdout + done.stderr
    assert re.search(r"diverged at step \d+: .* is not finite", done.stderr)
    folder = only_run(tmp_path / "runs")
    assert (folder / "checkpoints" / "last.pt").exists()
    assert (folder / "diverged.json").exists()
    assert "diverged" in (folder / "index.html").read_text(encoding="utf-8").lower()


def test_two_trainings_in_one_folder_are_refused(tmp_path: Path) -> None:
    from ganloss._errors import StorageError
    from ganloss.runs.folder import RunFolder

    first, second = RunFolder(tmp_path).locked(), RunFolder(tmp_path).locked()
    with first, pytest.raises(StorageError, match="another process"), second:
        pass


def test_ctrl_c_saves_first_and_says_how_to_go_on(tmp_path: Path) -> None:
    import signal

    words = ("train", "generate", "--data", "demo:digits", "--loss", "ns", "--minutes", "5")
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not list(tmp_path.glob("runs/*/metrics.jsonl")):
        time.sleep(0.05)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 130
    assert "--resume runs/00000-ns-digits-s0" in output
    assert only_run(tmp_path / "runs").joinpath("checkpoints", "last.pt").exists()


def test_names_with_spaces_and_umlauts_work_under_a_c_locale(tmp_path: Path) -> None:
    folder = tmp_path / "Bilder für <b>Ära & co"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(16):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i} ß.png")
    done = subprocess.run(
        [*COMMAND, "train", "generate", "--data", str(folder), "--steps", "1", "--loss", "ns"],
        cwd=tmp_path,
        env=environment() | {"LC_ALL": "C"},
        capture_output=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    page = (only_run(tmp_path / "runs") / "index.html").read_text(encoding="utf-8")
    assert "<b>Ära" not in page
    assert "Ära" in page


def test_a_dry_run_says_what_a_run_costs_and_leaves_nothing_behind(tmp_path: Path) -> None:
    words = ("train", "generate", "--data", "demo:digits", "--steps", "100", "--accumulate", "4")
    done = run(*words, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # Parameters by hand: three linear layers with biases, 32-256-256-64 and 64-256-256-1.
    g = 32 * 256 + 256 + 256 * 256 + 256 + 256 * 64 + 64
    d = 64 * 256 + 256 + 256 * 256 + 256 + 256 + 1
    assert f"generator {g:,}, discriminator {d:,} parameters" in done.stdout
    assert "each on 64 images in 4 parts of 16" in done.stdout
    assert re.search(r"100 steps at [0-9.]+ ms a step", done.stdout)
    assert re.search(r"about \d+ s of training and \d+ s for samples and scores at 21", done.stdout)
    assert re.search(r"memory +[0-9.]+ [MG]B at the peak", done.stdout)
    assert list(tmp_path.iterdir()) == []


def test_the_disk_space_a_dry_run_foretells_is_that_of_the_run(tmp_path: Path) -> None:
    words = ("train", "generate", "--data", "demo:digits", "--loss", "ns", "--steps", "40")
    foretold = re.search(r"disk +about ([0-9.]+) MB", run(*words, "-n", cwd=tmp_path).stdout)
    assert foretold is not None
    assert run(*words, cwd=tmp_path).returncode == 0
    files = [f for f in only_run(tmp_path / "runs").rglob("*") if f.is_file()]
    megabytes = sum(f.stat().st_size for f in files) / 1e6
    assert float(foretold[1]) == pytest.approx(megabytes, rel=0.25)


def test_a_configuration_file_gives_flags_and_flags_win(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text("data: demo:digits\nloss: hinge\nbatch_size: 7\n")
    words = ["train", "generate", "--config", "run.yaml", "--batch_size", "9", "--print-config"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "loss: hinge" in printed
    assert "batch_size: 9" in printed
