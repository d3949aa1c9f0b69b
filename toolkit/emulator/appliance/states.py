"""All states of a box and of its jobs, and all ways between them, in two tables.

A box is in exactly one state. It leaves the factory in `first-boot`: it knows nobody but `admin`/`password` and does
nothing before that password is changed. In use it is `running`. Two jobs take it out of service: an update
(`installing`), which ends where it began, and a factory reset (`resetting`), which cannot be called back. A reset box
says `reset-complete` until it is switched off; switched on again it is a first-boot box. A crash (kill -9, power cut)
is no event: a box that was resetting goes on with it, one that was installing wakes running, as it was before.
"""

from enum import StrEnum


class BoxState(StrEnum):
    """What a box is doing, as *Status > Basics* and the API say it."""

    FIRST_BOOT = "first-boot"
    RUNNING = "running"
    INSTALLING = "installing"
    RESETTING = "resetting"
    RESET_COMPLETE = "reset-complete"


class BoxEvent(StrEnum):
    """What moves a box from one state to another."""

    TAKEN_INTO_USE = "the factory password was changed"
    INSTALL_BEGAN = "an update is being installed"
    INSTALL_ENDED = "the update was installed, or failed and left all as it was"
    RESET_BEGAN = "a factory reset was asked for"
    RESET_ENDED = "nothing of the old state is left"
    SWITCHED_OFF = "the box was shut down or rebooted in good order"


BOX_TRANSITIONS: dict[tuple[BoxState, BoxEvent], BoxState] = {
    (BoxState.FIRST_BOOT, BoxEvent.TAKEN_INTO_USE): BoxState.RUNNING,
    (BoxState.FIRST_BOOT, BoxEvent.SWITCHED_OFF): BoxState.FIRST_BOOT,
    (BoxState.RUNNING, BoxEvent.INSTALL_BEGAN): BoxState.INSTALLING,
    (BoxState.RUNNING, BoxEvent.RESET_BEGAN): BoxState.RESETTING,
    (BoxState.RUNNING, BoxEvent.SWITCHED_OFF): BoxState.RUNNING,
    (BoxState.INSTALLING, BoxEvent.INSTALL_ENDED): BoxState.RUNNING,
    (BoxState.RESETTING, BoxEvent.RESET_ENDED): BoxState.RESET_COMPLETE,
    (BoxState.RESET_COMPLETE, BoxEvent.TAKEN_INTO_USE): BoxState.RUNNING,
    (BoxState.RESET_COMPLETE, BoxEvent.SWITCHED_OFF): BoxState.FIRST_BOOT,
}
"""Every allowed move; anything else is refused with 409."""


class JobState(StrEnum):
    """How far a job is."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


class JobEvent(StrEnum):
    """What ends a job; a restart in the middle is a failure that says so."""

    ENDED = "it did what it should"
    BROKE = "it ran into an error"
    INTERRUPTED = "the box was switched off or crashed meanwhile"


JOB_TRANSITIONS: dict[tuple[JobState, JobEvent], JobState] = {
    (JobState.RUNNING, JobEvent.ENDED): JobState.COMPLETE,
    (JobState.RUNNING, JobEvent.BROKE): JobState.FAILED,
    (JobState.RUNNING, JobEvent.INTERRUPTED): JobState.FAILED,
}
"""Every allowed move of a job; an ended job never changes again."""
