"""Plans: who is compared with whom, how long, with which settings."""

from collections import Counter
from dataclasses import fields, replace
from typing import Any

import pytest

from ganloss._errors import CheckpointError, UsageError
from ganloss.games import GAMES
from ganloss.lab.plan import Plan, plan, variants_of
from ganloss.lab.results import Comparison
from ganloss.lab.search import drawn
from ganloss.runs.settings import GenerateSettings, PairedSettings, UnpairedSettings
from lab.comparisons import planned

DIGITS = GenerateSettings(data="demo:digits", steps=100)


def test_every_seed_runs_every_loss_before_the_next_seed_begins():
    jobs = planned().jobs()
    assert [job.seed for job in jobs] == sorted(job.seed for job in jobs)
    for seed in range(5):
        names = [job.variant for job in jobs if job.seed == seed]
        assert sorted(names) == ["hinge", "ns", "r3gan"]
    assert len({tuple(j.variant for j in jobs if j.seed == s) for s in range(3)}) == 3
    assert len({job.name for job in jobs}) == 15


def test_runs_of_a_seed_differ_in_nothing_but_the_loss():
    for job in planned(("ns", "r3gan")).jobs():
        other = next(j for j in planned(("ns", "r3gan")).jobs() if j.seed == job.seed)
        differing = {
            f.name
            for f in fields(job.settings)
            if getattr(job.settings, f.name) != getattr(other.settings, f.name)
        }
        assert differing <= {"loss"}


def test_shared_tuning_gives_all_the_optimiser_of_the_baseline():
    made = planned(("ns", "hinge", "lsgan"), baseline="hinge", tuning="shared")
    hinge = GAMES["hinge"].optimisers
    for job in made.jobs():
        assert (job.settings.g_lr, job.settings.d_lr) == (
            hinge.generator.lr,
            hinge.discriminator.lr,
        )
        assert job.settings.betas == "0.0,0.9"


def test_shared_tuning_leaves_a_given_rate_alone():
    made = plan(replace(DIGITS, lr=3e-4), ["ns", "hinge"], tuning="shared", workers=1)
    assert {(job.settings.lr, job.settings.g_lr) for job in made.jobs()} == {(3e-4, None)}


def test_a_search_gives_every_loss_the_same_draws_on_a_seed_of_its_own():
    made = planned(("ns", "lsgan", "wgan-gp"), draws=4)
    jobs = made.search()
    assert {job.seed for job in jobs} == {5}
    for draw in range(4):
        alike = [job.settings for job in jobs if job.draw == draw]
        assert len({(s.lr, (s.betas or "").split(",")[0]) for s in alike}) == 1
    assert len({job.settings.lr for job in jobs}) == 4


def test_a_search_leaves_alone_what_is_compared():
    made = plan(DIGITS, ["wgan-gp"], ["lr=1e-4,2e-4"], draws=3)
    jobs = made.search()
    assert {(job.variant, job.settings.lr) for job in jobs} == {
        ("lr=1e-4", 1e-4),
        ("lr=2e-4", 2e-4),
    }
    assert len({job.settings.betas for job in jobs}) == 3, "the rest is drawn"
    assert len({tuple(job.settings.penalty) for job in jobs}) == 3
    weighed = plan(DIGITS, ["wgan-gp"], ["penalty.gp=1,10"], draws=3).search()
    assert {(job.variant, *job.settings.penalty) for job in weighed} == {
        ("gp=1", "gp=1"), ("gp=10", "gp=10"),
    }  # fmt: skip
    assert len({job.settings.lr for job in weighed}) == 3


def test_a_search_leaves_alone_what_is_given():
    given = replace(DIGITS, d_lr=3e-4, gamma=2.0)
    jobs = plan(given, ["r3gan"], ["batch-size=8,16"], draws=3).search()
    assert {(job.settings.lr, job.settings.d_lr) for job in jobs} == {(None, 3e-4)}
    assert {job.settings.penalty for job in jobs} == {None}, "gamma is their weight"
    assert len({job.settings.betas for job in jobs}) > 1


