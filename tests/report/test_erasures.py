"""What a run's report says of erased disks: each record and its page linked, and none believed that was altered."""

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.report.samples import a_plan, a_run
from tests.report.test_browser import FLAGS, opened
from tests.reset.erasures import an_erasure
from toolkit.model.run_report import RunReport
from toolkit.model.verdict import Verdict
from toolkit.report import write_report
from toolkit.report.erasures import read_erasures
from toolkit.reset.record import RecordContext
from toolkit.reset.record_files import RECORDS_FOLDER, write_records
from toolkit.signing import own_key


def reported(run: Path) -> tuple[RunReport, str, str]:
    report = a_run().model_copy(update={"erasures": read_erasures(run)})
    write_report(report, [], a_plan("look", "swing", "reset"), run)
    return report, (run / "report.html").read_text(), (run / "runbook.md").read_text()


def test_each_record_is_listed_with_its_verdict_and_linked(tmp_path: Path) -> None:
    key = own_key(tmp_path / "state")
    bad = an_erasure(serial_number="BAD #1", result="unknown", reason="The power failed.")
    write_records(tmp_path / RECORDS_FOLDER, [an_erasure(), bad], RecordContext(), key)
    report, page, runbook = reported(tmp_path)
    assert [(row.verdict, row.signer) for row in report.erasures] == [
        (Verdict.UNKNOWN, key.public),
        (Verdict.PASSED, key.public),
    ]
    assert 'href="erasure/S5GYNX0T100001.erasure.html"' in page
    assert 'href="erasure/BAD%2520%25231.erasure.json"' in page
    assert "Not proven to be erased: BAD #1" in page
    assert "rebox reset verify runs/run-1/erasure/S5GYNX0T100001.erasure.json" in runbook
    for row in report.erasures:
        assert (tmp_path / row.record).is_file()
        assert (tmp_path / row.page).is_file()


def test_the_list_is_accessible(tmp_path: Path) -> None:
    write_records(tmp_path / RECORDS_FOLDER, [an_erasure()], RecordContext(), own_key(tmp_path / "state"))
    reported(tmp_path)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page, trouble = opened(browser, tmp_path / "report.html")
        found = Axe().run(page)
        browser.close()
    assert found.violations_count == 0, found.generate_report()
    assert trouble == []


def test_an_altered_record_is_listed_and_not_believed(tmp_path: Path) -> None:
    (path,) = write_records(tmp_path / RECORDS_FOLDER, [an_erasure()], RecordContext(), own_key(tmp_path / "state"))
    path.write_text(path.read_text().replace("A. Operator", "B. Operator"))
    report, page, _ = reported(tmp_path)
    assert report.erasures[0].verdict is Verdict.UNKNOWN
    assert "does not match" in report.erasures[0].reason
    assert "nobody whose signature holds" in page


def test_a_run_that_erased_nothing_has_no_such_section(tmp_path: Path) -> None:
    report, page, runbook = reported(tmp_path)
    assert report.erasures == ()
    assert "rasure" not in page + runbook
