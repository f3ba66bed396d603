"""DiffAugment: its formulas in NumPy, its gradient, and whose random numbers it uses."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganloss import GAMES, AdaptiveAugment, DiffAugment
from ganloss._random import Draws
from ganloss.engine.phase import Turn
from ganloss.recipes.generate import generate

COLOR = DiffAugment(("color",))
TRANSLATION = DiffAugment(("translation",))
CUTOUT = DiffAugment(("cutout",))


def images(count: int = 6, channels: int = 3, height: int = 16, width: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    shape = (count, channels, height, width)
    # Away from zero, so that filled places can be told from kept ones.
    return torch.rand(shape, generator=generator, dtype=torch.float64) * 0.5 + 0.25


def draws(rows: int, first: int = 0, step: int = 5) -> Draws:
    return Draws(seed=1, step=step, rows=rows, first=first)


def uniform(count: int, stream: str = "augment") -> np.ndarray:
    """The numbers at the documented address: seven for each image."""
    return draws(count).uniform(stream, count, 7, dtype=torch.float64).numpy()


@pytest.mark.parametrize(
    "policy", [("color",), ("translation",), ("cutout",), DiffAugment().policy]
)
@pytest.mark.parametrize("shape", [(4, 3, 8, 8), (2, 1, 5, 9), (1, 4, 1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_type_are_kept(
    policy: tuple[str, ...], shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    x = torch.rand(shape, dtype=dtype)
    found = DiffAugment(policy)(x)  # type: ignore[arg-type]
    assert found.shape == x.shape
    assert found.dtype == dtype
    assert torch.isfinite(found).all()


def test_an_empty_policy_is_the_identity() -> None:
    x = images()
    assert DiffAugment(())(x) is x


def test_color_is_its_formula() -> None:
    x = images()
    u = uniform(len(x))
    expected = np.empty_like(x.numpy())
    for i, image in enumerate(x.numpy()):
        bright = image + u[i, 0] - 0.5
        gray = bright.mean(0, keepdims=True)
        saturated = gray + (bright - gray) * (2 * u[i, 1])
        mean = saturated.mean()
        expected[i] = mean + (saturated - mean) * (u[i, 2] + 0.5)
    found = COLOR(x, random=draws(len(x)))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-14)


def test_gray_images_have_no_saturation_to_change() -> None:
    x = images(channels=1)
    u = uniform(len(x))
    for i, image in enumerate(x.numpy()):
        bright = image + u[i, 0] - 0.5
        expected = bright.mean() + (bright - bright.mean()) * (u[i, 2] + 0.5)
        found = COLOR(x, random=draws(len(x)))[i].numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (9, 20), (3, 3)])
def test_translation_moves_pixels_and_fills_with_zeros(height: int, width: int) -> None:
    x = images(height=height, width=width)
    u = uniform(len(x))
    found = TRANSLATION(x, random=draws(len(x))).numpy()
    most = [int(side / 8 + 0.5) for side in (height, width)]
    for i, image in enumerate(x.numpy()):
        down, right = (int(u[i, 3 + k] * (2 * most[k] + 1)) - most[k] for k in (0, 1))
        expected = np.zeros_like(image)
        for y in range(height):
            for z in range(width):
                if 0 <= y - down < height and 0 <= z - right < width:
                    expected[:, y, z] = image[:, y - down, z - right]
        np.testing.assert_array_equal(found[i], expected)


def test_translation_reaches_every_shift_and_none_beyond() -> None:
    """On 16 pixels an eighth is 2: shifts -2 to 2, each on about a fifth of 2,000 images."""
    x = torch.zeros(2000, 1, 16, 16)
    x[:, :, 8, 8] = 1.0
    found = TRANSLATION(x, random=torch.Generator().manual_seed(0))
    where = found.flatten(1).argmax(1)
    for positions in (where // 16 - 8, where % 16 - 8):
        shifts, counts = positions.unique(return_counts=True)
        assert shifts.tolist() == [-2, -1, 0, 1, 2]
        # Five standard deviations of a binomial(2000, 1/5).
        assert (counts - 400).abs().max() < 5 * (2000 * 0.2 * 0.8) ** 0.5


@pytest.mark.parametrize(("height", "width"), [(16, 16), (7, 10), (2, 3)])
def test_cutout_sets_one_window_to_zero(height: int, width: int) -> None:
    x = images(count=40, height=height, width=width)
    u = uniform(len(x))
    found = CUTOUT(x, random=draws(len(x))).numpy()
    for i, image in enumerate(x.numpy()):
        expected = image.copy()
        window = []
        for k, side in enumerate((height, width)):
            hole = int(side / 2 + 0.5)
            centre = int(u[i, 5 + k] * (side + 1 - hole % 2))
            window.append(slice(max(centre - hole // 2, 0), max(centre - hole // 2 + hole, 0)))
        expected[:, window[0], window[1]] = 0
        np.testing.assert_array_equal(found[i], expected)


def test_cutout_hides_the_expected_share() -> None:
    """A hole of 8 in 16 with its centre at 0 to 16 covers, on average, (17 * 8 - 2 * 10) / 17 of
    a side: the sum over centres of what lies inside loses 4 + 3 + 2 + 1 at either end."""
    x = torch.ones(4000, 1, 16, 16)
    hidden = (CUTOUT(x, random=torch.Generator().manual_seed(0)) == 0).double().mean((1, 2, 3))
    side = (17 * 8 - 2 * (4 + 3 + 2 + 1)) / 17 / 16
    error = float(hidden.std()) / 4000**0.5
    assert abs(float(hidden.mean()) - side**2) < 5 * error
    assert float(hidden.max()) == 0.25


def test_no_hole_and_no_shift_are_the_identity() -> None:
    x = images()
    assert torch.equal(DiffAugment(("translation", "cutout"), shift=0.0, hole=0.0)(x), x)


@pytest.mark.parametrize("augment", [COLOR, TRANSLATION, CUTOUT, DiffAugment()])
def test_gradients_flow_to_the_images(augment: DiffAugment) -> None:
    x = images(count=2, height=4, width=4).requires_grad_()

    def fixed(values: Tensor) -> Tensor:
        return augment(values, random=draws(2))

    assert torch.autograd.gradcheck(fixed, (x,))
    assert torch.autograd.gradgradcheck(fixed, (x,))
    (gradient,) = torch.autograd.grad(fixed(x).sum(), x)
    assert gradient.abs().sum() > 0


def test_a_share_of_the_batch_gets_its_own_numbers() -> None:
    x = images(count=6)
    whole = DiffAugment()(x, random=draws(6))
    part = DiffAugment()(x[4:], random=draws(6, first=4))
    assert torch.equal(whole[4:], part)
    assert not torch.equal(whole[4:], DiffAugment()(x[4:], random=draws(2)))


def test_every_image_is_augmented_in_its_own_way() -> None:
    x = images(count=1).expand(6, -1, -1, -1)
    found = COLOR(x, random=draws(6))
    assert len({tuple(image.flatten().tolist()) for image in found}) == 6


def test_an_operation_alone_uses_the_numbers_it_uses_among_others() -> None:
    x = images(channels=1, height=8, width=8)
    apart = CUTOUT(TRANSLATION(x, random=draws(6)), random=draws(6))
    together = DiffAugment(("translation", "cutout"))(x, random=draws(6))
    assert torch.equal(apart, together)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("augment", [COLOR, AdaptiveAugment(("color",), p=0.5)], ids=str)
def test_half_precision_images_are_augmented_in_fp32_and_given_as_they_came(
    augment: Any, half: torch.dtype
) -> None:
    x = images().to(half)
    exact = augment(x.float(), random=draws(6))
    assert torch.equal(augment(x, random=draws(6)), exact.to(half))
    with torch.autocast("cpu", torch.bfloat16):  # whose networks take both
        assert torch.equal(augment(x, random=draws(6)), exact)


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        (("colour",), "did you mean 'color'"),
        (("flip",), r"no augmentation 'flip'\. They are color, translation, cutout"),
        (("cutout", "cutout"), "name each once"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(policy: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        DiffAugment(policy)  # type: ignore[arg-type]


def test_shares_and_tensors_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(ValueError, match="shares between 0 and 1"):
        DiffAugment(hole=1.5)
    with pytest.raises(ValueError, match=r"shape \(4, 2\)"):
        COLOR(torch.zeros(4, 2))
    with pytest.raises(TypeError, match="scale them"):
        COLOR(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))


class Watch(nn.Module):
    """A discriminator that remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 8 * 8, 1).double()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        return self.layer(x.flatten(1)).squeeze(1)


