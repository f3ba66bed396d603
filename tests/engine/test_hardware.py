"""Shares, means and what is said of devices, on one process and on a real group of one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, nn

from ganloss import WeightedSum
from ganloss._errors import UsageError
from ganloss.engine import meeting
from ganloss.engine.hardware import Hardware, Precision, check_precision, connect, lost_a_process
from ganloss.engine.loop import Engine
from ganloss.engine.phase import Phase


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A real process group, of this process alone."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1
    )
    yield
    if distributed.is_initialized():
        distributed.destroy_process_group()


@pytest.mark.parametrize(("total", "processes"), [(64, 1), (64, 4), (6, 3)])
def test_shares_cover_a_batch_once(total: int, processes: int) -> None:
    shares = [Hardware(rank=r, processes=processes).share(total) for r in range(processes)]
    covered = [i for first, count in shares for i in range(first, first + count)]
    assert covered == list(range(total))


@pytest.mark.parametrize(("total", "processes", "mend"), [(65, 4, 64), (3, 4, 4), (7, 2, 6)])
def test_a_batch_that_does_not_divide_is_told_one_that_does(
    total: int, processes: int, mend: int
) -> None:
    with pytest.raises(UsageError, match=f"use --batch-size {mend}$"):
        Hardware(processes=processes).share(total)


@pytest.mark.parametrize(
    ("precision", "stored", "computed"),
    [
        ("32", torch.float32, torch.float32),
        ("bf16", torch.float32, torch.bfloat16),
        ("16", torch.float32, torch.float16),
        ("64", torch.float64, torch.float64),
    ],
)
def test_precisions(precision: Precision, stored: torch.dtype, computed: torch.dtype) -> None:
    hardware = Hardware(precision=precision)
    assert hardware.dtype == stored
    layer = torch.nn.Linear(2, 2).to(hardware.dtype)
    with hardware.autocast():
        assert layer(torch.ones(1, 2, dtype=stored)).dtype == computed
    assert layer(torch.ones(1, 2, dtype=stored)).dtype == stored
    assert hardware.loss_scaler().enabled is (precision == "16")


class Halves(torch.nn.Module):
    """Two parameters with a gradient, and one without."""

    def __init__(self) -> None:
        super().__init__()
        self.a = torch.nn.Parameter(torch.zeros(2, 3))
        self.b = torch.nn.Parameter(torch.zeros(()))
        self.unused = torch.nn.Parameter(torch.zeros(4))
        self.a.grad, self.b.grad = torch.full((2, 3), 6.0), torch.tensor(4.0)


@pytest.mark.usefixtures("group")
def test_gradients_are_divided_by_the_number_of_processes() -> None:
    """A group of one that is told of two: its own gradients are all there are, halved."""
    network = Halves()
    Hardware(processes=2).average_gradients([*network.parameters()])
    assert network.a.grad is not None
    assert network.b.grad is not None
    assert network.a.grad.tolist() == [[3.0] * 3] * 2
    assert network.b.grad.item() == 2.0
    assert network.unused.grad is None


@pytest.mark.usefixtures("group")
def test_a_text_and_a_mean_are_those_of_the_group() -> None:
    hardware = Hardware(processes=2)
    assert hardware.broadcast("runs/00001") == "runs/00001"
    assert hardware.mean(torch.tensor([8.0])).item() == 4.0
    hardware.barrier()
    hardware.leave()
    assert not distributed.is_initialized()


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer"), True),
        (RuntimeError("NCCL error: remote process exited"), True),
        (RuntimeError("Connection reset by peer"), True),
        (ValueError("shapes do not match"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_a_lost_process_is_told_from_other_errors(error: BaseException, lost: bool) -> None:
    assert lost_a_process(error) is lost


def test_alone_nobody_can_be_lost() -> None:
    assert not lost_a_process(RuntimeError("Connection closed by peer"))
    assert lost_a_process(distributed.DistError("the store is gone"))


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_devices_that_are_not_here(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=f"no {device.upper()} device was found; use --device cpu"):
        connect(device)


def test_a_device_that_cannot_compute_so_is_told_before_training() -> None:
    """The meta device has no numbers, which autocast does not know."""
    with pytest.raises(UsageError, match=r"--precision bf16 .* use --precision 32"):
        check_precision(torch.device("meta"), "bf16")


@pytest.mark.parametrize("precision", ["32", "bf16", "64"])
def test_the_processor_computes_in_all_of_them(precision: Precision) -> None:
    assert connect("cpu", precision=precision) == Hardware(precision=precision)


def test_torchruns_of_unequal_size_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three processes in all, of which two are here: the other machine has one."""
    started: dict[str, Any] = {"WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "2", "RANK": "0"}
    for name, value in started.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="2 processes on this machine and 3 in all"):
        connect("cpu")


@pytest.mark.parametrize("missing", ["NODE_RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_of_several_machines_what_is_missing_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in {"NODE_RANK", "MASTER_ADDR", "MASTER_PORT"} - {missing}:
        monkeypatch.setenv(name, "0")
    monkeypatch.delenv(missing, raising=False)
    with pytest.raises(UsageError, match=f"--num-nodes 2 needs {missing} in the environment"):
        connect("cpu", nodes=2)


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


def test_others_who_never_come_are_told_with_what_may_keep_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """torch sends machines of one launch to two stores where one of them came later."""
    monkeypatch.setattr(meeting, "PATIENCE", 0.1)
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    launch = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    for name, value in (launch | place | {"TORCHELASTIC_USE_AGENT_STORE": "True"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=r"process 0 of 2 .*TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"):
        connect("cpu")
