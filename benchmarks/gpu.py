"""What there is to know on a GPU: SSIM, half precision, images a second, and who waits for whom.

It is no family of ``python -m benchmarks``, which runs on every machine: ``python -m
benchmarks.gpu``.
"""

import statistics
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import ganloss as gl
from benchmarks._timing import interleaved
from benchmarks.structural import images, value_and_gradient
from ganloss import GAMES
from ganloss.data.batches import Batches
from ganloss.engine.ema import moving_average
from ganloss.engine.hardware import Hardware, Precision
from ganloss.engine.loop import Engine
from ganloss.networks.generate import reference_discriminator, reference_generator
from ganloss.recipes._rules import Rules
from ganloss.recipes.generate import generate

DEVICE = torch.device("cuda")
BATCH = 64
SSIM_SHAPES = [
    (64, 1, 32, 32), (16, 3, 64, 64), (8, 3, 256, 256), (4, 3, 512, 512), (1, 3, 1080, 1920),
    (16, 3, 1024, 1024),
]  # fmt: skip
CALLS = 20
#: Games, sizes and batches whose steps are timed.
STEPS = [("r3gan", 64, 64), ("r3gan", 64, 512), ("r3gan", 32, 64), ("wgan-gp", 32, 64)]


def calls(run: Callable[[], object]) -> Callable[[], None]:
    """Some calls one after the other, and a wait for the last."""

    def several() -> None:
        for _ in range(CALLS):
            run()
        torch.cuda.synchronize()

    return several


def milliseconds(contenders: dict[str, Callable[[], object]], rounds: int = 9) -> dict[str, float]:
    """Median of each; contenders take turns."""
    for run in contenders.values():
        calls(run)()
    times = interleaved({name: calls(run) for name, run in contenders.items()}, rounds=rounds)
    return {name: statistics.median(t) / CALLS * 1e3 for name, t in times.items()}


