"""The curves of a report: medians over seeds, at moments all have reached, and failures."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ganloss.lab.comparison import create
from ganloss.lab.curves import axes_for, budgets_of, curves_of
from ganloss.lab.jobs import run_folder
from ganloss.lab.results import Comparison
from lab.comparisons import planned, pretended

Points = Sequence[tuple[int, float]]


def drawn(out: Path, *runs: Points, trained: float = 10.0) -> Comparison:
    """A comparison whose runs of ns have these steps and scores; 64 images a step."""
    found = Comparison(create(planned(("ns", "hinge"), seeds=range(len(runs))), out))
    for seed, points in enumerate(runs):
        folder = run_folder(found.folder, f"ns-s{seed}")
        folder.mkdir(parents=True)
        rows = ({"step": step, "images": 64 * step, "fd": fd} for step, fd in points)
        (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        status = {"step": points[-1][0], "trained": trained}
        (folder / "status.json").write_text(json.dumps(status))
    return found


def test_a_typical_run_is_the_median_between_the_lowest_and_the_highest(tmp_path: Path) -> None:
    steps = (0, 10, 20)
    runs = [[*zip(steps, scores, strict=True)] for scores in ((9, 5, 1), (8, 6, 3), (9, 9, 2))]
    curve = curves_of(drawn(tmp_path, *runs), "fd")[0]
    assert curve.typical["step"] == {
        "x": [0, 10, 20],
        "y": [9, 6, 2],
        "low": [8, 5, 1],
        "high": [9, 9, 3],
    }


def test_axes_are_images_steps_and_seconds_of_training(tmp_path: Path) -> None:
    """10 s over 20 steps: half a second each."""
    curve = curves_of(drawn(tmp_path, [(0, 9.0), (10, 5.0), (20, 1.0)]), "fd")[0]
    assert curve.seeds[0] == {
        "images": [0, 640, 1280],
        "seconds": [0, 5, 10],
        "step": [0, 10, 20],
        "y": [9, 5, 1],
    }


def test_snaps_at_different_moments_are_interpolated_up_to_where_all_have_come(
    tmp_path: Path,
) -> None:
    """Lines 8 − t/5 up to 20, and 8 − t/10 up to 10: at 0, 5, 10 they are 8, 7, 6 and 8, 7.5, 7."""
    first, second = [(0, 8.0), (10, 6.0), (20, 4.0)], [(0, 8.0), (10, 7.0)]
    typical = curves_of(drawn(tmp_path, first, second), "fd")[0].typical["step"]
    assert typical["x"] == [0, 5, 10]
    assert typical["low"] == pytest.approx([8, 7, 6])
    assert typical["high"] == pytest.approx([8, 7.5, 7])
    assert typical["y"] == pytest.approx([8, 7.25, 6.5])


def test_rows_without_the_score_are_no_points(tmp_path: Path) -> None:
    found = drawn(tmp_path, [(0, 9.0), (10, float("nan")), (20, 1.0)])
    assert curves_of(found, "fd")[0].seeds[0]["step"] == [0, 20]
    assert curves_of(found, "kid")[0].seeds == []


def test_a_variant_without_scores_says_so(tmp_path: Path) -> None:
    ns, hinge = curves_of(drawn(tmp_path, [(0, 9.0), (10, 0.25)]), "fd")
    assert ns.words == "median score from 9 to 0.25, lowest 0.25"
    assert hinge.words == "no scores"
    assert hinge.spark == ""
    assert hinge.typical["images"] == {"x": [], "y": [], "low": [], "high": []}


def test_the_small_picture_is_logarithmic_and_leaves_the_start_out(tmp_path: Path) -> None:
    """Of 100, 10, 1 the middle is half-way: 2, 12 and 22 from the top."""
    points = [(0, 1e6), (10, 100.0), (20, 10.0), (30, 1.0)]
    curve = curves_of(drawn(tmp_path, points), "fd")[0]
    assert curve.spark == "0.0,2.0 50.0,12.0 100.0,22.0"


def test_a_failed_run_is_a_cross_where_it_ended(tmp_path: Path) -> None:
    found = pretended(
        tmp_path,
        {"ns": [1.0, 2.0], "hinge": [1.0, 2.0]},
        states={"ns-s1": "diverged"},
        pictures=False,
    )
    ns, hinge = curves_of(found, "fd")
    assert [(cross["step"], cross["images"]) for cross in ns.failed] == [(100, 6400)]
    assert ns.failed[0]["y"] == pytest.approx(2.0)
    assert hinge.failed == []


@pytest.mark.parametrize(
    ("length", "first"),
    [({"steps": 10}, "step"), ({"kimg": 1.0}, "images"), ({"minutes": 1.0}, "seconds")],
)
def test_the_axis_that_was_equal_comes_first(
    length: dict[str, float], first: str, tmp_path: Path
) -> None:
    from ganloss.lab.plan import plan
    from ganloss.runs.settings import GenerateSettings

    settings = GenerateSettings(data="demo:ring", **length)  # pyright: ignore[reportArgumentType]
    axes = axes_for(Comparison(create(plan(settings, ["ns", "r3gan"]), tmp_path)))
    assert next(iter(axes)) == first
    assert set(axes) == {"step", "images", "seconds"}


def test_the_best_of_more_runs_is_better(tmp_path: Path) -> None:
    """Of 4 and 2: of one run the median of both, of two nearly always the better."""
    found = pretended(tmp_path, {"ns": [4.0, 2.0], "hinge": [3.0, 3.0]}, pictures=False)
    ns, hinge = budgets_of(found)
    assert ns["runs"] == [1, 2]
    assert ns["median"][0] >= ns["median"][1] == 2.0
    assert hinge["median"] == [3.0, 3.0]


def test_a_run_that_failed_early_does_not_cut_the_median_short(tmp_path: Path) -> None:
    found = pretended(tmp_path, {"ns": [4.0, 2.0], "hinge": [3.0, 3.0]}, pictures=False,
                      states={"ns-s0": "diverged"})  # fmt: skip
    rows = run_folder(found.folder, "ns-s0") / "metrics.jsonl"
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:3]))
    curve = curves_of(found, "fd")[0]
    assert curve.typical["step"]["x"][-1] == 100
    assert curve.typical["step"]["y"][-1] == pytest.approx(2.0)
    assert [point["step"] for point in curve.failed] == [20]


def test_failed_runs_count_among_those_one_may_draw(tmp_path: Path) -> None:
    """One run in three ends: of one run the median is a failure, of three no more."""
    found = pretended(tmp_path, {"ns": [4.0, 2.0, 3.0], "hinge": [3.0] * 3}, pictures=False,
                      states={"ns-s0": "diverged", "ns-s1": "crashed"})  # fmt: skip
    ns, hinge = budgets_of(found)
    assert ns["median"] == [None, 3.0, 3.0]
    assert ns["low"] == ns["high"] == [None, None, None]  # the worst tenth is a failure throughout
    assert ns["words"] == "from a failure with one to 3 with 3"
    assert hinge["high"] == [3.0] * 3
