"""``ganloss doctor``: versions, devices, and what is missing."""

import importlib
import os
import platform
import sys
from collections.abc import Iterator

from ganloss._errors import UsageError
from ganloss._version import __version__

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "PIL",
    "lightning_fabric",
    "torch_fidelity",
    "sklearn",
    "skimage",
    "safetensors",
    "jsonargparse",
    "plotly",
)


def run(arguments: list[str]) -> int:
    """Run ``ganloss doctor``.

    >>> run(["gpu"])
    Traceback (most recent call last):
    ganloss._errors.UsageError: doctor takes no arguments, and was given 'gpu'
    """
    if arguments and arguments[0] not in ("-h", "--help"):
        raise UsageError(f"doctor takes no arguments, and was given {arguments[0]!r}")
    if arguments:
        _say("usage: ganloss doctor\n\nShow versions, devices and what is missing.")
        return 0
    for line in _lines():
        _say(line)
    return 0


def report() -> str:
    """Describe the installation in lines of ``name  value``."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    """Each line as soon as it is known: some packages take seconds to import."""

    def line(name: str, value: str) -> str:
        return f"{name:<18}{value}"

    yield line("ganloss", __version__)
    yield line("python", platform.python_version())
    yield line("system", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    for name in PACKAGES:
        yield line(name, _package(name))
    yield line("devices", _devices())
    yield line("SSIM on a CPU", _kernel())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _package(name: str) -> str:
    try:
        return str(getattr(importlib.import_module(name), "__version__", "present"))
    except (ImportError, RuntimeError, OSError) as error:
        mend = (
            "pip install torch torchvision" if name.startswith("torch") else "pip install ganloss"
        )
        return f"MISSING ({error}); mend: {mend}"


def _devices() -> str:
    import torch

    found = ["cpu"]
    if torch.cuda.is_available():
        found += [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return ", ".join(found)


def _kernel() -> str:
    try:
        kernel = importlib.import_module("ganloss.terms._cpu_kernel")
    except ImportError:
        return (
            "without its kernel, several times slower than with it; mend: install gcc or clang "
            "and the headers of Python, then install ganloss again"
        )
    return "compiled" if kernel.PARALLEL else "compiled, for one thread: torch has no OpenMP"
