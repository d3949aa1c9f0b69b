"""A lab's machine as the new box of a migration: provisioning it means switching it on."""

from dataclasses import dataclass
from pathlib import Path

from toolkit.lab.control import LabControl
from toolkit.model.execution import Progress


@dataclass(frozen=True)
class LabMachine:
    """One machine of a running lab; a `Provisioner`."""

    folder: Path
    machine: str

    def is_provided(self) -> bool:
        """Whether it is on."""
        with LabControl.connect(self.folder) as lab:
            return lab.status().machines[self.machine].power == "on"

    def provide(self, progress: Progress) -> None:
        """Switches the machine on."""
        with LabControl.connect(self.folder) as lab:
            lab.power_on(self.machine)

    def announced_tls_sha256(self) -> None:
        """Its plate says it, and the inventory knows it from there."""

    def withdraw(self) -> bool:
        """Switches the machine off; its disk stays."""
        with LabControl.connect(self.folder) as lab:
            lab.power_off(self.machine)
        return False
