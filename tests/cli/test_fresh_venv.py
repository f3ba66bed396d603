"""What is installed is enough: a built package in a new environment loads an exported generator."""

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from cli.runs import environment, only_run
from ganloss.cli import main

ROOT = Path(__file__).parents[2]
FIVE_LINES = """\
import sys, torch, ganloss as gl
G = gl.load_generator(sys.argv[1])
images = G(torch.randn(16, G.latent))
print(gl.__file__)
print(tuple(images.shape), bool((images.abs() <= 1).all()))
"""


def site_packages(environment: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(environment)}))


@pytest.fixture(scope="module")
def fresh_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the package built and installed in it, and torch to be found."""
    base = tmp_path_factory.mktemp("fresh")
    copy = base / "checkout"
    copy.mkdir()
    built = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "src" / "ganloss", copy / "src" / "ganloss", ignore=built)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "DATA_LICENSES.md"):
        shutil.copy(ROOT / name, copy)
    venv.create(base / "venv", with_pip=False)
    site = site_packages(base / "venv")
    install = ("-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run([sys.executable, *install, "--target", site, copy], check=True, timeout=280)
    # Its own packages come first; torch and the other dependencies from where the tests run.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return base / "venv" / "bin" / "python"


def test_five_lines_sample_an_exported_generator(fresh_python: Path, tmp_path: Path) -> None:
    short = ("--steps", "2", "--metrics", "none", "--batch-size", "8", "--out", str(tmp_path))
    assert main(["train", "generate", "--data", "demo:digits", *short]) == 0
    script = tmp_path / "five.py"
    script.write_text(FIVE_LINES)
    done = subprocess.run(
        [fresh_python, script, only_run(tmp_path) / "export"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    where, result = done.stdout.splitlines()
    assert Path(where).is_relative_to(fresh_python.parents[1])
    assert result == "(16, 1, 8, 8) True"


def test_what_is_installed_holds_every_data_file(fresh_python: Path) -> None:
    site = site_packages(fresh_python.parents[1])
    there = {p.relative_to(site) for p in (site / "ganloss").rglob("*") if p.is_file()}
    wanted = {p.relative_to(ROOT / "src") for p in (ROOT / "src" / "ganloss").rglob("*")}
    missing = {p for p in wanted - there if p.suffix and "__pycache__" not in p.parts}
    assert missing == set()
