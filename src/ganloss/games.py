"""Games: pair, penalties, constraint, critic steps and optimisers as published, in one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, final

from ganloss._lazy import suggest
from ganloss._settings import check_settings
from ganloss.augment import DiffAugment
from ganloss.constraints import ClipWeights, Constraint, SpectralNorm
from ganloss.losses import (
    BoundaryEquilibrium,
    BoundarySeeking,
    DualContrastive,
    EnergyBased,
    FDivergence,
    GANLoss,
    Hinge,
    LeastSquares,
    MaximumMeanDiscrepancy,
    Minimax,
    NonSaturating,
    PullingAway,
    Realness,
    Relativistic,
    RelativisticAverage,
    SoftmaxGAN,
    Sphere,
    Wasserstein,
)
from ganloss.objective import Every, Weight, WeightedSum, checked_weight, every
from ganloss.optimisers import Adam, Optimisers, RMSprop
from ganloss.outputs import EnergyOutput, FeatureOutput, Output, ScoreOutput
from ganloss.penalties import (
    DRAGAN,
    GENERATOR_PENALTIES,
    PENALTIES,
    R1,
    R2,
    Consistency,
    GeneratorPenalty,
    GradientPenalty,
    LeCam,
    PathLength,
    Penalty,
    WGANDiv,
)

#: Of the discriminator's objective, or of the generator's.
AnyPenalty: TypeAlias = Penalty | GeneratorPenalty | PullingAway


@final
@dataclass(frozen=True)
class Weighted:
    """A penalty with its weight, in the paper's convention.

    Args:
        penalty: of either player.
        weight: a number or a schedule.

    Raises:
        TypeError: ``weight`` is neither a number nor a schedule.
        ValueError: ``weight`` is not finite.

    >>> Weighted(R1(), 10.0)
    Weighted(penalty=R1(), weight=10.0)
    >>> Weighted(R1(), 10.0).of_generator, Weighted(PathLength(), 2.0).of_generator
    (False, True)
    """

    penalty: AnyPenalty
    weight: Weight

    def __post_init__(self) -> None:
        name = type(self.penalty).__name__
        object.__setattr__(self, "weight", checked_weight(self.weight, name))

    @property
    def of_generator(self) -> bool:
        """Whether it belongs to the generator's objective."""
        return not isinstance(self.penalty, Penalty)


