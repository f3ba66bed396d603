"""Rows of all processes, differentiably: for losses that are a statistic of the global batch."""

from typing import Any

import torch
from torch import Tensor


def gathered(rows: Tensor, *, across_processes: bool) -> Tensor:
    """Give the rows of all processes, in the order of the global batch.

    Gradients flow back to the process a row came from, added up over processes, so that averaging
    them over processes gives the gradient of the global loss. Every process holds equally many
    rows. Without ``across_processes``, or with one process, the rows are returned as they are.

    >>> gathered(torch.ones(2), across_processes=True)
    tensor([1., 1.])
    """
    if not across_processes or not _joined():
        return rows
    return _Gather.apply(rows)  # pyright: ignore[reportReturnType]


def _joined() -> bool:
    distributed = torch.distributed
    return (
        distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_world_size() > 1
    )


class _Gather(torch.autograd.Function):
    """Concatenate over processes; backward sums every process's gradient of each row."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.count = rows.shape[0]
        pieces = [torch.empty_like(rows) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(pieces, rows.contiguous())
        return torch.cat(pieces)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        total = gradient.contiguous().clone()
        torch.distributed.all_reduce(total)
        first = torch.distributed.get_rank() * ctx.count
        return total[first : first + ctx.count]
