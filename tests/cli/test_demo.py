"""The main job: `ganloss demo digits` as a user runs it, held to what it promises."""

import json
import re
from pathlib import Path

from cli.runs import only_run, run


def test_the_demo_ends_within_twice_the_score_of_real_digits(tmp_path: Path) -> None:
    done = run("demo", "digits", cwd=tmp_path, timeout=290)
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


def test_the_ring_is_covered(tmp_path: Path) -> None:
    """A shorter run than the demo's own 6,000 steps."""
    done = run("demo", "ring", "--steps", "4000", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = only_run(tmp_path / "runs")
    found = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["found"]
    assert found["modes covered"] == 1.0
    assert found["good samples"] > 0.3
    assert found["reverse KL"] < 0.05
    assert "Known distribution: 8 of 8 modes covered" in done.stdout
