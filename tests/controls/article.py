"""The article's snippets, repaired only as far as they run: each is wrong, or easy to misuse.

Written again from their description; the line that is wrong says so.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Adversarial:
    """Adversarial loss: the formula has log D(x) - log(1 - D(G(z)))."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        d_real, d_fake = real.sigmoid(), fake.sigmoid()
        return -(d_real.log() - (1 - d_fake).log()).mean()  # the sign of the second term

    def generator(self, *, fake: Tensor) -> Tensor:
        return -fake.sigmoid().log().mean()


class Probabilities:
    """Adversarial loss: the code computes from probabilities, which round to 0 and 1."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return self._bce(real, 1.0) + self._bce(fake, 0.0)

    def generator(self, *, fake: Tensor) -> Tensor:
        return self._bce(fake, 1.0)

    def _bce(self, scores: Tensor, label: float) -> Tensor:
        probabilities = scores.sigmoid()
        return F.binary_cross_entropy(probabilities, torch.full_like(probabilities, label))


def kl(logits: Tensor, target: Tensor) -> Tensor:
    """KL: probabilities in place of log-probabilities, and torch's "mean"."""
    return F.kl_div(logits.softmax(1), target, reduction="mean")


def gradient_penalty(crit: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Gradient penalty: epsilon (N, 1, 1, 1) whatever the rank of the samples."""
    epsilon = torch.rand(len(real), 1, 1, 1, requires_grad=True)
    mixed = real * epsilon + fake * (1 - epsilon)
    scores = crit(mixed)
    gradient = torch.autograd.grad(
        scores, mixed, torch.ones_like(scores), create_graph=True, retain_graph=True
    )[0]
    gradient = gradient.view(len(gradient), -1)
    return torch.mean((gradient.norm(2, dim=1) - 1) ** 2)


class LeastSquares:
    """Least squares: plain MSE, without the halves of the paper."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return F.mse_loss(real, torch.ones_like(real)) + F.mse_loss(fake, torch.zeros_like(fake))

    def generator(self, *, fake: Tensor) -> Tensor:
        return F.mse_loss(fake, torch.ones_like(fake))


def pixel(prediction: Tensor, truth: Tensor) -> Tensor:
    """Pixel-wise: right, and it broadcasts."""
    return (prediction - truth).square().mean()


def perceptual(generated: Tensor, truth: Tensor) -> Tensor:
    """Perceptual: a zip that walks the batch where layers were meant."""
    return sum(
        (F.mse_loss(a, b) for a, b in zip(3 * generated, 3 * truth, strict=False)),
        start=torch.zeros(()),
    )


def feature_matching(*, fake: list[list[Tensor]], real: list[list[Tensor]]) -> Tensor:
    """Feature matching: the mean over all maps, and the last of each list left out."""
    losses = [
        (a - b).abs().mean()
        for fakes, reals in zip(fake, real, strict=False)
        for a, b in zip(fakes[:-1], reals[:-1], strict=False)
    ]
    return torch.stack(losses).mean()


def psnr(prediction: Tensor, truth: Tensor) -> Tensor:
    """PSNR: half the decibels, and the wrong sign for a loss."""
    mse = torch.mean((prediction - truth) ** 2)
    return 10 * torch.log10(1 / torch.sqrt(mse))


def cosine(truth: Tensor, prediction: Tensor) -> Tensor:
    """Cosine: one vector only, and nan for a zero one."""
    return 1 - torch.dot(truth, prediction) / (truth.norm() * prediction.norm())


def cosine_of_rows(truth: Tensor, prediction: Tensor) -> Tensor:
    """The same for a batch of vectors."""
    dots = (truth * prediction).sum(1)
    return (1 - dots / (truth.norm(dim=1) * prediction.norm(dim=1))).mean()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """SSIM: avg_pool2d without a stride takes tiles that do not overlap, and counts the padding."""
    c1, c2 = 0.01**2, 0.03**2
    mx, my = F.avg_pool2d(x, 3, padding=1), F.avg_pool2d(y, 3, padding=1)
    vx = F.avg_pool2d(x * x, 3, padding=1) - mx**2
    vy = F.avg_pool2d(y * y, 3, padding=1) - my**2
    cov = F.avg_pool2d(x * y, 3, padding=1) - mx * my
    index = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return 1 - index.mean()
