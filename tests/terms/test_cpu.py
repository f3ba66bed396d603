"""SSIM's kernel for a CPU, with vectors of each width, and what is done without it."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

import ganloss as gl
from ganloss.terms import _similarity
from ganloss.terms._gaussian import gaussian
from terms.textbook import C1, C2, WRONG, Case, distance, errors, planes, textbook

SOURCES = Path(gl.__file__).parent / "terms"
HEADERS = Path(sysconfig.get_path("include")) / "Python.h"

compiled = pytest.mark.skipif(
    find_spec("ganloss.terms._cpu_kernel") is None, reason="there was no C compiler"
)
#: 512 is used where the processor has such vectors only, as is 256.
each_width = pytest.mark.parametrize("bits", [128, 256, 512])

CASES = {
    "less than a vector": Case((3, 11, 13)),
    "a few vectors": Case((2, 40, 57)),
    "whole vectors": Case((2, 26, 58), gradients=1),
    "one place": Case((4, 11, 11)),
    "a row of places": Case((2, 11, 90)),
    "a column of places": Case((2, 90, 11)),
    "several bands": Case((1, 700, 40)),
    "bands of one image": Case((1, 700, 40), gradients=1),
    "bands without gradients": Case((1, 700, 40), gradients=0),
    "bands without luminance": Case((1, 700, 40), c1=None),
    "a window of one pixel": Case((1, 9, 20), window=1),
    "a small window": Case((2, 16, 16), window=7),
    "a wide window": Case((1, 80, 70), window=33, sigma=12.0),
    "a band that is all margin": Case((1, 385, 201), window=201, sigma=60.0),
    "contrast alone": Case((2, 20, 18), c1=None),
    "no gradient": Case((1, 12, 12), gradients=0),
}


def run(case: Case, bits: int) -> tuple[Tensor, list[Tensor]]:
    from ganloss.terms import _cpu

    x, y = (z.float() for z in planes(*case.shape))
    taps = gaussian(case.window, case.sigma)
    return _cpu.fused(x, y, case.c1, case.c2, taps, case.gradients, bits)


@pytest.mark.skipif(not (shutil.which("cc") and HEADERS.is_file()), reason="there is no C compiler")
def test_where_there_is_a_compiler_the_kernel_is_there():
    assert find_spec("ganloss.terms._cpu_kernel")


@compiled
@each_width
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_means_and_gradients_are_the_textbooks(case: Case, bits: int):
    mean, *gradients = errors(case, *run(case, bits))
    assert mean < 1e-6
    # The difference of two pixels is all that a window of one lets the gradient keep.
    assert all(error < (2e-6 if case.window > 1 else 2e-5) for error in gradients)


@compiled
@each_width
def test_control_another_constant_is_seen(bits: int):
    mean, *gradients = errors(WRONG, *run(WRONG, bits))
    assert mean > 1e-5
    assert all(error > 1e-4 for error in gradients)


@compiled
@each_width
@pytest.mark.parametrize("c1", [C1, None])
def test_equal_images_lack_nothing_and_pull_nowhere(c1: float | None, bits: int):
    from ganloss.terms import _cpu

    x = planes(3, 30, 41)[0].float()
    means, gradients = _cpu.fused(x, x.clone(), c1, C2, gaussian(11, 1.5), 2, bits)
    assert means.tolist() == [1.0 if c1 is None else 0.5] * 3
    assert not any(gradient.any() for gradient in gradients)


@compiled
@each_width
@pytest.mark.parametrize("side", [64, 383, 1024])
def test_small_differences_keep_their_digits_in_large_images(side: int, bits: int):
    """Flat images, eq. 13: 1 - (2 x y + C1) / (x^2 + y^2 + C1), but for the last digit of 1."""
    from ganloss.terms import _cpu

    x, y = torch.full((1, side, side), 0.5), torch.full((1, side, side), 0.5 + 2**-10)
    exact = 1 - (2 * 0.5 * (0.5 + 2**-10) + C1) / (0.5**2 + (0.5 + 2**-10) ** 2 + C1)
    means, _ = _cpu.fused(x, y, C1, C2, gaussian(11, 1.5), 0, bits)
    assert 1 - 2 * means.item() == pytest.approx(exact, abs=2**-24)


@compiled
@each_width
def test_flat_images_beside_a_texture_keep_the_digits_of_gradients(bits: int):
    """There contrast and structure are near 0, and what they lack of 1 is known to less digits."""
    from ganloss.terms import _cpu

    y = planes(1, 40, 40)[1]
    leaves = [torch.full_like(y, 0.5).requires_grad_(True), y.requires_grad_(True)]
    expected = torch.autograd.grad(textbook(*leaves).sum(), leaves)
    x, y = (leaf.detach().float() for leaf in leaves)
    _, gradients = _cpu.fused(x, y, C1, C2, gaussian(11, 1.5), 2, bits)
    for gradient, right in zip(gradients, expected, strict=True):
        assert distance(4 * gradient / 30**2, right) < 5e-7


@compiled
def test_a_window_that_leaves_the_cache_stays_while_it_is_used():
    x, y = (z.float()[:, None] for z in planes(4, 100, 100))
    term, done = gl.SSIM(data_range=1.0), threading.Event()
    right, found = float(term(x, y)), []

    def use() -> None:
        found.extend(float(term(x, y)) for _ in range(30))
        done.set()

    thread = threading.Thread(target=use)
    thread.start()
    while not done.is_set():
        for i in range(1, 20):
            gl.SSIM(data_range=1.0, sigma=i / 7)(x[:1, :, :11, :11], y[:1, :, :11, :11])
    thread.join()
    assert found == [right] * 30


@compiled
def test_windows_are_made_on_the_cpu_whatever_the_default_device():
    x, y = (z.float()[:, None] for z in planes(1, 16, 16))
    term = gl.SSIM(data_range=1.0, sigma=1.7)
    with torch.device("meta"):
        found = term(x, y)
    assert torch.equal(found, term(x, y))


@compiled
def test_images_that_are_stored_without_their_sign():
    x, y = (z.float()[:, None] for z in planes(1, 16, 16))
    term = gl.SSIM(data_range=1.0)
    torch.testing.assert_close(term(torch._neg_view(x), y), term(-x, y))


def test_images_of_two_devices_are_refused():
    x = torch.rand(1, 1, 16, 16)
    with pytest.raises(ValueError, match=r"input is on cpu and target on meta; move one.*\.to\("):
        gl.SSIM(data_range=1.0)(x, x.to("meta"))


def test_several_gradients_at_once():
    x, y = (z.float()[:, None] for z in planes(2, 16, 16))
    x.requires_grad_(True)
    index = gl.SSIM(data_range=1.0).index(x, y)
    each = torch.autograd.grad(index, x, torch.eye(2), retain_graph=True, is_grads_batched=True)[0]
    torch.testing.assert_close(each.sum(0), torch.autograd.grad(index.sum(), x)[0])


@compiled
def test_results_do_not_depend_on_the_number_of_threads():
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            means, gradients = run(Case((3, 600, 70)), 512)
            found.append(torch.cat([means, *(g.flatten() for g in gradients)]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@compiled
@each_width
def test_nothing_is_written_beside_the_results(bits: int, monkeypatch: pytest.MonkeyPatch):
    from ganloss.terms import _cpu

    whole = torch.full((5, 30, 37), 7.0)
    monkeypatch.setattr(_cpu.torch, "empty_like", lambda x: whole[1:4])
    x, y = (z.float() for z in planes(3, 30, 37))
    _cpu.fused(x, y, C1, C2, gaussian(11, 1.5), 1, bits)
    assert (whole[[0, 4]] == 7).all()
    assert (whole[1:4] != 7).all()


@compiled
@each_width
def test_what_is_beside_the_images_is_not_read(bits: int):
    from ganloss.terms import _cpu

    x, y = (torch.full((5, 30, 37), torch.nan) for _ in range(2))
    for whole, image in zip((x, y), planes(3, 30, 37), strict=True):
        whole[1:4] = image
    means, gradients = _cpu.fused(x[1:4], y[1:4], C1, C2, gaussian(11, 1.5), 2, bits)
    assert all(z.isfinite().all() for z in (means, *gradients))


@compiled
def test_other_planes_do_not_see_a_number_that_is_not_finite():
    x, y = (z.float()[:, None] for z in planes(3, 30, 37))
    x[1, 0, 12, 20] = torch.inf
    index = gl.SSIM(data_range=1.0).index(x, y)
    assert index.isfinite().tolist() == [True, False, True]


def test_without_a_compiler_ssim_is_the_same(monkeypatch: pytest.MonkeyPatch):
    x, y = (z.float()[:, None] for z in planes(3, 30, 37))
    loss, gradient = loss_and_gradient(x, y)
    monkeypatch.setattr(_similarity, "_kernels", lambda device: None)
    other_loss, other_gradient = loss_and_gradient(x, y)
    torch.testing.assert_close(other_loss, loss)
    torch.testing.assert_close(other_gradient, gradient, rtol=1e-4, atol=1e-9)


@compiled
def test_doctor_says_whether_the_kernel_is_there(monkeypatch: pytest.MonkeyPatch):
    from ganloss.cli.doctor import report

    assert re.search(r"SSIM on a CPU +compiled$", report())
    monkeypatch.setitem(sys.modules, "ganloss.terms._cpu_kernel", None)
    assert re.search(r"SSIM on a CPU +without its kernel.*mend: install gcc or clang", report())


# Whatever records or replaces torch's calls would not see the kernel.


def loss_and_gradient(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_(True)
    loss = gl.SSIM(data_range=1.0)(x, y)
    return loss.detach(), torch.autograd.grad(loss, x)[0]


def images(seed: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return torch.rand(2, 3, 20, 23), torch.rand(2, 3, 20, 23)


def test_a_recorded_program_computes_anew():
    program = make_fx(loss_and_gradient)(*images(0))
    torch.testing.assert_close(program(*images(1)), loss_and_gradient(*images(1)))


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace", "ignore::torch.jit.TracerWarning")
def test_a_traced_program_computes_anew():
    index = gl.SSIM(data_range=1.0).index
    program: Any = torch.jit.trace(index, images(0), check_trace=False)
    torch.testing.assert_close(program(*images(1)), index(*images(1)))


def test_shapes_can_be_found_without_numbers():
    with FakeTensorMode():
        loss, gradient = loss_and_gradient(*images(0))
    assert (loss.shape, gradient.shape) == ((), (2, 3, 20, 23))


@compiled
@pytest.mark.long
def test_no_sanitizer_complains(tmp_path: Path):
    """Addresses, and what the C standard leaves undefined, in odd sizes and of all widths."""
    assert sanitized(SOURCES, tmp_path) == "216 cases"


@compiled
@pytest.mark.long
def test_control_too_little_memory_is_seen(tmp_path: Path):
    sources = tmp_path / "sources"
    sources.mkdir()
    shutil.copy(SOURCES / "_cpu_kernel.h", sources)
    right = (SOURCES / "_cpu_kernel.c").read_text("utf-8")
    wrong = right.replace("(job->window - 1) + lanes;", "(job->window - 1) - lanes;")
    assert wrong != right
    (sources / "_cpu_kernel.c").write_text(wrong, "utf-8")
    assert "heap-buffer-overflow" in sanitized(sources, tmp_path)


#: Without torch, which has its own opinion on how memory is taken.
ALL_CASES = """
import ctypes
import itertools
import random
import sys

