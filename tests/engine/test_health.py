"""Each verdict has rows that call for it, and rows of a healthy run call for good ones only."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ganloss.engine.health import FEWEST_ROWS, Verdict, verdicts
from runs.fake_run import healthy_rows

Row = dict[str, Any]


def rows(count: int = 40, change: Callable[[float], Row] = lambda done: {}) -> list[Row]:
    """A steady run that improves; ``change`` replaces groups from the share of the run done."""
    return [_row(i, i / (count - 1)) | change(i / (count - 1)) for i in range(count)]


def _row(i: int, done: float) -> Row:
    return {
        "step": 10 * i,
        "images": 640 * i,
        "seconds": float(i),
        "d": {"total": -0.9, "adv": -1.0, "gp": 0.01},
        "g": {"total": 0.3, "adv": 0.3},
        "gradient": {"d": 1.0, "g": 0.5},
        "scores": {"real": 1.0, "fake": 0.0, "gap_accuracy": 0.8},
        "fd": 100 * (1 - done) + 10,
    }


def the(level: str, words: str, found: list[Verdict]) -> Verdict:
    """The one verdict of this level with these words."""
    fitting = [v for v in found if v.level == level and words in v.sentence]
    assert len(fitting) == 1, found
    return fitting[0]


def test_a_healthy_run_gets_good_verdicts_only():
    found = verdicts(healthy_rows())
    assert len(found) == 4
    assert {verdict.level for verdict in found} == {"good"}


@pytest.mark.parametrize("count", [0, 1, 2, 4, FEWEST_ROWS - 1])
def test_few_rows_say_nothing(count: int):
    few = [{k: v for k, v in row.items() if k != "fd"} for row in rows()[:count]]
    assert verdicts(few) == []


@pytest.mark.parametrize("steps", range(7, 700, 63))
def test_a_healthy_run_is_never_bad_on_its_way(steps: int):
    assert [v for v in verdicts(healthy_rows(steps)) if v.level == "bad"] == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_named_with_its_step_even_in_few_rows(value: float):
    few = rows()[:3]
    few[2]["d"] = {"total": value, "adv": 1.0}
    found = verdicts(few)
    assert the("bad", "Loss d.total", found).sentence.startswith(f"Loss d.total is {value}")
    assert "since step 20" in found[0].sentence
    assert len(found) == 1


def test_a_score_that_is_not_finite_is_named():
    few = rows()[:3]
    few[1]["fd"] = math.nan
    the("bad", "The score is nan since step 10", verdicts(few))


def test_a_loss_that_explodes_is_bad():
    found = verdicts(rows(change=lambda done: {"d": {"total": 0.5 + 1e4 * done**4, "adv": 0.5}}))
    assert found[0].level == "bad"
    assert "The discriminator's loss is exploding" in found[0].sentence


def test_one_spike_is_no_explosion():
    spiky = rows()
    spiky[-1]["d"] = {"total": 1e6, "adv": 1e6, "gp": 0.01}
    assert not any("exploding" in verdict.sentence for verdict in verdicts(spiky))


def test_a_generator_without_gradient_is_dead():
    found = verdicts(rows(change=lambda done: {"gradient": {"d": 1.0, "g": 1e-9}}))
    the("bad", "The generator gets no gradient (norm 1.0e-09)", found)


def test_a_discriminator_without_gradient_is_dead():
    found = verdicts(rows(change=lambda done: {"gradient": {"d": 0.0, "g": 0.5}}))
    the("bad", "The discriminator gets no gradient", found)


def judged(share: float, gradient: float = 0.5) -> Callable[[float], Row]:
    return lambda done: {
        "scores": {"real": 1.0, "fake": 0.0, "gap_accuracy": share},
        "gradient": {"d": 1.0, "g": gradient if done > 0.3 else 0.5},
    }


def test_a_discriminator_that_wins_and_starves_the_generator_is_bad():
    verdict = the("bad", "The discriminator wins", verdicts(rows(change=judged(1.0, 2e-5))))
    assert "100% of real scores" in verdict.sentence
    assert "2.0e-05" in verdict.sentence


def test_a_discriminator_that_is_always_right_and_still_teaches_is_watched():
    the("good", "still learns from it (gradient norm 0.5,", verdicts(rows(change=judged(0.995))))
    for gradient, words in ((0.5, "still gets a gradient (norm 0.5)"), (0.05, "stop improving")):
        change = judged(0.995, gradient)
        stuck = rows(change=lambda done, change=change: change(done) | {"fd": 50.0})
        the("watch", words, verdicts(stuck))


def test_balanced_players_are_good():
    the("good", "The players are balanced: 80%", verdicts(rows()))
    the("good", "can hardly tell real from fake: 50%", verdicts(rows(change=judged(0.5))))


def test_a_discriminator_at_chance_while_samples_are_far_from_real_is_too_weak():
    found = verdicts(rows(change=lambda done: judged(0.5)(done) | {"fd": 100 - 20 * done}))
    the("watch", "may be too weak", found)


def test_a_discriminator_worse_than_a_coin_is_watched():
    the("watch", "worse than a coin", verdicts(rows(change=judged(0.3))))


@pytest.mark.parametrize(("gp", "level", "words"), [
    (0.01, "good", "within about 0.1 of 1"),
    (0.64, "watch", "about 0.8 away from 1 (penalty 0.64)"),
    (25.0, "bad", "about 5 away from 1"),
])  # fmt: skip
def test_the_gradient_penalty_says_how_far_norms_are_from_one(gp: float, level: str, words: str):
    found = verdicts(rows(change=lambda done: {"d": {"total": -1.0 + gp, "adv": -1.0, "gp": gp}}))
    the(level, words, found)


def test_a_penalty_larger_than_the_game_is_at_odds_with_it():
    found = verdicts(rows(change=lambda done: {"d": {"total": 6.0, "adv": 1.0, "r1": 0.5}}))
    the("watch", "adds 5 to the discriminator's loss, whose adversarial part is 1", found)


def test_a_penalty_of_zero_is_a_flat_discriminator():
    found = verdicts(rows(change=lambda done: {"d": {"total": 1.386, "adv": 1.386, "r1": 0.0}}))
    the("watch", "The penalty is 0", found)


def test_a_penalty_that_is_skipped_at_times_is_not_judged_by_its_size():
    lazy = rows(change=lambda done: {"d": {"total": 1.0, "adv": 1.0}})
    lazy[-1]["d"] = {"total": 81.0, "adv": 1.0, "r1": 0.5}
    assert not any("penalty" in verdict.sentence for verdict in verdicts(lazy))


def shared(*shares: float) -> list[Verdict]:
    return verdicts(rows(change=lambda done: {"shares": list(shares)}))


def test_classes_that_all_appear_are_good():
    the("good", "All 10 classes appear, each in at least 9.0%", shared(*[0.09] * 5, *[0.11] * 5))


def test_a_rare_class_is_watched_and_a_missing_one_is_bad():
    the("watch", "Under 3.0% of the samples belong to class 3 (2.0%), 1 of 10",
        shared(0.1, 0.1, 0.1, 0.02, 0.1, 0.1, 0.12, 0.12, 0.12, 0.12))  # fmt: skip
    the(
        "bad", "class 3 (0.0%), 1 of 10", shared(0.1, 0.1, 0.1, 0, 0.1, 0.1, 0.12, 0.12, 0.13, 0.13)
    )
    the("bad", "8 of 10", shared(0.42, 0.42, *[0.02] * 8))


def test_many_classes_have_a_smaller_threshold():
    the("good", "All 100 classes appear", shared(*[0.01] * 100))


def test_the_last_shares_count():
    mended = rows(change=lambda done: {"shares": [0.5, 0.5] if done == 1 else [1.0, 0.0]})
    the("good", "All 2 classes", verdicts(mended))


def scored(score: Callable[[float], float]) -> list[Verdict]:
    return verdicts(rows(change=lambda done: {"fd": score(done)}))


def test_the_trend_of_the_score_is_told():
    the(
        "good", "still improving (58.7 in the middle of the run, 25.4 at its end)", verdicts(rows())
    )
    the("good", "has settled", scored(lambda done: 10 + 100 * math.exp(-30 * done)))
    the("watch", "settled far from", scored(lambda done: 50 + 60 * math.exp(-30 * done)))
    the(
        "watch",
        "drifting up",
        scored(lambda d: 20 + 100 * math.exp(-30 * d) + 14 * max(0, d - 0.5)),
    )
    the("watch", "got worse again: 17.8", scored(lambda d: 10 + 90 * abs(0.9 - d)))
    the("bad", "got worse again", scored(lambda done: 10 + 90 * abs(0.5 - done)))
    the("bad", "have not improved", scored(lambda done: 100.0))
    the("watch", "have not improved", verdicts([{"step": i, "fd": 100.0} for i in range(5)]))


def test_a_restoration_that_begins_near_its_target_may_gain_little():
    """An enlarged image is a good start: a twentieth less error is what such a network gains."""

    def restored(gain: float) -> list[Verdict]:
        scores = [0.04 * (1 - gain * (1 - math.exp(-i))) for i in range(20)]
        return verdicts([{"step": i, "l1": score} for i, score in enumerate(scores)], "l1")

    the("good", "has settled", restored(0.05))
    the("bad", "have not improved", restored(0.005))


def test_what_falls_again_after_a_bad_start_is_not_said_to_be_stuck():
    """From 100 up to 190 and down again to 95: both are true, and one sentence says so."""
    scores = [100.0, *(200.0 - 10 * abs(i - 5) for i in range(5)), *np.linspace(190, 95, 10)]
    found = verdicts([{"step": i, "fd": float(score)} for i, score in enumerate(scores)])
    the("watch", "improve again after a bad start: the score began at 100", found)
    assert not any("not improved" in verdict.sentence for verdict in found)


def test_a_score_far_above_its_best_names_the_step_of_the_best():
    verdict = the("bad", "got worse again", scored(lambda done: 10 if 0.24 < done < 0.26 else 90))
    assert "10 at step 100" in verdict.sentence
    assert "checkpoints/best.pt" in verdict.sentence


def test_the_worst_comes_first():
    found = verdicts(rows(change=judged(1.0, 2e-5)))
    order = ["bad", "watch", "good"]
    levels = [order.index(verdict.level) for verdict in found]
    assert levels == sorted(levels)
    assert levels[0] == 0


def test_rows_with_missing_groups_are_judged_by_what_they_have():
    bare = [{"step": i, "d": {"total": 1.0, "adv": 1.0}} for i in range(20)]
    assert verdicts(bare) == []
    strange = [{"step": i, "d": {"total": "x", "adv": None}, "scores": None} for i in range(20)]
    assert verdicts(strange) == []


def skipping(every: int) -> Callable[[float], Row]:
    """Rows under fp16: one update of D skipped in so many steps, of 390 steps."""
    return lambda done: {"skipped": {"d": int(390 * done) // every, "g": 1}}


def test_updates_that_fp16_skips_now_and_then_are_no_cause_for_worry() -> None:
    found = the("good", "Half precision holds", verdicts(rows(change=skipping(200))))
    assert "2 updates were skipped in all" in found.sentence


def test_updates_that_fp16_skips_all_the_time_are_counted() -> None:
    found = the("watch", "Half precision loses updates", verdicts(rows(change=skipping(4))))
    assert "of the discriminator's" in found.sentence and "--precision bf16" in found.sentence


def test_without_fp16_nothing_is_said_of_it() -> None:
    assert not [v for v in verdicts(rows()) if "Half precision" in v.sentence]


@pytest.mark.parametrize(("lost", "level", "words"), [
    (5, "watch", "45 of the generator's were skipped in the last 90 steps"),
    (0, "good", "0 updates were skipped in all"),
])  # fmt: skip
def test_fp16_without_a_discriminator_is_judged_by_the_generator(
    lost: int, level: str, words: str
) -> None:
    """Restoration may have no D; of 40 rows the last 10 count: 9 times 10 steps, 9 x 5 lost."""
    alone = [{"step": 10 * i, "g": {"l1": 1.0}, "skipped": {"g": lost * i}} for i in range(40)]
    the(level, words, verdicts(alone))


@pytest.mark.parametrize(("now", "count"), [(100.0, 1), (99.0, 0)])
@pytest.mark.parametrize(("group", "name", "words"), [
    ("g", "total", "The generator's loss"),
    ("gradient", "d", "The discriminator's gradient"),
    ("gradient", "g", "The generator's gradient"),
])  # fmt: skip
def test_what_explodes_is_named_with_both_sizes(
    group: str, name: str, words: str, now: float, count: int
) -> None:
    """0.5 in the first quarter: 100 times 1, not 100 times 0.5, is where an explosion begins."""
    start: Row = {"g": {"total": 0.5}, "gradient": {"d": 0.5, "g": 0.5}}
    late = start | {group: start[group] | {name: now}}
    found = verdicts(rows(change=lambda done: late if done > 0.5 else start))
    told = f"{words} is exploding: about 100 now, 0.5 in the first quarter"
    assert sum(verdict.sentence.startswith(told) for verdict in found) == count
    assert sum("exploding" in verdict.sentence for verdict in found) == count


def test_the_scores_of_a_translation_stand_under_another_name() -> None:
    """L1 falls 50, 49, ..., 11: medians of 36 to 24 and of 23 to 11 are 30 and 17."""
    falling = [{"step": i, "l1": 50.0 - i, "fd": 100.0} for i in range(40)]
    the("good", "improving (30 in the middle of the run, 17 at its end)", verdicts(falling, "l1"))
    the("bad", "have not improved: the score began at 100", verdicts(falling))


def test_a_penalty_of_many_steps_ago_is_no_matter() -> None:
    """The first rows do not count where the last ten have norms at 0.1 from 1."""
    settled = rows(change=lambda done: {"d": {"gp": 25.0 if done < 0.7 else 0.01}})
    the("good", "within about 0.1 of 1", verdicts(settled))
