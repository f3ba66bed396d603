"""The terms: losses that compare images, features or distributions directly."""

from typing import TYPE_CHECKING, Any

from ganloss._lazy import Registry, lazy_attributes

if TYPE_CHECKING:
    from ganloss.losses.divergences import GaussianKL as GaussianKL
    from ganloss.losses.divergences import KLDivergence as KLDivergence
    from ganloss.terms._term import Term as Term
    from ganloss.terms.audio import MelSpectrogram as MelSpectrogram
    from ganloss.terms.audio import MultiResolutionSTFT as MultiResolutionSTFT
    from ganloss.terms.classes import AuxiliaryClassifier as AuxiliaryClassifier
    from ganloss.terms.classes import (
        AuxiliaryDiscriminativeClassifier as AuxiliaryDiscriminativeClassifier,
    )
    from ganloss.terms.classes import MutualInformation as MutualInformation
    from ganloss.terms.classes import TwinAuxiliaryClassifier as TwinAuxiliaryClassifier
    from ganloss.terms.embeddings import ConditionalContrastive as ConditionalContrastive
    from ganloss.terms.embeddings import DataToDataCrossEntropy as DataToDataCrossEntropy
    from ganloss.terms.features import FeatureMatching as FeatureMatching
    from ganloss.terms.features import MeanFeatureMatching as MeanFeatureMatching
    from ganloss.terms.features import Perceptual as Perceptual
    from ganloss.terms.features import Style as Style
    from ganloss.terms.frequency import FocalFrequency as FocalFrequency
    from ganloss.terms.lpips import LPIPS as LPIPS
    from ganloss.terms.multi_hinge import MultiHinge as MultiHinge
    from ganloss.terms.patches import Contextual as Contextual
    from ganloss.terms.patches import PatchNCE as PatchNCE
    from ganloss.terms.pixel import L1 as L1
    from ganloss.terms.pixel import MSE as MSE
    from ganloss.terms.pixel import PSNR as PSNR
    from ganloss.terms.pixel import Charbonnier as Charbonnier
    from ganloss.terms.pixel import Cosine as Cosine
    from ganloss.terms.pixel import TotalVariation as TotalVariation
    from ganloss.terms.structural import SSIM as SSIM
    from ganloss.terms.structural import MultiScaleSSIM as MultiScaleSSIM
    from ganloss.terms.translation import CycleConsistency as CycleConsistency
    from ganloss.terms.translation import Identity as Identity

#: Every term by the name people type.
TERMS: "Registry[type[Any]]" = Registry(
    "term",
    {
        "l1": "ganloss.terms.pixel:L1",
        "mse": "ganloss.terms.pixel:MSE",
        "psnr": "ganloss.terms.pixel:PSNR",
        "cosine": "ganloss.terms.pixel:Cosine",
        "ssim": "ganloss.terms.structural:SSIM",
        "ms-ssim": "ganloss.terms.structural:MultiScaleSSIM",
        "perceptual": "ganloss.terms.features:Perceptual",
        "feature-matching": "ganloss.terms.features:FeatureMatching",
        "mean-feature-matching": "ganloss.terms.features:MeanFeatureMatching",
        "cycle": "ganloss.terms.translation:CycleConsistency",
        "identity": "ganloss.terms.translation:Identity",
        "charbonnier": "ganloss.terms.pixel:Charbonnier",
        "total-variation": "ganloss.terms.pixel:TotalVariation",
        "focal-frequency": "ganloss.terms.frequency:FocalFrequency",
        "style": "ganloss.terms.features:Style",
        "lpips": "ganloss.terms.lpips:LPIPS",
        "contextual": "ganloss.terms.patches:Contextual",
        "patch-nce": "ganloss.terms.patches:PatchNCE",
        "ac-gan": "ganloss.terms.classes:AuxiliaryClassifier",
        "tac-gan": "ganloss.terms.classes:TwinAuxiliaryClassifier",
        "adc-gan": "ganloss.terms.classes:AuxiliaryDiscriminativeClassifier",
        "multi-hinge": "ganloss.terms.multi_hinge:MultiHinge",
        "2c": "ganloss.terms.embeddings:ConditionalContrastive",
        "d2d-ce": "ganloss.terms.embeddings:DataToDataCrossEntropy",
        "infogan": "ganloss.terms.classes:MutualInformation",
        "stft": "ganloss.terms.audio:MultiResolutionSTFT",
        "mel": "ganloss.terms.audio:MelSpectrogram",
        "kl": "ganloss.losses.divergences:KLDivergence",
        "gaussian-kl": "ganloss.losses.divergences:GaussianKL",
    },
)

_HOMES = TERMS.public_names() | {"Term": "ganloss.terms._term"}

__getattr__ = lazy_attributes(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*_HOMES, "TERMS"])
