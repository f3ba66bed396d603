"""The page of a run in a real Chromium, opened from disk."""

import pytest

from ganloss.runs.page import write_page
from ganloss.runs.settings import PairedSettings
from ganloss.runs.training import train
from runs.fake_run import COMMAND, fake_run, healthy_rows

AXIS_TITLE = "document.getElementById('chart-score').layout.xaxis.title.text"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = fake_run(tmp_path_factory.mktemp("runs") / "00003-wgan-gp-digits-s0")
    write_page(run)
    return run


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    run = fake_run(
        tmp_path_factory.mktemp("runs") / "00004", rows=healthy_rows(210), film=False,
        state="running", step=210,
    )  # fmt: skip
    write_page(run)
    return run


def test_nothing_complains_and_nothing_is_asked_for_outside_the_folder(visit, finished):
    seen = visit(finished)
    seen.page.wait_for_selector("#chart-score .main-svg")
    seen.page.locator("#slider").fill("3")
    seen.page.wait_for_timeout(300)
    assert seen.complaints == []
    assert len(seen.requests) >= 5
    home = finished.as_uri()
    assert [r for r in seen.requests if not r.startswith((home, "data:"))] == []


@pytest.mark.parametrize("broken", ["empty", "hostile"])
def test_pages_of_strange_folders_do_not_complain(visit, tmp_path, broken):
    if broken == "hostile":
        name = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
        rows = healthy_rows(140)
        rows[5]["d"][name] = 1.0
        run = fake_run(tmp_path / "a", rows=rows, title=name, message=name, facts={name: name},
                       next=[name], extra={name: name})  # fmt: skip
    else:
        run = tmp_path
    write_page(run)
    seen = visit(run)
    seen.page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))
    seen.page.wait_for_timeout(300)
    assert seen.complaints == []
    assert seen.page.locator("img[src=x]").count() == 0


def test_the_slider_changes_the_picture_by_keyboard(visit, finished):
    page = visit(finished).page
    sample, slider = page.locator("#sample"), page.get_by_label("Step of training")
    assert sample.get_attribute("src") == "samples/000700.png"
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert sample.get_attribute("src") == "samples/000665.png"
    assert sample.get_attribute("alt") == "Grid of generated samples at step 665"
    assert slider.get_attribute("aria-valuetext") == "step 665"
    page.keyboard.press("Home")
    assert sample.get_attribute("src") == "samples/000000.png"
    assert page.locator("#sample-step").inner_text() == "0"
    page.wait_for_function("document.getElementById('sample').naturalWidth > 0")


def test_the_samples_play_to_the_last(visit, finished):
    page = visit(finished).page
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("Number(document.getElementById('slider').value) >= 2")
    assert page.locator("#play").inner_text() == "Stop"
    page.wait_for_function("document.getElementById('play').textContent === 'Play'")
    assert page.locator("#sample").get_attribute("src") == "samples/000700.png"


