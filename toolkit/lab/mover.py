"""Moves the lab's stick for the operator, who in a lab is nobody."""

from dataclasses import dataclass
from pathlib import Path

from toolkit.appliances.courier import Side
from toolkit.lab.control import LabControl


@dataclass(frozen=True)
class StickMover:
    """The stick of one running lab, and the machines that it is plugged into."""

    folder: Path
    hosts: dict[Side, str]

    def __call__(self, side: Side) -> None:
        """Plugs it in on that side; raises ReboxError."""
        with LabControl.connect(self.folder) as lab:
            lab.plug_stick(self.hosts[side])
