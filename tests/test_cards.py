"""Loss cards: complete for every entry, and readable."""

import subprocess
import sys

import pytest

import ganloss as gl
from ganloss._latex import plain
from ganloss.cards import Reference, card, cards
from ganloss.cli import main
from ganloss.games import ALIASES

EVERY = list(cards())


@pytest.mark.parametrize("found", EVERY, ids=lambda found: found.name)
def test_every_card_is_complete(found):
    for part in ("summary", "needs", "use", "cost", "peers"):
        assert getattr(found, part), part
    assert found.formula
    assert found.formula_text
    assert found.references
    assert set(found.meanings) >= set(found.settings), "every setting is explained"
    for reference in found.references:
        assert reference.authors, reference.text
        assert reference.year, reference.text
        assert reference.text.endswith(".")


@pytest.mark.parametrize("found", EVERY, ids=lambda found: found.name)
def test_formulas_are_free_of_latex(found):
    for text in (found.formula_text, found.summary, found.use, found.peers, *found.notes):
        assert not set(text) & set("\\&`$"), text
        assert text.count("(") == text.count(")"), text


def test_cards_cover_every_registry():
    names = [found.name for found in EVERY]
    assert names == [*gl.LOSSES, *gl.PENALTIES, *gl.GENERATOR_PENALTIES, *gl.TERMS]


def test_a_card_is_found_by_its_name_or_its_class():
    assert card("ssim") == card("SSIM")
    assert card("Least_Squares").name == "least-squares"
    with pytest.raises(KeyError, match="did you mean 'ssim'"):
        card("sssim")


def test_defaults_and_meanings_are_those_of_the_class():
    assert card("least-squares").settings == {
        "fake_target": "0.0",
        "real_target": "1.0",
        "generator_target": "1.0",
    }
    assert card("ssim").settings["data_range"] == ""
    assert card("hinge").meanings["margin"].startswith("m, positive; 1 in the papers")


def test_a_term_with_two_sides_says_what_each_player_needs():
    assert card("ac-gan").needs == (
        "for D: real, real_labels, fake, fake_labels; for G: fake, fake_labels"
    )


def test_bibtex():
    reference = Reference.parse(
        'Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, '
        "arXiv:1704.00028, eq. 3 and algorithm 1."
    )
    assert reference.bibtex.splitlines() == [
        "@misc{gulrajani2017improved,",
        "  author = {Gulrajani and others},",
        "  title = {{Improved Training of Wasserstein GANs}},",
        "  year = {2017},",
        "  eprint = {1704.00028},",
        "  archiveprefix = {arXiv},",
        "}",
    ]


def test_two_papers_are_two_references():
    assert [r.year for r in card("hinge").references] == ["2017", "2018"]


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"\tfrac1n \sum_i |x_i - y_i|", "(1)/(n) Σ_i |x_i - y_i|"),
        (r"E[\log \sigma(D(x))]", "E[log σ(D(x))]"),
        (r"\lVert \nabla_{\hat x} D(\hat x) \rVert_2^2", "‖∇_x\u0302 D(x\u0302)‖_2²"),
        (r"10^{-12} + e^{u - v}", "10⁻¹² + e^(u - v)"),
        (r"a \\ b, \qquad c", "a\nb\nc"),
        (r"\mathrm{softplus}(-x)", "softplus(-x)"),
        (r"f^*(g)", "f*(g)"),
        (r"\sqrt{(x - y)^2 + \epsilon^2}", "√((x - y)² + ε²)"),
        (r"C(y \mid x) \neq \cos(\tilde d)", "C(y | x) ≠ cos(d\u0303)"),
    ],
)
def test_latex_in_plain_text(latex: str, text: str):
    assert plain(latex) == text.replace("(1)/(n)", "1/n")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ganloss", "losses", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def test_the_commands():
    listed = run("list")
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in (*gl.LOSSES, *gl.PENALTIES, *gl.TERMS))
    assert all(f" {card.cls.__name__} " in listed.stdout for card in cards()), (
        "a narrow terminal has them in front of what they are"
    )
    shown = run("show", "wasserstein")
    assert "L_D = E_z[D(G(z))] - E_x[D(x)]" in shown.stdout
    assert run("show", "ssim", "--bibtex").stdout.startswith("@misc{wang2004image,")


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["losses", "show", *words]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_a_game_is_shown_with_what_its_paper_sets(capsys: pytest.CaptureFixture[str]):
    """Gulrajani et al. 2017, algorithm 1: λ = 10, n = 5, Adam with α = 1e-4, β = (0, 0.9)."""
    text = shown(capsys, "wgan-gp")
    for words in (
        "game, train --loss wgan-gp",
        "also called wgangp",
        "pair Wasserstein()",
        "gp = 10.0 × GradientPenalty(center=1.0",
        "steps 5 of D for each of G",
        "optimisers Adam(lr=0.0001, betas=(0.0, 0.9))",
        "cards wasserstein, gp",
    ):
        assert words in text
    assert "gulrajani2017improved" in shown(capsys, "wgan-gp", "--bibtex")


