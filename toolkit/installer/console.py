"""What the installer says: one JSON object a line, on the serial console and the screen, and to a server if asked."""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.disks.device import Progress
from toolkit.installer.call_home import CallHome

WORD = "rebox-installer: "
FINAL = ("done", "refused", "failed")
_PLACES = (Path("/dev/console"), Path("/dev/tty0"))
_STEP, _QUIET_SECONDS_MAX = 0.05, 60.0


class Console:
    """Where people and programs read; a screen or port that is not there is no reason to stop."""

    def __init__(self, places: tuple[Path, ...] = _PLACES) -> None:
        self._places = places
        self.home: CallHome | None = None

    def say(self, phase: str, **more: Any) -> None:
        """One line, in one piece."""
        event = {"phase": phase, **more}
        self._write(event)
        if self.home is None:
            return
        why = self.home.tell(event, last=phase in FINAL)
        if why:
            self._write({"phase": "report", "reason": why})

    def progress(self, phase: str, **more: Any) -> Progress:
        """Says of a phase how far it is: at its beginning, its end, every twentieth between, and once a minute.

        Of a large disk a twentieth takes longer than anybody waits for a machine that says nothing.
        """
        said, at = -1.0, time.monotonic()
        self.say(phase, fraction=0.0, **more)

        def step(fraction: float) -> None:
            nonlocal said, at
            now = time.monotonic()
            late = now - at > _QUIET_SECONDS_MAX
            if fraction - max(said, 0.0) >= _STEP or (fraction >= 1.0 > said) or late:
                said, at = fraction, now
                self.say(phase, fraction=round(fraction, 2), **more)

        return step

    def _write(self, event: Mapping[str, Any]) -> None:
        line = f"{WORD}{json.dumps(event)}\n".encode()
        for place in self._places:
            with contextlib.suppress(OSError):
                descriptor = os.open(place, os.O_WRONLY | os.O_NOCTTY | os.O_APPEND)
                try:
                    os.write(descriptor, line)
                finally:
                    os.close(descriptor)
