"""What a run is asked to do: flags, configuration file and ``config.yaml`` are all this value."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from ganloss._errors import CheckpointError, UsageError


def _flag(default: Any, help: str, *aliases: str) -> Any:
    return field(default=default, metadata={"help": help, "aliases": aliases})


#: Settings that may change when a run is resumed.
FREE_ON_RESUME = frozenset(
    {
        "steps",
        "kimg",
        "epochs",
        "minutes",
        "seconds",
        "snap",
        "devices",
        "num_nodes",
        "workers",
        "cache",
        "out",
        "name",
    }
) | {"patience", "track"}

#: Settings that say how long to train; one of them is given.
LENGTHS = ("steps", "kimg", "epochs", "minutes", "seconds")
#: Settings that name code, which importing runs.
CODE = ("generator", "discriminator")
_RATES = ("lr", "g_lr", "d_lr", "ema_kimg", "clip_grad", "aug_kimg")
_COUNTS = (
    *("batch_size", "accumulate", "penalty_every", "snap", "critic_steps", "lr_warmup", "patience"),
    *("devices", "num_nodes", "threads", "workers", "latent", "width", "depth", "scales"),
)
_POSITIVE = (*LENGTHS, *_COUNTS, *_RATES)


@dataclass(frozen=True)
class RunSettings:
    """What every ``ganloss train TASK`` is told; each field is a flag of the same name.

    >>> settings = RunSettings(data="x", steps=10)
    >>> settings.check()
    >>> settings.headline, settings.decays, settings.time_limit
    ('wgan-gp on x', False, None)
    >>> settings.differs_from(RunSettings(data="x", steps=20, seed=1))
    ['seed']
    >>> "steps" in settings.free_on_resume, settings.to_yaml().splitlines()[0]
    (True, "task: ''")
    """

    task: ClassVar[str] = ""

    data: str = _flag(
        "", "folder or zip of images, demo:NAME or torchvision:NAME", "--dataroot", "--data-dir"
    )
    loss: str = _flag("wgan-gp", "a game: see `ganloss losses list`", "--gan-mode")
    image_size: int | None = _flag(
        None,
        "side in pixels (default: the power of two that images allow, up to 64, on CUDA up to 128)",
        "--img-size",
        "--resolution",
    )
    fit: Literal["crop", "pad", "stretch"] = _flag("crop", "how an image becomes a square")
    cache: Literal["disk", "ram", "off"] = _flag("disk", "where decoded images are kept")
    workers: int | None = _flag(None, "threads that decode images", "-j", "--num-workers")
    mirror: bool = _flag(False, "flip images left to right, each with probability 1/2")
    batch_size: int = _flag(64, "images per update, over all processes", "-b", "--batch")
    accumulate: int = _flag(
        1, "compute each update in so many parts, to save memory", "--gradient-accumulate-every"
    )
    steps: int | None = _flag(None, "updates of the generator", "--num-train-steps")
    kimg: float | None = _flag(None, "thousands of real images shown to the discriminator")
    epochs: float | None = _flag(None, "passes over the data", "--n-epochs")
    minutes: float | None = _flag(None, "wall-clock minutes (default: 10)")
    seconds: float | None = _flag(
        None, "seconds of training alone: samples, scores and checkpoints do not count"
    )
    penalty: list[str] | None = _flag(
        None, "add or re-weigh a penalty, e.g. --penalty gp=10; 0 removes it"
    )
    gamma: float | None = _flag(None, "weight of R1 and R2, in the paper's convention")
    penalty_every: int = _flag(1, "compute penalties on every Nth step only, N times as heavy")
    critic_steps: int | None = _flag(
        None, "updates of the discriminator per step (default: the game's)", "--n-critic"
    )
    lr: float | None = _flag(None, "learning rate of both players (default: the game's)")
    g_lr: float | None = _flag(None, "learning rate of the generator", "--glr")
    d_lr: float | None = _flag(None, "learning rate of the discriminator", "--dlr")
    betas: str | None = _flag(None, "Adam's betas, e.g. 0.5,0.9 (default: the game's)")
    lr_schedule: Literal["constant", "linear", "cosine"] = _flag(
        "constant", "how learning rates change; linear and cosine end at 0"
    )
    lr_warmup: int | None = _flag(None, "steps in which learning rates rise from 0 at the start")
    lr_decay_from: float | None = _flag(
        None, "share of the run before a linear decay begins (default: 0.5)"
    )
    clip_grad: float | None = _flag(None, "largest norm of a player's gradient")
    ema_kimg: float = _flag(
        10.0, "half-life, in kimg, of the generator's moving average, which is sampled and scored"
    )
    seed: int = _flag(0, "seed of everything random")
    snap: int | None = _flag(
        None, "steps between samples, scores and checkpoints (default: 20 times a run)"
    )
    metrics: str = _flag("fd", "how results are scored, or none")
    patience: int | None = _flag(None, "stop after so many snaps without a better score")
    track: str | None = _flag(
        None, "also log to tensorboard, wandb or both, e.g. tensorboard,wandb"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = _flag("auto", "where to compute")
    devices: int = _flag(1, "processes to start on this machine (torchrun and SLURM: leave out)")
    num_nodes: int = _flag(
        1, "machines on which this command is given (torchrun and SLURM: leave out)"
    )
    precision: Literal["32", "bf16", "16", "64"] = _flag(
        "32", "number format; 16 (fp16) scales each player's loss, bf16 needs no scale"
    )
    threads: int | None = _flag(
        None, "CPU threads (default: 1 for 8-pixel images, which more would not help, else all)"
    )
    out: str = _flag("runs", "folder that run folders are made in", "--outdir", "--output")
    name: str = _flag("", "a word to add to the run folder's name")

    def check(self) -> None:
        """Refuse settings that cannot be meant.

        Raises:
            UsageError: naming the flag and what it takes.
        """
        self._check_data()
        given = [n for n in LENGTHS if getattr(self, n) is not None]
        if len(given) > 1:
            flags = ", ".join(f"--{name}" for name in given)
            raise UsageError(f"{flags} all say how long to train; keep one of them")
        for name, value in vars(self).items():
            flag = f"--{name.replace('_', '-')}"
            if isinstance(value, float) and not math.isfinite(value):  # from a file, or Python
                raise UsageError(f"{flag} is {value}; it must be a finite number")
            if name in _POSITIVE and value is not None and not value > 0:
                raise UsageError(f"{flag} is {value}; it must be positive")
        self._check_micro_batches()
        self._check_schedule()
        if self.patience is not None and self.metrics == "none":
            raise UsageError(
                "--patience waits for a better score, and --metrics none measures none; leave one "
                "of them out"
            )

    def _check_data(self) -> None:
        if not self.data:
            raise UsageError("which images? Add --data FOLDER, or --data demo:digits")

    def _check_micro_batches(self) -> None:
        if self.batch_size % self.accumulate == 0:
            return
        near = [n for n in range(1, self.batch_size + 1) if self.batch_size % n == 0]
        best = min(near, key=lambda n: (abs(n - self.accumulate), n))
        raise UsageError(
            f"--batch-size {self.batch_size} does not divide into --accumulate {self.accumulate} "
            f"equal parts; use --accumulate {best}, or --batch-size "
            f"{-(-self.batch_size // self.accumulate) * self.accumulate}"
        )

    def _check_schedule(self) -> None:
        if self.decays and self.time_limit is not None:
            raise UsageError(
                f"--lr-schedule {self.lr_schedule} ends with the run, and a run of "
                f"{_spoken(self.time_limit)} does not know how many steps it has; say "
                "--steps, --kimg or --epochs, or use --lr-schedule constant"
            )
        if self.lr_decay_from is None:
            return
        if self.lr_schedule != "linear":
            raise UsageError(
                f"--lr-decay-from belongs to --lr-schedule linear, and it is {self.lr_schedule}; "
                "leave it out or change the schedule"
            )
        if not 0 <= self.lr_decay_from < 1:
            raise UsageError(
                f"--lr-decay-from is {self.lr_decay_from}; it is a share of the run from 0 to "
                "below 1"
            )

    @property
    def headline(self) -> str:
        """What is trained, on what."""
        return f"{self.loss} on {self.data}"

    @property
    def decays(self) -> bool:
        """Whether learning rates depend on the length of the run."""
        return self.lr_schedule != "constant"

    @property
    def free_on_resume(self) -> frozenset[str]:
        """Settings that may change when this run is resumed."""
        return FREE_ON_RESUME - set(LENGTHS) if self.decays else FREE_ON_RESUME

    @property
    def time_limit(self) -> float | None:
        """Seconds to train, if time is the limit."""
        if self.seconds is not None:
            return self.seconds
        if self.minutes is not None:
            return self.minutes * 60
        return 600.0 if self.steps is self.kimg is self.epochs is None else None

    def total_steps(self, images: int, critic_steps: int) -> int | None:
        """Length of the run in steps, or None when time is the limit.

        >>> RunSettings(data="x", kimg=32).total_steps(images=1000, critic_steps=5)
        100
        """
        shown = self.batch_size * critic_steps
        if self.steps is not None:
            return self.steps
        if self.kimg is not None:
            return max(1, -int(-self.kimg * 1000 // shown))
        if self.epochs is not None:
            return max(1, -int(-self.epochs * images // shown))
        return None

    def to_yaml(self) -> str:
        """Write the settings as a flat YAML file that ``--config`` reads."""
        import yaml

        values = {"task": self.task, **asdict(self)}
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)

    def differs_from(self, other: "RunSettings") -> list[str]:
        """Names of the settings that differ and may not when a run is resumed."""
        if type(other) is not type(self):
            return ["task"]
        return [
            f.name
            for f in fields(self)
            if f.name not in self.free_on_resume and getattr(self, f.name) != getattr(other, f.name)
        ]


@dataclass(frozen=True)
class GenerateSettings(RunSettings):
    """Settings of ``ganloss train generate``.

    >>> GenerateSettings(data="demo:digits", loss="r3gan", steps=100).headline
    'r3gan on demo:digits'
    """

    task: ClassVar[str] = "generate"

    image_size: int | None = _flag(
        None,
        "side in pixels, a power of two from 8 to 256 (default: what the images allow, up to 64, "
        "on CUDA up to 128)",
        "--img-size",
        "--resolution",
    )
    cond: bool = _flag(False, "learn classes: the outermost folders", "--class-cond")
    generator: str = _flag("", "your own G(z[, y]), as MODULE:NAME or FILE.py:NAME")
    discriminator: str = _flag("", "your own D(x[, y]), as MODULE:NAME or FILE.py:NAME")
    latent: int | None = _flag(None, "length of latents of your own G", "--z-dim", "--latent-dim")
    aug: Literal["none", "diffaug", "ada", "fixed"] = _flag(
        "none", "augment what D sees: diffaug always, ada as overfitting asks, fixed by --aug-p"
    )
    diffaugment: str | None = _flag(
        None, "operations of diffaug (default: color,translation,cutout)", "--augment"
    )
    aug_pipe: str | None = _flag(
        None, "operations of ada and fixed (default: blit,geometry,color)", "--augpipe"
    )
    aug_p: float | None = _flag(None, "probability of each operation of fixed", "--p")
    aug_target: float | None = _flag(None, "overfitting that ada aims at (0.6)", "--target")
    aug_kimg: float | None = _flag(None, "thousands of images in which ada may rise to 1 (500)")
    metrics: Literal["fd", "none"] = _flag("fd", "score samples by a Fréchet distance, or not")


@dataclass(frozen=True)
class PairedSettings(RunSettings):
    """Settings of ``ganloss train paired``.

    >>> PairedSettings(data="demo:sketches").usual_terms("ns")
    ['l1=100']
    """

    task: ClassVar[str] = "paired"

    data: str = _flag(
        "",
        "folder or zip with trainA and trainB, or of images A|B side by side; with --degrade, of "
        "images; or demo:photos, demo:sketches",
        "--dataroot",
        "--data-dir",
    )
    loss: str = _flag("ns", "a game, or none: see `ganloss losses list`", "--gan-mode")
    batch_size: int = _flag(8, "images per update, over all processes", "-b", "--batch")
    lq: str = _flag("", "folder of inputs, e.g. of low quality; instead of --data", "--input-dir")
    gt: str = _flag("", "folder of their targets, matched by name", "--target-dir")
    direction: Literal["AtoB", "BtoA"] = _flag("AtoB", "which side is the input")
    degrade: str = _flag("", "make inputs from images: downscale=4, noise=25, blur=1.5 or gray")
    held_out: float = _flag(0.1, "share of pairs to hold out where no folder test says which")
    term: list[str] | None = _flag(
        None,
        "what else G minimises, e.g. --term l1=100 --term ssim=10 (default: l1=100; l1=1 "
        "with --loss none)",
    )
    features: str = _flag(
        "auto", "weights of the network in perceptual, style and lpips: auto, a file, or random"
    )
    lambda_adv: float = _flag(1.0, "weight of the generator's adversarial loss")
    network: Literal["auto", "unet", "resnet", "sr"] = _flag(
        "auto", "generator (default: sr to undo downscale, noise and blur, else unet)", "--netG"
    )
    width: int | None = _flag(None, "channels of the generator at full size (default: 32)", "--ngf")
    depth: int | None = _flag(None, "halvings of a U-Net (default: up to 4), or blocks (6)")
    norm: Literal["instance", "none"] = _flag(
        "instance", "normalisation of the generator; none can learn how bright images are"
    )
    scales: int = _flag(1, "scales of the discriminator, as in pix2pixHD", "--num-D")
    metrics: Literal["l1", "none"] = _flag("l1", "score held-out images by L1, PSNR and SSIM")

    def check(self) -> None:
        """Refuse settings that cannot be meant.

        Raises:
            UsageError: naming the flag and what it takes.
        """
        super().check()
        if self.degrade and self.lq:
            raise UsageError("--degrade makes inputs, and --lq names a folder of them; keep one")
        _check_share(self.held_out)
        _check_weights(lambda_adv=self.lambda_adv)

    @property
    def headline(self) -> str:
        """What is trained, on what."""
        return f"{self.loss} on {self.data or f'{self.lq} and {self.gt}'}"

    def usual_terms(self, loss: str) -> list[str]:
        """What G minimises beside this game where no term is asked for."""
        return ["l1=1"] if loss == "none" else ["l1=100"]

    def _check_data(self) -> None:
        if bool(self.lq) != bool(self.gt):
            raise UsageError("--lq and --gt belong together: inputs, and their targets")
        if self.data and self.lq:
            raise UsageError("--data and --lq/--gt both name images; keep one of them")
        if not self.data and not self.lq:
            raise UsageError(
                "which pairs? Add --data FOLDER (trainA and trainB, or images A|B), --lq DIR and "
                "--gt DIR, or --data FOLDER --degrade downscale=4"
            )


@dataclass(frozen=True)
class UnpairedSettings(RunSettings):
    """Settings of ``ganloss train unpaired``.

    >>> UnpairedSettings(data="demo:sketches").lambda_cycle
    10.0
    """

    task: ClassVar[str] = "unpaired"

    data: str = _flag(
        "", "folder or zip with trainA and trainB; or demo:sketches", "--dataroot", "--data-dir"
    )
    loss: str = _flag("lsgan", "a game: see `ganloss losses list`", "--gan-mode")
    batch_size: int = _flag(1, "images per update, over all processes", "-b", "--batch")
    held_out: float = _flag(0.1, "share of images to hold out where no folder test says which")
    lambda_cycle: float = _flag(10.0, "weight of the cycle consistency", "--lambda-A")
    lambda_identity: float = _flag(5.0, "weight of the identity loss; 0 leaves it out")
    pool: int = _flag(50, "generated images that D is shown again; 0 for none", "--pool-size")
    network: Literal["unet", "resnet"] = _flag("unet", "both generators", "--netG")
    width: int | None = _flag(
        None, "channels of the generators at full size (default: 32)", "--ngf"
    )
    depth: int | None = _flag(None, "halvings of a U-Net (default: up to 4), or blocks (6)")
    norm: Literal["instance", "none"] = _flag(
        "instance", "normalisation of the generator; none can learn how bright images are"
    )
    metrics: Literal["fd", "none"] = _flag(
        "fd", "score both directions by a Fréchet distance, and the way there and back"
    )

    def check(self) -> None:
        """Refuse settings that cannot be meant.

        Raises:
            UsageError: naming the flag and what it takes.
        """
        super().check()
        if self.accumulate > 1:
            raise UsageError(
                "--accumulate cuts a batch into parts, and the discriminators of an unpaired run "
                "judge what the generators made of the whole batch; leave it out and lower "
                "--batch-size"
            )
        _check_share(self.held_out)
        _check_weights(lambda_cycle=self.lambda_cycle, lambda_identity=self.lambda_identity)
        if self.pool < 0:
            raise UsageError(f"--pool is {self.pool}; 0 is none")

    def _check_data(self) -> None:
        if not self.data:
            raise UsageError("which images? Add --data FOLDER, with trainA and trainB in it")


def _spoken(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds % 6 == 0 else f"{seconds:g} seconds"


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise UsageError(f"--held-out is {share}; it is a share between 0 and 1")


def _check_weights(**weights: float) -> None:
    for name, weight in weights.items():
        if not weight >= 0:
            raise UsageError(f"--{name.replace('_', '-')} is {weight}; 0 leaves it out")


TASKS: dict[str, type[RunSettings]] = {
    kind.task: kind for kind in (GenerateSettings, PairedSettings, UnpairedSettings)
}


def settings_of(task: str, values: Mapping[str, Any]) -> RunSettings:
    """Make the settings of a task from what a file says.

    Raises:
        ValueError: an unknown task or setting, or a value of another type.
        TypeError: no values.

    >>> settings_of("generate", {"data": "x", "steps": "many"})
    Traceback (most recent call last):
    ValueError: steps is 'many'
    """
    if task not in TASKS:
        raise ValueError(f"unknown task {task!r}")
    kind = TASKS[task]
    hints = get_type_hints(kind)
    unknown = set(values) - {f.name for f in fields(kind)}
    if unknown:
        raise ValueError(f"unknown settings {', '.join(sorted(map(str, unknown)))}")
    for name, value in values.items():
        if not _fits(value, hints[name]):
            raise ValueError(f"{name} is {str(value)[:60]!r}")
    return kind(**values)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a field's type: text, numbers, literals, lists and None."""
    parts = get_args(hint)
    if get_origin(hint) is Literal:
        return value in parts
    if get_origin(hint) is list:
        return isinstance(value, list) and all(isinstance(item, parts[0]) for item in value)
    if parts:
        return any(_fits(value, part) for part in parts)
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is hint


def settings_from_file(path: Path) -> RunSettings:
    """Read ``config.yaml`` of a run.

    Raises:
        CheckpointError: missing, damaged, or with settings this version does not know.

    >>> settings_from_file(Path("no-such-file.yaml"))
    Traceback (most recent call last):
    ganloss._errors.CheckpointError: no-such-file.yaml is not the configuration of a run ...
    """
    import yaml

    try:
        values = dict(yaml.safe_load(path.read_text(encoding="utf-8")))
        return settings_of(values.pop("task", "generate"), values)
    except (OSError, LookupError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise CheckpointError(
            f"{path} is not the configuration of a run ({error}); name another run folder, or "
            "start without --resume"
        ) from error
