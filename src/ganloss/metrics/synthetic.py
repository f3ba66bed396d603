"""Sets whose distribution is known: modes, members and quality can be counted, not estimated."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

#: A point belongs to a mode within this many standard deviations of it.
GOOD_WITHIN = 3.0
#: A picture shows a triangle if it is this close to it: root mean square, of pixels in [0, 1].
MEMBER_WITHIN = 0.1


@dataclass(frozen=True)
class ModeReport:
    """How samples lie among known modes.

    Args:
        modes: how many there are.
        covered: how many have at least one good sample.
        good: share of the samples that lie in a mode.
        reverse_kl: KL divergence of the modes' shares among the good samples from equal shares,
            in nats: 0 when all come equally often, infinite when no sample is good.

    >>> report = mode_report(torch.tensor([0, 0, 1, 1]), modes=4, good=0.5)
    >>> report.numbers()
    {'modes covered': 0.5, 'good samples': 0.5, 'reverse KL': 0.6931471805599453}
    >>> report.in_words()
    '2 of 4 modes covered, 50.0% of the samples are good, reverse KL 0.693'
    """

    modes: int
    covered: int
    good: float
    reverse_kl: float

    def numbers(self) -> dict[str, float | None]:
        """The numbers for ``metrics.jsonl``, shares between 0 and 1; null where infinite."""
        finite = self.reverse_kl if math.isfinite(self.reverse_kl) else None
        covered = self.covered / self.modes
        return {"modes covered": covered, "good samples": self.good, "reverse KL": finite}

    def in_words(self) -> str:
        """Say it in a sentence.

        >>> ModeReport(8, 7, 0.9, 0.05).in_words()
        '7 of 8 modes covered, 90.0% of the samples are good, reverse KL 0.050'
        """
        return (
            f"{self.covered:,} of {self.modes:,} modes covered, {self.good:.1%} of the samples are "
            f"good, reverse KL {self.reverse_kl:.3f}"
        )


def modes_of_points(points: Tensor, modes: Tensor, spread: float) -> ModeReport:
    r"""Count the modes of a mixture of Gaussians that samples fall in.

    A sample is good within three standard deviations of the nearest mode.

    .. math:: \mathrm{KL}(q \,\Vert\, u) = \sum_k q_k \log (K q_k)

    Args:
        points: samples, ``(N, 2)``.
        modes: means, ``(K, 2)``.
        spread: standard deviation.

    References:
        Srivastava et al., "VEEGAN", NeurIPS 2017, arXiv:1705.07761, section 5.1 (modes and share
        of good samples); Lin et al., "PacGAN", NeurIPS 2018, arXiv:1712.04086, section 4.1
        (reverse KL).

    >>> modes = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    >>> modes_of_points(torch.tensor([[0.01, 0.0], [0.5, 0.0]]), modes, spread=0.1)
    ModeReport(modes=2, covered=1, good=0.5, reverse_kl=0.6931471805599453)
    """
    distances = torch.cdist(points.double(), modes.double())
    nearest = distances.min(1)
    good = nearest.values <= GOOD_WITHIN * spread
    return mode_report(nearest.indices[good], len(modes), good.double().mean().item())


def mode_report(labels: Tensor, modes: int, good: float = 1.0) -> ModeReport:
    """Report the modes of the good samples.

    Args:
        labels: mode of each good sample, ``(N,)``.
        modes: how many there are.
        good: share of the samples that are good.

    >>> mode_report(torch.tensor([0, 1, 1]), modes=3).covered
    2
    """
    counts = torch.bincount(labels, minlength=modes).double()
    covered = int((counts > 0).sum())
    if covered == 0:
        return ModeReport(modes, 0, good, float("inf"))
    shares = counts / counts.sum()
    reverse_kl = torch.special.xlogy(shares, shares * modes).sum()
    return ModeReport(modes, covered, good, float(reverse_kl))


@dataclass(frozen=True)
class MemberReport:
    """How samples lie among listed members.

    Args:
        precision: share of the samples that show a member.
        recall: share of the held-out members that a sample shows.

    >>> report = MemberReport(precision=0.5, recall=0.25)
    >>> report.numbers()
    {'precision': 0.5, 'recall': 0.25}
    >>> report.in_words()
    'precision 50.0% (samples that show a triangle), recall 25.0% (unseen triangles shown)'
    """

    precision: float
    recall: float

    def numbers(self) -> dict[str, float | None]:
        """The numbers for ``metrics.jsonl``, between 0 and 1."""
        return {"precision": self.precision, "recall": self.recall}

    def in_words(self) -> str:
        """Say it in a sentence.

        >>> MemberReport(0.5, 0.25).in_words()
        'precision 50.0% (samples that show a triangle), recall 25.0% (unseen triangles shown)'
        """
        return (
            f"precision {self.precision:.1%} (samples that show a triangle), recall "
            f"{self.recall:.1%} (unseen triangles shown)"
        )


def members_shown(samples: Tensor, members: Tensor, held_out: Tensor) -> MemberReport:
    """Exact precision and recall where all members of the distribution are listed.

    A sample shows a member when their root mean square difference is at most 0.1 of the range.
    Recall depends on the number of samples: compare it with that of as many members.

    Args:
        samples: uint8 images, ``(N, ...)``.
        members: every image there is, ``(M, ...)``.
        held_out: those among them that were not trained on, ``(K, ...)``.

    References:
        After Lucic et al., "Are GANs Created Equal?", NeurIPS 2018, arXiv:1711.10337, section 6,
        where the distances to the manifold are found by optimisation.

    >>> a, b = torch.zeros(1, 4, dtype=torch.uint8), torch.full((1, 4), 255, dtype=torch.uint8)
    >>> members_shown(torch.cat([a, a + 128]), torch.cat([a, b]), b)
    MemberReport(precision=0.5, recall=0.0)
    """
    limit = MEMBER_WITHIN * 255 * samples[0].numel() ** 0.5
    x, everything, unseen = (t.flatten(1).double() for t in (samples, members, held_out))
    precision = (torch.cdist(x, everything).amin(1) <= limit).double().mean()
    recall = (torch.cdist(unseen, x).amin(1) <= limit).double().mean()
    return MemberReport(float(precision), float(recall))


class RadialFeatures:
    """Features of points: how close each mode is, ``exp(-d² / 2w²)`` with w = 5 spreads.

    A Fréchet distance between points themselves would see mean and covariance only, which a
    collapsed generator can have right.

    >>> near = RadialFeatures(torch.tensor([[0.0, 0.0], [9.0, 0.0]]), spread=0.2)
    >>> near(torch.tensor([[0.0, 0.0]])).round(decimals=3)
    tensor([[1., 0.]], dtype=torch.float64)
    """

    name = "modes"

    def __init__(self, modes: Tensor, spread: float) -> None:
        self._modes, self._width = modes.double(), 5 * spread

    def __call__(self, points: Tensor) -> Tensor:
        """Map points ``(N, 2)`` to features ``(N, K)``, float64."""
        squared = torch.cdist(points.double(), self._modes).square()
        return torch.exp(-squared / (2 * self._width**2))