def test_a_search_draws_penalties_around_the_published_weight():
    weights = [
        float(drawn(replace(DIGITS, loss="wgan-gp"), draw)["penalty"][0].removeprefix("gp="))
        for draw in range(200)
    ]
    assert min(weights) >= 1.0
    assert max(weights) <= 100.0
    assert min(weights) < 1.5
    assert max(weights) > 60
    both = drawn(replace(DIGITS, loss="r3gan"), 0)["penalty"]
    assert [word.split("=")[0] for word in both] == ["r1", "r2"]


@pytest.mark.parametrize(
    ("losses", "options", "words"),
    [
        (["ns"], {}, "at least two variants"),
        (["ns", "vanilla"], {}, "ns is named twice"),
        (["ns", "hingee"], {}, "did you mean 'hinge'"),
        (["ns", "hinge"], {"baseline": "lsgan"}, "--baseline lsgan is none of the variants"),
        (["ns", "hinge"], {"settings": replace(DIGITS, metrics="none")}, "nothing to compare by"),
        (["ns", "hinge"], {"settings": replace(DIGITS, devices=2)}, "--workers N instead"),
        (["ns", "hinge"], {"settings": replace(DIGITS, gamma=1.0)}, "gamma weighs R1"),
        ([], {"vary": ["lr=1e-4"]}, "at least two values"),
        ([], {"vary": ["learning_rate=1,2"]}, "no such setting"),
        ([], {"vary": ["batch_size=16,many"]}, "'many' is not what it takes (int)"),
        ([], {"vary": ["lr_schedule=constant,steep"]}, "constant, linear, cosine"),
        ([], {"vary": ["image_size=8,16"]}, "cannot be compared"),
        ([], {"vary": ["steps=8,16"]}, "cannot be compared"),
        ([], {"vary": ["penalty=1,2"]}, "say which"),
        ([], {"vary": ["penalty.r1=1,much"]}, "is no weight"),
        ([], {"vary": ["penalty.r9=1,2"]}, "r9"),
        ([], {"vary": ["lr=1e-4,0.0001"]}, "lr=1e-4 and lr=0.0001 are the same run"),
        (["ns", "hinge"], {"workers": 0}, "--workers is 0"),
        (["ns", "hinge"], {"draws": -1}, "--tune is -1"),
        (
            ["minimax"],
            {"vary": ["lr=1e-4,2e-4"], "draws": 2, "settings": replace(DIGITS, betas="0.5,0.9")},
            "those that lr=1e-4 takes are given or compared",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_words(losses, options, words):
    settings = options.pop("settings", DIGITS)
    with pytest.raises(UsageError) as error:
        plan(settings, losses, **options)
    assert words in str(error.value)


def test_terms_of_pairs_are_varied_beside_the_usual_ones():
    settings = PairedSettings(data="demo:sketches")
    found = variants_of(settings, [], ["term.ssim=0,1"])
    assert [v.name for v in found] == ["ssim=0", "ssim=1"]
    assert [v.changes["term"] for v in found] == [["l1=100", "ssim=0"], ["l1=100", "ssim=1"]]
    bare = variants_of(replace(settings, loss="none"), [], ["term.ssim=0,1"])
    assert bare[1].changes["term"] == ["l1=1", "ssim=1"]
    given = variants_of(replace(settings, term=["mse=3"]), [], ["term.ssim=0,1", "lr=1e-4,1e-3"])
    assert given[1].name == "ssim=0 lr=1e-3"
    assert given[1].changes == {"loss": "ns", "term": ["mse=3", "ssim=0"], "lr": 1e-3}


def test_weights_of_unpaired_runs_can_be_varied():
    settings = UnpairedSettings(data="demo:sketches")
    found = variants_of(settings, [], ["lambda-cycle=0,10", "norm=instance,none"])
    assert [v.changes["lambda_cycle"] for v in found] == [0.0, 0.0, 10.0, 10.0]
    assert [v.changes["norm"] for v in found] == ["instance", "none"] * 2


def test_a_plan_is_a_file_that_reads_back_as_it_was(tmp_path):
    made = planned(draws=2, baseline="ns", tuning="shared")
    path = tmp_path / "plan.yaml"
    path.write_text(made.to_yaml(), encoding="utf-8")
    assert Plan.read(path) == made
    assert [j.name for j in Plan.read(path).jobs()] == [j.name for j in made.jobs()]


@pytest.mark.parametrize("text", ["", "[]", "task: generate", "a: !!python/object:os.system x"])
def test_a_damaged_plan_is_refused(tmp_path, text):
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(CheckpointError, match="not the plan of a comparison"):
        Comparison(tmp_path)


def test_a_folder_without_a_plan_is_no_comparison(tmp_path):
    with pytest.raises(UsageError, match="is no comparison"):
        Comparison(tmp_path)


def test_workers_share_the_cores(monkeypatch):
    monkeypatch.setattr("ganloss.lab.plan._cores", lambda: 8)
    for asked, threads, expected in ((None, None, (8, 1)), (2, None, (2, 4)), (None, 4, (2, 4))):
        made = plan(replace(DIGITS, threads=threads), ["ns", "hinge"], workers=asked)
        assert (made.workers, made.settings.threads) == expected


def test_the_promise_tells_beforehand_whether_a_verdict_is_possible():
    assert "no verdict is possible; 6 seeds would do" in planned(("ns", "hinge")).promise
    assert planned().promise.endswith("enough to show a difference (p ≤ 0.05)")
    assert planned(seeds=range(3)).promise.endswith(
        "in one order in every seed; 4 seeds show one that stands apart from the rest"
    )
    assert "one seed shows no difference" in planned(seeds=[3]).promise


def test_budgets_in_words():
    for settings, words in (
        (DIGITS, "100 steps"),
        (replace(DIGITS, steps=None, kimg=2.5), "2,500 images shown to D"),
        (replace(DIGITS, steps=None, seconds=90.0), "90 seconds of training"),
    ):
        assert plan(settings, ["ns", "hinge"], workers=1).budget == words


def test_names_of_jobs_are_those_of_files():
    made = plan(DIGITS, ["ns", "hinge"], ["lr=1e-4,2e-4"], workers=1)
    assert Counter(job.name for job in made.jobs()).most_common(1)[0][1] == 1
    assert made.jobs()[0].name == "ns-lr=1e-4-s0"


def test_runs_that_may_end_at_different_steps_are_refused() -> None:
    with pytest.raises(UsageError, match="--patience ends runs after different numbers of steps"):
        plan(replace(DIGITS, patience=2), ["ns", "hinge"])
    with pytest.raises(UsageError, match="--vary patience: runs that differ in it"):
        plan(DIGITS, ["ns"], ["patience=1,5"])


@pytest.mark.parametrize(
    ("losses", "vary"), [(["none", "ns"], []), (["none"], ["lr=1e-4,1e-3"])], ids=str
)
def test_no_discriminator_has_the_optimiser_of_ns(losses: list[str], vary: list[str]) -> None:
    settings = PairedSettings(data="demo:sketches", steps=10)
    made = plan(settings, losses, vary, tuning="shared", workers=1)
    rates = {job.settings.g_lr or job.settings.lr for job in made.jobs()}
    assert rates == ({2e-4} if not vary else {1e-4, 1e-3})


def test_minutes_are_of_training_alone() -> None:
    made = plan(GenerateSettings(data="demo:ring", minutes=2), ["ns", "hinge"])
    assert (made.settings.minutes, made.settings.seconds) == (None, 120)
    assert made.budget == "120 seconds of training"


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_on_a_gpu_runs_take_turns_unless_more_are_asked_for(
    device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    settings = replace(DIGITS, device=device)
    assert plan(settings, ["ns", "hinge"]).workers == 1
    assert plan(settings, ["ns", "hinge"]).settings.device == "cuda"
    assert plan(settings, ["ns", "hinge"], workers=3).workers == 3


def test_names_of_runs_are_unique_however_alike_those_of_variants_are() -> None:
    long = "a" * 90
    values = [f"nets/{long}.py:G", f"nets/{long}.py:H", "nets/a.py:G", "nets-a.py:G", "NETS-A.py:G"]
    made = plan(DIGITS, ["ns"], [f"generator={','.join(values)}"], seeds=[0, 1], draws=2)
    names = [job.name.casefold() for job in [*made.search(), *made.jobs()]]
    assert len(set(names)) == len(names) == 5 * 4
