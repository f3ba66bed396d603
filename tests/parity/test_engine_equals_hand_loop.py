"""The engine against a WGAN-GP loop written by hand: every weight equal, bit for bit."""

import torch
from torch import nn

from ganloss import GAMES
from ganloss._random import seed_of
from ganloss.engine.ema import moving_average
from ganloss.engine.loop import Engine
from ganloss.networks.generate import MLPDiscriminator, MLPGenerator
from ganloss.recipes.generate import generate

BATCH, LATENT, STEPS, CRITIC_STEPS = 8, 4, 20, 5
SHAPE = (1, 8, 8)


def make_networks() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return MLPGenerator(SHAPE, latent=LATENT, width=16), MLPDiscriminator(SHAPE, width=16)


def real_batch(k: int) -> torch.Tensor:
    return torch.rand(BATCH, 1, 8, 8, generator=torch.Generator().manual_seed(k)) * 2 - 1


def draw(stream: str, turn: int, *shape: int, normal: bool) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed_of(7, stream, turn))
    return (torch.randn if normal else torch.rand)(shape, generator=generator)


def train_with_engine(steps: int = STEPS) -> tuple[nn.Module, nn.Module, nn.Module]:
    g, d = make_networks()
    game = GAMES["wgan-gp"]
    average = moving_average(g, BATCH, 10.0)
    engine = Engine(
        generate(game, g, d, LATENT),
        {
            "d": game.optimisers.discriminator.build(d.parameters()),
            "g": game.optimisers.generator.build(g.parameters()),
        },
        batches=real_batch,
        batch_size=BATCH,
        seed=7,
        average=average,
        averaged=g,
    )
    for _ in range(steps):
        engine.advance()
    return g, d, average.module


def train_by_hand(*, fresh_batches: bool = True) -> tuple[nn.Module, nn.Module]:
    """Algorithm 1 of WGAN-GP in plain torch; latents and epsilon from the documented addresses."""
    g, d = make_networks()
    adam = {"lr": 1e-4, "betas": (0.0, 0.9), "fused": True}
    opt_g, opt_d = (
        torch.optim.Adam(g.parameters(), **adam),
        torch.optim.Adam(d.parameters(), **adam),
    )
    turn = 0
    for step in range(STEPS):
        for i in range(CRITIC_STEPS):
            real = real_batch(step * CRITIC_STEPS + (i if fresh_batches else 0))
            fake = g(draw("latent", turn, BATCH, LATENT, normal=True)).detach()
            loss = (-d(real)).mean() + d(fake).mean()
            epsilon = draw("epsilon", turn, BATCH, normal=False).view(BATCH, 1, 1, 1)
            mixed = torch.lerp(fake, real, epsilon).requires_grad_(True)
            (gradient,) = torch.autograd.grad(d(mixed).sum(), mixed, create_graph=True)
            penalty = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
            loss = loss + 10.0 * penalty
            opt_d.zero_grad()
            loss.backward()
            opt_d.step()
            turn += 1
        opt_g.zero_grad()
        (-d(g(draw("latent", turn, BATCH, LATENT, normal=True)))).mean().backward()
        opt_g.step()
        turn += 1
    return g, d


def assert_equal(a: nn.Module, b: nn.Module) -> None:
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert torch.equal(p, q)


def test_every_weight_is_bit_equal_after_20_generator_and_100_critic_updates() -> None:
    g, d, _ = train_with_engine()
    hand_g, hand_d = train_by_hand()
    assert_equal(g, hand_g)
    assert_equal(d, hand_d)


def test_control_a_loop_that_reuses_the_real_batch_differs() -> None:
    _, d, _ = train_with_engine()
    _, hand_d = train_by_hand(fresh_batches=False)
    assert any(
        not torch.equal(p, q) for p, q in zip(d.parameters(), hand_d.parameters(), strict=True)
    )


def test_the_moving_average_follows_its_recurrence() -> None:
    """Half-life min(10 kimg, 2 % of the images so far), copied on the first update."""
    g, _ = make_networks()
    average = moving_average(g, BATCH, 10.0)
    expected = [p.detach().clone() for p in g.parameters()]
    for update in range(1, 6):
        with torch.no_grad():
            for p in g.parameters():
                p.add_(0.1)
        average.update_parameters(g)
        keep = 0.0 if update == 1 else 0.5 ** (BATCH / ((update - 1) * BATCH * 0.02))
        expected = [
            keep * e + (1 - keep) * p.detach()
            for e, p in zip(expected, g.parameters(), strict=True)
        ]
    for e, p in zip(expected, average.module.parameters(), strict=True):
        torch.testing.assert_close(e, p)