@final
@dataclass(frozen=True)
class Game:
    """Everything a paper means by the name of its GAN loss.

    Pair, penalties and constraint travel together, so ``wgan-gp`` cannot lose its penalty.

    Args:
        pair: the two players' losses.
        penalties: penalties of either player by name, with their weights.
        constraint: a hard constraint of the discriminator, or None.
        critic_steps: updates of the discriminator for each update of the generator, each on a
            fresh batch of real samples.
        optimisers: settings of both players' optimisers.
        output: what the discriminator gives for each sample.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``critic_steps`` is below 1.

    >>> from ganloss import GAMES
    >>> GAMES["wgan-gp"].critic_steps
    5
    >>> GAMES["wgan-gp"].discriminator_objective()
    WeightedSum(adv=1.0, gp=10.0)
    """

    pair: GANLoss
    penalties: Mapping[str, Weighted] = field(default_factory=dict[str, Weighted])
    constraint: Constraint | None = None
    critic_steps: int = 1
    optimisers: Optimisers = field(default_factory=Optimisers)
    output: Output = field(default_factory=ScoreOutput)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.critic_steps < 1:
            raise ValueError(f"critic_steps is {self.critic_steps}; at least 1 is needed")

    def discriminator_objective(self) -> WeightedSum:
        """The declared sum the discriminator minimises."""
        return WeightedSum(adv=1.0, **self._weights(of_generator=False))

    def generator_objective(self) -> WeightedSum:
        """The declared sum the generator minimises.

        >>> from ganloss import GAMES
        >>> GAMES["stylegan2"].generator_objective()
        WeightedSum(adv=1.0, path-length=every(4, 2.0))
        """
        return WeightedSum(adv=1.0, **self._weights(of_generator=True))

    def _weights(self, *, of_generator: bool) -> dict[str, Weight]:
        items = self.penalties.items()
        return {name: w.weight for name, w in items if w.of_generator == of_generator}

    @property
    def needs_images(self) -> bool:
        """Whether it augments samples, which points in the plane cannot be.

        >>> from ganloss import GAMES
        >>> GAMES["cr-gan"].needs_images, GAMES["hinge"].needs_images
        (True, False)
        """
        penalties = (w.penalty for w in self.penalties.values())
        return any(isinstance(p, Consistency) and isinstance(p.augment, DiffAugment)
                   for p in penalties)  # fmt: skip

    @property
    def has_state(self) -> bool:
        """Whether the pair or a penalty has a state that training moves.

        >>> from ganloss import GAMES
        >>> GAMES["began"].has_state, GAMES["hinge"].has_state
        (True, False)
        """
        parts = (self.pair, *(w.penalty for w in self.penalties.values()))
        return any(part.controller() is not None for part in parts)

    def with_penalty(self, name: str, weight: float) -> "Game":
        """Give the same game with this penalty added or re-weighted; weight 0 removes it.

        A penalty that the game computes now and then only stays as rare.

        Raises:
            KeyError: no penalty of that name.
            ValueError: the penalty must be given arguments.

        >>> from ganloss import GAMES
        >>> GAMES["ns"].with_penalty("r1", 10.0).penalties
        {'r1': Weighted(penalty=R1(), weight=10.0)}
        >>> GAMES["stylegan2"].with_penalty("r1", 5.0).penalties["r1"].weight
        every(16, 5.0)
        """
        old = self.penalties.get(name)
        penalty, before = (old.penalty, old.weight) if old else (_usual(name), None)
        rest = {key: value for key, value in self.penalties.items() if key != name}
        if not weight:
            return replace(self, penalties=rest)
        lazy = every(before.interval, weight) if isinstance(before, Every) else weight
        new = Weighted(penalty, lazy)
        return replace(self, penalties=rest | {name: new})

    def with_gamma(self, gamma: float) -> "Game":
        """Give the same game with this weight for R1 and R2.

        Raises:
            ValueError: the game has neither.

        >>> from ganloss import GAMES
        >>> GAMES["r3gan"].with_gamma(0.5).discriminator_objective()
        WeightedSum(adv=1.0, r1=0.5, r2=0.5)
        """
        names = [name for name in ("r1", "r2") if name in self.penalties]
        if not names:
            raise ValueError("gamma weighs R1 and R2, and this game has neither; add penalty r1")
        game = self
        for name in names:
            game = game.with_penalty(name, gamma)
        return game

    def lazily(self, interval: int) -> "Game":
        """Give the same game with its penalties computed every ``interval`` steps.

        >>> from ganloss import GAMES
        >>> GAMES["ns-r1"].lazily(16).penalties["r1"].weight
        every(16, 10.0)
        """
        lazy = {
            name: Weighted(w.penalty, every(interval, _number(name, w.weight)))
            for name, w in self.penalties.items()
        }
        return replace(self, penalties=lazy)


def _usual(name: str) -> AnyPenalty:
    known = {**PENALTIES.public_names_by_entry(), **GENERATOR_PENALTIES.public_names_by_entry()}
    if name not in known:
        raise KeyError(f"no penalty {name!r}{suggest(name, known)}")
    cls = PENALTIES[name] if name in PENALTIES else GENERATOR_PENALTIES[name]
    try:
        return cls()
    except TypeError as error:
        raise ValueError(
            f"penalty {name!r} must be given arguments, so it has no usual form; put it into the "
            f"penalties of a Game in Python, as a Weighted({cls.__name__}(...), weight)"
        ) from error


def _number(name: str, weight: Weight) -> float:
    if isinstance(weight, (int, float)):
        return weight
    if isinstance(weight, Every):
        return weight.weight
    raise ValueError(f"the weight of {name} is a schedule already: {weight!r}")


_DCGAN = Optimisers.both(Adam(2e-4, (0.5, 0.999)))
_WGAN = Optimisers.both(RMSprop(5e-5))
_SAGAN = Optimisers(generator=Adam(1e-4, (0.0, 0.9)), discriminator=Adam(4e-4, (0.0, 0.9)))
_SHIFT = DiffAugment(("translation",))

