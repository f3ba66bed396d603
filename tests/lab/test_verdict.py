"""What a comparison says, for scores whose answer is known."""

import json
import math

import pytest

from ganloss.lab.comparison import create
from ganloss.lab.plan import plan
from ganloss.lab.results import Comparison
from ganloss.lab.verdict import judge
from ganloss.runs.settings import GenerateSettings
from lab.comparisons import METRIC, pretended

GOOD, MIDDLE, BAD = [1.0, 1.1, 0.9, 1.05, 0.95], [2.0, 2.1, 1.9, 2.05, 1.95], [8.0, 8.8, 7.9, 9, 8]


def say(tmp_path, scores, **options):
    return judge(pretended(tmp_path, scores, pictures=False, **options))


def test_a_loss_that_beats_all_others_is_the_best(tmp_path):
    verdict = say(tmp_path, {"ns": BAD, "hinge": MIDDLE, "r3gan": GOOD})
    assert verdict.sentence.startswith(
        "r3gan is the best of 3 on demo:digits after 100 steps: it beats every other one (p ≤ 0.0"
    )
    assert (
        "its score is 0.499 times that of the next, hinge (95 % interval 0.475 to"
        in verdict.sentence
    )
    assert verdict.order == ("r3gan", "hinge", "ns")
    assert verdict.leaders == ("r3gan",)
    assert verdict.complete


def test_the_best_that_cannot_be_told_apart_are_named_together(tmp_path):
    near = [1.1, 1.0, 0.95, 1.0, 1.0]
    verdict = say(tmp_path, {"ns": BAD, "hinge": near, "r3gan": GOOD})
    assert "r3gan and hinge are the best" in verdict.sentence
    assert "ns is clearly worse than r3gan" in verdict.sentence
    assert set(verdict.leaders) == {"hinge", "r3gan"}


def test_nothing_is_claimed_where_chance_explains_all(tmp_path):
    verdict = say(tmp_path, {"ns": [1, 2, 3, 4, 5], "hinge": [5, 4, 3, 2, 1], "r3gan": [3] * 5})
    assert verdict.sentence.startswith("No loss is clearly best on demo:digits after 100 steps")
    assert len(verdict.leaders) == 3


def test_too_few_seeds_are_said_to_be_too_few(tmp_path):
    verdict = say(tmp_path, {"ns": BAD[:3], "r3gan": GOOD[:3]})
    assert verdict.sentence.startswith("3 seeds cannot show a difference")
    assert "6 seeds would do" in verdict.sentence
    assert verdict.leaders == ()


def test_a_metric_that_fails_its_trial_names_nobody(tmp_path):
    warning = "fd-x@9 cannot judge this data: it does not rise with blur (0.1 at sigma 2)."
    verdict = say(tmp_path, {"ns": BAD, "hinge": MIDDLE, "r3gan": GOOD},
                  metric=METRIC | {"warning": warning})  # fmt: skip
    assert verdict.sentence == f"This comparison cannot name a best loss: {warning}"


def test_failed_runs_count_as_the_worst_and_are_counted(tmp_path):
    verdict = say(
        tmp_path,
        {"ns": GOOD, "hinge": MIDDLE, "r3gan": MIDDLE},
        states={f"ns-s{seed}": "diverged" for seed in (0, 1, 2, 3)},
    )
    assert verdict.order[-1] == "ns"
    assert any("ns in 4 runs" in limit for limit in verdict.limits)


def test_a_comparison_of_failures_says_so(tmp_path):
    states = {f"{n}-s{s}": "diverged" for n in ("ns", "hinge", "r3gan") for s in range(5)}
    verdict = say(tmp_path, {"ns": GOOD, "hinge": GOOD, "r3gan": GOOD}, states=states)
    assert verdict.sentence.startswith("Every run failed")


def test_seeds_without_all_their_runs_do_not_count(tmp_path):
    missing = [*GOOD[:4], math.nan]
    verdict = say(tmp_path, {"ns": BAD, "hinge": MIDDLE, "r3gan": missing})
    assert not verdict.complete
    assert any("1 run of 15 is not there yet" in limit for limit in verdict.limits)
    assert any("4 seeds" in limit for limit in verdict.limits)


def test_nothing_at_all_can_be_said_of_nothing(tmp_path):
    verdict = say(tmp_path, {"ns": [math.nan] * 5, "r3gan": GOOD})
    assert verdict.sentence.startswith("No seed is complete yet")


def test_against_a_baseline_each_is_better_worse_or_neither(tmp_path):
    verdict = say(
        tmp_path,
        {"ns": MIDDLE, "hinge": [2.02, 2.0, 2.0, 2.0, 2.0], "r3gan": GOOD, "lsgan": BAD},
        baseline="ns",
    )
    assert verdict.sentence.startswith(
        "Compared with ns on demo:digits after 100 steps, r3gan is better and lsgan is worse "
        "(p ≤ 0.0"
    )
    assert verdict.sentence.endswith("); hinge is not clearly different.")


def test_samples_far_from_real_are_said_to_be_far(tmp_path):
    verdict = say(tmp_path, {"ns": BAD, "hinge": MIDDLE, "r3gan": GOOD})
    # The table's mean of GOOD, which is 1, over the reference of 0.3; not its geometric mean.
    assert any("3.33 times that of 897 training images" in limit for limit in verdict.limits)


def test_far_from_real_is_said_of_the_mean_in_the_table_also_where_runs_failed(tmp_path):
    scores = {"ns": [3.0] * 5, "hinge": [5.0] * 5}
    verdict = say(tmp_path, scores, states={"ns-s1": "diverged"})
    assert any("mean score is 10 times that of" in limit for limit in verdict.limits)


