"""What the rows in a comparison's folder come to: tables, costs, and rows nobody should trust."""

import csv
import io
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ganloss.lab.comparison import create
from ganloss.lab.jobs import run_folder
from ganloss.lab.results import Comparison, best_draws, runs_of, scores, summary, table
from lab.comparisons import planned, pretended


def written(out: Path, *rows: dict[str, Any] | str, **options: Any) -> Comparison:
    """A comparison of ns and hinge on two seeds, with these rows."""
    folder = create(planned(("ns", "hinge"), **{"seeds": [0, 1]} | options), out)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "results.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return Comparison(folder)


def row(job: str, score: object, **values: Any) -> dict[str, Any]:
    return {"job": job, "score": score, "state": "finished", **values}


def test_the_table_is_that_of_the_finished_runs(tmp_path: Path) -> None:
    """Scores 1 and 3: mean 2, s = √2, t(.975, 1) = 12.7062, interval 2 ± 12.7062 · √2 / √2, of
    which what lies below 0 is no distance. Scores 5, 6 and 7: s = 1, t(.975, 2) = 4.30265.
    """
    found = pretended(
        tmp_path,
        {"ns": [1.0, 3.0, 8.0], "hinge": [5.0, 6.0, 7.0]},
        states={"ns-s2": "diverged"},
        pictures=False,
    )
    ns, hinge = table(found)
    assert (ns.runs, ns.failed, ns.mean, ns.best) == (3, 1, 2.0, 1.0)
    assert (ns.low, ns.high) == pytest.approx((0.0, 2 + 12.7062047))
    half = 4.30265273 / 3**0.5
    assert (hinge.low, hinge.high) == pytest.approx((6 - half, 6 + half))


def test_a_variant_without_a_score_has_no_mean_and_every_interval(tmp_path: Path) -> None:
    ns = table(written(tmp_path, row("ns-s0", None, state="diverged")))[0]
    assert (ns.runs, ns.failed, ns.mean, ns.best) == (1, 1, None, None)
    assert (ns.low, ns.high) == (-math.inf, math.inf)


def test_costs_are_means_over_the_runs_that_have_them(tmp_path: Path) -> None:
    """2 s for 100 steps are 20 ms, 3 s for 50 steps 60 ms: 40 on average."""
    ns = table(
        written(
            tmp_path,
            row("ns-s0", 1.0, trained=2.0, steps=100, cpu_seconds=5.0),
            row("ns-s1", 1.0, trained=3.0, steps=50, peak_mb=300),
        )
    )[0]
    assert ns.ms_per_step == pytest.approx(40.0)
    assert (ns.trained, ns.cpu_seconds, ns.peak_mb) == (2.5, 5.0, 300.0)


def test_a_run_that_made_no_step_has_no_cost_of_one(tmp_path: Path) -> None:
    ns = table(written(tmp_path, row("ns-s0", None, trained=0.0, steps=0)))[0]
    assert ns.ms_per_step is None


def test_of_several_rows_of_a_job_the_last_counts(tmp_path: Path) -> None:
    found = written(tmp_path, row("ns-s0", 9.0), row("hinge-s0", 2.0), row("ns-s0", 1.0))
    assert scores(found) == {"ns": {0: 1.0}, "hinge": {0: 2.0}}


def test_rows_come_in_the_order_of_the_plan(tmp_path: Path) -> None:
    """The variants take turns at beginning a seed."""
    jobs = ("hinge-s1", "ns-s1", "hinge-s0", "ns-s0")
    found = written(tmp_path, *(row(job, 1.0) for job in jobs))
    assert [r["job"] for r in found] == ["ns-s0", "hinge-s0", "hinge-s1", "ns-s1"]
    assert (len(found), found[0]["job"], found[-1]["seed"]) == (4, "ns-s0", 1)
    assert [r["seed"] for r in found[1:3]] == [0, 1]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        '{"job": "ns-s',
        "3",
        "[]",
        "null",
        '{"job": "r3gan-s0", "score": 1}',
        '{"score": 1}',
    ],
)
def test_lines_that_are_no_row_of_the_plan_are_left_out(line: str, tmp_path: Path) -> None:
    found = written(tmp_path, row("ns-s0", 4.0), line, row("hinge-s0", 2.0))
    assert scores(found) == {"ns": {0: 4.0}, "hinge": {0: 2.0}}


@pytest.mark.parametrize("score", ["1", math.nan, math.inf, True, [1], {}])
def test_a_score_that_is_no_number_is_a_failure(score: object, tmp_path: Path) -> None:
    found = written(tmp_path, row("ns-s0", score))
    assert scores(found)["ns"] == {0: None}
    assert table(found)[0].failed == 1


def test_a_row_cannot_claim_to_be_of_another_variant(tmp_path: Path) -> None:
    found = written(tmp_path, row("ns-s0", 4.0, variant="hinge", seed=7, draw=3))
    assert scores(found) == {"ns": {0: 4.0}, "hinge": {}}


def test_without_a_file_of_results_there_are_no_rows(tmp_path: Path) -> None:
    found = Comparison(create(planned(), tmp_path))
    assert list(found) == []
    assert all(line.mean is None for line in table(found))


def test_each_variant_gets_the_settings_of_its_best_draw(tmp_path: Path) -> None:
    rows = [row("ns-draw0", 5.0), row("ns-draw1", 3.0), row("ns-draw2", None)]
    rows += [row("hinge-draw0", 2.0), row("hinge-draw1", math.nan)]
    found = written(tmp_path, *rows, draws=3)
    search = {job.name: job.settings for job in found.plan.search()}
    best = best_draws(found)
    assert search["ns-draw0"] != search["ns-draw1"]
    assert best["ns"].items() <= asdict(search["ns-draw1"]).items()
    assert best["hinge"].items() <= asdict(search["hinge-draw0"]).items()
    assert len(best["ns"]) == 5
    assert len(found.draws) == 5
    assert list(found) == []


def test_the_summary_reads_back_as_the_table(tmp_path: Path) -> None:
    found = pretended(tmp_path, {"ns": [1.0, 2.0], "hinge": [4.0, 5.0]}, pictures=False)
    lines = list(csv.DictReader(io.StringIO(summary(found))))
    assert [line["variant"] for line in lines] == ["ns", "hinge"]
    assert [float(line["mean"]) for line in lines] == [1.5, 4.5]
    assert [int(line["failed"]) for line in lines] == [0, 0]


def test_run_folders_are_those_of_the_runs_that_count(tmp_path: Path) -> None:
    found = written(tmp_path, draws=1)
    for job in ("ns-s1", "ns-draw0", "hinge-s0"):
        run_folder(found.folder, job).mkdir(parents=True)
    assert runs_of(found, "ns") == {1: run_folder(found.folder, "ns-s1")}
