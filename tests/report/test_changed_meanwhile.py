"""What was changed on the old box during a run stands in its report: what, and what has become of it."""

import json
from pathlib import Path

from tests.report.samples import a_plan, a_run
from toolkit.drift.comparison import Change, How, Standing
from toolkit.drift.looking import CHANGES
from toolkit.model.run_report import RunReport
from toolkit.report.compose import _changed_meanwhile
from toolkit.report.page import html_page
from toolkit.report.reading import Reading, read_run
from toolkit.report.runbook import runbook

CARRIED = Change(kind="users", id="user-0007", name="ana.lima", how=How.REMOVED, standing=Standing.THERE, carried=True)
BY_HAND = Change(kind="teams", id="team-02", name="night_shift", how=How.ADDED, standing=Standing.THERE)
LEFT_TO_DO = Change(kind="options", id="mail", name="mail", how=How.ADDED, standing=Standing.MISSING)


def report_of(folder: Path, *changes: Change) -> RunReport:
    (folder / CHANGES).write_text(json.dumps([change.model_dump(mode="json") for change in changes]))
    return a_run().model_copy(update={"changed_meanwhile": _changed_meanwhile(folder)})


def read(report: RunReport) -> Reading:
    return read_run(report, (), a_plan())


def test_each_change_is_a_row_with_what_has_become_of_it(tmp_path: Path) -> None:
    report = report_of(tmp_path, CARRIED, BY_HAND)
    assert [(row.name, row.how, row.outcome, row.settled) for row in report.changed_meanwhile] == [
        ("ana.lima", "removed", "carried over", True),
        ("night_shift", "added", "on the new box", True),
    ]
    for written in (html_page(read(report)), runbook(read(report))):
        assert "Changed on the old box meanwhile" in written
        assert "ana.lima" in written
        assert "carried over" in written
    assert read(report).attention == ()


def test_what_is_not_on_the_new_box_needs_attention(tmp_path: Path) -> None:
    (attention,) = read(report_of(tmp_path, CARRIED, LEFT_TO_DO)).attention
    assert attention.text == "Changed on the old box meanwhile, options mail: not on the new box."
    assert attention.anchor == "changed"


def test_a_run_in_which_nothing_changed_has_no_such_section(tmp_path: Path) -> None:
    assert _changed_meanwhile(tmp_path) == ()
    assert "Changed on the old box" not in html_page(read(a_run())) + runbook(read(a_run()))
