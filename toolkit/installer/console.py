"""What the installer says: one JSON object a line, on the serial console and the screen, and to a server if asked."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.disks.device import Progress
from toolkit.installer.call_home import CallHome

WORD = "rebox-installer: "
FINAL = ("done", "refused", "failed")
_PLACES = (Path("/dev/console"), Path("/dev/tty0"))
_STEP = 0.05


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

    def progress(self, phase: str) -> Progress:
        """Says of a phase how far it is: at its beginning, its end, and every twentieth between."""
        said = -1.0
        self.say(phase, fraction=0.0)

        def step(fraction: float) -> None:
            nonlocal said
            if fraction - max(said, 0.0) >= _STEP or (fraction >= 1.0 > said):
                said = fraction
                self.say(phase, fraction=round(fraction, 2))

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
