"""The penalties: regularisers of the discriminator that differentiate it themselves."""

from typing import TYPE_CHECKING

from ganloss._lazy import Registry, lazy_attributes

if TYPE_CHECKING:
    from ganloss.penalties._penalty import GeneratorPenalty as GeneratorPenalty
    from ganloss.penalties._penalty import Penalty as Penalty
    from ganloss.penalties.consistency import Consistency as Consistency
    from ganloss.penalties.critic import Critic as Critic
    from ganloss.penalties.gradient import DRAGAN as DRAGAN
    from ganloss.penalties.gradient import R1 as R1
    from ganloss.penalties.gradient import R2 as R2
    from ganloss.penalties.gradient import GradientPenalty as GradientPenalty
    from ganloss.penalties.gradient import MaxGradientPenalty as MaxGradientPenalty
    from ganloss.penalties.gradient import WGANDiv as WGANDiv
    from ganloss.penalties.latent import LatentConsistency as LatentConsistency
    from ganloss.penalties.latent import ModeSeeking as ModeSeeking
    from ganloss.penalties.latent import PathLength as PathLength
    from ganloss.penalties.latent import PathLengthMean as PathLengthMean
    from ganloss.penalties.scores import ApproximateR1 as ApproximateR1
    from ganloss.penalties.scores import ApproximateR2 as ApproximateR2
    from ganloss.penalties.scores import Drift as Drift
    from ganloss.penalties.scores import LeCam as LeCam
    from ganloss.penalties.scores import LeCamAverages as LeCamAverages
    from ganloss.penalties.weights import HistoricalAverages as HistoricalAverages
    from ganloss.penalties.weights import Orthogonal as Orthogonal
    from ganloss.penalties.weights import Spectral as Spectral

#: Every penalty of a critic by the name people type; those of a generator are called otherwise.
PENALTIES: "Registry[type[Penalty]]" = Registry(
    "penalty",
    {
        "gp": "ganloss.penalties.gradient:GradientPenalty",
        "r1": "ganloss.penalties.gradient:R1",
        "r2": "ganloss.penalties.gradient:R2",
        "dragan": "ganloss.penalties.gradient:DRAGAN",
        "max-gp": "ganloss.penalties.gradient:MaxGradientPenalty",
        "wgan-div": "ganloss.penalties.gradient:WGANDiv",
        "lecam": "ganloss.penalties.scores:LeCam",
        "consistency": "ganloss.penalties.consistency:Consistency",
        "drift": "ganloss.penalties.scores:Drift",
        "orthogonal": "ganloss.penalties.weights:Orthogonal",
        "spectral": "ganloss.penalties.weights:Spectral",
        "approximate-r1": "ganloss.penalties.scores:ApproximateR1",
        "approximate-r2": "ganloss.penalties.scores:ApproximateR2",
    },
)

#: Every penalty of a generator by name.
GENERATOR_PENALTIES: "Registry[type[GeneratorPenalty]]" = Registry(
    "penalty",
    {
        "path-length": "ganloss.penalties.latent:PathLength",
        "mode-seeking": "ganloss.penalties.latent:ModeSeeking",
        "latent-consistency": "ganloss.penalties.latent:LatentConsistency",
        "pulling-away": "ganloss.losses.energy:PullingAway",
    },
)

_HOMES = (
    PENALTIES.public_names()
    | GENERATOR_PENALTIES.public_names()
    | {
        "Critic": "ganloss.penalties.critic",
        "Penalty": "ganloss.penalties._penalty",
        "GeneratorPenalty": "ganloss.penalties._penalty",
        "HistoricalAverages": "ganloss.penalties.weights",
        "LeCamAverages": "ganloss.penalties.scores",
        "PathLengthMean": "ganloss.penalties.latent",
    }
)

__getattr__ = lazy_attributes(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*_HOMES, "PENALTIES", "GENERATOR_PENALTIES"])