class Copy(nn.Module):
    """A generator that gives the same image for every latent."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.image = nn.Parameter(image)

    def forward(self, z: Tensor) -> Tensor:
        return self.image.expand(len(z), -1, -1, -1)


def shown(name: str, player: str) -> tuple[list[Tensor], Tensor]:
    """What D sees in a player's turn when all images, real and fake, are the same one."""
    image = images(count=1, height=8, width=8)
    d, g = Watch(), Copy(image[0])
    phases = {p.name: p for p in generate(GAMES[name], g, d, 2, augment=COLOR)}
    real = image.expand(4, -1, -1, -1)
    losses = phases[player].loss(Turn(0, real, draws(4)))
    losses.total.backward()
    return d.seen, real


@pytest.mark.parametrize("player", ["d", "g"])
def test_real_and_fake_images_of_a_step_have_numbers_of_their_own(player: str) -> None:
    seen, image = shown("rgan", player)
    assert len(seen) == 2  # real and fake
    expected = [COLOR(image, random=draws(4), stream=f"augment-{k}") for k in ("real", "fake")]
    for a, b in zip(seen, expected, strict=True):
        torch.testing.assert_close(a, b)
    assert not torch.allclose(seen[0], seen[1])


def test_penalties_are_taken_at_the_augmented_images() -> None:
    """All that D ever sees in WGAN-GP's turn: augmented reals and fakes, and points between."""
    seen, image = shown("wgan-gp", "d")
    real, fake = (COLOR(image, random=draws(4), stream=f"augment-{k}") for k in ("real", "fake"))
    epsilon = draws(4).uniform("epsilon", 4, dtype=torch.float64).view(4, 1, 1, 1)
    torch.testing.assert_close(seen[2], epsilon * real + (1 - epsilon) * fake)


