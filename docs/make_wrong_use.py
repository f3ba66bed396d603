"""The page of mistakes: each is made here, and the message is what ganloss answered."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import ganloss as gl


@dataclass(frozen=True)
class Mistake:
    """A mistake people make.

    Args:
        title: goes on after "Accidentally ".
        code: what is typed; the last line raises.
        elsewhere: what becomes of it in other code, silently.
    """

    title: str
    code: str
    elsewhere: str

    def message(self) -> str:
        """Make the mistake, and give what is said about it.

        Raises:
            RuntimeError: nothing was said.
        """
        try:
            exec(self.code, dict(NAMES))
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            return f"{type(error).__name__}: {error.args[0]}"
        raise RuntimeError(f"accidentally {self.title}: nothing was said")


class Patches(nn.Module):
    """A discriminator that returns scores and features."""

    def forward(self, x: Any) -> Any:
        return x.mean((2, 3)), [x]


def _names() -> dict[str, Any]:
    images = torch.rand(4, 3, 16, 16)
    critic: Callable[..., Any] = nn.Sequential(nn.Flatten(), nn.Linear(768, 1))
    return {
        "gl": gl, "torch": torch, "nn": nn, "D": critic, "D_with_features": Patches(),
        "x": images, "fake": images.flip(0), "pair": gl.NonSaturating(),
        "scores": critic(images),
    }  # fmt: skip


NAMES = _names()
MISTAKES = (
    Mistake(
        "swapping real and fake",
        "pair.discriminator(D(fake), D(x))",
        "Both are tensors of one shape: D learns to like fakes, and the loss looks healthy.",
    ),
    Mistake(
        "forgetting one side",
        "pair.discriminator(fake=D(fake))",
        "A `GANLoss(scores, target_is_real)` is called once: D says fake to everything, at loss 0.",
    ),
    Mistake(
        "comparing (N, 1) with (N,)",
        "gl.Relativistic(pair).discriminator(real=D(x), fake=D(fake).squeeze())",
        "Broadcasting makes N x N differences: every real sample against every fake one.",
    ),
    Mistake(
        "comparing images with a target that broadcasts",
        "gl.L1()(x, x[:1])",
        "torch's `l1_loss` warns once and compares all images with the first target.",
    ),
    Mistake(
        "taking the mean before the loss",
        "pair.discriminator(real=D(x).mean(), fake=D(fake).mean())",
        "The loss of the mean is not the mean of the losses; the relativistic ones change meaning.",
    ),
    Mistake(
        "passing scores and features together",
        "pair.discriminator(real=D_with_features(x), fake=D_with_features(fake))",
        "Code that loops over outputs adds a loss of the features, as if they were scores.",
    ),
    Mistake(
        "comparing discriminators of different scales",
        "pair.discriminator(real=[scores] * 3, fake=[scores] * 2)",
        "`zip` stops at the shorter list, and a scale is trained on nothing.",
    ),
    Mistake(
        "passing bytes",
        "gl.R1()(D, real=(255 * x).byte())",
        "Integers have no gradient; elsewhere the cast happens silently, at 255 times the scale.",
    ),
    Mistake(
        "calling the relativistic generator without real scores",
        "gl.Relativistic(pair).generator(fake=D(fake))",
        "Half of the loss is left out, and G is trained on the non-saturating one.",
    ),
    Mistake(
        "mixing batches of two sizes in a gradient penalty",
        "gl.GradientPenalty()(D, real=x, fake=fake[:1])",
        "All interpolates lead to one fake image; the last, smaller batch of an epoch does it.",
    ),
    Mistake(
        "leaving a term out of the objective",
        "gl.WeightedSum(adv=1.0, gp=10.0)(adv=torch.tensor(1.0))",
        "`--gan_mode wgangp` of a well-known project never calls its penalty: the critic explodes.",
    ),
    Mistake(
        "misspelling a term",
        "gl.WeightedSum(adv=1.0)(adv=torch.tensor(1.0), gpp=torch.tensor(0.5))",
        "A dictionary takes any key, and the weight of the right one applies to nothing.",
    ),
    Mistake(
        "adding a vector to the objective",
        "gl.WeightedSum(adv=1.0)(adv=pair.generator(fake=scores, reduction='none'))",
        "The sum broadcasts, and `backward()` complains about something else, or not at all.",
    ),
    Mistake(
        "leaving the range of images to chance",
        "gl.SSIM()(x, x)",
        "A default of 1 or 255 gives numbers for images in [-1, 1] that mean nothing.",
    ),
    Mistake(
        "measuring images smaller than the window",
        "gl.SSIM(data_range=1.0)(x[..., :8, :8], x[..., :8, :8])",
        "Padding with zeros makes borders, which are most of the score.",
    ),
    Mistake(
        "using a scheduled weight without the step",
        "gl.WeightedSum(r1=gl.every(16, 10.0))(r1=torch.tensor(1.0))",
        "A counter inside the loss is lost on resume, or counts D's turns twice.",
    ),
    Mistake(
        "misspelling a name",
        "gl.NonSaturatng",
        "A registry that takes strings fails hours later, or falls back to a default.",
    ),
)


def write(path: Path) -> None:
    parts = [
        "# Wrong use",
        "",
        "Mistakes that train something else than what was meant, what becomes of them elsewhere,",
        "and what ganloss says. Each message on this page comes from making the mistake.",
        "",
    ]
    for mistake in MISTAKES:
        code = f"```python\n{mistake.code}\n```"
        said = f"```text\n{_wrapped(mistake.message())}\n```"
        parts += [f"## Accidentally {mistake.title}", "", code, "", mistake.elsewhere, "", said, ""]
    path.write_text("\n".join(parts), encoding="utf-8")


def _wrapped(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, 88, break_on_hyphens=False))
