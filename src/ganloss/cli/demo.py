"""``ganloss demo``: the first minute, without any data of your own."""

from dataclasses import replace

from ganloss._errors import UsageError
from ganloss._lazy import suggest
from ganloss._version import __version__
from ganloss.cli._parser import Parser
from ganloss.cli.train import train_and_report
from ganloss.runs.settings import (
    GenerateSettings,
    PairedSettings,
    RunSettings,
    UnpairedSettings,
)

#: WGAN-GP as published but for a faster Adam, which small networks on small images allow.
DIGITS = GenerateSettings(
    data="demo:digits", loss="wgan-gp", lr=2e-3, betas="0.5,0.9", steps=4000, snap=200
)
#: Eight Gaussians on a circle: what a loss drops can be seen and counted.
RING = GenerateSettings(
    data="demo:ring", loss="r3gan", gamma=0.05, lr=2e-3, lr_schedule="cosine", batch_size=256,
    steps=2500, snap=125,
)  # fmt: skip
#: Photo to sketch and back, small enough for four minutes on two cores.
TRANSLATE = UnpairedSettings(
    data="demo:sketches", image_size=64, width=16, depth=3, batch_size=2, lr=5e-4,
    lr_schedule="linear", steps=2000, snap=200, ema_kimg=1.0,
)  # fmt: skip
#: Four times larger again, with three sets of terms.
RESTORE = PairedSettings(
    data="demo:photos", degrade="downscale=4", loss="none", features="random", batch_size=16,
    lr=1e-3, betas="0.9,0.999", steps=1000, snap=100, ema_kimg=1.0, image_size=64,
    mirror=True,
)  # fmt: skip
DEMOS: dict[str, RunSettings] = {
    "digits": DIGITS, "ring": RING, "restore": RESTORE, "translate": TRANSLATE,
}  # fmt: skip
_SHOWS = {
    "digits": "Train WGAN-GP on real handwritten digits.",
    "ring": "Train R3GAN on eight Gaussians in the plane, and count what it covers.",
    "restore": "Make photographs four times larger: L1, with SSIM, or with features?",
    "translate": "Photo to sketch and back without pairs, judged by the sketches known.",
}


def run(arguments: list[str]) -> int:
    """Run ``ganloss demo [digits|ring|restore|translate] [--seed N] [--out DIR] [--steps N]``.

    An interrupted demo goes on with ``--resume``.

    >>> run(["digit"])
    Traceback (most recent call last):
    ganloss._errors.UsageError: no demo 'digit'...
    """
    name, rest = "digits", list(arguments)
    if rest and rest[0] in ("-h", "--help"):
        return _help()
    if rest and not rest[0].startswith("-"):
        name = rest.pop(0)
    if name not in DEMOS:
        raise UsageError(f"no demo {name!r}{suggest(name, DEMOS)}; demos: {', '.join(DEMOS)}")
    demo = DEMOS[name]
    parser = Parser(f"ganloss demo {name}", _SHOWS[name])
    parser.add_argument("--seed", type=int, default=demo.seed, help="seed of everything random")
    parser.add_argument("--out", type=str, default=demo.out, help="folder for the run folder")
    parser.add_argument("--steps", type=int, default=demo.steps, help="length of the run")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted demo")
    values = parser.parse(rest)
    resume = "auto" if values.pop("resume") else None
    settings = replace(demo, **values)
    if isinstance(settings, PairedSettings):
        return _restore(settings, resume)
    code = train_and_report(settings, resume)
    if code == 0 and isinstance(settings, UnpairedSettings):
        _judge_sketches(settings)
    return code


def _help() -> int:
    from ganloss.cli._progress import announce

    demos = "\n".join(f"  {name:<10}{shows}" for name, shows in _SHOWS.items())
    announce(
        "usage: ganloss demo [NAME] [--seed N] [--out DIR] [--steps N] [--resume]\n\n"
        f"demos (without a name: digits)\n{demos}\n\nsee `ganloss demo digits --help`"
    )
    return 0


def _restore(settings: PairedSettings, resume: str | None) -> int:
    """Train the same network with three sets of terms, and lay the results side by side."""
    from ganloss.cli._progress import TerminalReporter, announce

    announce(f"ganloss {__version__}  {_SHOWS['restore']}")
    from ganloss.runs import restoration, training

    runs: dict[str, restoration.Restored] = {}
    for name, terms in restoration.VARIANTS.items():
        announce(f"\n--- {name}: {' '.join(f'--term {term}' for term in terms)}")
        with TerminalReporter() as reporter:
            outcome = training.train(replace(settings, term=terms), reporter, resume)
            if outcome.state != "finished":
                reporter.ended(outcome)
        if outcome.state == "interrupted":
            announce("or go on with all of them: ganloss demo restore --resume")
            return 130
        runs[name] = restoration.Restored(outcome.run)
    report = restoration.report(settings, runs)
    announce("\n" + report.table)
    announce(f"\npicture   {report.picture}")
    for i, (name, run) in enumerate(runs.items()):
        announce(f"{'pages' if i == 0 else '':<10}{run.folder.page}  {name}")
    return 0


def _judge_sketches(settings: UnpairedSettings) -> None:
    from ganloss.cli._progress import announce
    from ganloss.runs import restoration
    from ganloss.runs.folder import newest_run

    announce("\n" + restoration.judge_sketches(settings, newest_run(settings)))
