"""Faults that a test or a rehearsal plants in a box: few, named, and read from the disk each time they matter."""

from toolkit.emulator.appliance.disk import Disk
from toolkit.model.errors import InputError

FAULTS = {
    "no-announcements": "an address is enabled, but no gratuitous ARP or neighbour advertisement is sent",
    "install-fails": "an update is downloaded and verified, then its installation breaks",
    "slow-disk": "a restore and a reset take seconds longer",
    "reset-never-completes": "a factory reset goes on for ever",
    "says-ok-changes-nothing:address": "enabling or disabling an address is answered with success and not done",
}
"""Name and meaning; any other name is refused."""


class Faults:
    """The faults planted on a disk, one per line of its file `faults`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def is_set(self, name: str) -> bool:
        """Whether the fault is planted now; KeyError for a name that is no fault."""
        if name not in FAULTS:
            raise KeyError(name)
        try:
            return name in self._disk.faults.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False

    def plant(self, *names: str) -> None:
        """These faults and no others; works on a running box, and none heals it. Raises InputError."""
        for name in names:
            if name not in FAULTS:
                raise InputError(
                    f"{name!r} is not a fault a box can have",
                    where=str(self._disk.faults),
                    next_move=f"Choose from: {', '.join(FAULTS)}.",
                )
        self._disk.write(self._disk.faults, "".join(f"{name}\n" for name in names).encode())
