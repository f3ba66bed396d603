"""Faults of other projects' losses, written again from their description."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Critic = Callable[[Tensor], Tensor]


def _gradient(critic: Critic, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]


def _mixed(real: Tensor, fake: Tensor) -> Tensor:
    epsilon = torch.rand(len(real), *[1] * (real.dim() - 1), dtype=real.dtype)
    return (epsilon * real + (1 - epsilon) * fake).detach()


def norm_of_the_whole_batch(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """torchgan: (sqrt(N) - 1)^2 for a 1-Lipschitz critic."""
    return (_gradient(critic, _mixed(real, fake)).norm(2) - 1) ** 2


def norm_over_channels(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """BasicSR, and mmgeneration by default: a norm per pixel."""
    return (_gradient(critic, _mixed(real, fake)).norm(2, dim=1) - 1).square().mean()


def shared_epsilon(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """torchgan: one epsilon for the batch."""
    epsilon = torch.rand(1, dtype=real.dtype)
    gradient = _gradient(critic, epsilon * real + (1 - epsilon) * fake)
    return (gradient.flatten(1).norm(2, dim=1) - 1).square().mean()


def fake_not_detached(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """torchgan: the generator gets gradients in the discriminator's step."""
    epsilon = torch.rand(len(real), *[1] * (real.dim() - 1), dtype=real.dtype)
    x = epsilon * real + (1 - epsilon) * fake
    x = x if x.requires_grad else x.requires_grad_(True)
    gradient = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]
    return (gradient.flatten(1).norm(2, dim=1) - 1).square().mean()


