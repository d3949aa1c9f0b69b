"""The page as a real browser shows and prints it: one sheet, which never looks like a certificate when it is none."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from hypothesis import given
from playwright.sync_api import Browser, sync_playwright

from tests.report.test_browser import FLAGS, opened
from tests.reset.erasures import a_record, records
from toolkit.reset.erasure import ErasedLayer, Erasure
from toolkit.reset.record import Record, RecordContext, as_signed
from toolkit.reset.record_page import record_page

LONG = "Ultra Long Enterprise Solid State Drive Model Name With Everything In It For Marketing Reasons 2025 Plus"
SAMPLES: dict[str, dict[str, Any]] = {
    "passed": {},
    "unknown": {"result": "unknown", "verified_bytes": 0, "verified_fraction": 0.0, "passes": 0, "again": True,
                "reason": "The wipe was cut off by a power failure at 41 %, and the machine has not come back."},
    "failed": {"result": "failed", "reason": "The disk is not wiped: byte 4,096 is not zero."},
    "long": {"vendor": LONG, "model": LONG, "serial_number": LONG.replace(" ", "-"), "technique": LONG * 3, "wwn": LONG,
             "media_type": LONG, "operator": LONG, "tool_version": LONG, "run_id": LONG, "sample_seed": "f" * 64,
             "result": "unknown", "reason": LONG * 12, "firmware": LONG},
}  # fmt: skip
SIZES = {"of the usual size": 2, "small": 40, "smaller": 60, "smallest": 110}
"""How many of the widest letters every field has where the letters just become that small."""


def page_of(name: str) -> str:
    context = a_record().context
    if name == "long":
        words = {field: LONG for field in RecordContext.model_fields if field != "backed_up"}
        context = RecordContext.model_validate(words)
    record = a_record(**SAMPLES[name]).model_copy(update={"context": context})
    return record_page(record, "S5GYNX0T100001.erasure.json", "5f" * 32, "ed25519:" + "A" * 43 + "=")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name in SAMPLES:
        (folder / f"{name}.html").write_text(page_of(name))
    return {name: folder / f"{name}.html" for name in SAMPLES}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        chromium.close()


@pytest.mark.parametrize(
    ("name", "look", "width"),
    [("passed", "light", 900), ("passed", "dark", 900), ("unknown", "dark", 900), ("failed", "light", 360),
     ("failed", "dark", 900), ("unknown", "light", 900), ("long", "light", 360)],
)  # fmt: skip
def test_the_page_is_accessible_needs_nothing_else_and_fits(
    browser: Browser, pages: dict[str, Path], name: str, look: str, width: int
) -> None:
    page, trouble = opened(browser, pages[name], scheme=look, width=width)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert trouble == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.context.close()


@pytest.mark.parametrize(
    ("name", "paper"), [("passed", "A4"), ("passed", "Letter"), ("unknown", "A4"), ("long", "A4"), ("long", "Letter")]
)
def test_it_is_one_sheet_of_either_paper(browser: Browser, pages: dict[str, Path], name: str, paper: str) -> None:
    page, _ = opened(browser, pages[name])
    assert sheets(page.pdf(format=paper)) == 1
    page.context.close()


def test_chromium_prints_it_from_the_command_line(pages: dict[str, Path], tmp_path: Path) -> None:
    words = ["--headless", *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--no-pdf-header-footer"]
    written = tmp_path / "page.pdf"
    subprocess.run(
        ["/usr/bin/chromium", *words, f"--print-to-pdf={written}", pages["passed"].as_uri()],
        check=True, capture_output=True, timeout=50,
    )  # fmt: skip
    assert sheets(written.read_bytes()) == 1


@pytest.mark.parametrize("size", SIZES)
def test_letters_become_small_enough_for_one_sheet(browser: Browser, tmp_path: Path, size: str) -> None:
    words = "W" * SIZES[size]
    told = {name: words for name, field in Erasure.model_fields.items() if field.annotation is str}
    del told["backing_file"]
    context = RecordContext.model_validate({name: words for name in RecordContext.model_fields if name != "backed_up"})
    record = a_record(**told | {"result": "unknown", "reason": words * 3})
    page = tmp_path / "page.html"
    page.write_text(
        record_page(record.model_copy(update={"context": context}), words, "5f" * 32, "ed25519:" + "A" * 44)
    )
    assert f'class="{size}"' in page.read_text() or size == "of the usual size"
    shown, _ = opened(browser, page)
    assert [sheets(shown.pdf(format=paper)) for paper in ("A4", "Letter")] == [1, 1]
    shown.context.close()


def test_every_image_of_a_virtual_disk_stands_on_the_sheet(browser: Browser, tmp_path: Path) -> None:
    layers = tuple(
        ErasedLayer(
            place=f"/var/lib/libvirt/images/support-old.{name}", format="qcow2", size_bytes=10 << 30,
            bytes_read=0 if result == "left" else 10 << 30, technique="overwrite with zeros", verification="full",
            result=result, reason="in use by the virtual machine other" if result == "left" else "",
        )
        for name, result in [("snap2", "passed"), ("snap1", "passed"), ("golden.qcow2", "left")]
    )  # fmt: skip
    kept = ("its UEFI variables (/var/lib/libvirt/qemu/nvram/support-old_VARS.fd)",)
    reason = "what it is laid over was left as it is: /var/lib/libvirt/images/golden.qcow2"
    record = a_record(layers=layers, kept_beside=kept, result="failed", reason=reason)
    page = tmp_path / "page.html"
    page.write_text(record_page(record, "x", "5f" * 32, "ed25519:" + "A" * 44))
    assert "/var/lib/libvirt/images/support-old.snap1: passed, overwrite with zeros" in page.read_text()
    assert "golden.qcow2: not wiped, in use by the virtual machine other" in page.read_text()
    assert kept[0] in page.read_text()
    shown, _ = opened(browser, page)
    assert [sheets(shown.pdf(format=paper)) for paper in ("A4", "Letter")] == [1, 1]
    shown.context.close()


def test_letters_twice_as_wide_count_twice() -> None:
    page = record_page(a_record(model="名" * 60), "x", "0" * 64, "ed25519:x")
    assert "名" * 55 + "… (the record has it all)" in page
    assert "名" * 56 not in page


def sheets(pdf: bytes) -> int:
    """How many pages a PDF has (ISO 32000-1, 7.7.3.3): Chromium's page objects are not compressed."""
    assert pdf.startswith(b"%PDF-")
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_only_what_passed_is_called_a_certificate() -> None:
    assert "<h1>Certificate of sanitization</h1>" in page_of("passed")
    for name in ("unknown", "failed", "long"):
        assert "Certificate of sanitization" not in page_of(name)
        assert "this is no certificate</h1>" in page_of(name)
        assert "Passed" not in page_of(name)


def test_what_is_not_known_is_a_line_to_write_on_and_nothing_is_made_up() -> None:
    blank = page_of("passed").count('class="blank"')
    record = a_record()
    known = record.model_copy(update={"context": record.context.model_copy(update={"destination": "internal reuse"})})
    page = record_page(known, "x", "0" * 64, "ed25519:x")
    assert page.count('class="blank"') == blank - 1
    assert "internal reuse" in page


@given(records)
def test_no_disk_can_write_markup(record: Record) -> None:
    page = record_page(as_signed(record), "x.erasure.json", "0" * 64, "ed25519:x")
    assert "<script" not in page
    assert page.isprintable() or not re.search("[\x00-\x08\x0b-\x1f\u202e\u200b]", page)
    assert page.count("<tr") == page.count("</tr>")
