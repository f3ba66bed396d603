"""Training and using translators from the command line, on bundled pairs and on folders."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cli.runs import fingerprint, only_run, run, run_in_two_processes
from data.folders import fill
from ganloss import load_generator
from ganloss.cli import main
from ganloss.engine import checkpoint
from ganloss.runs.folder import RunFolder
from ganloss.runs.settings import PairedSettings, RunSettings, UnpairedSettings
from ganloss.runs.tasks._terms import _MAKE
from ganloss.runs.training import train

SMALL = ("--image-size", "32", "--width", "4", "--depth", "2", "--threads", "1")


class Killed(BaseException):
    """What nothing in a run catches."""


class Silent:
    """A reporter that says nothing, and may break a run off after a snap, before its checkpoint."""

    def __init__(self, break_at: int | None = None) -> None:
        self.break_at = break_at

    def started(self, run: object) -> None: ...

    def progressed(self, step: int, total: int | None, done: float) -> None: ...

    def snapped(self, row: Mapping[str, Any]) -> None:
        if row["step"] == self.break_at:
            raise Killed


TINY: dict[str, Any] = {
    "image_size": 32, "width": 4, "depth": 2, "steps": 12, "snap": 3, "threads": 1, "batch_size": 4,
}  # fmt: skip
CASES: dict[str, RunSettings] = {
    "pix2pix": PairedSettings(data="demo:sketches", mirror=True, **TINY),
    "noise that is new in every batch": PairedSettings(
        data="demo:photos", degrade="noise=25", loss="none", **TINY
    ),
    "scales and their features": PairedSettings(
        data="demo:sketches", direction="BtoA", loss="hinge", scales=2,
        term=["feature-matching=10", "ssim=1"], **TINY,
    ),
    "cyclegan": UnpairedSettings(data="demo:sketches", pool=6, **TINY),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_broken_off_and_resumed_equals_uninterrupted(case: str, tmp_path: Path) -> None:
    settings = CASES[case]
    train(replace(settings, out=str(tmp_path / "calm")), Silent())
    rough = replace(settings, out=str(tmp_path / "rough"))
    with pytest.raises(Killed):
        train(rough, Silent(break_at=6))
    train(rough, Silent(), resume="auto")
    calm = fingerprint(only_run(tmp_path / "calm"))
    assert fingerprint(only_run(tmp_path / "rough")) == calm
    other = replace(settings, seed=1, out=str(tmp_path / "other"))
    train(other, Silent())
    assert fingerprint(only_run(tmp_path / "other"))["state"] != calm["state"], "the control"


@pytest.mark.long
def test_control_a_forgotten_pool_is_another_run(tmp_path: Path) -> None:
    settings = CASES["cyclegan"]
    train(replace(settings, out=str(tmp_path / "calm")), Silent())
    rough = replace(settings, out=str(tmp_path / "rough"))
    with pytest.raises(Killed):
        train(rough, Silent(break_at=9))
    last = RunFolder(only_run(tmp_path / "rough")).last
    state = checkpoint.load(last)
    for pool in state["engine"]["controllers"].values():
        for name, value in pool.items():
            pool[name] = torch.zeros_like(value) if isinstance(value, torch.Tensor) else value
    checkpoint.save({k: v for k, v in state.items() if k in ("engine", "seconds")}, last)
    train(rough, Silent(), resume="auto")
    states = [fingerprint(only_run(tmp_path / name))["state"] for name in ("calm", "rough")]
    assert states[0] != states[1]


@pytest.mark.parametrize("task", ["paired", pytest.param("unpaired", marks=pytest.mark.long)])
def test_two_processes_train_as_one_does(task: str, tmp_path: Path) -> None:
    words = ("train", task, "--data", "demo:sketches", *SMALL, "--batch-size", "4", "--steps", "6")
    words += ("--precision", "64", "--mirror")
    words += ("--pool", "4") if task == "unpaired" else ("--loss", "ragan")
    alone = run(*words, "--out", "one", cwd=tmp_path)
    together = run_in_two_processes(*words, "--out", "two", cwd=tmp_path)
    assert alone.returncode == together.returncode == 0, alone.stderr + together.stderr
    states = [
        checkpoint.load(RunFolder(only_run(tmp_path / name)).last)["engine"]["networks"]
        for name in ("one", "two")
    ]
    for player, network in states[0].items():
        for name, value in network.items():
            assert torch.allclose(value, states[1][player][name], rtol=1e-8, atol=1e-12), name


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def negatives(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for file in source.iterdir():
        Image.fromarray(255 - pixels(file)).save(target / f"{file.stem}.bmp")


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same negatives as domains, as two folders, and side by side."""
    root = tmp_path_factory.mktemp("layouts")
    fill(root / "ab" / "trainA", 12)
    negatives(root / "ab" / "trainA", root / "ab" / "trainB")
    (root / "side").mkdir()
    for file in (root / "ab" / "trainA").iterdir():
        left = pixels(file)
        Image.fromarray(np.concatenate([left, 255 - left], 1)).save(root / "side" / file.name)
    return root


