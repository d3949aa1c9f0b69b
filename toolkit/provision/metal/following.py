"""Follows the installer on a machine to its end: by what it says, and by whether the machine is still on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from toolkit.model.errors import ApplianceError, RefusedError, UnreachableError
from toolkit.model.execution import Clock, Progress
from toolkit.provision.metal.bmc import Bmc
from toolkit.provision.metal.media_server import MediaServer
from toolkit.provision.metal.voice import Event, Voice

Action = Literal["install", "wipe"]
Hear = Callable[[Event], None]
"""Called with everything that the installer says, some of it perhaps twice."""


@dataclass(frozen=True)
class Limits:
    """How long is waited, in seconds. A server's own self-test takes minutes before anything boots."""

    asked_for: float = 60.0
    first_word: float = 900.0
    silent: float = 600.0
    bmc_silent: float = 120.0
    on: float = 60.0
    off: float = 120.0
    poll: float = 0.5
    power_poll: float = 5.0


@dataclass(frozen=True)
class Following:
    """One installer that has just been started."""

    bmc: Bmc
    clock: Clock
    limits: Limits
    voice: Voice
    progress: Progress
    hear: Hear

    def until_done(self, action: Action, media: MediaServer) -> Event:
        """What the installer says when it is done; raises RefusedError or ApplianceError when it does not do it."""
        last_word, limit = self.clock.monotonic(), self.limits.first_word
        power = _Power(self.bmc, self.clock, self.limits)
        while True:
            # asked first: what was said before the power went off is heard below
            off = power.is_off()
            for event in self.voice.events():
                last_word, limit = self.clock.monotonic(), self.limits.silent
                power.seen_on = True
                self.hear(event)
                if self._is_done(event, action, media):
                    return event
            if off:
                what = "went off before the installer had done its work" if power.seen_on else "does not go on"
                raise self._failed(f"the machine {what}")
            if self.clock.monotonic() - last_word > limit:
                raise self._failed(f"the installer has said nothing for {limit:.0f} s")
            self.clock.sleep(self.limits.poll)

    def _is_done(self, event: Event, action: Action, media: MediaServer) -> bool:
        """Raises when the installer says that it has not done it."""
        phase = str(event.get("phase", ""))
        why = str(event.get("reason", ""))
        if phase == "refused":
            raise RefusedError(
                "the installer refuses its job",
                where=self.bmc.where,
                why=why,
                next_move="Correct the inventory or the machine; nothing was written.",
            )
        if phase == "failed":
            raise self._failed(f"the installer failed: {why}")
        if phase == "done":
            if event.get("action") != action or not media.sent_bytes:
                raise self._failed("another installer than ours was started")
            return True
        self.progress(0.15 + 0.6 * _done(event, phase), f"installer: {phase}")
        return False

    def _failed(self, what: str) -> ApplianceError:
        tail = self.voice.tail()
        return ApplianceError(
            what,
            where=self.bmc.where,
            why=f"its console ends with: {tail}" if tail else "",
            next_move="See the machine's console, then try again: what was half written is written anew.",
        )


def _done(event: Event, phase: str) -> float:
    """How much of the work is done: writing is one half of a disk's, reading back the other."""
    told = event.get("fraction")
    fraction = min(max(float(told), 0.0), 1.0) if isinstance(told, int | float) else float(phase == "wiped")
    half = {"erase": 0.0, "read-back": 0.5 + 0.5 * fraction, "wiped": 1.0}.get(phase, 0.5 * fraction)
    number, of = event.get("number"), event.get("of")
    if isinstance(number, int) and isinstance(of, int) and 0 < number <= of:
        return (number - 1 + half) / of
    return half


class _Power:
    """Asks now and then whether the machine is off; a BMC that is silent for a moment is no reason to stop."""

    def __init__(self, bmc: Bmc, clock: Clock, limits: Limits) -> None:
        self._bmc, self._clock, self._limits = bmc, clock, limits
        self._began = self._answered = self._asked = clock.monotonic()
        self.seen_on = False

    def is_off(self) -> bool:
        """Off again, or still after all the time that going on may take.

        Raises UnreachableError when the BMC has been silent for too long.
        """
        if self._clock.monotonic() - self._asked < self._limits.power_poll:
            return False
        self._asked = self._clock.monotonic()
        try:
            on = self._bmc.is_on()
        except UnreachableError:
            if self._clock.monotonic() - self._answered > self._limits.bmc_silent:
                raise
            return False
        self._answered = self._clock.monotonic()
        self.seen_on = self.seen_on or on
        return not on and (self.seen_on or self._answered - self._began > self._limits.on)
