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
DEMOS = {"digits": DIGITS}


def run(arguments: list[str]) -> int:
    """Run ``ganloss demo [NAME] [--seed N] [--out DIR] [--steps N]``."""
    name, rest = "digits", list(arguments)
    if rest and not rest[0].startswith("-"):
        name = rest.pop(0)
    if name not in DEMOS:
        raise UsageError(f"no demo {name!r}{suggest(name, DEMOS)}; demos: {', '.join(DEMOS)}")
    parser = Parser("ganloss demo [digits]", "Train WGAN-GP on real handwritten digits.")
    parser.add_argument("--seed", type=int, default=DIGITS.seed, help="seed of everything random")
    parser.add_argument("--out", type=str, default=DIGITS.out, help="folder for the run folder")
    parser.add_argument("--steps", type=int, default=DIGITS.steps, help="length of the run")
    return train_and_report(replace(DEMOS[name], **parser.parse(rest)), None)
