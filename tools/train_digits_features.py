"""Train the shipped feature network for 8-pixel digits.

    python tools/train_digits_features.py

writes src/ganloss/metrics/weights/digits.safetensors, the same file on every run on one machine.
The network learns the ten digits from all 1,797 images, shifted and noisy, and an eleventh class:
uniform noise. So its features react to images that are no digits, not only to which digit it is.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from ganloss.data.demo import digits
from ganloss.metrics.features import digit_features, digit_logits

TARGET = Path(__file__).parents[1] / "src/ganloss/metrics/weights/digits.safetensors"
STEPS, BATCH, NOT_A_DIGIT = 3000, 128, 10
SHAPES = {
    "conv1": (16, 1, 3, 3),
    "conv2": (32, 16, 3, 3),
    "conv3": (48, 32, 3, 3),
    "features": (16, 192),
    "head": (11, 16),
}


def initial_weights() -> dict[str, Tensor]:
    """Start from He's normal initialisation."""
    weights: dict[str, Tensor] = {}
    for name, shape in SHAPES.items():
        fan_in = torch.Size(shape[1:]).numel()
        weights[f"{name}.weight"] = torch.randn(shape) * (2 / fan_in) ** 0.5
        weights[f"{name}.bias"] = torch.zeros(shape[0])
    return {name: value.requires_grad_(True) for name, value in weights.items()}


def shifted(images: Tensor) -> Tensor:
    """Shift the whole batch by up to one pixel, on black."""
    dy, dx = torch.randint(0, 3, (2,)).tolist()
    return pad(images, (1, 1, 1, 1), value=-1.0)[:, :, dy : dy + 8, dx : dx + 8]


def main() -> None:
    """Train, and write the weights."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    split = digits()
    images = torch.cat([split.train_images, split.held_out_images]).float().div(127.5).sub(1)
    labels = torch.cat([split.train_labels, split.held_out_labels]).long()
    weights = initial_weights()
    optimiser = torch.optim.AdamW(weights.values(), lr=2e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for step in range(STEPS):
        rows = torch.randint(0, len(images), (BATCH,))
        real = shifted(images[rows])
        real = real + 1.2 * torch.rand(()) * torch.randn_like(real)
        wrong = torch.rand(BATCH // 4, 1, 8, 8) * 2 - 1
        batch = torch.cat([real, wrong])
        target = torch.cat([labels[rows], torch.full((len(wrong),), NOT_A_DIGIT)])
        logits = digit_logits(digit_features(batch, weights), weights)
        loss = cross_entropy(logits, target, label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 500 == 499:
            print(f"step {step + 1}  loss {loss.item():.3f}")
    save_file({name: value.detach().contiguous() for name, value in weights.items()}, TARGET)


if __name__ == "__main__":
    main()
