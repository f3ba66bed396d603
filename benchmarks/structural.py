"""SSIM, MS-SSIM and the perceptual loss against the projects people use now."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

import ganloss as gl
from benchmarks._timing import Row, compare, interleaved, two_threads

#: Shape to the bound, rounds, and calls a turn: the first call after another contender's turn
#: wakes threads and fills caches, which a few calls of a millisecond should not be all about.
SSIM_SHAPES = {
    (64, 1, 32, 32): (5.0, 30, 5),
    (16, 3, 64, 64): (3.0, 30, 5),
    (8, 3, 256, 256): (5.5, 7, 2),
    (4, 3, 512, 512): (5.5, 5, 1),
}
Loss = Callable[[Tensor, Tensor], Tensor]


def ssim_peers() -> dict[str, Loss]:
    """Their SSIM with the settings of Wang et al., at the images' own size."""
    import kornia
    from torchmetrics.functional.image import structural_similarity_index_measure

    return {
        **common_ssim_peers(),
        "torchmetrics": partial(structural_similarity_index_measure, data_range=1.0),
        "kornia": partial(kornia.losses.ssim_loss, window_size=11, padding="valid"),
    }


def common_ssim_peers() -> dict[str, Loss]:
    """Those that the tests use as well."""
    import piq
    import pytorch_msssim

    return {
        "piq": partial(piq.ssim, downsample=False),
        "pytorch-msssim": partial(pytorch_msssim.ssim, data_range=1.0),
    }


def ms_ssim_peers() -> dict[str, Loss]:
    import piq
    import pytorch_msssim

    return {
        "piq": piq.multi_scale_ssim,
        "pytorch-msssim": partial(pytorch_msssim.ms_ssim, data_range=1.0),
    }


def value_and_gradient(loss: Loss, x: Tensor, y: Tensor) -> Callable[[], None]:
    def run() -> None:
        x.grad = None
        loss(x, y).backward()

    return run


def images(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(*shape, generator=generator)
    y = (x + 0.1 * torch.randn(*shape, generator=generator)).clamp(0, 1)
    return x.requires_grad_(True), y


def against_the_fastest(
    what: str,
    ours: Loss,
    peers: dict[str, Loss],
    shape: tuple[int, ...],
    bound: float,
    rounds: int,
    repeats: int = 1,
) -> Row:
    x, y = images(*shape)
    contenders = {"ours": value_and_gradient(ours, x, y)}
    contenders |= {name: value_and_gradient(loss, x, y) for name, loss in peers.items()}
    times = interleaved(contenders, rounds=rounds, repeats=repeats)
    fastest = min(peers, key=lambda name: sorted(times[name])[rounds // 2])
    return compare(what, times, "ours", fastest, bound)


def ssim_rows() -> list[Row]:
    return [
        against_the_fastest(
            f"SSIM {'x'.join(map(str, shape))}",
            gl.SSIM(data_range=1.0),
            ssim_peers(),
            shape,
            *settings,
        )
        for shape, settings in SSIM_SHAPES.items()
    ]


def kept_for_backward(loss: Loss, x: Tensor, y: Tensor) -> int:
    """Bytes the graph keeps alive: what autograd saves and what our nodes hold, inputs left out."""
    seen: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in (x.data_ptr(), y.data_ptr()):
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        keep = loss(x, y)
    nodes = [keep.grad_fn]
    for node in nodes:
        nodes += [parent for parent, _ in node.next_functions if parent is not None]
        for tensor in getattr(node, "gradients", None) or ():
            count(tensor)
    return sum(seen.values())


def memory_row() -> Row:
    x, y = images(8, 3, 256, 256)
    ours = kept_for_backward(gl.SSIM(data_range=1.0), x, y)
    peers = {name: kept_for_backward(loss, x, y) for name, loss in ssim_peers().items()}
    leanest = min(peers, key=lambda name: peers[name])
    share = ours / peers[leanest]
    what = f"SSIM bytes kept, {ours / 1e6:.1f} MB against {peers[leanest] / 1e6:.1f} MB"
    return Row(what, 0.0, leanest, 0.0, share, 0.0, 0.5, at_most=True)


def ms_ssim_row(rounds: int = 9) -> Row:
    shape = (4, 3, 256, 256)
    ours = gl.MultiScaleSSIM(data_range=1.0)
    return against_the_fastest("MS-SSIM 4x3x256x256", ours, ms_ssim_peers(), shape, 3.5, rounds)


def perceptual_rows(shape: tuple[int, ...] = (8, 3, 96, 96), rounds: int = 9) -> list[Row]:
    """VGG16 to relu4_3; the floor is the same network run by hand."""
    from torchvision.models.vgg import cfgs, make_layers

    x, y = images(*shape)
    perceptual = gl.Perceptual(layers=("relu4_3",), pretrained="random", value_range=(0, 1))
    bare: nn.Sequential = make_layers(cfgs["D"])[:23].eval().requires_grad_(False)
    article = make_layers(cfgs["D"])  # trainable, to the end, and a graph for the target
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def floor(a: Tensor, b: Tensor) -> Tensor:
        with torch.no_grad():
            target = bare((b - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        return (bare((a - mean.view(3, 1, 1)) / std.view(3, 1, 1)) - target).square().mean()

    def articles_way(a: Tensor, b: Tensor) -> Tensor:
        maps = zip(article(a), article(b), strict=True)
        return sum((((p - q) ** 2).mean() for p, q in maps), start=torch.zeros(()))

    losses = {"ours": perceptual, "bare network": floor, "the article's way": articles_way}
    times = interleaved(
        {name: value_and_gradient(loss, x, y) for name, loss in losses.items()}, rounds=rounds
    )
    what = f"perceptual, VGG16 to relu4_3, {'x'.join(map(str, shape))}"
    return [
        compare(what, times, "ours", "the article's way", 1.8),
        compare(what, times, "ours", "bare network", 1.05, at_most=True),
    ]


def rows() -> list[Row]:
    two_threads()
    return [*ssim_rows(), memory_row(), ms_ssim_row(), *perceptual_rows()]
