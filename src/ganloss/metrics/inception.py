"""The features of FID: torch-fidelity's InceptionV3 with weights from a file on this machine."""

import io
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from ganloss._errors import WeightsError
from ganloss._lazy import require
from ganloss._weights import WEIGHTS, locate, read

_BATCH = 32  # of 299 x 299 pixels each
_LAYER = "2048"


@final
class InceptionFeatures:
    """The pool layer of InceptionV3 as in the original FID, 2048 features.

    Images are enlarged to 299 px as by TensorFlow 1, inside torch-fidelity, so that numbers agree
    with published ones at an equal number of samples.

    Args:
        weights: ``"auto"``, the file from ``$GANLOSS_WEIGHTS``, torch's cache or the network; or
            the path of the file or of its folder.

    Raises:
        WeightsError: the file is not here and cannot be had, or is not one of this network.

    References:
        Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016,
        arXiv:1512.00567; Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS
        2017, arXiv:1706.08500; Obukhov et al., torch-fidelity, 2020.

    >>> InceptionFeatures("no-such-file.pth")
    Traceback (most recent call last):
    ganloss._errors.WeightsError: ...
    """

    name = "inception"

    def __init__(self, weights: str | Path = "auto") -> None:
        by_hand, without = "--weights PATH", "--features random-vgg, which needs no download"
        path = locate(WEIGHTS["inception"], weights, by_hand=by_hand, without=without)
        module = require(
            "torch_fidelity.feature_extractor_inceptionv3",
            "pip install torch-fidelity",
            "--features inception",
        )
        try:
            self._network = module.FeatureExtractorInceptionV3(
                "inception-v3-compat", [_LAYER], feature_extractor_weights_path=_tensors_only(path)
            )
        except (RuntimeError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(
                f"{path} does not hold the weights of torch-fidelity's InceptionV3 ({reason}); "
                f"download {WEIGHTS['inception'].url} again"
            ) from error

    def __call__(self, images: Tensor) -> Tensor:
        """Map uint8 images ``(N, 1 or 3, H, W)`` to features ``(N, 2048)``, float64."""
        with torch.no_grad():
            pieces = [self._network(x.expand(-1, 3, -1, -1))[0] for x in images.split(_BATCH)]
        return torch.cat(pieces).double()


def _tensors_only(path: Path) -> io.BytesIO:
    """Copy the tensors of a file: torch-fidelity unpickles what it is given, so it gets a copy."""
    copy = io.BytesIO()
    torch.save(read(path), copy)
    copy.seek(0)
    return copy
