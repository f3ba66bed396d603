"""ganloss: every GAN loss, exact and fast, and the tools to train and compare with them.

Nothing is imported until it is used: ``import ganloss`` alone does not even import torch.
"""

from typing import TYPE_CHECKING

from ganloss._lazy import lazy_attributes
from ganloss._version import __version__ as __version__
from ganloss.losses import _HOMES as _LOSS_HOMES
from ganloss.losses import LOSSES as LOSSES
from ganloss.penalties import _HOMES as _PENALTY_HOMES
from ganloss.penalties import GENERATOR_PENALTIES as GENERATOR_PENALTIES
from ganloss.penalties import PENALTIES as PENALTIES
from ganloss.terms import _HOMES as _TERM_HOMES
from ganloss.terms import TERMS as TERMS

if TYPE_CHECKING:
    from ganloss.adaptive import AdaptiveAugment as AdaptiveAugment
    from ganloss.adaptive import AugmentStrength as AugmentStrength
    from ganloss.aids import ImagePool as ImagePool
    from ganloss.aids import adaptive_weight as adaptive_weight
    from ganloss.aids import latent_step as latent_step
    from ganloss.aids import top_k as top_k
    from ganloss.augment import DiffAugment as DiffAugment
    from ganloss.constraints import ClipWeights as ClipWeights
    from ganloss.constraints import SpectralNorm as SpectralNorm
    from ganloss.games import GAMES as GAMES
    from ganloss.games import Game as Game
    from ganloss.games import Weighted as Weighted
    from ganloss.losses import BoundaryEquilibrium as BoundaryEquilibrium
    from ganloss.losses import BoundaryEquilibriumControl as BoundaryEquilibriumControl
    from ganloss.losses import BoundarySeeking as BoundarySeeking
    from ganloss.losses import DualContrastive as DualContrastive
    from ganloss.losses import ElementwisePair as ElementwisePair
    from ganloss.losses import EnergyBased as EnergyBased
    from ganloss.losses import FDivergence as FDivergence
    from ganloss.losses import GANLoss as GANLoss
    from ganloss.losses import Hinge as Hinge
    from ganloss.losses import LeastSquares as LeastSquares
    from ganloss.losses import MaximumMeanDiscrepancy as MaximumMeanDiscrepancy
    from ganloss.losses import Minimax as Minimax
    from ganloss.losses import NonSaturating as NonSaturating
    from ganloss.losses import PairController as PairController
    from ganloss.losses import PullingAway as PullingAway
    from ganloss.losses import Realness as Realness
    from ganloss.losses import Relativistic as Relativistic
    from ganloss.losses import RelativisticAverage as RelativisticAverage
    from ganloss.losses import SoftmaxGAN as SoftmaxGAN
    from ganloss.losses import Sphere as Sphere
    from ganloss.losses import Wasserstein as Wasserstein
    from ganloss.networks.load import load_generator as load_generator
    from ganloss.objective import Losses as Losses
    from ganloss.objective import WeightedSum as WeightedSum
    from ganloss.objective import every as every
    from ganloss.objective import ramp as ramp
    from ganloss.optimisers import Adam as Adam
    from ganloss.optimisers import Optimisers as Optimisers
    from ganloss.optimisers import RMSprop as RMSprop
    from ganloss.outputs import EnergyOutput as EnergyOutput
    from ganloss.outputs import FeatureOutput as FeatureOutput
    from ganloss.outputs import ScoreOutput as ScoreOutput
    from ganloss.penalties import DRAGAN as DRAGAN
    from ganloss.penalties import R1 as R1
    from ganloss.penalties import R2 as R2
    from ganloss.penalties import ApproximateR1 as ApproximateR1
    from ganloss.penalties import ApproximateR2 as ApproximateR2
    from ganloss.penalties import Consistency as Consistency
    from ganloss.penalties import Critic as Critic
    from ganloss.penalties import Drift as Drift
    from ganloss.penalties import GeneratorPenalty as GeneratorPenalty
    from ganloss.penalties import GradientPenalty as GradientPenalty
    from ganloss.penalties import HistoricalAverages as HistoricalAverages
    from ganloss.penalties import LatentConsistency as LatentConsistency
    from ganloss.penalties import LeCam as LeCam
    from ganloss.penalties import LeCamAverages as LeCamAverages
    from ganloss.penalties import MaxGradientPenalty as MaxGradientPenalty
    from ganloss.penalties import ModeSeeking as ModeSeeking
    from ganloss.penalties import Orthogonal as Orthogonal
    from ganloss.penalties import PathLength as PathLength
    from ganloss.penalties import PathLengthMean as PathLengthMean
    from ganloss.penalties import Penalty as Penalty
    from ganloss.penalties import Spectral as Spectral
    from ganloss.penalties import WGANDiv as WGANDiv
    from ganloss.terms import L1 as L1
    from ganloss.terms import LPIPS as LPIPS
    from ganloss.terms import MSE as MSE
    from ganloss.terms import PSNR as PSNR
    from ganloss.terms import SSIM as SSIM
    from ganloss.terms import AuxiliaryClassifier as AuxiliaryClassifier
    from ganloss.terms import AuxiliaryDiscriminativeClassifier as AuxiliaryDiscriminativeClassifier
    from ganloss.terms import Charbonnier as Charbonnier
    from ganloss.terms import ConditionalContrastive as ConditionalContrastive
    from ganloss.terms import Contextual as Contextual
    from ganloss.terms import Cosine as Cosine
    from ganloss.terms import CycleConsistency as CycleConsistency
    from ganloss.terms import DataToDataCrossEntropy as DataToDataCrossEntropy
    from ganloss.terms import FeatureMatching as FeatureMatching
    from ganloss.terms import FocalFrequency as FocalFrequency
    from ganloss.terms import GaussianKL as GaussianKL
    from ganloss.terms import Identity as Identity
    from ganloss.terms import KLDivergence as KLDivergence
    from ganloss.terms import MeanFeatureMatching as MeanFeatureMatching
    from ganloss.terms import MelSpectrogram as MelSpectrogram
    from ganloss.terms import MultiHinge as MultiHinge
    from ganloss.terms import MultiResolutionSTFT as MultiResolutionSTFT
    from ganloss.terms import MultiScaleSSIM as MultiScaleSSIM
    from ganloss.terms import MutualInformation as MutualInformation
    from ganloss.terms import PatchNCE as PatchNCE
    from ganloss.terms import Perceptual as Perceptual
    from ganloss.terms import Style as Style
    from ganloss.terms import Term as Term
    from ganloss.terms import TotalVariation as TotalVariation
    from ganloss.terms import TwinAuxiliaryClassifier as TwinAuxiliaryClassifier