def graph_on_the_callers_batch(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """CUT: requires_grad_ on the caller's tensor."""
    real.requires_grad_(True)
    gradient = torch.autograd.grad(critic(real).sum(), real, create_graph=True)[0]
    return 0.5 * gradient.flatten(1).square().sum(1).mean()


def root_of_squares(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """GAN_stability, StudioGAN: sqrt has no slope at a dead critic."""
    gradient = _gradient(critic, _mixed(real, fake))
    return (gradient.flatten(1).square().sum(1).sqrt() - 1).square().mean()


def epsilon_in_the_norm(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """CUT: (g + 1e-16).norm, here with the 1e-2 that makes it visible."""
    gradient = _gradient(critic, _mixed(real, fake)).flatten(1) + 1e-2
    return (gradient.norm(2, dim=1) - 1).square().mean()


def r1_without_its_half(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """GAN_stability, mmgeneration: gamma means twice as much."""
    return _gradient(critic, real).flatten(1).square().sum(1).mean()


def r1_in_autocast(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """StudioGAN: squares of half-precision gradients over- and underflow."""
    half = torch.is_autocast_enabled("cpu")
    gradient = _gradient(critic, real).flatten(1)
    gradient = gradient.half() if half else gradient
    return 0.5 * gradient.square().sum(1).mean()


def without_a_graph(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """create_graph forgotten: a penalty nobody learns from."""
    x = _mixed(real, fake).requires_grad_(True)
    gradient = torch.autograd.grad(critic(x).sum(), x)[0]
    return (gradient.flatten(1).norm(2, dim=1) - 1).square().mean()


def dragan_of_the_whole_batch(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """torchgan: DRAGAN's norm runs over the batch too."""
    noisy = real + 0.5 * real.std() * torch.rand_like(real)
    return (_gradient(critic, noisy).norm(2) - 1) ** 2


def dragan_over_channels(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """PyTorch-GAN: DRAGAN's norm runs over the channels."""
    noisy = real + 0.5 * torch.randn_like(real)
    return (_gradient(critic, noisy).norm(2, dim=1) - 1).square().mean()


class HalfOfRelativisticAverage:
    """PyTorch-GAN's esrgan: G has E a(f - E r) alone, without the real side."""

    batch_statistic = True
    generator_needs_real = True

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()

    def generator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(real.mean() - fake).mean()


class OverwrittenRelativistic:
    """PyTorch-GAN's relativistic_gan: the next line overwrites G's loss by the plain one."""

    paired = True
    generator_needs_real = True

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(fake - real).mean()

    def generator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        loss = F.softplus(real - fake).mean()
        loss = F.softplus(-fake).mean()
        return loss  # noqa: RET504


class HingeOfTanh:
    """MONAI: the hinge of tanh(D) never reaches 0, and G saturates."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return F.relu(1 - real.tanh()).mean() + F.relu(1 + fake.tanh()).mean()

    def generator(self, *, fake: Tensor) -> Tensor:
        return F.relu(1 - fake.tanh()).mean()


class LeakyLeastSquares:
    """MONAI: a LeakyReLU on the scores."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        r, f = F.leaky_relu(real, 0.05), F.leaky_relu(fake, 0.05)
        return 0.5 * (r - 1).square().mean() + 0.5 * f.square().mean()

    def generator(self, *, fake: Tensor) -> Tensor:
        return 0.5 * (F.leaky_relu(fake, 0.05) - 1).square().mean()


class SaturatingAgain:
    """mimicry: log(sigmoid + 1e-8), whose gradient is 0 at -100."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return -(real.sigmoid() + 1e-8).log().mean() - (1 - fake.sigmoid() + 1e-8).log().mean()

    def generator(self, *, fake: Tensor) -> Tensor:
        return -(fake.sigmoid() + 1e-8).log().mean()


class RealIsLow:
    """GAN_stability, lightweight-gan: real scores are trained to be low."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return real.mean() - fake.mean()

    def generator(self, *, fake: Tensor) -> Tensor:
        return fake.mean()


class GeneratorIsDiscriminator:
    """BasicSR with is_disc left at its default: minimising it raises D(fake)."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return -real.mean() - fake.mean()

    def generator(self, *, fake: Tensor) -> Tensor:
        return -fake.mean()


class IntegerLabels:
    """MONAI: a label of 0.9 stored as an integer is 0."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        label = torch.tensor(1).fill_(0.9).to(real)
        target = label.expand_as(real)
        loss = F.binary_cross_entropy_with_logits
        return loss(real, target) + loss(fake, torch.zeros_like(fake))

    def generator(self, *, fake: Tensor) -> Tensor:
        return F.softplus(-fake).mean()


class BroadcastRelativistic:
    """StudioGAN, TF-GAN: (N, 1) minus (N,) is N x N numbers."""

    paired = True
    generator_needs_real = True

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(fake - real).mean()

    def generator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(real - fake).mean()


class TruncatedScales:
    """hifi-gan: zip stops at the shorter list of scales."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        if not isinstance(real, list):
            real, fake = [real], [fake]
        pairs = zip(real, fake, strict=False)
        return sum(F.softplus(-r).mean() + F.softplus(f).mean() for r, f in pairs)

    def generator(self, *, fake: Tensor) -> Tensor:
        scales = fake if isinstance(fake, list) else [fake]
        return sum(F.softplus(-f).mean() for f in scales)


def normalised_in_place(x: Tensor, y: Tensor) -> Tensor:
    """MONAI: the mean is subtracted from the caller's image."""
    x.sub_(x.mean())
    y.sub_(y.mean())
    return (x - y).square().mean()


def unpaired_elementwise(*, fake: list[list[Tensor]], real: list[list[Tensor]]) -> Tensor:
    """torchgan: MSE between sample i of one batch and sample i of another, for batch means."""
    pairs = [(a, b) for f, r in zip(fake, real, strict=True) for a, b in zip(f, r, strict=True)]
    return sum(F.mse_loss(a, b) for a, b in pairs)


def ssim_of_bytes(x: Tensor, y: Tensor) -> Tensor:
    """pytorch-msssim: a data range of 255 by default."""
    import pytorch_msssim

    return 1 - pytorch_msssim.ssim(x, y)


def root_of_total_variation(x: Tensor, y: Tensor) -> Tensor:
    """piq: sqrt at exactly 0, the gradient of a constant image."""
    steps = (x - y)[..., 1:].square().sum((1, 2, 3)) if x.dim() == 4 else (x - y).square().sum(1)
    return steps.sqrt().mean()


def quality_for_loss(x: Tensor, y: Tensor) -> Tensor:
    """IQA-PyTorch: as_loss leaves "higher is better" as it is."""
    import ganloss as gl

    return gl.SSIM(data_range=1.0).index(x, y).mean()


def wrapped_bytes(x: Tensor, y: Tensor) -> Tensor:
    """torchmetrics' FID: (255 x).byte() has no gradient, and wraps."""
    return ((255 * x).byte().float() - (255 * y).byte().float()).abs().mean()


def cancelling_moments(x: Tensor, y: Tensor) -> Tensor:
    """E[x^2] - E[x]^2 in the images' own precision; 1.32 was reported under autocast."""
    kernel = torch.full((x.shape[1], 1, 7, 7), 1 / 49, dtype=x.dtype)

    def mean(z: Tensor) -> Tensor:
        return F.conv2d(z, kernel, groups=z.shape[1])

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    index = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    return 1 - index.mean()


class SmoothedByDefault:
    """TF-GAN: real labels of 0.875, since a smoothing of 0.25 by default goes half way to 0.5."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        smoothed = 0.875 * F.softplus(-real) + 0.125 * F.softplus(real)
        return smoothed.mean() + F.softplus(fake).mean()

    def generator(self, *, fake: Tensor) -> Tensor:
        return F.softplus(-fake).mean()


class MeansOfFeatures:
    """MONAI: an MMD of a linear kernel, diagonal and all, sees nothing but the means."""

    scores_are_features = True
    batch_statistic = True
    generator_needs_real = True

    def _distance(self, real: Tensor, fake: Tensor) -> Tensor:
        return (real.flatten(1).mean(0) - fake.flatten(1).mean(0)).square().sum()

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return -self._distance(real, fake)

    def generator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return self._distance(real, fake)


class ClippedLeCam:
    """StudioGAN: differences of the wrong sign do not count, and averages begin at 7777."""

    differentiates = False

    def __call__(self, critic: Critic, *, real: Tensor, fake: Tensor) -> Tensor:
        of_real = F.relu(critic(real) - (-1.0)).square().mean()
        return of_real + F.relu(1.0 - critic(fake)).square().mean()


def blue_is_all(x: Tensor, y: Tensor) -> Tensor:
    """kornia's MS-SSIM: one channel's luminance stands in for that of all three."""
    import ganloss as gl

    blue = [z[:, -1:].expand_as(z) for z in (x, y)]
    return gl.SSIM(data_range=1.0)(*blue)


def range_of_the_batch(x: Tensor, y: Tensor) -> Tensor:
    """torchmetrics: data_range=None is the range of whatever the batch holds."""
    if x.shape != y.shape:
        raise ValueError("shapes must be equal")
    span = torch.maximum(x.amax() - x.amin(), y.amax() - y.amin()).detach() + 1e-6
    return ((x - y) / span).square().mean()


def asserts_a_range(x: Tensor, y: Tensor) -> Tensor:
    """piq: a generator that leaves [0, 1] by a little ends the run."""
    if x.min() < 0 or x.max() > 1:
        raise AssertionError("expected values in [0, 1]")
    return (x - y).square().mean()


def both_sides_learn(*, fake: list[list[Tensor]], real: list[list[Tensor]]) -> Tensor:
    """hifi-gan: real maps are not detached, so D gets gradients in G's step."""
    pairs = [(a, b) for f, r in zip(fake, real, strict=True) for a, b in zip(f, r, strict=True)]
    return torch.stack([(a - b).abs().mean() for a, b in pairs]).sum()


def scaled_to_the_target(x: Tensor, y: Tensor) -> Tensor:
    """auraloss: the scale of each sound, (N, 1), against spectra (N, F, T): N = 1 alone fits."""
    window = torch.ones(4).to(x)
    a, b = (torch.stft(z, 4, 2, window=window, return_complex=True).abs() for z in (x, y))
    scale = (x * y).sum(1, keepdim=True) / y.square().sum(1, keepdim=True)
    return (a - scale * b).abs().mean()


def filled_before_the_temperature(*, fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """CUT: a patch's own place among its negatives is filled with -10 before the temperature."""
    total = torch.zeros((), dtype=fake[0].dtype)
    for v, k in zip(fake, real, strict=True):
        q, p = F.normalize(v, dim=-1), F.normalize(k.detach(), dim=-1)
        cosines = q @ p.mT
        own = cosines.diagonal(dim1=1, dim2=2)
        places = torch.eye(cosines.shape[1], dtype=torch.bool)
        logits = torch.cat([own[..., None], cosines.masked_fill(places, -0.1)], 2) / 0.07
        total = total - logits.log_softmax(2)[..., 0].mean()
    return total
