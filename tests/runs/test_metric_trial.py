"""The metric of a run is tried on its data; if it cannot judge them, that is said first."""

from pathlib import Path

import pytest
import torch

from ganloss.data.demo import demo_set, digits
from ganloss.data.images import ImageSet
from ganloss.runs.evaluation import evaluation_for
from ganloss.runs.page import write_page
from runs.fake_run import fake_run, status

IMAGES = digits().train_images


def test_a_metric_that_can_judge_is_not_mentioned() -> None:
    evaluation = evaluation_for(demo_set("digits", None, False))
    assert evaluation is not None
    assert evaluation.warning == ""


@pytest.mark.parametrize(("count", "warned"), [(63, False), (64, True), (400, True)])
def test_a_metric_that_cannot_judge_is_said_to(count: int, warned: bool) -> None:
    """Noise as data: mixing in more of it is no harm. Below 64 images nothing is tried."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8, generator=generator)
    evaluation = evaluation_for(ImageSet("noise", noise))
    assert evaluation is not None
    assert evaluation.warning.startswith("fd-random-vgg@") is warned
    assert ("cannot judge this data" in evaluation.warning) is warned


def test_the_trial_repeats_and_takes_nothing_from_the_global_generator() -> None:
    """A resumed run, and each of many processes, says the same and trains the same."""
    state = torch.get_rng_state()
    first, second = (evaluation_for(ImageSet("x", IMAGES[:200])) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.warning == second.warning
    assert torch.equal(state, torch.get_rng_state())


def test_the_page_says_so_before_it_gives_the_score(tmp_path: Path) -> None:
    warning = "fd-x@9 cannot judge this data: it does not rise with <blur>."
    metric = status()["metric"] | {"warning": warning}
    page = write_page(fake_run(tmp_path / "a", metric=metric, film=False)).read_text("utf-8")
    lead = page.split('class="lead">')[1].split("</p>")[0]
    assert lead.startswith("fd-x@9 cannot judge this data: it does not rise with &lt;blur&gt;. fd-")
