"""The tables of states, walked."""

import pytest

from toolkit.emulator.appliance.condition import Condition
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.states import (
    BOX_TRANSITIONS,
    JOB_TRANSITIONS,
    BoxEvent,
    BoxState,
    JobEvent,
    JobState,
)


def test_every_state_of_a_box_can_be_reached_from_the_factory() -> None:
    reached = {BoxState.FIRST_BOOT}
    while more := {after for (before, _), after in BOX_TRANSITIONS.items() if before in reached} - reached:
        reached |= more
    assert reached == set(BoxState)


def test_every_event_leads_somewhere() -> None:
    assert {event for _, event in BOX_TRANSITIONS} == set(BoxEvent)
    assert {event for _, event in JOB_TRANSITIONS} == set(JobEvent)


def test_an_ended_job_never_changes_again() -> None:
    assert {before for before, _ in JOB_TRANSITIONS} == {JobState.RUNNING}


@pytest.mark.parametrize("state", [BoxState.INSTALLING, BoxState.RESETTING])
def test_a_busy_box_cannot_be_switched_off_in_good_order(state: BoxState) -> None:
    condition = Condition(state)
    with pytest.raises(Refusal) as refused:
        condition.move(BoxEvent.SWITCHED_OFF)
    assert refused.value.code == "conflict"
    assert condition.state is state