#: Published games by name. Sources: minimax and ns, Goodfellow et al. 2014 with DCGAN's optimiser
#: (Radford et al. 2016), which those without one below have as well; lsgan, Mao et al. 2017; wgan,
#: Arjovsky et al. 2017, algorithm 1; wgan-gp, Gulrajani et al. 2017, algorithm 1; wgan-lp, Petzka
#: et al. 2018; hinge, Zhang et al. 2019 (SAGAN: spectral norm, two learning rates); ns-r1,
#: Mescheder et al. 2018; r3gan, Huang et al. 2024; dragan, Kodali et al. 2017; wgan-div, Wu et al.
#: 2018 (k and p; steps and optimiser as wgan-gp); rgan, ragan, ralsgan (here half as large, which
#: Adam does not see) and rahinge, Jolicoeur-Martineau 2019; fgan-*, Nowozin et al. 2016;
#: softmax-gan, Lin 2017; bgan, Hjelm et al. 2018; dual-contrastive, Yu et al. 2021, with
#: StyleGAN2's R1; stylegan2, Karras et al. 2020; lecam, Tseng et al. 2021, cr-gan, Zhang et al.
#: 2020, and bcr-gan, Zhao et al. 2021, on hinge; ebgan, Zhao et al. 2017; began, Berthelot et al.
#: 2017; mmd-gan, Li et al. 2017, without their autoencoder; sphere, Park & Kwon 2019; realness,
#: Xiangli et al. 2020.
_GAMES: dict[str, Game] = {
    "minimax": Game(Minimax(), optimisers=_DCGAN),
    "ns": Game(NonSaturating(), optimisers=_DCGAN),
    "lsgan": Game(LeastSquares(), optimisers=_DCGAN),
    "wgan": Game(Wasserstein(), constraint=ClipWeights(0.01), critic_steps=5, optimisers=_WGAN),
    "wgan-gp": Game(
        Wasserstein(),
        penalties={"gp": Weighted(GradientPenalty(), 10.0)},
        critic_steps=5,
        optimisers=Optimisers.both(Adam(1e-4, (0.0, 0.9))),
    ),
    "wgan-lp": Game(
        Wasserstein(),
        penalties={"gp": Weighted(GradientPenalty(one_sided=True), 10.0)},
        critic_steps=5,
        optimisers=Optimisers.both(Adam(1e-4, (0.0, 0.9))),
    ),
    "wgan-div": Game(
        Wasserstein(),
        penalties={"wgan-div": Weighted(WGANDiv(), 2.0)},
        critic_steps=5,
        optimisers=Optimisers.both(Adam(1e-4, (0.0, 0.9))),
    ),
    "hinge": Game(Hinge(), constraint=SpectralNorm(), optimisers=_SAGAN),
    "ns-r1": Game(
        NonSaturating(),
        penalties={"r1": Weighted(R1(), 10.0)},
        optimisers=Optimisers.both(RMSprop(1e-4)),
    ),
    "dragan": Game(
        NonSaturating(), penalties={"dragan": Weighted(DRAGAN(), 10.0)}, optimisers=_DCGAN
    ),
    "rgan": Game(Relativistic(NonSaturating()), optimisers=_DCGAN),
    "ragan": Game(RelativisticAverage(NonSaturating()), optimisers=_DCGAN),
    "ralsgan": Game(RelativisticAverage(LeastSquares(-1.0, 1.0)), optimisers=_DCGAN),
    "rahinge": Game(RelativisticAverage(Hinge()), optimisers=_DCGAN),
    "r3gan": Game(
        Relativistic(NonSaturating()),
        penalties={"r1": Weighted(R1(), 1.0), "r2": Weighted(R2(), 1.0)},
        optimisers=Optimisers.both(Adam(2e-4, (0.0, 0.99))),
    ),
    "fgan-kl": Game(FDivergence("kl"), optimisers=_DCGAN),
    "fgan-reverse-kl": Game(FDivergence("reverse-kl"), optimisers=_DCGAN),
    "fgan-js": Game(FDivergence("js"), optimisers=_DCGAN),
    "fgan-gan": Game(FDivergence("gan"), optimisers=_DCGAN),
    "fgan-pearson": Game(FDivergence("pearson"), optimisers=_DCGAN),
    "fgan-squared-hellinger": Game(FDivergence("squared-hellinger"), optimisers=_DCGAN),
    "fgan-total-variation": Game(FDivergence("total-variation"), optimisers=_DCGAN),
    "dual-contrastive": Game(
        DualContrastive(), penalties={"r1": Weighted(R1(), 10.0)}, optimisers=_DCGAN
    ),
    "softmax-gan": Game(SoftmaxGAN(), optimisers=_DCGAN),
    "bgan": Game(BoundarySeeking(), optimisers=_DCGAN),
    "stylegan2": Game(
        NonSaturating(),
        penalties={
            "r1": Weighted(R1(), every(16, 10.0)),
            "path-length": Weighted(PathLength(), every(4, 2.0)),
        },
        optimisers=Optimisers.both(Adam(2e-3, (0.0, 0.99))),
    ),
    "lecam": Game(
        Hinge(),
        penalties={"lecam": Weighted(LeCam(), 0.3)},
        constraint=SpectralNorm(),
        optimisers=_SAGAN,
    ),
    "cr-gan": Game(
        Hinge(),
        penalties={"consistency": Weighted(Consistency(_SHIFT), 10.0)},
        constraint=SpectralNorm(),
        optimisers=_SAGAN,
    ),
    "bcr-gan": Game(
        Hinge(),
        penalties={"consistency": Weighted(Consistency(_SHIFT, on="both"), 10.0)},
        constraint=SpectralNorm(),
        optimisers=_SAGAN,
    ),
    "ebgan": Game(
        EnergyBased(margin=10.0),
        penalties={"pulling-away": Weighted(PullingAway(), 0.1)},
        optimisers=_DCGAN,
        output=EnergyOutput("euclidean"),
    ),
    "began": Game(
        BoundaryEquilibrium(),
        optimisers=Optimisers.both(Adam(1e-4, (0.5, 0.999))),
        output=EnergyOutput("absolute"),
    ),
    "mmd-gan": Game(
        MaximumMeanDiscrepancy("gaussian"),
        constraint=ClipWeights(0.01),
        critic_steps=5,
        optimisers=_WGAN,
        output=FeatureOutput(16),
    ),
    "sphere": Game(Sphere(), optimisers=_DCGAN, output=FeatureOutput(64)),
    "realness": Game(Realness(), optimisers=_DCGAN, output=FeatureOutput(20)),
}

