"""``ganloss compare`` and ``report``, as typed."""

from pathlib import Path

import pytest

from cli.runs import run
from ganloss.cli.compare import _seeds, _with_budget
from ganloss.lab.results import Comparison
from ganloss.runs.settings import GenerateSettings


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    home = tmp_path_factory.mktemp("compare")
    found = run(
        "compare", "--data", "demo:ring", "--losses", "ns,hinge,lsgan", "--seeds", "0-2", "--steps",
        "10", "--snap", "5", "--out", "runs", cwd=home,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return home, found.stdout


def folder_of(home: Path) -> Path:
    (folder,) = (home / "runs").iterdir()
    return folder


def test_the_first_sentence_answers_and_the_report_is_named(compared):
    home, said = compared
    assert "3 variants × 3 seeds = 9 runs of 10 steps" in said
    assert "the smallest p that 3 seeds can reach is 0.028" in said
    assert "on demo:ring after 10 steps" in said
    assert "report    runs/compare-0001-ring/report.html" in said
    text = (home / "runs/compare-0001-ring/report.html").read_text(encoding="utf-8")
    assert "<span>compare</span> <span>--data</span> <span>demo:ring</span>" in text


def test_report_writes_the_page_anew(compared):
    home, _ = compared
    folder = folder_of(home)
    (folder / "report.html").unlink()
    found = run("report", str(folder), cwd=home)
    assert found.returncode == 0, found.stderr
    assert (folder / "report.html").exists()


def test_resuming_what_is_done_changes_nothing(compared):
    home, _ = compared
    folder = folder_of(home)
    before = (folder / "results.jsonl").read_bytes()
    for words in (["--resume", str(folder)], ["--resume", "--data", "demo:ring", "--losses",
                  "ns,hinge,lsgan", "--seeds", "0-2", "--steps", "10", "--snap", "5"]):  # fmt: skip
        found = run("compare", *words, cwd=home)
        assert found.returncode == 0, found.stderr
    assert (folder / "results.jsonl").read_bytes() == before
    assert len(list((home / "runs").iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--data", "demo:ring", "--losses", "ns"], "at least two variants"),
        (["--data", "demo:ring", "--losses", "ns,hinje"], "did you mean 'hinge'?"),
        (["--losses", "ns,hinge"], "which images? Add --data"),
        (["--data", "demo:ring", "--seeds", "four"], "--seeds is 'four'; give e.g. 0-4"),
        (["--data", "demo:ring", "--seeds", "1,1"], "names no seed, or one twice"),
        (["--data", "demo:ring", "--steps", "5", "--minutes", "1"], "keep one"),
        (["--data", "demo:ring", "--steps", "5", "--budget", "seconds"], "say --minutes X instead"),
        (["--data", "demo:ring", "--task", "pairs"], "--task is 'pairs'"),
        (["--data", "demo:ring", "--seed", "3"], "there is no --seed; did you mean '--seeds'?"),
        (["--resume", "nowhere"], "nowhere is no comparison"),
        (["--resume", "runs", "--steps", "5"], "goes on as it was planned, and --steps was given"),
        (["--data", "demo:ring", "--vary", "data=a,b"], "cannot be compared"),
        (["--data", "demo:ring", "--losses", ""], "--losses names none"),
        (["--data", "demo:ring", "--workers", "0"], "--workers is 0"),
    ],
)
def test_mistakes_are_named_with_their_mend(words, sentence, tmp_path):
    found = run("compare", *words, cwd=tmp_path)
    assert found.returncode == 2
    assert sentence in found.stderr
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "runs").exists()


def test_data_that_cannot_be_used_end_with_their_own_code(tmp_path):
    found = run(
        "compare", "--data", "nowhere", "--losses", "ns,hinge", "--steps", "5", cwd=tmp_path
    )
    assert found.returncode == 3
    assert "nowhere" in found.stderr
    assert "Traceback" not in found.stderr
    assert not list((tmp_path / "runs").iterdir()), "nothing was trained, and nothing is left"


def refuses_code_in_its_plan(home: Path, old: str, new: str) -> None:
    """Somebody changed the plan, and the comparison is to go on."""
    folder = folder_of(home)
    plan = (folder / "plan.yaml").read_text()
    assert old in plan
    (folder / "plan.yaml").write_text(plan.replace(old, new, 1))
    (folder / "results.jsonl").unlink()
    found = run("compare", "--resume", str(folder), cwd=home)
    assert found.returncode == 2
    assert "importing that runs it" in found.stderr
    assert not (home / "ran").exists()


