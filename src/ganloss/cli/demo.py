"""``ganloss demo``: the first minute, without any data of your own."""

from dataclasses import replace

from ganloss._errors import UsageError
from ganloss._lazy import suggest
from ganloss.cli._parser import Parser
from ganloss.cli.train import train_and_report
from ganloss.runs.settings import GenerateSettings

#: WGAN-GP as published but for a faster Adam, which small networks on small images allow.
DIGITS = GenerateSettings(
    data="demo:digits", loss="wgan-gp", lr=2e-3, betas="0.5,0.9", steps=4000, snap=200
)
#: Eight Gaussians on a circle: what a loss drops can be seen and counted.
RING = GenerateSettings(
    data="demo:ring", loss="r3gan", gamma=0.05, lr=2e-3, lr_schedule="cosine", batch_size=256,
    steps=6000, snap=300,
)  # fmt: skip
DEMOS = {"digits": DIGITS, "ring": RING}
_SHOWS = {
    "digits": "Train WGAN-GP on real handwritten digits.",
    "ring": "Train R3GAN on eight Gaussians in the plane, and count what it covers.",
}


def run(arguments: list[str]) -> int:
    """Run ``ganloss demo [digits|ring] [--seed N] [--out DIR] [--steps N]``."""
    name, rest = "digits", list(arguments)
    if rest and not rest[0].startswith("-"):
        name = rest.pop(0)
    if name not in DEMOS:
        raise UsageError(f"no demo {name!r}{suggest(name, DEMOS)}; demos: {', '.join(DEMOS)}")
    demo = DEMOS[name]
    parser = Parser(f"ganloss demo {name}", _SHOWS[name])
    parser.add_argument("--seed", type=int, default=demo.seed, help="seed of everything random")
    parser.add_argument("--out", type=str, default=demo.out, help="folder for the run folder")
    parser.add_argument("--steps", type=int, default=demo.steps, help="length of the run")
    return train_and_report(replace(demo, **parser.parse(rest)), None)
