"""Adaptive augmentation: its formulas by other means, its probabilities, and how p moves."""

from collections import Counter
from math import cos, pi, sin
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor, nn

import ganloss as gl
from ganloss import GAMES, LOSSES, AdaptiveAugment, AugmentStrength, LeastSquares, NonSaturating
from ganloss._random import Draws
from ganloss.engine.phase import Turn
from ganloss.recipes.generate import generate


def images(count: int = 6, channels: int = 3, height: int = 12, width: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    shape = (count, channels, height, width)
    return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1


def draws(rows: int, first: int = 0) -> Draws:
    return Draws(seed=1, step=5, rows=rows, first=first)


def numbers(count: int, group: str) -> tuple[np.ndarray, np.ndarray]:
    """Those of each image at the documented address: seven uniform and four normal ones."""
    at = draws(count)
    uniform = at.uniform(f"augment-{group}", count, 7, dtype=torch.float64)
    normal = at.normal(f"augment-{group}-normal", count, 4, dtype=torch.float64)
    return uniform.numpy(), normal.numpy()


def test_with_p_0_images_stay() -> None:
    x = images()
    torch.testing.assert_close(AdaptiveAugment()(x), x, rtol=0, atol=1e-12)
    torch.testing.assert_close(AdaptiveAugment()(x.float()), x.float(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("p", [0.5, 1.0])
def test_colors_are_the_papers_matrices(p: float) -> None:
    """Affine 4 x 4 matrices of each operation, as in appendix B, one after the other."""
    x = images()
    u, n = numbers(len(x), "color")
    found = AdaptiveAugment(("color",), p=p)(x, random=draws(len(x))).numpy()
    v = np.array([1, 1, 1, 0]) / 3**0.5
    gray, one = np.outer(v, v), np.eye(4)
    cross = np.array([[0, -1, 1, 0], [1, 0, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 0]]) / 3**0.5
    for i, image in enumerate(x.numpy()):
        brighter, contrast, saturation = one.copy(), one.copy(), one.copy()
        flip, hue = one, one
        if u[i, 0] < p:
            brighter[:3, 3] = 0.2 * n[i, 0]
        if u[i, 1] < p:
            contrast[:3, :3] *= 2 ** (0.5 * n[i, 1])
        if u[i, 3] < p and u[i, 2] < 0.5:
            flip = one - 2 * gray
        if u[i, 5] < p:
            angle = (2 * u[i, 4] - 1) * pi
            turn = cos(angle) * np.eye(3) + sin(angle) * cross[:3, :3]
            turn += (1 - cos(angle)) * gray[:3, :3]
            hue = one.copy()
            hue[:3, :3] = turn
        if u[i, 6] < p:
            saturation = gray + (one - gray) * 2 ** n[i, 2]
            saturation[3] = one[3]
        whole = saturation @ hue @ flip @ contrast @ brighter
        expected = np.einsum("ij,jhw->ihw", whole[:3, :3], image) + whole[:3, 3, None, None]
        np.testing.assert_allclose(found[i], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("p", [0.5, 1.0])
@pytest.mark.parametrize(("height", "width"), [(12, 12), (9, 14)])
def test_geometry_is_what_scipy_samples(p: float, height: int, width: int) -> None:
    x = images(height=height, width=width)
    u, n = numbers(len(x), "geometry")
    found = AdaptiveAugment(("geometry",), p=p)(x, random=draws(len(x))).numpy()
    either = 1 - (1 - p) ** 0.5

    def turn(angle: float) -> np.ndarray:
        return np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])

    for i, image in enumerate(x.numpy()):
        size = 2 ** (0.2 * n[i, 0]) if u[i, 0] < p else 1.0
        before = (2 * u[i, 1] - 1) * pi if u[i, 2] < either else 0.0
        stretch = 2 ** (0.2 * n[i, 1]) if u[i, 3] < p else 1.0
        after = (2 * u[i, 4] - 1) * pi if u[i, 5] < either else 0.0
        moved = n[i, 2:4] / 8 * (width, height) if u[i, 6] < p else np.zeros(2)
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        expected = np.empty_like(image)
        for row in range(height):
            for column in range(width):
                place = turn(after) @ (np.array([column, row]) - centre + moved)
                place = turn(before) @ (np.array([stretch, 1 / stretch]) * place) * size + centre
                where = np.array([[place[1]], [place[0]]])
                for c in range(3):
                    expected[c, row, column] = map_coordinates(
                        image[c], where, order=1, mode="reflect"
                    )[0]
        np.testing.assert_allclose(found[i], expected, rtol=1e-9, atol=1e-11)


def blits(image: Tensor) -> dict[bytes, str]:
    """Every mirror image, quarter turn and move of up to one pixel, by its pixels."""
    found: dict[bytes, str] = {}
    for quarters in range(4):
        for mirrored in (False, True):
            turned = image.flip(-1) if mirrored else image
            turned = turned.rot90(quarters, (-2, -1))
            around = nn.functional.pad(turned[None], (1, 1, 1, 1), mode="replicate")[0]
            for down in range(3):
                for right in range(3):
                    moved = around[..., down : down + 8, right : right + 8]
                    found.setdefault(key(moved), f"{mirrored} {quarters} {down} {right}")
    return found


def key(image: Tensor) -> bytes:
    return image.mul(1000).round().long().numpy().tobytes()


def test_blits_copy_pixels_and_the_unchanged_image_is_the_most_frequent() -> None:
    """Each of them leaves the image as it is with some probability, and all are independent:
    (1 - p/2) (1 - 3p/4) (1 - p + p/4), since a move by up to an eighth of 8 is by 0 in half
    the cases of each side. What is the most frequent in the result is so in the original, so
    nothing leaks."""
    count, p = 4000, 0.5
    image = images(1, 1, 8, 8)
    known = blits(image[0])
    found = AdaptiveAugment(("blit",), p=p)(
        image.expand(count, -1, -1, -1), random=torch.Generator().manual_seed(0)
    )
    names = Counter(known[key(one)] for one in found)
    same = known[key(image[0])]
    share = (1 - p / 2) * (1 - 3 * p / 4) * (1 - p + p / 4)
    assert abs(names[same] / count - share) < 5 * (share * (1 - share) / count) ** 0.5
    assert names.most_common(1)[0][0] == same
    assert len(names) == 8 * 9


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_an_operation_is_done_with_probability_p(p: float) -> None:
    """Of a black image only brightness changes anything."""
    found = AdaptiveAugment(("color",), p=p)(
        torch.zeros(4000, 3, 2, 2), random=torch.Generator().manual_seed(0)
    )
    share = float((found != 0).any(-1).any(-1).any(-1).double().mean())
    assert abs(share - p) < 5 * (p * (1 - p) / 4000) ** 0.5


@pytest.mark.parametrize("group", ["blit", "geometry", "color"])
def test_gradients_flow_to_the_images(group: Any) -> None:
    x = images(count=2, height=4, width=4).requires_grad_()
    augment = AdaptiveAugment((group,), p=0.8)
    assert torch.autograd.gradcheck(lambda z: augment(z, random=draws(2)), (x,))


def test_a_share_of_the_batch_gets_its_own_numbers() -> None:
    x, augment = images(), AdaptiveAugment(p=0.7)
    whole = augment(x, random=draws(6))
    torch.testing.assert_close(whole[4:], augment(x[4:], random=draws(6, first=4)))
    assert not torch.allclose(whole[4:], augment(x[4:], random=draws(2)))


def test_gray_images_have_luma_alone() -> None:
    x, augment = images(channels=1), AdaptiveAugment(("color",), p=1.0)
    colored = augment(x.expand(-1, 3, -1, -1), random=draws(6))
    torch.testing.assert_close(augment(x, random=draws(6)), colored.mean(1, keepdim=True))


def test_autocast_does_not_move_pixels() -> None:
    x, augment = images().float(), AdaptiveAugment(p=0.8)
    plain = augment(x, random=draws(6))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augment(x, random=draws(6)), plain)
        assert augment(x.bfloat16(), random=draws(6)).dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"operations": ("colour",)}, "did you mean 'color'"),
        ({"operations": ("blit", "blit")}, "name each once"),
        ({"p": 1.5}, "a probability lies between 0 and 1"),
        ({"target": 2.0}, "lies between -1 and 1"),
        ({"kimg": 0.0}, "must be positive"),
        ({"interval": 0}, "must be positive"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        AdaptiveAugment(**options)


def test_images_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(ValueError, match='these have 4; leave "color" out'):
        AdaptiveAugment()(torch.zeros(1, 4, 8, 8))
    with pytest.raises(TypeError, match="scale them"):
        AdaptiveAugment()(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


def scores(steps: int, count: int = 8) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(count, generator=generator) + 0.05 * (30 - s) for s in range(steps)]


def test_p_follows_the_papers_rule() -> None:
    """Every four updates by the sign of r - 0.6, images / 1000 k, between 0 and 1."""
    strength = AdaptiveAugment(kimg=0.2).controller()
    p, signs, path = 0.0, [], []
    for step, real in enumerate(scores(60), 1):
        strength.update(real=real)
        signs += np.sign(real.numpy()).tolist()
        if step % 4 == 0:
            p = min(max(p + np.sign(np.mean(signs) - 0.6) * len(signs) / 200, 0.0), 1.0)
            assert strength.overfitting.item() == pytest.approx(np.mean(signs))
            signs = []
        path.append(p)
        assert strength.p.item() == pytest.approx(p, abs=1e-6)
    assert max(path) > 0.5
    assert path[-1] == 0.0


def test_the_state_is_saved_and_goes_on() -> None:
    whole, half = (AdaptiveAugment(kimg=0.2).controller() for _ in range(2))
    for i, real in enumerate(scores(23)):
        whole.update(real=real)
        if i == 10:
            half.load_state_dict(whole.state_dict())
        elif i > 10:
            half.update(real=real)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, half.state_dict()[name]), name
    assert whole.seen[0] == 3


