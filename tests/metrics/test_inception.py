"""Inception features from a local file, and nothing else from it; torch-fidelity 0.4 as oracle."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ganloss._errors import WeightsError
from ganloss._weights import WEIGHTS
from ganloss.metrics.inception import InceptionFeatures


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
    features = InceptionFeatures(given)(draw(3))
    theirs = FeatureExtractorInceptionV3("x", ["2048"], str(weights))(draw(3))[0]
    assert (features.shape, features.dtype) == ((3, 2048), torch.float64)
    torch.testing.assert_close(features, theirs.double(), rtol=1e-6, atol=1e-7)


def test_gray_images_are_repeated(weights: Path) -> None:
    network = InceptionFeatures(weights)
    gray = draw(1)
    torch.testing.assert_close(network(gray), network(gray.repeat(1, 3, 1, 1)))


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (Path.touch, (Path("ran-code"),))


@pytest.mark.parametrize("content", ["malicious", "text", "other"])
def test_a_file_of_anything_else_is_refused_and_runs_nothing(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    if content == "malicious":
        torch.save({"fc.weight": Malicious()}, path)
    elif content == "text":
        path.write_text("<html>not found</html>")
    else:
        torch.save({"fc.weight": torch.ones(2, 2)}, path)
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        InceptionFeatures(path)
    assert not (tmp_path / "ran-code").exists()


def test_offline_the_error_names_the_file_where_it_looked_and_two_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GANLOSS_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(WeightsError) as caught:
        InceptionFeatures()
    file = WEIGHTS["inception"].file
    for words in (
        str(tmp_path / "own" / file),
        str(tmp_path / "cache" / "hub" / "checkpoints" / file),
        "no route to host",
        "--weights PATH",
        "--features random-vgg",
    ):
        assert words in str(caught.value)
