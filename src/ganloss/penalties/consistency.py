"""Consistency: the critic should score a sample and its augmented copy alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final, get_args

from torch import Tensor

from ganloss._random import Draws
from ganloss._scores import check_same_shape
from ganloss.augment import DiffAugment
from ganloss.penalties._penalty import Penalty
from ganloss.penalties.critic import scores_of

Sides = Literal["real", "fake", "both"]


@final
@dataclass(frozen=True)
class Consistency(Penalty):
    r"""Squared change of the critic's scores under augmentation: CR-GAN, and bCR for both sides.

    .. math:: E_x[(D(x) - D(T(x)))^2] + E_z[(D(G(z)) - D(T(G(z))))^2]

    CR has the first term only, which is the default; balanced CR has both (``on="both"``). The
    papers' weight is 10.

    Args:
        augment: *T*, a :class:`~ganloss.DiffAugment` or any callable from samples to samples of
            the same shape that keeps their meaning, e.g. flips and shifts of a few pixels.
        on: which samples: ``"real"``, ``"fake"`` or ``"both"``.

    Raises:
        TypeError: ``augment`` cannot be called.
        ValueError: ``on`` is none of its choices.

    Shapes: samples ``(N, ...)`` of any rank; scores of any shape, made one number per sample.

    Range: [0, ∞).

    Use: Images, beside :class:`~ganloss.Hinge` with spectral norm. Where D sees augmented samples
    anyway (DiffAugment), it adds little.

    Cost: One more forward and backward pass of D for each side.

    Peers: StudioGAN apply_cr, apply_bcr: same scale.

    References:
        Zhang et al., "Consistency Regularization for Generative Adversarial Networks", ICLR 2020,
        arXiv:1910.12027, section 2.
        Zhao et al., "Improved Consistency Regularization for GANs", AAAI 2021, arXiv:2002.04724,
        section 2.

    >>> import torch
    >>> flip = lambda x: x.flip(-1)
    >>> x = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    >>> Consistency(flip)(lambda x: x[:, 0], real=x).item()  # (1 + 9) / 2
    5.0
    """

    differentiates: ClassVar[bool] = False

    augment: Callable[[Tensor], Tensor] | DiffAugment
    on: Sides = "real"

    def __post_init__(self) -> None:
        if isinstance(self.augment, type) or not callable(self.augment):
            raise TypeError(
                f"augment is {self.augment!r}; pass a DiffAugment() or a function of the samples"
            )
        if self.on not in get_args(Sides):
            raise ValueError(f"on is {self.on!r}; use one of {', '.join(get_args(Sides))}")

    @property
    def needs(self) -> tuple[str, ...]:
        """The samples of ``on``."""
        return ("real", "fake") if self.on == "both" else (self.on,)

    def _penalty(
        self,
        critic: Callable[..., Any],
        real: Tensor | None,
        fake: Tensor | None,
        random: Draws | None,
    ) -> Tensor:
        samples = {"real": real, "fake": fake}
        terms = [
            self._change(critic, x, random, f"consistency-{kind}")
            for kind, x in samples.items()
            if kind in self.needs and x is not None
        ]
        return terms[0] if len(terms) == 1 else terms[0] + terms[1]

    def _change(
        self, critic: Callable[..., Any], x: Tensor, random: Draws | None, stream: str
    ) -> Tensor:
        x_of = x.detach()
        if isinstance(self.augment, DiffAugment):
            copy = self.augment(x_of, random=random, stream=stream)
        else:
            copy = self.augment(x_of)
        check_same_shape(x, copy, "the samples", "their augmented copies")
        return (scores_of(critic, x) - scores_of(critic, copy)).square().mean()
