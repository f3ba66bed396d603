"""The perceptual loss: its formula, its frozen network, and where its weights come from."""

import copy
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

import ganloss as gl
from ganloss._errors import WeightsError
from ganloss.terms._networks import layer_names


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def polynomial(x: Tensor) -> list[Tensor]:
    return [x, 3 * x, x * x]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_number_worked_out_by_hand_does_not_depend_on_the_batch(count: int):
    """x = 1, y = .5: .25 + 2.25 + .5625. The article's grows with the batch."""
    perceptual = gl.Perceptual(features=polynomial, value_range=None)
    x = torch.ones(count, 1, 4, 4)
    assert perceptual(x, x / 2).item() == pytest.approx(3.0625)
    assert perceptual(x, x / 2, reduction="none").tolist() == pytest.approx([3.0625] * count)


def test_weights_of_layers_and_another_distance():
    x = torch.ones(2, 1, 4, 4)
    weighted = gl.Perceptual(features=polynomial, weights=(1, 0.5, 2), value_range=None)
    assert weighted(x, x / 2).item() == pytest.approx(0.25 + 1.125 + 1.125)
    l1 = gl.Perceptual(features=polynomial, distance=gl.L1(), value_range=None)
    assert l1(x, x / 2).item() == pytest.approx(0.5 + 1.5 + 0.75)


def test_the_target_gets_no_gradient_even_if_the_features_return_it():
    perceptual = gl.Perceptual(features=lambda x: [x], value_range=None)
    x, y = draw(2, 3, 4, 4).requires_grad_(True), draw(2, 3, 4, 4, seed=1).requires_grad_(True)
    perceptual(x, y).backward()
    assert y.grad is None
    torch.testing.assert_close(x.grad, 2 * (x - y).detach() / x.numel())


def test_images_reach_a_callable_unchanged_without_a_value_range():
    seen: list[Tensor] = []

    def watch(x: Tensor) -> list[Tensor]:
        seen.append(x)
        return [x]

    x = draw(2, 5, 3)
    gl.Perceptual(features=watch, value_range=None)(x, x)
    assert all(torch.equal(images, x) for images in seen)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)])
def test_images_are_normalised_as_torchvision_does(low: float, high: float):
    seen: list[Tensor] = []

    def watch(x: Tensor) -> list[Tensor]:
        seen.append(x)
        return [x]

    unit = draw(2, 3, 4, 4)
    images = low + (high - low) * unit
    gl.Perceptual(features=watch, value_range=(low, high))(images, images)
    normalise = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    torch.testing.assert_close(seen[0], normalise(unit), rtol=1e-5, atol=1e-5)


def vgg(**options: object) -> gl.Perceptual:
    return gl.Perceptual(pretrained="random", value_range=(0, 1), **options)


def test_johnsons_formula_on_a_real_vgg():
    """Eq. 2 at relu1_2 and relu2_2, from torchvision's network with the same weights."""
    ours = vgg(layers=("relu1_2", "relu2_2"), weights=(1.0, 0.5))
    reference = torchvision.models.vgg16(weights=None).features[:9]
    reference.load_state_dict(ours._hidden[1].layers.state_dict())
    x, y = draw(2, 3, 32, 32), draw(2, 3, 32, 32, seed=1)
    normalise = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    expected = 0.0
    with torch.no_grad():
        for weight, layer in ((1.0, 3), (0.5, 8)):
            a, b = (reference[: layer + 1](normalise(z)) for z in (x, y))
            expected += weight * ((a - b) ** 2).mean().item()
    assert ours(x, y).item() == pytest.approx(expected, rel=1e-4)