@pytest.mark.parametrize("name", sorted(gl.GAMES))
def test_every_name_that_train_takes_is_shown(name: str, capsys: pytest.CaptureFixture[str]):
    text, game = shown(capsys, name), gl.GAMES[name]
    assert f"{name} game, train --loss {name}" in text
    assert all(f"{key} = {w.weight!r} ×" in text for key, w in game.penalties.items())
    assert type(game.pair).__name__ in text
    assert ("another name of" in text) == (name in ALIASES)


def test_a_name_of_a_pair_and_a_game_shows_both(capsys: pytest.CaptureFixture[str]):
    text = shown(capsys, "hinge")
    assert "hinge pair, ganloss.Hinge" in text
    assert "constraint SpectralNorm()" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("show", "wgan-pg"), "did you mean 'wgan-gp'"),
        (("show", "hinje"), "did you mean 'hinge'"),
        (("show",), "not understood"),
        (("describe", "ssim"), "not understood"),
        (("list", "--all"), "there is no --all"),
    ],
)
def test_mistakes_are_usage_errors(words: tuple[str, ...], sentence: str):
    done = run(*words)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_the_catalogue_lists_every_pair_penalty_and_game():
    from pathlib import Path

    from ganloss.games import ALIASES

    text = (Path(__file__).parents[1] / "docs" / "catalogue.md").read_text(encoding="utf-8")
    classes = [cls.__name__ for registry in (gl.LOSSES, gl.PENALTIES) for cls in registry.values()]
    assert [name for name in classes if f"`{name}(" not in text] == []
    assert [name for name in gl.GAMES if name not in ALIASES and f"`{name}`" not in text] == []


def test_every_card_says_what_was_measured():
    """Missing: run `python -m benchmarks.costs NAME`."""
    from ganloss.cards import cards

    assert [card.name for card in cards() if not card.measured] == []


def test_other_libraries_have_nothing_that_is_missing_here():
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
    try:
        import make_features
    finally:
        sys.path.pop(0)
    features = [f for table in make_features.TABLES.values() for f in table]
    assert [f.what for f in features if not f.exists] == []
    control = make_features.Feature("nothing", "T", ("NoSuchLoss",))
    assert not control.exists
    assert not make_features.Feature("nothing", "T", ("Hinge(no_such_argument=1)",)).exists
    assert make_features._row(control) == "| nothing | yes |  |  | **no** | `NoSuchLoss` |"


def test_cards_say_which_numbers_are_of_one_process_only():
    """SPEC 1.1: of statistics of the batch, with or without a way out, and of running averages."""
    option = "unless across_processes"
    found = {card.name: option in card.needs for card in cards() if "process" in card.needs}
    averages = ("lecam", "path-length", "boundary-equilibrium")
    pairs = ("relativistic-average", "dual-contrastive", "softmax", "mmd")
    others = ("max-gp", "mode-seeking", "pulling-away", "2c", "d2d-ce", "mean-feature-matching")
    assert found == dict.fromkeys((*averages, *pairs, *others), True)
    for name in averages:
        assert "its controller's average" in card(name).needs
