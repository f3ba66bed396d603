"""The multi-class hinge: one discriminator that knows classes and generated samples."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import relu

from ganloss._scores import check_tensor, named
from ganloss._settings import check_settings
from ganloss.terms._term import check_labels, check_positive


@final
@dataclass(frozen=True)
class MultiHinge:
    r"""Crammer and Singer's hinge over K classes and one more for generated samples: MHingeGAN.

    .. math::
        L_D &= E[\max(0,\, m - C_y(x) + C_{\neg y}(x))]
             + E[\max(0,\, m - C_0(G(z)) + C_{\neg 0}(G(z)))] \\
        L_G &= E[\max(0,\, m - C_y(G(z)) + C_{\neg y}(G(z)))]

    with :math:`C_{\neg k}` the largest score of all others than k, and 0 the class of generated
    samples, which stands last. With K = 1 D's loss is that of :class:`~ganloss.Hinge` at the
    difference of the two scores.

    Args:
        margin: m, positive.

    Raises:
        TypeError: a setting is not of its type.
        ValueError: ``margin`` is not positive.

    Shapes: logits ``(N, K + 1)``, labels ``(N,)``.

    Range: D [0, ∞), G [0, ∞).

    Use: Beside the adversarial loss, or in its place, where classes are known.

    Cost: One linear layer of K + 1 outputs on D's features.

    Peers: StudioGAN (crammer_singer_loss) has each part on its own, same scale, margin 1.

    References:
        Kavalerov et al., "A Multi-Class Hinge Loss for Conditional GANs", WACV 2021,
        arXiv:1912.04216, section 3.

    >>> import torch
    >>> logits, classes = torch.zeros(2, 4), torch.tensor([0, 2])  # three classes, and generated
    >>> MultiHinge().discriminator(real=logits, real_labels=classes, fake=logits)
    tensor(2.)
    >>> MultiHinge().generator(fake=logits, fake_labels=classes)
    tensor(1.)
    """

    margin: float = 1.0

    def __post_init__(self) -> None:
        check_settings(self)
        check_positive(self.margin, "margin", "e.g. 1.0")

    @named("discriminator(real=..., real_labels=..., fake=...)")
    def discriminator(self, *, real: Tensor, real_labels: Tensor, fake: Tensor) -> Tensor:
        """Loss of the discriminator, a 0-d tensor.

        Args:
            real: scores of real samples ``(N, K + 1)``, the last one "generated".
            real_labels: their classes, integers ``(N,)`` from 0 to K - 1.
            fake: scores of generated samples; their number may differ.

        Raises:
            TypeError: scores are not floating point, or labels not integers.
            ValueError: shapes do not fit, or a label is no class.
        """
        fake = _scores(fake, "fake")
        generated = torch.full(fake.shape[:1], fake.shape[1] - 1, device=fake.device)
        return self._of_classes(real, real_labels, "real") + self._hinge(fake, generated)

    @named("generator(fake=..., fake_labels=...)")
    def generator(self, *, fake: Tensor, fake_labels: Tensor) -> Tensor:
        """Loss of the generator: its samples should win in the class they were made for.

        Args:
            fake: logits of generated samples ``(N, K + 1)``.
            fake_labels: the classes they were made for, integers ``(N,)``.

        Raises:
            TypeError: logits are not floating point, or labels not integers.
            ValueError: shapes do not fit, or a label is no class.
        """
        return self._of_classes(fake, fake_labels, "fake")

    def _of_classes(self, scores: Tensor, labels: Tensor, name: str) -> Tensor:
        scores = _scores(scores, name)
        classes = scores.shape[1] - 1
        return self._hinge(scores, check_labels(labels, scores, name, f"{name}_labels", classes))

    def _hinge(self, scores: Tensor, labels: Tensor) -> Tensor:
        own = labels[:, None]
        others = scores.scatter(1, own, -torch.inf).amax(1)
        return relu(self.margin + others - scores.gather(1, own)[:, 0]).mean()


def _scores(scores: object, name: str) -> Tensor:
    found = check_tensor(scores, name)
    if found.dim() != 2 or found.shape[1] < 2:
        raise ValueError(
            f"{name} has shape {tuple(found.shape)}; (N, K + 1) is needed: K classes, then the one "
            "of generated samples"
        )
    return found
