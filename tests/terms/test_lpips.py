"""LPIPS: its formula with weights from files, its frozen network, and where the files come from."""

import copy
import pickle
from itertools import pairwise
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

import ganloss as gl
from ganloss._errors import WeightsError
from ganloss._weights import WEIGHTS

#: torchvision's name and the ranges of layers that end at a compared one, as the authors slice.
SLICES = {
    "alex": ("alexnet", (0, 2, 5, 8, 10, 12)),
    "vgg": ("vgg16", (0, 4, 9, 16, 23, 30)),
    "squeeze": ("squeezenet1_1", (0, 2, 5, 8, 10, 11, 12, 13)),
}
CHANNELS = {
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 128, 256, 512, 512),
    "squeeze": (64, 128, 256, 384, 384, 512, 512),
}


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def files(backbone: str, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A state of torchvision's whole network and the layers' weights, both random."""
    torch.manual_seed(seed)
    network = getattr(torchvision.models, SLICES[backbone][0])(weights=None)
    features = {f"features.{k}": v for k, v in network.features.state_dict().items()}
    heads = {
        f"lin{i}.model.1.weight": torch.rand(1, count, 1, 1)
        for i, count in enumerate(CHANNELS[backbone])
    }
    return features, heads


def reference(
    x: Tensor, y: Tensor, backbone: str, state: dict[str, Tensor], heads: dict[str, Tensor]
) -> float:
    """Zhang et al. 2018, eq. 1, written from the paper with the authors' constants for [-1, 1]."""
    name, cuts = SLICES[backbone]
    network = getattr(torchvision.models, name)(weights=None).features
    network.load_state_dict({k.removeprefix("features."): v for k, v in state.items()})
    shift = torch.tensor([-0.030, -0.088, -0.188])[None, :, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450])[None, :, None, None]
    a, b, total = (x - shift) / scale, (y - shift) / scale, 0.0
    with torch.no_grad():
        for i, (start, end) in enumerate(pairwise(cuts)):
            a, b = network[start:end](a), network[start:end](b)
            u, v = (z.double() / z.double().square().sum(1, keepdim=True).sqrt() for z in (a, b))
            w = heads[f"lin{i}.model.1.weight"].double()
            total += (w * (u - v) ** 2).sum(1).mean().item()
    return total


