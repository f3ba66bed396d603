"""What the losses say of one score: curves from the losses themselves, slopes by autograd."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from drawing import BLUE, GREEN, INK, ORANGE, PALETTE, figure, inline
from matplotlib.axes import Axes
from torch import Tensor, nn

from ganloss import (
    R1,
    Consistency,
    FDivergence,
    Game,
    GANLoss,
    LeastSquares,
    LeCam,
    MaximumMeanDiscrepancy,
    NonSaturating,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
    Weighted,
)
from ganloss.check.dirac import DiracGAN
from ganloss.losses import LOSSES, ElementwisePair
from ganloss.penalties import PENALTIES, Critic, Penalty

#: Below this share of the largest slope a player is told next to nothing.
QUIET = 0.05
REACH = 5.0
KINDS = ("kl", "reverse-kl", "js", "gan", "pearson", "squared-hellinger", "total-variation")
_GIVEN: dict[str, GANLoss] = {
    "relativistic": Relativistic(NonSaturating()),
    "relativistic-average": RelativisticAverage(NonSaturating()),
    "f-divergence": FDivergence("kl"),
    "mmd": MaximumMeanDiscrepancy("gaussian", unbiased=False),
}
Curve = tuple[str, str, Callable[[Tensor], Tensor]]


def pair(name: str) -> GANLoss:
    """The pair as its page shows it."""
    return _GIVEN[name] if name in _GIVEN else LOSSES[name]()


def sides(loss: GANLoss) -> list[Curve]:
    """Losses of one score: of each side by itself, or with the other side's score held at 0."""
    if isinstance(loss, ElementwisePair):
        d_real, d_fake, g = loss.real_side, loss.fake_side, loss.generator_side
    else:
        zero = torch.zeros(1, 1).double()

        def d_real(s: Tensor) -> Tensor:
            return _each(lambda x: loss.discriminator(real=x, fake=zero), s)

        def d_fake(s: Tensor) -> Tensor:
            return _each(lambda x: loss.discriminator(real=zero, fake=x), s)

        def g(s: Tensor) -> Tensor:
            return _each(lambda x: loss.generator(real=zero, fake=x), s)

    return [
        ("D, of a real sample", BLUE, d_real),
        ("D, of a generated sample", ORANGE, d_fake),
        ("G", GREEN, g),
    ]


def _each(loss: Callable[[Tensor], Tensor], scores: Tensor) -> Tensor:
    return torch.stack([loss(score.reshape(1, 1)) for score in scores])


@dataclass(frozen=True)
class Seen:
    """A curve with its slope."""

    label: str
    colour: str
    x: Tensor
    loss: Tensor
    slope: Tensor

    @property
    def quiet(self) -> Tensor:
        """Where the slope is next to nothing."""
        return self.slope.abs() < QUIET * self.slope.abs().max()


