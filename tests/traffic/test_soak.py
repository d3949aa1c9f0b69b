"""The soak, as the watch saw it: every gap counts whenever it was, and what nobody watched is not known."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.step_context import GATE, context_of, inventory, world_of
from tests.traffic.watched import PretendWatch
from toolkit.model.execution import Outcome, Result, StepContext
from toolkit.model.plan import Step, WayBackSteps
from toolkit.model.verdict import Verdict
from toolkit.reset.gates import soak_passed
from toolkit.traffic import soak as soaking
from toolkit.traffic import watching
from toolkit.traffic.soak import Soak
from toolkit.traffic.watching import EndWatch, StartWatch, StopWatch

LOOKED: Result = {"seconds": 1200.0, "looks": 600, "wrong": []}


def context(folder: Path, *, results: Mapping[str, Result] | None = None, **reset: Any) -> StepContext:
    of = inventory("shared-ip.toml", reset={"soak_seconds": 20.0, "soak_gap_ms_max": 1000.0, **reset})
    return context_of(folder, world_of(folder, of=of), results=results)


def stretch(start_s: float, end_s: float, *names: str) -> Result:
    marks = names or ("00",)
    return {
        **LOOKED,
        "from": dict.fromkeys(marks, start_s * 1000),
        "until": dict.fromkeys(marks, end_s * 1000),
    }


def test_an_outage_of_35_s_between_two_looks_fails_the_soak_and_is_named(tmp_path: Path) -> None:
    PretendWatch(tmp_path, seconds=90, out=[(30, 65)])
    outcome = Soak().verify(context(tmp_path), stretch(10, 85))
    assert outcome.verdict is Verdict.FAILED
    assert "Nobody new got through to 10.77.0.20 by icmp for 35 s from 12:00:30.000 UTC on" in outcome.summary
    assert "resume" in outcome.next_move


def test_what_was_before_the_soak_is_not_its_fault(tmp_path: Path) -> None:
    PretendWatch(tmp_path, seconds=90, out=[(2, 8)])
    outcome = Soak().verify(context(tmp_path), stretch(10, 85))
    assert (outcome.verdict, outcome.summary) == (
        Verdict.PASSED,
        "The new box served for 1200.0 s, seen so in 600 looks. The watch saw no gap above 1000 ms.",
    )


def test_a_gap_within_the_limit_passes(tmp_path: Path) -> None:
    PretendWatch(tmp_path, seconds=60, out=[(30, 30.9)])
    assert Soak().verify(context(tmp_path), stretch(10, 55)).verdict is Verdict.PASSED


def test_a_pause_of_the_watch_itself_with_one_loss_after_it_is_no_outage_but_not_known_either(tmp_path: Path) -> None:
    PretendWatch(tmp_path, seconds=60, unwatched=[(30, 33)], out=[(32.99, 33.02)])
    outcome = Soak().verify(context(tmp_path), stretch(10, 55))
    assert outcome.verdict is Verdict.UNKNOWN
    assert "Nobody watched 10.77.0.20 by icmp from 12:00:30" in outcome.summary


def test_an_outage_that_goes_on_is_said_to(tmp_path: Path) -> None:
    PretendWatch(tmp_path, seconds=60, out=[(50, 61)])
    outcome = Soak().verify(context(tmp_path), stretch(10, 60))
    assert outcome.verdict is Verdict.FAILED
    assert "that has not ended" in outcome.summary


def test_a_watch_that_died_in_the_soak_makes_it_unknown_and_says_what_resuming_does(tmp_path: Path) -> None:
    PretendWatch(tmp_path, seconds=30, seconds_ago=60).die()
    outcome = Soak().verify(context(tmp_path), stretch(10, 85))
    assert outcome.verdict is Verdict.UNKNOWN
    assert "Nobody watched 10.77.0.20 from 12:00:29.990 UTC on: the watch died." in outcome.summary
    assert "a new watch is started" in outcome.next_move


def test_without_a_watch_there_is_nothing_to_believe(tmp_path: Path) -> None:
    assert Soak().verify(context(tmp_path), LOOKED).verdict is Verdict.UNKNOWN


def test_the_worst_place_speaks_for_all(tmp_path: Path) -> None:
    PretendWatch(tmp_path, "00", seconds=60)
    PretendWatch(tmp_path, "01", seconds=60, out=[(30, 40)], vantage_point="branch")
    outcome = Soak().verify(context(tmp_path), stretch(10, 55, "00", "01"))
    assert outcome.verdict is Verdict.FAILED
    assert "to 10.77.0.20 from branch by icmp for 9.99 s" in outcome.summary


def test_the_soak_ends_as_soon_as_the_watch_shows_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = PretendWatch(tmp_path, seconds=60, out=[(50, 61)])
    monkeypatch.setattr(soaking, "ensure", lambda _: ())
    monkeypatch.setattr(soaking, "view_site", lambda _: ())
    monkeypatch.setattr(soaking, "marks_now", lambda _: {"00": 40_000.0})
    result = Soak().act(replace_parameters(context(tmp_path), 1200.0))
    assert result["looks"] == 1
    assert watch.now_ms >= 60_000


def replace_parameters(given: StepContext, soak_seconds: float) -> StepContext:
    return replace(given, step=given.step.model_copy(update={"parameters": {"soak_seconds": soak_seconds}}))


# the gate before the reset


def gate(folder: Path, since_s: float) -> tuple[Verdict, str, str]:
    outcome = soak_passed(context(folder, results={"soak": {**stretch(0, since_s), "seconds": 20.0}}), GATE)
    return outcome.verdict, outcome.summary, outcome.next_move


def test_the_gate_holds_while_the_watch_has_seen_nothing_since_the_soak(tmp_path: Path) -> None:
    PretendWatch(tmp_path, seconds=60)
    assert gate(tmp_path, 30)[0] is Verdict.PASSED


def test_an_outage_after_the_soak_blocks_the_reset_until_a_whole_soak_has_passed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soaking, "ensure", lambda _: ())
    PretendWatch(tmp_path, seconds=60, out=[(45, 50)])
    verdict, words, next_move = gate(tmp_path, 30)
    assert verdict is Verdict.FAILED
    assert "by icmp for 4.99 s" in words or "by icmp for 5 s" in words
    assert "once it has been well for 20 s" in next_move


def test_after_a_whole_soak_without_another_it_holds_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soaking, "ensure", lambda _: ())
    PretendWatch(tmp_path, seconds=80, out=[(45, 50)])
    verdict, words, _ = gate(tmp_path, 30)
    assert verdict is Verdict.PASSED
    assert "served for a whole soak again" in words


def test_a_watch_that_died_after_the_soak_blocks_the_reset_and_a_new_one_opens_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(soaking, "ensure", lambda _: started.append("watch"))
    PretendWatch(tmp_path, "00", seconds=40, seconds_ago=60).die()
    verdict, words, _ = gate(tmp_path, 30)
    assert (verdict, started) == (Verdict.UNKNOWN, ["watch"])
    assert "the watch died" in words
    PretendWatch(tmp_path, "01", seconds=10)
    assert gate(tmp_path, 30)[0] is Verdict.UNKNOWN
    PretendWatch(tmp_path, "02", seconds=25).die()
    assert gate(tmp_path, 30)[0] is Verdict.UNKNOWN, "a watch that does not run has nothing to say of now"


def test_the_new_watch_has_to_see_a_whole_soak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soaking, "ensure", lambda _: ())
    PretendWatch(tmp_path, "00", seconds=40, seconds_ago=60).die()
    PretendWatch(tmp_path, "01", seconds=25)
    assert gate(tmp_path, 30)[0] is Verdict.PASSED


# the end


def end(folder: Path, since_s: float, *, begun: bool = False) -> tuple[Result, StepContext]:
    given = replace(context(folder, results={"soak": stretch(0, since_s)}), begun=begun)
    return EndWatch().look(given) or EndWatch().act(given), given


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> list[PretendWatch]:
    """Watches that end when all are told to."""
    watches: list[PretendWatch] = []

    def stop(_: Path) -> None:
        for watch in watches:
            watch.die()
        watches.clear()

    monkeypatch.setattr(watching, "stop_all", stop)
    return watches


def test_an_outage_while_the_old_box_is_reset_fails_the_end(tmp_path: Path, dying: list[PretendWatch]) -> None:
    dying.append(PretendWatch(tmp_path, seconds=90, out=[(60, 80)]))
    result, given = end(tmp_path, 30)
    outcome = EndWatch().verify(given, result)
    assert outcome.verdict is Verdict.FAILED
    assert "by icmp for 20 s" in outcome.summary


def test_what_was_in_the_soak_was_judged_there(tmp_path: Path, dying: list[PretendWatch]) -> None:
    dying.append(PretendWatch(tmp_path, seconds=90, out=[(5, 25)]))
    result, given = end(tmp_path, 30)
    assert EndWatch().verify(given, result).verdict is Verdict.PASSED


def test_a_watch_that_died_before_the_end_makes_it_unknown(tmp_path: Path, dying: list[PretendWatch]) -> None:
    PretendWatch(tmp_path, seconds=40, seconds_ago=60).die()
    result, given = end(tmp_path, 30)
    assert EndWatch().verify(given, result).verdict is Verdict.UNKNOWN


def test_resumed_after_that_a_new_watch_sees_a_whole_soak_first(
    tmp_path: Path, dying: list[PretendWatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    PretendWatch(tmp_path, seconds=40, seconds_ago=60).die()
    end(tmp_path, 30)

    def soak(given: StepContext, seconds: float) -> Result:
        dying.append(PretendWatch(tmp_path, "01", seconds=seconds))
        return {"from": {"01": 0.0}}

    monkeypatch.setattr(watching, "soak", soak)
    result, given = end(tmp_path, 30, begun=True)
    assert EndWatch().verify(given, result).verdict is Verdict.PASSED
    assert dying == []


def test_killed_after_the_watch_was_ended_it_does_not_watch_again(tmp_path: Path, dying: list[PretendWatch]) -> None:
    dying.append(PretendWatch(tmp_path, seconds=60))
    first, _ = end(tmp_path, 30)
    assert end(tmp_path, 30, begun=True)[0] == first


# the way back


@pytest.mark.parametrize("serves", [True, False])
def test_on_the_way_back_the_watch_ends_once_the_old_box_serves_and_not_before(
    tmp_path: Path, dying: list[PretendWatch], monkeypatch: pytest.MonkeyPatch, serves: bool
) -> None:
    verdict = Verdict.PASSED if serves else Verdict.FAILED
    monkeypatch.setattr(watching, "prove_site", lambda *_: Outcome(verdict, "as packets show it"))
    dying.append(PretendWatch(tmp_path, seconds=60))
    stop = Step(name="stop-watch", kind="stop-watch", title="End", why="It is over")
    given = context(tmp_path)
    plan = given.plan.model_copy(update={"on_way_back": WayBackSteps(last=(stop,))})
    given = replace(given, plan=plan)
    assert StartWatch().undo(given, None).verdict is Verdict.PASSED
    assert len(dying) == 1, "undoing start-watch leaves it to the end of the way back"
    outcome = StopWatch().verify(given, StopWatch().act(given))
    assert (outcome.verdict, len(dying)) == (Verdict.PASSED, 0 if serves else 1)
    assert ("has ended" in outcome.summary) is serves
