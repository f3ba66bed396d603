"""What a run folder says, whatever is in it."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ganloss.runs.charts import abscissae, charts_of, thin
from ganloss.runs.reading import (
    Status,
    read_metric,
    read_rows,
    read_samples,
    read_settings,
    read_software,
)


def status(folder: Path, **values: Any) -> Status:
    (folder / "status.json").write_text(json.dumps(values), "utf-8")
    return Status.read(folder)


def test_what_is_left_goes_on_at_the_pace_so_far(tmp_path: Path) -> None:
    """30 s for 10 of 40 steps: 90 s more."""
    values = {"state": "running", "step": 10, "steps": 40, "seconds": 30.0}
    assert status(tmp_path, **values).remaining == 90.0
    assert status(tmp_path, **values | {"step": 50}).remaining == 0.0


@pytest.mark.parametrize(
    "change", [{"state": "finished"}, {"step": 0}, {"steps": None}, {"seconds": None}]
)
def test_nothing_is_foretold_without_a_pace(change: dict[str, Any], tmp_path: Path) -> None:
    values = {"state": "running", "step": 10, "steps": 40, "seconds": 30.0} | change
    assert status(tmp_path, **values).remaining is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            {"name": "digits", "images": 1900, "shape": [1, 8, 16]},
            "digits, 1,900 images, 16×8 gray",
        ),
        ({"name": "a", "shape": [3, 64, 64], "classes": ["x", "y"]}, "a, 64×64 colour, 2 classes"),
        ({"name": "ring", "images": 500, "shape": [2]}, "ring, 500 points"),
        ({"shape": [3, "wide", 4]}, ""),
        ({"images": "many", "classes": "none"}, ""),
    ],
)
def test_data_in_words(data: dict[str, Any], words: str, tmp_path: Path) -> None:
    assert status(tmp_path, data=data).data == words


def test_skipped_files_are_pairs_of_name_and_reason(tmp_path: Path) -> None:
    skipped = [["a.png", "truncated"], ["alone"], [], "text", 3]
    found = status(tmp_path, data={"skipped": skipped}).skipped
    assert found == [("a.png", "truncated"), ("alone", "alone")]


@pytest.mark.parametrize("value", [-1, 0, "x", None, float("inf"), True])
def test_references_that_cannot_be_are_none(value: object) -> None:
    metric = read_metric({"name": "fd", "reference": value, "noise": value})
    assert (metric.reference, metric.noise) == (None, None)


def test_grids_are_in_the_order_of_their_steps_and_other_files_none(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    for name in ("1000000.png", "000035.png", "200000.png", "best.png", "7.txt", "12.png.tmp"):
        (folder / name).touch()
    assert [sample.step for sample in read_samples(tmp_path)] == [35, 200000, 1000000]
    assert read_samples(tmp_path)[0].source == "samples/000035.png"


@pytest.mark.parametrize("line", ['{"step": null}', '{"step": "1"}', "[1]", "{", "NaN", ""])
def test_lines_without_a_step_are_no_rows(line: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(f'{{"step": 1}}\n{line}\n{{"step": 2}}\n')
    assert [row["step"] for row in read_rows(tmp_path)] == [1, 2]


def test_bytes_that_are_no_text_are_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1, "note": "\xff"}\n')
    (tmp_path / "config.yaml").write_bytes(b"loss: ns\nname: \xff\n")
    assert read_rows(tmp_path)[0]["step"] == 1
    assert read_settings(tmp_path)["loss"] == "ns"


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "3", "!!python/object:os.system {}"])
def test_settings_that_are_no_table_are_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    assert read_settings(tmp_path) == {}


def test_versions_stand_beside_the_machine(tmp_path: Path) -> None:
    environment = {"python": "3.11", "gpu": None, "packages": {"torch": "2.8", "absent": None}}
    (tmp_path / "env.json").write_text(json.dumps(environment))
    assert read_software(tmp_path) == {"python": "3.11", "torch": "2.8"}


@pytest.mark.parametrize("most", [2, 3, 7, 100])
def test_thinning_keeps_the_ends_and_the_order(most: int) -> None:
    kept = thin(range(1000), most)
    assert len(kept) == most
    assert (kept[0], kept[-1]) == (0, 999)
    steps = [b - a for a, b in pairwise(kept)]
    assert max(steps) - min(steps) <= 1


def scored(*values: float) -> list[dict[str, Any]]:
    return [{"step": i, "fd": value} for i, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "scale"),
    [((31.0, 1.0), "log"), ((30.0, 1.0), ""), ((100.0, 0.0), ""), ((100.0, -1.0), "")],
)
def test_a_score_over_decades_has_a_logarithmic_axis(values: tuple[float, ...], scale: str) -> None:
    assert charts_of(None, scored(*values), [])[0]["scale"] == scale


def test_a_chart_is_told_in_words() -> None:
    chart = charts_of(None, scored(9.0, 0.5, 2.0), [])[0]
    assert chart["words"] == "the run goes from 9 to 2, between 0.5 and 9"


def test_charts_without_anything_to_show_are_left_out() -> None:
    assert charts_of(None, [{"step": 1}], [{"step": 1, "d": {"total": None}}]) == []


def test_each_further_term_has_a_line_and_the_total_has_none() -> None:
    rows = [{"step": 1, "d": {"total": 2.0, "adv": 1.0, "gp": 0.1}, "g": {"adv": 1, "l1": 3.0}}]
    by_key = {chart["key"]: chart for chart in charts_of(None, [], rows)}
    assert [line["name"] for line in by_key["penalties"]["lines"]] == ["D: gp", "G: l1"]
    assert [line["name"] for line in by_key["losses"]["lines"]] == ["discriminator"]


def test_shares_are_percent() -> None:
    chart = charts_of(None, [], [{"step": 1, "scores": {"gap_accuracy": 0.75}}])[0]
    assert chart["lines"][0]["y"] == [75.0]
    assert chart["percent"]


def test_moments_that_are_missing_are_gaps() -> None:
    rows = [{"step": 1, "images": 64, "seconds": 0.5}, {"step": 2, "seconds": "late"}]
    axes = abscissae(rows)
    assert axes["step"] == [1.0, 2.0]
    assert axes["images"] == [64.0, None]
    assert axes["seconds"] == [0.5, None]
