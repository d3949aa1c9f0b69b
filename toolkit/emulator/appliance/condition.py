"""What the box is doing right now: one state, moved only as the table allows."""

import threading

from toolkit.emulator.appliance.refusal import conflict
from toolkit.emulator.appliance.states import BOX_TRANSITIONS, BoxEvent, BoxState


class Condition:
    """The box's state in memory; what it wakes up in follows from what lies on its disk."""

    def __init__(self, state: BoxState) -> None:
        self._state = state
        self._lock = threading.Lock()

    @property
    def state(self) -> BoxState:
        """Now."""
        return self._state

    def move(self, event: BoxEvent) -> BoxState:
        """Moves on and returns the new state; 409 `conflict` when the table has no such way."""
        with self._lock:
            state = BOX_TRANSITIONS.get((self._state, event))
            if state is None:
                raise conflict(f"The box is in the state {self._state}, and that does not allow: {event}.")
            self._state = state
            return state
