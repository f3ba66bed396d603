"""Inputs that are made from images, against formulas and named libraries."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

from ganloss._errors import UsageError
from ganloss._random import Draws
from ganloss.data.degradations import Degradation
from ganloss.data.demo_pairs import demo_pairs, sketch

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
IMAGES = torch.from_numpy(PIXELS).double() / 127.5 - 1
DRAWS = Draws(seed=0, step=0, rows=2)


def levels(images: torch.Tensor) -> np.ndarray:
    found = ((images + 1) * 127.5).numpy()
    assert np.abs(found - found.round()).max() < 1e-4, "256 levels"
    return found.round()


def test_downscaling_is_pillows_bicubic():
    found = levels(Degradation("downscale", 4)(IMAGES, DRAWS))
    small = [np.asarray(Image.fromarray(p).resize((8, 8), Image.Resampling.BICUBIC))
             for p in PIXELS.reshape(-1, 32, 32)]  # fmt: skip
    assert np.abs(found.reshape(-1, 8, 8) - np.stack(small)).max() <= 1


def test_gray_is_the_luma_of_bt_601():
    expected = np.tensordot([0.299, 0.587, 0.114], PIXELS, (0, 1)).round()
    assert np.abs(levels(Degradation("gray", 0)(IMAGES, DRAWS))[:, 0] - expected).max() <= 1


def test_blur_is_scipys():
    found = levels(Degradation("blur", 1.5)(IMAGES, DRAWS))
    expected = gaussian_filter(PIXELS.astype(float), (0, 0, 1.5, 1.5), mode="mirror", radius=4)
    tolerance = 1.0  # torchvision's window is half a pixel wider
    assert np.abs(found - expected)[..., 5:-5, 5:-5].max() <= tolerance


def test_a_blur_wider_than_the_image_mirrors_it_once():
    """Its window ends where the mirror image does: 31 pixels on each side of 32."""
    found = levels(Degradation("blur", 30)(IMAGES, DRAWS))
    expected = gaussian_filter(PIXELS.astype(float), (0, 0, 30, 30), mode="mirror", radius=31)
    assert np.abs(found - expected).max() <= 1


def test_noise_has_its_deviation_and_belongs_to_samples():
    gray = torch.zeros(4, 1, 64, 64, dtype=torch.float64)
    whole = Degradation("noise", 25)(gray, Draws(seed=0, step=3, rows=4))
    assert float(whole.std()) * 127.5 == pytest.approx(25, rel=0.03)
    halves = [Degradation("noise", 25)(gray[:2], Draws(0, 3, 4, first)) for first in (0, 2)]
    assert torch.equal(torch.cat(halves), whole)
    assert not torch.equal(Degradation("noise", 25)(gray, Draws(0, 4, 4)), whole)


@pytest.mark.parametrize(
    "text",
    ["salt", "noise=-1", "noise=x", "noise=nan", "noise=", "downscale=7", "blur=0", "blur=inf"],
)
def test_what_cannot_be_meant_is_refused(text: str):
    with pytest.raises(UsageError, match="--degrade"):
        Degradation.parse(text)


def test_held_out_photographs_are_none_of_those_trained_on():
    pairs = demo_pairs("photos", 32, "AtoB", matched=True)
    assert pairs.held_out_targets is not None
    trained = {image.numpy().tobytes() for image in pairs.targets}
    assert not trained & {image.numpy().tobytes() for image in pairs.held_out_targets}


def test_bundled_sketches_are_sobels_and_domains_share_no_scene():
    pairs = demo_pairs("sketches", 32, "AtoB", matched=True)
    assert torch.equal(pairs.targets[:8], sketch(pairs.inputs[:8]))
    domains = demo_pairs("sketches", 32, "AtoB", matched=False)
    assert domains.shape == tuple(domains.inputs.shape[1:])
    drawn = {s.numpy().tobytes() for s in sketch(domains.inputs[:]).expand(-1, 3, -1, -1)}
    drawn -= {bytes([255]) * 3 * 32 * 32}  # of a sky nothing is drawn
    assert not drawn & {image.numpy().tobytes() for image in domains.targets}


def test_a_sketch_of_a_step_is_as_dark_as_sobels_gradient():
    """Sobel's gradient beside a step of height h is h / sqrt(2), in scikit-image's units."""
    step = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    step[..., 4:] = 60
    edge = round(255 * (1 - 3 * (60 / 255) / 2**0.5))
    expected = [255, 255, 255, edge, edge, 255, 255, 255]
    assert sketch(step)[0, 0, 1:-1].tolist() == [expected] * 6


def test_held_out_photographs_are_cut_into_all_their_squares():
    photos = [data.chelsea(), data.coffee()]
    held_out = demo_pairs("photos", 64, "AtoB", matched=True).held_out_targets
    assert held_out is not None
    assert len(held_out) == sum((p.shape[0] // 64) * (p.shape[1] // 64) for p in photos)
    assert (held_out[:][1].permute(1, 2, 0).numpy() == photos[0][:64, 64:128]).all()


def test_bundled_pairs_that_there_are_not():
    with pytest.raises(UsageError, match="no bundled pairs demo:photo; did you mean 'photos'"):
        demo_pairs("photo", None, "AtoB", matched=True)
    with pytest.raises(UsageError, match="demo:sketches come in 32, 64, 128 px, not 48"):
        demo_pairs("sketches", 48, "AtoB", matched=True)
