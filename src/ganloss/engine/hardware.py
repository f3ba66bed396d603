"""Devices, precision and processes: the seam to Lightning Fabric.

Gradients are averaged over processes after ``backward`` in one flat all-reduce per update. The
networks are not wrapped in DistributedDataParallel: its reducer counts on every forward pass being
followed by a backward pass through the same parameters, which alternating players and penalties
break.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from ganloss._errors import UsageError
from ganloss.engine.launch import Launch, as_torchrun, find_launch
from ganloss.engine.scaling import LossScaler

if TYPE_CHECKING:
    from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment

Precision = Literal["32", "bf16", "16", "64"]
_HALVES = {"bf16": torch.bfloat16, "16": torch.float16}

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Hardware:
    """Where a run takes place.

    Args:
        device: device of this process.
        precision: ``"32"``, ``"bf16"`` (autocast), ``"16"`` (autocast, with a loss scale for each
            player) or ``"64"``.
        rank: number of this process.
        processes: how many there are.

    >>> alone = Hardware()
    >>> str(alone), alone.is_main, alone.dtype, alone.share(64)
    ('cpu, 1 process', True, torch.float32, (0, 64))
    >>> alone.mean(torch.tensor([1.0])), alone.gather(torch.ones(2)), alone.broadcast("name")
    (tensor([1.]), tensor([1., 1.]), 'name')
    >>> with alone.autocast():
    ...     torch.mm(torch.eye(2), torch.eye(2)).dtype
    torch.float32
    >>> alone.average_gradients([]), alone.barrier(), alone.wait(), alone.leave()
    (None, None, None, None)
    >>> alone.loss_scaler().enabled
    False
    """

    device: torch.device = _CPU
    precision: Precision = "32"
    rank: int = 0
    processes: int = 1

    def __str__(self) -> str:
        """Say where a run takes place.

        >>> str(Hardware(processes=2))
        'cpu, 2 processes'
        """
        return f"{self.device}, {self.processes} process{'es' if self.processes > 1 else ''}"

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    @property
    def dtype(self) -> torch.dtype:
        """Type of parameters and samples."""
        return torch.float64 if self.precision == "64" else torch.float32

    def autocast(self) -> AbstractContextManager[object]:
        """Context in which losses are computed."""
        half = _HALVES.get(self.precision)
        return nullcontext() if half is None else torch.autocast(self.device.type, half)

    def loss_scaler(self) -> LossScaler:
        """Give what scales one player's loss; it does nothing but under fp16."""
        return LossScaler(self.device, enabled=self.precision == "16")

    def share(self, total: int) -> tuple[int, int]:
        """First index and number of this process's samples in a global batch.

        Raises:
            UsageError: the batch does not divide evenly.

        >>> Hardware(rank=1, processes=2).share(64)
        (32, 32)
        """
        if total % self.processes:
            raise UsageError(
                f"a batch of {total} does not divide into {self.processes} processes; "
                f"use --batch-size {total // self.processes * self.processes or self.processes}"
            )
        local = total // self.processes
        return self.rank * local, local

    def average_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace each gradient by its mean over processes, in one all-reduce."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.processes == 1 or not gradients:  # none where every weight of an objective is 0
            return
        flat = self.mean(torch.cat([g.flatten() for g in gradients]))
        pieces = flat.split([g.numel() for g in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))

    def mean(self, value: Tensor) -> Tensor:
        """Mean of a tensor over processes."""
        if self.processes == 1:
            return value
        torch.distributed.all_reduce(value)
        return value / self.processes

    def gather(self, rows: Tensor) -> Tensor:
        """Rows of all processes, in the order of the global batch; each holds equally many."""
        if self.processes == 1:
            return rows
        pieces = [torch.empty_like(rows) for _ in range(self.processes)]
        torch.distributed.all_gather(pieces, rows.contiguous())
        return torch.cat(pieces)

    def wait(self) -> None:
        """Wait until the device has done all it was asked for, so that clocks count it."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def broadcast(self, value: str) -> str:
        """Give every process the main process's text."""
        if self.processes == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def barrier(self) -> None:
        """Wait for the other processes."""
        if self.processes > 1:
            torch.distributed.barrier()

    def leave(self) -> None:
        """Part from the other processes, all at once: one that just exits may abort another."""
        if self.processes > 1:
            torch.distributed.barrier()
            torch.distributed.destroy_process_group()


def lost_a_process(error: BaseException) -> bool:
    """Whether an error says that another process of this run has gone away.

    >>> lost_a_process(RuntimeError("shapes do not match"))
    False
    """
    distributed = torch.distributed
    if not distributed.is_available():
        return False
    if isinstance(error, distributed.DistError):
        return True
    words = ("connection closed by peer", "connection reset by peer", "gloo", "nccl")
    return distributed.is_initialized() and any(word in str(error).lower() for word in words)


def connect(
    device: str = "auto", devices: int = 1, precision: Precision = "32", nodes: int = 1
) -> Hardware:
    """Find the device, and join the other processes of this run if there are any.

    Under ``torchrun`` or SLURM the number of processes is theirs; otherwise ``devices`` processes
    are started on this machine, one of ``nodes`` on which the command is given.

    Raises:
        UsageError: the device is not there, does not know the precision, or is not told how to
            find the other machines.

    >>> connect("cpu")
    Hardware(device=device(type='cpu'), precision='32', rank=0, processes=1)
    >>> connect("abacus")
    Traceback (most recent call last):
    ganloss._errors.UsageError: ...
    """
    _check_device(device)
    launch = find_launch(os.environ)
    if launch.processes > 1:
        hardware = _join(device, precision, launch)
    elif devices * nodes > 1:
        hardware = _start(device, devices, nodes, precision)
    else:
        hardware = Hardware(_single_device(device), precision)
    check_precision(hardware.device, precision)
    return hardware