def test_scores_are_compared_with_the_undecided_one() -> None:
    strength = AdaptiveAugment(interval=1, undecided=0.5).controller()
    strength.update(real=torch.tensor([0.4, 0.6, 0.7, 0.8]))
    assert strength.overfitting == 0.5
    strength.update(real=[torch.ones(2, 1, 3, 3), torch.zeros(2, 4)])
    assert strength.overfitting == 0.0


DECIDING = ["minimax", "non-saturating", "least-squares", "hinge", "boundary-seeking"]


@pytest.mark.parametrize("name", DECIDING)
def test_at_the_undecided_score_real_and_fake_pull_alike(name: str) -> None:
    """There the derivatives of both sides cancel, and three above it they do not."""
    pair = LOSSES[name]()
    assert pair.undecided is not None
    assert abs(pull(pair, pair.undecided)) < 1e-12
    assert pull(pair, pair.undecided + 3) > 1e-3


@pytest.mark.parametrize("kind", ["kl", "reverse-kl", "js", "gan", "pearson", "squared-hellinger"])
def test_so_they_do_for_divergences(kind: Any) -> None:
    pair = LOSSES["f-divergence"](kind)
    assert abs(pull(pair, pair.undecided)) < 1e-12
    assert pull(pair, pair.undecided + 3) > 1e-3


