"""The same command under torchrun: one folder, one voice, the numbers of one process."""

from pathlib import Path

import pytest

from cli.runs import only_run, run, run_in_two_processes
from ganloss.runs.folder import RunFolder

WORDS = ("train", "generate", "--data", "demo:digits", "--loss", "wgan-gp", "--steps", "12")


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    alone = run(*WORDS, "--out", "one", cwd=tmp_path)
    together = run_in_two_processes(*WORDS, "--out", "two", cwd=tmp_path)
    assert alone.returncode == together.returncode == 0, together.stderr
    assert together.stdout.count("fd-digits@897") == alone.stdout.count("fd-digits@897")
    one, two = (RunFolder(only_run(tmp_path / name)).rows() for name in ("one", "two"))
    assert [row["step"] for row in one] == [row["step"] for row in two]
    for a, b in zip(one[1:], two[1:], strict=True):
        for player in ("d", "g"):
            # fp32: sums over halves of a batch round differently.
            assert b[player] == pytest.approx(a[player], rel=1e-3, abs=1e-4)
        assert b["scores"] == pytest.approx(a["scores"], rel=1e-3, abs=1e-4)


def test_two_processes_lose_patience_at_the_same_step(tmp_path: Path) -> None:
    """A generator that does not move gives the same samples, which never score better."""
    still = ("--g-lr", "1e-12", "--snap", "2", "--patience", "2", "--accumulate", "4")
    done = run_in_two_processes(*WORDS, *still, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    sentence = "stopped early at step 4: no score of the last 2 was better than"
    assert done.stdout.count(sentence) == 1
    folder = RunFolder(only_run(tmp_path / "runs"))
    assert folder.rows()[-1]["step"] == 4
    assert "step 0 reached" in folder.log.read_text(encoding="utf-8")
