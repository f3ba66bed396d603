"""Draw trajectories of games on the Dirac-GAN: ``python docs/make_dirac_picture.py``."""

from pathlib import Path

from torch import Tensor

from ganloss import GAMES, R1, Game, GradientPenalty, NonSaturating, Wasserstein, Weighted
from ganloss.check.dirac import DiracGAN

PANELS: dict[str, tuple[Game, float, int]] = {
    "ns": (GAMES["ns"], 0.1, 400),
    "wgan": (GAMES["wgan"], 0.1, 80),
    "wgan-gp (λ = 0.25)": (
        Game(Wasserstein(), {"gp": Weighted(GradientPenalty(), 0.25)}), 0.05, 600
    ),
    "ns + R1 (γ = 0.3)": (Game(NonSaturating(), {"r1": Weighted(R1(), 0.3)}), 0.1, 400),
    "ns + R1 (γ = 1)": (Game(NonSaturating(), {"r1": Weighted(R1(), 1.0)}), 0.1, 400),
    "r3gan": (GAMES["r3gan"], 0.1, 400),
}  # fmt: skip
SIDE, REACH, GAP = 200, 2.2, 24
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #444 }
  .frame { fill: none; stroke: #bbb } .axis { stroke: #ddd }
  path { fill: none; stroke-width: 1.4 }
  .both { stroke: #c2552d } .turns { stroke: #2b6cb0 } .goal { fill: #222 }
  @media (prefers-color-scheme: dark) { text { fill: #ccc } .goal { fill: #eee }
    .axis { stroke: #444 } .frame { stroke: #666 }
    .both { stroke: #e88a63 } .turns { stroke: #7ab0e8 } }
"""


def place(value: float) -> float:
    return round(SIDE * (0.5 + value / (2 * REACH)), 1)


def path(points: Tensor, kind: str) -> str:
    inside = points.clamp(-REACH, REACH).tolist()
    steps = " ".join(f"{place(theta)},{place(-psi)}" for theta, psi in inside)
    return f'<path class="{kind}" d="M {steps}"/>'


def panel(title: str, game: Game, lr: float, steps: int, x: int, y: int) -> str:
    dirac = DiracGAN(game)
    lines = [
        path(dirac.trajectory(steps, lr=lr, alternating=alternating), kind)
        for alternating, kind in ((False, "both"), (True, "turns"))
    ]
    middle = SIDE / 2
    return (
        f'<g transform="translate({x},{y})">'
        f'<rect class="frame" width="{SIDE}" height="{SIDE}"/>'
        f'<path class="axis" d="M 0,{middle} H {SIDE} M {middle},0 V {SIDE}"/>'
        f'{"".join(lines)}<circle class="goal" cx="{middle}" cy="{middle}" r="3"/>'
        f'<text x="0" y="-8">{title}</text></g>'
    )


def main() -> None:
    parts = [
        panel(title, *settings, GAP + i % 3 * (SIDE + GAP), 2 * GAP + i // 3 * (SIDE + 2 * GAP))
        for i, (title, settings) in enumerate(PANELS.items())
    ]
    width, height = GAP + 3 * (SIDE + GAP), GAP + 2 * (SIDE + 2 * GAP)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
        "<title>Trajectories of six games on the Dirac-GAN</title>"
        f"<style>{STYLE}</style>{''.join(parts)}</svg>\n"
    )
    (Path(__file__).parent / "pictures" / "dirac.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