def test_where_only_differences_count_there_is_none() -> None:
    names = {name for name, game in GAMES.items() if game.pair.undecided is None}
    assert {"wgan-gp", "r3gan", "ragan", "dual-contrastive", "began", "realness"} <= names
    assert not names & {"ns", "hinge", "lsgan", "fgan-kl"}


def test_so_they_do_with_other_labels() -> None:
    for pair in (NonSaturating(0.9), NonSaturating(0.6), LeastSquares(-1.0, 1.0, 0.0)):
        assert abs(pull(pair, pair.undecided)) < 1e-12
    assert NonSaturating(0.0).undecided is None


def pull(pair: Any, score: float) -> float:
    """Derivative of D's loss by a score that a real and a fake sample share."""
    s = torch.tensor([score], dtype=torch.float64, requires_grad=True)
    return float(torch.autograd.grad(pair.discriminator(real=s, fake=s), s)[0])


class Confident(nn.Module):
    """A discriminator that calls everything real."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 8 * 8, 1).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1)).squeeze(1) + 100


def test_in_training_ds_turns_move_p_and_gs_do_not() -> None:
    class Copy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image = nn.Parameter(images(1, 3, 8, 8)[0])

        def forward(self, z: Tensor) -> Tensor:
            return self.image.expand(len(z), -1, -1, -1)

    strength = AugmentStrength(AdaptiveAugment(kimg=0.016, interval=1)).double()
    d, g = generate(GAMES["ns"], Copy(), Confident(), 2, augment=strength)
    turn = Turn(0, images(4, height=8, width=8), draws(4))
    d.loss(turn)
    assert strength.p == 0.25
    g.loss(turn).total.backward()
    assert strength.p == 0.25


def test_the_catalogues_closed_forms() -> None:
    """p = 0 leaves images alone; 16,000 of 500,000 images with scores above u are .032."""
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(AdaptiveAugment()(images), images)
    strength = AdaptiveAugment().controller()
    for turn in range(4):
        assert strength.p.item() == 0, turn
        strength.update(real=torch.ones(4000))
    assert strength.p.item() == pytest.approx(0.032)


@pytest.mark.parametrize("group", ["blit", "geometry"])
def test_penalties_may_be_taken_before_the_augmentation(group: Any) -> None:
    """Of D = w . A x, with A linear, R1 is |A^T w|^2 / 2; its gradient in w is A A^T w."""
    augment = gl.AdaptiveAugment((group,), p=1.0)
    x = torch.randn(2, 1, 6, 6, dtype=torch.float64)

    def augmented(images: torch.Tensor) -> torch.Tensor:
        return augment(images, random=torch.Generator().manual_seed(3))

    w = torch.randn(1, 6, 6, dtype=torch.float64, requires_grad=True)
    penalty = gl.R1()(lambda images: (augmented(images) * w).flatten(1).sum(1), real=x)
    (found,) = torch.autograd.grad(penalty, w)

    pixels = torch.eye(36, dtype=torch.float64).view(36, 1, 1, 6, 6).expand(-1, 2, -1, -1, -1)
    columns = torch.stack([augmented(basis) for basis in pixels])  # (pixel, image, 1, 6, 6)
    matrices = columns.permute(1, 2, 3, 4, 0).reshape(2, 36, 36)
    pulled = torch.einsum("nij,i->nj", matrices, w.detach().flatten())
    assert penalty.item() == pytest.approx(0.5 * pulled.square().sum(1).mean().item())
    exact = torch.einsum("nij,nj->ni", matrices, pulled).mean(0).view(1, 6, 6)
    torch.testing.assert_close(found, exact)


def test_the_gradient_of_moved_images_is_exact_twice() -> None:
    augment = gl.AdaptiveAugment(("geometry",), p=1.0)
    x = torch.randn(1, 1, 4, 5, dtype=torch.float64, requires_grad=True)

    def moved(images: torch.Tensor) -> torch.Tensor:
        return augment(images, random=torch.Generator().manual_seed(0)).square()

    assert torch.autograd.gradcheck(moved, (x,))
    assert torch.autograd.gradgradcheck(moved, (x,))
