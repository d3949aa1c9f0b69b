"""The table of states: what every sequence of events leads to."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.engine.states import RESUMABLE, TRANSITIONS, UNFINISHED, RunEvent, RunState, follow, replay
from toolkit.model.errors import RefusedError


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[RunEvent], list[RunState]]:
    """A sequence of events that the table allows, with the states it goes through."""
    events: list[RunEvent] = []
    states = [RunState.PLANNED]
    while len(events) < 30 and TRANSITIONS[states[-1]] and draw(st.booleans() if len(events) > 3 else st.just(True)):
        event = draw(st.sampled_from(sorted(TRANSITIONS[states[-1]])))
        events.append(event)
        states.append(follow(states[-1], event, "r"))
    return events, states


@given(histories())
def test_the_journal_leads_to_the_same_state_again(history: tuple[list[RunEvent], list[RunState]]) -> None:
    events, states = history
    assert replay(events, "r") is states[-1]


@given(histories())
def test_who_has_gone_back_never_runs_forward_again(history: tuple[list[RunEvent], list[RunState]]) -> None:
    _, states = history
    if RunState.GOING_BACK in states:
        after = states[states.index(RunState.GOING_BACK) :]
        assert not set(after) & {RunState.RUNNING, RunState.PASSED}


@given(histories())
def test_a_run_passes_only_out_of_running_and_nothing_follows_but_back(
    history: tuple[list[RunEvent], list[RunState]],
) -> None:
    _, states = history
    for before, after in itertools.pairwise(states):
        if after is RunState.PASSED:
            assert before is RunState.RUNNING
        if before is RunState.PASSED:
            assert after is RunState.GOING_BACK


@given(st.sampled_from(RunState), st.sampled_from(RunEvent))
def test_what_the_table_does_not_have_is_refused_with_a_next_move(state: RunState, event: RunEvent) -> None:
    if event in TRANSITIONS[state]:
        assert follow(state, event, "r") is TRANSITIONS[state][event]
        return
    with pytest.raises(RefusedError) as refusal:
        follow(state, event, "r")
    assert state.value in refusal.value.why
    assert refusal.value.next_move


def test_every_state_is_reached_and_only_having_gone_back_or_been_given_up_is_the_end() -> None:
    reached = {after for ways in TRANSITIONS.values() for after in ways.values()} | {RunState.PLANNED}
    assert reached == set(RunState) - {RunState.DAMAGED}  # that one no event leads to
    ends = [RunState.WENT_BACK, RunState.ABANDONED, RunState.DAMAGED]
    assert [state for state in RunState if not TRANSITIONS[state]] == ends


def test_every_unfinished_state_has_a_way_on() -> None:
    for state in UNFINISHED - {RunState.RUNNING, RunState.DAMAGED}:
        assert {RunEvent.RUN, RunEvent.BACK} & set(TRANSITIONS[state])
    assert RESUMABLE <= UNFINISHED


def test_no_run_can_hold_its_boxes_for_ever() -> None:
    # a damaged one is recovered first, which leaves it in another state
    for state in UNFINISHED - {RunState.RUNNING, RunState.DAMAGED}:
        ended = TRANSITIONS[state][RunEvent.ABANDON]
        assert ended not in UNFINISHED
    # a process that died leaves it in a state that can be abandoned
    assert RunEvent.ABANDON in TRANSITIONS[TRANSITIONS[RunState.RUNNING][RunEvent.DIE]]
