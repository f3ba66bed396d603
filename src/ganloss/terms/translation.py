"""Terms of unpaired translation between two domains A and B."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias, final

from torch import Tensor

from ganloss._scores import check_same_shape, check_tensor, named
from ganloss.terms._term import Term
from ganloss.terms.pixel import L1

#: A generator from one domain to the other.
Generator: TypeAlias = Callable[[Tensor], Tensor]


@final
@dataclass(frozen=True)
class CycleConsistency:
    r"""Distance of images from themselves after a trip to the other domain and back.

    .. math:: L = c(F(G(a)), a) + c(G(F(b)), b), \qquad G: A \to B,\ F: B \to A

    The paper multiplies it by 10. With the mean absolute error as c the value does not grow with
    the image, as in the authors' code.

    Args:
        criterion: a term that compares the reconstruction with the original.

    Raises:
        TypeError: ``criterion`` cannot be called.

    Shapes: ``(N, ...)``; a map back must restore the shape.

    Range: [0, ∞).

    Use: Unpaired translation, weight 10.

    Cost: Two more passes of the generators (four, if the fakes are not passed in).

    Peers: junyanz lambda_A = lambda_B = 10: same scale.

    References:
        Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
        Networks", ICCV 2017, arXiv:1703.10593, eq. 2.

    >>> import torch
    >>> a, b = torch.ones(1, 1), torch.full((1, 1), 3.0)
    >>> maps = dict(a_to_b=lambda x: 2 * x, b_to_a=lambda y: 0.5 * y + 0.1)
    >>> CycleConsistency()(real_a=a, real_b=b, **maps)
    tensor(0.3000)
    """

    criterion: Term = field(default_factory=L1)

    def __post_init__(self) -> None:
        _check_criterion(self.criterion)

    @named("loss(real_a=..., real_b=..., a_to_b=..., b_to_a=...)")
    def __call__(
        self,
        *,
        real_a: Tensor,
        real_b: Tensor,
        a_to_b: Generator,
        b_to_a: Generator,
        fake_a: Tensor | None = None,
        fake_b: Tensor | None = None,
    ) -> Tensor:
        """Sum of both cycles, a 0-d tensor.

        Args:
            real_a: images of domain A.
            real_b: images of domain B; their number may differ.
            a_to_b: generator from A to B.
            b_to_a: generator from B to A.
            fake_a: ``b_to_a(real_b)`` if it is known already, *not detached*: the cycle trains
                both generators through it.
            fake_b: ``a_to_b(real_a)`` likewise.

        Raises:
            TypeError: images are not floating tensors.
            ValueError: a reconstruction has another shape than its original.
        """
        check_tensor(real_a, "real_a")
        check_tensor(real_b, "real_b")
        fake_a = b_to_a(real_b) if fake_a is None else fake_a
        fake_b = a_to_b(real_a) if fake_b is None else fake_b
        back_in_a = _same(b_to_a(fake_b), real_a, "b_to_a(fake_b)", "real_a")
        back_in_b = _same(a_to_b(fake_a), real_b, "a_to_b(fake_a)", "real_b")
        return self.criterion(back_in_a, real_a) + self.criterion(back_in_b, real_b)


@final
@dataclass(frozen=True)
class Identity:
    r"""A generator should leave an image alone that is in its target domain already.

    .. math:: L = c(F(a), a) + c(G(b), b), \qquad G: A \to B,\ F: B \to A

    Keeps colours; defined only where both domains have the same channels. The paper's weight is
    half that of the cycle, 5.

    Args:
        criterion: a term that compares the result with the original.

    Raises:
        TypeError: ``criterion`` cannot be called.

    Shapes: ``(N, ...)``; both domains must have the same channels.

    Range: [0, ∞).

    Use: Unpaired translation in which colours should stay, weight 5.

    Cost: Two more passes of the generators.

    Peers: junyanz lambda_identity = 0.5, times lambda_A = 10: weight 5 here.

    References:
        Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
        Networks", ICCV 2017, arXiv:1703.10593, section 5.2.

    >>> import torch
    >>> a, b = torch.ones(1, 1), torch.full((1, 1), 3.0)
    >>> maps = dict(a_to_b=lambda x: 2 * x, b_to_a=lambda y: 0.5 * y + 0.1)
    >>> Identity()(real_a=a, real_b=b, **maps)
    tensor(3.4000)
    """

    criterion: Term = field(default_factory=L1)

    def __post_init__(self) -> None:
        _check_criterion(self.criterion)

    @named("loss(real_a=..., real_b=..., a_to_b=..., b_to_a=...)")
    def __call__(
        self, *, real_a: Tensor, real_b: Tensor, a_to_b: Generator, b_to_a: Generator
    ) -> Tensor:
        """Sum over both generators, a 0-d tensor.

        Args:
            real_a: images of domain A.
            real_b: images of domain B, with the same channels; their number may differ.
            a_to_b: generator from A to B, applied to ``real_b``.
            b_to_a: generator from B to A, applied to ``real_a``.

        Raises:
            TypeError: images are not floating tensors.
            ValueError: the domains have different channels, or a generator changes the shape.
        """
        check_tensor(real_a, "real_a")
        check_tensor(real_b, "real_b")
        _check_channels(real_a, real_b)
        same_a = _same(b_to_a(real_a), real_a, "b_to_a(real_a)", "real_a")
        same_b = _same(a_to_b(real_b), real_b, "a_to_b(real_b)", "real_b")
        return self.criterion(same_a, real_a) + self.criterion(same_b, real_b)


def _check_criterion(criterion: object) -> None:
    if isinstance(criterion, type) or not callable(criterion):
        raise TypeError(f"criterion is {criterion!r}; pass a term, e.g. criterion=L1()")


def _check_channels(a: Tensor, b: Tensor) -> None:
    if a.dim() != b.dim() or a.shape[1:2] != b.shape[1:2]:
        raise ValueError(
            f"the identity loss feeds images of A to the generator that takes B, but real_a "
            f"{tuple(a.shape)} and real_b {tuple(b.shape)} have different channels: leave this "
            "loss out, or convert one domain first"
        )


def _same(made: Tensor, real: Tensor, made_name: str, real_name: str) -> Tensor:
    check_same_shape(check_tensor(made, made_name), real, made_name, real_name)
    return made
