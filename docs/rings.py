"""The games of the gallery on eight Gaussians: who plays, and how it is trained."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganloss import (
    DRAGAN,
    GAMES,
    R1,
    BoundaryEquilibrium,
    BoundarySeeking,
    Consistency,
    DualContrastive,
    EnergyBased,
    FDivergence,
    Game,
    GANLoss,
    GradientPenalty,
    Hinge,
    LatentConsistency,
    LeastSquares,
    LeCam,
    MaxGradientPenalty,
    MaximumMeanDiscrepancy,
    Minimax,
    ModeSeeking,
    NonSaturating,
    Orthogonal,
    PathLength,
    Realness,
    Relativistic,
    RelativisticAverage,
    SoftmaxGAN,
    Sphere,
    Wasserstein,
    Weighted,
    WGANDiv,
)
from ganloss.constraints import SpectralNorm
from ganloss.data.batches import Batches
from ganloss.data.points import PointSet, ring
from ganloss.engine.hardware import Hardware
from ganloss.engine.loop import Engine
from ganloss.engine.rates import RateSchedule
from ganloss.games import AnyPenalty
from ganloss.metrics.synthetic import modes_of_points
from ganloss.networks.generate import reference_discriminator, reference_generator
from ganloss.optimisers import Adam
from ganloss.outputs import EnergyOutput, FeatureOutput
from ganloss.recipes._rules import Rules
from ganloss.recipes.generate import generate

STEPS, BATCH, FRAMES, POINTS = 4000, 256, 24, 500
ADAM = Adam(2e-3, (0.0, 0.99))
GAMMA = 0.05
SIDE, REACH = 48, 3.0


def quarter_turn(points: Tensor) -> Tensor:
    """Turn points about the middle by 90 degrees, which takes the ring to itself."""
    return torch.stack([-points[:, 1], points[:, 0]], 1)


@dataclass(frozen=True)
class Ring:
    """A game of the gallery.

    Args:
        words: what plays, in a few words.
        game: the game; its optimisers are left aside, so that all rings differ by the game alone.
    """

    words: str
    game: Game


def _r1(pair: GANLoss) -> Ring:
    game = Game(pair, {"r1": Weighted(R1(), GAMMA)})
    return Ring(f"with R1, γ = {GAMMA:g}", game)


def _with(base: str, penalty: AnyPenalty, weight: float) -> Ring:
    old = RINGS[base].game
    game = replace(old, penalties={**old.penalties, "this": Weighted(penalty, weight)})
    return Ring(f"with it, weight {weight:g}", game)


_MMD, _KL = MaximumMeanDiscrepancy("gaussian"), FDivergence("kl")
RINGS: dict[str, Ring] = {
    "minimax": Ring("alone", Game(Minimax())),
    "minimax-r1": _r1(Minimax()),
    "ns": Ring("alone", Game(NonSaturating())),
    "ns-r1": _r1(NonSaturating()),
    "wgan": Ring("alone: nothing holds the critic", Game(Wasserstein())),
    "wgan-gp": Ring(
        "with the gradient penalty, λ = 0.1",
        Game(Wasserstein(), {"gp": Weighted(GradientPenalty(), 0.1)}),
    ),
    "lsgan": Ring("alone", Game(LeastSquares())),
    "lsgan-r1": _r1(LeastSquares()),
    "hinge": Ring("alone", Game(Hinge())),
    "hinge-sn": Ring("with spectral norm", Game(Hinge(), constraint=SpectralNorm())),
    "rgan": Ring("over NonSaturating, alone", Game(Relativistic(NonSaturating()))),
    "r3gan": Ring(f"with R1 and R2, γ = {GAMMA:g}", GAMES["r3gan"].with_gamma(GAMMA)),
    "ragan": Ring("over NonSaturating, alone", Game(RelativisticAverage(NonSaturating()))),
    "ragan-r1": _r1(RelativisticAverage(NonSaturating())),
    "fgan-kl": Ring("Kullback-Leibler, alone", Game(_KL)),
    "fgan-kl-r1": _r1(_KL),
    "dual-contrastive": Ring("alone", Game(DualContrastive())),
    "softmax": Ring("alone", Game(SoftmaxGAN())),
    "bgan": Ring("alone", Game(BoundarySeeking())),
    "mmd": Ring("alone, 16 features", Game(_MMD, output=FeatureOutput(16))),
    "sphere": Ring("alone, 64 features", Game(Sphere(), output=FeatureOutput(64))),
    "realness": Ring("alone, 20 outcomes", Game(Realness(), output=FeatureOutput(20))),
    "ebgan": Ring(
        "margin 1, alone", Game(EnergyBased(margin=1.0), output=EnergyOutput("euclidean"))
    ),
    "began": Ring(
        "with its balance k", Game(BoundaryEquilibrium(), output=EnergyOutput("absolute"))
    ),
}
RINGS |= {
    "ns-dragan": _with("ns", DRAGAN(), 10.0),
    "wgan-max-gp": _with("wgan", MaxGradientPenalty(), 1.0),
    "wgan-div": _with("wgan", WGANDiv(), 2.0),
    "hinge-lecam": _with("hinge", LeCam(), 0.3),
    "hinge-consistency": _with("hinge", Consistency(quarter_turn), 10.0),
    "ns-orthogonal": _with("ns", Orthogonal(), 1e-2),
    "ns-r1-path-length": _with("ns-r1", PathLength(), 2.0),
    "ns-mode-seeking": _with("ns", ModeSeeking(), 1.0),
    "ns-latent-consistency": _with("ns", LatentConsistency(), -0.5),
}


@dataclass(frozen=True)
class Film:
    """What is kept of a ring.

    Args:
        steps: when each frame was taken.
        frames: samples of the same latents, ``(F, N, 2)``.
        scores: what the discriminator gives on a square of side 2 REACH, or None for features.
        facts: numbers of the last frame.
    """

    steps: list[int]
    frames: Tensor
    scores: Tensor | None
    facts: dict[str, float]


def moments() -> list[int]:
    """Steps of the frames: close at the start, where most happens."""
    return [round(STEPS * (i / (FRAMES - 1)) ** 1.5) for i in range(FRAMES)]


def train(game: Game) -> Film:
    """Train a game on the ring; the same networks, data, latents and optimisers for each."""
    data, rules = ring(), Rules(game)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        g, d = reference_generator((2,)), reference_discriminator((2,), output=game.output)
        if game.constraint is not None:
            game.constraint.prepare(d)
    engine = Engine(
        generate(rules, g, d, g.latent),
        {"d": ADAM.build(d.parameters()), "g": ADAM.build(g.parameters())},
        batches=Batches(data.points, BATCH, seed=0, hardware=Hardware(), mirror=False),
        batch_size=BATCH,
        schedule=RateSchedule("cosine", total=STEPS),
    )
    z = torch.randn(2000, g.latent, generator=torch.Generator().manual_seed(1))
    frames = []
    for moment in moments():
        while engine.step < moment:
            engine.advance()
        with torch.no_grad():
            frames.append(g(z))
    scores = None if isinstance(game.output, FeatureOutput) else _landscape(d)
    shown = torch.stack(frames)[:, :POINTS]
    return Film(moments(), shown, scores, _facts(frames[-1], data, d, game))


def _landscape(d: torch.nn.Module) -> Tensor:
    line = torch.linspace(-REACH, REACH, SIDE)
    y, x = torch.meshgrid(line.flip(0), line, indexing="ij")
    with torch.no_grad():
        return d(torch.stack([x, y], -1).reshape(-1, 2)).reshape(SIDE, SIDE)


def _facts(samples: Tensor, data: PointSet, d: torch.nn.Module, game: Game) -> dict[str, float]:
    found = modes_of_points(samples, data.modes, data.spread)
    facts: dict[str, float] = {
        "covered": found.covered, "good": found.good, "reverse_kl": found.reverse_kl,
        "near": _near(samples, data),
    }  # fmt: skip
    if not isinstance(game.output, FeatureOutput):
        points = data.points[:2000].clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(d(points).sum(), points)
        facts["slope"] = slope.norm(dim=1).mean().item()
    return {name: value if math.isfinite(value) else -1.0 for name, value in facts.items()}


def _near(samples: Tensor, data: PointSet) -> float:
    """Share of the samples within ten spreads of a mode."""
    nearest = torch.cdist(samples, data.modes).amin(1)
    return (nearest <= 10 * data.spread).float().mean().item()
