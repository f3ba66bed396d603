"""Pretrained weights: which files there are, where they lie, and what to do without them."""

import os
import pickle
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganloss._errors import UsageError, WeightsError
from ganloss._lazy import require, suggest

#: A folder of one's own to look into first.
FOLDER_VARIABLE = "GANLOSS_WEIGHTS"


@dataclass(frozen=True)
class WeightFile:
    """A file of pretrained weights.

    Args:
        name: what it is called here.
        use: what it is for.
        url: where it is published; its last part is the name of the file, which ends with the
            beginning of its SHA-256, unless that is given.
        megabytes: its size, rounded up.
        licence: of the weights.
        sha256: its SHA-256, or the beginning of it, where the name does not say.
    """

    name: str
    use: str
    url: str
    megabytes: int
    licence: str
    sha256: str = ""

    @property
    def file(self) -> str:
        """Name of the file.

        >>> WEIGHTS["vgg16"].file
        'vgg16-397923af.pth'
        """
        return self.url.rsplit("/", 1)[1]

    @property
    def digest(self) -> str:
        """How its SHA-256 begins."""
        return self.sha256 or self.file.rsplit("-", 1)[1].removesuffix(".pth")


def _lpips(backbone: str, sha256: str) -> WeightFile:
    return WeightFile(
        f"lpips-{backbone}",
        "LPIPS",
        "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/"
        f"v0.1/{backbone}.pth",
        1,
        "BSD-2-Clause (Zhang et al.)",
        sha256,
    )


WEIGHTS = {
    "inception": WeightFile(
        "inception",
        "evaluate --features inception",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        91,
        "Apache-2.0 (TensorFlow models)",
    ),
    "clip": WeightFile(
        "clip",
        "evaluate --features clip",
        "https://openaipublic.azureedge.net/clip/models/"
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
        338,
        "MIT (OpenAI)",
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    ),
    "dinov2": WeightFile(
        "dinov2",
        "evaluate --features dinov2",
        "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
        1162,
        "Apache-2.0 (Meta)",
        "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
    ),
    "vgg16": WeightFile(
        "vgg16",
        "Perceptual, Style, LPIPS, evaluate --features vgg16",
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        528,
        "BSD-3-Clause (torchvision)",
    ),
    "vgg19": WeightFile(
        "vgg19",
        "Perceptual",
        "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        548,
        "BSD-3-Clause (torchvision)",
    ),
    "alexnet": WeightFile(
        "alexnet",
        "LPIPS",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        234,
        "BSD-3-Clause (torchvision)",
    ),
    "squeezenet1_1": WeightFile(
        "squeezenet1_1",
        "LPIPS",
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        5,
        "BSD-3-Clause (torchvision)",
    ),
    "lpips-alex": _lpips("alex", "df73285e35b22355"),
    "lpips-vgg": _lpips("vgg", "a78928a0af1e5f0f"),
    "lpips-squeeze": _lpips("squeeze", "4a5350f23600cb79"),
}


def known_weights(name: str) -> WeightFile:
    """Look a file up by name.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in WEIGHTS:
        raise UsageError(
            f"no weights {name!r}{suggest(name, WEIGHTS)} (known: {', '.join(WEIGHTS)})"
        )
    return WEIGHTS[name]


def folders() -> list[Path]:
    """Where weights are looked for, in this order: ``$GANLOSS_WEIGHTS``, then torch's cache."""
    own = os.environ.get(FOLDER_VARIABLE)
    cache = _hub() / "checkpoints"
    return [Path(own).expanduser(), cache] if own else [cache]


def _hub() -> Path:
    """Folder of torch's hub, known without importing torch: that takes seconds."""
    if "torch" in sys.modules:
        return Path(sys.modules["torch"].hub.get_dir())
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return Path(home).expanduser() / "hub"


def find(weights: WeightFile) -> Path | None:
    """Give the path of a file that is here, or None."""
    paths = (folder / weights.file for folder in folders())
    return next((path for path in paths if path.is_file()), None)


def fetch(weights: WeightFile, *, by_hand: str, without: str) -> Path:
    """Give the path of a file, downloaded unless it is here.

    Args:
        weights: the file.
        by_hand: how to name a file that was downloaded by hand, e.g. ``--weights PATH``.
        without: how to do without it, e.g. ``--features random-vgg``.

    Raises:
        WeightsError: it is not here and cannot be downloaded; with two ways out.
    """
    import torch

    found = find(weights)
    if found is not None:
        return found
    path = folders()[0] / weights.file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            weights.url, str(path), hash_prefix=weights.digest, progress=False
        )
    except (OSError, RuntimeError) as error:
        looked = " and ".join(str(folder / weights.file) for folder in folders())
        raise WeightsError(
            f"the weights of {weights.name} ({weights.file}) are not on this machine and could not "
            f"be downloaded ({error}); looked for {looked}. Either download {weights.url} "
            f"elsewhere, put it there or pass {by_hand}; or do without: {without}"
        ) from error
    return path


def locate(weights: WeightFile, given: str | Path, *, by_hand: str, without: str) -> Path:
    """Give the path of a file that was asked for: ``"auto"``, a path, or the folder it is in.

    Raises:
        WeightsError: it is not there.
    """
    if given == "auto":
        return fetch(weights, by_hand=by_hand, without=without)
    path = Path(given).expanduser()
    path = path / weights.file if path.is_dir() else path
    if not path.exists():
        raise WeightsError(
            f"no weights of {weights.name} at {path}; pass the path of {weights.file}, which is at "
            f"{weights.url}, or do without: {without}"
        )
    return path


def read(path: Path) -> dict[str, Any]:
    """Read a file of tensors, ``.safetensors`` or torch's; nothing in it is run.

    Raises:
        WeightsError: it is damaged, or holds anything else.
    """
    import torch

    if path.suffix == ".safetensors":
        safetensors = require("safetensors", "pip install safetensors", f"reading {path}")
        readable: tuple[type[Exception], ...] = (OSError, safetensors.SafetensorError)
        read = require("safetensors.torch", "pip install safetensors", f"reading {path}").load_file
    else:
        readable = (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError)

        def read(file: Path) -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of programs, which the next line then refuses
                return torch.load(file, map_location="cpu", weights_only=True)

    try:
        state = read(path)
    except readable as error:
        raise WeightsError(
            f"{path} could not be read as weights ({type(error).__name__}: {error}); it may be "
            "truncated, or not a file of tensors only: download it again"
        ) from error
    if not isinstance(state, dict):
        raise WeightsError(f"{path} holds {type(state).__name__}, not a table of named tensors")
    return state
