"""The battery as a product: a newcomer's loss, its words, and its command."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

import ganloss as gl
from ganloss._errors import UsageError
from ganloss.check import check
from ganloss.check.load import build, load
from ganloss.penalties import Critic

NEWCOMER = """
from dataclasses import dataclass
import torch
import ganloss as gl

@dataclass(frozen=True)
class Exponential(gl.ElementwisePair):
    rate: float = 0.5
    def real_side(self, scores): return torch.expm1(-self.rate * scores)
    def fake_side(self, scores): return torch.expm1(self.rate * scores)
    def generator_side(self, scores): return torch.expm1(-self.rate * scores)

@dataclass(frozen=True)
class Charbonnier(gl.Term):
    epsilon: float = 1e-3
    def values(self, input, target):
        return ((input - target).square() + self.epsilon**2).sqrt()

class NotAValue(gl.ElementwisePair):
    def real_side(self, scores): return -scores
    def fake_side(self, scores): return scores
    def generator_side(self, scores): return -scores

class Needy(gl.Term):
    def __init__(self, depth, width, *more, height=1.0, data_range, **others): pass
    def values(self, input, target): return input

class Unfinished(gl.ElementwisePair):
    def real_side(self, scores): return -scores

class Refuses(gl.Term):
    def __init__(self): raise RuntimeError("not today")
    def values(self, input, target): return input

NUMBER = 3.5

def broken(x, y):
    return (x - y).square().sum()

def d_loss(real_pred, fake_pred):
    return fake_pred.mean() - real_pred.mean()
