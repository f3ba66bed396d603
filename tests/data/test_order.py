"""Order and batches: every sample once an epoch, the same for any number of processes."""

import pytest
import torch

from ganloss._errors import UsageError
from ganloss.data.batches import Batches, to_uint8
from ganloss.data.order import Order
from ganloss.engine.hardware import Hardware

IMAGES = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 1, 2, 2).contiguous()


def test_each_epoch_shows_every_sample_once_in_another_order() -> None:
    order = Order(count=10, seed=0)
    first, second = order.indices(0, 10), order.indices(10, 10)
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(10))
    assert first.tolist() != second.tolist()
    assert order.indices(0, 10).tolist() != Order(count=10, seed=1).indices(0, 10).tolist()


def test_a_batch_larger_than_the_data_spans_epochs() -> None:
    rows = Order(count=10, seed=0).indices(3, 25)
    assert len(rows) == 25
    assert sorted(rows[7:17].tolist()) == list(range(10))
    assert len(set(rows[:7].tolist())) == 7
    assert len(set(rows[17:].tolist())) == 8


@pytest.mark.parametrize("mirror", [False, True])
def test_two_processes_see_the_halves_of_one_process_batch(mirror: bool) -> None:
    def batch(rank: int, processes: int) -> torch.Tensor:
        hardware = Hardware(rank=rank, processes=processes)
        images = torch.randint(
            0, 256, (10, 1, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
        )
        return Batches(images, 4, seed=5, hardware=hardware, mirror=mirror)(7)

    assert torch.equal(torch.cat([batch(0, 2), batch(1, 2)]), batch(0, 1))


def test_uneven_batches_are_refused_with_a_number_that_works() -> None:
    hardware = Hardware(processes=3)
    with pytest.raises(UsageError, match="use --batch-size 63"):
        Batches(IMAGES, 64, seed=0, hardware=hardware, mirror=False)


def test_images_survive_the_way_to_floats_and_back() -> None:
    values = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    batch = Batches(values, 1, seed=0, hardware=Hardware(), mirror=False)(0)
    assert batch.min() == -1
    assert batch.max() == 1
    assert torch.equal(to_uint8(batch), values)


@pytest.mark.parametrize("rank", [0, 1])
def test_labels_belong_to_the_images_of_their_batch(rank: int) -> None:
    """Image i is of brightness i and class 10 + i."""
    hardware = Hardware(rank=rank, processes=2)
    batches = Batches(
        IMAGES, 6, seed=3, hardware=hardware, mirror=True, labels=torch.arange(10, 20)
    )
    for k in range(5):
        labels = batches.labels(k)
        assert labels is not None
        assert (labels - 10).tolist() == to_uint8(batches(k))[:, 0, 0, 0].tolist()


def test_half_of_the_images_are_mirrored_and_others_in_the_next_epoch() -> None:
    """Of 400, 200 with a standard deviation of 10; rows are left alone."""
    images = torch.tensor([[0, 85], [170, 255]], dtype=torch.uint8).expand(400, 1, 2, 2)
    batches = Batches(images, 400, seed=0, hardware=Hardware(), mirror=True)
    flipped: list[torch.Tensor] = []
    for k in range(2):
        corners = to_uint8(batches(k)).flatten(1)
        straight = (corners == torch.tensor([0, 85, 170, 255])).all(1)
        mirrored = (corners == torch.tensor([85, 0, 255, 170])).all(1)
        assert (straight ^ mirrored).all()
        assert abs(int(mirrored.sum()) - 200) < 40
        flipped.append(mirrored)
    assert 160 < int((flipped[0] ^ flipped[1]).sum()) < 240


def test_points_stay_as_they_are() -> None:
    points = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
    batch = Batches(points, 10, seed=0, hardware=Hardware(), mirror=True)(0)
    assert sorted(batch.tolist()) == sorted(points.tolist())
