"""CONTRIBUTING's "Add a loss", done literally in a copy of the project: everything finds it."""

from pathlib import Path

import pytest

from docs.copies import after, copied, run

CLASS = '''

@final
@dataclass(frozen=True)
class Quartic(ElementwisePair):
    r"""Scores drawn to 1 and 0 by fourth powers, made up for this test.

    .. math::
        L_D = E_x[(D(x) - 1)^4] + E_z[D(G(z))^4], \\qquad L_G = E_z[(D(G(z)) - 1)^4]

    Shapes: scores ``(N, ...)`` or a list of scales; batches may differ in size.

    Range: D [0, ∞), G [0, ∞).

    Use: To see that a new loss is found.

    Cost: Two squares per score and side.

    Peers: None.

    References:
        The ganloss developers, "A Test", 2025.

    >>> import torch
    >>> Quartic().generator(fake=torch.tensor([3.0]))
    tensor(16.)
    """

    def real_side(self, scores: Tensor) -> Tensor:
        """Give (score - 1)^4."""
        return (scores - 1) ** 4

    def fake_side(self, scores: Tensor) -> Tensor:
        """Give score^4."""
        return scores**4

    def generator_side(self, scores: Tensor) -> Tensor:
        """Give (score - 1)^4."""
        return (scores - 1) ** 4
'''
FORMULA = """
LOSSES["Quartic()"] = PairFormula(
    discriminator=lambda r, f: float(((r - 1) ** 4).mean() + (f**4).mean()),
    generator=lambda r, f: float(((f - 1) ** 4).mean()),
    closed=(("generator", [0.0], [3.0], 16.0),),
)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with one more class, a line in each of two dicts, and a formula."""
    copy = copied(tmp_path_factory.mktemp("project"))
    source = copy / "src" / "ganloss"
    adversarial = source / "losses" / "adversarial.py"
    adversarial.write_text(adversarial.read_text("utf-8") + CLASS, encoding="utf-8")
    after(
        source / "losses" / "__init__.py",
        '        "hinge": "ganloss.losses.adversarial:Hinge",\n',
        '        "quartic": "ganloss.losses.adversarial:Quartic",\n',
    )
    after(
        source / "games.py",
        '    "ns": Game(NonSaturating(), optimisers=_DCGAN),\n',
        '    "quartic": Game(LOSSES["quartic"](), optimisers=_DCGAN),\n',
    )
    games = source / "games.py"
    text = games.read_text("utf-8").replace("from ganloss.losses import (", _IMPORT, 1)
    games.write_text(text, encoding="utf-8")
    return copy


_IMPORT = "from ganloss.losses import (\n    LOSSES,"


def test_without_a_formula_the_tests_fail(copy: Path) -> None:
    program = (
        "from conformance import formulas; import ganloss as gl; "
        "print(formulas.missing(gl.LOSSES.values(), formulas.LOSSES))"
    )
    assert "Quartic" in run(copy, "-c", program)


@pytest.mark.long
def test_command_line_docs_battery_and_lab_find_it(copy: Path) -> None:
    formulas = copy / "tests" / "conformance" / "formulas.py"
    formulas.write_text(formulas.read_text("utf-8") + FORMULA, encoding="utf-8")
    assert "16" in run(copy, "-c", "import ganloss as gl, torch; print(gl.Quartic().generator("
                       "fake=torch.tensor([3.0])))")  # fmt: skip
    assert "quartic" in run(copy, "-m", "ganloss", "losses", "list")
    assert "fourth powers" in run(copy, "-m", "ganloss", "losses", "show", "quartic")
    page = "from pathlib import Path; import make_cards; make_cards.write(Path('cards.md'))"
    run(copy, "-c", page)
    assert "### quartic: `Quartic`" in (copy / "cards.md").read_text(encoding="utf-8")
    words = ("-p", "no:cacheprovider", "-q", "tests/conformance", "-k", "Quartic or quartic")
    tested = run(copy, "-m", "pytest", "--import-mode=importlib", *words)
    assert " passed" in tested, tested
    assert "ended with 0" in tested, tested
    words = ("compare", "--data", "demo:ring", "--losses", "ns,quartic", "--steps", "5", "-n")
    planned = run(copy, "-m", "ganloss", *words)
    assert "quartic" in planned
    assert "ended with 0" in planned
