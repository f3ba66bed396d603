"""The page of a run: complete, safe, and never broken by what is missing."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from ganloss._version import __version__
from ganloss.runs.page import STATES, duration, number, write_page
from runs.fake_run import COMMAND, fake_run, healthy_rows

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"
#: Elements that HTML leaves without an end tag.
VOID = {"meta", "link", "img", "input", "source", "br"}


class Page(HTMLParser):
    """What a browser would make of a page: elements with attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open and self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if not {"script", "style"} & set(self._open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(run: Path) -> Page:
    return Page(write_page(run).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = fake_run(tmp_path_factory.mktemp("runs") / "00003-wgan-gp-digits-s0")
    write_page(run)
    return run


def test_the_page_tells_what_happened(finished):
    text = page_of(finished).text
    last = healthy_rows()[-1]["fd"]
    assert "Finished" in text
    assert (
        f"fd-digits@897 is {last:.3g}, which is {last / 10.1:.3g} times the score of 897 training "
        "images against the same held-out ones (10.1); uniform noise scores 2,100." in text
    )
    assert "Fréchet distance between samples and real images; lower is better." in text
    assert "digits, 900 images, 8×8 gray" in text
    assert "The players are balanced" in text
    assert COMMAND in text
    assert "ganloss train generate --data demo:digits --loss r3gan --minutes 5" in text
    assert "77,313 parameters" in text
    assert "Nearest neighbours: samples are 1.02 times" in text
    assert f"Written by ganloss {__version__}" in text


def test_everything_that_matters_is_there_without_javascript(finished):
    page = page_of(finished)
    sources = [image["src"] for image in page.all("img")]
    assert sources == ["samples/000700.png", "reals.png", "progress.gif"]
    text = (finished / "index.html").read_text(encoding="utf-8")
    table = [re.findall(r"<td>([^<]*)</td>", line) for line in text.splitlines()]
    scores = [cells[3] for cells in table if len(cells) == 7]
    assert len(scores) == 21
    assert scores == [number(row["fd"]) for row in healthy_rows() if "fd" in row]


def test_every_picture_chart_and_input_has_words(finished):
    page = page_of(finished)
    assert page.all("html")[0]["lang"] == "en"
    assert all(image.get("alt") for image in page.all("img"))
    charts = [div for div in page.all("div") if div.get("role") == "img"]
    assert len(charts) == 6
    assert all("goes from" in (chart["aria-label"] or "") for chart in charts)
    text = (finished / "index.html").read_text(encoding="utf-8")
    assert '<label for="slider">' in text
    assert text.count("<legend>") == text.count("<fieldset") == 1


def test_headings_are_in_order(finished):
    levels = [int(tag[1]) for tag, _ in page_of(finished).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_ids_are_unique_and_labels_point_to_them(finished):
    page = page_of(finished)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    pointed = [a[key] for _, a in page.elements for key in ("for", "aria-labelledby") if key in a]
    assert pointed
    assert set(pointed) <= set(ids)


def test_nothing_comes_from_a_network(finished):
    page = page_of(finished)
    keys = ("src", "href", "srcset", "action", "data", "poster")
    links = [a[key] or "" for _, a in page.elements for key in keys if key in a]
    assert len(links) > 8
    for link in links:
        assert link == "data:," or (finished / link).is_file(), link
    text = (finished / "index.html").read_text(encoding="utf-8")
    assert re.search(r"https?:|//[a-z]+\.|@import|url\(|fetch\(|XMLHttp|WebSocket", text) is None


def test_plotly_lies_beside_the_page_and_is_written_once(finished):
    script = finished / "plotly.min.js"
    assert script.stat().st_size > 1e6
    before = script.stat().st_mtime_ns
    write_page(finished)
    assert script.stat().st_mtime_ns == before


def test_the_same_folder_gives_the_same_page(finished, tmp_path):
    first = write_page(finished).read_bytes()
    assert write_page(finished).read_bytes() == first
    other = fake_run(tmp_path / "elsewhere" / finished.name)
    assert write_page(other).read_bytes() == first


def test_only_a_running_page_refreshes_itself(tmp_path):
    for state in STATES:
        run = fake_run(tmp_path / state, rows=healthy_rows(70), film=False, state=state)
        refreshes = [m for m in page_of(run).all("meta") if m.get("http-equiv") == "refresh"]
        assert [m["content"] for m in refreshes] == (["10"] if state == "running" else [])


def test_a_running_page_says_how_far_it_is(tmp_path):
    run = fake_run(
        tmp_path / "a", rows=healthy_rows(210), film=False, state="running", step=210, seconds=21.0
    )
    page = page_of(run)
    assert "Training now" in page.text
    assert "Step 210 of 700, about 49 s left." in page.text
    assert page.all("progress") == [
        {"max": "700", "value": "210", "aria-label": "Progress of the run"}
    ]
    slider = next(i for i in page.all("input") if i.get("id") == "slider")
    assert slider["value"] == slider["max"] == "6"


def test_a_run_that_is_limited_by_time_has_no_bar(tmp_path):
    run = fake_run(tmp_path / "a", rows=healthy_rows(70), state="running", step=70, steps=None)
    page = page_of(run)
    assert page.all("progress") == []
    assert "Steps70 Real images shown" in page.text


def test_a_run_that_failed_says_why(tmp_path):
    run = fake_run(tmp_path / "a", state="diverged", message="d.total is not finite")
    text = page_of(run).text
    assert "Diverged" in text
    assert "d.total is not finite" in text


def test_a_better_score_before_the_last_is_named(tmp_path):
    rows = [
        {"step": 35 * i, "images": i, "seconds": i, "fd": fd} for i, fd in enumerate([90, 9, 30])
    ]
    text = page_of(fake_run(tmp_path / "a", rows=rows)).text
    assert "The best so far was 9 at step 35." in text


def hostile_run(path: Path) -> Path:
    rows = healthy_rows(140)
    for row in rows:
        if "d" in row:
            row["d"][HOSTILE] = 1.0
    run = fake_run(
        path,
        rows=rows,
        state=HOSTILE,
        title=HOSTILE,
        message=HOSTILE,
        data={"name": HOSTILE, "images": 9, "shape": [3, 8, 8], "skipped": [[HOSTILE, HOSTILE]]},
        metric={"name": HOSTILE, "meaning": HOSTILE, "reference": 10.0,
                "reference_meaning": HOSTILE, "noise": 2000.0},
        facts={HOSTILE: HOSTILE},
        next=[HOSTILE],
        extra={HOSTILE: HOSTILE},
    )  # fmt: skip
    (run / "command.txt").write_text(HOSTILE, encoding="utf-8")
    (run / "config.yaml").write_text(json.dumps({HOSTILE: HOSTILE}), encoding="utf-8")
    (run / "env.json").write_text(json.dumps({HOSTILE: HOSTILE}), encoding="utf-8")
    (run / "samples" / "<img src=x onerror=alert(3)>.png").write_bytes(b"")
    return run


def test_nothing_from_outside_becomes_markup(tmp_path):
    innocent = fake_run(tmp_path / "innocent", rows=healthy_rows(140))
    expected = {tag for tag, _ in page_of(innocent).elements} | {"figure"}
    page = page_of(hostile_run(tmp_path / "<b onclick=alert(4)>&amp;"))
    assert {tag for tag, _ in page.elements} <= expected
    assert len(page.all("script")) == 3
    assert page.text.count(HOSTILE) > 10
    names = {name for _, attributes in page.elements for name in attributes}
    assert not any(name.startswith("on") for name in names)
    assert "49" not in page.text.replace(HOSTILE, "")


def test_data_in_the_script_is_the_data(tmp_path):
    text = write_page(hostile_run(tmp_path / "a")).read_text(encoding="utf-8")
    block = re.search(r'<script type="application/json" id="run">(.*?)</script>', text, re.S)
    assert block is not None
    values = json.loads(block[1])
    assert [name for name, _ in values["samples"]] == [0, 35, 70, 105, 140]
    terms = next(c for c in values["charts"] if c["key"] == "penalties")["lines"]
    assert [line["name"] for line in terms] == ["D: gp", f"D: {HOSTILE}"]


def test_an_empty_folder_has_a_page(tmp_path):
    page = page_of(tmp_path)
    assert "State unknown" in page.text
    assert "No pictures yet." in page.text
    assert "Too few recorded steps to judge." in page.text


@pytest.mark.parametrize("name", [
    "status.json", "metrics.jsonl", "config.yaml", "command.txt", "env.json", "reals.png",
    "progress.gif", "samples",
])  # fmt: skip
def test_each_piece_may_be_missing(tmp_path, name):
    run = fake_run(tmp_path / "a", rows=healthy_rows(140))
    if name == "samples":
        for picture in (run / name).iterdir():
            picture.unlink()
        (run / name).rmdir()
    else:
        (run / name).unlink()
    page_of(run)


@pytest.mark.parametrize("name", ["status.json", "metrics.jsonl", "config.yaml", "env.json"])
@pytest.mark.parametrize("content", [
    b"", b"null", b"[]", b'"x"', b'{"step": 1, "d": 3, "fd": "x"', b"\xff\xfe\x00", b"a: [b",
    b'{"metric": 1, "data": [], "facts": 2, "next": 3, "extra": [], "step": "x", "steps": NaN}',
    b'{"step": 1, "d": 3, "g": [], "scores": 1, "gradient": null, "shares": 4, "fd": true}',
    b'{"step": 1, "shares": ["a", null], "fd": 1e999, "images": NaN}',
    b'{"data": {"shape": [1, "x"], "images": {}, "skipped": [[], 1]}, "metric": {"name": 1}}',
])  # fmt: skip
def test_each_piece_may_be_damaged(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    page_of(tmp_path)


def test_a_half_written_last_line_is_left_out(tmp_path):
    run = fake_run(tmp_path / "a", rows=healthy_rows(140))
    whole = write_page(run).read_bytes()
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"step": 147, "images": 4704')
    assert write_page(run).read_bytes() == whole


def test_numbers_that_are_not_finite_become_gaps_and_a_verdict(tmp_path):
    rows = healthy_rows(140)
    rows[-1]["d"]["total"] = float("nan")
    run = fake_run(tmp_path / "a", rows=rows, state="diverged")
    assert "Loss d.total is nan since step 140" in page_of(run).text
    text = (run / "index.html").read_text(encoding="utf-8")
    block = re.search(r'id="run">(.*?)</script>', text, re.S)
    assert block is not None
    charts = json.loads(block[1], parse_constant=pytest.fail)["charts"]
    assert next(c for c in charts if c["key"] == "losses")["lines"][0]["y"][-1] is None


def test_a_run_without_a_metric_has_no_score(tmp_path):
    rows = [{k: v for k, v in row.items() if k not in ("fd", "shares")} for row in healthy_rows()]
    page = page_of(fake_run(tmp_path / "a", rows=rows, metric=None, film=False))
    assert "Score of the samples" not in page.text
    assert "Table of scores" not in page.text
    assert "Losses" in page.text


def test_a_long_run_gives_a_small_page(tmp_path):
    row = healthy_rows(140)[-1]
    rows = [row | {"step": i, "images": 320 * i, "seconds": i * 0.1} for i in range(1, 20_001)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert write_page(tmp_path).stat().st_size < 500_000


@pytest.mark.parametrize(("seconds", "words"), [
    (0.4, "0 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (3599.7, "1 h 0 min"),
])  # fmt: skip
def test_durations_are_written_as_people_say_them(seconds, words):
    assert duration(seconds) == words
