"""Published settings: each is one of its task's flags, and builds."""

from dataclasses import fields

import pytest

from ganloss._errors import UsageError
from ganloss.games import GAMES
from ganloss.recipes.presets import preset, preset_names
from ganloss.runs.settings import GenerateSettings, PairedSettings, UnpairedSettings

TASKS = {kind.task: kind for kind in (GenerateSettings, PairedSettings, UnpairedSettings)}
PRESETS = [(task, name) for task in TASKS for name in preset_names(task)]


@pytest.mark.parametrize(("task", "name"), PRESETS)
def test_a_preset_is_made_of_flags_of_its_task(task: str, name: str) -> None:
    values = preset(name, task)
    assert set(values) <= {field.name for field in fields(TASKS[task])}
    assert values["loss"] in {*GAMES, "none"}


@pytest.mark.parametrize(
    ("task", "name", "expected"),
    [
        # Radford et al. 2016, section 4: batch 128, learning rate .0002, β₁ .5.
        ("generate", "dcgan", {"loss": "ns", "batch_size": 128, "lr": 0.0002}),
        # Gulrajani et al. 2017, algorithm 1: α .0001, batch 64.
        ("generate", "wgan-gp", {"loss": "wgan-gp", "batch_size": 64}),
        # Isola et al. 2017, section 3.3: λ 100, Adam .0002 and β₁ .5, batch 1.
        ("paired", "pix2pix", {"term": ["l1=100"], "lr": 0.0002, "batch_size": 1}),
        # Zhu et al. 2017, section 4: λ 10, batch 1, learning rate .0002.
        ("unpaired", "cyclegan", {"batch_size": 1, "lr": 0.0002}),
    ],
)
def test_published_numbers(task: str, name: str, expected: dict[str, object]) -> None:
    values = preset(name, task)
    assert {key: values.get(key) for key in expected} == expected


def test_a_preset_of_another_task_and_a_misspelt_one() -> None:
    with pytest.raises(UsageError, match="pix2pix is one of `ganloss train paired`"):
        preset("pix2pix", "generate")
    with pytest.raises(UsageError, match="did you mean 'pix2pix'"):
        preset("pix2pxi", "paired")
