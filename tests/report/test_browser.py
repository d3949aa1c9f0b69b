"""A real browser opens the page from the disk, without a network, as people would."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.report.samples import RECORDED, recorded
from toolkit.report import write_report

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    written: dict[str, Path] = {}
    for name in RECORDED:
        sample, folder = recorded(name), tmp_path_factory.mktemp(name)
        write_report(sample.report, sample.evidence, sample.plan, folder)
        written[name] = folder / "report.html"
    return written


def opened(browser: Browser, path: Path, *, scheme: str = "light", width: int = 1100) -> tuple[Page, list[str]]:
    """The page, and everything about it that went wrong: requests beyond itself, errors, console messages."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light", offline=True
    )
    page, trouble = context.new_page(), []
    page.on("request", lambda request: trouble.append(request.url) if request.url != path.as_uri() else None)
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(path.as_uri())
    return page, trouble


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("look", ["light", "dark", "print", "phone"])
def test_the_page_is_accessible_and_needs_nothing_else(
    browser: Browser, reports: dict[str, Path], name: str, look: str
) -> None:
    page, trouble = opened(browser, reports[name], scheme=look, width=360 if look == "phone" else 1100)
    if look == "print":
        page.emulate_media(media="print")
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert trouble == []
    page.context.close()


@pytest.mark.parametrize("name", RECORDED)
def test_nothing_sticks_out_of_a_phone(browser: Browser, reports: dict[str, Path], name: str) -> None:
    page, _ = opened(browser, reports[name], width=360)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.context.close()


_CROSSING = """
() => [...document.querySelectorAll(".drawing")].filter(d => d.checkVisibility()).flatMap(drawing => {
  const box = e => e.getBoundingClientRect();
  const across = (a, b) => a.left < b.right && b.left < a.right;
  // two pixels above and below, where a line of text has room that no letter fills
  const crossing = (a, b) => across(a, b) && a.top + 2 < b.bottom - 2 && b.top + 2 < a.bottom - 2;
  const texts = [...drawing.querySelectorAll("text")].filter(e => e.textContent);
  const frames = [...drawing.querySelectorAll(".window")];
  const page = box(drawing);
  return texts.flatMap((text, index) => [
    ...[...texts.slice(index + 1), ...frames].filter(other => crossing(box(text), box(other)))
      .map(other => `${text.textContent} / ${other.textContent || "frame"}`),
    ...(box(text).left < page.left - 1 || box(text).right > page.right + 1 ? [`${text.textContent} / edge`] : []),
  ]);
})
"""


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("width", [360, 420, 700, 780, 1280])
def test_drawings_fit_the_screen_and_no_words_in_them_cross(
    browser: Browser, reports: dict[str, Path], name: str, width: int
) -> None:
    page, _ = opened(browser, reports[name], width=width)
    edges = page.evaluate(
        "[...document.querySelectorAll('.drawing')].filter(d => d.checkVisibility())"
        ".map(d => d.getBoundingClientRect().right)"
    )
    assert len(edges) == 2
    assert max(edges) <= width
    assert page.evaluate(_CROSSING) == []
    page.context.close()


def test_words_in_a_drawing_can_be_read_on_a_telephone(browser: Browser, reports: dict[str, Path]) -> None:
    page, _ = opened(browser, reports["went-back"], width=360)
    heights = page.evaluate(
        "[...document.querySelectorAll('.drawing text')].filter(t => t.checkVisibility() && t.textContent)"
        ".map(t => t.getBoundingClientRect().height)"
    )
    assert min(heights) >= 12
    page.context.close()


def test_hatchings_are_painted_in_both_sizes_of_a_drawing(browser: Browser, reports: dict[str, Path]) -> None:
    """A pattern that is defined where nothing is rendered paints nothing; the colours on the bar tell."""
    for width in (420, 1280):
        page, _ = opened(browser, reports["went-back"], width=width)
        gap = page.locator(".drawing:visible .gap").last
        painted = gap.screenshot()
        page.add_style_tag(content=".gap { fill: none !important; }")
        assert painted != gap.screenshot()
        page.context.close()


def test_light_and_dark_differ_and_print_is_always_on_white(browser: Browser, reports: dict[str, Path]) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light, _ = opened(browser, reports["migrated"])
    dark, _ = opened(browser, reports["migrated"], scheme="dark")
    assert light.evaluate(ground) == "rgb(255, 255, 255)"
    assert dark.evaluate(ground) != light.evaluate(ground)
    dark.emulate_media(media="print", color_scheme="dark")
    assert dark.evaluate(ground) == "rgb(255, 255, 255)"
    light.context.close()
    dark.context.close()


def test_a_link_to_evidence_opens_the_place_where_it_lies(browser: Browser, reports: dict[str, Path]) -> None:
    page, _ = opened(browser, reports["migrated"])
    record = page.locator("#evidence-3")
    assert not record.is_visible()
    page.get_by_role("link", name="read-facts/3").click()
    record.wait_for(state="visible")
    page.context.close()


def test_on_paper_all_evidence_is_there_and_no_drawing_is_wider_than_the_page(
    browser: Browser, reports: dict[str, Path]
) -> None:
    page, _ = opened(browser, reports["went-back"], width=680)
    page.emulate_media(media="print")
    heights = page.evaluate(
        "[...document.querySelectorAll('.exhibits > li')].map(e => e.getBoundingClientRect().height)"
    )
    assert len(heights) == len(recorded("went-back").evidence)
    assert min(heights) > 10
    right = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.drawing')].map(e => e.getBoundingClientRect().right))"
    )
    assert right <= 680
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF-")
    page.context.close()