def test_the_toggle_changes_the_axis_of_every_chart_and_is_remembered(visit, finished):
    page = visit(finished).page
    last = "Math.max(...document.getElementById('chart-losses').data[0].x)"
    assert page.evaluate(AXIS_TITLE) == "real images shown"
    assert page.evaluate(last) == 224_000
    page.get_by_label("seconds of training").check()
    assert page.evaluate(AXIS_TITLE) == "seconds of training"
    assert page.evaluate(last) == pytest.approx(61.6)
    page.get_by_label("steps", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(AXIS_TITLE) == "steps"
    page.reload()
    assert page.evaluate(AXIS_TITLE) == "steps"


def test_reference_rows_are_drawn_in_the_chart_of_the_score(visit, finished):
    page = visit(finished).page
    page.wait_for_selector("#chart-score .annotation-text")
    texts = page.locator("#chart-score .annotation-text").all_text_contents()
    assert texts == ["real images 10.1", "uniform noise 2,100"]


@pytest.mark.parametrize("width", [320, 400, 768, 1600])
@pytest.mark.parametrize("javascript", [True, False])
def test_the_page_does_not_scroll_sideways(visit, finished, width, javascript):
    page = visit(finished, width, java_script_enabled=javascript).page
    page.wait_for_timeout(300)
    box = page.locator("main").bounding_box()
    assert box is not None
    assert box["width"] <= width
    if javascript:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_charts_follow_the_width_of_the_window(visit, finished):
    page = visit(finished, 1200).page
    svg = page.locator("#chart-score .main-svg").first
    svg.wait_for()
    wide = svg.bounding_box()
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_function(
        "document.querySelector('#chart-score .main-svg').getBoundingClientRect().width < 400"
    )
    assert wide is not None
    assert wide["width"] > 1000


def test_without_javascript_everything_that_matters_is_shown(visit, finished):
    page = visit(finished, java_script_enabled=False).page
    for source in ("samples/000700.png", "reals.png", "progress.gif"):
        assert page.locator(f"img[src='{source}']").is_visible()
    text = page.locator("body").inner_text()
    assert "fd-digits@897 is" in text
    assert "The players are balanced" in text
    assert COMMAND in text
    assert not page.locator("#slider").is_visible()
    assert not page.locator("fieldset").is_visible()
    page.locator("summary", has_text="Table of scores").click()
    assert page.locator("table.numbers").is_visible()


def test_the_command_is_copied(visit, finished):
    page = visit(finished, permissions=["clipboard-read", "clipboard-write"]).page
    button = page.get_by_role("button", name=f"Copy: {COMMAND}")
    button.click()
    page.wait_for_function("document.getElementById('copied').textContent === 'Copied.'")
    assert page.evaluate("navigator.clipboard.readText()") == COMMAND


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_text_have_contrast(visit, finished, scheme):
    page = visit(finished, color_scheme=scheme).page
    contrasts = page.evaluate("""() => {
      const style = getComputedStyle(document.documentElement);
      const light = name => {
        const hex = style.getPropertyValue("--" + name).trim();
        const [r, g, b] = [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16) / 255)
          .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const contrast = (a, b) => {
        const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
      };
      const found = {};
      for (const ground of ["ground", "panel"]) {
        for (const name of ["ink", "soft", "accent", "good", "watch", "bad"])
          found[`${name} on ${ground}`] = contrast(name, ground) / 4.5;
        for (const name of ["score", "d", "g", "real", "fake"])
          found[`${name} on ${ground}`] = contrast(name, ground) / 3;
      }
      for (const name of ["good", "watch", "bad"])
        found[`${name} on its tint`] = contrast(name, name + "-tint") / 4.5;
      return found;
    }""")
    assert len(contrasts) == 25
    assert {name: ratio for name, ratio in contrasts.items() if ratio < 1} == {}


def test_a_running_page_comes_back_with_the_latest_sample(visit, running):
    page = visit(running).page
    assert page.locator("#sample").get_attribute("src") == "samples/000210.png"
    page.locator("#slider").fill("1")
    with page.expect_navigation(timeout=30_000):
        pass
    assert page.locator("#sample").get_attribute("src") == "samples/000210.png"
    assert page.locator("#slider").input_value() == "6"


def test_the_line_between_before_and_after_can_be_dragged(visit, tmp_path):
    """On the page of a real run of pairs, by keyboard; both pictures lie on each other."""
    settings = PairedSettings(
        data="demo:sketches", image_size=32, width=4, depth=2, steps=2, snap=1, threads=1,
        batch_size=2, out=str(tmp_path),
    )  # fmt: skip
    seen = visit(train(settings, Quiet()).run.path, width=1280)
    page = seen.page
    assert page.get_by_role("heading", name="Input, output, target").is_visible()
    line = page.get_by_label("Move the line")
    assert line.input_value() == "50"
    line.press("Home")
    style = "getComputedStyle(document.getElementById('after')).clipPath"
    assert page.evaluate(style) == "inset(0px 0px 0px 0%)"
    line.press("End")
    assert page.evaluate(style) == "inset(0px 0px 0px 100%)"
    boxes = [image.bounding_box() for image in page.locator(".overlay img").all()]
    assert boxes[0] == boxes[1]
    assert seen.complaints == []


class Quiet:
    """A reporter that says nothing."""

    def started(self, run: object) -> None: ...

    def progressed(self, step: int, total: int | None, done: float) -> None: ...

    def snapped(self, row: object) -> None: ...
