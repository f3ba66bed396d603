"""The pair: both players' losses in one value, checked, scaled and reduced once for all."""

from abc import ABC, abstractmethod
from typing import ClassVar, TypeAlias, final

from torch import Tensor, nn

from ganloss._processes import gathered
from ganloss._scores import (
    Reduction,
    Scores,
    check_equal_batches,
    check_not_cut_off,
    check_reduction,
    check_same_scales,
    check_weight,
    named,
    per_sample,
    reduce,
    scales,
)

#: Elementwise losses of the real and of the fake scores of one scale; None: that side is absent.
Sides: TypeAlias = tuple[Tensor | None, Tensor | None]


class GANLoss(ABC):
    """A pair of losses, one for each player; both are minimised.

    Scores are raw discriminator outputs of shape ``(N, ...)``, or a list with one entry per
    scale. The value of a sample is the mean over its elements, summed over scales.

    Subclass :class:`ElementwisePair` for a loss that looks at each score alone, or this class for
    one that looks at real and fake scores together. What a class declares about itself is proved
    by ``ganloss check``.

    >>> import torch
    >>> from ganloss import GAMES, RelativisticAverage, Hinge
    >>> pair = RelativisticAverage(Hinge())
    >>> pair.discriminator(real=torch.ones(4), fake=torch.zeros(4))
    tensor(0.)
    >>> pair.globally()  # its means over all processes
    RelativisticAverage(base=Hinge(margin=1.0, fake_margin=None), across_processes=True)
    >>> pair.compares_samples, pair.smallest_batch
    (False, 1)
    >>> GAMES["began"].pair.ignores_fake, pair.ignores_fake  # its k begins at 0
    (True, False)
    >>> GAMES["fgan-total-variation"].pair.saturates, pair.saturates
    (True, False)
    >>> type(GAMES["began"].pair.controller()).__name__
    'BoundaryEquilibriumControl'
    """

    #: Sample i of the real batch meets sample i of the fake batch.
    paired: ClassVar[bool] = False
    #: The loss of one sample depends on the whole batch, so there is no per-sample value.
    batch_statistic: ClassVar[bool] = False
    #: The generator's loss looks at real scores as well.
    generator_needs_real: ClassVar[bool] = False
    #: Whether scores are energies, of which the discriminator lowers those of real samples.
    real_is_low: ClassVar[bool] = False
    #: Scores are vectors ``(N, d)`` without an up or down; further dimensions are flattened.
    scores_are_features: ClassVar[bool] = False

    @property
    def compares_samples(self) -> bool:
        """Whether a batch written twice has another loss."""
        return False

    @property
    def smallest_batch(self) -> int:
        """Fewest samples of each kind the loss is defined for."""
        return 1

    @property
    def ignores_fake(self) -> bool:
        """Whether the discriminator's loss looks at real scores only."""
        return False

    @property
    def saturates(self) -> bool:
        """Whether scores that are wrong by far teach the discriminator nothing."""
        return False

    @property
    def undecided(self) -> float | None:
        """Score that says neither real nor generated; None where scores have no such point."""
        return None

    @abstractmethod
    def _discriminator(self, real: Tensor, fake: Tensor) -> Sides:
        """Elementwise losses of the discriminator for one scale."""

    @abstractmethod
    def _generator(self, real: Tensor | None, fake: Tensor) -> Sides:
        """Elementwise losses of the generator for one scale."""

    def globally(self) -> "GANLoss":
        """Give the same pair with its batch statistics, if any, taken over all processes."""
        return self

    def controller(self, *, across_processes: bool = False) -> "PairController | None":
        """Give what holds this pair's state in training and moves it; None without a state."""
        del across_processes
        return None

    @final
    @named("discriminator(real=..., fake=...)")
    def discriminator(
        self,
        *,
        real: Scores,
        fake: Scores,
        real_weight: Tensor | None = None,
        fake_weight: Tensor | None = None,
        reduction: Reduction = "mean",
        across_processes: bool = False,
    ) -> Tensor:
        """Loss of the discriminator.

        Args:
            real: raw scores of real samples, ``(N, ...)`` or a list of scales.
            fake: raw scores of generated samples; computed from *detached* samples.
            real_weight: weight of each real sample, ``(N,)``.
            fake_weight: weight of each generated sample, ``(N,)``.
            reduction: ``"mean"`` Σwl/Σw on each side, ``"sum"`` Σwl, ``"none"`` w·l, ``(N,)``.
            across_processes: of a weighted mean, Σw is that of all processes, divided by their
                number: the mean over processes of loss and gradient is then the global one.

        Raises:
            TypeError: scores are a tuple, not tensors, or integers.
            ValueError: scores are 0-d, empty or on two devices, would broadcast, or a weight has a
                wrong shape.
        """
        real_scales, fake_scales = scales(real, "real"), scales(fake, "fake")
        check_same_scales(real_scales, fake_scales, paired=self.paired)
        if real_scales[0].device != fake_scales[0].device:
            raise ValueError(_two_devices(real_scales[0], fake_scales[0]))
        sides = [self._discriminator(r, f) for r, f in zip(real_scales, fake_scales, strict=True)]
        return self._reduce(sides, real_weight, fake_weight, reduction, across_processes)

    @final
    @named("generator(fake=...)")
    def generator(
        self,
        *,
        fake: Scores,
        real: Scores | None = None,
        real_weight: Tensor | None = None,
        fake_weight: Tensor | None = None,
        reduction: Reduction = "mean",
        across_processes: bool = False,
    ) -> Tensor:
        """Loss of the generator.

        Args:
            fake: raw scores of generated samples, with a graph that reaches the generator.
            real: raw scores of real samples; needed by relativistic pairs, ignored by others.
            real_weight: weight of each real sample, where the loss has a real side.
            fake_weight: weight of each generated sample, ``(N,)``.
            reduction: as for :meth:`discriminator`.
            across_processes: as for :meth:`discriminator`.

        Raises:
            TypeError: as for :meth:`discriminator`, or ``real`` is needed and missing.
            ValueError: as for :meth:`discriminator`, or ``fake`` are scores of a ``Critic``.
        """
        check_not_cut_off(fake)
        fake_scales = scales(fake, "fake")
        real_scales = self._real_scales_for_generator(real, fake_scales)
        sides = [self._generator(r, f) for r, f in zip(real_scales, fake_scales, strict=True)]
        return self._reduce(sides, real_weight, fake_weight, reduction, across_processes)

    def _real_scales_for_generator(
        self, real: Scores | None, fake: list[Tensor]
    ) -> list[Tensor] | list[None]:
        if not self.generator_needs_real:
            return [None] * len(fake)
        if real is None:
            raise TypeError(
                f"the generator's loss of {type(self).__name__} compares fake with real scores: "
                "pass real=D(real) as well"
            )
        real_scales = scales(real, "real")
        check_same_scales(real_scales, fake, paired=self.paired)
        if real_scales[0].device != fake[0].device:
            raise ValueError(_two_devices(real_scales[0], fake[0]))
        return real_scales

    def _reduce(
        self,
        sides: list[Sides],
        real_weight: Tensor | None,
        fake_weight: Tensor | None,
        reduction: Reduction,
        across: bool,
    ) -> Tensor:
        if reduction == "mean" and real_weight is None and fake_weight is None:
            return _mean(sides)
        check_reduction(reduction)
        if self.batch_statistic and reduction == "none":
            raise ValueError(
                f"{type(self).__name__} is a statistic of the whole batch and has no value per "
                'sample; use reduction="mean" or "sum"'
            )
        real = _side([real for real, _ in sides], real_weight, "real", reduction, across)
        fake = _side([fake for _, fake in sides], fake_weight, "fake", reduction, across)
        if real is None or fake is None:
            return _present(real, fake)
        if reduction == "none":
            check_equal_batches(real, fake, "real", "fake")
        return real + fake


