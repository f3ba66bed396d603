"""Every case of bad input that is promised a sentence, and the test of it.

======================================= ========================================================
case                                    command-line test
======================================= ========================================================
empty folder, one image                 test_bad_data::test_one_sentence_and_nothing_left_over
non-image                               here, and faults/test_bad_files (57 kinds of images)
truncated, zero-byte                    test_bad_data::test_one_sentence_and_nothing_left_over
1×1, CMYK, palette, 16-bit, alpha       here: read; faults/test_bad_files
20,000 px                               test_bad_data (huge); faults/test_bad_files
unreadable: skipped, counted, listed    here; more than 5 % stops: test_bad_data (unreadable)
mixed sizes                             test_bad_data::test_what_looks_odd_and_works
pairs without partner                   here, and data/test_pairs
symlink loops                           test_bad_data (link_in_a_circle); faults (stuck)
zip bombs, ``../`` in zips              test_bad_data (bomb, escape); faults/test_bad_files
unwritable                              test_usage::test_an_unwritable_place_exits_6; faults
full disk                               faults/test_storage::test_a_full_disk
checkpoint truncated                    test_usage::test_a_damaged_checkpoint_exits_7_and_is_kept
checkpoint of another version           here
checkpoint that is malicious            here, and faults/test_bad_files
unknown loss, flag, command, penalty    test_usage::test_a_usage_mistake_exits_2_with_one_sentence
unknown term                            test_translation (MISTAKES)
NaN, divergence                         test_usage (exit 5), runs/test_divergence
out of memory                           here
HTML in any name                        here; browser; faults/test_controls
import strings                          test_own_networks, test_compare; here: a generator's
Unicode, spaces, ``LC_ALL=C``           test_usage::test_names_with_spaces_and_umlauts_…
======================================= ========================================================
"""

import json
import os
import resource
import subprocess
from pathlib import Path

import pytest
import torch
from PIL import Image

from cli.runs import COMMAND, environment, only_run
from data.folders import every_kind, fill
from ganloss.cli import main
from ganloss.engine import checkpoint

SHORT = ("--steps", "1", "--metrics", "none", "--batch-size", "4", "--image-size", "8", "--loss",
         "ns", "--threads", "1")  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANLOSS_CACHE", str(tmp_path / "cache"))


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err
    assert said.startswith("ganloss: ")
    assert len(said.strip().splitlines()) == 1
    return said


def test_a_file_that_is_no_image_is_skipped_counted_and_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill(Path("photos"), 24)
    Path("photos/note.png").write_text("<html>not an image</html>")
    assert main(["train", "generate", "--data", "photos", *SHORT]) == 0
    said = capsys.readouterr()
    assert "1 unreadable skipped" in said.out
    assert "note.png: cannot identify image file" in said.out
    status = json.loads((only_run(Path("runs")) / "status.json").read_text("utf-8"))
    assert status["data"]["skipped"][0][0] == "note.png"


def test_odd_images_that_are_whole_are_read() -> None:
    every_kind(Path("photos"))
    Image.new("RGB", (1, 1), "red").save("photos/one.png")
    assert main(["train", "generate", "--data", "photos", *SHORT]) == 0
    status = json.loads((only_run(Path("runs")) / "status.json").read_text("utf-8"))
    assert status["data"]["skipped"] == []


def test_pairs_without_partners_stop_with_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    fill(Path("pairs/trainA"), 40)
    fill(Path("pairs/trainB"), 30)
    words = ("train", "paired", "--data", "pairs", "--image-size", "16", "--steps", "1")
    assert main([*words]) == 3
    said = sentence(capsys)
    assert "have no partner" in said or "has no partner" in said
    assert "03" in said
    assert not Path("runs").exists()


class Touch:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"schema": 99, "digest": "", "state": {}}, "format 99 and this version reads 1"),
        ({"schema": 1, "digest": "", "state": Touch()}, "not a readable checkpoint"),
        (Touch(), "not a readable checkpoint"),
    ],
)
def test_a_checkpoint_of_another_version_or_with_code(
    payload: object, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ring = ("train", "generate", "--data", "demo:ring", "--loss", "ns", "--metrics", "none")
    assert main([*ring, "--steps", "1"]) == 0
    last = only_run(Path("runs")) / "checkpoints" / "last.pt"
    torch.save(payload, last)
    before = last.read_bytes()
    capsys.readouterr()
    assert main([*ring, "--steps", "2", "--resume"]) == 7
    assert words in sentence(capsys)
    assert last.read_bytes() == before
    assert not Path("ran").exists()


def test_a_checkpoint_of_another_run_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    ring = ("train", "generate", "--data", "demo:ring", "--loss", "ns", "--metrics", "none")
    assert main([*ring, "--steps", "1"]) == 0
    last = only_run(Path("runs")) / "checkpoints" / "last.pt"
    state = checkpoint.load(last)
    state["engine"]["networks"]["g"] = {}
    checkpoint.save(state, last)
    capsys.readouterr()
    assert main([*ring, "--steps", "2", "--resume"]) == 7
    assert "does not belong to this configuration" in sentence(capsys)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no file"),
        (b"steps: [1,", "not one of lines `name: value` in YAML"),
        (b"- steps\n- 1\n", "not one of lines `name: value` in YAML"),
        (b"\xff\xfe", "not one of lines `name: value` in YAML"),
        (b"stepz: 3\n", "has 'stepz', which is no flag; did you mean 'steps'?"),
        (b"steps: many\n", "--steps is 'many'; it takes a whole number"),
        (b"data: demo:digits\nlr: .inf\n", "--lr is inf; it must be a finite number"),
        (b"data: demo:digits\nminutes: .nan\n", "--minutes is nan; it must be a finite number"),
    ],
)
def test_a_configuration_that_is_none(
    content: bytes | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path("run.yaml").write_bytes(content)
    assert main(["train", "generate", "--config", "run.yaml"]) == 2
    assert words in sentence(capsys)


def test_html_in_a_name_is_text_on_the_page() -> None:
    name = "<img src=x onerror=alert(1)>"
    fill(Path(name), 12)
    assert main(["train", "generate", "--data", name, *SHORT, "--name", "<b>bold"]) == 0
    page = (only_run(Path("runs")) / "index.html").read_text("utf-8")
    assert "<img src=x" not in page
    assert "<b>bold" not in page
    assert "&lt;img src=x" in page


def test_a_generator_that_names_code_is_not_imported(capsys: pytest.CaptureFixture[str]) -> None:
    Path("evil.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    ring = ("train", "generate", "--data", "demo:ring", "--loss", "ns", "--metrics", "none")
    assert main([*ring, "--steps", "1"]) == 0
    about = only_run(Path("runs")) / "export" / "config.json"
    values = json.loads(about.read_text("utf-8")) | {"generator": "evil.py:Net"}
    about.write_text(json.dumps(values), "utf-8")
    capsys.readouterr()
    assert main(["sample", str(only_run(Path("runs")))]) == 2
    assert "--allow-code" in sentence(capsys)
    assert not Path("ran").exists()


def _little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="the limit is Linux's")
def test_out_of_memory_says_which_flag_to_lower(tmp_path: Path) -> None:
    words = ("train", "generate", "--data", "demo:ring", "--loss", "ns", "--metrics", "none",
             "--batch-size", "200000000", "--steps", "2")  # fmt: skip
    done = subprocess.run(
        [*COMMAND, *words], cwd=tmp_path, env=environment(), capture_output=True, text=True,
        timeout=120, preexec_fn=_little_memory,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    assert "out of memory: lower --batch-size (now 200000000)" in done.stderr
    assert "Traceback" not in done.stderr