def _check_device(device: str) -> None:
    known = ("auto", "cpu", "cuda", "mps")
    if device not in known:
        raise UsageError(f"no device {device!r}; use one of {', '.join(known)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device was found; use --device cpu, or see `ganloss doctor`")
    if device == "mps" and not torch.backends.mps.is_available():
        raise UsageError("no MPS device was found; use --device cpu, or see `ganloss doctor`")


def check_precision(device: torch.device, precision: Precision) -> None:
    """Try a precision on a device before anything is trained in it.

    Raises:
        UsageError: the device does not compute in it.

    >>> check_precision(torch.device("cpu"), "16")
    """
    if precision == "32":
        return
    try:
        image = torch.ones(1, 1, 4, 4, dtype=Hardware(precision=precision).dtype, device=device)
        with Hardware(device, precision).autocast():
            torch.nn.functional.conv2d(image, image)
        scaler = Hardware(device, precision).loss_scaler()
        weight = torch.nn.Parameter(image)
        scaler.scaled(weight.sum()).backward()
        scaler.update(torch.optim.SGD([weight]))
    except (RuntimeError, TypeError) as error:
        raise UsageError(
            f"{device} does not compute with --precision {precision} "
            f"({str(error).splitlines()[0]}); use --precision 32"
        ) from error


def _single_device(device: str) -> torch.device:
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _join(device: str, precision: Precision, launch: Launch) -> Hardware:
    """Meet the processes that torchrun or SLURM started."""
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    devices: int | list[int] = launch.here
    nodes, uneven = divmod(launch.processes, launch.here)
    if launch.by == "slurm":
        os.environ.update(as_torchrun(os.environ))
        nodes, uneven = launch.processes, 0
        gpu = device in ("auto", "cuda") and torch.cuda.is_available()
        devices = [int(os.environ["SLURM_LOCALID"]) % torch.cuda.device_count()] if gpu else 1
    if uneven:
        raise UsageError(
            f"torchrun started {launch.here} processes on this machine and {launch.processes} in "
            "all; start equally many on each, by --nproc-per-node"
        )
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        _meet_afresh(device)
    return _launch(device, devices, nodes, precision, TorchElasticEnvironment())


def _meet_afresh(device: str) -> None:
    """Join the other processes where an earlier attempt has left nothing; Fabric finds it done."""
    from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

    from ganloss.engine.meeting import fresh_store

    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")
    rank, processes, local, port = (int(os.environ[name]) for name in names)
    try:
        store = TCPStore(os.environ["MASTER_ADDR"], port, processes, is_master=False)
        options: dict[str, Any] = {"store": fresh_store(store, rank, processes)}
    except torch.distributed.DistError as error:
        raise UsageError(
            f"process {rank} of {processes} did not find the others of this launch ({error}). "
            "Where machines join later, start torchrun with TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 "
            "in the environment: torch may send them to another place without it"
        ) from error
    gpu = device in ("auto", "cuda") and torch.cuda.is_available()
    if gpu:
        options["device_id"] = torch.device("cuda", local)
    torch.distributed.init_process_group(
        "nccl" if gpu else "gloo", rank=rank, world_size=processes, **options
    )


def _start(device: str, devices: int, nodes: int, precision: Precision) -> Hardware:
    """Start the other processes of this machine."""
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment

    needed = ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in needed if name not in os.environ]
    if nodes > 1 and missing:
        raise UsageError(
            f"--num-nodes {nodes} needs {' and '.join(missing)} in the environment: the number of "
            "this machine from 0 on, and where the first one is found, e.g. NODE_RANK=1 "
            "MASTER_ADDR=10.0.0.1 MASTER_PORT=29500"
        )
    hardware = _launch(device, devices, nodes, precision, LightningEnvironment())
    _let_it_say_why()
    return hardware


def _launch(
    device: str,
    devices: int | list[int],
    nodes: int,
    precision: Precision,
    environment: "ClusterEnvironment",
) -> Hardware:
    from lightning_fabric import Fabric
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    # What it says about processes that registered is no news.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        fabric = Fabric(
            accelerator=device,
            devices=devices,
            num_nodes=nodes,
            strategy="ddp",
            plugins=[environment],
        )
    except MisconfigurationException as error:
        raise UsageError(
            f"these devices are not all there ({error}); see `ganloss doctor`"
        ) from error
    fabric.launch()
    return Hardware(fabric.device, precision, fabric.global_rank, fabric.world_size)


#: Seconds in which a process may say why it stops, after another has failed.
GRACE = 20.0


def _let_it_say_why() -> None:
    """Have Fabric, which kills this process when one it started fails, wait a little first."""
    for observer in threading.enumerate():
        if observer.name == "child-process-observer":
            kill = observer._terminate_all  # pyright: ignore[reportAttributeAccessIssue]

            def later(kill: Callable[[], None] = kill) -> None:
                time.sleep(GRACE)
                kill()

            observer._terminate_all = later  # pyright: ignore[reportAttributeAccessIssue]