@pytest.mark.parametrize(
    "words",
    [
        ("--data", "ab"),
        ("--data", "side", "--direction", "BtoA"),
        ("--lq", "ab/trainA", "--gt", "ab/trainB", "--held-out", "0.25"),
        ("--data", "ab/trainA", "--degrade", "downscale=2"),
        ("--data", "ab/trainA", "--degrade", "gray", "--loss", "none", "--term", "mse=1"),
    ],
)
def test_every_layout_trains_and_holds_pairs_out(
    words: tuple[str, ...], layouts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(layouts)
    small = ("--width", "4", "--depth", "1", "--threads", "1", "--batch-size", "2", "--steps", "2")
    assert main(["train", "paired", *words, *small, "--out", str(tmp_path)]) == 0
    folder = RunFolder(only_run(tmp_path))
    row = folder.rows()[-1]
    assert {"l1", "psnr", "ssim"} <= row.keys()
    status = json.loads((folder.path / "status.json").read_text(encoding="utf-8"))
    held_out = 3 if "0.25" in words else 1
    assert status["metric"]["name"] == f"l1@{held_out}"
    assert status["data"]["images"] == 12 - held_out
    for name in ("before.png", "after.png", "reals.png", "index.html", "export/config.json"):
        assert (folder.path / name).is_file(), name
    page = folder.page.read_text(encoding="utf-8")
    assert "Input, output, target" in page
    assert 'id="wipe"' in page


MISTAKES = [
    (["paired"], "which pairs? Add --data FOLDER"),
    (["paired", "--lq", "x"], "--lq and --gt belong together"),
    (["paired", "--data", "x", "--lq", "x", "--gt", "y"], "keep one of them"),
    (["paired", "--data", "x", "--term", "sim=1"], "no term 'sim'; did you mean 'ssim'"),
    (["paired", "--data", "x", "--term", "kl=1"], "does not compare an image with its target"),
    (["paired", "--data", "x", "--term", "ssim"], "say how much it weighs, e.g. ssim=10"),
    (["paired", "--data", "x", "--degrade", "downscal=4"], "did you mean 'downscale'"),
    (["paired", "--data", "x", "--degrade", "downscale=5"], "downscale takes 2, 3, 4 or 8"),
    (["paired", "--data", "x", "--loss", "none", "--gamma", "1"], "--loss none has none"),
    (["paired", "--data", "x", "--loss", "none", "--term", "l1=0"], "name one, e.g. --term l1=1"),
    (["paired", "--data", "x", "--held-out", "1"], "a share between 0 and 1"),
    (["paired", "--data", "demo:photos"], "add --degrade downscale=4"),
    (["paired", "--data", "demo:sketch"], "did you mean 'sketches'"),
    (["paired", "--data", "x", "--preset", "pix2pics"], "did you mean 'pix2pix'"),
    (["paired", "--data", "x", "--preset", "cyclegan"], "one of `ganloss train unpaired`"),
    (["paired", "--data", "x", "--term", "ssim=-1"], "a weight is at least 0 and finite"),
    (["paired", "--data", "x", "--penalty", "r1=-1"], "--penalty r1=-1: a penalty is minimised"),
    (["paired", "--data", "x", "--penalty", "r1=much"], "--penalty r1=much: 'much' is no weight"),
    (["paired", "--data", "x", "--loss", "none", "--scales", "2"], "--scales is about the discrim"),
    (["paired", "--data", "x", "--loss", "none", "--lambda-adv", "2"], "--lambda-adv is about the"),
    (
        ["paired", "--data", "x", "--loss", "none", "--term", "feature-matching=1"],
        "compares maps of the discriminator, and --loss none has none",
    ),
    (["unpaired"], "with trainA and trainB in it"),
    (["unpaired", "--data", "x", "--accumulate", "2", "-b", "2"], "judge what the generators made"),
    (["unpaired", "--data", "x", "--lambda-cycle", "-1"], "0 leaves it out"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES)
def test_mistakes_are_answered_in_a_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words]) == 2
    assert sentence in capsys.readouterr().err


