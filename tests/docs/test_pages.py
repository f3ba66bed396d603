"""Every command and every line of Python in the README and the tutorials runs as printed.

Lengths are cut: a training is a few steps, a comparison shows its plan.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

import ganloss as gl
from ganloss.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "tutorials").glob("[!i]*.md"))]
HOW_TO = [ROOT / "docs" / "howto" / f"{name}.md" for name in ("sixteen_bits", "penalty_weight")]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LENGTH = re.compile(r"--(steps|minutes|kimg|epochs) \S+")


@dataclass(frozen=True)
class Section:
    """Blocks of one part of a page, which are meant to be typed one after the other."""

    name: str
    blocks: tuple[tuple[str, str], ...]

    def code(self, language: str) -> list[str]:
        return [text for kind, text in self.blocks if kind == language]

    def commands(self) -> list[str]:
        lines = [line for text in self.code("") for line in text.splitlines()]
        return [line.partition("#")[0].strip() for line in lines if line.startswith("ganloss ")]


def sections(page: Path) -> Iterator[Section]:
    """Of a tutorial the whole page, of the README each part."""
    text = page.read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE) if page.name == "README.md" else [text]
    for part in parts:
        blocks = tuple((m[1], m[2]) for m in _BLOCK.finditer(part))
        if blocks:
            yield Section(f"{page.stem}: {part.partition(chr(10))[0].lstrip('# ')}", blocks)


EVERY = [section for page in PAGES for section in sections(page)]


def shortened(command: str) -> list[str]:
    """The same command for a test: a few steps, or what it would do."""
    words = shlex.split(command)[1:]
    if words[0] == "compare":
        return [*words, "--dry-run"]
    if words[0] == "demo" and words[1] != "digits":
        return [*words, "--help"]
    if words[0] not in ("train", "demo"):
        return words
    if "--resume" in words:
        return shlex.split(_LENGTH.sub("--steps 5", command))[1:]
    words = shlex.split(_LENGTH.sub("", command))[1:]
    paired = [] if words[0] == "demo" else ["--metrics", "none"]
    return [*words, "--steps", "4", *paired]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the pages speak of."""
    monkeypatch.chdir(tmp_path)
    sides = ("trainA", "trainB", "testA", "testB")
    folders = ["my_photos", "photos", "new_photos", "my_losses"]
    folders += [f"{data}/{side}" for data in ("photo2sketch", "horse2zebra") for side in sides]
    noise = torch.Generator().manual_seed(0)
    for folder in folders:
        Path(folder).mkdir(parents=True)
        mine = folder == "my_photos"
        for i in range(72 if mine else 16):
            shape = (32, 32) if mine else (32, 32, 3)
            pixels = torch.randint(0, 255, shape, generator=noise).byte().numpy()
            Image.fromarray(pixels).save(Path(folder) / f"{i:04d}.png")
    return tmp_path


def names() -> dict[str, object]:
    """What the pages take for granted: two networks, a batch and noise."""
    d = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    g = nn.Sequential(nn.Linear(8, 64), nn.Unflatten(1, (1, 8, 8)))
    return {
        "gl": gl, "torch": torch, "nn": nn, "D": d, "G": g, "__name__": "page",
        "x": torch.rand(4, 1, 8, 8), "noise": torch.randn(4, 8),
    }  # fmt: skip


#: Runs that the commands before left, when one types in all of README: its numbers count them.
EARLIER = {"README: On your own images": 1, "README: From image to image": 5}


def type_in(section: Section) -> None:
    """Python and commands in the order of the page."""
    space = names()
    for number in range(EARLIER.get(section.name, 0)):
        Path(f"runs/{number:05d}-earlier").mkdir(parents=True)
    # The pages say that their code is to be put into this file.
    Path("losses.py").write_text("\n".join(_IMPORTS + section.code("python")), encoding="utf-8")
    for kind, text in section.blocks:
        if kind == "python":
            exec(compile(text, section.name, "exec"), space)
        for command in Section("", ((kind, text),)).commands() if kind == "" else []:
            found = (0, 1) if command.startswith("ganloss check") else (0,)  # 1: it found something
            assert main(shortened(command)) in found, command


_IMPORTS = ["from dataclasses import dataclass", "import torch", "import ganloss as gl"]
#: What a tutorial shows of a finished comparison needs one.
_LATER = ("compare: Which loss? A comparison from question to answer",)


#: Trains on photographs.
_LONG = ("own_folder: Your own folder",)


@pytest.mark.parametrize(
    "section",
    [
        pytest.param(s, id=s.name, marks=[pytest.mark.long] if s.name in _LONG else [])
        for s in EVERY
        if s.name not in _LATER
    ],
)
def test_a_page_runs_as_printed(section: Section, home: Path) -> None:
    type_in(section)


def test_the_comparison_of_the_tutorial(home: Path) -> None:
    (section,) = [s for s in EVERY if s.name in _LATER]
    for command in section.commands():
        assert main(shortened(command)) == 0
    from ganloss.lab.comparison import create
    from ganloss.lab.plan import plan
    from ganloss.runs.settings import GenerateSettings

    create(plan(GenerateSettings(data="demo:ring", steps=4), ["ns", "r3gan"]), Path("runs"))
    (code,) = section.code("python")
    exec(code, {})


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_python_of_how_to_pages(page: Path) -> None:
    for section in sections(page):
        for code in section.code("python"):
            exec(code, names() | {"D": nn.Linear(64, 1)})


class _OfClasses(nn.Module):
    """A network that takes classes, and looks at none."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor, labels: object = None) -> torch.Tensor:
        return self.layers(x)


def test_python_of_the_page_on_loops_runs_from_top_to_bottom() -> None:
    d = _OfClasses(nn.Flatten(), nn.Linear(192, 1))
    g = _OfClasses(nn.Linear(8, 192), nn.Unflatten(1, (3, 8, 8)))
    x = torch.rand(4, 3, 8, 8)
    space = names() | {
        "D": d, "G": g, "noise": lambda: torch.randn(4, 8), "batches": [x, x], "augmented_real": x,
        "labels": None, "fake_labels": None,
        "opt_d": torch.optim.SGD(d.parameters(), 0.01),
        "opt_g": torch.optim.SGD(g.parameters(), 0.01),
    }  # fmt: skip
    for section in sections(ROOT / "docs" / "howto" / "own_loop.md"):
        for code in section.code("python"):
            exec(code, space)


def test_control_a_wrong_command_is_seen() -> None:
    assert shortened("ganloss train generate --data ./my_photos --minutes 10")[-4:] == [
        *("--steps", "4", "--metrics", "none")
    ]
    assert main(["train", "generate", "--no-such-flag"]) == 2
    assert sum(len(section.commands()) for section in EVERY) > 25