def seen(curve: Curve, reach: float = REACH, low: float | None = None) -> Seen:
    label, colour, loss = curve
    start = -reach if low is None else low
    x = torch.linspace(start, reach, 241).double().requires_grad_(True)
    y = loss(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    return Seen(label, colour, x.detach(), y.detach(), slope)


def curves(name: str) -> str:
    """Picture of a pair: losses above, slopes below, and where a player is told nothing."""
    loss = pair(name)
    low = 0.0 if loss.real_is_low else None
    found = [seen(curve, low=low) for curve in sides(loss)]
    drawn, (above, below) = figure(2, 1, width=4.8, height=5.0, sharex=True)
    for one in found:
        style = (0, (5, 2)) if one.label == "G" else "solid"
        above.plot(one.x, one.loss, color=one.colour, label=one.label, linestyle=style)
        below.plot(one.x, one.slope, color=one.colour, linestyle=style)
    _shade(below, found[-1], above)
    _bars(below, found)
    above.set_ylim(*_limits(torch.cat([one.loss for one in found])))
    above.set_title("loss")
    below.set_title("its slope; bars: less than 5 % of the steepest")
    kind = "feature" if loss.scores_are_features else "score"
    below.set_xlabel("energy" if loss.real_is_low else kind)
    above.legend(loc="upper center", fontsize=9, ncols=1)
    below.axhline(0, color=INK, linewidth=0.5)
    return inline(drawn, f"Losses of both players and their slopes for {name}")


def _limits(values: Tensor) -> tuple[float, float]:
    values = values[values.isfinite()]
    low, high = float(values.min()), float(values.quantile(0.98))
    room = 0.08 * (high - low + 1e-9)
    return low - room, high + 5 * room


def _shade(below: Axes, g: Seen, above: Axes) -> None:
    for start, end in _runs(g):
        for panel in (above, below):
            panel.axvspan(start, end, color=GREEN, alpha=0.13, linewidth=0)
        above.text(
            (start + end) / 2, 0.5, "G learns\nnothing", ha="center", va="center", fontsize=9,
            color=GREEN, transform=above.get_xaxis_transform(),
        )  # fmt: skip


def _bars(below: Axes, found: list[Seen]) -> None:
    """Thick lines under the slopes where they are next to nothing."""
    low, high = _limits(torch.cat([one.slope for one in found]))
    step = 0.05 * (high - low)
    for i, one in enumerate(found):
        for start, end in _runs(one):
            level = low - (i + 0.5) * step
            below.plot([start, end], [level, level], color=one.colour, linewidth=4,
                       solid_capstyle="butt")  # fmt: skip
    below.set_ylim(low - 4 * step, high - 4 * step + 2 * step)


def _runs(one: Seen) -> list[tuple[float, float]]:
    """Stretches of a quiet curve, a twentieth of the picture wide; a minimum is none of them."""
    x, quiet, signs = one.x.tolist(), one.quiet.tolist(), one.slope.sign()
    runs, start = [], None
    for i, silent in enumerate([*quiet, False]):
        if silent and start is None:
            start = i
        elif not silent and start is not None:
            if not {-1.0, 1.0} <= set(signs[start:i].tolist()):
                runs.append((x[start], x[i - 1]))
            start = None
    return [(a, b) for a, b in runs if b - a > (x[-1] - x[0]) / 20]


def divergences() -> str:
    """The seven f-GANs: what each player minimises."""
    drawn, panels = figure(1, 3, width=9.0, height=3.0)
    for i, kind in enumerate(KINDS):
        colour, dash = PALETTE[i % 6], "solid" if i < 6 else "dashed"
        for panel, curve in zip(panels, sides(FDivergence(kind)), strict=True):
            one = seen(curve, reach=3.0)
            panel.plot(one.x, one.loss, color=colour, linestyle=dash, label=kind)
            panel.set_title(curve[0])
            panel.set_xlabel("score")
    for panel in panels:
        panel.set_ylim(-4, 8)
    panels[0].legend(fontsize=8, loc="upper right")
    return inline(drawn, "Losses of the seven f-divergences", wide=True)


def trajectory(name: str) -> str | None:
    """The Dirac-GAN under a pair, alone and with R1; None for energies and features."""
    loss, strong = pair(name), 1.0
    if loss.scores_are_features or loss.real_is_low:
        return None
    if isinstance(loss, LeastSquares):  # D(x) = ψ x is 0 at the goal: codes that are even about it
        loss = LeastSquares(-1.0, 1.0, 1.0)
    games = [
        ("both at once", ORANGE, Game(loss), False),
        ("in turns", BLUE, Game(loss), True),
        ("in turns, R1 γ = 1", GREEN, Game(loss, {"r1": Weighted(R1(), strong)}), True),
    ]
    return _dirac(games, f"Trajectories of {name} on the Dirac-GAN")


def penalised_trajectory(name: str) -> str | None:
    """The Dirac-GAN of a pair with a penalty; None for penalties of a network's weights."""
    if name in ("orthogonal", "spectral"):
        return None
    wasserstein = name in ("gp", "max-gp", "wgan-div", "drift")
    base = Wasserstein() if wasserstein else NonSaturating()
    penalty = penalty_of(name, lambda x: x + 0.5)
    with_it = Game(base, {"this": Weighted(penalty, 0.5)})
    games = [
        ("without", ORANGE, Game(base), True),
        ("with it, weight 0.5", GREEN, with_it, True),
    ]
    return _dirac(games, f"Trajectories with and without {name} on the Dirac-GAN")


def _dirac(games: list[tuple[str, str, Game, bool]], label: str) -> str:
    drawn, (panel,) = figure(width=4.2, height=4.2)
    torch.manual_seed(0)
    for words, colour, game, alternating in games:
        points = DiracGAN(game).trajectory(200, lr=0.15, alternating=alternating)
        inside = points[(points.abs() <= 2.2).all(1).cumprod(0).bool()]
        panel.plot(inside[:, 0], inside[:, 1], color=colour, label=words, linewidth=1.2)
    panel.plot([1], [1], "o", color=INK, markersize=4)
    panel.plot([0], [0], "*", color=INK, markersize=10)
    panel.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal")
    panel.set_xlabel("θ: where the generator is (data at 0)")
    panel.set_ylabel("ψ: slope of the discriminator")
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=len(games), fontsize=8.5,
                 columnspacing=1.0, handlelength=1.2)  # fmt: skip
    return inline(drawn, label)


def penalty_of(name: str, augment: Callable[[Tensor], Tensor]) -> Penalty:
    """The penalty as its pages show it."""
    cls = PENALTIES[name]
    if issubclass(cls, Consistency):
        return Consistency(augment)
    return LeCam(0.5, -0.5) if issubclass(cls, LeCam) else cls()


class _Linear(nn.Module):
    """A critic of one slope: D(x) = w (1, 0) · x, in rows that resemble each other."""

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.slope = slope
        rows = slope.detach() * torch.tensor([[1.0, 0.0], [0.6, 0.8]]).double()
        self.weight = nn.Parameter(rows)

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * x[:, 0]


def penalty_curve(name: str) -> str:
    """What a penalty charges a linear critic, against its slope."""
    torch.manual_seed(0)
    real, fake = torch.randn(256, 2).double(), torch.randn(256, 2).double() + 1
    penalty = penalty_of(name, lambda x: x + 0.5)
    slopes = torch.linspace(-3, 3, 121).double()
    values = []
    for slope in slopes:
        critic = _Linear(slope)
        network = critic if name in ("orthogonal", "spectral") else Critic(critic)
        values.append(penalty(network, real=real, fake=fake).item())
    drawn, (panel,) = figure(width=4.6, height=3.0)
    panel.plot(slopes, values, color=PALETTE[3])
    panel.set_ylim(-0.03 * min(max(values), 12), min(max(values), 12) * 1.05)
    panel.set_xlabel("slope w of a critic D(x) = w · x")
    panel.set_title("what it costs")
    return inline(drawn, f"Value of {name} against the slope of a linear critic")
