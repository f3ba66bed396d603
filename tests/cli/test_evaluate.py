"""`ganloss evaluate`: the verdict first, then numbers with protocol, interval and references."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from cli.runs import only_run, run
from ganloss._weights import WEIGHTS
from ganloss.cli import main
from ganloss.data.demo import digits
from ganloss.metrics.features import digits_features
from ganloss.metrics.protocol import measure

SPLIT = digits()


def write(images: Tensor, folder: Path, size: int | None = None) -> Path:
    folder.mkdir(parents=True)
    for i, image in enumerate(images.squeeze(1).numpy()):
        picture = Image.fromarray(image)
        picture = picture if size is None else picture.resize((size, size))
        picture.save(folder / f"{i:04d}.png")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits as files: reals, others, the reals with noise, and noise itself."""
    root = tmp_path_factory.mktemp("folders")
    generator = torch.Generator().manual_seed(0)
    reals = SPLIT.train_images[:130]
    noise = torch.randint(0, 256, reals.shape, generator=generator, dtype=torch.uint8)
    write(reals, root / "real")
    write(SPLIT.held_out_images[:90], root / "larger", size=12)
    write((0.7 * reals + 0.3 * noise).byte(), root / "noisy")
    write(noise, root / "noise")
    write(SPLIT.train_images[:20], root / "few")
    (root / "other").mkdir()
    for path in (root / "few").iterdir():
        shutil.copy(path, root / "other" / f"x{path.name}")
    return root


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("GANLOSS_WEIGHTS", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def test_a_run_is_judged_by_its_own_samples(tmp_path: Path) -> None:
    words = ("--data", "demo:digits", "--loss", "ns", "--steps", "3", "--metrics", "none")
    trained = run("train", "generate", *words, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    folder = only_run(tmp_path / "runs")
    done = run("evaluate", "demo:digits", str(folder), "--json", "a.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith("fd-digits@450 can judge this data: tried on")
    for words in ("fd-digits@897", "coverage-digits@897", "nearest neighbours", "seeds 0 to 896"):
        assert words in done.stdout
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert found["verdict"]["passed"] is True
    assert found["measurement"]["count"] == found["measurement"]["reference_count"] == 897
    again = run("evaluate", "demo:digits", str(folder / "export"), "--json", "b.json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    second = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert second["measurement"] == found["measurement"]


def test_a_folder_of_runs_is_no_folder_of_generated_images(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "generate", "--data", "demo:digits", "--loss", "ns", "--steps", "1"]
    assert main([*words, "--out", str(tmp_path / "runs")]) == 0
    assert main(["evaluate", "demo:digits", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "holds 1 run(s), whose pictures show many samples at once; name one of them" in said
    assert str(tmp_path / "runs" / "00000-ns-digits-s0") in said


def test_the_numbers_are_those_of_the_library(folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    words = ("--features", "digits", "--json", str(out), "--count", "130", "--no-self-test")
    assert main(["evaluate", str(folders / "real"), str(folders / "noise"), *words]) == 0
    order = torch.randperm(130, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    reals = SPLIT.train_images[:130]
    noise = torch.randint(0, 256, reals.shape, generator=generator, dtype=torch.uint8)
    expected = measure(reals[order], noise[order], digits_features())
    found = json.loads(out.read_text(encoding="utf-8"))["measurement"]
    assert [n["name"] for n in found["numbers"]] == [n.name for n in expected.numbers]
    assert [n["value"] for n in found["numbers"]] == [n.value for n in expected.numbers]
    assert found["reference_count"] == 65


def test_sizes_that_differ_are_said(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--features", "digits", "--seed", "3")
    assert main(["evaluate", str(folders / "real"), str(folders / "larger"), *words]) == 0
    text = capsys.readouterr().out
    assert "fd-digits@65 " in text
    assert "note: 90 generated images were cut and resized to 8×8" in text


def test_a_metric_that_cannot_judge_says_so_first(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On reals that are noise already, noise is no harm."""
    words = (str(folders / "noise"), str(folders / "real"), "--features", "digits")
    assert main(["evaluate", *words]) == 0
    sentence = capsys.readouterr().out.splitlines()[1]
    assert sentence.startswith("fd-digits@65 cannot judge this data: tried on the real images")
    assert "noise images mixed in" in sentence


def test_with_few_images_or_on_request_the_metric_is_not_tried_and_that_is_said_first(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("evaluate", str(folders / "few"), str(folders / "real"), "--features", "digits")
    assert main([*words, "--count", "16"]) == 0
    text = capsys.readouterr().out
    first = text.splitlines()[1]
    assert first.endswith("not tried on the real images: there are 20, and 64 are needed.")
    assert "fd-digits@16" in text
    assert "two halves of REAL, 8 images each" in text
    assert main([*words, "--count", "16", "--no-self-test"]) == 0
    assert "--no-self-test" in capsys.readouterr().out.splitlines()[1]


def test_with_classes_the_trial_drops_classes(folders: Path) -> None:
    from ganloss.metrics.selftest import self_test
    from ganloss.runs.scoring import Request, prepare

    ready = prepare(Request("demo:digits", str(folders / "real"), cond=True, count=100))
    order = torch.randperm(900, generator=torch.Generator().manual_seed(0))
    images, labels = SPLIT.train_images[order], SPLIT.train_labels[order]
    assert ready.try_metric() == self_test(images, digits_features(), labels=labels)


@pytest.mark.parametrize(
    ("name", "network"),
    [("digits", "digits"), ("stacked-digits", "stacked-digits"), ("triangles", "random-vgg")],
)
def test_the_default_network_is_that_of_a_run_on_the_same_data(name: str, network: str) -> None:
    from ganloss.data.images import load_images
    from ganloss.runs.evaluation import evaluation_for
    from ganloss.runs.scoring import Request, prepare

    source = f"demo:{name}"
    assert prepare(Request(source, source, count=16)).features.name == network
    if name == "digits":  # the others take their time
        evaluation = evaluation_for(load_images(source))
        assert evaluation is not None
        assert evaluation.name == f"fd-{network}@897"


def test_colour_is_made_like_the_real_images(folders: Path, tmp_path: Path) -> None:
    """Gray files saved as RGB give the gray images back, and the other way round three times."""
    from ganloss.runs.scoring import Request, prepare

    coloured = tmp_path / "coloured"
    coloured.mkdir()
    for path in (folders / "real").iterdir():
        Image.open(path).convert("RGB").save(coloured / path.name)
    gray = prepare(Request(str(folders / "real"), str(folders / "real"), count=20))
    to_gray = prepare(Request(str(folders / "real"), str(coloured), count=20))
    to_colour = prepare(Request(str(coloured), str(folders / "real"), count=20))
    assert torch.equal(to_gray.fake, gray.fake)
    assert torch.equal(to_colour.fake, gray.fake.expand(-1, 3, -1, -1))
    assert any("made gray like REAL" in note for note in to_gray.notes)


def test_pairs_are_of_the_same_name(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """10 log10(255² / MSE), computed here over the pixels of each pair."""
    words = ("evaluate", str(folders / "real"), str(folders / "noisy"), "--features", "digits")
    assert main(list(words)) == 0
    text = capsys.readouterr().out
    assert "psnr" not in text
    assert "add --pairs" in text
    assert main([*words, "--pairs"]) == 0
    a, b = (
        torch.stack(
            [
                torch.tensor(list(Image.open(path).tobytes()), dtype=torch.float64)
                for path in sorted((folders / name).iterdir())
            ]
        )
        for name in ("real", "noisy")
    )
    psnr = float((10 * torch.log10(255**2 / (a - b).square().mean(1))).mean())
    text = capsys.readouterr().out
    assert "add --pairs" not in text
    line = next(line for line in text.splitlines() if "psnr@130" in line)
    assert line.split()[1] == f"{psnr:.3g}"
    assert "fd-digits@65" in text


def test_few_pairs_are_compared_alone(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("evaluate", str(folders / "few"), str(folders / "noisy"), "--pairs")
    assert main(list(words)) == 0
    text = capsys.readouterr().out
    assert "psnr@20" in text
    assert "note: 0 real and 110 generated images have no partner" in text
    assert "too small to be compared as sets" in text
    assert "fd-" not in text
    for name, side in (("ssim", 11), ("ms-ssim", 176)):
        assert f"note: {name} is left out: it takes images of {side} pixels a side" in text
    assert "note: lpips is left out: its weights are not here; `ganloss weights fetch" in text


def test_a_name_with_two_suffixes_is_one_pair_and_said(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = Path(shutil.copytree(folders / "few", tmp_path / "copies"))
    Image.open(copies / "0003.png").save(copies / "0003.tif")
    assert main(["evaluate", str(folders / "few"), str(copies), "--pairs"]) == 0
    text = capsys.readouterr().out
    assert "psnr@20" in text
    assert "note: images left out whose name another has, but for the suffix: 1" in text
    assert "no partner" not in text


@pytest.fixture
def lpips_weights(tmp_path: Path) -> Path:
    """The two files, with random tensors."""
    from torchvision.models import alexnet

    folder = tmp_path / "weights"
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(alexnet(weights=None).state_dict(), folder / WEIGHTS["alexnet"].file)
        channels = (64, 192, 384, 256, 256)
        heads = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(channels)}
        torch.save(heads, folder / WEIGHTS["lpips-alex"].file)
    return folder


@pytest.mark.parametrize("how", ["folder", "here"])
def test_pairs_have_an_lpips_with_the_weights_that_are_given_or_here(
    how: str,
    lpips_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The mean over pairs of what torchmetrics 1.9 measures with the same weights."""
    functional = pytest.importorskip("torchmetrics.functional.image.lpips")
    torch.manual_seed(0)
    reals = torch.randint(0, 256, (3, 1, 40, 40), dtype=torch.uint8)
    fakes = (0.8 * reals).byte()
    write(reals, tmp_path / "real")
    write(fakes, tmp_path / "fake")
    words = ["evaluate", str(tmp_path / "real"), str(tmp_path / "fake"), "--pairs"]
    if how == "folder":
        words += ["--lpips", str(lpips_weights)]
    else:
        monkeypatch.setenv("GANLOSS_WEIGHTS", str(lpips_weights))
    assert main([*words, "--json", str(tmp_path / "out.json")]) == 0
    net = functional._LPIPS(pretrained=False, net="alex", pnet_rand=True)
    state = torch.load(lpips_weights / WEIGHTS["alexnet"].file)
    features = {k.removeprefix("features."): v for k, v in state.items() if "features" in k}
    slices = {name: tensor for name, tensor in net.net.state_dict().items()}
    net.net.load_state_dict({k: features[k.partition(".")[2]] for k in slices})
    heads = torch.load(lpips_weights / WEIGHTS["lpips-alex"].file)
    for i in range(5):
        getattr(net, f"lin{i}").model[1].weight.data = heads[f"lin{i}.model.1.weight"]
    a, b = (x.expand(-1, 3, -1, -1) / 127.5 - 1 for x in (reals, fakes))
    with torch.no_grad():
        want = float(net.eval()(a, b).mean())
    found = {n["name"]: n for n in json.loads((tmp_path / "out.json").read_text())["pairs"]}
    assert found["lpips@3"]["value"] == pytest.approx(want, rel=1e-4)
    assert found["lpips@3"]["higher_is_better"] is False
    text = capsys.readouterr().out
    assert "lpips: lower is better" in text
    assert "lpips is left out" not in text


def test_weights_of_lpips_that_were_asked_for_are_missed_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "nothing", "nothing", "--pairs"]
    for given in ("auto", str(tmp_path)):
        assert main([*words, "--lpips", given]) == 4
        said = capsys.readouterr()
        assert "psnr" not in said.out
        for part in (WEIGHTS["lpips-alex"].file, "leave --lpips out"):
            assert part in said.err
    assert main([*words, "--lpips", "auto"]) == 4
    assert "--lpips FOLDER, which holds both files" in capsys.readouterr().err


def test_lpips_is_of_pairs(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(folders / "few"), str(folders / "noisy"), "--lpips", "auto"]) == 2
    assert "add --pairs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("few", "real"), 3, "REAL has 20 images and FAKE 130; comparing sets takes at least 16"),
        (("real", "few", "--count", "21"), 3, "at least 16 and at most 20"),
        (("real", "few", "--count", "3"), 3, "--count is 3, and REAL has 130 images and FAKE 20"),
        (("nothing", "real"), 3, "there is no folder"),
        (("real", "nothing"), 3, "there is no folder"),
        (("few", "other", "--pairs"), 3, "pairs have equal names"),
        (("larger", "real", "--features", "digits", "--image-size", "12"), 2, "8x8 gray digits"),
        (("real", "few", "--feature", "digits"), 2, "--feature"),
        (("real",), 2, "FAKE"),
    ],
)
def test_mistakes(
    folders: Path,
    words: tuple[str, ...],
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folders)
    assert main(["evaluate", *words]) == code
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("inception", "weights-inception-2015-12-05-6726825d.pth"),
        ("vgg16", "vgg16-397923af.pth"),
        ("clip", "ViT-B-32.pt"),
        ("dinov2", "dinov2_vitl14_pretrain.pth"),
    ],
)
@pytest.mark.parametrize("pairs", [(), ("--pairs",)])
def test_missing_weights_are_the_first_thing_that_is_noticed(
    name: str, file: str, pairs: tuple[str, ...], folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the images are looked for, which are not there either, or compared in pairs."""
    real, fake = (str(folders / x) for x in ("real", "noisy")) if pairs else ("nothing", "nothing")
    assert main(["evaluate", real, fake, "--features", name, *pairs]) == 4
    text = capsys.readouterr().err
    assert file in text
    assert "--weights PATH" in text
    assert "--features random-vgg" in text


def test_an_unfinished_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text("task: generate\n", encoding="utf-8")
    assert main(["evaluate", "demo:digits", str(tmp_path)]) == 7
    text = capsys.readouterr().err
    assert f"there is no generator in {tmp_path} yet" in text
    assert f"finish it with `ganloss train generate --resume {tmp_path}`" in text


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine black images to one white one, wider than high, with a padded conditional run."""
    root = tmp_path_factory.mktemp("classes")
    for name, count, level in (("black", 54, 0), ("white", 6, 255)):
        (root / "images" / name).mkdir(parents=True)
        for i in range(count):
            picture = Image.new("L", (24, 16), level)
            picture.putpixel((i % 24, i // 24), 128)
            picture.save(root / "images" / name / f"{i}.png")
    words = ["train", "generate", "--data", str(root / "images"), "--cond", "--fit", "pad"]
    words += ["--image-size", "16", "--loss", "ns", "--steps", "1", "--metrics", "none"]
    assert main([*words, "--out", str(root / "runs")]) == 0
    return root


QUICK = ("--no-self-test", "--count", "20")


def test_a_run_is_compared_with_images_that_became_squares_as_its_own(
    classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also its export; and classes are made as often as REAL has them, or the user is told."""
    run_folder = only_run(classes / "runs")
    assert main(["evaluate", str(classes / "images"), str(run_folder / "export"), *QUICK]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "fd-random-vgg@20" in said
    assert "note: 60 real images were padded and resized to 16×16" in said
    assert "from seeds 0 to 19, the 2 classes equally often" in said
    words = ["evaluate", str(classes / "images"), str(run_folder), *QUICK, "--cond"]
    assert main([*words, "--fit", "stretch"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "note: 60 real images were stretched to 16×16" in said
    assert "from seeds 0 to 19, each class as often as in REAL" in said


def test_classes_are_made_as_often_as_in_real(classes: Path) -> None:
    from ganloss.runs.scoring import Request, prepare

    asked: list[Tensor] = []

    def generator(z: Tensor, labels: Tensor) -> Tensor:
        asked.append(labels)
        return torch.zeros(len(z), 1, 16, 16)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganloss.runs.sampling.load_generator", lambda *_, **__: generator)
        run_folder = str(only_run(classes / "runs"))
        prepare(Request(str(classes / "images"), run_folder, count=20, cond=True))
        prepare(Request(str(classes / "images"), run_folder, count=20))
    assert [labels.bincount().tolist() for labels in asked] == [[18, 2], [10, 10]]


def test_a_run_is_no_real_image_and_its_sheets_are_no_samples(
    classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder = only_run(classes / "runs")
    for real in (run_folder, run_folder / "export", run_folder / "samples"):
        assert main(["evaluate", str(real), str(classes / "images")]) == 2
        assert "is a run, or a part of one, and not real images" in capsys.readouterr().err
    assert main(["evaluate", str(classes / "images"), str(run_folder / "samples")]) == 2
    assert f"name the run, which then makes images: {run_folder}" in capsys.readouterr().err


def test_a_config_of_another_tool_makes_no_run_of_images(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folders / "noisy", tmp_path / "fake")
    for name in ("config.json", "config.yaml"):
        (tmp_path / "fake" / name).write_text("task: detect\n", encoding="utf-8")
    words = ["evaluate", str(folders / "real"), str(tmp_path / "fake"), "--features", "digits"]
    assert main([*words, "--no-self-test"]) == 0
    assert "fd-digits@65" in capsys.readouterr().out


def test_files_that_are_left_out_are_said(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folders / "noisy", tmp_path / "fake")
    (tmp_path / "fake" / "0000.png").write_bytes(b"no image")
    out = tmp_path / "new" / "out.json"
    words = ["evaluate", str(folders / "real"), str(tmp_path / "fake"), "--features", "digits"]
    assert main([*words, "--no-self-test", "--json", str(out)]) == 0
    assert "note: 1 generated file(s) left out, unreadable: 0000.png" in capsys.readouterr().out
    assert json.loads(out.read_text(encoding="utf-8"))["shape"] == [1, 8, 8]
    assert json.loads(out.read_text(encoding="utf-8"))["request"]["fit"] == "crop"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--weights", "inception.pth"), "say which: --features inception, vgg16, clip or dinov2"),
        (("--seed", "-1"), "'-1' is no whole number from 0 on"),
        (("--image-size", "2"), "'2' is no whole number from 8 on"),
        (("--json", "."), "--json . is a folder; name a file, e.g. scores.json"),
        (("--json", "real/0000.png/x"), "--json real/0000.png/x: its folder cannot be made"),
    ],
)
def test_flags_that_could_not_be_followed_are_refused_before_anything_is_measured(
    words: tuple[str, str],
    said: str,
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folders)
    assert main(["evaluate", "real", "noisy", *words]) in (2, 6)
    output = capsys.readouterr()
    assert said in output.err
    assert "fd" not in output.out


def test_pairs_are_of_files(
    classes: Path, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder = str(only_run(classes / "runs"))
    assert main(["evaluate", str(folders / "real"), run_folder, "--pairs"]) == 2
    assert f"{run_folder} is a run; make files first" in capsys.readouterr().err
    assert main(["evaluate", "demo:digits", str(folders / "real"), "--pairs"]) == 2
    assert "demo:digits is a set without files" in capsys.readouterr().err
