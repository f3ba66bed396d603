"""Networks of one's own: what they are asked for, and what is said when they do not fit."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ganloss._errors import UsageError
from ganloss.networks.own import (
    own_network,
    probe_discriminator,
    probe_generator,
    refuse_batch_norm,
)

NETS = '''
from torch import nn

class Asks(nn.Module):
    """Keeps what it was made with."""

    def __init__(self, channels, latent=7, depth=2, *, image_size):
        super().__init__()
        self.given = dict(channels=channels, latent=latent, depth=depth, image_size=image_size)

def of_classes(classes):
    return nn.Embedding(classes, 3)

ready = nn.Linear(2, 5)
number = 3

def wants_more(latent, secret):
    return nn.Linear(latent, secret)

def breaks():
    raise RuntimeError("no such layer")

def gives_a_number(latent):
    return latent
'''


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("own_nets.py").write_text(NETS, encoding="utf-8")
    return "own_nets.py"


def made(target: str) -> nn.Module:
    return own_network(target, (3, 32, 32), classes=4, latent=16)


def test_a_class_is_given_the_keywords_it_names_and_keeps_its_other_defaults(nets: str) -> None:
    given = vars(made(f"{nets}:Asks"))["given"]
    assert given == {"channels": 3, "latent": 16, "depth": 2, "image_size": 32}


def test_a_function_may_make_it_and_a_module_is_taken_as_it_is(nets: str) -> None:
    embedding = made(f"{nets}:of_classes")
    assert isinstance(embedding, nn.Embedding)
    assert embedding.num_embeddings == 4
    ready = made(f"{nets}:ready")
    assert isinstance(ready, nn.Linear)
    assert (ready.in_features, ready.out_features) == (2, 5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (":Akss", "has no 'Akss'; did you mean 'Asks'?"),
        (":wants_more", "its arguments may be image_size, channels, classes and latent"),
        (":breaks", "could not be made .no such layer"),
        (":gives_a_number", "gives a int; a torch Module is needed"),
        (":number", "could not be made"),
        ("", "write MODULE:NAME"),
        (":", "write MODULE:NAME"),
    ],
)
def test_what_cannot_be_made_is_said(nets: str, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        made(nets + name)


@pytest.mark.parametrize("target", ["nowhere.py:G", "no_such_module:G"])
def test_modules_that_are_not_there(nets: str, target: str) -> None:
    with pytest.raises(UsageError, match=target.partition(":")[0]):
        made(target)


class Remembers(nn.Module):
    """Counts its calls in a buffer, and has a batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        self.get_buffer("calls").add_(1)
        return self.layers(z)


def test_a_trial_leaves_the_network_as_it_was() -> None:
    network = Remembers().double()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    probe_generator(network, (2,), 0, 4)
    probe_discriminator(network, (4,), 0)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training
    assert all(p.dtype == torch.float64 for p in network.parameters())


class Gives(nn.Module):
    """Gives the same, whatever it is called with."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value

    def forward(self, *_: Tensor) -> object:
        return self.value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(2, 3, 8, 9), r"gave \(2, 3, 8, 9\); the data need \(2, 3, 8, 8\)"),
        (torch.zeros(3, 8, 8), r"gave \(3, 8, 8\)"),
        ([torch.zeros(2, 3, 8, 8)], "gave list"),
    ],
)
def test_samples_of_another_shape_are_refused(value: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        probe_generator(Gives(value), (3, 8, 8), 0, 5)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(()), "does not give scores"),
        (torch.zeros(1, 2), "the batch in front"),
        ((torch.zeros(2), torch.zeros(2, 4)), "unpack them first"),
        ([torch.zeros(2, 1), torch.zeros(3, 1)], r"output\[1\] has 3, but a sample"),
        ("scores", "does not give scores"),
    ],
)
def test_what_is_no_score_of_each_sample_is_refused(value: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        probe_discriminator(Gives(value), (3, 8, 8), 0)


@pytest.mark.parametrize(
    "value", [torch.zeros(2), torch.zeros(2, 1, 6, 6), [torch.zeros(2, 9)] * 3]
)
def test_vectors_patches_and_scales_are_scores(value: object) -> None:
    probe_discriminator(Gives(value), (3, 8, 8), 0)


@pytest.mark.parametrize(("classes", "call"), [(0, r"G\(z\) failed"), (5, r"G\(z, y\) failed")])
def test_a_failure_says_how_it_was_called(classes: int, call: str) -> None:
    """A linear layer takes neither 9 numbers nor classes."""
    with pytest.raises(UsageError, match=call):
        probe_generator(nn.Linear(4, 2), (2,), classes, 9)


class Breaks(nn.Module):
    """Raises what it was given."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, z: Tensor) -> Tensor:
        raise self.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AttributeError("no attribute 'lin'"), "failed .*: AttributeError: no attribute 'lin'"),
        (KeyError("width"), "failed .*: KeyError: 'width'"),
        (AssertionError("even sizes only"), "failed .*: AssertionError: even sizes only"),
        (RuntimeError("mat1 and mat2"), r"failed on an input of \(2, 4\): mat1 and mat2"),
    ],
)
def test_whatever_a_network_raises_is_told_as_its_own(error: Exception, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        probe_generator(Breaks(error), (2,), 0, 4)


def test_batch_statistics_are_found_in_the_depth_and_their_like_is_welcome() -> None:
    inner = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    with pytest.raises(UsageError, match=r"the critic has batch normalisation \(1\.1\)"):
        refuse_batch_norm(nn.Sequential(nn.Identity(), inner), "critic")
    for layer in (nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.SyncBatchNorm(4)):
        refuse_batch_norm(nn.Sequential(layer), "critic")
