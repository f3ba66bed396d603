"""Exported generators: they come back to the bit, and what is damaged or foreign is said."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import ganloss as gl
from ganloss._errors import CheckpointError, MisuseError, UsageError
from ganloss.networks.generate import Generator, reference_generator
from ganloss.networks.load import (
    BACKWARD,
    DESCRIPTION,
    WEIGHTS,
    Description,
    load_generator,
    read_description,
    write_export,
)
from ganloss.networks.translate import Translator

ABOUT = Description((1, 8, 8), latent=32)
TRANSLATOR = Translator("resnet", 3, 3, width=4, depth=1)


def exported(folder: Path, about: Description = ABOUT) -> Generator:
    torch.manual_seed(0)
    generator = reference_generator(about.shape, about.classes)
    folder.mkdir(parents=True, exist_ok=True)
    write_export(folder, about, generator)
    return generator


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (3, 16, 16)])
@pytest.mark.parametrize("classes", [0, 3])
def test_a_generator_comes_back_to_the_bit(
    shape: tuple[int, ...], classes: int, tmp_path: Path
) -> None:
    latent = reference_generator(shape).latent
    names = tuple("abc"[:classes])
    original = exported(tmp_path / "export", Description(shape, latent, classes, names))
    labels = (torch.tensor([0, 2]),) if classes else ()
    for path in (tmp_path, tmp_path / "export", str(tmp_path)):
        loaded: Any = gl.load_generator(path)
        z = torch.randn(2, loaded.latent)
        assert torch.equal(loaded(z, *labels), original(z, *labels))
        assert loaded.classes == classes


def test_it_is_ready_for_use_and_not_for_training(tmp_path: Path) -> None:
    exported(tmp_path)
    loaded = load_generator(tmp_path)
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())


@pytest.mark.parametrize(
    ("classes", "wrong", "words"),
    [
        (0, [torch.zeros(2, 7)], r"\[2, 7\]; this generator takes \(N, 32\), e\.g\. torch.randn\("),
        (0, [torch.zeros(32)], r"\[32\]; this generator takes \(N, 32\)"),
        (3, [torch.zeros(2, 7), torch.tensor([0, 1])], r"takes \(N, 32\)"),
        (0, [torch.zeros(2, 32), torch.tensor([0, 1])], r"no classes: call it as G\(z\)"),
        (3, [torch.zeros(2, 32)], r"3 classes: call it as G\(z, labels\)"),
        (3, [torch.zeros(2, 32), torch.tensor([0])], r"\[1\] .*one class each, .* 0 to 2: \(2,\)"),
        (3, [torch.zeros(2, 32), torch.zeros(2)], "dtype torch.float32; 2 latents need"),
    ],
)
def test_wrong_inputs_are_told_with_those_expected(
    classes: int, wrong: list[Any], words: str, tmp_path: Path
) -> None:
    exported(tmp_path, Description((1, 8, 8), 32, classes))
    loaded = load_generator(tmp_path)
    with pytest.raises((TypeError, ValueError), match=words):
        loaded(*wrong)


@pytest.mark.parametrize("network", ["resnet", "unet", "sr"])
def test_images_of_other_channels_are_told_with_those_expected(network: Any, tmp_path: Path):
    translator = Translator(network, 3, 3, width=4, depth=1)
    about = Description((3, 16, 16), 0, translator=translator, tile=8)
    write_export(tmp_path, about, translator.build())
    loaded = load_generator(tmp_path)
    for shape in ((1, 1, 8, 8), (3, 8, 8)):
        with pytest.raises(ValueError, match=r"this generator takes \(N, 3, H, W\), floating"):
            loaded(torch.zeros(shape))


def test_generators_can_still_be_scripted(tmp_path: Path) -> None:
    exported(tmp_path, Description((1, 8, 8), 32, 3))
    inputs = torch.zeros(2, 32), torch.tensor([0, 1])
    loaded = load_generator(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has successors for it
        scripted = torch.jit.script(loaded)
    assert torch.equal(scripted(*inputs), loaded(*inputs))


def test_both_ways_of_a_translation(tmp_path: Path) -> None:
    torch.manual_seed(0)
    there, back = TRANSLATOR.build(), TRANSLATOR.build()
    about = Description((3, 16, 16), 0, translator=TRANSLATOR, both_ways=True, tile=8)
    write_export(tmp_path, about, there, back)
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(load_generator(tmp_path)(x), there(x))
    assert torch.equal(load_generator(tmp_path, backward=True)(x), back(x))
    assert not torch.equal(there(x), back(x))


def test_one_way_has_no_way_back(tmp_path: Path) -> None:
    exported(tmp_path)
    assert not (tmp_path / BACKWARD).exists()
    with pytest.raises(MisuseError, match="translates one way only"):
        load_generator(tmp_path, backward=True)


def test_names_of_classes_in_any_script_come_back(tmp_path: Path) -> None:
    about = replace(ABOUT, classes=2, class_names=("猫", "chien\n<b>"))
    exported(tmp_path, about)
    assert read_description(tmp_path) == about


OWN = """
from pathlib import Path
from torch import nn
Path("ran").touch()

