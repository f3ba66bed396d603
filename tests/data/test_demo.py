"""Bundled sets: the same on every machine, none of it downloaded."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ganloss._errors import DataError, UsageError
from ganloss.data.demo import _digits_of_sklearn, digits
from ganloss.data.images import load_data, load_images


@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [
        ("digits", (1, 8, 8), 900),
        ("photos", (3, 64, 64), 1024),
        ("ring", (2,), 10_000),
        ("grid", (2,), 10_000),
        ("triangles", (1, 16, 16), 1718),
        ("stacked-digits", (3, 8, 8), 6000),
    ],
)
def test_sizes(name: str, shape: tuple[int, ...], count: int):
    data = load_data(f"demo:{name}")
    assert (data.name, data.shape, len(data.values)) == (name, shape, count)
    again = load_data(f"demo:{name}")
    assert torch.equal(data.values[:10], again.values[:10])


def test_digits_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch):
    """With its file or without, they are what load_digits gives, version 1.3 and later."""
    images, labels = load_digits(return_X_y=True)
    for found in (_digits_of_sklearn(), _without_the_file(monkeypatch)):
        np.testing.assert_array_equal(found[0], images)
        np.testing.assert_array_equal(found[1], labels)


def _without_the_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganloss.data.demo.find_spec", lambda name: None)
    return _digits_of_sklearn()


def test_stacked_digits_are_three_digits_and_their_number():
    data = load_images("demo:stacked-digits", cond=True)
    split = digits()
    labels = data.labels
    assert labels is not None
    for image, number in zip(data.images[:20], labels[:20].tolist(), strict=True):
        for channel, digit in zip(image, f"{number:03d}", strict=True):
            same = (split.train_images[:, 0] == channel).flatten(1).all(1)
            assert split.train_labels[same].tolist() == [int(digit)]
    assert len(labels.unique()) > 950


def test_what_a_set_does_not_come_with():
    with pytest.raises(UsageError, match="demo:photos come in 16, 32, 64 px, not 128"):
        load_images("demo:photos", 128)
    with pytest.raises(UsageError, match="demo:triangles have no classes"):
        load_images("demo:triangles", cond=True)
    with pytest.raises(UsageError, match="points in the plane; images are needed"):
        load_images("demo:ring")
    with pytest.raises(UsageError, match="no set torchvision:CIFAR1; did you mean 'CIFAR10'"):
        load_images("torchvision:CIFAR1")


def test_a_torchvision_set_that_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("GANLOSS_CACHE", str(tmp_path))
    raw = tmp_path / "torchvision" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 20), ("t10k", 5)):
        header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (count, 28, 28))
        pixels = bytes(range(256)) * (count * 28 * 28 // 256 + 1)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + pixels[: count * 28 * 28])
        labels = (
            bytes([0, 0, 8, 1]) + count.to_bytes(4, "big") + bytes(i % 10 for i in range(count))
        )
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    data = load_images("torchvision:mnist", cond=True)
    assert data.shape == (1, 16, 16)
    assert data.labels is not None
    assert data.labels.tolist() == [i % 10 for i in range(20)]
    assert len(data.class_names) == 10


def test_a_torchvision_set_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path):
    from torchvision.datasets import CIFAR10

    def no_network(self: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(CIFAR10, "download", no_network)
    monkeypatch.setenv("GANLOSS_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"torchvision:CIFAR10 is not in .*connect to the network"):
        load_images("torchvision:CIFAR10")
