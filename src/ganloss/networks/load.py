"""An exported generator: weights and a description, ready to use without the command line."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ganloss._errors import CheckpointError, MisuseError, UsageError
from ganloss._lazy import suggest_beside
from ganloss.engine.checkpoint import write_atomically
from ganloss.networks.generate import reference_generator
from ganloss.networks.own import own_network
from ganloss.networks.translate import Translator

WEIGHTS, DESCRIPTION = "generator.safetensors", "config.json"
#: Weights of a second generator, from domain B to A.
BACKWARD = "generator_b_to_a.safetensors"
#: First lines of the configurations of runs; other tools' begin otherwise.
_RUNS = {f"task: {task}": task for task in ("generate", "paired", "unpaired")}
#: Largest side, width or number of classes that is read; and what of a description is no size.
_LARGEST = 10_000
_NO_SIZES = ("class_names", "generator", "translator", "both_ways", "range", "network", "normalise")
_UNREADABLE = (OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Description:
    """What is known of an exported generator beside its weights.

    Args:
        shape: of one sample: channels, height and width, or ``(2,)`` for points.
        latent: length of a latent vector.
        classes: number of classes, or 0.
        class_names: what they are called.
        generator: ``MODULE:NAME`` of a generator of one's own, or empty.
        translator: the network, where images are translated instead of made from latents.
        both_ways: whether there is a second generator, from domain B to A.
        tile: side of the images it was trained on.
        range: lowest and highest value of images.

    >>> about = Description(shape=(1, 8, 8), latent=32)
    >>> Description.from_json(about.to_json()) == about
    True
    """

    shape: tuple[int, ...]
    latent: int
    classes: int = 0
    class_names: tuple[str, ...] = ()
    generator: str = ""
    translator: Translator | None = None
    both_ways: bool = False
    tile: int = 0
    range: tuple[float, float] = (-1, 1)

    def to_json(self) -> str:
        """Write it down."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Description":
        """Read what :meth:`to_json` wrote."""
        values: dict[str, Any] = dict(json.loads(text))
        for name in ("shape", "class_names", "range"):
            values[name] = tuple(values[name])
        if values.get("translator") is not None:
            values["translator"] = Translator(**values["translator"])
            _check_numbers(asdict(values["translator"]))
        made = cls(**values)
        _check_numbers(asdict(made))
        if not made.shape or len(made.class_names) not in (0, made.classes):
            raise ValueError(f"shape {made.shape}, {made.classes} classes")
        return made


def _check_numbers(values: Mapping[str, Any]) -> None:
    """Refuse sizes that nobody means, before a network of that size is built.

    Raises:
        ValueError: naming one.
    """
    whole = {name: value for name, value in values.items() if name not in _NO_SIZES}
    for name, value in whole.items():
        for number in value if isinstance(value, tuple) else (value,):
            if type(number) is not int or not 0 <= number <= _LARGEST:
                raise ValueError(f"{name} is {str(value)[:60]}")
    for name in ("generator", "network"):
        if not isinstance(values.get(name, ""), str):
            raise ValueError(f"{name} is {str(values[name])[:60]}")


def write_export(folder: Path, about: Description, *generators: nn.Module) -> None:
    """Write generators with what is known of them, for use without the command line.

    Raises:
        StorageError: the disk is full or the folder is not writable.

    >>> from tempfile import TemporaryDirectory
    >>> from ganloss.networks.generate import MLPGenerator
    >>> import torch
    >>> with TemporaryDirectory() as folder:
    ...     write_export(Path(folder), Description((1, 8, 8), 32), MLPGenerator((1, 8, 8)))
    ...     load_generator(folder)(torch.zeros(2, 32)).shape
    torch.Size([2, 1, 8, 8])
    """
    from safetensors.torch import save as to_bytes

    for name, generator in zip((WEIGHTS, BACKWARD), generators, strict=False):
        weights = {k: v.contiguous() for k, v in generator.state_dict().items()}
        payload = to_bytes(weights)
        write_atomically(folder / name, lambda stream, payload=payload: stream.write(payload))
    encoded = about.to_json().encode("utf-8")
    write_atomically(folder / DESCRIPTION, lambda stream: stream.write(encoded))


