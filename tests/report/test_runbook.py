"""The runbook says what the change ticket asks for, and how to go back or on."""

from tests.report.samples import a_plan, a_run, a_step, recorded
from toolkit.model.plan import Mode
from toolkit.model.run_report import RunReport, WayBack
from toolkit.model.verdict import Verdict
from toolkit.report.reading import read_run
from toolkit.report.runbook import runbook


def written(report: RunReport) -> str:
    return runbook(read_run(report, (), a_plan("look", "swing", "reset")))


def test_each_step_tells_when_who_what_was_seen_and_how_to_undo_it() -> None:
    text = written(a_run(a_step("look", mode=Mode.OPERATOR, offset_seconds=5, way_back="Close your eyes")))
    section = text.partition("### Step 1: Do look")[2].partition("###")[0]
    assert "- Who: operator" in section
    assert "- When: 2025-03-01 22:00:05 UTC, took 1 s" in section
    assert "- Seen: It holds." in section
    assert "- Verdict: **passed**" in section
    assert "- Way back: Close your eyes" in section


def test_while_the_way_back_is_open_the_command_stands_there() -> None:
    assert "```sh\nrebox back run-1\n```" in written(a_run())
    closed = WayBack(available_until="swing", available_now=False, seconds_estimated=8)
    assert "rebox back" not in written(a_run(way_back=closed))


def test_a_run_that_stopped_says_how_to_go_on() -> None:
    assert "```sh\nrebox resume run-1\n```" in written(a_run(a_step("look"), verdict=Verdict.UNKNOWN, finished=None))
    assert "rebox resume" not in written(a_run())
    assert "rebox resume" not in written(a_run(went_back=True, verdict=Verdict.FAILED))


def test_no_table_row_is_broken_by_what_was_recorded() -> None:
    sample = recorded("went-back")
    text = runbook(read_run(sample.report, sample.evidence, sample.plan))
    rows = [line for line in text.partition("| # |")[2].partition("\n\n")[0].splitlines() if line.startswith("| ")]
    assert len(rows) == len(sample.plan.steps)
    assert {row.replace(r"\|", "").count("|") for row in rows} == {7}
