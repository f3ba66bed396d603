"""`ganloss weights`: what is here, where it belongs, and what to do offline."""

from pathlib import Path

import pytest

from cli.runs import run
from ganloss._weights import WEIGHTS
from ganloss.cli import main

FILE = WEIGHTS["inception"].file


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and a proxy that is not there."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("GANLOSS_WEIGHTS", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def test_the_list_names_every_file_with_its_licence_and_where_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / FILE).write_bytes(bytes(3_000_000))
    monkeypatch.setenv("GANLOSS_WEIGHTS", str(own))
    assert main(["weights"]) == main(["weights", "list"]) == 0
    text = capsys.readouterr().out
    for weights in WEIGHTS.values():
        assert weights.url in text
        assert weights.licence in text
    assert f"3 MB, {own / FILE}" in text
    assert text.count("not here") == 2 * (len(WEIGHTS) - 1)
    assert str(tmp_path / "torch" / "hub" / "checkpoints") in text


def test_path_and_fetch_give_a_file_that_is_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "torch" / "hub" / "checkpoints" / FILE
    path.parent.mkdir(parents=True)
    path.touch()
    assert main(["weights", "path", "inception"]) == main(["weights", "fetch", "inception"]) == 0
    assert capsys.readouterr().out.split() == [str(path), str(path)]


def test_fetch_offline_says_where_it_looked_and_two_ways_out(tmp_path: Path) -> None:
    done = run("weights", "fetch", "inception", cwd=tmp_path)
    assert done.returncode == 4
    for words in (FILE, str(tmp_path / "torch"), "elsewhere", "or do without"):
        assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.pth"))


def test_a_download_is_kept_only_if_it_is_the_right_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server is a file:// address here; its content has another SHA-256."""
    from dataclasses import replace

    from ganloss import _weights

    served = tmp_path / "served" / FILE
    served.parent.mkdir()
    served.write_bytes(b"not these weights")
    wrong = replace(WEIGHTS["inception"], url=served.as_uri())
    monkeypatch.setitem(_weights.WEIGHTS, "inception", wrong)
    assert main(["weights", "fetch", "inception"]) == 4
    assert "invalid hash value" in capsys.readouterr().err
    assert not list((tmp_path / "torch").rglob("*.pth"))


def test_a_download_lands_in_the_first_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import hashlib
    from dataclasses import replace

    from ganloss import _weights

    content = b"the right weights"
    served = tmp_path / f"weights-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    served.write_bytes(content)
    right = replace(WEIGHTS["inception"], url=served.as_uri())
    monkeypatch.setitem(_weights.WEIGHTS, "inception", right)
    monkeypatch.setenv("GANLOSS_WEIGHTS", str(tmp_path / "own"))
    assert main(["weights", "fetch", "inception"]) == 0
    assert (tmp_path / "own" / served.name).read_bytes() == content
    assert str(tmp_path / "own" / served.name) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["path", "inception"], 4, "ganloss weights fetch inception"),
        (["path", "inceptoin"], 2, "did you mean 'inception'?"),
        (["remove", "inception"], 2, "fetch NAME or path NAME"),
    ],
)
def test_mistakes(
    words: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", *words]) == code
    assert sentence in capsys.readouterr().err
