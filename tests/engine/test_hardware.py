"""Devices, precisions and processes: shares of a batch, and what is refused before it starts."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.distributed import HashStore  # pyright: ignore[reportPrivateImportUsage]

from ganloss import WeightedSum
from ganloss._errors import UsageError
from ganloss.engine.hardware import Hardware, Precision, connect, lost_a_process
from ganloss.engine.loop import Engine
from ganloss.engine.phase import Phase

LAUNCH = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "SLURM_JOB_ID", "SLURM_STEP_NUM_TASKS")


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCH:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def group_of_one() -> Iterator[None]:
    torch.distributed.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_the_shares_of_all_processes_are_the_batch() -> None:
    shares = [Hardware(rank=rank, processes=3).share(12) for rank in range(3)]
    assert [i for first, count in shares for i in range(first, first + count)] == [*range(12)]


@pytest.mark.parametrize(("total", "processes", "better"), [(7, 2, 6), (65, 8, 64), (3, 4, 4)])
def test_a_batch_that_does_not_divide_is_told_one_that_does(
    total: int, processes: int, better: int
) -> None:
    """The largest multiple of the processes below the batch, but one sample each at least."""
    with pytest.raises(UsageError, match=rf"use --batch-size {better}$"):
        Hardware(processes=processes).share(total)


@pytest.mark.parametrize(
    ("precision", "parameters", "products"),
    [
        ("32", torch.float32, torch.float32),
        ("64", torch.float64, torch.float64),
        ("bf16", torch.float32, torch.bfloat16),
        ("16", torch.float32, torch.float16),
    ],
)
def test_half_precisions_are_those_of_products_and_never_of_parameters(
    precision: Precision, parameters: torch.dtype, products: torch.dtype
) -> None:
    hardware = connect("cpu", precision=precision)
    matrix = torch.eye(2, dtype=hardware.dtype)
    with hardware.autocast():
        assert (matrix @ matrix).dtype == products
    assert hardware.dtype == parameters
    assert hardware.loss_scaler().enabled == (precision == "16")


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_with_a_sentence(device: str) -> None:
    there = {"cuda": torch.cuda, "mps": torch.backends.mps}[device].is_available()
    if there:
        pytest.skip(f"this machine has {device}")
    with pytest.raises(UsageError, match=f"no {device.upper()} device .* use --device cpu"):
        connect(device)


def test_machines_with_different_numbers_of_processes_are_refused_before_they_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(UsageError, match=r"started 2 processes on this machine and 3 in all"):
        connect("cpu")


def test_only_what_is_missing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_RANK", "0")
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    monkeypatch.delenv("MASTER_PORT", raising=False)
    with pytest.raises(UsageError, match="--num-nodes 2 needs MASTER_PORT in the environment"):
        connect("cpu", nodes=2)


def test_words_of_a_lost_connection_count_among_other_processes_only() -> None:
    lost = RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer")
    assert not lost_a_process(lost)
    assert lost_a_process(torch.distributed.DistNetworkError("the others are gone"))


@pytest.mark.usefixtures("group_of_one")
@pytest.mark.parametrize(
    ("words", "lost"),
    [
        ("Connection closed by peer [10.0.0.2]:2345", True),
        ("Read error: Connection reset by peer", True),
        ("NCCL communicator was aborted on rank 1", True),
        ("CUDA out of memory", False),
    ],
)
def test_a_lost_process_is_known_by_its_words(words: str, lost: bool) -> None:
    assert lost_a_process(RuntimeError(words)) == lost


def test_processes_have_nothing_to_share_where_every_weight_is_zero() -> None:
    """A weight that begins at 0 gives no gradient in the first step, to any process."""
    network = nn.Linear(1, 1)
    objective = WeightedSum(adv=0.0)
    engine = Engine(
        [Phase("g", network, lambda turn: objective(adv=network(turn.real).mean()))],
        {"g": torch.optim.SGD(network.parameters(), lr=1.0)},
        batches=lambda k: torch.ones(2, 1),
        batch_size=4,
        hardware=Hardware(rank=1, processes=2),
    )
    before = network.weight.item()
    record = engine.advance(measure=True)
    assert (network.weight.item(), record.gradient_norms["g"].item()) == (before, 0.0)
