"""The headline and what stands beneath it never claim more than was seen."""

from typing import Any

import pytest

from tests.report.samples import NEW_MAC, OLD_MAC, STARTED, STRANGE_MAC, a_plan, a_run, a_step, a_watch, an_outage
from toolkit.model.run_report import (
    Abandoned,
    CertificateReport,
    Compared,
    Gap,
    HeldConnection,
    Outage,
    OwnerChange,
    RunReport,
    Served,
    ToDo,
    VantagePointReport,
    WayBack,
)
from toolkit.model.verdict import Verdict
from toolkit.report.course import course
from toolkit.report.outage import watch_of
from toolkit.report.quantities import NB
from toolkit.report.reading import Reading, read_run
from toolkit.report.sentences import blind_sentences, in_flight_words, outage_sentences

PLANNED = ("look", "swing", "reset")
FIRST_TWO = (a_step("look"), a_step("swing"))


def read(report: RunReport, **step: Any) -> Reading:
    return read_run(report, (), a_plan(*PLANNED, **step))


def told(report: RunReport) -> str:
    head = read(report).headline
    return f"{head.tone}|{head.word}: {head.sentence}".replace(NB, " ")


def attention(report: RunReport, **step: Any) -> list[str]:
    return [item.text.replace(NB, " ") for item in read(report, **step).attention]


def owner(*boxes: str | None) -> tuple[OwnerChange, ...]:
    macs = {"old": OLD_MAC, "new": NEW_MAC, None: STRANGE_MAC}
    return tuple(OwnerChange(at_ms=100 * n, mac=macs[box], box=box) for n, box in enumerate(boxes))


def test_a_run_that_passed_names_the_box_only_when_it_was_seen() -> None:
    assert told(a_run()) == "passed|Passed: all 3 steps hold"
    assert told(a_run(owners=owner("old", "new"))) == "passed|Passed: support.example.com is served by the new box"


def test_a_run_without_an_end_has_not_passed() -> None:
    report = a_run(*FIRST_TWO, finished=None)
    assert told(report) == "unfinished|Not finished: 2 of 3 steps done"
    assert "so far" in read(report).lead[0]
    assert "1 step was not reached." in attention(report)


def test_a_run_that_ended_before_its_last_step_has_not_passed_either() -> None:
    never = a_step("reset", verdict=Verdict.SKIPPED, seconds=0.0, summary="")
    report = a_run(*FIRST_TWO, never, verdict=Verdict.UNKNOWN)
    assert told(report) == "unfinished|Not finished: 2 of 3 steps done"


def test_a_step_skipped_for_a_reason_was_reached() -> None:
    skipped = a_step("reset", verdict=Verdict.SKIPPED, seconds=0.0, summary="It was reset already.")
    assert told(a_run(*FIRST_TWO, skipped)) == "passed|Passed: all 3 steps hold"


def test_a_failure_names_the_first_step_that_failed() -> None:
    report = a_run(a_step("look"), a_step("swing", verdict=Verdict.FAILED, summary="No ARP."), verdict=Verdict.FAILED)
    assert told(report) == "failed|Failed at step 2: swing"
    assert attention(report)[0] == "Step 2, swing: failed; No ARP."


def test_what_could_not_be_told_is_unknown() -> None:
    report = a_run(a_step("look", verdict=Verdict.UNKNOWN, summary=""), verdict=Verdict.UNKNOWN)
    assert told(report) == "unknown|Unknown at step 1: look could not be verified"
    assert attention(report)[0] == "Step 1, look: unknown; no reason was recorded"


def test_a_run_taken_back_on_request_says_so_and_does_not_promise_the_old_box() -> None:
    back = a_run(*FIRST_TWO, verdict=Verdict.FAILED, went_back=True)
    assert told(back) == "taken-back|Taken back: the run was taken back"
    seen = back.model_copy(update={"owners": owner("old", "new", "old")})
    assert told(seen) == "taken-back|Taken back: support.example.com is served by the old box again"


def test_a_run_taken_back_after_a_failure_says_both() -> None:
    failed = a_step("swing", verdict=Verdict.FAILED, taken_back=Verdict.PASSED)
    report = a_run(a_step("look"), failed, verdict=Verdict.FAILED, went_back=True, owners=owner("old"))
    assert told(report) == "failed|Failed at step 2: support.example.com is served by the old box again"
    assert read(report).way_back.startswith("It was used: the run was taken back. 1 step was undone.")
    assert not read(report).can_resume


def test_a_way_back_that_failed_is_told() -> None:
    stuck = a_step("swing", taken_back=Verdict.FAILED)
    report = a_run(a_step("look"), stuck, a_step("reset"), verdict=Verdict.FAILED)
    assert told(report) == "failed|Failed: while it was being taken back"
    assert "Step 2, swing: undoing it failed" in attention(report)