class G(nn.Linear):
    def __init__(self, latent):
        super().__init__(latent, 2)
"""


def test_code_of_ones_own_runs_only_when_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own_generator.py").write_text(OWN, encoding="utf-8")
    original = nn.Linear(5, 2)
    write_export(tmp_path, Description((2,), 5, generator="own_generator.py:G"), original)
    with pytest.raises(MisuseError, match="--allow-code"):
        load_generator(tmp_path)
    assert not Path("ran").exists()
    z = torch.ones(1, 5)
    assert torch.equal(load_generator(tmp_path, allow_code=True)(z), original(z))
    assert Path("ran").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"latent": -1},
        {"latent": 10**9},
        {"tile": True},
        {"latent": 32.0},
        {"latent": 31},
        {"shape": []},
        {"shape": [1, 8, "8"]},
        {"shape": [1, 12, 12]},
        {"shape": [1, 8, 16]},
        {"shape": [1, 8]},
        {"class_names": ["one"]},
        {"generator": 7},
        {"translator": {"network": "resnet"}},
        {"translator": {**vars(TRANSLATOR), "width": 10**6}},
        {"colour": "blue"},
    ],
)
def test_a_description_that_nobody_wrote(change: dict[str, Any], tmp_path: Path) -> None:
    exported(tmp_path)
    values = json.loads((tmp_path / DESCRIPTION).read_text("utf-8"))
    (tmp_path / DESCRIPTION).write_text(json.dumps({**values, **change}), "utf-8")
    with pytest.raises(CheckpointError, match="does not hold a generator that can be loaded"):
        load_generator(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"latent": 3}', "[" * 100_000])
def test_a_description_that_is_none(text: str, tmp_path: Path) -> None:
    exported(tmp_path)
    (tmp_path / DESCRIPTION).write_text(text, "utf-8")
    for read in (load_generator, read_description):
        with pytest.raises(CheckpointError, match="--resume"):
            read(tmp_path)


@pytest.mark.parametrize("kept", [0, 7, 200, -1])
def test_weights_that_were_cut_off(kept: int, tmp_path: Path) -> None:
    exported(tmp_path)
    whole = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(whole[:kept])
    with pytest.raises(CheckpointError, match="does not hold a generator that can be loaded"):
        load_generator(tmp_path)


def test_weights_that_are_missing_or_of_another_generator(tmp_path: Path) -> None:
    exported(tmp_path / "small")
    exported(tmp_path / "large", Description((3, 16, 16), 64))
    other = (tmp_path / "large" / WEIGHTS).read_bytes()
    (tmp_path / "small" / WEIGHTS).write_bytes(other)
    with pytest.raises(CheckpointError, match="does not hold a generator"):
        load_generator(tmp_path / "small")
    (tmp_path / "large" / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match="does not hold a generator"):
        load_generator(tmp_path / "large")


@pytest.mark.parametrize(
    ("configuration", "task"),
    [("task: paired\nsteps: 3\n", "paired"), ("steps: 3\n", "generate"), ("", "generate")],
)
def test_an_unfinished_run_is_told_how_to_finish(
    configuration: str, task: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(configuration, "utf-8")
    with pytest.raises(CheckpointError, match=f"`ganloss train {task} --resume {tmp_path}`"):
        load_generator(tmp_path)


def test_misuse_is_a_value_error_to_python_and_wrong_usage_to_the_command_line() -> None:
    assert issubclass(MisuseError, ValueError)
    assert MisuseError.exit_code == UsageError.exit_code == 2
