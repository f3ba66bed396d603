"""WGAN-GP and R1+R2 steps: the engine and our penalties against hand-written loops."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks._timing import Row, compare, interleaved, two_threads
from ganloss import GAMES, R1, R2, Critic, NonSaturating, Relativistic
from ganloss.engine.ema import moving_average
from ganloss.engine.loop import Engine
from ganloss.networks.generate import Generator, reference_discriminator, reference_generator
from ganloss.recipes.generate import generate

BATCH = 64


def _networks(size: int, channels: int) -> tuple[Generator, nn.Module]:
    torch.manual_seed(0)
    shape = (channels, size, size)
    return reference_generator(shape), reference_discriminator(shape)


def _real(size: int, channels: int, batch: int) -> Tensor:
    return torch.randn(batch, channels, size, size).clamp(-1, 1)


def engine_step(size: int, channels: int, batch: int = BATCH) -> Callable[[], object]:
    """A step of the engine: 5 updates of D, 1 of G, moving average."""
    g, d = _networks(size, channels)
    game, real = GAMES["wgan-gp"], _real(size, channels, batch)
    engine = Engine(
        generate(game, g, d, g.latent),
        {
            "d": game.optimisers.discriminator.build(d.parameters()),
            "g": game.optimisers.generator.build(g.parameters()),
        },
        batches=lambda k: real,
        batch_size=batch,
        average=moving_average(g, batch, 10.0),
        averaged=g,
    )
    return engine.advance


def best_hand_step(size: int, channels: int, batch: int = BATCH) -> Callable[[], object]:
    """The best loop by hand: fakes without a graph, D frozen for G, foreach Adam, EMA."""
    g, d = _networks(size, channels)
    real = _real(size, channels, batch)
    opt_g = torch.optim.Adam(g.parameters(), 1e-4, (0.0, 0.9), foreach=True)
    opt_d = torch.optim.Adam(d.parameters(), 1e-4, (0.0, 0.9), foreach=True)
    average = moving_average(g, batch, 10.0)

    def step() -> None:
        d.requires_grad_(True)
        for _ in range(5):
            with torch.no_grad():
                fake = g(torch.randn(batch, g.latent))
            mixed = torch.lerp(fake, real, torch.rand(batch, 1, 1, 1)).requires_grad_(True)
            (gradient,) = torch.autograd.grad(d(mixed).sum(), mixed, create_graph=True)
            penalty = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
            loss = d(fake).mean() - d(real).mean() + 10 * penalty
            opt_d.zero_grad(set_to_none=True)
            loss.backward()
            opt_d.step()
        d.requires_grad_(False)
        loss = -d(g(torch.randn(batch, g.latent))).mean()
        opt_g.zero_grad(set_to_none=True)
        loss.backward()
        opt_g.step()
        average.update_parameters(g)

    return step


def article_step(size: int, channels: int, batch: int = BATCH) -> Callable[[], object]:
    """The loop as tutorials print it: a generator graph in every critic step, nothing frozen."""
    g, d = _networks(size, channels)
    real = _real(size, channels, batch)
    opt_g = torch.optim.Adam(g.parameters(), 1e-4, (0.0, 0.9), foreach=False)
    opt_d = torch.optim.Adam(d.parameters(), 1e-4, (0.0, 0.9), foreach=False)

    def penalty(fake: Tensor) -> Tensor:
        epsilon = torch.rand(batch, 1, 1, 1, requires_grad=True)
        mixed = real * epsilon + fake * (1 - epsilon)
        scores = d(mixed)
        gradient = torch.autograd.grad(
            scores, mixed, torch.ones_like(scores), create_graph=True, retain_graph=True
        )[0]
        return torch.mean((gradient.view(len(gradient), -1).norm(2, dim=1) - 1) ** 2)

    def step() -> None:
        history = 0.0
        for _ in range(5):
            opt_d.zero_grad()
            fake = g(torch.rand(batch, g.latent))
            fake_scores, real_scores = d(fake.detach()), d(real)
            loss = fake_scores.mean() - real_scores.mean() + 10 * penalty(fake)
            history += loss.item() / 5
            loss.backward(retain_graph=True)
            opt_d.step()
        opt_g.zero_grad()
        (-d(g(torch.rand(batch, g.latent))).mean()).backward()
        opt_g.step()

    return step


def wgan_gp_rows(rounds: int = 15, batch: int = BATCH) -> list[Row]:
    nets = (32, 3, batch)
    times = interleaved(
        {
            "ours": engine_step(*nets),
            "best loop by hand": best_hand_step(*nets),
            "tutorial loop": article_step(*nets),
        },
        rounds=rounds,
    )
    what = f"WGAN-GP step, 32 px conv nets, batch {batch}"
    return [
        compare(what, times, "ours", "best loop by hand", 1.03, at_most=True),
        compare(what, times, "ours", "tutorial loop", 0.90, at_most=True),
    ]


def digits_row(rounds: int = 80) -> Row:
    """Absolute overhead per step on the digits MLPs, expressed as a ratio to 150 microseconds."""
    times = interleaved(
        {"ours": engine_step(8, 1), "best loop by hand": best_hand_step(8, 1)}, rounds=rounds,
        repeats=5,
    )  # fmt: skip
    row = compare(
        "WGAN-GP step, digits MLPs", times, "ours", "best loop by hand", 1.0, at_most=True
    )
    differences = sorted(
        m - t for m, t in zip(times["ours"], times["best loop by hand"], strict=True)
    )
    overhead = differences[len(differences) // 2]
    spread = (differences[3 * len(differences) // 4] - differences[len(differences) // 4]) / 150e-6
    return Row(
        f"  overhead {overhead * 1e6:+.0f} µs, as a share of 150 µs",
        row.ours,
        row.other,
        row.theirs,
        overhead / 150e-6,
        spread,
        1.0,
        at_most=True,
    )


def penalty_rows(rounds: int = 15, batch: int = BATCH) -> list[Row]:
    """D step with R1+R2 on 32 px conv nets: ours, fused by hand, and penalties that run D again."""
    _, d = _networks(32, 3)
    real, fake = _real(32, 3, batch), _real(32, 3, batch)
    pair, r1, r2 = Relativistic(NonSaturating()), R1(), R2()
    parameters = list(d.parameters())

    def ours() -> None:
        d.zero_grad(set_to_none=True)
        critic = Critic(d)
        loss = pair.discriminator(real=critic(real), fake=critic(fake))
        (loss + r1(critic, real=real) + r2(critic, fake=fake)).backward(inputs=parameters)

    def by_hand() -> None:
        d.zero_grad(set_to_none=True)
        x, y = real.detach().requires_grad_(True), fake.detach().requires_grad_(True)
        a, b = d(x), d(y)
        (gx,) = torch.autograd.grad(a.sum(), x, create_graph=True)
        (gy,) = torch.autograd.grad(b.sum(), y, create_graph=True)
        adversarial = nn.functional.softplus(b - a).mean()
        squares = gx.square().sum((1, 2, 3)) + gy.square().sum((1, 2, 3))
        (adversarial + 0.5 * squares.mean()).backward()

    def again() -> None:
        d.zero_grad(set_to_none=True)
        loss = pair.discriminator(real=d(real), fake=d(fake))
        (loss + r1(d, real=real) + r2(d, fake=fake)).backward()

    times = interleaved({"ours": ours, "by hand": by_hand, "D run again": again}, rounds=rounds)
    what = f"D step with R1+R2, 32 px conv nets, batch {batch}"
    return [
        compare(what, times, "ours", "by hand", 1.05, at_most=True),
        compare(what, times, "ours", "D run again", 0.78, at_most=True),
    ]


def pair_call() -> tuple[Callable[[], object], Callable[[], object]]:
    """A pair's call on 64 scores, and the bare formula."""
    real, fake = torch.randn(64), torch.randn(64)
    pair, softplus = NonSaturating(), nn.functional.softplus
    return (
        lambda: pair.discriminator(real=real, fake=fake),
        lambda: softplus(-real).mean() + softplus(fake).mean(),
    )


def call_row(rounds: int = 300) -> Row:
    """A pair's call on 64 scores against the bare formula: overhead as a share of 20 µs."""
    ours, bare = pair_call()
    times = interleaved({"ours": ours, "bare formula": bare}, rounds=rounds, repeats=20)
    row = compare("a pair's call", times, "ours", "bare formula", 1.0, at_most=True)
    overhead = row.ours - row.theirs
    return Row(
        f"a pair's call: {overhead * 1e6:+.1f} µs, share of 20 µs",
        row.ours,
        row.other,
        row.theirs,
        overhead / 20e-6,
        row.spread,
        1.0,
        at_most=True,
    )


def rows() -> list[Row]:
    two_threads()
    return [*wgan_gp_rows(), digits_row(), *penalty_rows(), call_row()]


if __name__ == "__main__":
    for row in rows():
        print(row)