#: Names people type for them.
ALIASES = {
    "vanilla": "ns",
    "bce": "ns",
    "gan": "ns",
    "nsgan": "ns",
    "nonsaturating": "ns",
    "modified": "ns",
    "softplus": "ns",
    "wgan-softplus": "ns",
    "wgan-logistic-ns": "ns",
    "logistic": "ns",
    "non-saturating": "ns",
    "wasserstein": "wgan",
    "wgangp": "wgan-gp",
    "mse": "lsgan",
    "ls": "lsgan",
    "least-squares": "lsgan",
    "least-square": "lsgan",
    "wasserstein-hinge": "hinge",
    "sngan": "hinge",
    "rpgan": "rgan",
    "r1": "ns-r1",
    "rasgan": "ragan",
    "relativistic": "rgan",
    "rals": "ralsgan",
    "rahingegan": "rahinge",
    "wgandiv": "wgan-div",
    "dcl": "dual-contrastive",
    "dual-contrast": "dual-contrastive",
    "dra": "dragan",
    "wganlp": "wgan-lp",
    "mmd": "mmd-gan",
    "spheregan": "sphere",
    "realnessgan": "realness",
    "crgan": "cr-gan",
    "bcr": "bcr-gan",
    "boundary-equilibrium": "began",
    "energy-based": "ebgan",
    "softmax": "softmax-gan",
    "boundary-seeking": "bgan",
    "fgan": "fgan-js",
    "fgan-hellinger": "fgan-squared-hellinger",
    "fgan-tv": "fgan-total-variation",
    "fgan-rkl": "fgan-reverse-kl",
}


class _Games(dict[str, Game]):
    """A dict that gives the nearest name where it lacks one."""

    def __missing__(self, name: object) -> Game:
        raise KeyError(f"no loss {name!r}{suggest(str(name), self)}")


GAMES: dict[str, Game] = _Games(_GAMES | {alias: _GAMES[name] for alias, name in ALIASES.items()})


def canonical_name(name: str) -> str:
    """Name of a game as listed, from any spelling of it.

    Raises:
        KeyError: with the nearest name.

    >>> canonical_name("WGAN_GP"), canonical_name("vanilla")
    ('wgan-gp', 'ns')
    """
    key = name.strip().lower().replace("_", "-")
    if key not in GAMES:
        raise KeyError(f"no loss {name!r}{suggest(key, GAMES)}")
    return ALIASES.get(key, key)