def test_nothing_checked_is_not_a_pass() -> None:
    assert told(a_run(verdict=Verdict.SKIPPED)) == "skipped|Nothing proven: no step was carried out"


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (("swing", True), "Open: going back takes about 8 s, until step 2, swing has ended and the next one starts."),
        (("swing", False), "Closed: it was open up to and including step 2, swing."),
        ((None, False), "There is no way back in this run."),
    ],
)
def test_the_way_back_is_told_with_its_limit(way: tuple[str | None, bool], words: str) -> None:
    until, now = way
    report = a_run(way_back=WayBack(available_until=until, available_now=now, seconds_estimated=8))
    assert read(report).way_back.replace(NB, " ") == words


def test_no_outage_is_claimed_below_what_the_watch_can_tell() -> None:
    lead = " ".join(read(a_run(outage={"icmp": an_outage((10, 11.5))})).lead).replace(NB, " ")
    assert "No outage was seen; one shorter than 2 ms could not have been." in lead


def test_an_outage_nobody_measured_is_not_zero() -> None:
    assert "The outage was not measured." in read(a_run()).lead
    silent = a_run(outage={"icmp": an_outage(sent=0)})
    assert "The outage was not measured." in read(silent).lead
    assert "Nothing was sent by icmp: these methods measured nothing." in attention(silent)


def test_a_stretch_without_watch_is_told_with_its_times() -> None:
    blind = an_outage((10, 51), unwatched=(Gap(start_ms=1000, end_ms=6500),))
    report = a_run(outage={"icmp": blind, "tcp": an_outage(), "https": an_outage()}, watch_started=STARTED)
    expected = "Nobody watched from 22:00:01.000 UTC to 22:00:06.500 UTC (icmp): what happened then is not known."
    assert expected in attention(report)
    assert "The watch did not run all the time." in " ".join(read(report).lead)


def test_a_swing_that_was_interrupted_puts_the_figures_in_doubt() -> None:
    report = a_run(a_step("look"), a_step("swing", resumed=1), a_step("reset"))
    assert any("was interrupted and taken up again" in text for text in attention(report, interrupts_service=True))
    assert not any("was interrupted" in text for text in attention(report, interrupts_service=False))


def test_strangers_findings_and_differences_are_pointed_at() -> None:
    report = a_run(
        owners=owner("old", None, "new", None),
        certificate=CertificateReport(findings=("expires-soon",)),
        settings=(Compared(kind="users", before=3, after=3), Compared(kind="teams", before=3, after=3, different=1)),
        data=(Compared(kind="sessions", before=5, after=4),),
    )
    assert attention(report) == [
        f"A stranger answered for the address: {STRANGE_MAC}.",
        "Certificate: 1 finding.",
        "Not equal on both sides: teams, sessions.",
    ]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("ab", "AB", "is the same as before"),
        ("ab", "cd", "is another one than before"),
        ("ab", None, "afterwards was not recorded"),
        (None, "ab", "beforehand was not recorded"),
        (None, None, "was not recorded"),
    ],
)
def test_certificates_are_compared_only_when_both_were_seen(before: str | None, after: str | None, words: str) -> None:
    report = a_run(certificate=CertificateReport(served_before_sha256=before, served_after_sha256=after))
    assert f"The certificate served {words}." in read(report).lead


def test_all_is_well_needs_no_attention() -> None:
    watched = {"icmp": an_outage(), "tcp": an_outage(), "https": an_outage()}
    assert attention(a_run(outage=watched, owners=owner("old", "new"))) == []


def a_night(*, watched_ms: float | None = 1_300_000, **outages: Outage) -> tuple[str, ...]:
    """What is said of a run whose swing was 10 s, its soak 20 min to 1,230 s, and its watch began with the run."""
    steps = (
        a_step("swing-traffic", offset_seconds=10, seconds=2),
        a_step("soak", offset_seconds=30, seconds=1200),
        a_step("reset-old", offset_seconds=1230, seconds=60),
    )
    told = {name: outage.model_copy(update={"watched_ms": watched_ms}) for name, outage in outages.items()}
    report = a_run(*steps, outage=told, watch_started=STARTED)
    plan = a_plan("swing-traffic", "soak", "reset-old")
    swing = plan.steps[0].model_copy(update={"interrupts_service": True})
    passages = course(report, plan.model_copy(update={"steps": (swing, *plan.steps[1:])}))
    return outage_sentences(report, passages, watch_of(report))


def test_the_swing_and_the_worst_of_the_soak_are_told_apart() -> None:
    icmp = an_outage((10_500, 10_502), (600_000, 635_000), lost=35_002)
    assert a_night(icmp=icmp, tcp=an_outage((10_500, 10_540)))[:2] == (
        "In the swing nobody new got through for 40\xa0ms (tcp).",
        "In the soak nobody new got through for 35\xa0s (icmp).",
    )


