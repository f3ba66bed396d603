"""R3GAN's losses under Hugging Face Accelerate, on one process or, with torchrun, several.

`torchrun --nproc-per-node 2 examples/with_accelerate.py`. Each player is wrapped by itself.
Penalties, and the generator's turn, take the discriminator without its wrapper: what is not trained
must not wait for other processes.
"""

import argparse

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.utils import save_image

import ganloss as gl


def main(steps: int) -> None:
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    set_seed(0)
    images = torch.from_numpy(load_digits().images).float().flatten(1) / 8 - 1
    G = nn.Sequential(nn.Linear(32, 256), nn.LeakyReLU(0.2), nn.Linear(256, 64), nn.Tanh())
    D = nn.Sequential(nn.Linear(64, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1))
    game = gl.GAMES["r3gan"]
    opt_g = game.optimisers.generator.build(G.parameters())
    opt_d = game.optimisers.discriminator.build(D.parameters())
    loader = DataLoader(TensorDataset(images), batch_size=32, shuffle=True, drop_last=True)
    G, D, opt_g, opt_d, loader = accelerator.prepare(G, D, opt_g, opt_d, loader)
    plain_d = accelerator.unwrap_model(D)
    set_seed(0, device_specific=True)  # from here on other noise in each process
    objective, adv = game.discriminator_objective(), game.pair

    def noise(like: Tensor) -> Tensor:
        return torch.randn(len(like), 32, device=like.device)

    step = 0
    while step < steps:
        for (x,) in loader:
            with torch.no_grad():
                fake = G(noise(x))
            critic = gl.Critic(plain_d)
            penalties = {
                name: w.penalty(critic, real=x, fake=fake) for name, w in game.penalties.items()
            }
            both = D(torch.cat([x, fake]))  # one call of the wrapper, so that gradients are shared
            scores = dict(zip(("real", "fake"), both.chunk(2), strict=True))
            losses = objective(adv=adv.discriminator(**scores), **penalties)
            opt_d.zero_grad()
            accelerator.backward(losses.total)
            opt_d.step()

            plain_d.requires_grad_(False)
            g_loss = adv.generator(fake=plain_d(G(noise(x))), real=plain_d(x))
            opt_g.zero_grad()
            accelerator.backward(g_loss)
            opt_g.step()
            plain_d.requires_grad_(True)
            if step % 200 == 0:
                accelerator.print(
                    f"step {step}: D {losses.total.item():.3f}, G {g_loss.item():.3f}"
                )
            step += 1
            if step == steps:
                break
    if accelerator.is_main_process:
        with torch.no_grad():
            samples = accelerator.unwrap_model(G)(noise(images[:64].to(accelerator.device)))
        save_image(samples.view(-1, 1, 8, 8), "accelerate.png", normalize=True, value_range=(-1, 1))
    accelerator.print(f"{accelerator.num_processes} process(es); samples: accelerate.png")
    accelerator.end_training()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    main(parser.parse_args().steps)
