"""How much room the way back needs on a run's disk, and how it is had when the disk is full.

What the way back writes is bounded: two journal records for each step that is taken back, six for each that it does
besides, the evidence of each, and the report. The run's folder holds that much from the start.
"""

from pathlib import Path

from toolkit.model.plan import Plan
from toolkit.storage.reserve import Reserve

RESERVE_FILE = "way-back.reserve"
SUMMARY_CHARACTERS_MAX = 2000
"""Of what a record of the way back says in words; a character takes at most 6 bytes in JSON."""

_RECORD_BYTES = 6 * SUMMARY_CHARACTERS_MAX + 4096
_EVIDENCE_BYTES = 64 * 1024
_REPORT_BYTES = 2 * 1024 * 1024
STEP_BYTES = 128 * 1024
"""What is kept free while one step is taken back, for the files it writes itself: somebody may fill the disk again."""


_DONE_BYTES = 4 * 1024 * 1024
"""The same for a step that the way back does besides: it collects records, or joins a piece of the watch's capture."""


def room_for_way_back(plan: Plan) -> int:
    """How many bytes the way back of a plan may take, begun twice."""
    undone = sum(step.way_back is not None for step in plan.steps)
    done = len(plan.on_way_back.once_served) + len(plan.on_way_back.last)
    once = undone * (2 * _RECORD_BYTES + _EVIDENCE_BYTES) + done * (6 * _RECORD_BYTES + _EVIDENCE_BYTES)
    return 2 * (once + undone * STEP_BYTES) + done * _DONE_BYTES + _REPORT_BYTES


class Room:
    """A run's reserve: whole while the run goes forward, given up piece by piece while it goes back."""

    def __init__(self, run_directory: Path, plan: Plan, *, going_back: bool) -> None:
        self._reserve = Reserve(run_directory / RESERVE_FILE, room_for_way_back(plan))
        self._going_back = going_back

    def make(self) -> bool:
        """Whether some room was made for a record that finds none; forward there is none to be given up."""
        return self._going_back and self._reserve.give_up()

    def refill(self, then: str) -> None:
        """Before the run goes forward; raises StorageError when there is no room for its way back."""
        self._reserve.refill(then=then)

    def before_step(self, *, done: bool = False) -> None:
        """Keeps room for the files that a step of the way back writes; `done`: it is done, and not undone."""
        if self._going_back:
            self._reserve.keep_free(_DONE_BYTES if done else STEP_BYTES)

    def before_report(self) -> None:
        """Keeps room for the report of what was taken back."""
        if self._going_back:
            self._reserve.keep_free(_REPORT_BYTES)

    def remove(self) -> None:
        """There is no way back any more that it could be needed for."""
        self._reserve.remove()
