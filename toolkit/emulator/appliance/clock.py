"""The box's clock: the machine's time plus an offset that is kept on the disk, so it can be wrong and stays so."""

import json
from datetime import UTC, datetime, timedelta

from toolkit.emulator.appliance.disk import Disk


class Clock:
    """A battery-backed clock: neither a restart nor a factory reset sets it right."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        try:
            self._offset_seconds = float(json.loads(disk.clock.read_bytes())["offset_seconds"])
        except FileNotFoundError:
            self._offset_seconds = 0.0

    def now(self) -> datetime:
        """The time of day as the box believes it (UTC, aware)."""
        return datetime.now(UTC) + timedelta(seconds=self._offset_seconds)

    def set(self, time: datetime) -> None:
        """Sets it; from there it runs on."""
        offset_seconds = (time - datetime.now(UTC)).total_seconds()
        self._disk.write(self._disk.clock, json.dumps({"offset_seconds": offset_seconds}).encode())
        self._offset_seconds = offset_seconds
