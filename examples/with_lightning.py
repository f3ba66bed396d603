"""WGAN-GP in a LightningModule: two optimisers by hand, on one process or several."""

import argparse
from typing import Any

import lightning
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.utils import save_image

import ganloss as gl


class WassersteinGAN(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.G = nn.Sequential(nn.Linear(32, 256), nn.LeakyReLU(0.2), nn.Linear(256, 64), nn.Tanh())
        self.D = nn.Sequential(nn.Linear(64, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1))
        self.game = gl.GAMES["wgan-gp"]
        self.objective = self.game.discriminator_objective()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        settings = self.game.optimisers
        return [
            settings.generator.build(self.G.parameters()),
            settings.discriminator.build(self.D.parameters()),
        ]

    def fakes(self, like: Tensor) -> Tensor:
        return self.G(torch.randn(len(like), 32, device=like.device))

    def training_step(self, batch: Any, number: int) -> None:
        (x,) = batch
        opt_g, opt_d = self.optimizers()
        self.toggle_optimizer(opt_d)
        critic, fake = gl.Critic(self.D), self.fakes(x)
        losses = self.objective(
            adv=self.game.pair.discriminator(real=critic(x), fake=critic(fake)),
            gp=lambda: self.game.penalties["gp"].penalty(critic, real=x, fake=fake),
        )
        opt_d.zero_grad()
        self.manual_backward(losses.total)
        opt_d.step()
        self.untoggle_optimizer(opt_d)
        self.log_dict({f"d_{name}": value for name, value in losses.terms.items()}, prog_bar=True)
        if number % self.game.critic_steps:
            return
        self.toggle_optimizer(opt_g)
        g_loss = self.game.pair.generator(fake=self.D(self.fakes(x)))
        opt_g.zero_grad()
        self.manual_backward(g_loss)
        opt_g.step()
        self.untoggle_optimizer(opt_g)


def main(steps: int, devices: int) -> None:
    lightning.seed_everything(0)
    images = torch.from_numpy(load_digits().images).float().flatten(1) / 8 - 1
    loader = DataLoader(TensorDataset(images), batch_size=64, shuffle=True, drop_last=True)
    model = WassersteinGAN()
    trainer = lightning.Trainer(
        max_steps=steps, devices=devices, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        # Each turn trains one player, so the other's parameters stay without a gradient.
        strategy="ddp_find_unused_parameters_true" if devices > 1 else "auto",
    )  # fmt: skip
    trainer.fit(model, loader)
    if trainer.is_global_zero:
        with torch.no_grad():
            samples = model.fakes(images[:64]).view(-1, 1, 8, 8)
        save_image(samples, "lightning.png", normalize=True, value_range=(-1, 1))
        terms = ", ".join(f"{k} {v.item():.3f}" for k, v in trainer.callback_metrics.items())
        print(f"{trainer.world_size} process(es), {terms}; samples: lightning.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--devices", type=int, default=1)
    arguments = parser.parse_args()
    main(arguments.steps, arguments.devices)
