"""Published settings by name: one small file of flags each."""

from importlib import resources
from typing import Any

from ganloss._errors import UsageError
from ganloss._lazy import suggest


def preset_names(task: str) -> list[str]:
    """Presets of a task.

    >>> preset_names("unpaired")
    ['cyclegan']
    """
    return sorted(name for name in _all_names() if _read(name)["task"] == task)


def preset(name: str, task: str) -> dict[str, Any]:
    """Give the flags of a preset.

    Raises:
        UsageError: an unknown name, or a preset of another task.

    >>> preset("pix2pix", "paired")["term"]
    ['l1=100']
    """
    if name not in _all_names():
        raise UsageError(
            f"no preset {name!r}{suggest(name, _all_names())} (for {task}: "
            f"{', '.join(preset_names(task))})"
        )
    values = _read(name)
    if (belongs := values.pop("task")) != task:
        raise UsageError(f"preset {name} is one of `ganloss train {belongs}`, not of {task}")
    return values


def _all_names() -> list[str]:
    files = resources.files(__name__).iterdir()
    return [file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")]


def _read(name: str) -> dict[str, Any]:
    import yaml

    text = resources.files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)
