"""What importing costs: nothing until a name is used, and nothing but torch for the losses."""

import subprocess
import sys

import pytest

import ganloss as gl

HEAVY = ("torch", "torchvision", "numpy", "lightning_fabric", "sklearn", "skimage", "plotly")


def run(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_importing_the_package_imports_nothing_heavy():
    code = f"import sys, ganloss; print([m for m in {HEAVY} if m in sys.modules])"
    assert run(code) == "[]"


def test_control_using_a_name_does_import_torch():
    code = f"import sys, ganloss; ganloss.Hinge; print([m for m in {HEAVY} if m in sys.modules])"
    assert "'torch'" in run(code)


# Everything but torch and what torch itself needs is made impossible to import.
BLOCK = """
import sys
class Block:
    names = {names!r}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(name + " is blocked")
sys.meta_path.insert(0, Block())
"""
OTHERS = [
    "torchvision",
    "lightning_fabric",
    "lightning_utilities",
    "torch_fidelity",
    "jsonargparse",
    "filelock",
    "rich",
    "yaml",
    "jinja2",
    "plotly",
    "platformdirs",
    "sklearn",
    "skimage",
    "scipy",
    "PIL",
    "safetensors",
    "pandas",
    "matplotlib",
]


def test_the_losses_run_with_torch_alone():
    code = BLOCK.format(names=OTHERS) + (
        "import torch, ganloss as gl\n"
        "for name in gl.PUBLIC_NAMES: getattr(gl, name)\n"
        "d, x = torch.nn.Linear(3, 1), torch.randn(4, 3)\n"
        "critic = gl.Critic(d)\n"
        "gl.WeightedSum(adv=1.0, gp=10.0)(\n"
        "    adv=gl.Wasserstein().discriminator(real=critic(x), fake=critic(x + 1)),\n"
        "    gp=gl.GradientPenalty()(critic, real=x, fake=x + 1)).total.backward()\n"
        "image = torch.rand(1, 3, 16, 16)\n"
        "gl.SSIM(data_range=1.0)(image, image)\n"
        "print([m for m in Block.names if m in sys.modules])"
    )
    assert run(code) == "[]"


@pytest.mark.parametrize(
    "arguments",
    [[], ["train"], ["train", "generate"], ["demo"], ["doctor"], ["evaluate"], ["weights"]],
)
def test_no_help_imports_torch(arguments: list[str]):
    code = (
        "import sys\nfrom ganloss.cli import main\n"
        f"try: main({[*arguments, '--help']!r})\n"
        "except SystemExit as end: code = end.code\n"
        "else: code = 0\n"
        "print('CODE', code, 'torch' in sys.modules)"
    )
    assert run(code).endswith("CODE 0 False")


def test_every_public_name_resolves_and_is_listed():
    for name in gl.PUBLIC_NAMES:
        assert getattr(gl, name) is not None
    assert dir(gl) == gl.PUBLIC_NAMES


def test_every_name_for_type_checkers_is_public_and_the_other_way_round():
    """The lazy table and the imports under TYPE_CHECKING are two lists of the same names."""
    import ast
    from pathlib import Path

    tree = ast.parse(Path(gl.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {alias.asname for node in block.body for alias in node.names}
    assert typed == set(gl.PUBLIC_NAMES) - {
        *("LOSSES", "PENALTIES", "GENERATOR_PENALTIES", "TERMS", "__version__")
    }
