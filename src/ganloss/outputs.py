"""What a discriminator gives for each sample, as games ask for it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, final, get_args

from ganloss._settings import check_settings

#: How the error of an autoencoder is measured.
Distance: TypeAlias = Literal["euclidean", "absolute"]


@final
@dataclass(frozen=True)
class ScoreOutput:
    """One raw score, or a map of them; higher means more real. There is nothing to set.

    >>> ScoreOutput()
    ScoreOutput()
    """


@final
@dataclass(frozen=True)
class EnergyOutput:
    r"""The error of an autoencoder; lower means more real.

    Args:
        distance: ``"euclidean"`` :math:`\lVert x - A(x) \rVert_2` (EBGAN), or ``"absolute"``, the
            mean of :math:`|x - A(x)|` (BEGAN).

    Raises:
        ValueError: ``distance`` is neither.

    >>> EnergyOutput("absolute")
    EnergyOutput(distance='absolute')
    """

    distance: Distance

    def __post_init__(self) -> None:
        if self.distance not in get_args(Distance):
            raise ValueError(f"distance is {self.distance!r}; it is 'euclidean' or 'absolute'")


@final
@dataclass(frozen=True)
class FeatureOutput:
    """A vector without an up or down, or logits of a distribution.

    Args:
        count: its length.

    Raises:
        TypeError: ``count`` is no whole number.
        ValueError: ``count`` is below 1.

    >>> FeatureOutput(16)
    FeatureOutput(count=16)
    """

    count: int

    def __post_init__(self) -> None:
        check_settings(self)
        if self.count < 1:
            raise ValueError(f"count is {self.count}; a vector has at least one element")


Output: TypeAlias = ScoreOutput | EnergyOutput | FeatureOutput