import _cpu_kernel

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]


def block(count, give):
    address = libc.malloc(ctypes.c_size_t(4 * count))
    numbers = (ctypes.c_float * count).from_address(address)
    numbers[:] = [give() for _ in range(count)]
    return address, numbers


shapes = [(2, 11, 11), (1, 12, 29), (3, 17, 16), (1, 33, 40), (1, 400, 13), (1, 15, 65)]
settings = itertools.product(shapes, (1, 11), (0, 1, 2), (False, True), (128, 256, 512))
assert _cpu_kernel.PARALLEL
done = 0
for shape, window, count, luminance, bits in settings:
    planes, height, width = shape
    size = planes * height * width
    x, y = block(size, random.random), block(size, random.random)
    means, taps = block(planes, float), block(2 * window, lambda: 1 / window)
    gradients = [block(size, float) for _ in range(count)]
    by_x, by_y = [address for address, _ in gradients] + [0] * (2 - count)
    _cpu_kernel.similarity(
        x[0], y[0], means[0], by_x, by_y, taps[0], *shape, window, 1e-4, 9e-4, luminance, 3, bits
    )
    assert all(0 < abs(mean) < 1.1 for mean in means[1])
    for address, _ in (x, y, means, taps, *gradients):
        libc.free(address)
    done += 1
print(done, "cases")
"""


def sanitized(sources: Path, folder: Path) -> str:
    """What the kernel says when each of its accesses is checked."""
    compiler = shutil.which("gcc")
    if not compiler:
        pytest.skip("gcc has the sanitizers, and is not here")
    libraries = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so", "libgomp.so")
    ]
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    subprocess.run(
        [compiler, "-O1", "-g", *checks, "-Wno-psabi", "-fPIC", "-shared", f"-I{HEADERS.parent}",
         "-DPy_LIMITED_API=0x030B0000", "-o", folder / "_cpu_kernel.so",
         sources / "_cpu_kernel.c"],
        check=True,
    )  # fmt: skip
    (folder / "all_cases.py").write_text(ALL_CASES, "utf-8")
    environment = os.environ | {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    found = subprocess.run(
        [sys.executable, folder / "all_cases.py"], capture_output=True, text=True, env=environment
    )
    return found.stderr or found.stdout.strip()