def _two_devices(real: Tensor, fake: Tensor) -> str:
    # torch would add their means silently, and wait for one of the devices.
    return (
        f"real is on {real.device} and fake on {fake.device}; move one to the other: "
        "fake.to(real.device)"
    )


def _mean(sides: list[Sides]) -> Tensor:
    """Mean reduction without weights: all elements of a scale count alike."""
    total: Tensor | None = None
    for pair in sides:
        for elements in pair:
            if elements is not None:
                total = elements.mean() if total is None else total + elements.mean()
    return _present(total, None)


def _side(
    elements: list[Tensor | None],
    weight: Tensor | None,
    name: str,
    reduction: Reduction,
    across: bool,
) -> Tensor | None:
    present = [per_sample(scale) for scale in elements if scale is not None]
    if not present:
        if weight is not None:
            raise ValueError(f"{name}_weight has no effect: this loss has no {name} side")
        return None
    values = present[0]
    for scale in present[1:]:
        values = values + scale
    if weight is not None:
        weight = check_weight(weight, values.shape[0], f"{name}_weight")
    if weight is not None and across and reduction == "mean":
        sums = gathered(weight.sum().reshape(1), across_processes=True)
        return (values * weight).sum() / sums.mean()
    return reduce(values, weight, reduction)


def _present(first: Tensor | None, second: Tensor | None) -> Tensor:
    value = first if first is not None else second
    if value is None:
        raise TypeError("a pair must return at least one side")
    return value


