"""What the journal tells afterwards: times, verdicts, resumptions."""

from datetime import UTC, datetime, timedelta

from tests.engine.ledger import PLAN
from toolkit.engine.history import step_reports, tell
from toolkit.engine.journal import JournalRecord, RunRecord, StepEvent
from toolkit.engine.states import RunEvent, RunState
from toolkit.model.verdict import Verdict

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RECORD = RunRecord(run_id="r", created=NOON, toolkit_version="1")


def journal(*entries: tuple[float, RunEvent | StepEvent, str | None]) -> list[JournalRecord]:
    return [
        JournalRecord(
            number=number,
            time=NOON + timedelta(seconds=at),
            event=event,
            step=step,
            data={"verdict": "passed", "summary": "seen"} if event is StepEvent.ENDED else {},
        )
        for number, (at, event, step) in enumerate(entries, 1)
    ]


def test_the_pause_between_kill_and_resume_is_no_time_of_the_step() -> None:
    history = tell(
        RECORD,
        PLAN,
        journal(
            (0, RunEvent.RUN, None),
            (1, StepEvent.STARTED, "prepare"),
            (3, StepEvent.ACTING, "prepare"),  # killed here, resumed an hour later
            (3600, RunEvent.DIE, None),
            (3600, RunEvent.RUN, None),
            (3601, StepEvent.STARTED, "prepare"),
            (3605, StepEvent.ENDED, "prepare"),
        ),
    )
    prepare, *others = step_reports(history)
    assert (prepare.seconds, prepare.offset_seconds, prepare.resumed) == (6.0, 1.0, 1)
    assert (prepare.verdict, prepare.summary) == (Verdict.PASSED, "seen")
    assert {report.verdict for report in others} == {Verdict.SKIPPED}
    assert history.state is RunState.RUNNING
    assert history.verdict is Verdict.UNKNOWN
    assert history.finished is None
    way_back = history.way_back  # as it would be after stopping it
    assert (way_back.available_now, way_back.steps, way_back.seconds_estimated) == (True, ("prepare",), 2.0)


def test_at_work_on_the_irreversible_there_is_no_way_back_either() -> None:
    entries = (
        (0, RunEvent.RUN, None),
        (1, StepEvent.ACTING, "swing"),
        (2, StepEvent.ENDED, "swing"),
        (3, StepEvent.ACTING, "reset"),
    )
    assert tell(RECORD, PLAN, journal(*entries[:3])).way_back.available_now is True
    assert tell(RECORD, PLAN, journal(*entries)).way_back.available_now is False


def test_a_planned_run_has_a_history_too() -> None:
    history = tell(RECORD, PLAN, [])
    assert (history.state, history.started, history.verdict) == (RunState.PLANNED, NOON, Verdict.UNKNOWN)
    assert history.way_back.available_until == "swing"
    assert history.way_back.steps == ()
