"""A machine of a running lab as a place from which the site is watched."""

import sys
from dataclasses import dataclass
from pathlib import Path

from toolkit.lab.control import LabControl
from toolkit.model.errors import UnreachableError
from toolkit.probes.watch import Watch, WatchRequest

_ENTER = Path(__file__).parent / "enter.py"


@dataclass(frozen=True)
class LabVantagePoint:
    """One machine; a `VantagePoint`. What it sees lies in our own folder, by our own clock."""

    name: str
    folder: Path
    machine: str

    def start(self, request: WatchRequest, directory: Path) -> Watch:
        """Starts the watch inside the machine; raises UnreachableError when it is not there or off."""
        with LabControl.connect(self.folder) as lab:
            machines = lab.status().machines
        if self.machine not in machines or machines[self.machine].power != "on":
            raise UnreachableError(
                f"the vantage point {self.name} cannot be reached",
                where=f"{self.machine} of the lab in {self.folder}",
                why="it is off" if self.machine in machines else "there is no such machine",
                next_move="Switch it on, or take it out of [[watch.vantage_points]]; then resume.",
            )
        prefix = [sys.executable, "-I", "-S", str(_ENTER), str(self.folder), self.machine]
        return Watch.start(request, directory, prefix=prefix)
