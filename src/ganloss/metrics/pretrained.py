"""Features of pretrained networks, as torch-fidelity makes them, with weights from a file here."""

import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganloss._errors import WeightsError
from ganloss._lazy import require
from ganloss._weights import WEIGHTS, WeightFile, locate, read

PretrainedName: TypeAlias = Literal["inception", "vgg16", "clip", "dinov2"]

_BATCH = 32  # of 224 x 224 or 299 x 299 pixels each
#: timm's name and settings of the network, and the side and patch of the images it was trained on.
_DINOV2: dict[str, Any] = {"model_name": "vit_large_patch14_dinov2"}
_PATCH = 14


@final
class PretrainedFeatures:
    """Features of a network that was trained on photographs.

    ``"inception"``: the pool layer of InceptionV3 as in the original FID, 2048 features.
    ``"vgg16"``: the second hidden layer after its ReLU, 4096. ``"clip"``: the image embedding of
    ViT-B/32, 512. ``"dinov2"``: the class token of ViT-L/14, 1024. Images are enlarged as by
    TensorFlow 1, inside torch-fidelity, to 299 px for InceptionV3 and to 224 px for the others, so
    that numbers agree with published ones at an equal number of samples.

    Args:
        name: of the network.
        weights: ``"auto"``, the file from ``$GANLOSS_WEIGHTS``, torch's cache or the network; or
            the path of the file or of its folder.

    Raises:
        WeightsError: the file is not here and cannot be had, or is not one of this network.

    References:
        Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016,
        arXiv:1512.00567; Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS
        2017, arXiv:1706.08500; Simonyan and Zisserman, ICLR 2015, arXiv:1409.1556; Radford et al.,
        "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021,
        arXiv:2103.00020; Oquab et al., "DINOv2", TMLR 2024, arXiv:2304.07193; Stein et al.,
        "Exposing flaws of generative model evaluation metrics", NeurIPS 2023, arXiv:2306.04675;
        Obukhov et al., torch-fidelity, 2020.

    >>> PretrainedFeatures("inception", "no-such-file.pth")
    Traceback (most recent call last):
    ganloss._errors.WeightsError: ...
    """

    def __init__(self, name: PretrainedName, weights: str | Path = "auto") -> None:
        self.name = name
        kind, by_hand = _KINDS[name], "--weights PATH"
        without = "--features random-vgg, which needs no download"
        path = locate(WEIGHTS[kind.weights], weights, by_hand=by_hand, without=without)
        try:
            network = kind.build(path)
        except (RuntimeError, TypeError, AttributeError, KeyError, AssertionError) as error:
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(
                f"{path} does not hold the weights of {kind.what} ({reason}); "
                f"download {WEIGHTS[kind.weights].url} again"
            ) from error
        self._network = network.eval().requires_grad_(False)

    def __call__(self, images: Tensor) -> Tensor:
        """Map uint8 images ``(N, 1 or 3, H, W)`` to features ``(N, d)``, float64."""
        with torch.no_grad():
            pieces = [self._network(x.expand(-1, 3, -1, -1)) for x in images.split(_BATCH)]
        # torch-fidelity's networks give a tuple, one entry a layer.
        return torch.cat([x if isinstance(x, Tensor) else x[0] for x in pieces]).double()


class _Enlarged(nn.Module):
    """A network of images of one size, with a mean and spread of their channels."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, side: int, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.network, self.side = network, side
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Map uint8 images of any size to features."""
        module = _fidelity("interpolate_compat_tensorflow", "this network")
        x = module.interpolate_bilinear_2d_like_tensorflow1x(
            images.float(), size=(self.side, self.side), align_corners=False
        )
        return self.network((x - self.mean) / self.std)


def _inception(path: Path) -> nn.Module:
    module = _fidelity("feature_extractor_inceptionv3", "--features inception")
    return module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], _tensors_only(path))


def _vgg16(path: Path) -> nn.Module:
    module = _fidelity("feature_extractor_vgg16", "--features vgg16")
    return module.FeatureExtractorVGG16("vgg16", ["fc2_relu"], _tensors_only(path))


def _clip(path: Path) -> nn.Module:
    module = _fidelity("feature_extractor_clip", "--features clip")
    network = module.build_model(_clip_state(path), torch.float32).visual
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    return _Enlarged(network, network.input_resolution, mean, std)


def _clip_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors: OpenAI's is a program, opened only if it is that very file."""
    if not _is_published(path, WEIGHTS["clip"]):
        return read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch: programs of this kind are deprecated
        return torch.jit.load(path, map_location="cpu").state_dict()


def _is_published(path: Path, weights: WeightFile) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(weights.digest)


def _dinov2(path: Path) -> nn.Module:
    """Build timm's network: the authors' own is code that torch.hub would download and run."""
    timm, side = require("timm", "pip install 'ganloss[dinov2]'", "--features dinov2"), 224
    state = {name: tensor for name, tensor in read(path).items() if name != "mask_token"}
    state["pos_embed"] = _resampled(state["pos_embed"].float(), side // _PATCH)
    network = timm.create_model(**_DINOV2, pretrained=False, img_size=side, num_classes=0)
    network.load_state_dict(state)
    return _Enlarged(network, side, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def _resampled(positions: Tensor, side: int) -> Tensor:
    """Resample the positions of patches, ``(1, 1 + n², d)``, to ``side``² as the authors do."""
    first, patches = positions[:, :1], positions[:, 1:]
    n = round(patches.shape[1] ** 0.5)
    grid = patches.reshape(1, n, n, -1).permute(0, 3, 1, 2)
    # They add 0.1 to the side, so that rounding down never loses a row.
    grid = interpolate(grid, scale_factor=(side + 0.1) / n, mode="bicubic")
    return torch.cat([first, grid.flatten(2).transpose(1, 2)], 1)


@dataclass(frozen=True)
class _Kind:
    """How a network is made.

    Args:
        weights: the file it needs.
        what: what errors call it.
        build: makes it from the file; gives features of uint8 colour images.
    """

    weights: str
    what: str
    build: Callable[[Path], nn.Module]


_KINDS: dict[str, _Kind] = {
    "inception": _Kind("inception", "torch-fidelity's InceptionV3", _inception),
    "vgg16": _Kind("vgg16", "torchvision's VGG16", _vgg16),
    "clip": _Kind("clip", "CLIP ViT-B/32", _clip),
    "dinov2": _Kind("dinov2", "DINOv2 ViT-L/14", _dinov2),
}


def _fidelity(module: str, use: str) -> Any:
    return require(f"torch_fidelity.{module}", "pip install torch-fidelity", use)


def _tensors_only(path: Path) -> io.BytesIO:
    """Copy the tensors of a file: torch-fidelity unpickles what it is given, so it gets a copy."""
    copy = io.BytesIO()
    torch.save(read(path), copy)
    copy.seek(0)
    return copy