def load_generator(
    path: str | Path, *, allow_code: bool = False, backward: bool = False
) -> nn.Module:
    """Load the generator of a run, in evaluation mode and on the CPU.

    Args:
        path: a run folder, or its ``export`` folder.
        allow_code: import the module a generator of your own comes from. Importing runs it, so
            do this with run folders you trust only.
        backward: load the generator from domain B to A of an unpaired run instead.

    Returns:
        ``G(z)``, or ``G(z, labels)`` where there are classes: latents ``(N, G.latent)``, standard
        normal, to images ``(N, C, H, W)`` in [-1, 1], or points ``(N, 2)``. ``G.classes`` is the
        number of classes, 0 without. Of a paired or unpaired run ``G(x)``, images ``(N, C, H, W)``
        in [-1, 1] to images.

    Raises:
        CheckpointError: there is no generator, or its files do not fit together.
        ValueError: it is one of your own, and ``allow_code`` is not set; or there is no way back.

    Example::

        import torch, ganloss as gl
        G = gl.load_generator("runs/00000-wgan-gp-digits-s0")
        images = G(torch.randn(16, G.latent))

    >>> load_generator("no-such-run")
    Traceback (most recent call last):
    ganloss._errors.CheckpointError: there is no run no-such-run; give the folder of a run, ...
    """
    folder = _export_folder(Path(path))
    try:
        description = Description.from_json((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if backward and not description.both_ways:
            raise MisuseError(f"{path} translates one way only; train unpaired for both")
        return _build(description, folder / (BACKWARD if backward else WEIGHTS), allow_code)
    except MisuseError:  # the files are well
        raise
    except (*_UNREADABLE, RuntimeError) as error:
        raise CheckpointError(
            f"{folder} does not hold a generator that can be loaded ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}); export it again by finishing the run with "
            "--resume"
        ) from error


def read_description(path: str | Path) -> Description:
    """Read what is known of the generator of a run.

    Raises:
        CheckpointError: there is none.

    >>> read_description("no-such-run")
    Traceback (most recent call last):
    ganloss._errors.CheckpointError: there is no run no-such-run; ...
    """
    folder = _export_folder(Path(path))
    try:
        return Description.from_json((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except _UNREADABLE as error:
        raise CheckpointError(
            f"{folder / DESCRIPTION} is damaged ({error}); export again by finishing the run with "
            "--resume"
        ) from error


def is_run(path: Path) -> bool:
    """Whether it is the folder of a run.

    >>> is_run(Path("no-such-run"))
    False
    """
    return _first_line(path / "config.yaml") in _RUNS


def is_generator(path: Path) -> bool:
    """Whether it is the folder of a run or of an export, rather than one of images.

    >>> is_generator(Path("no-such-run"))
    False
    """
    return is_run(path) or all((path / name).is_file() for name in (DESCRIPTION, WEIGHTS))


def _export_folder(path: Path) -> Path:
    for folder in (path, path / "export"):
        if (folder / DESCRIPTION).is_file():
            return folder
    if (path / "config.yaml").is_file():
        raise CheckpointError(
            f"there is no generator in {path} yet; a run exports it when it ends: finish it with "
            f"`ganloss train {_task(path)} --resume {path}`"
        )
    found = "there is no generator in" if path.exists() else "there is no run"
    hint = suggest_beside(path) or "; give the folder of a run, e.g. runs/00003-wgan-gp-digits-s0"
    raise CheckpointError(f"{found} {path}{hint}")


def _task(path: Path) -> str:
    """What the run is one of, as far as its configuration says."""
    return _RUNS.get(_first_line(path / "config.yaml"), "generate")


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, ValueError):
        return ""


def _build(description: Description, weights: Path, allow_code: bool) -> nn.Module:
    from safetensors import SafetensorError
    from safetensors.torch import load

    generator = _generator(description, allow_code)
    if description.latent != getattr(generator, "latent", description.latent):
        raise ValueError(f"latents of length {description.latent} do not fit")
    try:
        generator.load_state_dict(load(weights.read_bytes()))
    except SafetensorError as error:
        raise ValueError(f"{weights.name} is damaged: {error}") from error
    # Set on every generator, one's own included, so that using it needs nothing else.
    attributes: Any = generator
    attributes.latent, attributes.classes = description.latent, description.classes
    return generator.eval().requires_grad_(False)


def _generator(description: Description, allow_code: bool) -> nn.Module:
    shape, classes = description.shape, description.classes
    if description.translator is not None:
        return description.translator.build()
    if not description.generator:
        try:
            return reference_generator(shape, classes)
        except UsageError as error:  # a size that no flag asked for here
            raise ValueError(str(error)) from error
    if not allow_code:
        raise MisuseError(
            f"this generator is made by {description.generator}, and importing that runs it; if "
            "you trust it, pass --allow-code (in Python allow_code=True)"
        )
    return own_network(description.generator, shape, classes, description.latent)