def test_equal_means_are_no_lowest_one(tmp_path):
    verdict = say(tmp_path, {"ns": [1.0, 2.0], "hinge": [1.0, 2.0], "r3gan": [5.0, 5.0]})
    assert "ns and hinge have the same geometric mean of scores; 3 seeds" in verdict.sentence


@pytest.mark.parametrize(
    ("losses", "options", "words"),
    [
        (["ns", "hinge"], {}, "each loss's published optimiser;"),
        (["ns", "hinge"], {"lr": 1e-3}, "each loss's published optimiser with --lr 0.001;"),
        (["ns", "hinge"], {"vary": ["lr=1e-4,2e-4"]}, "optimiser but for the lr compared;"),
        (["ns"], {"vary": ["batch-size=8,16"]}, "the optimisers of ns;"),
        (["ns"], {"vary": ["g-lr=1e-4,2e-4"]}, "the optimisers of ns but for the g-lr compared;"),
    ],
)
def test_whose_optimisers_they_are_is_part_of_the_limits(losses, options, words, tmp_path):
    settings = GenerateSettings(data="demo:ring", steps=10, lr=options.pop("lr", None))
    made = plan(settings, losses, options.pop("vary", []))
    rows = (
        json.dumps({"job": job.name, "state": "finished", "score": 1.0 + i}) + "\n"
        for i, job in enumerate(made.jobs())
    )
    folder = create(made, tmp_path)
    (folder / "results.jsonl").write_text("".join(rows))
    assert words in judge(Comparison(folder)).limits[0]


def test_the_shared_optimiser_is_part_of_the_limits(tmp_path):
    verdict = say(tmp_path, {"ns": BAD, "hinge": MIDDLE, "r3gan": GOOD}, tuning="shared")
    assert "one optimiser for all" in verdict.limits[0]


@pytest.mark.parametrize("seeds", [1, 2])
def test_two_losses_with_hardly_any_seeds(tmp_path, seeds):
    verdict = say(tmp_path, {"ns": BAD[:seeds], "r3gan": GOOD[:seeds]})
    assert "cannot show a difference" in verdict.sentence


def test_a_loss_that_is_better_in_all_seeds_but_a_failed_one_is_the_better_one(tmp_path):
    """By ranks: 8 seeds against 1, of which 20 in 512 arrangements are as uneven."""
    scores = {"ns": [2.0] * 9, "hinge": [1.0] * 9}
    verdict = say(tmp_path, scores, states={"hinge-s3": "diverged"})
    assert verdict.sentence.startswith("hinge is the best of 2")
    assert "it beats ns (p ≤ 0.04)" in verdict.sentence
    assert verdict.order == ("hinge", "ns")
    assert verdict.differences[0].p == 20 / 512
    against = say(tmp_path, scores, states={"hinge-s3": "diverged"}, baseline="ns")
    assert "hinge is better (p ≤ 0.04)" in against.sentence


def test_where_runs_failed_ranks_are_compared_and_said_to_be(tmp_path):
    scores = {"ns": [2.0, 3.0], "hinge": [1.0, 1.0]}
    verdict = say(tmp_path, scores, states={"ns-s0": "diverged", "hinge-s1": "diverged"})
    assert "ns and hinge have the same mean rank, since runs failed" in verdict.sentence


def test_a_loss_far_behind_that_few_seeds_cannot_show_is_said_to_need_more(tmp_path):
    scores = {"ns": [9.0, 8.0, 9.5], "hinge": [0.5, 0.6, 0.5], "r3gan": [0.6, 0.5, 0.6]}
    verdict = say(tmp_path, scores)
    assert verdict.sentence.startswith("No loss is clearly best")
    assert any("4 seeds show one that stands apart" in limit for limit in verdict.limits)
    enough = say(tmp_path, {name: [*values, values[1]] for name, values in scores.items()})
    assert "ns is clearly worse" in enough.sentence
    assert not any("stands apart" in limit for limit in enough.limits)


def test_crashed_runs_are_missing_and_not_the_worst(tmp_path):
    scores = {"ns": BAD, "hinge": MIDDLE, "r3gan": GOOD}
    verdict = say(tmp_path, scores, states={"r3gan-s1": "crashed"})
    assert verdict.sentence.startswith("r3gan is the best of 3")
    assert not verdict.complete
    assert any(
        "r3gan-s1 crashed and does not count (it is not finite); going on" in limit
        for limit in verdict.limits
    )
    assert any("1 run of 15 is not there yet" in limit for limit in verdict.limits)


def test_where_every_run_failed_the_first_says_why(tmp_path):
    states = {f"{loss}-s{seed}": "diverged" for loss in ("ns", "hinge") for seed in range(2)}
    verdict = say(tmp_path, {"ns": BAD[:2], "hinge": GOOD[:2]}, states=states)
    assert verdict.sentence.endswith("The first: it is not finite")
    assert verdict.limits == ()


def test_scores_no_better_than_noise_are_said_to_be_so(tmp_path):
    verdict = say(tmp_path, {"ns": [200.0, 210.0], "hinge": [150.0, 160.0]})
    assert any("no better than that of uniform noise (130)" in limit for limit in verdict.limits)


def test_beside_a_loss_that_always_fails_the_order_is_that_of_the_test(tmp_path):
    """ns wins six seeds by far and loses seven by a hair: ranks alone would put it behind."""
    scores = {"ns": [0.01] * 6 + [1.01] * 7, "hinge": [1.0] * 13, "lsgan": [1.0] * 13}
    states = {f"lsgan-s{seed}": "diverged" for seed in range(13)}
    verdict = say(tmp_path, scores, states=states)
    assert verdict.order == ("ns", "hinge", "lsgan")
    assert verdict.sentence.startswith("ns is the best of 3")
    assert all(difference.clear for difference in verdict.differences)
