"""Micro-batches against the whole batch: the same weights in float64, whatever the game."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from ganloss import GAMES, DiffAugment, WeightedSum
from ganloss._random import Draws
from ganloss.engine.hardware import Hardware
from ganloss.engine.loop import Engine, StepRecord
from ganloss.engine.phase import Phase, Turn
from ganloss.networks.generate import MLPDiscriminator, MLPGenerator
from ganloss.objective import Losses
from ganloss.recipes.generate import generate

BATCH, LATENT, STEPS = 12, 4, 20
DOUBLE = Hardware(precision="64")


def real_batch(k: int) -> Tensor:
    generator = torch.Generator().manual_seed(k)
    return torch.rand(BATCH, 1, 8, 8, generator=generator, dtype=torch.float64) * 2 - 1


def engine_for(
    name: str, accumulate: int, augment: DiffAugment | None = None, every: int = 1
) -> tuple[Engine, list[Tensor]]:
    torch.manual_seed(0)
    g = MLPGenerator((1, 8, 8), latent=LATENT, width=16).double()
    d = MLPDiscriminator((1, 8, 8), width=16).double()
    game = GAMES[name].lazily(every) if every > 1 else GAMES[name]
    if game.constraint is not None:
        game.constraint.prepare(d)
    engine = Engine(
        generate(game, g, d, LATENT, augment=augment),
        {
            "d": game.optimisers.discriminator.build(d.parameters()),
            "g": game.optimisers.generator.build(g.parameters()),
        },
        batches=real_batch,
        batch_size=BATCH,
        hardware=DOUBLE,
        accumulate=accumulate,
    )
    weights = [*g.parameters(), *d.parameters(), *d.buffers()]
    return engine, weights


def train(name: str, accumulate: int, **options: object) -> tuple[list[StepRecord], list[Tensor]]:
    engine, weights = engine_for(name, accumulate, **options)  # type: ignore[arg-type]
    records = [engine.advance(measure=True) for _ in range(STEPS)]
    return records, [w.detach() for w in weights]


def worst(a: list[Tensor], b: list[Tensor]) -> float:
    """Largest difference of any weight, relative to the largest weight of its tensor."""
    return max(float((x - y).abs().max() / y.abs().max()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("accumulate", [2, 12])
@pytest.mark.parametrize("name", ["ns", "wgan", "wgan-gp", "hinge", "r3gan", "ns-r1"])
def test_micro_batches_train_as_the_whole_batch_does(name: str, accumulate: int) -> None:
    records, found = train(name, accumulate)
    expected_records, expected = train(name, 1)
    assert worst(found, expected) < 1e-8
    for record, wanted in zip(records, expected_records, strict=True):
        for player in ("d", "g"):
            a, b = record.losses[player], wanted.losses[player]
            assert a.terms.keys() == b.terms.keys()
            torch.testing.assert_close(a.total, b.total.detach(), rtol=1e-8, atol=1e-10)
            torch.testing.assert_close(dict(a.terms), dict(b.terms), rtol=1e-8, atol=1e-10)
            norm, other = record.gradient_norms[player], wanted.gradient_norms[player]
            torch.testing.assert_close(norm, other, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", ["r3gan", "wgan-gp"])
def test_micro_batches_keep_augmentation_and_lazy_penalties(name: str) -> None:
    _, found = train(name, 3, augment=DiffAugment(), every=4)
    _, expected = train(name, 1, augment=DiffAugment(), every=4)
    assert worst(found, expected) < 1e-8


def test_control_epsilon_that_does_not_belong_to_the_sample_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The usual mistake: each micro-batch draws its own epsilon."""
    from ganloss.penalties import gradient

    original: Callable[..., Tensor] = gradient.interpolates
    monkeypatch.setattr(gradient, "interpolates", lambda real, fake, _: original(real, fake, None))
    _, found = train("wgan-gp", 2)
    monkeypatch.undo()
    _, expected = train("wgan-gp", 1)
    assert worst(found, expected) > 1e-4


def test_control_power_iterations_that_advance_with_each_micro_batch_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Engine, "_buffers", lambda self: [])
    _, found = train("hinge", 12)
    monkeypatch.undo()
    _, expected = train("hinge", 1)
    assert worst(found, expected) > 1e-6


def test_control_adding_gradients_without_averaging_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def add(self: Engine, phase: object, turn: object) -> object:
        losses = phase.loss(turn)  # type: ignore[attr-defined]
        losses.total.backward(inputs=self._own[phase.name])  # type: ignore[attr-defined]
        return losses

    monkeypatch.setattr(Engine, "_backward", add)
    records, _ = train("ns", 2)
    monkeypatch.undo()
    expected, _ = train("ns", 1)
    norm, other = (r[0].gradient_norms["d"] for r in (records, expected))
    torch.testing.assert_close(norm, 2 * other)


def test_a_turn_is_cut_in_order_and_its_mean_is_that_of_the_batch() -> None:
    """A player whose loss is w times the mean of 0 to 5, so that its gradient is 2.5."""
    d = nn.Linear(1, 1, bias=False).double()
    nn.init.ones_(d.weight)
    seen: list[list[float]] = []

    def loss(turn: Turn) -> Losses:
        seen.append(turn.real.flatten().tolist())
        return WeightedSum(adv=1.0)(adv=d(turn.real).mean())

    engine = Engine(
        (Phase("d", d, loss),),
        {"d": torch.optim.SGD(d.parameters(), lr=1.0)},
        batches=lambda k: torch.arange(6.0, dtype=torch.float64)[:, None],
        batch_size=6,
        accumulate=3,
    )
    record = engine.advance(measure=True)
    assert seen == [[0, 1], [2, 3], [4, 5]]
    assert float(record.losses["d"].total) == 2.5  # mean of 0 to 5
    assert float(record.gradient_norms["d"]) == 2.5
    assert d.weight.item() == 1 - 2.5


def test_everything_that_belongs_to_a_sample_is_cut_with_it() -> None:
    @dataclass(frozen=True)
    class Labelled(Turn):
        labels: Tensor | None = None
        names: Tensor | None = None

    whole = Labelled(3, torch.arange(6.0), Draws(0, 1, rows=12, first=6), torch.arange(6) * 10)
    part = whole.part(2, 2)
    assert (part.step, part.names, part.draws.first) == (3, None, 8)
    assert part.real.tolist() == [2, 3]
    assert part.labels is not None
    assert part.labels.tolist() == [20, 30]
