"""Divergences: between class probabilities, between Gaussians, and as a game (f-GAN)."""

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Literal, NamedTuple, TypeAlias, final, get_args

import torch
from torch import Tensor

from ganloss._lazy import suggest
from ganloss._scores import Reduction, check_same_shape, check_tensor, softplus
from ganloss._settings import check_number, check_settings
from ganloss.losses._pair import ElementwisePair
from ganloss.terms._term import checked_images, reduced
from ganloss.terms.pixel import vector_dim

FKind: TypeAlias = Literal[
    "kl", "reverse-kl", "js", "gan", "pearson", "squared-hellinger", "total-variation"
]


@final
@dataclass(frozen=True)
class KLDivergence:
    r"""Kullback-Leibler divergence of predicted classes from target probabilities.

    .. math:: L = E\Big[\sum_k t_k (\log t_k - \log \mathrm{softmax}(z)_k)\Big] = KL(t \| p)

    The direction is target ‖ model. The sum runs over ``dim``, the mean over everything else
    (torch's ``kl_div`` takes log-probabilities, and its default ``"mean"`` divides by the classes
    as well). A target of 0 costs nothing and gets a gradient of 0.

    Args:
        dim: where the classes lie.

    Raises:
        TypeError: a setting is not of its type.

    Shapes: logits and target probabilities of one shape, classes along ``dim``.

    Range: [0, ∞).

    Use: Class probabilities: distillation, a classifier's view of samples. Pixels and features are
    no probabilities.

    Cost: One log-softmax.

    Peers: torch kl_div with reduction="batchmean" on log-softmax: same for 2-D inputs; its default
    "mean" divides by the classes as well.

    References:
        Kullback & Leibler, "On Information and Sufficiency", 1951, eq. 2.4.

    >>> import torch
    >>> target, model = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.9, 0.1]])
    >>> KLDivergence()(model.log(), target)
    tensor(0.5108)
    """

    dim: int = 1

    def __post_init__(self) -> None:
        check_settings(self)

    def __call__(
        self,
        logits: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> Tensor:
        """Divergence of softmax(logits) from ``target``.

        Args:
            logits: raw scores of the classes, ``(N, ...)``; log-probabilities will do as well.
            target: probabilities that sum to 1 over ``dim``, of the same shape.
            weight: weight of each sample, ``(N,)``.
            reduction: ``"mean"`` Σwl/Σw, ``"sum"`` Σwl, ``"none"`` w·l, ``(N,)``.

        Raises:
            TypeError: an argument is not a tensor of floating point numbers.
            ValueError: shapes differ, or ``dim`` is the batch or does not exist.
        """
        if isinstance(target, Tensor) and not target.dtype.is_floating_point:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"target has dtype {target.dtype}; probabilities are needed: of class indices pass "
                f"one_hot(target, logits.shape[{self.dim}]).movedim(-1, {self.dim}).to(logits), "
                "with torch.nn.functional.one_hot"
            )
        logits, target = checked_images(logits, target, "logits", "target")
        if logits.dim() == 1:
            raise ValueError(
                f"logits have shape {tuple(logits.shape)}; (N, classes) is needed: unsqueeze(0) "
                "a single distribution"
            )
        dim = vector_dim(logits, self.dim)
        model = logits.log_softmax(dim)
        # Where the target is 0, both factors are replaced before they meet: 0 * inf is nan.
        none = target == 0
        safe, model = torch.where(none, 1.0, target), torch.where(none, 0.0, model)
        points = torch.where(none, 0.0, safe * (safe.log() - model))
        return reduced(points.sum(dim), weight, reduction)


