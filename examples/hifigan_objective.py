"""HiFi-GAN's objective on synthesised harmonic sounds: from mel spectrograms back to waves.

Scores and features come from several discriminators as lists, which the losses take as they are.
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, leaky_relu, pad
from torchvision.utils import save_image

import ganloss as gl

RATE, LENGTH, HOP, MELS = 8000, 8192, 128, 80


def sounds(count: int, length: int = LENGTH) -> Tensor:
    """Tones with ten harmonics, gliding and fading, ``(N, 1, T)``."""
    time = torch.arange(length) / RATE
    pitch = 100 + 200 * torch.rand(count, 1, 1) + 100 * (torch.rand(count, 1, 1) - 0.5) * time
    strength = torch.rand(count, 10, 1) / torch.arange(1, 11)[:, None]
    phase = 2 * torch.pi * pitch.cumsum(-1) / RATE * torch.arange(1, 11)[:, None]
    tone = (strength * phase.sin()).sum(1, keepdim=True)
    return 0.3 * tone * torch.exp(-2 * torch.rand(count, 1, 1) * time)


class Fields(nn.Module):
    """The mean of two residual stacks that see different distances (Kong et al. 2020, 2.2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stacks = nn.ModuleList(
            nn.ModuleList(
                nn.Conv1d(width, width, kernel, padding=d * (kernel // 2), dilation=d)
                for d in (1, 3, 9)
            )
            for kernel in (3, 7)
        )

    def forward(self, x: Tensor) -> Tensor:
        ends: list[Tensor] = []
        for stack in self.stacks:
            y = x
            for layer in stack:
                y = y + layer(leaky_relu(y, 0.1))
            ends.append(y)
        return (ends[0] + ends[1]) / 2


class Vocoder(nn.Module):
    """Log mel spectrograms ``(N, 80, frames)`` to waves ``(N, 1, 128 * frames)``."""

    def __init__(self) -> None:
        super().__init__()
        widths, factors = (128, 64, 32, 16), (8, 4, 4)
        self.first = nn.Conv1d(MELS, widths[0], 7, padding=3)
        self.up = nn.ModuleList(
            nn.ConvTranspose1d(a, b, 2 * f, f, padding=f // 2)
            for a, b, f in zip(widths, widths[1:], factors, strict=False)
        )
        self.fields = nn.ModuleList(Fields(width) for width in widths[1:])
        self.last = nn.Conv1d(widths[-1], 1, 7, padding=3)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.first(mel)
        for up, fields in zip(self.up, self.fields, strict=True):
            x = fields(up(leaky_relu(x, 0.1)))
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

    def judge(wave: Tensor) -> list[list[Tensor]]:
        return [one(wave) for one in judges]

    def scores(maps: list[list[Tensor]]) -> list[Tensor]:
        return [layers[-1] for layers in maps]

    for step in range(steps):
        real = sounds(8, LENGTH // 2)
        fake = G(mel.spectrogram(real)[:, 0])
        of_real, of_fake = judge(real), judge(fake.detach())
        d_losses = d_objective(adv=adv.discriminator(real=scores(of_real), fake=scores(of_fake)))
        opt_d.zero_grad()
        d_losses.total.backward()
        opt_d.step()

        with torch.no_grad():
            theirs = [layers[:-1] for layers in judge(real)]
        ours = judge(fake)
        losses = g_objective(
            adv=adv.generator(fake=scores(ours)),
            features=matching(fake=[layers[:-1] for layers in ours], real=theirs),
            mel=mel(fake, real),
        )
        opt_g.zero_grad()
        losses.total.backward()
        opt_g.step()
        if step % 50 == 0 or step == steps - 1:
            said = ", ".join(f"{name} {value.item():.3f}" for name, value in losses.terms.items())
            print(f"step {step}: D {d_losses.total.item():.3f}, {said}")
    with torch.no_grad():
        real = sounds(3)
        pictures = torch.cat([picture(real), picture(G(mel.spectrogram(real)[:, 0]))])
    save_image(pictures, "hifigan.png", nrow=3, padding=6, pad_value=1.0)
    print("spectrograms, synthesised above, from the generator below: hifigan.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    main(parser.parse_args().steps)
