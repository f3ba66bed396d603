"""A run's metric, with the rows that give its number a meaning."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """What a run is scored by; lower is better. What is unknown is empty or None.

    Args:
        name: metric, features and number of samples, e.g. ``fd-digits@897``.
        meaning: what it measures, in a sentence.
        reference: score of the best that can be hoped for, e.g. of other real images.
        reference_meaning: what that is.
        noise: score of what costs nothing, e.g. of uniform noise.
        warning: why this metric cannot judge these data; empty if it can, or was not tried.
        key: where its values stand in ``metrics.jsonl``.
        noise_meaning: what costs nothing here.
        tried: whether it was tried on the real images.

    >>> Metric("fd-digits@897", "a distance", 0.3, "real images", 130.0).key
    'fd'
    """

    name: str
    meaning: str
    reference: float | None
    reference_meaning: str
    noise: float | None
    warning: str = ""
    key: str = "fd"
    noise_meaning: str = "uniform noise"
    tried: bool = False
