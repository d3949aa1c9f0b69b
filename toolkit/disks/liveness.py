"""Whether a device still is the one that was opened: pulled out, or another one in its place, it is not."""

import fcntl
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from toolkit.disks.facts import open_diskseq, text
from toolkit.disks.refusal import Failed
from toolkit.disks.volumes import Gone

_BLKFLSBUF = 0x1261  # linux/fs.h: _IO(0x12, 97)


@dataclass(frozen=True)
class Identity:
    """What does not change while a device stays plugged in; `sequence` is the kernel's count of media, "" for files."""

    number: tuple[int, int]
    sequence: str
    size_bytes: int


class LiveDevice:
    """A device or an image file, held open so that its number is given to no other; to be closed."""

    def __init__(self, path: Path, *, writing: bool, alone: bool = False) -> None:
        """`alone`: while nobody has it mounted, and so that nobody mounts it (open(2), O_EXCL). Raises Failed."""
        flags = (os.O_RDWR if writing else os.O_RDONLY) | os.O_CLOEXEC
        self.path = path
        self.is_file = not stat.S_ISBLK(_status(path).st_mode)
        if alone and not self.is_file:
            flags |= os.O_EXCL
        try:
            self.descriptor = os.open(path, flags)
        except OSError as error:
            why = "it is mounted, or another program has it" if alone else ""
            raise Failed(f"{path} cannot be opened: {error.strerror}{why and f' ({why})'}") from None
        self.number = _number(os.fstat(self.descriptor), is_file=self.is_file)
        self.opened_as = self._now()

    def check(self) -> None:
        """Raises Gone unless it is still there, still the same, and still as large."""
        try:
            now = self._now()
        except OSError as error:
            raise Gone(f"{self.path} is not there any more: {error.strerror}") from None
        if now == self.opened_as:
            return
        if now.number != self.opened_as.number or now.sequence != self.opened_as.sequence:
            raise Gone(f"{self.path} is another device than the one that was opened")
        raise Gone(f"{self.path} has {now.size_bytes} bytes now, and had {self.opened_as.size_bytes}")

    def _now(self) -> Identity:
        status = self.path.stat()
        number = _number(status, is_file=self.is_file)
        if self.is_file:
            return Identity(number, "", status.st_size)
        system = Path(f"/sys/dev/block/{number[0]}:{number[1]}")
        # a folder of sysfs goes with the device, while the node that is held open stays
        size = int((system / "size").read_text(encoding="ascii")) * 512
        return Identity(number, self._sequence(system), size)

    def _sequence(self, system: Path) -> str:
        """Of the whole disk: a partition has none of its own in sysfs."""
        whole = system.resolve().parent if (system / "partition").exists() else system
        return text(whole / "diskseq") or str(open_diskseq(self.descriptor) or "")

    def flush(self) -> None:
        """Brings what was written to the device, and forgets it here; raises Failed when it is not taken."""
        try:
            os.fsync(self.descriptor)
            if not self.is_file:
                with suppress(PermissionError):  # an ordinary user's: what is clean is dropped below all the same
                    fcntl.ioctl(self.descriptor, _BLKFLSBUF, 0)
            os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            raise Failed(f"{self.path} did not take what was written: {error.strerror}") from None

    def close(self) -> None:
        """Lets go of it."""
        os.close(self.descriptor)


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise Gone(f"{path} is not there: {error.strerror}") from None


def _number(status: os.stat_result, *, is_file: bool) -> tuple[int, int]:
    if is_file:
        return status.st_dev, status.st_ino
    return os.major(status.st_rdev), os.minor(status.st_rdev)