class ElementwisePair(GANLoss):
    """A pair that looks at each score alone; a subclass writes three one-line hooks.

    Scores are as for :class:`GANLoss`. The hooks get tensors of one scale, checked, in fp32 or
    better, and give a loss of the same shape.

    >>> import torch
    >>> class Logistic(ElementwisePair):
    ...     def real_side(self, scores):
    ...         return torch.nn.functional.softplus(-scores)
    ...     def fake_side(self, scores):
    ...         return torch.nn.functional.softplus(scores)
    ...     def generator_side(self, scores):
    ...         return torch.nn.functional.softplus(-scores)
    >>> Logistic().generator(fake=torch.zeros(3), reduction="sum")
    tensor(2.0794)
    >>> Logistic().real_side(torch.zeros(1)) == Logistic().fake_side(torch.zeros(1))
    tensor([True])
    >>> Logistic().generator_side(torch.zeros(1))
    tensor([0.6931])
    """

    @abstractmethod
    def real_side(self, scores: Tensor) -> Tensor:
        """Discriminator's loss of each real score."""

    @abstractmethod
    def fake_side(self, scores: Tensor) -> Tensor:
        """Discriminator's loss of each fake score."""

    @abstractmethod
    def generator_side(self, scores: Tensor) -> Tensor:
        """Generator's loss of each fake score."""

    @final
    def _discriminator(self, real: Tensor, fake: Tensor) -> Sides:
        return self.real_side(real), self.fake_side(fake)

    @final
    def _generator(self, real: Tensor | None, fake: Tensor) -> Sides:
        return None, self.generator_side(fake)


class PairController(nn.Module, ABC):
    """A pair with a state, which D's turn moves; it gives means, and takes no weights.

    The state is in buffers, so it is saved, moved and loaded with everything else.

    >>> import torch
    >>> from ganloss import BoundaryEquilibrium
    >>> control = BoundaryEquilibrium(gamma=0.5, rate=0.1).controller()
    >>> control.discriminator(real=torch.tensor([4.0]), fake=torch.tensor([1.0]))
    tensor(4.)
    >>> control.pair.k, control.generator(fake=torch.tensor([1.0]))  # k moved: 0.1 (2 - 1)
    (tensor(0.1000), tensor(1.))
    """

    @property
    @abstractmethod
    def pair(self) -> GANLoss:
        """The pair with the state as it is now."""

    @abstractmethod
    def update(self, *, real: Scores, fake: Scores) -> None:
        """Move the state by the scores of a turn of D."""

    @final
    @named("discriminator(real=..., fake=...)")
    def discriminator(self, *, real: Scores, fake: Scores) -> Tensor:
        """Loss of the discriminator; in training mode the state moves afterwards."""
        loss = self.pair.discriminator(real=real, fake=fake)
        if self.training:
            self.update(real=real, fake=fake)
        return loss

    @final
    @named("generator(fake=...)")
    def generator(self, *, fake: Scores, real: Scores | None = None) -> Tensor:
        """Loss of the generator; the state stays."""
        return self.pair.generator(fake=fake, real=real)
