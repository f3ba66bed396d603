"""HiFi-GAN's objective on synthesised harmonic sounds: from mel spectrograms back to waves.

A steady tone has the same spectrogram at every frame, which cannot say where a wave begins; so the
generator is given the pitch as a buzz, as vocoders for singing are (NSF-HiFi-GAN), and shapes it.
Scores and features come from several discriminators as lists, which the losses take as they are.
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, leaky_relu, pad
from torchvision.utils import save_image

import ganloss as gl

RATE, LENGTH, HOP, MELS = 8000, 8192, 128, 80


def sounds(count: int, length: int = LENGTH) -> tuple[Tensor, Tensor]:
    """Tones with ten harmonics, gliding and fading, and a buzz of their pitch, ``(N, 1, T)``."""
    time = torch.arange(length) / RATE
    pitch = 100 + 200 * torch.rand(count, 1, 1) + 100 * (torch.rand(count, 1, 1) - 0.5) * time
    phase = 2 * torch.pi * pitch.cumsum(-1) / RATE * torch.arange(1, 11)[:, None]
    strength = torch.rand(count, 10, 1) / torch.arange(1, 11)[:, None]
    tone = (strength * phase.sin()).sum(1, keepdim=True)
    buzz = phase.sin().mean(1, keepdim=True)
    return 0.3 * tone * torch.exp(-2 * torch.rand(count, 1, 1) * time), buzz


class Fields(nn.Module):
    """The mean of two residual stacks that see different distances (Kong et al. 2020, 2.2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near, self.far = (
            nn.ModuleList(nn.Conv1d(width, width, k, padding="same", dilation=d) for d in (1, 3, 9))
            for k in (3, 7)
        )

    def forward(self, x: Tensor) -> Tensor:
        near = far = x
        for first, second in zip(self.near, self.far, strict=True):
            near = near + first(leaky_relu(near, 0.1))
            far = far + second(leaky_relu(far, 0.1))
        return (near + far) / 2


class Vocoder(nn.Module):
    """Log mel spectrograms ``(N, 80, frames)`` and a buzz to waves ``(N, 1, 128 * frames)``."""

    def __init__(self) -> None:
        super().__init__()
        widths, factors, rates = (96, 48, 24, 16), (8, 4, 4), (16, 4, 1)
        self.first = nn.Conv1d(MELS, widths[0], 7, padding=3)
        self.up, self.buzz, self.fields = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for a, b, f, r in zip(widths, widths[1:], factors, rates, strict=False):
            self.up.append(nn.ConvTranspose1d(a, b, 2 * f, f, padding=f // 2))
            self.buzz.append(nn.Conv1d(1, b, 2 * r + 1, r, padding=r))
            self.fields.append(Fields(b))
        self.last = nn.Conv1d(widths[-1], 1, 7, padding=3)

    def forward(self, mel: Tensor, buzz: Tensor) -> Tensor:
        x = self.first(mel)
        for up, hear, fields in zip(self.up, self.buzz, self.fields, strict=True):
            x = up(leaky_relu(x, 0.1))
            x = fields(x + hear(buzz)[..., : x.shape[-1]])
        return torch.tanh(self.last(leaky_relu(x, 0.1)))


class Judge(nn.Module):
    """One discriminator: of the wave folded by a period, or of the averaged wave."""

    def __init__(self, period: int = 1, scale: int = 1) -> None:
        super().__init__()
        self.period, self.scale = period, scale
        widths = [(1, 16), (16, 32), (32, 64)]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, (9, 1), (4, 1), padding=(4, 0)) for a, b in widths
        )
        self.score = nn.Conv2d(64, 1, (3, 1), padding=(1, 0))

    def forward(self, wave: Tensor) -> list[Tensor]:
        x = avg_pool1d(wave, self.scale)
        x = pad(x, (0, -x.shape[-1] % self.period)).unflatten(-1, (-1, self.period))
        maps: list[Tensor] = []
        for layer in self.layers:
            x = leaky_relu(layer(x), 0.1)
            maps.append(x)
        return [*maps, self.score(x)]


def picture(wave: Tensor) -> Tensor:
    """Spectrograms from 0 to 4 kHz, upwards, over a second: 60 dB from white to black."""
    window = torch.hann_window(512)
    magnitude = torch.stft(wave[:, 0], 512, HOP, window=window, return_complex=True).abs()
    decibels = 20 * (magnitude / magnitude.amax() + 1e-4).log10()
    shade = (-decibels / 60).clamp(0, 1)
    return shade.flip(1)[:, None].repeat_interleave(5, 3)


def main(steps: int) -> None:
    torch.manual_seed(0)
    mel = gl.MelSpectrogram(sample_rate=RATE, size=512, window=512, hop=HOP, mels=MELS)
    G = Vocoder()
    judges = nn.ModuleList([Judge(period=2), Judge(period=3), Judge(), Judge(scale=2)])
    adv, matching = gl.LeastSquares(), gl.FeatureMatching()
    # Kong et al. 2020, eqs. 1-4: their least squares has no 1/2.
    d_objective = gl.WeightedSum(adv=2.0)
    g_objective = gl.WeightedSum(adv=2.0, features=2.0, mel=45.0)
    opt_g = torch.optim.AdamW(G.parameters(), 1e-3, (0.8, 0.99))
    opt_d = torch.optim.AdamW(judges.parameters(), 1e-3, (0.8, 0.99))

    def judge(wave: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        found = [one(wave) for one in judges]
        return [layers[-1] for layers in found], [layers[:-1] for layers in found]

    for step in range(steps):
        real, buzz = sounds(8, LENGTH // 2)
        fake = G(mel.spectrogram(real)[:, 0], buzz)
        (of_real, _), (of_fake, _) = judge(real), judge(fake.detach())
        d_losses = d_objective(adv=adv.discriminator(real=of_real, fake=of_fake))
        opt_d.zero_grad()
        d_losses.total.backward()
        opt_d.step()
        with torch.no_grad():
            _, theirs = judge(real)
        scores, ours = judge(fake)
        losses = g_objective(
            adv=adv.generator(fake=scores),
            features=matching(fake=ours, real=theirs),
            mel=mel(fake, real),
        )
        opt_g.zero_grad()
        losses.total.backward()
        opt_g.step()
        if step % 50 == 0 or step == steps - 1:
            said = ", ".join(f"{name} {value.item():.3f}" for name, value in losses.terms.items())
            print(f"step {step}: D {d_losses.total.item():.3f}, {said}")
    with torch.no_grad():
        real, buzz = sounds(3)
        pictures = torch.cat([picture(real), picture(G(mel.spectrogram(real)[:, 0], buzz))])
    save_image(pictures, "hifigan.png", nrow=3, padding=6, pad_value=1.0)
    print("spectrograms, synthesised above, from the generator below: hifigan.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    main(parser.parse_args().steps)
