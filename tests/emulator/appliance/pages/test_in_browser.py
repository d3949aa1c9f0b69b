"""A real browser walks every page of both interfaces, in light and dark and on a phone, and axe finds nothing wrong."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.emulator.appliance.box_process import ADMIN_PASSWORD, OLD_SERIAL_NUMBER, OWN, SITE, BoxProcess
from tests.emulator.appliance.pages.visitor import Visitor, in_use
from tests.emulator.update_server.authority import Authority
from toolkit.emulator.update_server.repository import Offer, make_repository
from toolkit.emulator.update_server.server import serving

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
APPLIANCE_PAGES = (
    "/appliance/status/basics",
    "/appliance/status/reboot",
    "/appliance/status/shut-down",
    "/appliance/status/reset",
    "/appliance/reset",
    "/appliance/networking/ip-configuration",
    "/appliance/networking/addresses/2/delete",
    "/appliance/security/certificates",
    "/appliance/security/certificates/1",
    "/appliance/security/certificates/1/delete",
    "/appliance/support/updates",
    "/appliance/support/updates/Bomgar-12.2.0/eula",
    "/appliance/support/updates/Base-3.3.3/install",
    "/appliance/support/updates/jobs/half?refresh=false",
    "/appliance/password",
    "/appliance/support/updates/jobs/unknown",
)
LOGIN_PAGES = (
    "/login/status/information",
    "/login/users",
    "/login/users/user-0002/enable",
    "/login/management/software",
    "/login/password",
    "/",
)
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
}
PICTURES = os.environ.get("PAGES_PICTURES")
"""A folder to leave pictures of every page in, for whoever wants to look at them."""

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="chromium is not installed")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box in use, with people in sessions, that has checked for updates and is half-way through a job."""
    folder = tmp_path_factory.mktemp("browsed")
    authority = Authority(folder)
    repository = make_repository(folder / "updates", "https://127.0.0.1", offer=Offer(SITE), package_bytes=12_000)
    with serving(repository, *authority.issue("127.0.0.1")) as port:
        box = in_use(
            folder,
            active_sessions=2,
            update_server=f"https://127.0.0.1:{port}",
            tuf_root=repository.root_file.read_bytes(),
            ca=authority.ca_file.read_bytes(),
        )
        with Visitor(box) as visitor:
            visitor.log_in("appliance")
            visitor.submit("/appliance/support/updates", "/appliance/support/updates/check")
        with closing(box.database()) as database:
            database.execute(
                "INSERT INTO jobs VALUES ('half', 'install', 'running', 'downloading', 0.34, 1200000, 3000000, NULL)"
            )
        yield box
        box.remove()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def open_page(browser: Browser, box: BoxProcess, **options: Any) -> Iterator[Page]:
    """A page in a new browser profile; anything the browser complains about fails the test."""
    context: BrowserContext = browser.new_context(base_url=box.url(), ignore_https_errors=True, **options)
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # a page that says 404 or 409 is meant to
        if message.type == "error" and "the server responded with a status of" not in message.text:
            complaints.append(message.text)

    page = context.new_page()
    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


@pytest.fixture(params=LOOKS)
def page(browser: Browser, box: BoxProcess, request: pytest.FixtureRequest) -> Iterator[Page]:
    yield from open_page(browser, box, **LOOKS[request.param])


@pytest.fixture
def plain_page(browser: Browser, box: BoxProcess) -> Iterator[Page]:
    """Without any script at all."""
    yield from open_page(browser, box, java_script_enabled=False)


def log_in(page: Page, interface: str, password: str = ADMIN_PASSWORD) -> None:
    page.goto(f"/{interface}")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def faults_of(page: Page, name: str) -> str:
    """What is wrong with the page as it stands: axe's findings, and whether it is wider than the window."""
    if PICTURES:
        width = page.viewport_size["width"] if page.viewport_size else 0
        scheme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
        stem = name.strip("/").replace("/", "_").replace("?", "_") or "portal"
        page.screenshot(path=f"{PICTURES}/{stem}-{scheme}-{width}.png", full_page=True)
    report = ""
    if page.viewport_size != LOOKS["phone"]["viewport"]:  # what axe looks at does not depend on the width here
        found = Axe().run(page)
        report = found.generate_report() if found.violations_count else ""
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        report += "the page is wider than the window\n"
    return f"{name}: {report}" if report else ""


def test_every_page_is_accessible_in_light_and_dark_and_fits_a_phone(page: Page) -> None:
    wrong = []
    for interface, paths in (("appliance", APPLIANCE_PAGES), ("login", LOGIN_PAGES)):
        page.goto(f"/{interface}")
        wrong.append(faults_of(page, f"/{interface}/log-in"))
        log_in(page, interface, password="wrong")
        assert page.get_by_role("alert").is_visible()
        wrong.append(faults_of(page, f"/{interface}/log-in-refused"))
        log_in(page, interface)
        for path in paths:
            page.goto(path)
            assert page.locator("h1").count() == 1
            wrong.append(faults_of(page, path))
    assert "".join(wrong) == ""


def test_everything_is_reached_by_keyboard_and_the_focus_is_seen(page: Page) -> None:
    log_in(page, "appliance")
    page.goto("/appliance/status/basics")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.inner_text() == "Skip to the content"
    assert (focused.bounding_box() or {"x": -1})["x"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    for _ in range(8):
        width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
        assert width >= 2
        page.keyboard.press("Tab")


def test_a_browser_without_scripts_can_do_everything(plain_page: Page) -> None:
    page = plain_page
    log_in(page, "appliance")
    page.get_by_role("link", name="IP Configuration").first.click()
    row = page.get_by_role("row").filter(has_text="shared")
    row.get_by_label("Enabled").uncheck()
    row.get_by_role("button").click()
    assert page.get_by_role("status").inner_text() == "The address is disabled."
    row.get_by_label("Enabled").check()
    row.get_by_role("button").click()
    assert page.get_by_role("status").inner_text() == "The address is enabled."

    page.get_by_role("link", name="Certificates").click()
    page.get_by_role("row").nth(1).get_by_role("link").click()
    page.get_by_label("Include the private key").check()
    page.get_by_label("Passphrase", exact=False).first.fill("a passphrase")
    page.get_by_label("Passphrase once more").fill("a passphrase")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert b"ENCRYPTED PRIVATE KEY" in download.value.path().read_bytes()

    page.get_by_role("link", name="Basics").click()
    page.get_by_role("link", name="Shut Down This Appliance").click()
    page.get_by_label("Serial number of the appliance").fill("RB-OTHER-1")
    page.get_by_role("button", name="Shut Down This Appliance").click()
    assert "Not done." in page.get_by_role("alert").inner_text()
    assert OLD_SERIAL_NUMBER in page.content()
    assert OWN not in page.get_by_role("alert").inner_text()
