"""Devices, precision and processes: the seam to Lightning Fabric.

Gradients are averaged over processes after ``backward`` in one flat all-reduce per update. The
networks are not wrapped in DistributedDataParallel: its reducer counts on every forward pass being
followed by a backward pass through the same parameters, which alternating players and penalties
break.
"""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from ganloss._errors import UsageError
from ganloss.engine.scaling import LossScaler

if TYPE_CHECKING:
    from lightning_fabric import Fabric

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
    """

    device: torch.device = _CPU
    precision: Precision = "32"
    rank: int = 0
    processes: int = 1

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
        if self.processes == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
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

    def broadcast(self, value: str) -> str:
        """Give every process the main process's text."""
        if self.processes == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def lost_a_process(self, error: RuntimeError) -> bool:
        """Whether an error says that another process of this run has gone away."""
        if self.processes == 1:
            return False
        words = ("connection closed by peer", "connection reset by peer", "gloo", "nccl")
        told = str(error).lower()
        return isinstance(error, torch.distributed.DistError) or any(w in told for w in words)

    def barrier(self) -> None:
        """Wait for the other processes."""
        if self.processes > 1:
            torch.distributed.barrier()

    def leave(self) -> None:
        """Part from the other processes, all at once: one that just exits may abort another."""
        if self.processes > 1:
            torch.distributed.barrier()
            torch.distributed.destroy_process_group()


def connect(device: str = "auto", devices: int = 1, precision: Precision = "32") -> Hardware:
    """Find the device, and join the other processes of this run if there are any.

    Under ``torchrun`` or SLURM the number of processes is theirs; otherwise ``devices`` processes
    are started on this machine.

    Raises:
        UsageError: the device is not there.
    """
    _check_device(device)
    world, local = _launched_processes()
    if max(world, devices) == 1:
        hardware = Hardware(_single_device(device), precision)
    else:
        hardware = _join(device, local or devices, max(1, world // (local or 1)), precision)
    check_precision(hardware.device, precision)
    return hardware


def _launched_processes() -> tuple[int, int]:
    """World size and local size announced by torchrun or SLURM; (1, 0) without them."""
    for world, local in (
        ("WORLD_SIZE", "LOCAL_WORLD_SIZE"),
        ("SLURM_NTASKS", "SLURM_NTASKS_PER_NODE"),
    ):
        if world in os.environ and local in os.environ:
            return int(os.environ[world]), int(os.environ[local])
    return 1, 0


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


def _join(device: str, devices: int, nodes: int, precision: Precision) -> Hardware:
    from lightning_fabric import Fabric

    fabric = Fabric(
        accelerator=device,
        devices=devices,
        num_nodes=nodes,
        strategy="ddp",
    )
    fabric.launch()
    return _from_fabric(fabric, precision)


def _from_fabric(fabric: "Fabric", precision: Precision) -> Hardware:
    return Hardware(fabric.device, precision, fabric.global_rank, fabric.world_size)
