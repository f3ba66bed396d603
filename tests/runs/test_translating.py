"""Tiles: they cover everything, add up to 1, leave no seams and need little memory."""

import itertools
import resource
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from ganloss.networks.translate import UNet
from ganloss.runs.translating import _fade, _starts, tiled


@pytest.mark.parametrize(
    ("height", "width"), [(8, 8), (256, 256), (257, 30), (300, 700), (64, 999)]
)
@pytest.mark.parametrize("tile", [16, 64, 256])
def test_a_translation_that_changes_nothing_changes_nothing(height: int, width: int, tile: int):
    image = torch.randn(3, height, width, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(tiled(nn.Identity(), image, tile), image, atol=1e-5)


def test_results_may_be_larger():
    image = torch.rand(1, 100, 70)
    larger = tiled(nn.Upsample(scale_factor=2), image, 32, scale=2)
    assert torch.allclose(larger, nn.Upsample(scale_factor=2)(image[None])[0], atol=1e-5)


@pytest.mark.parametrize("length", [257, 300, 448, 449, 1500, 2000])
def test_tiles_overlap_by_a_quarter_at_least(length: int):
    starts = _starts(length, 256)
    assert starts[0] == 0
    assert starts[-1] == length - 256
    assert all(b - a <= 192 for a, b in itertools.pairwise(starts))


class Brightness(nn.Module):
    """Adds another brightness to every tile: the worst that a normalisation could do."""

    def __init__(self) -> None:
        super().__init__()
        self.tiles = 0

    def forward(self, x: Tensor) -> Tensor:
        self.tiles += 1
        return x + 0.5 * (-1) ** self.tiles


def jump(image: Tensor, columns: list[int]) -> float:
    return float((image[..., columns] - image[..., [c - 1 for c in columns]]).abs().mean())


def borders(width: int, tile: int) -> list[int]:
    starts = _starts(width, tile)
    return sorted({*starts[1:], *(start + tile for start in starts[:-1])})


def test_neighbouring_tiles_fade_into_each_other():
    image = torch.randn(1, 300, 900, generator=torch.Generator().manual_seed(0)) / 10
    made = tiled(Brightness(), image, 128)
    inside = [c for c in range(1, 900) if c not in borders(900, 128)]
    assert jump(made, borders(900, 128)) <= 1.05 * jump(made, inside)
    # The control: tiles side by side show their borders.
    side_by_side = torch.cat([Brightness()(part) if i % 2 else part + 0.5
                              for i, part in enumerate(image.split(128, 2))], 2)  # fmt: skip
    seams = list(range(128, 900, 128))
    others = [c for c in range(1, 900) if c not in seams]
    assert jump(side_by_side, seams) > 2 * jump(side_by_side, others)


def test_a_tile_fades_at_its_neighbours_alone():
    assert (_fade(64, False, False) == 1).all()
    ramp = _fade(64, True, False)
    assert ramp[0] < 0.05
    assert (ramp[16:] == 1).all()


def test_control_a_network_of_one_pass_gives_the_same_inside_one_tile():
    torch.manual_seed(0)
    network, image = UNet(3, 1, 4, 2).eval(), torch.rand(3, 48, 40)
    with torch.no_grad():
        assert torch.equal(tiled(network, image, 64), network(image[None])[0])


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_CHILDREN"), reason="needs Unix")
@pytest.mark.long
def test_a_photograph_of_three_megapixels_needs_less_than_two_gibibytes():
    code = (
        "import torch, resource; torch.set_num_threads(1)\n"
        "from ganloss.networks.translate import UNet\n"
        "from ganloss.runs.translating import tiled\n"
        "with torch.no_grad(): tiled(UNet(3, 1).eval(), torch.rand(3, 1500, 2000))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    peak = int(done.stdout) * (1 if sys.platform == "darwin" else 1024)
    assert peak < 2 * 2**30