def separable_convolution(x: Tensor, y: Tensor) -> Tensor:
    """SSIM as most projects write it: five maps, two grouped convolutions each."""
    channels = x.shape[1]
    offsets = torch.arange(11, device=x.device, dtype=x.dtype) - 5
    line = torch.exp(-0.5 * (offsets / 1.5) ** 2)
    line = (line / line.sum()).expand(channels, 1, -1)

    def mean(z: Tensor) -> Tensor:
        rows = nn.functional.conv2d(z, line[..., None], groups=channels)
        return nn.functional.conv2d(rows, line[..., None, :], groups=channels)

    c1, c2, mx, my = 0.01**2, 0.03**2, mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    index = (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return 1 - index.mean()


def ssim_contenders() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    contenders: dict[str, Any] = {
        "ours": gl.SSIM(data_range=1.0),
        "separable convolution": separable_convolution,
    }
    try:
        import pytorch_msssim

        contenders["pytorch-msssim"] = partial(pytorch_msssim.ssim, data_range=1.0)
    except ImportError:
        print("(without pytorch-msssim: it is not installed)")
    try:
        from fussim import fused_ssim

        contenders["fused-ssim (fussim)"] = partial(fused_ssim, padding="valid")
    except ImportError:
        print("(without fused-ssim: fussim is not installed)")
    return contenders


def ssim() -> None:
    print("\nSSIM, value and gradient by one image, ms; error of the gradient against float64")
    for shape in SSIM_SHAPES:
        x, y = (z.detach().to(DEVICE).requires_grad_(z.requires_grad) for z in images(*shape))
        exact_x = x.detach().double().requires_grad_(True)
        (exact,) = torch.autograd.grad(separable_convolution(exact_x, y.double()), exact_x)
        runs = {n: value_and_gradient(loss, x, y) for n, loss in ssim_contenders().items()}
        times = milliseconds(runs)
        print("x".join(map(str, shape)))
        for name, run in runs.items():
            run()
            assert x.grad is not None
            sign = torch.sign((x.grad * exact).sum())  # some give an index, not a loss
            error = float((sign * x.grad - exact).norm() / exact.norm())
            ratio = times[name] / times["ours"]
            print(f"  {name:<24} {times[name]:8.3f} ms  {ratio:6.2f}x  {error:.1e}")


def pairs() -> None:
    print("\npairs, both sides with gradients, ms in fp32 and on bf16 scores; relative error")
    for count in (64, 65536):
        scores = torch.randn(2, count, device=DEVICE)
        for name in ("ns", "hinge", "wgan", "lsgan", "r3gan"):
            pair = GAMES[name].pair if name in GAMES else gl.get(name)

            def run(dtype: torch.dtype, pair: Any = pair, scores: Tensor = scores) -> Tensor:
                real, fake = (s.to(dtype).requires_grad_(True) for s in scores)
                loss = pair.discriminator(real=real, fake=fake)
                (loss + pair.generator(fake=fake, real=real)).backward()
                return loss

            kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
            times = milliseconds({k: partial(run, dtype) for k, dtype in kinds.items()}, 5)
            exact = run(torch.float64).item()
            errors = {k: abs(run(d).item() - exact) / abs(exact) for k, d in kinds.items()}
            shown = "  ".join(f"{k} {times[k]:.3f} ms, {errors[k]:.0e}" for k in kinds)
            print(f"  {count:>6} scores  {name:<8} {shown}")


def penalties() -> None:
    print("\nD step with penalties at 64 px, batch 64: fp32, and bf16 with fp32 penalties")
    shape = (3, 64, 64)
    real, fake = torch.randn(2, BATCH, *shape, device=DEVICE).clamp(-1, 1)
    for names in (["r1", "r2"], ["gp"]):
        torch.manual_seed(0)
        d = reference_discriminator(shape).to(DEVICE)
        own = list(d.parameters())
        terms = [gl.PENALTIES[name]() for name in names]

        def run(half: bool, terms: Any = terms, d: nn.Module = d, own: Any = own) -> None:
            torch.manual_seed(1)
            with torch.autocast("cuda", torch.bfloat16, enabled=half):
                critic = gl.Critic(d)
                loss = gl.NonSaturating().discriminator(real=critic(real), fake=critic(fake))
                loss = loss + sum(term(critic, real=real, fake=fake) for term in terms)
            for parameter in own:
                parameter.grad = None
            loss.backward(inputs=own)

        times = milliseconds({"fp32": partial(run, False), "bf16": partial(run, True)}, 5)
        memory = {}
        for name, half in (("fp32", False), ("bf16", True)):
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            run(half)
            memory[name] = (torch.cuda.max_memory_allocated() - before) / 1e6
        shown = "  ".join(f"{n} {times[n]:.2f} ms, {memory[n]:.0f} MB" for n in times)
        print(f"  {'+'.join(names):<8} {shown}")


def engine(name: str, size: int, batch: int, precision: Precision) -> Engine:
    game, hardware, shape = GAMES[name], Hardware(DEVICE, precision), (3, size, size)
    torch.manual_seed(0)
    g, d = reference_generator(shape).to(DEVICE), reference_discriminator(shape).to(DEVICE)
    pixels = torch.randint(0, 256, (1024, *shape), dtype=torch.uint8)
    return Engine(
        generate(Rules(game).to(DEVICE), g, d, g.latent),
        {
            "d": game.optimisers.discriminator.build(d.parameters()),
            "g": game.optimisers.generator.build(g.parameters()),
        },
        batches=Batches(pixels, batch, seed=0, hardware=hardware, mirror=True),
        batch_size=batch,
        hardware=hardware,
        average=moving_average(g, batch, 10.0),
        averaged=g,
    )


def steps() -> None:
    print("\nsteps of the engine: real images a second, peak memory, waits in 20 steps")
    for name, size, batch in STEPS:
        for precision in ("32", "bf16", "16"):
            torch.cuda.reset_peak_memory_stats()
            playing = engine(name, size, batch, precision)
            for _ in range(5):
                playing.advance()
            milliseconds_each = milliseconds({"step": playing.advance}, 3)["step"]
            rate = batch * GAMES[name].critic_steps / milliseconds_each * 1e3
            memory = torch.cuda.max_memory_allocated() / 1e6
            print(
                f"  {name:<8} {size} px, batch {batch:<4} {precision:<5} {milliseconds_each:7.2f} "
                f"ms  {rate:9,.0f} images/s  {memory:6.0f} MB  waits: {waits(playing)}"
            )


def waits(playing: Engine, count: int = 20) -> str:
    """Calls in which the host waits for the device, as the profiler sees them."""
    torch.cuda.synchronize()
    with torch.profiler.profile(acc_events=True) as profiler:
        for _ in range(count):
            playing.advance()
    # The profiler itself waits for the device once, when it ends.
    found = {e.key: e.count - (e.key == "cudaDeviceSynchronize") for e in profiler.key_averages()}
    waiting = {k: n for k, n in found.items() if n and ("Synchronize" in k or "Memcpy DtoH" in k)}
    return ", ".join(f"{n} {k}" for k, n in waiting.items()) or "none"


def main(names: list[str]) -> None:
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}")
    parts = {"ssim": ssim, "pairs": pairs, "penalties": penalties, "steps": steps}
    for name in names or parts:
        parts[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