def test_code_in_a_plan_is_not_run_without_being_asked_for(tmp_path):
    (tmp_path / "evil.py").write_text(
        "from pathlib import Path\nPath('ran').touch()\nimport torch\nNet = torch.nn.Identity\n"
    )
    words = ["compare", "--data", "demo:ring", "--losses", "ns,hinge", "--seeds", "0-1"]
    (tmp_path / "c.yaml").write_text("generator: evil.py:Net\n")
    found = run(*words, "--steps", "2", "--config", "c.yaml", cwd=tmp_path)
    assert found.returncode == 2
    assert "add --allow-code" in found.stderr

    made = run(*words, "--steps", "2", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    refuses_code_in_its_plan(tmp_path, "generator: ''", "generator: evil.py:Net")


def test_code_that_variants_name_is_not_run_without_being_asked_for(tmp_path):
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    words = ["compare", "--data", "demo:ring", "--losses", "ns", "--seeds", "0-1", "--steps", "2"]
    (tmp_path / "c.yaml").write_text("vary: ['generator=evil.py:A,evil.py:B']\n")
    found = run(*words, "--config", "c.yaml", cwd=tmp_path)
    assert found.returncode == 2
    assert "the configuration names code, generator evil.py:A" in found.stderr

    made = run(*words, "--vary", "lr=1e-4,1e-3", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    refuses_code_in_its_plan(tmp_path, "lr: 0.001\n", "generator: evil.py:A\n")
    typed = run(*words, "--vary", "generator=evil.py:A,evil.py:B", cwd=tmp_path)
    assert "evil.py has no '" in typed.stderr  # typed, it is imported
    assert (tmp_path / "ran").exists()


def test_a_dry_run_trains_nothing_also_of_a_comparison_that_has_begun(compared):
    home, _ = compared
    folder = folder_of(home)
    results = folder / "results.jsonl"
    rows = results.read_text()
    results.write_text("".join(rows.splitlines(keepends=True)[:-1]))
    found = run("compare", "--resume", str(folder), "-n", cwd=home)
    left = results.read_text()
    results.write_text(rows)
    assert found.returncode == 0, found.stderr
    assert "9 runs of 10 steps" in found.stdout
    assert "ended    8 of them" in found.stdout
    assert len(left.splitlines()) == 8


def test_the_task_may_come_from_the_configuration(tmp_path):
    (tmp_path / "c.yaml").write_text("task: unpaired\ndata: nowhere\nlosses: lsgan,hinge\n")
    found = run("compare", "--config", "c.yaml", "--lambda-cycle", "5", "--steps", "2",
                cwd=tmp_path)  # fmt: skip
    assert found.returncode == 3, found.stderr  # a flag of unpaired runs is known; the data are not
    assert "nowhere" in found.stderr
    typed = run("compare", "--config", "c.yaml", "--lambda-cycle", "5", "--task", "generate",
                cwd=tmp_path)  # fmt: skip
    assert typed.returncode == 2, "a flag wins, and generating knows no cycle"
    assert "there is no --lambda-cycle" in typed.stderr


@pytest.mark.long
def test_pairs_are_compared_by_what_varies(tmp_path):
    found = run(
        "compare", "--task", "paired", "--data", "demo:sketches", "--image-size", "32", "--vary",
        "term.ssim=0,10", "--loss", "none", "--width", "4", "--depth", "2", "--seeds", "0-1",
        "--steps", "2", "--snap", "1", cwd=tmp_path,
    )  # fmt: skip
    assert found.returncode == 2  # compare names its losses with --losses
    assert "--loss" in found.stderr
    found = run(
        "compare", "--task", "paired", "--data", "demo:sketches", "--image-size", "32", "--vary",
        "term.ssim=0,10", "--losses", "none", "--width", "4", "--depth", "2", "--seeds", "0-1",
        "--steps", "2", "--snap", "1", cwd=tmp_path,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    comparison = Comparison(folder_of(tmp_path))
    assert [row["state"] for row in comparison] == ["finished"] * 4
    assert {row["variant"] for row in comparison} == {"ssim=0", "ssim=10"}
    assert comparison[0]["metric"]["key"] == "l1"


def test_seeds_and_budgets():
    assert _seeds("3-5,9") == [3, 4, 5, 9]
    digits = GenerateSettings(data="demo:digits")
    assert _with_budget(digits, None).steps == 2000
    assert _with_budget(GenerateSettings(data="x", steps=100), "images").kimg == 6.4
    assert _with_budget(GenerateSettings(data="x", minutes=2), "seconds").minutes == 2
    assert _with_budget(digits, "seconds").seconds == 60


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("losses: [ns, hinge]", "ns and hinge"),
        ("seeds: 3", "× 1 seeds"),
        ("seeds: [0, 1, 2]", "× 3 seeds"),
        ("baseline: ns", "each against ns"),
    ],
)
def test_a_configuration_may_have_lists_and_numbers(line, words, tmp_path):
    losses = "" if "losses" in line else "losses: ns,hinge\n"
    (tmp_path / "c.yaml").write_text(f"data: demo:ring\nsteps: 5\n{losses}{line}\n")
    found = run("compare", "-c", "c.yaml", "-n", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert words in found.stdout


def test_runs_that_all_diverge_end_with_their_code(tmp_path):
    found = run("compare", "--data", "demo:ring", "--losses", "ns,hinge", "--lr", "1e30", "--seeds",
                "0-1", "--steps", "6", cwd=tmp_path)  # fmt: skip
    assert found.returncode == 5, found.stdout
    assert "Every run failed on demo:ring after 6 steps. The first: " in found.stdout
    assert found.stdout.count("is not finite") + found.stdout.count("is nan") >= 4