_HOMES = {
    **_LOSS_HOMES,
    **_PENALTY_HOMES,
    **_TERM_HOMES,
    "load_generator": "ganloss.networks.load",
    "DiffAugment": "ganloss.augment",
    **dict.fromkeys(("AdaptiveAugment", "AugmentStrength"), "ganloss.adaptive"),
    **dict.fromkeys(("ImagePool", "adaptive_weight", "latent_step", "top_k"), "ganloss.aids"),
    **dict.fromkeys(("Losses", "WeightedSum", "every", "ramp"), "ganloss.objective"),
    **dict.fromkeys(("GAMES", "Game", "Weighted"), "ganloss.games"),
    **dict.fromkeys(("ClipWeights", "SpectralNorm"), "ganloss.constraints"),
    **dict.fromkeys(("Adam", "RMSprop", "Optimisers"), "ganloss.optimisers"),
    **dict.fromkeys(("ScoreOutput", "EnergyOutput", "FeatureOutput"), "ganloss.outputs"),
}

PUBLIC_NAMES = sorted(
    [*_HOMES, "LOSSES", "PENALTIES", "GENERATOR_PENALTIES", "TERMS", "__version__"]
)
__all__ = PUBLIC_NAMES  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__ = lazy_attributes(__name__, _HOMES)


def __dir__() -> list[str]:
    return PUBLIC_NAMES
