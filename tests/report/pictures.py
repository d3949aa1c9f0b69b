"""Takes the README's pictures of a run's report: `python -m tests.report.pictures runs/latest/report.html docs`."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.report.test_browser import FLAGS

_MARGIN = 24
"""Pixels around what is shown."""


def take(report: Path, folder: Path) -> None:
    """Writes `report.png`, down to the timeline, and `outage.png`, the plot with its legend."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 880, "height": 1200}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        for name, first, last in (
            ("report", "header", "#steps figure"),
            ("outage", "#outage-heading", "#outage figure"),
        ):
            top, bottom = page.locator(first).bounding_box(), page.locator(last).bounding_box()
            if top is None or bottom is None:
                raise SystemExit(f"{report} has nothing to show for {name}.png")
            begin, end = top["y"] - _MARGIN, bottom["y"] + bottom["height"] + _MARGIN
            page.screenshot(
                path=folder / f"{name}.png",
                clip={"x": 0.0, "y": begin, "width": 880.0, "height": end - begin},
                full_page=True,
            )
        browser.close()


if __name__ == "__main__":
    take(*map(Path, sys.argv[1:]))
