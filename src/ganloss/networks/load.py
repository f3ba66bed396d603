"""An exported generator: weights and a description, ready to use without the command line."""

import json
from pathlib import Path
from typing import Any

from ganloss._errors import CheckpointError
from ganloss.networks.generate import ConvGenerator, MLPGenerator, reference_networks

WEIGHTS, DESCRIPTION = "generator.safetensors", "config.json"


def load_generator(path: str | Path) -> MLPGenerator | ConvGenerator:
    """Load the generator of a run, in evaluation mode and on the CPU.

    Args:
        path: a run folder, or its ``export`` folder.

    Returns:
        ``G(z)``: latents ``(N, G.latent)``, standard normal, to images ``(N, C, H, W)`` in
        [-1, 1].

    Raises:
        CheckpointError: there is no generator, or its files do not fit together.

    Example::

        import torch, ganloss as gl
        G = gl.load_generator("runs/00000-wgan-gp-digits-s0")
        images = G(torch.randn(16, G.latent))
    """
    folder = _export_folder(Path(path))
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        return _build(description, folder / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder} does not hold a generator that can be loaded ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}); export it again by finishing the run with "
            "--resume"
        ) from error


def _export_folder(path: Path) -> Path:
    for folder in (path, path / "export"):
        if (folder / DESCRIPTION).is_file():
            return folder
    raise CheckpointError(
        f"there is no generator in {path}; a run exports it when it ends: finish it with "
        f"`ganloss train generate --resume {path}`"
    )


def _build(description: dict[str, Any], weights: Path) -> MLPGenerator | ConvGenerator:
    from safetensors import SafetensorError
    from safetensors.torch import load

    generator, _ = reference_networks(int(description["image_size"]), int(description["channels"]))
    try:
        generator.load_state_dict(load(weights.read_bytes()))
    except SafetensorError as error:
        raise ValueError(f"{weights.name} is damaged: {error}") from error
    return generator.eval().requires_grad_(False)
