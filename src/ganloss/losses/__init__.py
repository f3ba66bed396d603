"""The pairs: adversarial losses with both players' sides in one value."""

from typing import TYPE_CHECKING

from ganloss._lazy import Registry, lazy_attributes

if TYPE_CHECKING:
    from ganloss.losses._pair import ElementwisePair as ElementwisePair
    from ganloss.losses._pair import GANLoss as GANLoss
    from ganloss.losses._pair import PairController as PairController
    from ganloss.losses.adversarial import BoundarySeeking as BoundarySeeking
    from ganloss.losses.adversarial import Hinge as Hinge
    from ganloss.losses.adversarial import LeastSquares as LeastSquares
    from ganloss.losses.adversarial import Minimax as Minimax
    from ganloss.losses.adversarial import NonSaturating as NonSaturating
    from ganloss.losses.adversarial import Wasserstein as Wasserstein
    from ganloss.losses.contrastive import DualContrastive as DualContrastive
    from ganloss.losses.contrastive import SoftmaxGAN as SoftmaxGAN
    from ganloss.losses.divergences import FDivergence as FDivergence
    from ganloss.losses.energy import BoundaryEquilibrium as BoundaryEquilibrium
    from ganloss.losses.energy import BoundaryEquilibriumControl as BoundaryEquilibriumControl
    from ganloss.losses.energy import EnergyBased as EnergyBased
    from ganloss.losses.energy import PullingAway as PullingAway
    from ganloss.losses.features import MaximumMeanDiscrepancy as MaximumMeanDiscrepancy
    from ganloss.losses.features import Sphere as Sphere
    from ganloss.losses.realness import Realness as Realness
    from ganloss.losses.relativistic import Relativistic as Relativistic
    from ganloss.losses.relativistic import RelativisticAverage as RelativisticAverage

#: Every pair by name.
LOSSES: "Registry[type[GANLoss]]" = Registry(
    "loss",
    {
        "minimax": "ganloss.losses.adversarial:Minimax",
        "non-saturating": "ganloss.losses.adversarial:NonSaturating",
        "wasserstein": "ganloss.losses.adversarial:Wasserstein",
        "least-squares": "ganloss.losses.adversarial:LeastSquares",
        "hinge": "ganloss.losses.adversarial:Hinge",
        "relativistic": "ganloss.losses.relativistic:Relativistic",
        "relativistic-average": "ganloss.losses.relativistic:RelativisticAverage",
        "f-divergence": "ganloss.losses.divergences:FDivergence",
        "dual-contrastive": "ganloss.losses.contrastive:DualContrastive",
        "softmax": "ganloss.losses.contrastive:SoftmaxGAN",
        "boundary-seeking": "ganloss.losses.adversarial:BoundarySeeking",
        "mmd": "ganloss.losses.features:MaximumMeanDiscrepancy",
        "sphere": "ganloss.losses.features:Sphere",
        "realness": "ganloss.losses.realness:Realness",
        "energy-based": "ganloss.losses.energy:EnergyBased",
        "boundary-equilibrium": "ganloss.losses.energy:BoundaryEquilibrium",
    },
)

_HOMES = LOSSES.public_names() | {
    "GANLoss": "ganloss.losses._pair",
    "ElementwisePair": "ganloss.losses._pair",
    "PairController": "ganloss.losses._pair",
    "BoundaryEquilibriumControl": "ganloss.losses.energy",
    "PullingAway": "ganloss.losses.energy",
}

__getattr__ = lazy_attributes(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*_HOMES, "LOSSES"])
