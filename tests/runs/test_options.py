"""Settings turned into values, and the refusals that need more than one of them."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganloss import GAMES, AdaptiveAugment, DiffAugment
from ganloss._errors import UsageError
from ganloss.engine.rates import RateSchedule
from ganloss.games import canonical_name
from ganloss.runs.evaluation import Evaluation
from ganloss.runs.options import augment_for, check_augment, game_for, schedule_for
from ganloss.runs.settings import GenerateSettings
from ganloss.runs.training import train


class Silent:
    def started(self, run: object) -> None: ...

    def progressed(self, step: int, total: int | None, done: float) -> None: ...

    def snapped(self, row: object) -> None: ...


SETTINGS = GenerateSettings(data="demo:digits", steps=100)


@pytest.mark.parametrize(
    ("options", "schedule"),
    [
        ({}, None),
        ({"lr_warmup": 5}, RateSchedule("constant", None, 5)),
        ({"lr_schedule": "linear"}, RateSchedule("linear", 100, 0, 0.5)),
        (
            {"lr_schedule": "linear", "lr_decay_from": 0.0, "lr_warmup": 3},
            RateSchedule("linear", 100, 3, 0.0),
        ),
        ({"lr_schedule": "cosine"}, RateSchedule("cosine", 100)),
    ],
)
def test_the_schedule_is_what_the_flags_say(
    options: dict[str, object], schedule: RateSchedule | None
) -> None:
    settings = replace(SETTINGS, **options)  # type: ignore[arg-type]
    settings.check()
    assert schedule_for(settings, 100) == schedule


def test_a_warm_up_does_not_need_the_length() -> None:
    settings = replace(SETTINGS, steps=None, minutes=2.0, lr_warmup=5)
    settings.check()
    assert schedule_for(settings, None) == RateSchedule("constant", None, 5)


def test_the_length_of_a_schedule_may_come_from_kimg() -> None:
    """6.4 kimg in batches of 64, five of them a step, are 20 steps."""
    settings = replace(SETTINGS, steps=None, kimg=6.4, lr_schedule="cosine")
    settings.check()
    assert settings.total_steps(images=900, critic_steps=5) == 20


def test_the_augmentation_is_what_the_flag_says() -> None:
    assert augment_for(SETTINGS, GAMES["ns"]) is None
    for options, expected in [
        ({"diffaugment": "Cutout,color"}, DiffAugment(("cutout", "color"))),
        ({"aug": "diffaug"}, DiffAugment()),
        ({"aug": "ada"}, AdaptiveAugment()),
        (
            {"aug": "ada", "aug_target": 0.5, "aug_kimg": 20.0, "aug_pipe": "Blit"},
            AdaptiveAugment(("blit",), target=0.5, kimg=20.0),
        ),
        ({"aug": "fixed", "aug_p": 0.2}, AdaptiveAugment(p=0.2)),
    ]:
        assert augment_for(replace(SETTINGS, **options), GAMES["ns"]) == expected
    watched = augment_for(replace(SETTINGS, aug="ada"), GAMES["lsgan"])
    assert watched == AdaptiveAugment(undecided=0.5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"aug": "ada", "loss": "r3gan"}, "of r3gan have no point between.*--loss ns-r1"),
        ({"aug": "ada", "accumulate": 2}, "which --accumulate would cut"),
        ({"aug": "fixed"}, "add --aug-p 0.2"),
        ({"aug": "fixed", "aug_p": 2.0}, "--aug fixed: p is 2.0"),
        ({"aug": "ada", "aug_p": 0.5}, "--aug-p belongs to --aug fixed, and --aug is ada"),
        ({"aug_target": 0.5}, "--aug-target belongs to --aug ada, and --aug is none"),
        ({"aug": "ada", "diffaugment": "color"}, "--diffaugment belongs to --aug diffaug"),
        ({"aug": "ada", "aug_pipe": "blitt"}, "--aug ada: no operations 'blitt'; did you mean"),
    ],
)
def test_augmentation_that_cannot_be_meant_is_refused(
    options: dict[str, object], sentence: str
) -> None:
    settings = replace(SETTINGS, **{"loss": "ns", **options})
    with pytest.raises(UsageError, match=sentence):
        augment_for(settings, GAMES[settings.loss])


def test_points_are_not_augmented_as_images_are() -> None:
    check_augment(None, GAMES["hinge"], "hinge", (2,))
    check_augment(DiffAugment(), GAMES["cr-gan"], "cr-gan", (1, 8, 8))
    with pytest.raises(UsageError, match="compares images with shifted ones"):
        check_augment(None, GAMES["cr-gan"], "cr-gan", (2,))
    with pytest.raises(UsageError, match=r"a sample of these data has shape \(2,\)"):
        check_augment(DiffAugment(), GAMES["hinge"], "hinge", (2,))


@pytest.mark.parametrize("name", ["ragan", "ralsgan", "rahinge"])
def test_a_statistic_of_the_batch_is_not_cut_into_micro_batches(name: str) -> None:
    settings = replace(SETTINGS, loss=name, accumulate=4)
    with pytest.raises(UsageError, match="a statistic of the whole batch, which --accumulate 4"):
        game_for(settings)
    assert game_for(replace(settings, accumulate=1)).pair == GAMES[name].pair


def test_every_other_published_game_is_cut() -> None:
    whole = {canonical_name(name) for name, game in GAMES.items() if game.pair.batch_statistic}
    assert whole == {
        "ragan", "ralsgan", "rahinge", "dual-contrastive", "softmax-gan", "mmd-gan",
    }  # fmt: skip
    whole |= {"ebgan", "began", "lecam", "stylegan2"}  # by a penalty, or for their state
    for name in whole:
        with pytest.raises(UsageError, match="leave --accumulate out"):
            game_for(replace(SETTINGS, loss=name, accumulate=4))
    for name in {canonical_name(name) for name in GAMES} - whole:
        game_for(replace(SETTINGS, loss=name, accumulate=4))


def test_patience_needs_images_enough_for_a_score(tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    for i in range(10):
        Image.new("L", (8, 8), 20 * i).save(tmp_path / "few" / f"{i}.png")
    settings = replace(
        SETTINGS, data=str(tmp_path / "few"), patience=2, out=str(tmp_path / "runs"), steps=1
    )
    with pytest.raises(UsageError, match="a score takes 16 images, and there are 10; add images"):
        train(settings, None)  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()


def test_where_time_is_the_limit_most_of_it_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores that take longer than the time between two snaps must not starve training."""
    score = Evaluation.score

    def slow(self: Evaluation, samples: torch.Tensor) -> float:
        time.sleep(0.4)
        return score(self, samples)

    monkeypatch.setattr(Evaluation, "score", slow)
    settings = replace(SETTINGS, steps=None, minutes=0.05, out=str(tmp_path), loss="ns")
    outcome = train(settings, Silent())
    scored = [row for row in outcome.run.rows() if "fd" in row]
    # Before the first step, one after 1/20 of the time, then 9 × 0.4 s later (which is too late),
    # and at the end.
    assert len(scored) == 3
