"""docs/names.md: every factor between another project's loss and ours, from their formula."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ganloss as gl
from conformance.formulas import softplus
from ganloss.games import ALIASES, canonical_name

PAGE = Path(__file__).parents[2] / "docs" / "names.md"
NAMESPACE = {name: getattr(gl, name) for name in gl.PUBLIC_NAMES} | {"abs": torch.abs}
Array = np.ndarray
rng = np.random.default_rng(0)

REAL, FAKE = rng.normal(size=(2, 6))
X, Y = rng.normal(size=(2, 2, 3, 8, 8))
SCORES, LABELS = rng.normal(size=(4, 5)), np.array([0, 3, 1, 2])
EPSILON = torch.rand(6, 1, generator=torch.Generator().manual_seed(0)).double()
A, B = rng.normal(size=(3, 3)), rng.normal(size=3)
A = A + A.T
POINTS, MADE = rng.normal(size=(2, 6, 3))


@dataclass(frozen=True)
class Row:
    project: str
    theirs: str
    ours: str
    factor: str

    @property
    def checked(self) -> bool:
        return not self.factor.startswith("*unchecked*: ")


def rows() -> list[Row]:
    found: list[Row] = []
    project = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            project = line[3:]
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "theirs":
            found.append(Row(project, cells[0], cells[1].strip("`"), cells[2]))
    return found


ROWS = rows()
CHECKED = [row for row in ROWS if row.checked]


def bce(scores: Array, target: float) -> float:
    return float((softplus(scores) - target * scores).mean())


def average(first: Array, second: Array) -> Array:
    return first - second.mean()


def gradient(x: Array) -> Array:
    return x @ A + B


def score(x: Array) -> Array:
    return 0.5 * ((x @ A) * x).sum(1) + x @ B


def norms(x: Array) -> Array:
    return np.sqrt((gradient(x) ** 2).sum(1))


def mixed() -> Array:
    epsilon = EPSILON.numpy()
    return epsilon * POINTS + (1 - epsilon) * MADE


def cross_entropy(logits: Array, labels: Array) -> float:
    pairs = zip(logits, labels, strict=True)
    return float(np.mean([np.log(np.exp(row).sum()) - row[y] for row, y in pairs]))


def crammer_singer(logits: Array, labels: Array) -> float:
    pairs = zip(logits, labels, strict=True)
    wrong = [max(v for k, v in enumerate(row) if k != y) for row, y in pairs]
    right = logits[np.arange(len(labels)), labels]
    return float(np.maximum(0, 1 + np.array(wrong) - right).mean())


def total_variation(x: Array) -> float:
    return float(np.abs(np.diff(x, axis=2)).mean() + np.abs(np.diff(x, axis=3)).mean())


VANILLA_D = bce(REAL, 1) + bce(FAKE, 0)
LEAST_D = float(((REAL - 1) ** 2).mean() + (FAKE**2).mean())
LEAST_G = float(((FAKE - 1) ** 2).mean())
WASSERSTEIN_D = float(FAKE.mean() - REAL.mean())
HINGE_D = float(np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean())
GP = float(((norms(mixed()) - 1) ** 2).mean())
L1 = float(np.abs(X - Y).mean())

#: The right side: what they compute, on the same numbers.
THEIRS: dict[tuple[str, str], float] = {
    ("pytorch-CycleGAN-and-pix2pix, CUT", theirs): value
    for theirs, value in {
        '`GANLoss("vanilla")`, D': VANILLA_D / 2,
        '`GANLoss("vanilla")`, G': bce(FAKE, 1),
        '`GANLoss("lsgan")`, D': LEAST_D / 2,
        '`GANLoss("lsgan")`, G': LEAST_G,
        '`GANLoss("wgangp")`, D': WASSERSTEIN_D / 2,
        '`GANLoss("wgangp")`, G': float(-FAKE.mean()),
        '`GANLoss("nonsaturating")`, D': float(softplus(-REAL).mean() + softplus(FAKE).mean()) / 2,
        '`GANLoss("nonsaturating")`, G': float(softplus(-FAKE).mean()),
        "`cal_gradient_penalty(lambda_gp=10)`": 10
        * float(((np.sqrt(((gradient(mixed()) + 1e-16) ** 2).sum(1)) - 1) ** 2).mean()),
        "`criterionCycle * lambda_A`, one way, `lambda_A=10`": 10 * L1,
        "`criterionIdt * lambda_B * lambda_idt`, one way, 10 and 0.5": 5 * L1,
        "`criterionL1 * lambda_L1`, `lambda_L1=100`": 100 * L1,
    }.items()
}
THEIRS |= {
    ("PyTorch-StudioGAN", theirs): value
    for theirs, value in {
        "`d_vanilla`, `d_logistic`": float(softplus(-REAL).mean() + softplus(FAKE).mean()),
        "`g_vanilla`, `g_logistic`": float(softplus(-FAKE).mean()),
        "`d_ls`": LEAST_D / 2,
        "`g_ls`": LEAST_G / 2,
        "`d_hinge`": HINGE_D,
        "`g_hinge`": float(-FAKE.mean()),
        "`d_wasserstein`": float((FAKE - REAL).mean()),
        "`g_wasserstein`": float(-FAKE.mean()),
        "`crammer_singer_loss` of generated samples": crammer_singer(SCORES, LABELS),
        "`cal_grad_penalty`": GP,
        "`cal_r1_reg`": float(0.5 * (norms(POINTS) ** 2).mean()),
        "`cal_maxgrad_penalty`": float((norms(mixed()) ** 2).max()),
        "`apply_cr`: `l2_loss(adv, adv_cr)`": float(
            ((score(POINTS) - score(np.abs(POINTS))) ** 2).mean()
        ),
    }.items()
}
THEIRS |= {
    ("torchgan", theirs): value
    for theirs, value in {
        "`minimax_discriminator_loss`": VANILLA_D,
        "`minimax_generator_loss`": bce(FAKE, 1),
        "`minimax_generator_loss(nonsaturating=False)`": -bce(FAKE, 0),
        "`least_squares_discriminator_loss`": LEAST_D / 2,
        "`least_squares_generator_loss`": LEAST_G / 2,
        "`wasserstein_discriminator_loss`": WASSERSTEIN_D,
        "`wasserstein_generator_loss`": float(-FAKE.mean()),
        "`energy_based_discriminator_loss(margin=10)`": float(
            (REAL + np.maximum(0, 10 - FAKE)).mean()
        ),
        "`energy_based_generator_loss`": float(FAKE.mean()),
        "`boundary_equilibrium_discriminator_loss(k=0.5)`": float(REAL.mean() - FAKE.mean() / 2),
        "`boundary_equilibrium_generator_loss`": float(FAKE.mean()),
        "`auxiliary_classification_loss` of generated samples": cross_entropy(SCORES, LABELS),
    }.items()
}
THEIRS |= {
    ("TF-GAN", theirs): value
    for theirs, value in {
        "`wasserstein_discriminator_loss`": WASSERSTEIN_D,
        "`wasserstein_generator_loss`": float(-FAKE.mean()),
        "`wasserstein_hinge_discriminator_loss`": HINGE_D,
        "`wasserstein_hinge_generator_loss`": float(-FAKE.mean()),
        "`minimax_discriminator_loss(label_smoothing=0)`": VANILLA_D,
        # TensorFlow smooths towards one half: 1 - 0.25 + 0.25 / 2.
        "`modified_discriminator_loss`, smoothing 0.25 by default": bce(REAL, 1 - 0.25 / 2)
        + bce(FAKE, 0),
        "`modified_generator_loss`": bce(FAKE, 1),
        "`modified_generator_loss(label_smoothing=0.2)`": bce(FAKE, 0.9),
        "`wasserstein_hinge_discriminator_loss(real_hinge=2, generated_hinge=0.5)`": float(
            np.maximum(0, 2 - REAL).mean() + np.maximum(0, 0.5 + FAKE).mean()
        ),
        "`least_squares_discriminator_loss`": LEAST_D / 2,
        "`least_squares_generator_loss`": LEAST_G / 2,
        "`relativistic_discriminator_loss`": bce(average(REAL, FAKE), 1)
        + bce(average(FAKE, REAL), 0),
        "`relativistic_generator_loss`": bce(average(REAL, FAKE), 0) + bce(average(FAKE, REAL), 1),
        "`acgan_generator_loss`": cross_entropy(SCORES, LABELS),
        "`wasserstein_gradient_penalty`": float(
            ((np.sqrt(norms(mixed()) ** 2 + 1e-10) - 1) ** 2).mean()
        ),
        "`wasserstein_gradient_penalty(one_sided=True)`": float(
            (np.maximum(0, np.sqrt(norms(mixed()) ** 2 + 1e-10) - 1) ** 2).mean()
        ),
        "`absolute_difference` of `cycle_consistency_loss`, one way, halved": L1 / 2,
    }.items()
}
THEIRS |= {
    ("BasicSR", theirs): value
    for theirs, value in {
        '`GANLoss("vanilla")`, D, real + fake': VANILLA_D,
        '`GANLoss("vanilla")`, G': bce(FAKE, 1),
        '`GANLoss("lsgan")`, D, real + fake': LEAST_D,
        '`GANLoss("lsgan")`, G': LEAST_G,
        '`GANLoss("wgan")`, D, real + fake': WASSERSTEIN_D,
        '`GANLoss("wgan")`, G': float(-FAKE.mean()),
        '`GANLoss("wgan_softplus")`, D, real + fake': float(
            softplus(-REAL).mean() + softplus(FAKE).mean()
        ),
        '`GANLoss("wgan_softplus")`, G': float(softplus(-FAKE).mean()),
        '`GANLoss("hinge")`, D, real + fake': HINGE_D,
        '`GANLoss("hinge")`, G': float(-FAKE.mean()),
        "ESRGAN's D, halved": (bce(average(REAL, FAKE), 1) + bce(average(FAKE, REAL), 0)) / 2,
        "ESRGAN's G, halved": (bce(average(REAL, FAKE), 0) + bce(average(FAKE, REAL), 1)) / 2,
        "`r1_penalty`": float((gradient(POINTS) ** 2).sum(1).mean()),
        "`L1Loss`": L1,
        "`MSELoss`": float(((X - Y) ** 2).mean()),
        "`CharbonnierLoss(eps=1e-12)`": float(np.sqrt((X - Y) ** 2 + 1e-12).mean()),
        "`WeightedTVLoss`, images of 8 × 8": total_variation(X),
    }.items()
}
THEIRS |= {
    ("mmgeneration", theirs): value
    for theirs, value in {
        '`GANLoss("vanilla")`, D, real + fake': VANILLA_D,
        '`GANLoss("lsgan")`, D, real + fake': LEAST_D,
        '`GANLoss("lsgan")`, G': LEAST_G,
        '`GANLoss("wgan")`, D, real + fake': WASSERSTEIN_D,
        '`GANLoss("wgan-logistic-ns")`, D, real + fake': float(
            softplus(-REAL).mean() + softplus(FAKE).mean()
        ),
        '`GANLoss("wgan-logistic-ns")`, G': float(softplus(-FAKE).mean()),
        '`GANLoss("hinge")`, D, real + fake': HINGE_D,
        '`GradientPenaltyLoss(norm_mode="HWC")`': GP,
        '`R1GradientPenalty(norm_mode="HWC")`': float((norms(POINTS) ** 2).mean()),
        "`DiscShiftLoss` of real scores": float((score(POINTS) ** 2).mean()),
    }.items()
}


def critic(x: torch.Tensor) -> torch.Tensor:
    a, b = torch.from_numpy(A), torch.from_numpy(B)
    return 0.5 * ((x @ a) * x).sum(1) + x @ b


def of_ours(expression: str, monkeypatch: pytest.MonkeyPatch) -> float:
    """Our loss of the same numbers."""
    thing: Any = eval(expression, NAMESPACE)
    owner = getattr(thing, "__self__", thing)
    if isinstance(owner, gl.Penalty):
        monkeypatch.setattr(torch, "rand", lambda *a, **k: EPSILON)
        return thing(critic, real=torch.from_numpy(POINTS), fake=torch.from_numpy(MADE)).item()
    if isinstance(owner, gl.GANLoss):
        return thing(real=torch.from_numpy(REAL), fake=torch.from_numpy(FAKE)).item()
    if expression.endswith(".generator"):
        logits, labels = torch.from_numpy(SCORES), torch.from_numpy(LABELS)
        return thing(fake=logits, fake_labels=labels).item()
    images: Callable[..., torch.Tensor] = thing
    given = (X,) if isinstance(owner, gl.TotalVariation) else (X, Y)
    return images(*map(torch.from_numpy, given)).item()


@pytest.mark.parametrize("row", CHECKED, ids=lambda row: f"{row.project} {row.theirs}")
def test_ours_is_the_factor_times_theirs(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = THEIRS[row.project, row.theirs]
    assert abs(theirs) > 1e-3, "a number near 0 shows no factor"
    expected = float(Fraction(row.factor)) * theirs
    assert of_ours(row.ours, monkeypatch) == pytest.approx(expected, rel=1e-8)


def test_every_formula_has_its_row_and_most_rows_are_checked() -> None:
    assert {(row.project, row.theirs) for row in CHECKED} == set(THEIRS)
    unchecked = [row for row in ROWS if not row.checked]
    assert len(unchecked) <= 0.1 * len(ROWS)
    assert all(len(row.factor) > len("*unchecked*: no factor") for row in unchecked)


def test_control_another_factor_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The forgotten half of least squares."""
    row = next(row for row in CHECKED if row.theirs == '`GANLoss("lsgan")`, G')
    theirs = THEIRS[row.project, row.theirs]
    assert of_ours(row.ours, monkeypatch) != pytest.approx(theirs, rel=0.1)


def test_the_names_the_page_lists_are_taken() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    listed = re.findall(r"`([\w-]+)`", text.split("names as well: ")[1].split("and more")[0])
    games = [canonical_name(name) for name in listed]
    assert len(listed) == 11
    assert set(games) <= set(gl.GAMES) - set(ALIASES)