"""


@pytest.fixture
def losses(tmp_path: Path) -> Path:
    path = tmp_path / "losses.py"
    path.write_text(NEWCOMER, encoding="utf-8")
    return path


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ganloss", "check", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("name", ["Exponential", "Exponential(rate=0.1)", "Charbonnier"])
def test_a_newcomers_correct_loss_passes(losses: Path, name: str):
    report = check(load(f"{losses}:{name}"))
    assert report.ok, str(report)


def test_a_name_that_its_module_makes_when_asked_for_is_found(tmp_path: Path):
    """As ``ganloss`` itself does (PEP 562); in a new process, where nobody has asked yet."""
    (tmp_path / "lazy.py").write_text(
        "def __getattr__(name):\n"
        "    if name != 'Late':\n"
        "        raise AttributeError(name)\n"
        "    import ganloss\n"
        "    return ganloss.L1\n"
    )
    for target in ("lazy.py:Late", "ganloss:Hinge(margin=2.0)"):
        done = run(target, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "has no 'Later'" in run("lazy.py:Later", cwd=tmp_path).stderr


def test_the_command_says_what_it_checked_and_ends_with_1_when_something_is_wrong(losses: Path):
    good, bad = (run(f"losses.py:{n}", cwd=losses.parent) for n in ("Charbonnier", "broken"))
    assert good.returncode == 0, good.stdout + good.stderr
    assert "ok      Gradients equal finite differences" in good.stdout
    assert bad.returncode == 1
    assert "FAILED  A batch written twice has the same loss" in bad.stdout
    assert "Traceback" not in bad.stdout + bad.stderr


def test_values_are_compared_with_one_of_ours(losses: Path):
    assert check(load(f"{losses}:NotAValue"), "wasserstein").ok
    wrong = check(load(f"{losses}:NotAValue"), "hinge")
    assert [f.check for f in wrong.failed] == [
        "Values and gradients are those of the reference (D)"
    ]


def test_one_side_written_as_a_function(losses: Path):
    report = check(load(f"{losses}:d_loss"), "wasserstein.discriminator")
    assert any("those of the reference" in f.check and f.verdict == "ok" for f in report.findings)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("losses.py", "write MODULE:NAME"),
        ("losses.py:Charbonier", "did you mean 'Charbonnier'"),
        ("ganloss:Hinje", "did you mean 'Hinge'"),
        ("nowhere.py:Loss", "no file nowhere.py"),
        ("no_such_module:Loss", "could not be imported"),
        ("losses.py:Charbonnier(", "neither a name nor a call"),
        ("losses.py:Charbonnier(depth=3)", "could not be made"),
        ("losses.py:Needy", "needs depth and width; write Needy(depth=..., width=...)"),
        ("losses.py:Needy(depth=1)", "missing 1 required positional argument: 'width'"),
        ("losses.py:Unfinished", "it does not define fake_side and generator_side"),
        ("losses.py:Refuses", "Refuses() could not be made: RuntimeError: not today"),
        ("losses.py:torch", "torch is of type module and no loss"),
        ("losses.py:NUMBER", "3.5 is of type float and no loss"),
        ("losses.py:__import__('os')", "has no '__import__'"),
    ],
)
def test_mistakes_in_the_target_are_usage_errors(
    losses: Path, monkeypatch: pytest.MonkeyPatch, target: str, words: str
):
    monkeypatch.chdir(losses.parent)
    with pytest.raises(UsageError, match=re.escape(words)):
        check(load(target))


def test_a_usage_error_is_a_sentence_and_ends_with_2(losses: Path):
    done = run("losses.py:Needy", cwd=losses.parent)
    assert done.returncode == 2
    assert "Needy is a class that needs depth and width; write Needy(depth=..., width=...)" in (
        done.stderr
    )
    assert "Traceback" not in done.stderr


def test_an_unknown_name_of_ours_gets_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'psnr'"):
        check(gl.L1(), "psnrr")
    with pytest.raises(UsageError, match="no side 'middle'"):
        check(gl.L1(), "hinge.middle")
    with pytest.raises(UsageError, match=r"'DiffAugment\(\)' is no loss, penalty or term"):
        check(gl.L1(), "DiffAugment()")


def test_a_generators_loss_that_compares_scores_is_given_both():
    def g_loss(real: Tensor, fake: Tensor) -> Tensor:
        return gl.Relativistic(gl.NonSaturating()).generator(real=real, fake=fake)

    report = check(g_loss, "rgan.generator")
    assert report.ok, str(report)


@pytest.mark.parametrize("names", ["real, fake", "fake_scores", "real_pred, fake_pred"])
def test_one_side_of_a_pair_is_asked_what_it_is(names: str):
    loss = eval(f"lambda {names}: {names.split(', ')[-1]}.mean()")  # functions of these names
    with pytest.raises(UsageError, match=r"--as non-saturating\.discriminator or"):
        check(loss)


def test_images_may_be_called_fake_and_real():
    def distance(fake: Tensor, real: Tensor) -> Tensor:
        return gl.L1()(fake, real)

    report = check(distance, "l1")
    assert report.ok, str(report)


def test_a_loss_without_words_of_its_own_is_called_by_its_class():
    class Plain:
        discriminator, generator = gl.Hinge().discriminator, gl.Hinge().generator

    assert check(Plain()).subject == "Plain as a pair"


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (lambda x, y: None, "a NoneType was returned; nothing else was tried"),
        (lambda x, y: (x - y).abs(), "a tensor of shape (5, 3, 8, 8) was returned; take its mean"),
        (lambda critic, real, fake: critic.nothing, "AttributeError: "),
        (lambda critic, real, fake: critic.nothing, "(test_check.py, line "),
    ],
    ids=["nothing", "every element", "an error", "its place"],
)
def test_what_gives_no_number_is_told_once(thing: Any, words: str):
    first, *others = check(thing).findings
    assert words in first.detail
    assert [finding.verdict for finding in others] == ["skipped"]  # not a dataclass


def test_points_of_another_shape_are_told_before_all_they_spoil():
    def of_images(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        epsilon = torch.rand(len(real), 1, 1, 1)
        return gl.R1()(critic, real=epsilon * real + (1 - epsilon) * fake.detach())

    first = check(of_images).failed[0]
    assert "the critic was given (4, 1, 4, 4) points for (4, 4) samples" in first.detail


def test_a_pair_that_is_called_by_other_names_is_told_once_for_each_side():
    class Positional:
        def discriminator(self, d_real: Tensor, d_fake: Tensor) -> Tensor:
            return d_fake.mean() - d_real.mean()

        def generator(self, d_fake: Tensor) -> Tensor:
            return -d_fake.mean()

    failed = check(Positional()).failed
    assert len(failed) == 2
    assert all("unexpected keyword argument" in finding.detail for finding in failed)


def test_a_gaussian_is_known_by_the_names_people_use():
    def kl(mu: Tensor, logvar: Tensor) -> Tensor:
        return gl.GaussianKL()(mu, logvar)

    assert check(kl).ok, str(check(kl))


def test_a_class_is_made_as_on_the_command_line():
    assert check(gl.Hinge).ok
    with pytest.raises(UsageError, match="FDivergence is a class that needs kind"):
        check(gl.FDivergence)


def test_expressions_take_literals_and_names_only():
    names = {"Relativistic": gl.Relativistic, "Hinge": gl.Hinge}
    made = build("Relativistic(Hinge(margin=2.0))", names, "ganloss")
    assert made == gl.Relativistic(gl.Hinge(2.0))
    for expression in ("Hinge().margin", "(lambda: 1)()", "[Hinge]"):
        with pytest.raises(UsageError):
            build(expression, names, "ganloss")


def ssim(input: Tensor, target: Tensor) -> Tensor:
    """Wang et al. 2004, eq. 13, as newcomers write it: the window shrinks for small images."""
    if input.shape != target.shape or input.dim() != 4 or len(input) == 0:
        raise ValueError("images (N, C, H, W) of one shape are needed")
    if not input.is_floating_point():
        raise TypeError("images of floating point numbers are needed")
    size = min(11, *input.shape[2:])
    weights = torch.exp(-((torch.arange(size).double() - size // 2) ** 2) / (2 * 1.5**2))
    weights = weights / weights.sum()

    def blur(x: Tensor) -> Tensor:
        windows = x.unfold(2, size, 1).unfold(3, size, 1)
        return torch.einsum("...ij,i,j->...", windows, weights, weights)

    x, y = input.double(), target.double()
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x**2) - mean_x**2, blur(y**2) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return 1 - (top / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean()


def test_images_suit_the_window_of_what_a_term_is_compared_with():
    assert check(ssim, "ssim").ok, str(check(ssim, "ssim"))
    wrong = check(lambda input, target: 2 * ssim(input, target), "ssim")
    assert [f.check for f in wrong.failed] == ["Values and gradients are those of the reference"]
    assert "instead of" in wrong.failed[0].detail  # numbers, not an error of ours


def test_a_term_that_takes_nothing_is_told_why_for_images_and_vectors():
    def reluctant(input: Tensor, target: Tensor) -> Tensor:
        raise ValueError(f"I hate {input.dim()} dimensions")

    (finding,) = check(reluctant).failed
    place = f"(test_check.py, line {reluctant.__code__.co_firstlineno + 1})"
    assert f"(2, 3, 64, 64): ValueError: I hate 4 dimensions {place}; (2, 6): " in finding.detail
    assert f"ValueError: I hate 2 dimensions {place}" in finding.detail


def test_warnings_of_torch_stay_out_of_the_terminal(tmp_path: Path):
    (tmp_path / "mine.py").write_text("from torch.nn.functional import mse_loss\n")
    done = run("mine.py:mse_loss", "--as", "mse", cwd=tmp_path)
    assert "accepted silently: other batch sizes" in done.stdout
    assert done.stderr == ""


class LogOfSigmoid(gl.ElementwisePair):
    """As tutorials write it: in fp32 1 - sigmoid(30) is 0, and its logarithm infinite."""

    def real_side(self, scores: Tensor) -> Tensor:
        return -torch.log(torch.sigmoid(scores))

    def fake_side(self, scores: Tensor) -> Tensor:
        return -torch.log(1 - torch.sigmoid(scores))

    def generator_side(self, scores: Tensor) -> Tensor:
        return -torch.log(torch.sigmoid(scores))


class LogOfExponential(gl.ElementwisePair):
    """In fp32 exp(100) is infinite, in float64 it is not."""

    def real_side(self, scores: Tensor) -> Tensor:
        return torch.log(1 + torch.exp(-scores))

    def fake_side(self, scores: Tensor) -> Tensor:
        return torch.log(1 + torch.exp(scores))

    def generator_side(self, scores: Tensor) -> Tensor:
        return torch.log(1 + torch.exp(-scores))


class HidesRealNaN(gl.ElementwisePair):
    """Infinite and missing numbers of the real side become others."""

    def real_side(self, scores: Tensor) -> Tensor:
        return torch.nan_to_num(softplus(-scores))

    def fake_side(self, scores: Tensor) -> Tensor:
        return softplus(scores)

    def generator_side(self, scores: Tensor) -> Tensor:
        return softplus(-scores)


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (LogOfSigmoid(), "Degenerate inputs"),
        (LogOfExponential(), "Degenerate inputs"),
        (HidesRealNaN(), "NaN in an input"),
    ],
)
def test_what_is_right_in_float64_or_on_the_other_side_only_is_found(
    pair: gl.GANLoss, sentence: str
) -> None:
    failed = [finding.check for finding in check(pair).findings if finding.verdict == "failed"]
    assert any(check.startswith(sentence) for check in failed), failed


def test_what_lies_beside_a_file_is_found_as_for_a_script(losses: Path, tmp_path: Path):
    (tmp_path / "beside_losses.py").write_text("from losses import broken\n", encoding="utf-8")
    done = run(f"{tmp_path / 'beside_losses.py'}:broken", cwd=tmp_path.parent)
    assert "could not be imported" not in done.stderr
    assert done.returncode == 1, done.stderr


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ValueError('boom')", "ValueError: boom"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_file_that_fails_when_it_is_imported_is_the_users(
    code: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "fails.py").write_text(code, encoding="utf-8")
    with pytest.raises(
        UsageError, match=rf"fails.py could not be imported: {words}.* \(fails.py, "
    ):
        load(f"{tmp_path / 'fails.py'}:loss")


@pytest.mark.parametrize(
    ("helper", "code", "words"),
    [
        (
            "lacks_a_module",
            "import no_such_module",
            "ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("fails_in_torch", "import torch\ntorch.nn.Linear('two', 3)", "TypeError: "),
        ("no_python", "def loss(:", "SyntaxError: invalid syntax"),
    ],
)
def test_an_import_that_fails_further_on_is_told_with_its_place(
    helper: str, code: str, words: str, tmp_path: Path
) -> None:
    """In the code of the user: not where torch raises, and not where the file is imported."""
    (tmp_path / f"{helper}.py").write_text(f"\n\n{code}\n", encoding="utf-8")
    (tmp_path / "asks_for_help.py").write_text(f"import {helper}\n", encoding="utf-8")
    line = 2 + len(code.splitlines())
    with pytest.raises(UsageError, match=r"help\.py could not be imported: ") as caught:
        load(f"{tmp_path / 'asks_for_help.py'}:loss")
    assert words in str(caught.value)
    assert str(caught.value).endswith(f" ({helper}.py, line {line})")


def test_a_loss_that_fails_is_told_with_the_line_of_ones_own_that_led_to_it(tmp_path: Path):
    """torch raises it, called by a helper, called by a hook that we call."""
    (tmp_path / "fails_late.py").write_text(
        "import torch, ganloss as gl\n"
        "def helper(x):\n"
        "    return torch.cat([x, None])\n"
        "class Fails(gl.Term):\n"
        "    def values(self, input, target):\n"
        "        return helper(input)\n"
    )
    (finding,) = check(load(f"{tmp_path / 'fails_late.py'}:Fails")).failed
    assert "TypeError: " in finding.detail
    assert "(fails_late.py, line 3)" in finding.detail


class TwiceDeclared(gl.ElementwisePair):
    batch_statistic = True

    def real_side(self, scores: Tensor) -> Tensor:
        return -scores

    fake_side = generator_side = real_side


class Paired(gl.ElementwisePair):
    paired = True

    def real_side(self, scores: Tensor) -> Tensor:
        return -scores

    def fake_side(self, scores: Tensor) -> Tensor:
        return scores

    generator_side = real_side


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (TwiceDeclared(), "The loss of a batch is the mean over its samples"),
        (Paired(), "Sample i of real meets sample i of fake only if declared"),
    ],
)
def test_a_declaration_that_is_not_true_is_found(pair: gl.GANLoss, sentence: str):
    assert any(finding.check.startswith(sentence) for finding in check(pair).failed)