def test_the_generator_learns_through_the_augmentation() -> None:
    """Contrast scales the gradient: the image's gradient differs from that without augmentation."""
    image = images(count=1, height=8, width=8)
    gradients = []
    for augment in (COLOR, None):
        torch.manual_seed(0)
        g = Copy(image[0].clone())
        _, phase = generate(GAMES["wgan"], g, Watch(), 2, augment=augment)
        phase.loss(Turn(0, image.expand(4, -1, -1, -1), draws(4))).total.backward()
        assert g.image.grad is not None
        gradients.append(g.image.grad)
    assert gradients[0].abs().sum() > 0
    assert not torch.allclose(*gradients)


def test_a_constant_image_only_changes_its_brightness_and_no_policy_is_the_identity() -> None:
    """The catalogue's closed form: u - 1/2 is added, of which the other two leave everything."""
    u = torch.rand(3, 7, generator=torch.Generator().manual_seed(5))[:, 0]
    images = torch.full((3, 3, 4, 4), 0.25)
    found = DiffAugment(("color",))(images, random=torch.Generator().manual_seed(5))
    wanted = (0.25 + u - 0.5)[:, None, None, None].expand(3, 3, 4, 4)
    torch.testing.assert_close(found, wanted)
    assert torch.equal(DiffAugment(())(images), images)