UNFIT = [
    (["--degrade", "downscale=3"], "needs sides that 3 divides, and the images have 64×64 pixels; "
     "add e.g. --image-size 63"),
    (["--degrade", "downscale=4", "--image-size", "30"], "add e.g. --image-size 28"),
    (["--term", "ms-ssim=1"], "--term ms-ssim does not work on images of 64×64 pixels"),
    (["--term", "ssim=1", "--image-size", "8"], "--term ssim does not work on images of 8×8"),
    (["--image-size", "5"], "a discriminator with --scales 1 does not work on images of 5×5"),
    (["--scales", "4", "--image-size", "32"], "a discriminator with --scales 4 does not work"),
    (["--depth", "9", "--image-size", "32"], "use --depth 5 or less"),
]  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images of 192 pixels, to be spoilt."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (192, 192, 3), np.uint8)).save(folder / f"{i}.png")
    return folder


def words_for(photos: Path, out: Path, *words: str) -> list[str]:
    made = ["train", "paired", "--data", str(photos), "--steps", "2", "--out", str(out), *words]
    return made if "--degrade" in words else [*made, "--degrade", "gray"]


@pytest.mark.parametrize(("words", "sentence"), UNFIT)
def test_what_these_images_are_too_small_for_is_said_before_there_is_a_folder(
    words: list[str],
    sentence: str,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(words_for(photos, tmp_path / "runs", *words)) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_every_term_for_pairs_trains_on_photographs(photos: Path, tmp_path: Path) -> None:
    terms = [*_MAKE, "total-variation"]
    words = [word for name in terms for word in ("--term", f"{name}=1")]
    options = ["--image-size", "176", "--features", "random", "-b", "1", "--width", "4", "--depth",
               "2", "--loss", "none"]  # fmt: skip
    assert main(words_for(photos, tmp_path, *words, *options)) == 0
    rows = RunFolder(only_run(tmp_path)).rows()
    assert set(terms) <= set(rows[-1]["g"])


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Twenty images of each domain, of which two are held out."""
    for side in ("trainA", "trainB"):
        (tmp_path / "few" / side).mkdir(parents=True)
        for i in range(20):
            Image.new("RGB", (16, 16), (12 * i, 99, 9)).save(tmp_path / "few" / side / f"{i}.png")
    return tmp_path / "few"


SHORT = ["--steps", "1", "--width", "4", "--depth", "1"]
FEW = "2 and 2 images are held out, and a score takes 8 of each domain"


def test_too_few_held_out_images_for_a_score_are_said_to_be(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "unpaired", "--data", str(few), *SHORT, "--out", str(tmp_path / "runs")]
    assert main(words) == 0
    assert f"{FEW}, and as many to train on; hold out more (--held-out 0.4, or" in " ".join(
        capsys.readouterr().out.split()
    )
    assert FEW in RunFolder(only_run(tmp_path / "runs")).page.read_text(encoding="utf-8")
    assert main([*words, "--patience", "1"]) == 2
    assert f"--patience waits for a better score; {FEW}" in capsys.readouterr().err
    assert main([*words, "--held-out", "0.4", "--patience", "1"]) == 0


def test_what_cannot_be_scored_is_not_compared(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", "--task", "unpaired", "--data", str(few), "--losses", "ns,lsgan", *SHORT,
             "--out", str(tmp_path / "runs")]  # fmt: skip
    for last in ([], ["--dry-run"]):
        assert main([*words, *last]) == 2
        assert f"a comparison needs scores; {FEW}" in capsys.readouterr().err
        assert not list((tmp_path / "runs").glob("*"))


def test_a_preset_is_a_default_and_a_typed_length_replaces_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["train", "paired", "--preset", "pix2pix", "--data", "x"]
    assert main([*words, "--print-config"]) == 0
    text = capsys.readouterr().out
    assert "epochs: 200" in text
    assert "lr_schedule: linear" in text
    assert main([*words, "--minutes", "5", "--lr", "0.001", "--print-config"]) == 0
    text = capsys.readouterr().out
    assert "epochs: null" in text
    assert "lr_schedule: constant" in text
    assert "lr: 0.001" in text
    assert "l1=100" in text


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of each task."""
    out = tmp_path_factory.mktemp("trained")
    for name in ("pix2pix", "cyclegan"):
        train(replace(CASES[name], steps=2, snap=2, out=str(out / name)), Silent())
    upscale = PairedSettings(data="demo:photos", degrade="downscale=2", loss="none", **TINY)
    train(replace(upscale, steps=2, snap=2, out=str(out / "upscale")), Silent())
    return {path.name: only_run(path) for path in out.iterdir()}


def test_a_translator_loads_in_python(trained: dict[str, Path]) -> None:
    x = torch.zeros(1, 3, 40, 24)
    assert load_generator(trained["pix2pix"])(x).shape == (1, 1, 40, 24)
    there, back = (load_generator(trained["cyclegan"], backward=b) for b in (False, True))
    assert there(x).shape == back(x).shape == x.shape
    assert not torch.equal(there(x), back(x))
    assert load_generator(trained["upscale"])(x).shape == (1, 3, 80, 48)


def test_a_folder_is_translated_to_the_same_names(
    trained: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "in" / "deeper", 2, size=20, width=28)
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    words = ["translate", str(trained["upscale"]), str(tmp_path / "in"), "--out"]
    assert main([*words, str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "skipped broken.png" in text
    assert "images  2 in" in text
    for name in ("000.png", "001.png"):
        assert pixels(tmp_path / "out" / "deeper" / name).shape == (40, 56, 3)
    assert main([*words, str(tmp_path / "out")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "in")]) == 2
    assert "would replace" in capsys.readouterr().err


def test_both_directions_of_an_unpaired_run(trained: dict[str, Path], tmp_path: Path) -> None:
    fill(tmp_path / "in", 1, size=20)
    for direction in ("AtoB", "BtoA"):
        words = ["translate", str(trained["cyclegan"]), str(tmp_path / "in"), "--out",
                 str(tmp_path / direction), "--direction", direction]  # fmt: skip
        assert main(words) == 0
    made = [pixels(tmp_path / d / "000.png") for d in ("AtoB", "BtoA")]
    assert (made[0] != made[1]).any()


def test_a_way_back_that_was_not_trained_is_refused(
    trained: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "in", 1)
    words = ["translate", str(trained["pix2pix"]), str(tmp_path / "in"), "--direction", "BtoA"]
    assert main(words) == 2
    assert "train unpaired for both" in capsys.readouterr().err


def test_transparency_and_depth_are_kept_or_refused(
    trained: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(0)
    clear = rng.integers(0, 256, (20, 20, 4), dtype=np.uint8)
    Image.fromarray(clear).save(folder / "clear.png")
    deep = rng.integers(0, 65536, (20, 20), dtype=np.uint16)
    Image.fromarray(deep).save(folder / "deep.png")
    words = ["translate", str(trained["pix2pix"]), str(folder), "--out", str(tmp_path / "gray")]
    assert main(words) == 0
    kept = pixels(tmp_path / "gray" / "clear.png")
    assert kept.shape == (20, 20, 2)
    assert (kept[..., 1] == clear[..., 3]).all()
    made = pixels(tmp_path / "gray" / "deep.png")
    assert made.dtype == np.uint16
    assert len(np.unique(made % 257)) > 20, "more levels than 8 bits have"
    colour = ["translate", str(trained["cyclegan"]), str(folder / "deep.png"), "--out"]
    assert main([*colour, str(tmp_path / "colour")]) == 3
    assert "add --eight-bit" in capsys.readouterr().err
    assert main([*colour, str(tmp_path / "colour"), "--eight-bit"]) == 0
    assert pixels(tmp_path / "colour" / "deep.png").shape == (20, 20, 3)


def test_a_generator_from_noise_is_sent_to_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "generate", "--data", "demo:digits", "--steps", "1", "--out", str(tmp_path)]
    assert main(words) == 0
    fill(tmp_path / "in", 1)
    assert main(["translate", str(only_run(tmp_path)), str(tmp_path / "in")]) == 2
    assert "ganloss sample" in capsys.readouterr().err


def test_a_run_is_continued_by_its_own_task(
    trained: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "unpaired", "--data", "demo:sketches", "--resume",
                 str(trained["pix2pix"])]) == 2  # fmt: skip
    assert "is a run of `ganloss train paired`" in capsys.readouterr().err


def test_the_configuration_of_a_run_starts_the_same_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "paired", "--data", "demo:sketches", *SMALL, "--steps", "1", "-b", "2"]
    terms = ["--term", "l1=10", "--term", "ssim=2", "--penalty", "r1=1"]
    assert main([*words, *terms, "--out", str(tmp_path / "a")]) == 0
    config = str(only_run(tmp_path / "a") / "config.yaml")
    again = ["train", "paired", "--config", config, "--out", str(tmp_path / "b")]
    assert main(again) == 0
    states = [
        checkpoint.digest(checkpoint.load(RunFolder(only_run(tmp_path / n)).last)["engine"])
        for n in ("a", "b")
    ]
    assert states[0] == states[1]
    capsys.readouterr()
    assert main(["train", "unpaired", "--config", config]) == 2
    assert "is one of `ganloss train paired`" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["sample", "RUN"], ["evaluate", "demo:photos", "RUN"]])
def test_a_translator_is_sent_to_translate(
    words: list[str], trained: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder = str(trained["pix2pix"])
    assert main([run_folder if word == "RUN" else word for word in words]) == 2
    assert f"ganloss translate {run_folder} IMAGES" in capsys.readouterr().err