def test_an_outage_after_the_soak_is_told_and_one_that_goes_on_is_said_to() -> None:
    told = a_night(icmp=an_outage((1_250_000, 1_300_000)).model_copy(update={"gaps": (OPEN,)}))
    assert told[-1] == "After the soak nobody new got through for 50\xa0s (icmp), and its end was not seen."
    assert told[1] == "In the soak no outage was seen; one shorter than 2\xa0ms could not have been."


OPEN = Gap(start_ms=1_250_000, end_ms=1_300_000, ended=False)


def test_a_soak_that_was_not_watched_is_not_called_well() -> None:
    assert a_night(icmp=an_outage(), watched_ms=20_000)[1] == "In the soak nobody watched."
    assert "as far as it was watched" in a_night(icmp=an_outage(), watched_ms=600_000)[1]


def test_what_was_in_flight_is_a_figure_of_its_own() -> None:
    tcp = an_outage((10_500, 10_538), cut=1, delayed=12, hung_ms_max=1020.0)
    assert "In flight: tcp 1 cut, 12 delayed, the longest 1.02\xa0s." in a_night(icmp=an_outage(), tcp=tcp)
    lane = a_watch(tcp=tcp.model_copy(update={"watched_ms": 20_000.0})).lanes[0]
    assert in_flight_words(lane) == "1 cut, 12 delayed, the longest 1.02\xa0s"
    older = a_watch(tcp=an_outage()).lanes[0]
    assert in_flight_words(older) == "not recorded"


def test_a_held_connection_says_whether_a_session_would_have_been_cut() -> None:
    cut = HeldConnection(opened_ms=0, answered_ms=10_500, ended_ms=10_810, how="reset")
    report = a_run(outage={"icmp": an_outage()}, held=(cut,), watch_started=STARTED)
    said = "A connection held open was cut at 22:00:10.500 UTC: silent for 310\xa0ms, then reset."
    assert said in outage_sentences(report, (), watch_of(report))
    kept = report.model_copy(update={"held": (cut.model_copy(update={"how": "kept"}),)})
    assert "A connection held open was not cut." in outage_sentences(kept, (), watch_of(kept))


def test_several_places_are_told_each_the_worst_first() -> None:
    worst, here = an_outage((100, 400), lost=300), an_outage((100, 140), lost=40)
    places = tuple(
        VantagePointReport(name=name, outage={"icmp": outage}, problems=problems)
        for name, outage, problems in (("branch", worst, ("it died",)), ("here", here, ()))
    )
    report = a_run(outage={"icmp": worst}, vantage_points=places, watch_started=STARTED)
    watch = watch_of(report)
    assert [lane.method for lane in watch.lanes] == ["icmp from branch", "icmp from here"]
    assert "From branch: it died." in blind_sentences(report, watch)


SERVED = Served(verdict=Verdict.PASSED, seen=STARTED, summary="Users are served by the old box, seen at 02:13:45 UTC.")


def test_what_the_way_back_has_left_to_do_is_said_first_with_its_reason_and_once() -> None:
    left = ToDo(step="swing", what="disable it there", box="new", why="the new box does not answer")
    swing = a_step("swing", taken_back=Verdict.UNKNOWN)
    report = a_run(a_step("look"), swing, verdict=Verdict.FAILED, went_back=True, served=SERVED, to_do=(left,))
    assert told(report) == (
        "taken-back|Taken back, not all of it: support.example.com is served by the old box again; "
        "1 thing is left to be done"
    )
    first, *others = attention(report)
    assert first == "Left to do, swing: disable it there (the new box does not answer)"
    assert not any("swing" in one for one in others)
    assert SERVED.summary in read(report).lead
    assert "1 thing is left to do" in read(report).way_back.replace(NB, " ")


def test_that_users_are_served_again_is_said_only_when_it_was_proven() -> None:
    unproven = SERVED.model_copy(update={"verdict": Verdict.FAILED, "summary": "Users are not served: nobody answers."})
    report = a_run(*FIRST_TWO, verdict=Verdict.FAILED, went_back=True, served=unproven)
    assert "that users are served is not proven" in told(report)
    assert "Users are not served: nobody answers." in read(report).lead


def test_a_run_that_somebody_ended_says_who_and_what_is_left() -> None:
    ended = Abandoned(by="anna", time=STARTED, seen=("10.77.0.20 is at nobody.",), left=("swing: give it back",))
    report = a_run(*FIRST_TWO, verdict=Verdict.UNKNOWN, abandoned=ended)
    assert told(report) == "unknown|Abandoned: ended by hand by anna"
    assert attention(report)[0] == "Left to do by hand, swing: give it back"
    assert "anna ended the run by hand" in read(report).way_back
    assert not read(report).can_resume
