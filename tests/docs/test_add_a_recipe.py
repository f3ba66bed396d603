"""CONTRIBUTING's "Add a recipe", done literally in a copy of the project: everything finds it."""

from pathlib import Path

import pytest

from docs.copies import after, copied, run

RECIPE = '''"""From noise to samples, with two turns of G for one of D; made up for this test."""

from dataclasses import replace
from typing import Any

from torch import nn

from ganloss.engine.phase import Phase
from ganloss.games import Game
from ganloss.recipes._rules import Rules
from ganloss.recipes.generate import generate


def twice(
    game: Game | Rules, generator: nn.Module, discriminator: nn.Module, latent: int, **options: Any
) -> tuple[Phase, ...]:
    """Give the phases of a game, G moving twice."""
    d, g = generate(game, generator, discriminator, latent, **options)
    return d, replace(g, repeats=2)
'''
SETTING = """    recipe: Literal["generate", "twice"] = _flag("generate", "whose turn it is")
"""
PRESET = "task: generate\nrecipe: twice\nloss: hinge\n"
TRAIN = ("train", "generate", "--data", "demo:ring", "--steps", "3", "--threads", "1")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with one more function, setting and preset, and the task that asks for it."""
    copy = copied(tmp_path_factory.mktemp("project"))
    source = copy / "src" / "ganloss"
    (source / "recipes" / "twice.py").write_text(RECIPE, encoding="utf-8")
    (source / "recipes" / "presets" / "twice.yaml").write_text(PRESET, encoding="utf-8")
    after(
        source / "runs" / "settings.py",
        '    latent: int | None = _flag(None, "length of latents of your own G", "--z-dim",'
        ' "--latent-dim")\n',
        SETTING,
    )
    task = source / "runs" / "tasks" / "generate.py"
    after(
        task,
        "from ganloss.recipes.generate import generate, given\n",
        "from ganloss.recipes.twice import twice\n",
    )
    after(
        task,
        "batches, rules, augment = self._batches(), self.rules_of(self.game), self.augment\n",
        '        recipe = {"generate": generate, "twice": twice}[settings.recipe]\n',
    )
    text = task.read_text("utf-8").replace(
        "            generate(rules, ", "            recipe(rules, "
    )
    task.write_text(text, encoding="utf-8")
    return copy


@pytest.mark.long
def test_command_line_preset_docs_and_lab_find_it(copy: Path) -> None:
    assert "--recipe {generate,twice}" in run(copy, "-m", "ganloss", "train", "generate", "--help")
    trained = run(copy, "-m", "ganloss", *TRAIN, "--preset", "twice", "--out", "runs")
    assert "ended with 0" in trained, trained
    config = (copy / "runs" / "00000-hinge-ring-s0" / "config.yaml").read_text("utf-8")
    assert "recipe: twice" in config
    page = "from pathlib import Path; import make_reference as m; m.write_config(Path('x.md'))"
    run(copy, "-c", page)
    settings = (copy / "x.md").read_text(encoding="utf-8")
    assert "| `recipe` | `generate` | whose turn it is" in settings
    assert "| `twice` | `recipe: twice`, `loss: hinge` |" in settings
    words = ("compare", "--data", "demo:ring", "--losses", "ns", "--vary", "recipe=generate,twice")
    planned = run(copy, "-m", "ganloss", *words, "--steps", "5", "-n")
    assert "recipe=twice" in planned
    assert "ended with 0" in planned


@pytest.mark.long
def test_its_weights_are_those_of_two_turns(copy: Path) -> None:
    """G makes two updates a step, which its optimiser counts; control: the usual recipe, one."""
    assert [updates(copy, recipe) for recipe in ("twice", "generate")] == [6, 3]


def updates(copy: Path, recipe: str) -> int:
    trained = run(
        copy, "-m", "ganloss", *TRAIN, "--recipe", recipe, "--out", recipe, "--loss", "ns"
    )
    assert "ended with 0" in trained, trained
    count = (
        "from pathlib import Path; from ganloss.engine.checkpoint import load\n"
        f"(path,) = Path({recipe!r}).glob('*/checkpoints/last.pt')\n"
        "state = load(path)['engine']['optimisers']['g']['state']\n"
        "print('updates', int(state[0]['step']))\n"
    )
    said = run(copy, "-c", count)
    return int(said.partition("updates ")[2].split()[0])
