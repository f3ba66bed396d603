"""``ganloss doctor``: versions, devices, and what is missing."""

import importlib
import os
import platform
import sys

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
    text = (
        "usage: ganloss doctor\n\nShow versions, devices and what is missing."
        if arguments
        else report()
    )
    sys.stdout.write(text + "\n")
    return 0


def report() -> str:
    """Describe the installation in lines of ``name  value``."""
    rows = [
        ("ganloss", __version__),
        ("python", platform.python_version()),
        ("system", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"),
        *((name, _package(name)) for name in PACKAGES),
        ("devices", _devices()),
    ]
    return "\n".join(f"{name:<18}{value}" for name, value in rows)


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
