"""What the installer says: one JSON object a line, on the serial console and on the screen."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WORD = "rebox-installer: "


class Console:
    """Where people and programs read; a screen or port that is not there is no reason to stop."""

    def __init__(self, *places: Path) -> None:
        self._places = places or (Path("/dev/console"), Path("/dev/tty0"))

    def say(self, event: Mapping[str, Any]) -> None:
        """One line, in one piece."""
        line = f"{WORD}{json.dumps(event)}\n".encode()
        for place in self._places:
            with contextlib.suppress(OSError):
                descriptor = os.open(place, os.O_WRONLY | os.O_NOCTTY)
                try:
                    os.write(descriptor, line)
                finally:
                    os.close(descriptor)
