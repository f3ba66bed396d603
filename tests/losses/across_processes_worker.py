"""One of two gloo processes: gradients of batch statistics, averaged as the engine does."""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ganloss as gl
from ganloss import _processes

PAIRS = (
    gl.RelativisticAverage(gl.NonSaturating(), across_processes=True),
    gl.DualContrastive(across_processes=True),
    gl.SoftmaxGAN(across_processes=True),
    gl.MaximumMeanDiscrepancy("gaussian", across_processes=True),
)


def gradients(pair: gl.GANLoss, rows: slice) -> Tensor:
    """Gradients of both players by a weight that makes all scores."""
    generator = torch.Generator().manual_seed(0)
    x, z = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)
    real, fake = (x[rows] * weight).sum(1), (z[rows] * weight).square().sum(1)
    losses = (
        pair.discriminator(real=real, fake=fake),
        pair.generator(real=real, fake=fake),
    )
    return torch.stack([torch.autograd.grad(loss, weight, retain_graph=True)[0] for loss in losses])


def keep_the_local_slice() -> None:
    """StudioGAN's GatherLayer: what other processes make of a row never comes back to it."""

    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        first = torch.distributed.get_rank() * ctx.count
        return gradient[first : first + ctx.count]

    _processes._Gather.backward = staticmethod(backward)


def work(rank: int, folder: str, backward: str) -> None:
    if backward == "local":
        keep_the_local_slice()
    torch.distributed.init_process_group(
        "gloo", init_method=Path(folder, "meet").as_uri(), rank=rank, world_size=2
    )
    found = torch.stack([gradients(pair, slice(3 * rank, 3 * rank + 3)) for pair in PAIRS])
    torch.distributed.all_reduce(found)
    if rank == 0:
        torch.save(found / 2, Path(folder, "found.pt"))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    work(int(sys.argv[1]), *sys.argv[2:])
