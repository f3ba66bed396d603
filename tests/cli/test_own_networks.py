"""Networks of one's own: made with what they ask for, tried before training, never run unasked."""

from pathlib import Path

import pytest
import torch

from cli.runs import only_run
from ganloss.cli import main
from ganloss.networks.load import load_generator

NETS = """
import torch
from torch import nn

class G(nn.Module):
    def __init__(self, image_size, channels, latent, classes=0):
        super().__init__()
        self.shape = (channels, image_size, image_size)
        self.layer = nn.Linear(latent + classes, channels * image_size**2)
        self.classes_ = classes
    def forward(self, z, y=None):
        if y is not None:
            z = torch.cat([z, nn.functional.one_hot(y, self.classes_).to(z)], 1)
        return torch.tanh(self.layer(z)).view(-1, *self.shape)

def make_d(channels, image_size, classes):
    class D(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(channels, 4, 3)
        def forward(self, x, *y):
            return [self.layer(x), self.layer(x).mean((1, 2, 3))]
    return D()

class Wrong(G):
    def forward(self, z, y=None):
        return super().forward(z, y)[:, :, 1:]

class Fails(G):
    def forward(self, z, y=None):
        return z @ torch.ones(3, 3)

class Normed(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4))
    def forward(self, x):
        return self.net(x).mean((1, 2, 3))

not_a_module = 3
"""


@pytest.fixture
def nets(tmp_path: Path) -> str:
    path = tmp_path / "nets.py"
    path.write_text(NETS)
    return str(path)


def words(tmp_path: Path, *more: str) -> list[str]:
    short = ("--steps", "2", "--metrics", "none", "--batch-size", "8", "--loss", "hinge")
    return ["train", "generate", "--data", "demo:digits", *short, "--out", str(tmp_path), *more]


@pytest.mark.parametrize("cond", [(), ("--cond",)])
def test_own_networks_train_and_load(nets: str, cond: tuple[str, ...], tmp_path: Path) -> None:
    own = ("--generator", f"{nets}:G", "--discriminator", f"{nets}:make_d", "--latent", "5")
    assert main(words(tmp_path / "runs", *own, *cond)) == 0
    run = only_run(tmp_path / "runs")
    g = load_generator(run, allow_code=True)
    labels = (torch.tensor([3, 4]),) if cond else ()
    assert g(torch.zeros(2, 5), *labels).shape == (2, 1, 8, 8)


def test_code_is_imported_only_when_asked_for(
    nets: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path / "runs", "--generator", f"{nets}:G")) == 0
    run = only_run(tmp_path / "runs")
    Path(nets).write_text("raise SystemExit('this code ran')")
    again = ["train", "generate", "--resume", str(run), "--steps", "4"]
    for command in (again, ["train", "generate", "--config", str(run / "config.yaml")],
                    ["sample", str(run)]):  # fmt: skip
        assert main(command) == 2
        said = capsys.readouterr().err
        assert "--allow-code" in said
        assert "this code ran" not in said
    Path(nets).write_text(NETS)
    assert main([*again, "--allow-code"]) == 0


@pytest.mark.parametrize(
    ("flag", "name", "sentence"),
    [
        ("--generator", "Wrong", "G(z) of latents (2, 64) gave (2, 1, 7, 8); the data need"),
        ("--generator", "Fails", "G(z) failed on an input of (2, 64)"),
        ("--generator", "Gg", "did you mean 'G'?"),
        ("--generator", "not_a_module", "could not be made"),
        ("--discriminator", "G", "D(x) failed on an input of (2, 1, 8, 8)"),
    ],
)
def test_what_does_not_fit_is_said_before_training(
    nets: str,
    flag: str,
    name: str,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(words(tmp_path / "runs", flag, f"{nets}:{name}")) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
