"""SSIM's kernels for a GPU, interpreted on a CPU, and run on a GPU where there is one."""

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

import ganloss as gl
from terms.textbook import WRONG, Case, distance, errors, planes, textbook

pytest.importorskip("triton")

#: Interprets the kernels on cases from a file, and writes down what they give.
INTERPRET = """
import sys
import torch
from ganloss.terms import _gpu
from ganloss.terms._gaussian import gaussian

found = []
for x, y, c1, c2, window, count, _gpu._ROWS, sigma in torch.load(sys.argv[1]):
    found.append(_gpu.fused(x, y, c1, c2, gaussian(window, sigma), count))
torch.save(found, sys.argv[2])
"""
CASES = {
    "one tile": Case((2, 16, 16)),
    "several tiles": Case((1, 70, 45), gradients=1),
    "lower tiles": Case((1, 70, 45), gradients=1, rows=32),
    "a row of places": Case((2, 11, 40)),
    "a small window": Case((2, 16, 16), window=7),
    "contrast alone": Case((2, 20, 18), c1=None),
    "no gradient": Case((1, 12, 12), gradients=0),
}


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> dict[Case, Any]:
    """Means and gradients of all cases; Triton decides when it is imported how it runs."""
    folder, cases = tmp_path_factory.mktemp("kernels"), [*CASES.values(), WRONG]
    inputs = [(*(z.float() for z in planes(*c.shape)), *c[1:]) for c in cases]
    torch.save(inputs, folder / "cases.pt")
    files = [str(folder / name) for name in ("cases.pt", "found.pt")]
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", INTERPRET, *files], check=True, env=environment)
    return dict(zip(cases, torch.load(folder / "found.pt"), strict=True))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_means_and_gradients_are_the_textbooks(case: Case, interpreted: dict[Case, Any]) -> None:
    mean, *gradients = errors(case, *interpreted[case])
    assert mean < 1e-6
    assert all(error < 2e-6 for error in gradients)


def test_control_another_constant_is_seen(interpreted: dict[Case, Any]) -> None:
    mean, *gradients = errors(WRONG, *interpreted[WRONG])
    assert mean > 1e-5
    assert all(error > 1e-4 for error in gradients)


def test_a_cpu_does_not_load_triton() -> None:
    code = (
        "import sys, torch, ganloss as gl\n"
        "gl.SSIM(data_range=1.0)(torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16))\n"
        "sys.exit('triton' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@needs_gpu
@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (1, 1, 11, 300), (2, 3, 257, 131)])
def test_on_a_gpu_value_and_gradients_are_the_textbooks(shape: tuple[int, ...]) -> None:
    x, y = (z.requires_grad_(True) for z in planes(*shape))
    exact = 1 - textbook(x.flatten(0, 1), y.flatten(0, 1)).mean()
    expected = torch.autograd.grad(exact, (x, y))
    leaves = [z.detach().float().cuda().requires_grad_(True) for z in (x, y)]
    loss = gl.SSIM(data_range=1.0)(*leaves)
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5)
    for gradient, right in zip(torch.autograd.grad(loss, leaves), expected, strict=True):
        assert distance(gradient, right) < 1e-5


@needs_gpu
def test_on_a_gpu_second_derivatives_layouts_and_vmap_agree_with_the_cpu() -> None:
    x, y = planes(3, 2, 16, 20)
    term = gl.SSIM(data_range=1.0)

    def squared_slope(x: Tensor, y: Tensor) -> Tensor:
        x = x.detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(term(x, y), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), x)[0]

    here, there = (x.float().cuda(), y.float().cuda()), (x, y)
    assert distance(squared_slope(*here), squared_slope(*there)) < 1e-4
    last = [z.to(memory_format=torch.channels_last) for z in here]
    torch.testing.assert_close(term(*last), term(*here))
    each = torch.func.vmap(term)(here[0][:, None], here[1][:, None])
    exact = 1 - textbook(x.flatten(0, 1), y.flatten(0, 1)).view(3, 2).mean(1)
    assert distance(each, exact) < 1e-5


@needs_gpu
def test_without_a_compiler_ssim_is_computed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from ganloss.terms import _gpu

    def fails(*arguments: Any) -> None:
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(_gpu, "fused", fails)
    monkeypatch.setattr(_gpu, "_without", set())
    x, y = planes(2, 1, 20, 20)
    with pytest.warns(
        UserWarning, match="without its kernels on cuda:0: Failed to find C compiler"
    ):
        found = gl.SSIM(data_range=1.0)(x.float().cuda(), y.float().cuda())
    assert found.item() == pytest.approx(1 - textbook(x[:, 0], y[:, 0]).mean().item(), rel=1e-5)
    assert _gpu._without == {torch.device("cuda", 0)}