@final
@dataclass(frozen=True)
class GaussianKL:
    r"""Divergence of one diagonal Gaussian from another: the regulariser of a VAE.

    .. math::
        L = E\Big[\sum_i \tfrac12\big(v_i - u_i + e^{u_i - v_i} + (m_i - n_i)^2 e^{-v_i}
            - 1\big)\Big] = KL(N(m, e^u) \| N(n, e^v))

    summed over all dimensions but the batch, averaged over the batch.

    Shapes: means and log variances ``(N, ...)`` of one shape; the prior is of that shape too,
    or a number.

    Range: [0, ∞).

    Use: The encoder of a VAE-GAN, with a small weight.

    Cost: A few elementwise passes over the codes.

    Peers: The usual -0.5 * sum(1 + logvar - mu^2 - exp(logvar)) / N: same scale. Some divide by
    the dimensions too.

    References:
        Kingma & Welling, "Auto-Encoding Variational Bayes", ICLR 2014, arXiv:1312.6114,
        appendix B.

    >>> import torch
    >>> zero = torch.zeros(1, 1)
    >>> GaussianKL()(zero, zero, prior_mean=1.0, prior_log_variance=1.3862944)
    tensor(0.4431)
    """

    def __call__(
        self,
        mean: Tensor,
        log_variance: Tensor,
        prior_mean: Tensor | float = 0.0,
        prior_log_variance: Tensor | float = 0.0,
        *,
        weight: Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> Tensor:
        """Divergence of N(mean, exp(log_variance)) from the prior.

        Args:
            mean: means of the samples' distributions, ``(N, ...)``.
            log_variance: logarithms of their variances, of the same shape.
            prior_mean: mean of the prior, a number or a tensor of the same shape.
            prior_log_variance: logarithm of its variance, likewise.
            weight: weight of each sample, ``(N,)``.
            reduction: ``"mean"`` Σwl/Σw, ``"sum"`` Σwl, ``"none"`` w·l, ``(N,)``.

        Raises:
            TypeError: an argument is not a tensor of floating point numbers, or a prior no number.
            ValueError: shapes differ, or a prior is not finite.
        """
        mean, log_variance = checked_images(mean, log_variance, "mean", "log_variance")
        prior_mean = _prior(prior_mean, mean, "prior_mean")
        prior_log_variance = _prior(prior_log_variance, mean, "prior_log_variance")
        ratio = log_variance - prior_log_variance
        distance = (mean - prior_mean).square() * torch.exp(-prior_log_variance)
        # expm1(r) - r keeps the digits of e^r - 1 - r near 0.
        terms = 0.5 * (torch.expm1(ratio) - ratio + distance)
        return reduced(terms if terms.dim() == 1 else terms.flatten(1).sum(1), weight, reduction)


def _prior(value: Tensor | float, like: Tensor, name: str) -> Tensor:
    if not isinstance(value, Tensor):
        return like.new_tensor(check_number(value, name))
    if value.dim() == 0:
        return value
    check_same_shape(like, value, "mean", name)
    return check_tensor(value, name)


class _Divergence(NamedTuple):
    """Output activation g and f*(g(v)) of a variational divergence, as functions of the score."""

    activation: Callable[[Tensor], Tensor]
    conjugate: Callable[[Tensor], Tensor]


# The composition f*(g(v)) is simplified by hand, so that no exponential is undone by a logarithm.
_DIVERGENCES: dict[str, _Divergence] = {
    "kl": _Divergence(lambda v: v, lambda v: torch.exp(v - 1)),
    "reverse-kl": _Divergence(lambda v: -torch.exp(-v), lambda v: v - 1),
    "js": _Divergence(lambda v: log(2) - softplus(-v), lambda v: softplus(v) - log(2)),
    "gan": _Divergence(lambda v: -softplus(-v), softplus),
    "pearson": _Divergence(lambda v: v, lambda v: v.square() / 4 + v),
    "squared-hellinger": _Divergence(lambda v: -torch.expm1(-v), torch.expm1),
    "total-variation": _Divergence(lambda v: v.tanh() / 2, lambda v: v.tanh() / 2),
}


@final
@dataclass(frozen=True)
class FDivergence(ElementwisePair):
    r"""Variational f-divergence minimisation (f-GAN).

    .. math::
        L_D &= -\big(E_x[g(D(x))] - E_z[f^*(g(D(G(z))))]\big) \\
        L_G &= -E_z[g(D(G(z)))] \text{ or } -E_z[f^*(g(D(G(z))))]

    with the output activation g and the conjugate f* of each divergence as in the paper's tables.
    Minus L_D is a lower bound of the divergence, reached at the best discriminator; ``"js"``
    bounds 2 JS, ``"gan"`` 2 JS - log 4, and total variation is reached only in the limit.

    Args:
        kind: ``"kl"``, ``"reverse-kl"``, ``"js"``, ``"gan"``, ``"pearson"``,
            ``"squared-hellinger"`` or ``"total-variation"``.
        alternative: G ascends g(D(G(z))), which does not saturate (section 3.2); False is the
            original, in which G descends the bound itself.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``kind`` is none of its choices; the nearest is named.

    Shapes: scores ``(N, ...)`` or a list of scales; batches may differ in size.

    Range: D (−∞, ∞), G (−∞, ∞).

    Use: To choose which divergence is minimised; ``"js"``, ``"gan"`` and ``"squared-hellinger"``
    are the tame ones, ``"kl"`` and ``"pearson"`` grow fast.

    Cost: One or two exponentials per score and side.

    Peers: None of TF-GAN, torchgan, StudioGAN, BasicSR has it.

    References:
        Nowozin et al., "f-GAN: Training Generative Neural Samplers using Variational Divergence
        Minimization", NeurIPS 2016, arXiv:1606.00709, eqs. 6-7, tables 1-2 and 6, section 3.2.

    >>> import torch
    >>> real, fake = torch.tensor([1.0]), torch.tensor([1.0])
    >>> FDivergence("kl").discriminator(real=real, fake=fake)
    tensor(0.)
    >>> FDivergence("gan").generator(fake=torch.zeros(1))
    tensor(0.6931)
    """

    kind: FKind
    alternative: bool = True

    def __post_init__(self) -> None:
        check_settings(self)
        if self.kind not in get_args(FKind):
            raise ValueError(
                f"no divergence {self.kind!r}{suggest(str(self.kind), _DIVERGENCES)}; there are "
                f"{', '.join(_DIVERGENCES)}"
            )

    @property
    def saturates(self) -> bool:
        """Whether g is bounded on both sides, as a tanh is."""
        return self.kind == "total-variation"

    @property
    def undecided(self) -> float:
        """Where g is f'(1), the paper's threshold."""
        return 1.0 if self.kind == "kl" else 0.0

    def real_side(self, scores: Tensor) -> Tensor:
        """Give -g(score)."""
        return -_DIVERGENCES[self.kind].activation(scores)

    def fake_side(self, scores: Tensor) -> Tensor:
        """Give f*(g(score))."""
        return _DIVERGENCES[self.kind].conjugate(scores)

    def generator_side(self, scores: Tensor) -> Tensor:
        """Give -g(score), or -f*(g(score)) for the original."""
        divergence = _DIVERGENCES[self.kind]
        return -(divergence.activation if self.alternative else divergence.conjugate)(scores)
