"""The states of a run and every way from one to another, in one table.

A run is PLANNED when its folder is made. RUN takes it to RUNNING, from where it ends PASSED, FAILED (a step or its
verification failed) or BLOCKED (a gate, an unknown verification or a missing operator stopped it). A process that is
gone without having said so (kill -9, power cut, Ctrl-C) leaves it INTERRUPTED. All but PASSED can be resumed: that is
RUN again.

BACK takes it to GOING_BACK, from every state in which nothing moves. From there it ends WENT_BACK; BACK_TO_DO, when
users are served by the old box and something is left to be tidied; or BACK_FAILED, when that they are is not proven.
Once going back there is no way forward any more: half of the way back is no place to build on; a process that dies
then leaves it GOING_BACK, and BACK goes on. That the first irreversible step closes the way back is no matter of
state: the engine refuses BACK by what the journal holds.

ABANDON ends a run by hand, from every state in which nothing moves and the boxes are still its own.
A run whose journal cannot be believed is DAMAGED: no event leads there or away, only somebody who finds out what was
done (`rebox recover`).

The table is the only place that decides; the journal stores the events, and the state is what the table makes of them.
"""

from collections.abc import Iterable
from enum import StrEnum

from toolkit.model.errors import RefusedError


class RunState(StrEnum):
    """Where a run stands."""

    PLANNED = "planned"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    BLOCKED = "blocked"
    FAILED = "failed"
    PASSED = "passed"
    GOING_BACK = "going-back"
    WENT_BACK = "went-back"
    BACK_FAILED = "back-failed"
    BACK_TO_DO = "back-to-do"
    ABANDONED = "abandoned"
    DAMAGED = "damaged"


class RunEvent(StrEnum):
    """What moves a run from state to state."""

    RUN = "run"
    BLOCK = "block"
    FAIL = "fail"
    PASS = "pass"  # noqa: S105  # an event's name, no password
    DIE = "die"
    BACK = "back"
    BACK_DONE = "back-done"
    BACK_FAIL = "back-fail"
    BACK_LEAVE = "back-leave"
    ABANDON = "abandon"


TRANSITIONS: dict[RunState, dict[RunEvent, RunState]] = {
    RunState.PLANNED: {RunEvent.RUN: RunState.RUNNING, RunEvent.BACK: RunState.GOING_BACK},
    RunState.RUNNING: {
        RunEvent.BLOCK: RunState.BLOCKED,
        RunEvent.FAIL: RunState.FAILED,
        RunEvent.PASS: RunState.PASSED,
        RunEvent.DIE: RunState.INTERRUPTED,
    },
    RunState.INTERRUPTED: {
        RunEvent.RUN: RunState.RUNNING,
        RunEvent.BACK: RunState.GOING_BACK,
        RunEvent.ABANDON: RunState.ABANDONED,
    },
    RunState.BLOCKED: {
        RunEvent.RUN: RunState.RUNNING,
        RunEvent.BACK: RunState.GOING_BACK,
        RunEvent.ABANDON: RunState.ABANDONED,
    },
    RunState.FAILED: {
        RunEvent.RUN: RunState.RUNNING,
        RunEvent.BACK: RunState.GOING_BACK,
        RunEvent.ABANDON: RunState.ABANDONED,
    },
    RunState.PASSED: {RunEvent.BACK: RunState.GOING_BACK},
    RunState.GOING_BACK: {
        RunEvent.DIE: RunState.GOING_BACK,
        RunEvent.BACK: RunState.GOING_BACK,
        RunEvent.BACK_DONE: RunState.WENT_BACK,
        RunEvent.BACK_FAIL: RunState.BACK_FAILED,
        RunEvent.BACK_LEAVE: RunState.BACK_TO_DO,
        RunEvent.ABANDON: RunState.ABANDONED,
    },
    RunState.BACK_FAILED: {RunEvent.BACK: RunState.GOING_BACK, RunEvent.ABANDON: RunState.ABANDONED},
    RunState.BACK_TO_DO: {RunEvent.BACK: RunState.GOING_BACK, RunEvent.ABANDON: RunState.ABANDONED},
    RunState.WENT_BACK: {},
    RunState.ABANDONED: {},
    RunState.DAMAGED: {},
}

UNFINISHED = frozenset(
    {
        RunState.RUNNING,
        RunState.INTERRUPTED,
        RunState.BLOCKED,
        RunState.FAILED,
        RunState.GOING_BACK,
        RunState.BACK_FAILED,
        RunState.BACK_TO_DO,
        RunState.DAMAGED,
    }
)
"""States in which the boxes may be half changed: no other run may begin on them."""

RESUMABLE = frozenset(state for state, ways in TRANSITIONS.items() if RunEvent.RUN in ways) - {RunState.PLANNED}


def follow(state: RunState, event: RunEvent, run_id: str) -> RunState:
    """The state after `event`; raises RefusedError when the table has no such way."""
    after = TRANSITIONS[state].get(event)
    if after is None:
        raise RefusedError(
            f"{_WORDS[event]} is not possible",
            where=f"run {run_id}",
            why=f"it is {state.value}",
            next_move=_next_move(state, run_id),
        )
    return after


def replay(events: Iterable[RunEvent], run_id: str) -> RunState:
    """The state that a journal's events lead to."""
    state = RunState.PLANNED
    for event in events:
        state = follow(state, event, run_id)
    return state


_WORDS = {
    RunEvent.RUN: "running it",
    RunEvent.BLOCK: "blocking it",
    RunEvent.FAIL: "failing it",
    RunEvent.PASS: "passing it",
    RunEvent.DIE: "interrupting it",
    RunEvent.BACK: "going back",
    RunEvent.BACK_DONE: "having gone back",
    RunEvent.BACK_FAIL: "failing to go back",
    RunEvent.BACK_LEAVE: "leaving the rest of the way back for later",
    RunEvent.ABANDON: "abandoning it",
}


def _next_move(state: RunState, run_id: str) -> str:
    ways = TRANSITIONS[state]
    if RunEvent.RUN in ways:
        return f"Go on with: rebox resume {run_id}, or back with: rebox back {run_id}"
    if RunEvent.BACK in ways:
        return f"Go back with: rebox back {run_id}"
    if state is RunState.RUNNING:
        return "Wait until it has ended."
    return "Start a new run with: rebox run FILE"
