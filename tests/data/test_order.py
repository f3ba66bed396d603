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
