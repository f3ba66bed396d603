"""Pretrained features from a local file, and nothing else from it; torch-fidelity 0.4 as oracle."""

import dataclasses
import hashlib
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganloss._errors import WeightsError
from ganloss._weights import WEIGHTS
from ganloss.metrics import pretrained
from ganloss.metrics.pretrained import PretrainedFeatures


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the network's shape with random weights: the real ones cannot be had offline."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    folder = tmp_path_factory.mktemp("weights")
    empty = folder / "empty.pth"
    torch.save({}, empty)
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(nn.Module, "load_state_dict", lambda *_: None)
        network = FeatureExtractorInceptionV3("x", ["2048"], str(empty))
    path = folder / WEIGHTS["inception"].file
    torch.save(network.state_dict(), path)
    return path


def draw(channels: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, channels, 20, 20), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("where", ["file", "folder", "variable", "torch's cache"])
def test_features_are_those_of_torch_fidelity(
    weights: Path, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    if where == "variable":
        monkeypatch.setenv("GANLOSS_WEIGHTS", str(weights.parent))
    elif where == "torch's cache":
        folder = tmp_path / "hub" / "checkpoints"
        folder.mkdir(parents=True)
        (folder / weights.name).symlink_to(weights)
    given = {"file": weights, "folder": weights.parent}.get(where, "auto")
    features = PretrainedFeatures("inception", given)(draw(3))
    theirs = FeatureExtractorInceptionV3("x", ["2048"], str(weights))(draw(3))[0]
    assert (features.shape, features.dtype) == ((3, 2048), torch.float64)
    torch.testing.assert_close(features, theirs.double(), rtol=1e-6, atol=1e-7)


def test_gray_images_are_repeated(weights: Path) -> None:
    network = PretrainedFeatures("inception", weights)
    gray = draw(1)
    torch.testing.assert_close(network(gray), network(gray.repeat(1, 3, 1, 1)))


def test_vgg16_is_that_of_torch_fidelity(tmp_path: Path) -> None:
    """The file is torchvision's, with random weights."""
    from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16
    from torchvision.models import vgg16

    path = tmp_path / WEIGHTS["vgg16"].file
    with torch.device("meta"):
        empty = vgg16(weights=None).state_dict()
    generator = torch.Generator().manual_seed(0)
    scale = {name: math.prod(tensor.shape[1:]) ** -0.5 for name, tensor in empty.items()}
    torch.save(
        {k: scale[k] * torch.randn(v.shape, generator=generator) for k, v in empty.items()}, path
    )
    features = PretrainedFeatures("vgg16", path)(draw(3)[:1])
    theirs = FeatureExtractorVGG16("vgg16", ["fc2_relu"], str(path))(draw(3)[:1])[0]
    assert (features.shape, features.dtype) == ((1, 4096), torch.float64)
    assert float(theirs.abs().max()) > 0
    torch.testing.assert_close(features, theirs.double(), rtol=1e-6, atol=1e-9)


def program(module: nn.Module, example: Tensor, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(module, example), path)


class Clip(nn.Module):
    """The image half of a small CLIP, and the one tensor of the other half that is looked at."""

    def __init__(self) -> None:
        from torch_fidelity.feature_extractor_clip import VisionTransformer

        super().__init__()
        self.visual = VisionTransformer(32, 8, 64, 2, 1, 16)
        self.text_projection = nn.Parameter(torch.zeros(8, 16))

    def forward(self, images: Tensor) -> Tensor:
        return self.visual(images) + self.text_projection.sum()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The published kind of file, a program; and the same tensors as a table."""
    folder = tmp_path_factory.mktemp("clip")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Clip().eval()
    as_program, table = folder / "ViT-B-32.pt", folder / "tensors.pt"
    program(network, torch.zeros(1, 3, 32, 32), as_program)
    torch.save(network.state_dict(), table)
    return as_program, table


@pytest.mark.parametrize("kind", ["program", "table"])
def test_clip_is_that_of_torch_fidelity(
    clip: tuple[Path, Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch_fidelity.feature_extractor_clip import FeatureExtractorCLIP

    published = hashlib.sha256(clip[0].read_bytes()).hexdigest()
    monkeypatch.setitem(WEIGHTS, "clip", dataclasses.replace(WEIGHTS["clip"], sha256=published))
    features = PretrainedFeatures("clip", clip[kind == "table"])(draw(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs lets torch's through
        network = FeatureExtractorCLIP("clip-vit-b-32", ["clip"], str(clip[0]))
    theirs = network(draw(3))[0]
    assert features.shape == (3, 16)
    torch.testing.assert_close(features, theirs.double(), rtol=1e-6, atol=1e-6)


def test_a_program_that_is_not_openais_is_not_opened(clip: tuple[Path, Path]) -> None:
    """It has all the tensors; only its contents say that it is another file."""
    with pytest.raises(WeightsError, match="could not be read as weights"):
        PretrainedFeatures("clip", clip[0])


SMALL = {
    "model_name": "vit_small_patch14_dinov2", "depth": 2, "embed_dim": 24, "num_heads": 3
}  # fmt: skip


@pytest.fixture
def dino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the names of the published one, for a smaller network."""
    monkeypatch.setattr(pretrained, "_DINOV2", SMALL)
    rng = np.random.default_rng(0)
    d, shapes = (
        24,
        {"cls_token": (1, 1, 24), "pos_embed": (1, 1 + 37 * 37, 24), "mask_token": (1, 24)},
    )
    shapes |= {"patch_embed.proj.weight": (d, 3, 14, 14), "patch_embed.proj.bias": (d,)}
    for i in range(2):
        block = {"norm1.weight": (d,), "norm1.bias": (d,), "norm2.weight": (d,), "norm2.bias": (d,)}
        block |= {"attn.qkv.weight": (3 * d, d), "attn.qkv.bias": (3 * d,)}
        block |= {"attn.proj.weight": (d, d), "attn.proj.bias": (d,)}
        block |= {"mlp.fc1.weight": (4 * d, d), "mlp.fc1.bias": (4 * d,)}
        block |= {"mlp.fc2.weight": (d, 4 * d), "mlp.fc2.bias": (d,)}
        block |= {"ls1.gamma": (d,), "ls2.gamma": (d,)}
        shapes |= {f"blocks.{i}.{name}": shape for name, shape in block.items()}
    shapes |= {"norm.weight": (d,), "norm.bias": (d,)}
    state = {
        k: torch.tensor(0.2 * rng.standard_normal(s), dtype=torch.float32)
        for k, s in shapes.items()
    }
    path = tmp_path / WEIGHTS["dinov2"].file
    torch.save(state, path)
    return path


def keys_cubic(t: float, a: float = -0.75) -> float:
    """Keys' kernel, with the a of torch's bicubic."""
    t = abs(t)
    if t < 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def resampling(n: int, side: int) -> np.ndarray:
    """Matrix (side, n) of positions (i + ½) n / (side + 0.1) - ½, edges repeated."""
    matrix = np.zeros((side, n))
    for i in range(side):
        at = (i + 0.5) * n / (side + 0.1) - 0.5
        for j in range(math.floor(at) - 1, math.floor(at) + 3):
            matrix[i, min(max(j, 0), n - 1)] += keys_cubic(at - j)
    return matrix


def vision_transformer(state: dict[str, Tensor], images: np.ndarray) -> np.ndarray:
    """DINOv2's class token in float64, after Dosovitskiy et al. 2021 (eq. 1-4) with LayerScale."""
    w = {name: tensor.double().numpy() for name, tensor in state.items()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    n, d = len(images), 24
    patches = images.reshape(n, 3, 16, 14, 16, 14).transpose(0, 2, 4, 1, 3, 5).reshape(n, 256, -1)
    x = patches @ w["patch_embed.proj.weight"].reshape(d, -1).T + w["patch_embed.proj.bias"]
    matrix, grid = resampling(37, 16), w["pos_embed"][0, 1:].reshape(37, 37, d)
    x = x + np.einsum("ai,bj,ijd->abd", matrix, matrix, grid).reshape(256, d)
    first = np.broadcast_to(w["cls_token"] + w["pos_embed"][:, :1], (n, 1, d))
    x = np.concatenate([first, x], 1)
    for i in range(2):
        name = f"blocks.{i}"
        q, k, v = (
            linear(norm(x, f"{name}.norm1"), f"{name}.attn.qkv")
            .reshape(n, 257, 3, 3, 8)
            .transpose(2, 0, 3, 1, 4)
        )
        scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(8)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ v
        mixed = mixed.transpose(0, 2, 1, 3).reshape(n, 257, d)
        x = x + w[f"{name}.ls1.gamma"] * linear(mixed, f"{name}.attn.proj")
        hidden = linear(norm(x, f"{name}.norm2"), f"{name}.mlp.fc1")
        hidden = hidden * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2))) / 2
        x = x + w[f"{name}.ls2.gamma"] * linear(hidden, f"{name}.mlp.fc2")
    return norm(x, "norm")[:, 0]


