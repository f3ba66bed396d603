"""Terms of conditional GANs: what the discriminator says about classes and codes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import cross_entropy

from ganloss._scores import check_same_shape, check_tensor, named
from ganloss.terms._term import check_labels


@final
@dataclass(frozen=True)
class AuxiliaryClassifier:
    r"""Cross-entropy of a classifier inside the discriminator, added to both players' losses.

    .. math:: L_D = -E[\log C(y \mid x)] - E[\log C(y \mid G(z, y))], \qquad
        L_G = -E[\log C(y \mid G(z, y))]

    Both players minimise it. It pushes samples away from the borders between classes, so variety
    within a class may suffer: :class:`TwinAuxiliaryClassifier` mends that.

    Shapes: logits ``(N, K)``, labels ``(N,)``.

    Range: D [0, ∞), G [0, ∞).

    Use: Few, well separated classes.

    Cost: One linear layer on D's features.

    Peers: TF-GAN, torchgan: same. StudioGAN leaves the fakes out of D's loss.

    References:
        Odena et al., "Conditional Image Synthesis With Auxiliary Classifier GANs", ICML 2017,
        arXiv:1610.09585, eq. 3.

    >>> import torch
    >>> classifier, logits, labels = AuxiliaryClassifier(), torch.zeros(2, 10), torch.tensor([3, 7])
    >>> classifier.generator(fake=logits, fake_labels=labels)
    tensor(2.3026)
    >>> classifier.discriminator(real=logits, real_labels=labels, fake=logits, fake_labels=labels)
    tensor(4.6052)
    """

    @named("discriminator(real=..., real_labels=..., fake=..., fake_labels=...)")
    def discriminator(
        self, *, real: Tensor, real_labels: Tensor, fake: Tensor, fake_labels: Tensor
    ) -> Tensor:
        """Loss of the classifier, a 0-d tensor.

        Args:
            real: logits of real samples ``(N, K)``.
            real_labels: their classes, integers ``(N,)``.
            fake: logits of generated samples; their number may differ.
            fake_labels: the classes they were made for.

        Raises:
            TypeError: logits are not floating point, or labels not integers.
            ValueError: shapes do not fit, or a label is no class.
        """
        real_loss = _cross_entropy(real, real_labels, "real")
        return real_loss + _cross_entropy(fake, fake_labels, "fake")

    @named("generator(fake=..., fake_labels=...)")
    def generator(self, *, fake: Tensor, fake_labels: Tensor) -> Tensor:
        """Loss of the generator, a 0-d tensor.

        Args:
            fake: logits of generated samples ``(N, K)``.
            fake_labels: the classes they were made for, integers ``(N,)``.

        Raises:
            TypeError: logits are not floating point, or labels not integers.
            ValueError: shapes do not fit, or a label is no class.
        """
        return _cross_entropy(fake, fake_labels, "fake")


@final
@dataclass(frozen=True)
class TwinAuxiliaryClassifier:
    r"""An auxiliary classifier, and a second one of generated samples that G should confuse.

    .. math:: L_D = -E[\log C(y \mid x)] - E[\log C'(y \mid G(z, y))], \qquad
        L_G = E[\log C'(y \mid G(z, y))] - E[\log C(y \mid G(z, y))]

    The twin C' learns the classes of generated samples alone. What G gives away to it beyond C is
    what makes classes too easy to tell apart. At the twin's best G matches the joint distribution.

    Shapes: logits ``(N, K)``, labels ``(N,)``.

    Range: D [0, ∞), G (−∞, ∞).

    Use: Classes that overlap, in place of :class:`AuxiliaryClassifier`.

    Cost: Two linear layers on D's features.

    Peers: The authors' code and StudioGAN (aux_cls_type TAC): same; both can train C on fakes too.

    References:
        Gong et al., "Twin Auxiliary Classifiers GAN", NeurIPS 2019, arXiv:1907.02690, section 3.2.

    >>> import torch
    >>> labels, zeros = torch.tensor([3, 7]), torch.zeros(2, 10)
    >>> twin = TwinAuxiliaryClassifier()
    >>> twin.generator(fake=zeros, fake_twin=zeros, fake_labels=labels)
    tensor(0.)
    >>> twin.discriminator(real=zeros, real_labels=labels, fake_twin=zeros, fake_labels=labels)
    tensor(4.6052)
    """

    @named("discriminator(real=..., real_labels=..., fake_twin=..., fake_labels=...)")
    def discriminator(
        self, *, real: Tensor, real_labels: Tensor, fake_twin: Tensor, fake_labels: Tensor
    ) -> Tensor:
        """Loss of both classifiers, a 0-d tensor.

        Args:
            real: logits of C for real samples ``(N, K)``.
            real_labels: their classes, integers ``(N,)``.
            fake_twin: logits of C' for generated samples; their number may differ.
            fake_labels: the classes they were made for.

        Raises:
            TypeError: logits are not floating point, or labels not integers.
            ValueError: shapes do not fit, or a label is no class.
        """
        real_loss = _cross_entropy(real, real_labels, "real")
        return real_loss + _cross_entropy(fake_twin, fake_labels, "fake_twin", "fake_labels")

    @named("generator(fake=..., fake_twin=..., fake_labels=...)")
    def generator(self, *, fake: Tensor, fake_twin: Tensor, fake_labels: Tensor) -> Tensor:
        """Loss of the generator, a 0-d tensor.

        Args:
            fake: logits of C for generated samples ``(N, K)``.
            fake_twin: logits of C' for the same samples.
            fake_labels: the classes they were made for.

        Raises:
            TypeError: logits are not floating point, or labels not integers.
            ValueError: shapes do not fit, or a label is no class.
        """
        check_same_shape(
            check_tensor(fake, "fake"), check_tensor(fake_twin, "fake_twin"), "fake", "fake_twin"
        )
        loss = _cross_entropy(fake, fake_labels, "fake")
        return loss - _cross_entropy(fake_twin, fake_labels, "fake_twin", "fake_labels")


@final
@dataclass(frozen=True)
class AuxiliaryDiscriminativeClassifier:
    r"""A classifier of 2K classes: each class once for real and once for generated samples.

    .. math:: L_D = -E[\log C(y, 1 \mid x)] - E[\log C(y, 0 \mid G(z, y))], \qquad
        L_G = E[\log C(y, 0 \mid G(z, y))] - E[\log C(y, 1 \mid G(z, y))]

    Logits 0 to K-1 are "real, class y", logits K to 2K-1 "generated, class y". G's loss is their
    difference, which the shared denominator drops out of.

    Shapes: logits ``(N, 2K)``, labels ``(N,)``.

    Range: D [0, ∞), G (−∞, ∞).

    Use: In place of :class:`AuxiliaryClassifier`, beside the adversarial loss with equal weight.

    Cost: One linear layer of twice the size.

    Peers: StudioGAN (aux_cls_type ADC) interleaves both kinds of a class, 2y and 2y + 1.

    References:
        Hou et al., "Conditional GANs with Auxiliary Discriminative Classifier", ICML 2022,
        arXiv:2107.10060, section 4.

    >>> import torch
    >>> fake = torch.tensor([[1.0, 0.0, 3.0, 0.0]])  # class 0 of two: "generated" by 2
    >>> labels = torch.tensor([0])
    >>> classifier = AuxiliaryDiscriminativeClassifier()
    >>> classifier.generator(fake=fake, fake_labels=labels)
    tensor(2.)
    >>> zeros = torch.zeros(1, 4)
    >>> classifier.discriminator(real=zeros, real_labels=labels, fake=zeros, fake_labels=labels)
    tensor(2.7726)
    """

    @named("discriminator(real=..., real_labels=..., fake=..., fake_labels=...)")
    def discriminator(
        self, *, real: Tensor, real_labels: Tensor, fake: Tensor, fake_labels: Tensor
    ) -> Tensor:
        """Loss of the classifier, a 0-d tensor.

        Args:
            real: logits of real samples ``(N, 2K)``.
            real_labels: their classes, integers below K, ``(N,)``.
            fake: logits of generated samples; their number may differ.
            fake_labels: the classes they were made for.

        Raises:
            TypeError: logits are not floating point, or labels not integers.
            ValueError: shapes do not fit, a label is no class, or the number of logits is odd.
        """
        of_real, _ = _halves(real, real_labels, "real")
        _, of_fake = _halves(fake, fake_labels, "fake")
        return -of_real.mean() - of_fake.mean()

    @named("generator(fake=..., fake_labels=...)")
    def generator(self, *, fake: Tensor, fake_labels: Tensor) -> Tensor:
        """Loss of the generator, a 0-d tensor.

        Args:
            fake: logits of generated samples ``(N, 2K)``.
            fake_labels: the classes they were made for.

        Raises:
            TypeError: logits are not floating point, or labels not integers.
            ValueError: shapes do not fit, a label is no class, or the number of logits is odd.
        """
        as_real, as_fake = _halves(fake, fake_labels, "fake", normalise=False)
        return (as_fake - as_real).mean()


@final
@dataclass(frozen=True)
class MutualInformation:
    r"""Codes should be readable from what was made of them: InfoGAN's bound, negated.

    .. math:: L = -E[\log Q(c \mid G(z, c))] = E\Big[\sum_j -\log Q_j(c_j) + \tfrac12 \sum_d
        \Big(\log 2\pi + s_d + \frac{(u_d - \mu_d)^2}{e^{s_d}}\Big)\Big]

    summed over the categorical codes c_j and the continuous codes u_d, whose means μ and log
    variances s the network Q reads from the sample; averaged over the batch. The entropy of the
    codes, a constant, is left out. G and Q minimise it, weight 1 for categorical codes and less
    for continuous ones.

    Shapes: a list of logits ``(N, K)`` with codes ``(N,)``; means and log variances ``(N, d)``;
    distributions of batches ``(N, ...)``.

    Range: (−∞, ∞).

    Use: To find factors of variation without labels.

    Cost: One head on D's features.

    Peers: TF-GAN averages over the codes. torchgan's has no gradient. StudioGAN adds 1e-6 to the
    variance.

    References:
        Chen et al., "InfoGAN: Interpretable Representation Learning by Information Maximizing
        Generative Adversarial Nets", NeurIPS 2016, arXiv:1606.03657, eq. 5.

    >>> import torch
    >>> information = MutualInformation()
    >>> information(logits=torch.zeros(2, 10), categories=torch.tensor([3, 7]))
    tensor(2.3026)
    >>> zeros = torch.zeros(2, 1)
    >>> information(codes=zeros, mean=zeros, log_variance=zeros)  # half of log 2 pi
    tensor(0.9189)
    >>> fair = torch.distributions.Bernoulli(logits=zeros)
    >>> information(distributions=fair, values=torch.ones(2, 1))  # log 2
    tensor(0.6931)
    """

    @named("loss(logits=..., categories=...)")
    def __call__(
        self,
        *,
        logits: Tensor | Sequence[Tensor] = (),
        categories: Tensor | Sequence[Tensor] = (),
        codes: Tensor | None = None,
        mean: Tensor | None = None,
        log_variance: Tensor | None = None,
        distributions: Distribution | Sequence[Distribution] = (),
        values: Tensor | Sequence[Tensor] = (),
    ) -> Tensor:
        """Loss of generated samples, a 0-d tensor.

        Args:
            logits: what Q says of the categorical code, ``(N, K)``, or a list for several codes.
            categories: the codes themselves, integers ``(N,)``, or a list.
            codes: the continuous codes ``(N, D)``.
            mean: their means under Q.
            log_variance: the logarithms of their variances under Q; zeros for fixed ones.
            distributions: what Q says of any other code, a distribution of torch, or a list.
            values: those codes, or a list.

        Raises:
            TypeError: a part of a kind of code is missing, or of a wrong type.
            ValueError: shapes do not fit, a code is no category, or there are no codes at all.
        """
        parts = _categorical(logits, categories)
        if not codes is mean is log_variance is None:
            parts.append(_gaussian(codes, mean, log_variance))
        parts += _others(distributions, values)
        if not parts:
            raise ValueError("there are no codes; pass logits and categories, or codes and mean")
        return torch.stack(parts).sum()


def _categorical(
    logits: Tensor | Sequence[Tensor], categories: Tensor | Sequence[Tensor]
) -> list[Tensor]:
    several = [logits] if isinstance(logits, Tensor) else list(logits)
    drawn = [categories] if isinstance(categories, Tensor) else list(categories)
    if len(several) != len(drawn):
        raise ValueError(
            f"there are {len(several)} tensors of logits and {len(drawn)} of categories; pass one "
            "of each for every categorical code"
        )
    names = [(f"logits[{i}]", f"categories[{i}]") for i in range(len(several))]
    parts = zip(several, drawn, names, strict=True)
    return [_cross_entropy(z, c, *words) for z, c, words in parts]


def _others(
    distributions: Distribution | Sequence[Distribution], values: Tensor | Sequence[Tensor]
) -> list[Tensor]:
    several = [distributions] if isinstance(distributions, Distribution) else list(distributions)
    drawn = [values] if isinstance(values, Tensor) else list(values)
    if len(several) != len(drawn):
        raise ValueError(
            f"there are {len(several)} distributions and {len(drawn)} tensors of values; pass one "
            "of each for every code"
        )
    logs = [_log_prob(q, c, i) for i, (q, c) in enumerate(zip(several, drawn, strict=True))]
    return [-(log.flatten(1).sum(1) if log.dim() > 1 else log).mean() for log in logs]


def _log_prob(distribution: Distribution, values: object, place: int) -> Tensor:
    """Log probability of values of the distribution's own shape; torch would broadcast others."""
    if not isinstance(distribution, Distribution):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"distributions[{place}] must be one of torch.distributions, not "
            f"{type(distribution).__name__}"
        )
    if not isinstance(values, Tensor):
        raise TypeError(f"values[{place}] must be a tensor, not {type(values).__name__}")
    shape = distribution.batch_shape + distribution.event_shape
    if values.shape != shape:
        raise ValueError(
            f"values[{place}] {tuple(values.shape)} and distributions[{place}] {tuple(shape)} must "
            "have the same shape; nothing is broadcast"
        )
    return distribution.log_prob(values)


def _gaussian(codes: object, mean: object, log_variance: object) -> Tensor:
    """Negative log likelihood of continuous codes."""
    u, m = check_tensor(codes, "codes"), check_tensor(mean, "mean")
    s = check_tensor(log_variance, "log_variance")
    check_same_shape(u, m, "codes", "mean")
    check_same_shape(u, s, "codes", "log_variance")
    each = math.log(2 * math.pi) + s + (u - m).square() * (-s).exp()
    return 0.5 * each.flatten(1).sum(1).mean() if u.dim() > 1 else 0.5 * each.mean()


def _cross_entropy(logits: object, labels: object, name: str, labels_name: str = "") -> Tensor:
    z = check_tensor(logits, name)
    if z.dim() != 2 or z.shape[1] < 2:
        raise ValueError(f"{name} has shape {tuple(z.shape)}; (N, K) with K classes is needed")
    y = check_labels(labels, z, name, labels_name or f"{name}_labels", z.shape[1])
    return cross_entropy(z, y)


def _halves(
    logits: object, labels: object, name: str, *, normalise: bool = True
) -> tuple[Tensor, Tensor]:
    """Each sample's own class as a real and as a generated one: log probabilities, or logits."""
    z = check_tensor(logits, name)
    if z.dim() != 2 or z.shape[1] % 2:
        raise ValueError(
            f"{name} has shape {tuple(z.shape)}; (N, 2K) is needed: K real, K generated"
        )
    half = z.shape[1] // 2
    y = check_labels(labels, z, name, f"{name}_labels", half)[:, None]
    # Taken from each half by itself: from both at once, a label beyond K would find a logit.
    real, generated = (z.log_softmax(1) if normalise else z).split(half, 1)
    return real.gather(1, y)[:, 0], generated.gather(1, y)[:, 0]
