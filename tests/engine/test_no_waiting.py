"""A step never asks the device for a value: it would stand still until the device has caught up."""

import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ganloss import GAMES, DiffAugment, ImagePool, NonSaturating
from ganloss.data.batches import Batches
from ganloss.data.demo import digits
from ganloss.engine.ema import moving_average
from ganloss.engine.hardware import Hardware, Precision
from ganloss.engine.loop import Engine
from ganloss.networks.generate import reference_discriminator, reference_generator
from ganloss.recipes._rules import Rules
from ganloss.recipes.generate import generate

BATCH, SHAPE = 16, (1, 8, 8)
#: Operations whose result, or the size of it, only the device knows.
WAITING = {
    "aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal",
    "aten::is_nonzero", "aten::_unique2", "aten::unique_dim", "aten::repeat_interleave",
}  # fmt: skip
#: With penalties, power iterations, controllers, a batch statistic, and penalties of G.
TRIED = ["r3gan", "wgan-gp", "hinge", "began", "lecam", "mmd-gan", "stylegan2"]
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


class Asking(TorchDispatchMode):
    """Collects what would wait for a device; what comes of a number kept on the CPU is free."""

    def __init__(self, kept_on_the_cpu: Tensor) -> None:
        super().__init__()
        self.kept = [kept_on_the_cpu]
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.name().split(".")[0]
        masks = name == "aten::index" and any(
            i is not None and i.dtype == torch.bool for i in args[1]
        )
        free = bool(args) and any(args[0] is number for number in self.kept)
        if masks or (name in WAITING and not free):
            self.found.append(name)
        result = func(*args, **(kwargs or {}))
        if free and isinstance(result, Tensor):
            self.kept.append(result)
        return result


@contextmanager
def asked(device: str, kept: Tensor) -> Generator[list[str]]:
    """What is asked for in the block; on a GPU torch itself raises."""
    if device == "cpu":
        with Asking(kept) as mode:
            yield mode.found
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype")
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield []
    finally:
        torch.cuda.set_sync_debug_mode("default")


def engine_for(
    name: str, precision: Precision, device: str, loss: Callable[..., Any] | None = None
) -> tuple[Engine, Tensor]:
    game, hardware = GAMES[name], Hardware(torch.device(device), precision)
    torch.manual_seed(0)
    g = reference_generator(SHAPE).to(device)
    d = reference_discriminator(SHAPE, output=game.output).to(device)
    if game.constraint is not None:
        game.constraint.prepare(d)
    average, rules = moving_average(g, BATCH, 10.0), Rules(game).to(device)
    d_phase, g_phase = generate(rules, g, d, 32, augment=DiffAugment())
    engine = Engine(
        (d_phase if loss is None else replace(d_phase, loss=loss(d_phase)), g_phase),
        {
            "d": game.optimisers.discriminator.build(d.parameters()),
            "g": game.optimisers.generator.build(g.parameters()),
        },
        batches=Batches(digits().train_images, BATCH, seed=3, hardware=hardware, mirror=True),
        batch_size=BATCH,
        hardware=hardware,
        average=average,
        averaged=g,
        clip_norm=1.0,
    )
    return engine, average.n_averaged


#: Under fp16 torch asks whether RMSprop, which is not fused, may make its step.
ASKS = {("mmd-gan", "16")}
CASES = [(n, p) for n in TRIED for p in ("32", "bf16", "16") if (n, p) not in ASKS]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("name", "precision"), CASES)
def test_a_step_asks_the_device_for_nothing(name: str, precision: Precision, device: str) -> None:
    engine, kept = engine_for(name, precision, device)
    engine.advance(measure=True)
    with asked(device, kept) as found:
        engine.advance(measure=True)
    assert found == []


def test_a_pool_of_images_asks_for_nothing() -> None:
    pool, images = ImagePool(4), torch.randn(4, 1, 8, 8)
    pool(images)
    with asked("cpu", torch.zeros(())) as found:
        pool(images)
    assert found == []


def with_item(phase: Any) -> Callable[..., Any]:
    def loss(turn: Any) -> Any:
        losses = phase.loss(turn)
        losses.total.item()
        return losses

    return loss


def with_branch(phase: Any) -> Callable[..., Any]:
    def loss(turn: Any) -> Any:
        losses = phase.loss(turn)
        return losses if losses.total > -1e9 else phase.loss(turn)

    return loss


def with_mask(phase: Any) -> Callable[..., Any]:
    def loss(turn: Any) -> Any:
        kept = turn.real.flatten(1).mean(1)
        kept[kept > 0].sum()
        return phase.loss(turn)

    return loss


@pytest.mark.parametrize("spoil", [with_item, with_branch, with_mask])
def test_control_a_loss_that_asks_is_caught(spoil: Callable[..., Any]) -> None:
    engine, kept = engine_for("ns", "32", "cpu", spoil)
    with asked("cpu", kept) as found:
        engine.advance()
    assert found


def test_control_clipping_that_looks_at_the_norm_is_caught() -> None:
    layer = nn.Linear(2, 1)
    NonSaturating().generator(fake=layer(torch.ones(3, 2))).backward()
    with asked("cpu", torch.zeros(())) as found:
        nn.utils.clip_grad_norm_(layer.parameters(), 1.0, error_if_nonfinite=True)
    assert found != []