def test_dinov2_is_the_formula_of_its_authors(dino: Path) -> None:
    """On images of 224 px, which are not enlarged."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8, generator=generator)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalised = (images.double().numpy() / 255 - mean[:, None, None]) / std[:, None, None]
    want = vision_transformer(torch.load(dino), normalised)
    got = PretrainedFeatures("dinov2", dino)(images)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-4, atol=1e-4)


def test_images_are_enlarged_as_torch_fidelity_does_for_dinov2(
    dino: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their class around our network: what they do before it is the same."""
    from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2

    ours = PretrainedFeatures("dinov2", dino)
    monkeypatch.setattr(torch.hub, "load", lambda *_: ours._network.network)
    theirs = FeatureExtractorDinoV2("dinov2-vit-l-14", ["dinov2"])(draw(3))[0]
    torch.testing.assert_close(ours(draw(3)), theirs.double(), rtol=1e-5, atol=1e-5)


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (Path.touch, (Path("ran-code"),))


@pytest.mark.parametrize("name", ["inception", "vgg16", "clip", "dinov2"])
@pytest.mark.parametrize("content", ["malicious", "text", "other", "program"])
def test_a_file_of_anything_else_is_refused_and_runs_nothing(
    content: str, name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    if content == "malicious":
        torch.save({"fc.weight": Malicious()}, path)
    elif content == "text":
        path.write_text("<html>not found</html>")
    elif content == "program":
        program(nn.Linear(2, 2), torch.ones(1, 2), path)
    else:
        torch.save({"fc.weight": torch.ones(2, 2)}, path)
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        PretrainedFeatures(name, path)
    assert not (tmp_path / "ran-code").exists()


@pytest.mark.parametrize("name", ["inception", "vgg16", "clip", "dinov2"])
def test_offline_the_error_names_the_file_where_it_looked_and_two_ways_out(
    name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GANLOSS_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(WeightsError) as caught:
        PretrainedFeatures(name)
    file = WEIGHTS[name].file
    for words in (
        str(tmp_path / "own" / file),
        str(tmp_path / "cache" / "hub" / "checkpoints" / file),
        "no route to host",
        "--weights PATH",
        "--features random-vgg",
    ):
        assert words in str(caught.value)
