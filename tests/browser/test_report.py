"""The report of a comparison in a real Chromium, opened from disk."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from ganloss.lab.report import write_report
from lab.comparisons import COMMAND, METRIC, pretended

SCORES = {
    "ns": [8.0, 8.8, 7.9, 9.0, 8.0],
    "hinge": [2.0, 2.1, 1.9, 2.05, 1.95],
    "r3gan": [1.0, 1.1, 0.9, 1.05, 0.95],
}
AXIS_TITLE = "document.getElementById('chart-score').layout.xaxis.title.text"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    comparison = pretended(tmp_path_factory.mktemp("lab"), SCORES, states={"ns-s3": "diverged"})
    write_report(comparison)
    return comparison.folder


@pytest.fixture
def report(visit, compared):
    def open_report(width: int = 1280, **options):
        return visit(compared, width, "report.html", **options)

    return open_report


def test_one_file_without_complaints_or_requests(report, compared):
    seen = report()
    seen.page.wait_for_selector("#chart-score .main-svg")
    seen.page.get_by_label("Share of the budget").fill("1")
    seen.page.wait_for_timeout(300)
    assert seen.complaints == []
    asked = [r for r in seen.requests if not r.startswith(("data:", "blob:"))]
    assert asked == [(compared / "report.html").as_uri()]
    assert (compared / "report.html").stat().st_size < 10e6


def test_the_slider_changes_every_picture_by_keyboard(report):
    page = report().page
    pictures = page.locator("img[data-grid]")
    assert pictures.count() == 3
    before = [p.get_attribute("src") for p in pictures.all()]
    slider = page.get_by_label("Share of the budget")
    slider.focus()
    page.keyboard.press("Home")
    after = [p.get_attribute("src") for p in pictures.all()]
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert slider.get_attribute("aria-valuetext") == "0% of the budget"
    assert page.locator("#moment-words").inner_text() == "0%"
    assert page.locator("[data-step=ns]").inner_text() == "seed 0, step 0"
    assert pictures.first.get_attribute("alt") == "Results of r3gan, seed 0, step 0"
    page.wait_for_function("document.querySelector('img[data-grid]').naturalWidth > 0")


def test_another_seed_shows_other_pictures_of_the_same_moment(report):
    page = report().page
    picture = page.locator("img[data-grid=ns]")
    before = picture.get_attribute("src")
    page.get_by_label("3", exact=True).check()
    assert picture.get_attribute("src") != before
    assert page.locator("[data-step=ns]").inner_text() == "seed 3, step 100"


def test_the_toggle_changes_the_axis(report):
    page = report().page
    assert page.evaluate(AXIS_TITLE) == "steps"
    page.get_by_label("seconds of training").check()
    assert page.evaluate(AXIS_TITLE) == "seconds of training"
    ends = "document.getElementById('chart-score').data.filter(t => t.name === 'hinge')[0].x.at(-1)"
    assert page.evaluate(ends) == pytest.approx(10.0)


def test_an_axis_has_numbers_however_close_its_values_are(report):
    page = report().page
    found = {
        ends: [
            value for value in page.evaluate(f"ticks({list(ends)}).tickvals")
            if ends[0] <= value <= ends[1]
        ]
        for ends in ((0.76, 0.88), (0.7601, 0.7609), (3, 3), (1, 80), (0.002, 1), (1e-9, 1e9))
    }  # fmt: skip
    assert found == {
        (0.76, 0.88): [0.8, 0.85],
        (0.7601, 0.7609): [0.7602, 0.7604, 0.7606, 0.7608],
        (3, 3): [3],
        (1, 80): [1, 2, 5, 10, 20, 50],
        (0.002, 1): [0.003, 0.01, 0.03, 0.1, 0.3, 1],
        (1e-9, 1e9): [10.0**power for power in range(-9, 10)],
    }


def test_bands_medians_and_failures_are_those_of_the_runs(report):
    page = report().page
    traces = page.evaluate(
        "document.getElementById('chart-score').data.map(t => [t.name || '', t.y.at(-1)])"
    )
    medians = {name: y for name, y in traces if name in SCORES}
    assert medians == pytest.approx({"ns": 8.0, "hinge": 2.0, "r3gan": 1.0})
    assert ["ns failed", 9.0] in [[name, round(y, 6)] for name, y in traces]


def test_the_table_sorts_both_ways(report):
    page = report().page
    names = page.locator("#table tbody th")
    assert names.all_inner_texts() == ["r3gan", "hinge", "ns"]
    button = page.get_by_role("button", name="mean score")
    button.focus()
    page.keyboard.press("Enter")
    assert names.all_inner_texts() == ["ns", "hinge", "r3gan"]
    head = page.get_by_role("columnheader", name="mean score")
    assert head.get_attribute("aria-sort") == "descending"
    page.get_by_role("button", name="loss", exact=True).click()
    assert names.all_inner_texts() == ["hinge", "ns", "r3gan"]


def test_only_clear_differences_are_called_clear(visit, tmp_path):
    comparison = pretended(tmp_path, SCORES | {"lsgan": [1.0, 1.0, 1.0, 1.0, 1.0]})
    write_report(comparison)
    page = visit(comparison.folder, page="report.html").page
    table = page.get_by_label("Table of comparisons")
    rows = {r.locator("th").inner_text(): r.locator("td").last.inner_text()
            for r in table.locator("tbody tr").all()}  # fmt: skip
    assert set(rows.values()) == {"yes", "no"}
    assert rows["hinge and ns"] == "yes"
    assert rows.get("lsgan and r3gan", rows.get("r3gan and lsgan")) == "no"


def test_without_javascript_everything_that_matters_is_there(report):
    page = report(java_script_enabled=False).page
    text = page.locator("body").inner_text()
    assert page.locator("#verdict").is_visible()
    assert "r3gan is the best of 3 on demo:digits after 100 steps" in text
    assert page.locator("img[data-grid]").count() == 3
    assert all(p.is_visible() for p in page.locator("img[data-grid]").all())
    assert page.locator("#table").is_visible()
    assert COMMAND in text
    assert "it is not finite" in text
    assert not page.get_by_label("Share of the budget").is_visible()


@pytest.mark.parametrize("width", [320, 400, 768, 1600])
def test_the_report_does_not_scroll_sideways(report, width):
    page = report(width).page
    page.wait_for_selector("#chart-score .main-svg")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_axe_finds_nothing(report, scheme, width):
    page = report(width, color_scheme=scheme).page
    page.wait_for_selector("#chart-score .main-svg")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = Axe().run(page)
    assert [f"{v['id']}: {v['nodes'][0]['html']}" for v in found.response["violations"]] == []


def test_axe_would_find_something(report):
    """The control: an image without words."""
    page = report().page
    page.evaluate("document.querySelector('img[data-grid]').removeAttribute('alt')")
    assert any(v["id"] == "image-alt" for v in Axe().run(page).response["violations"])


def test_hostile_names_are_text(visit, tmp_path):
    comparison = pretended(
        tmp_path, SCORES, metric=METRIC | {"name": HOSTILE, "meaning": HOSTILE},
        states={"ns-s0": "diverged"}, command=HOSTILE,
    )  # fmt: skip
    results = comparison.folder / "results.jsonl"
    safe = HOSTILE.replace('"', '\\"')
    results.write_text(results.read_text().replace("it is not finite", safe))
    write_report(comparison)
    seen = visit(comparison.folder, page="report.html")
    seen.page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))
    seen.page.wait_for_selector("#chart-score .main-svg")
    assert seen.complaints == []
    assert seen.page.locator("img[src=x]").count() == 0
    assert seen.page.locator("body").inner_text().count("<script>alert(1)") >= 3


def test_a_comparison_without_any_run_has_a_report(visit, tmp_path):
    nan = float("nan")
    comparison = pretended(tmp_path, {"ns": [nan] * 5, "r3gan": [nan] * 5})
    write_report(comparison)
    seen = visit(comparison.folder, page="report.html")
    seen.page.wait_for_timeout(300)
    assert seen.complaints == []
    assert "No seed is complete yet" in seen.page.locator("#verdict").inner_text()
    assert "ganloss compare --resume" in seen.page.locator("body").inner_text()
