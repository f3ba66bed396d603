"""The penalties: regularisers of the discriminator that differentiate it themselves."""

from typing import TYPE_CHECKING

from ganloss._lazy import Registry, lazy_attributes

if TYPE_CHECKING:
    from ganloss.penalties._penalty import Penalty as Penalty
    from ganloss.penalties.critic import Critic as Critic
    from ganloss.penalties.gradient import R1 as R1
    from ganloss.penalties.gradient import R2 as R2
    from ganloss.penalties.gradient import GradientPenalty as GradientPenalty
    from ganloss.penalties.gradient import WGANDiv as WGANDiv

#: Every penalty by the name people type.
PENALTIES: "Registry[type[Penalty]]" = Registry(
    "penalty",
    {
        "gp": "ganloss.penalties.gradient:GradientPenalty",
        "wgan-div": "ganloss.penalties.gradient:WGANDiv",
        "r1": "ganloss.penalties.gradient:R1",
        "r2": "ganloss.penalties.gradient:R2",
    },
)

_HOMES = PENALTIES.public_names() | {
    "Critic": "ganloss.penalties.critic",
    "Penalty": "ganloss.penalties._penalty",
}

__getattr__ = lazy_attributes(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*_HOMES, "PENALTIES"])