@pytest.fixture(scope="module", params=["alex", "squeeze"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    backbone = request.param
    folder = tmp_path_factory.mktemp(backbone)
    state, heads = files(backbone)
    torch.save(state, folder / WEIGHTS[SLICES[backbone][0]].file)
    torch.save(heads, folder / WEIGHTS[f"lpips-{backbone}"].file)
    return backbone, folder, state, heads


def test_the_formula_with_weights_from_a_folder(saved):
    backbone, folder, state, heads = saved
    x, y = draw(2, 3, 64, 80), draw(2, 3, 64, 80, seed=1)
    expected = reference(2 * x - 1, 2 * y - 1, backbone, state, heads)
    found = gl.LPIPS(backbone, pretrained=folder, value_range=(0, 1))
    assert found(x, y).item() == pytest.approx(expected, rel=1e-4)
    signed = gl.LPIPS(backbone, pretrained=folder, value_range=(-1, 1))
    assert signed(2 * x - 1, 2 * y - 1).item() == pytest.approx(expected, rel=1e-4)


def test_the_formula_on_vgg(tmp_path: Path):
    state, heads = files("vgg")
    path = tmp_path / "both.safetensors"
    safetensors.torch.save_file({**state, **heads}, path)
    x, y = draw(1, 3, 32, 32), draw(1, 3, 32, 32, seed=1)
    expected = reference(2 * x - 1, 2 * y - 1, "vgg", state, heads)
    found = gl.LPIPS("vgg", pretrained=path, value_range=(0, 1))(x, y)
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_auto_finds_both_files_in_the_weights_folder(saved, monkeypatch: pytest.MonkeyPatch):
    backbone, folder, _, _ = saved
    monkeypatch.setenv("GANLOSS_WEIGHTS", str(folder))
    x, y = draw(1, 3, 64, 64), draw(1, 3, 64, 64, seed=1)
    found = gl.LPIPS(backbone, value_range=(0, 1))(x, y)
    assert torch.equal(found, gl.LPIPS(backbone, pretrained=folder, value_range=(0, 1))(x, y))


def unreachable(*_: object, **__: object) -> None:
    raise OSError("no route to host")


@pytest.mark.parametrize("missing", ["lpips-alex", "alexnet"])
def test_offline_the_error_names_the_missing_file_where_it_looked_and_two_ways_out(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("GANLOSS_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    if missing == "alexnet":
        torch.save(files("alex")[1], folder / "alex.pth")
    with pytest.raises(WeightsError) as caught:
        gl.LPIPS(value_range=(0, 1))
    text = str(caught.value)
    for words in (WEIGHTS[missing].file, str(folder), "pretrained=FOLDER", "pretrained='random'"):
        assert words in text


def test_a_file_without_the_layers_weights_is_refused(tmp_path: Path):
    state, heads = files("alex")
    path = tmp_path / "alex.pth"
    torch.save(state, path)
    with pytest.raises(WeightsError, match=r"lin0\.model\.1\.weight missing.*alex\.pth"):
        gl.LPIPS(pretrained=path, value_range=(0, 1))
    heads["lin3.model.1.weight"] = torch.ones(1, 3, 1, 1)
    torch.save({**state, **heads}, path)
    with pytest.raises(WeightsError, match=r"lin3\.model\.1\.weight missing or of another shape"):
        gl.LPIPS(pretrained=path, value_range=(0, 1))


def test_a_backbone_of_another_network_is_refused(tmp_path: Path):
    torch.save({**files("squeeze")[0], **files("alex")[1]}, tmp_path / "both.pth")
    with pytest.raises(WeightsError, match="does not hold the weights of alexnet"):
        gl.LPIPS(pretrained=tmp_path / "both.pth", value_range=(0, 1))


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (Path.touch, (Path("ran-code"),))


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"lin0.model.1.weight": Malicious()}, tmp_path / "alex.pth")
    with pytest.raises(WeightsError, match="could not be read as weights"):
        gl.LPIPS(pretrained=tmp_path / "alex.pth", value_range=(0, 1))
    assert not (tmp_path / "ran-code").exists()


def random(**options: object) -> gl.LPIPS:
    return gl.LPIPS(pretrained="random", value_range=(0, 1), **options)


def test_a_dead_place_has_no_gradient_rather_than_nan():
    """lpips divides by sqrt(sum) + constant, whose derivative at 0 is not a number."""
    lpips = random()
    network = lpips._hidden[1]
    network.layers[0].bias.fill_(-1e9)  # every ReLU of the first layer is dead
    x, y = draw(1, 3, 64, 64).requires_grad_(True), draw(1, 3, 64, 64, seed=1)
    value = lpips(x, y)
    value.backward()
    assert value.item() == 0
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_equal_images_are_at_distance_0_with_a_finite_gradient():
    x = draw(2, 3, 64, 64).requires_grad_(True)
    value = random()(x, x.detach().clone())
    value.backward()
    assert value.item() == 0
    assert torch.isfinite(x.grad).all()


def test_the_unweighted_distance_is_twice_the_cosine_distances():
    """The paper's baseline: |u - v|² = 2 (1 - u·v) for unit vectors."""
    lpips, x, y = random(), draw(2, 3, 64, 64), draw(2, 3, 64, 64, seed=1)
    network = lpips._hidden[1]
    normalise = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    pairs = zip(network(normalise(x)), network(normalise(y)), strict=True)
    cosines = [torch.nn.functional.cosine_similarity(a, b, dim=1).mean() for a, b in pairs]
    expected = sum(2 * (1 - c) for c in cosines)
    torch.testing.assert_close(lpips(x, y), expected, rtol=1e-4, atol=1e-5)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Conv2d(3, 3, 1)
        self.lpips = random()


def test_the_network_and_the_layers_weights_are_no_part_of_the_model():
    """An optimiser over model.parameters() learns negative distances in lpips."""
    model = Model()
    model.train()
    model.requires_grad_(True)
    assert len(list(model.parameters())) == 2
    assert set(model.state_dict()) == {"generator.weight", "generator.bias"}
    for part in model.lpips._hidden[1:]:
        assert not part.training
        assert not any(p.requires_grad for p in part.parameters())
        assert len(list(part.parameters())) > 0


def test_moving_the_model_moves_everything():
    model = Model().double()
    for part in model.lpips._hidden[1:]:
        assert {p.dtype for p in part.parameters()} == {torch.float64}
    x, y = draw(1, 3, 64, 64), draw(1, 3, 64, 64, seed=1)
    assert model.lpips(x.double(), y.double()).dtype == torch.float64
    full = random()(x, y).item()
    half = random().half()(x.half(), y.half())
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(full, rel=0.05)


def test_copies_and_pickles_keep_the_weights():
    lpips, x, y = random(backbone="squeeze"), draw(1, 3, 64, 64), draw(1, 3, 64, 64, seed=1)
    for other in (copy.deepcopy(lpips), pickle.loads(pickle.dumps(lpips))):
        assert torch.equal(other(x, y), lpips(x, y))
        assert not any(True for _ in other.parameters())


def test_random_weights_leave_the_generator_alone():
    state = torch.get_rng_state()
    x, y = draw(1, 3, 64, 64), draw(1, 3, 64, 64, seed=1)
    for backbone in ("alex", "squeeze"):
        assert torch.equal(random(backbone=backbone)(x, y), random(backbone=backbone)(x, y))
    assert torch.equal(torch.get_rng_state(), state)


def test_gray_images_are_repeated_and_the_target_gets_no_gradient():
    x, y = draw(1, 1, 64, 64), draw(1, 1, 64, 64, seed=1).requires_grad_(True)
    lpips = random()
    three = lpips(x.expand(-1, 3, -1, -1), y.expand(-1, 3, -1, -1))
    assert torch.equal(lpips(x, y), three)
    assert not three.requires_grad


@pytest.mark.parametrize(("backbone", "least"), [("alex", 31), ("vgg", 16), ("squeeze", 17)])
def test_the_smallest_images_work_and_smaller_ones_are_refused(backbone: str, least: int):
    lpips = random(backbone=backbone)
    assert torch.isfinite(lpips(draw(1, 3, least, 40), draw(1, 3, least, 40, seed=1)))
    with pytest.raises(ValueError, match=f"at least {least} a side"):
        lpips(draw(1, 3, 40, least - 1), draw(1, 3, 40, least - 1))


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="did you mean 'alex'"):
        gl.LPIPS("alexx", pretrained="random", value_range=(0, 1))
    with pytest.raises(ValueError, match=r"pass \(black, white\)"):
        gl.LPIPS(pretrained="random", value_range=(1, 0))
    with pytest.raises(TypeError, match="value_range"):
        gl.LPIPS(pretrained="random")


def test_torchmetrics_agrees_with_the_published_layer_weights(tmp_path: Path):
    """Its package carries copies of the authors' files; the backbone is random in both."""
    peer = pytest.importorskip("torchmetrics.functional.image.lpips")
    published = Path(peer.__file__).parent / "lpips_models"
    x, y = draw(2, 3, 64, 64), draw(2, 3, 64, 64, seed=1)
    for backbone in ("alex", "squeeze"):
        state, _ = files(backbone)
        torch.save(state, tmp_path / WEIGHTS[SLICES[backbone][0]].file)
        (tmp_path / f"{backbone}.pth").write_bytes((published / f"{backbone}.pth").read_bytes())
        ours = gl.LPIPS(backbone, pretrained=tmp_path, value_range=(-1, 1))
        theirs = peer._LPIPS(net=backbone, pnet_rand=True)
        weights = {k.removeprefix("features."): v for k, v in state.items()}
        for name, value in theirs.net.named_parameters():
            value.data.copy_(weights[name.split(".", 2 if "slices" in name else 1)[-1]])
        expected = theirs(2 * x - 1, 2 * y - 1).mean().item()
        assert ours(2 * x - 1, 2 * y - 1).item() == pytest.approx(expected, rel=1e-4)
