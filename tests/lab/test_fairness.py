"""What a report says was equal, and what was not."""

from pathlib import Path
from typing import Any

import pytest

from ganloss.lab.fairness import sentences
from ganloss.lab.report import write_report
from lab.comparisons import METRIC, pretended


def said(out: Path, *losses: str, **options: Any) -> str:
    found = pretended(out, {loss: [1.0, 2.0] for loss in losses}, pictures=False, **options)
    return " ".join(sentences(found))


def test_losses_of_one_kind_have_the_same_networks(tmp_path: Path) -> None:
    words = said(tmp_path, "ns", "hinge")
    assert "all start from the same weights" in words
    assert "The same networks, batches of 64" in words
    assert "Not equal: discriminators" not in words


def test_other_outputs_are_other_discriminators(tmp_path: Path) -> None:
    words = said(tmp_path, "ns", "ebgan", "began", "realness")
    assert (
        "Not equal: discriminators, since losses want other outputs of them (ns: a score; ebgan "
        "and began: an image, as an autoencoder; realness: 20 numbers)."
    ) in words
    assert "the same weights" not in words
    assert "he same networks" not in words


def test_clipped_weights_are_not_the_same_first_ones(tmp_path: Path) -> None:
    assert "wgan clips the first weights of D as well." in said(tmp_path, "ns", "wgan")


def test_a_search_in_which_every_draw_failed_is_said(tmp_path: Path) -> None:
    found = pretended(tmp_path, {"ns": [1.0, 2.0], "hinge": [1.0, 2.0]}, pictures=False, draws=2)
    results = found.folder / "results.jsonl"
    draws = [
        f'{{"job": "{loss}-draw{k}", "state": "{state}", "score": {score}}}\n'
        for loss, state, score in (("ns", "finished", "1.0"), ("hinge", "diverged", "null"))
        for k in range(2)
    ]
    results.write_text(results.read_text() + "".join(draws))
    words = " ".join(sentences(found))
    assert "No random setting of hinge trained to its end, so its own went on." in words


@pytest.mark.parametrize("tried", [True, False])
def test_only_a_metric_that_was_tried_is_said_to_have_been(tried: bool, tmp_path: Path) -> None:
    scores = {"ns": [1.0, 2.0], "hinge": [1.0, 2.0]}
    found = pretended(tmp_path, scores, pictures=False, metric=METRIC | {"tried": tried})
    write_report(found)
    page = (found.folder / "report.html").read_text(encoding="utf-8")
    assert ("was tried on the real images before training" in page) is tried


def test_of_weights_only_those_that_differ_are_named(tmp_path: Path) -> None:
    from ganloss.lab.comparison import create
    from ganloss.lab.plan import plan
    from ganloss.lab.results import Comparison
    from ganloss.runs.settings import PairedSettings

    settings = PairedSettings(data="demo:sketches", steps=4)
    made = plan(settings, ["ns"], ["term.l1=0,100", "lr=1e-4,1e-3"])
    (first, *_) = sentences(Comparison(create(made, tmp_path)))
    assert first == "What is compared, and so differs: term.l1 (0, 100); lr (0.0001, 0.001)."