def test_layer_names_are_those_of_the_papers():
    names = layer_names(torchvision.models.vgg16(weights=None).features)
    published = {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu4_3": 22, "relu5_3": 29}
    assert {name: names[name] for name in published} == published
    assert names["pool5"] == 30
    names = layer_names(torchvision.models.vgg19(weights=None).features)
    assert names["conv5_4"] == 34


def test_a_convolution_is_not_overwritten_by_the_relu_after_it():
    """All of torchvision's ReLUs work in place: a stored conv1_1 would be relu1_1."""
    perceptual = vgg(layers=("conv1_1", "relu1_1"))
    conv, relu = perceptual.maps(draw(1, 3, 16, 16))
    assert conv.min() < 0
    torch.testing.assert_close(relu, conv.relu())


def test_gray_images_are_repeated():
    perceptual, x, y = vgg(), draw(2, 1, 16, 16), draw(2, 1, 16, 16, seed=1)
    expected = perceptual(x.expand(-1, 3, -1, -1), y.expand(-1, 3, -1, -1))
    torch.testing.assert_close(perceptual(x, y), expected)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Conv2d(3, 3, 1)
        self.perceptual = vgg()


def test_the_network_is_no_part_of_the_model():
    model = Model()
    network = model.perceptual._hidden[1]
    model.train()
    model.requires_grad_(True)
    assert len(list(model.parameters())) == 2
    assert set(model.state_dict()) == {"generator.weight", "generator.bias"}
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


def test_moving_the_model_moves_the_network():
    model = Model().to(torch.float64)
    assert {p.dtype for p in model.perceptual._hidden[1].parameters()} == {torch.float64}
    x = draw(1, 3, 16, 16)
    assert model.perceptual(x.double(), x.double()).item() == 0


def test_half_precision_network_and_images():
    x, y = draw(2, 3, 16, 16), draw(2, 3, 16, 16, seed=1)
    full = vgg()(x, y)
    for dtype in (torch.float16, torch.bfloat16):
        half = vgg().to(dtype)(x.to(dtype), y.to(dtype))
        assert half.dtype == torch.float32
        assert half.item() == pytest.approx(full.item(), rel=0.05)


def test_copies_and_pickles_keep_the_weights():
    perceptual, x, y = vgg(), draw(1, 3, 16, 16), draw(1, 3, 16, 16, seed=1)
    expected = perceptual(x, y)
    for other in (copy.deepcopy(perceptual), pickle.loads(pickle.dumps(perceptual))):
        assert torch.equal(other(x, y), expected)
        assert not any(True for _ in other.parameters())


def test_random_weights_are_the_same_every_time_and_leave_the_generator_alone():
    torch.manual_seed(0)
    x, y = draw(1, 3, 16, 16), draw(1, 3, 16, 16, seed=1)
    state = torch.get_rng_state()
    assert torch.equal(vgg()(x, y), vgg()(x, y))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_module_given_as_features_is_frozen_in_place():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Dropout(0.5))
    perceptual = gl.Perceptual(features=lambda x: [network(x)], value_range=None)
    assert next(network.parameters()).requires_grad  # a lambda hides it

    class Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> list[Tensor]:
            return [self.network(x)]

    perceptual = gl.Perceptual(features=Features(), value_range=None)
    assert not network.training
    assert not next(network.parameters()).requires_grad
    assert list(perceptual.parameters()) == []


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Weights of a whole VGG16's first two blocks, under torchvision's names."""
    features = torchvision.models.vgg16(weights=None).features[:9]
    return {f"features.{name}": value for name, value in features.state_dict().items()}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("whole", [True, False])
def test_weights_are_read_from_a_file(
    tmp_path: Path, state: dict[str, Tensor], suffix: str, whole: bool
):
    path = tmp_path / f"vgg16{suffix}"
    saved = state if whole else {k.removeprefix("features."): v for k, v in state.items()}
    torch.save(saved, path) if suffix == ".pth" else safetensors.torch.save_file(saved, path)
    perceptual = gl.Perceptual(pretrained=path, value_range=(0, 1))
    loaded = perceptual._hidden[1].layers.state_dict()
    assert all(torch.equal(loaded[k.removeprefix("features.")], v) for k, v in state.items())


def test_auto_finds_the_file_in_torchs_cache(
    tmp_path: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(state, folder / "vgg16-397923af.pth")
    assert gl.Perceptual(value_range=(0, 1))(draw(1, 3, 8, 8), draw(1, 3, 8, 8)).item() == 0


def test_offline_the_error_names_the_file_where_it_looked_and_two_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(WeightsError) as caught:
        gl.Perceptual(value_range=(0, 1))
    text = str(caught.value)
    for words in ("vgg16-397923af.pth", str(tmp_path), "pretrained=PATH", "pretrained='random'"):
        assert words in text


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (Path.touch, (Path("ran-code"),))


@pytest.mark.parametrize("content", ["empty", "text", "pickle", "list", "other"])
def test_files_that_are_no_weights_are_refused_and_run_nothing(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "vgg16.pth"
    if content == "empty":
        path.touch()
    elif content == "text":
        path.write_text("<html>not found</html>")
    elif content == "pickle":
        torch.save({"features.0.weight": Malicious()}, path)
    elif content == "list":
        torch.save([torch.ones(3)], path)
    else:
        torch.save({"features.0.weight": torch.ones(3)}, path)
    with pytest.raises(WeightsError, match="vgg16"):
        gl.Perceptual(pretrained=path, value_range=(0, 1))
    assert not (tmp_path / "ran-code").exists()


def test_a_missing_path_is_named(tmp_path: Path):
    with pytest.raises(WeightsError, match="no weights of vgg16 at"):
        gl.Perceptual(pretrained=tmp_path / "nowhere.pth", value_range=(0, 1))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"features": "vgg17", "value_range": (0, 1)}, ValueError, "did you mean 'vgg1"),
        ({"layers": ("relu2_9",), "value_range": (0, 1)}, ValueError, "no layer 'relu2_9'; did"),
        ({"layers": "relu2_2", "value_range": (0, 1)}, ValueError, "pass a tuple"),
        ({"value_range": None}, TypeError, r"value_range=\(0, 1\), or \(-1, 1\)"),
        ({"value_range": (1, 0)}, ValueError, r"pass \(black, white\)"),
        ({"weights": (1, 2), "value_range": (0, 1)}, ValueError, "2 weights for 1 layers"),
        ({}, TypeError, "value_range"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict, error: type, words: str):
    with pytest.raises(error, match=words):
        gl.Perceptual(pretrained="random", **options)


def test_features_that_return_a_tensor_are_refused():
    x = draw(2, 3, 4, 4)
    with pytest.raises(TypeError, match=r"even if there is only one: \[map\]"):
        gl.Perceptual(features=lambda x: x, value_range=None)(x, x)


def test_batches_of_other_sizes_are_refused():
    """The article's zip compares one image of four."""
    with pytest.raises(ValueError, match="nothing is broadcast"):
        vgg()(draw(4, 3, 16, 16), draw(1, 3, 16, 16))
