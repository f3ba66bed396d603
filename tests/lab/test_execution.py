"""Comparisons that really run, in processes of their own; some are killed."""

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.runs import COMMAND, environment, run, start
from ganloss._errors import DataError, UsageError
from ganloss.lab import compare
from ganloss.lab.comparison import _Silent, create
from ganloss.lab.comparison import run as run_comparison
from ganloss.lab.jobs import from_message, to_message
from ganloss.lab.plan import plan
from ganloss.lab.pool import _Pool, _said, run_locally
from ganloss.lab.results import Comparison, summary
from ganloss.runs.settings import GenerateSettings

RING = GenerateSettings(data="demo:ring", steps=20, snap=10, threads=1)
FLAGS = ("compare", "--data", "demo:ring", "--losses", "ns,hinge", "--seeds", "0-1", "--snap", "20",
         "--out", "runs", "--threads", "1")  # fmt: skip


def results(rows: Any) -> list[tuple[Any, ...]]:
    """What must not depend on where, when and how often a job ran."""
    return sorted((r["job"], r["state"], r["score"], r["steps"], r["images"]) for r in rows)


def only_comparison(out: Path) -> Path:
    (folder,) = (p for p in out.iterdir() if p.name.startswith("compare-"))
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Two losses and two seeds, one run at a time."""
    settings = replace(RING, out=str(tmp_path_factory.mktemp("alone")))
    return compare(["ns", "hinge"], seeds=[0, 1], settings=settings, workers=1)


def test_a_comparison_leaves_everything_a_reader_wants(alone):
    assert [row["state"] for row in alone] == ["finished"] * 4
    assert len(alone) == 4
    assert alone[0]["job"] == "ns-s0"
    names = {path.name for path in alone.folder.iterdir()}
    assert {"plan.yaml", "results.jsonl", "summary.csv", "report.html", "jobs", "runs"} <= names
    assert len(summary(alone).splitlines()) == 3
    for row in alone:
        assert row["score"] > 0
        assert 0 < row["trained"] <= row["seconds"]
        assert row["cpu_seconds"] > 0
        assert row["steps"] == 20
        assert (alone.folder / "runs" / row["job"] / "index.html").exists()
        assert (alone.folder / "jobs" / f"{row['job']}.yaml").exists()


def test_initial_weights_and_data_are_those_of_the_seed_whatever_the_loss(alone):
    """Before the first step, samples of fixed latents are the same pictures."""

    def start_of(job: str) -> bytes:
        return (alone.folder / "runs" / job / "samples" / "000000.png").read_bytes()

    assert start_of("ns-s0") == start_of("hinge-s0")
    assert start_of("ns-s1") == start_of("hinge-s1")
    assert start_of("ns-s0") != start_of("ns-s1")
    reals = {(alone.folder / "runs" / row["job"] / "reals.png").read_bytes() for row in alone}
    assert len(reals) == 1


def test_a_job_is_the_run_that_train_makes_of_its_configuration(alone, tmp_path):
    found = run("train", "generate", "--config", str(alone.folder / "jobs" / "hinge-s1.yaml"),
                "--out", "again", cwd=tmp_path)  # fmt: skip
    assert found.returncode == 0, found.stderr
    (folder,) = (p for p in (tmp_path / "again").iterdir() if p.name[0].isdigit())
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["fd"] == next(row["score"] for row in alone if row["job"] == "hinge-s1")


def test_two_workers_give_the_rows_of_one(alone, tmp_path):
    settings = replace(RING, out=str(tmp_path))
    both = compare(["ns", "hinge"], seeds=[0, 1], settings=settings, workers=2)
    assert results(both) == results(alone)


@pytest.mark.parametrize(
    ("seconds", "last"),
    [
        ({"ns": 2.0, "hinge": 3.0, "wgan-gp": 9.0}, ["wgan-gp", "hinge", "ns"]),
        ({"ns": 9.0, "hinge": 2.0, "wgan-gp": 3.0}, ["ns", "wgan-gp", "hinge"]),
        ({"ns": 2.0}, ["hinge", "wgan-gp", "ns"]),  # the others are still at it
        ({}, ["hinge", "wgan-gp", "ns"]),  # nothing is known yet: in the order of the plan
    ],
)
def test_the_longest_of_the_last_seed_begin_first(tmp_path, seconds, last):
    jobs = plan(RING, ["ns", "hinge", "wgan-gp"], seeds=[0, 1]).jobs()
    pool = _Pool(jobs, tmp_path, lambda job, done: None)
    assert [pool.next_job() for _ in range(3)] == jobs[:3]
    for variant, took in seconds.items():
        pool.learn({"variant": variant, "seconds": took})
    assert [pool.next_job().variant for _ in range(3)] == last
    assert pool.next_job() is None


def test_called_again_a_comparison_has_nothing_left_to_do(alone):
    before = (alone.folder / "results.jsonl").read_bytes()
    settings = replace(RING, out=str(alone.folder.parent))
    again = compare(["ns", "hinge"], seeds=[0, 1], settings=settings, workers=1)
    assert again.folder == alone.folder
    assert (alone.folder / "results.jsonl").read_bytes() == before


def test_a_search_tries_the_same_draws_and_the_best_goes_on(tmp_path):
    settings = replace(RING, out=str(tmp_path))
    found = compare(["ns", "hinge"], seeds=[0, 1], settings=settings, draws=3)
    assert len(found.draws) == 6
    assert len(found) == 4
    for loss in ("ns", "hinge"):
        tried = {row["job"]: row["score"] for row in found.draws if row["variant"] == loss}
        best = min(tried, key=lambda job: tried[job])
        used = (found.folder / "runs" / f"{loss}-s0" / "config.yaml").read_text()
        rate = next(job.settings.lr for job in found.plan.search() if job.name == best)
        assert f"\nlr: {rate}\n" in used
        assert (found.folder / "jobs" / f"{loss}-s0.yaml").read_text() == used, "jobs say what ran"


def test_a_crashed_draw_is_not_tried_again_once_runs_have_begun_with_what_was_found(tmp_path):
    settings = replace(RING, out=str(tmp_path))
    found = compare(["ns", "hinge"], seeds=[0, 1], settings=settings, draws=2)
    results = found.folder / "results.jsonl"
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    worst = "hinge-draw1"
    crashed = {"state": "crashed", "score": None}
    rows = [row | crashed if row["job"] == worst else row for row in rows]
    rows = [row for row in rows if row["job"] != "ns-s1"]
    results.write_text("".join(json.dumps(row) + "\n" for row in rows))
    again = run_comparison(found.folder, _Silent())
    states = {row["job"]: row["state"] for row in again.log()}
    assert states[worst] == "crashed"
    assert states["ns-s1"] == "finished"


def test_a_comparison_that_is_cut_short_has_its_report(tmp_path):
    class Impatient(_Silent):
        def ended(self, row):
            if len(Comparison(folder)) == 3:
                (folder / "report.html").unlink(missing_ok=True)
                raise KeyboardInterrupt

    made = plan(replace(RING, out=str(tmp_path)), ["ns", "hinge"], seeds=[0, 1], workers=1)
    folder = create(made, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_comparison(folder, Impatient())
    assert "3 of 4" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_diverged_run_is_a_row_and_the_others_go_on(tmp_path):
    settings = replace(RING, out=str(tmp_path))
    found = compare(seeds=[0, 1], settings=settings, vary=["lr=1e-4,1e30"])
    states = {row["job"]: row["state"] for row in found}
    assert set(states.values()) == {"finished", "diverged"}
    bad = [row for row in found if row["state"] == "diverged"]
    assert all(row["score"] is None and "not finite" in row["message"] for row in bad)
    assert bad[0]["message"][:60] in (found.folder / "report.html").read_text(encoding="utf-8")


def test_a_job_that_takes_its_process_down_is_a_row(tmp_path):
    network = tmp_path / "fatal.py"
    network.write_text(
        "import os, torch\n"
        "class Net(torch.nn.Module):\n"
        "    latent = 2\n"
        "    def __init__(self, *shape):\n"
        "        super().__init__()\n"
        "        os._exit(9)\n"
    )
    settings = replace(RING, out=str(tmp_path))
    made = plan(settings, ["ns", "hinge"], seeds=[0], workers=1)
    good, bad = made.jobs()
    bad = replace(bad, settings=replace(bad.settings, generator=f"{network}:Net"))
    folder = create(made, tmp_path)
    rows = list(run_locally([bad, good], folder, 1, lambda job, done: None))
    assert [(row["job"], row["state"]) for row in rows] == [
        (bad.name, "crashed"), (good.name, "finished")
    ]  # fmt: skip
    assert "ended with code 9" in rows[0]["message"]


def test_what_stops_every_job_stops_the_comparison_in_words(tmp_path):
    with pytest.raises(DataError, match="no-such-folder"):
        compare(["ns", "hinge"], str(tmp_path / "no-such-folder"), seeds=[0], steps=5)


def test_a_job_survives_being_sent():
    job = plan(RING, ["ns", "hinge"], seeds=[3], workers=1).jobs()[0]
    assert from_message(json.loads(json.dumps(to_message(job)))) == job


def wait_for(condition: Any, seconds: float = 90) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def children_of(pid: int) -> set[int]:
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()[1:]]
    return {child for child, parent in pairs if parent == pid}


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_killed_in_the_middle_nothing_that_ended_is_lost(tmp_path):
    whole = run(*FLAGS, "--steps", "120", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    wanted = Comparison(only_comparison(tmp_path / "runs"))

    rough = tmp_path / "rough"
    rough.mkdir()
    process = start(*FLAGS, "--steps", "120", cwd=rough)
    wait_for(lambda: any(rough.glob("runs/compare-*/results.jsonl")))
    process.kill()
    process.wait()
    folder = only_comparison(rough / "runs")
    ended = {row["job"]: row for row in Comparison(folder).log()}
    assert ended
    resumed = run("compare", "--resume", str(folder), cwd=rough)
    assert resumed.returncode == 0, resumed.stderr
    found = Comparison(folder)
    assert results(found) == results(wanted)
    for job, row in ended.items():
        assert next(r for r in found if r["job"] == job) == row


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_every_job_is_saved_and_goes_on(tmp_path, number):
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            [*COMMAND, *FLAGS, "--steps", "3000"],
            cwd=tmp_path, env=environment(), stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
        wait_for(lambda: any(tmp_path.glob("runs/compare-*/runs/*/samples/000020.png")))
        process.send_signal(number)
        assert process.wait(timeout=200) == 130
    folder = only_comparison(tmp_path / "runs")
    text = (tmp_path / "said").read_text()
    assert f"ganloss compare --resume {folder.relative_to(tmp_path)}" in text
    assert "Traceback" not in text
    checkpoints = list(folder.glob("runs/*/checkpoints/last.pt"))
    assert checkpoints
    logs = [path.read_text() for path in folder.glob("runs/*/log.txt")]
    assert any("interrupted" in log for log in logs)


@pytest.mark.skipif(os.name != "posix", reason="processes of POSIX")
def test_workers_end_with_their_parent(tmp_path):
    process = start(*FLAGS, "--steps", "100000", "--workers", "2", cwd=tmp_path)
    wait_for(lambda: any(tmp_path.glob("runs/compare-*/runs/*/samples/000020.png")))
    workers = children_of(process.pid)
    assert len(workers) == 2
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(is_there, workers)), 20)


def test_runs_of_another_plan_are_not_taken_for_this_ones(tmp_path):
    settings = replace(RING, out=str(tmp_path))
    found = compare(["ns", "hinge"], seeds=[0], settings=settings)
    plan_file = found.folder / "plan.yaml"
    plan_file.write_text(plan_file.read_text().replace("steps: 20", "steps: 10"))
    with pytest.raises(UsageError, match="was made with other settings than the plan has: steps"):
        run_comparison(found.folder, _Silent())


def test_a_row_that_is_no_row_of_the_job_is_made_again(tmp_path):
    settings = replace(RING, out=str(tmp_path))
    found = compare(["ns", "hinge"], seeds=[0], settings=settings, workers=1)
    wanted = results(found)
    (found.folder / "runs" / "ns-s0" / "row.json").write_text("{}")
    (found.folder / "results.jsonl").unlink()
    assert results(run_comparison(found.folder, _Silent())) == wanted


def test_what_an_earlier_worker_said_is_no_reason_for_this_one(tmp_path):
    made = plan(replace(RING, out=str(tmp_path)), ["ns", "hinge"], seeds=[0], workers=1)
    folder = create(made, tmp_path)
    log = folder / "logs" / "worker-0.log"
    log.parent.mkdir()
    log.write_text("ValueError: of yesterday\n")
    pool = _Pool(made.jobs(), folder, lambda job, done: None)
    pool.start(1)
    (worker,) = pool._workers
    worker.process.kill()
    worker.process.wait()
    assert "yesterday" not in _said(worker)
    pool.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": "0-2"}, "seeds are whole numbers from 0 to .*, and '0' is none"),
        ({"seeds": [-1, 1]}, "and -1 is none"),
        ({"seeds": [2**32]}, "is none"),
        ({"steps": 0}, "--steps is 0"),
        ({"steps": 2.5}, "steps is '2.5'"),
        ({"where": "mars"}, "where is 'mars'; it is 'local' or 'ray'"),
    ],
)
def test_what_python_may_not_ask_for_leaves_nothing(options, words, tmp_path):
    settings = replace(RING, out=str(tmp_path / "out"))
    with pytest.raises(UsageError, match=words):
        compare(["ns", "hinge"], settings=settings, **options)
    assert not (tmp_path / "out").exists()
