"""Terms of conditional GANs that draw the embeddings of a class together."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from ganloss._processes import gathered
from ganloss._scores import check_same_shape, check_tensor, named, product
from ganloss._settings import check_settings
from ganloss.terms._term import check_labels, check_positive, directions


@final
@dataclass(frozen=True)
class ConditionalContrastive:
    r"""Samples of a class draw together, and towards the class's proxy: ContraGAN's 2C loss.

    .. math:: L = -E_i \log \frac{e^{f_i \cdot p_i / t} + \sum_{k \neq i, y_k = y_i}
        e^{f_i \cdot f_k / t}}{e^{f_i \cdot p_i / t} + \sum_{k \neq i} e^{f_i \cdot f_k / t}}

    with embeddings f of samples and p of their classes, scaled to length 1. Both players minimise
    it: D on real samples, G on its own. A statistic of the whole batch, whose size is part of the
    formula.

    Args:
        temperature: t, positive; 1 in the paper's comparisons.
        across_processes: contrast with the batches of all processes; otherwise they are local.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``temperature`` is not positive.

    Shapes: embeddings and proxies ``(N, d)``, labels ``(N,)``.

    Range: [0, ∞).

    Use: Many classes, large batches.

    Cost: N² products of embeddings.

    Peers: StudioGAN (2C): same on one process.

    References:
        Kang & Park, "ContraGAN: Contrastive Learning for Conditional Image Generation", NeurIPS
        2020, arXiv:2006.12681, eq. 8.

    >>> import torch
    >>> labels = torch.tensor([0, 1])
    >>> pull = ConditionalContrastive()
    >>> pull(embeddings=torch.eye(2), proxies=torch.eye(2), labels=labels)  # log(1 + 1/e)
    tensor(0.3133)
    """

    temperature: float = 1.0
    across_processes: bool = False

    batch_statistic: ClassVar[bool] = True
    compares_samples: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_settings(self)
        check_positive(self.temperature, "temperature", "e.g. 1")

    @named("loss(embeddings=..., proxies=..., labels=...)")
    def __call__(self, *, embeddings: Tensor, proxies: Tensor, labels: Tensor) -> Tensor:
        """Loss of a batch, a 0-d tensor.

        Args:
            embeddings: of the samples, ``(N, D)``.
            proxies: embedding of each sample's class, ``(N, D)``, e.g. ``nn.Embedding(K, D)(y)``.
            labels: classes of the samples, integers ``(N,)``.

        Raises:
            TypeError: embeddings are not floating point, or labels not integers.
            ValueError: shapes do not fit, or a label is below 0.
        """
        own, others, alike = _similarities(
            embeddings, proxies, labels, across_processes=self.across_processes
        )
        own, others = own / self.temperature, others / self.temperature
        itself = torch.eye(len(own), dtype=torch.bool, device=own.device)
        others = others.masked_fill(itself, -torch.inf)
        every = torch.cat([own[:, None], others], 1).logsumexp(1)
        friends = others.masked_fill(~alike, -torch.inf)
        return (every - torch.cat([own[:, None], friends], 1).logsumexp(1)).mean()


@final
@dataclass(frozen=True)
class DataToDataCrossEntropy:
    r"""Samples go to their class's proxy and away from samples of others: ReACGAN's D2D-CE.

    .. math:: L = -E_i \log \frac{e^{\min(0,\ f_i \cdot p_i - m_p) / t}}
        {e^{\min(0,\ f_i \cdot p_i - m_p) / t} + \sum_{y_k \neq y_i}
        e^{\max(0,\ f_i \cdot f_k - m_n) / t}}

    with embeddings f of samples and p of their classes, scaled to length 1. Samples that are close
    enough to their proxy, or far enough from the others, feel no force, so easy samples do not
    rule. Both players minimise it: D on real samples, G on its own. A statistic of the whole
    batch, whose size is part of the formula.

    Args:
        temperature: t, positive.
        positive_margin: m_p, the similarity with the proxy that is enough.
        negative_margin: m_n, the similarity with samples of other classes that does not matter.
        across_processes: contrast with the batches of all processes; otherwise they are local.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``temperature`` is not positive.

    Shapes: embeddings and proxies ``(N, d)``, labels ``(N,)``.

    Range: [0, ∞).

    Use: In place of :class:`~ganloss.AuxiliaryClassifier` with many classes; weight 0.5 for
    CIFAR-10.

    Cost: N² products of embeddings.

    Peers: StudioGAN (D2DCE; its CIFAR-10 settings are these defaults, m_n = 1 - m_p) subtracts each
    row's largest similarity from the others' exponents but not from the proxy's: another value.

    References:
        Kang et al., "Rebooting ACGAN: Auxiliary Classifier GANs with Stable Training", NeurIPS
        2021, arXiv:2111.01118, section 3.

    >>> import torch
    >>> labels = torch.tensor([0, 1])
    >>> pull = DataToDataCrossEntropy()
    >>> pull(embeddings=torch.eye(2), proxies=torch.eye(2), labels=labels)  # log(1 + 1)
    tensor(0.6931)
    """

    temperature: float = 0.5
    positive_margin: float = 0.98
    negative_margin: float = 0.02
    across_processes: bool = False

    batch_statistic: ClassVar[bool] = True
    compares_samples: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_settings(self)
        check_positive(self.temperature, "temperature", "e.g. 0.5")

    @named("loss(embeddings=..., proxies=..., labels=...)")
    def __call__(self, *, embeddings: Tensor, proxies: Tensor, labels: Tensor) -> Tensor:
        """Loss of a batch, a 0-d tensor.

        Args:
            embeddings: of the samples, ``(N, D)``.
            proxies: embedding of each sample's class, ``(N, D)``, e.g. ``nn.Embedding(K, D)(y)``.
            labels: classes of the samples, integers ``(N,)``.

        Raises:
            TypeError: embeddings are not floating point, or labels not integers.
            ValueError: shapes do not fit, or a label is below 0.
        """
        own, others, alike = _similarities(
            embeddings, proxies, labels, across_processes=self.across_processes
        )
        attraction = (own - self.positive_margin).clamp(max=0) / self.temperature
        repulsion = (others - self.negative_margin).clamp(min=0) / self.temperature
        # A sample is of its own class, so it is never among those it is pushed from.
        repulsion = repulsion.masked_fill(alike, -torch.inf)
        every = torch.cat([attraction[:, None], repulsion], 1).logsumexp(1)
        return (every - attraction).mean()


def _similarities(
    embeddings: object, proxies: object, labels: object, *, across_processes: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Cosines with the own proxies ``(N,)`` and of all pairs ``(N, N)``, and who is of a class."""
    f, p = check_tensor(embeddings, "embeddings"), check_tensor(proxies, "proxies")
    check_same_shape(f, p, "embeddings", "proxies")
    if f.dim() != 2:
        raise ValueError(f"embeddings have shape {tuple(f.shape)}; (N, D) is needed")
    y = check_labels(labels, f, "embeddings", "labels")
    f, p, y = (gathered(rows, across_processes=across_processes) for rows in (f, p, y))
    f = directions(f)
    return (f * directions(p)).sum(1), product(f, f.mT), y[:, None] == y
