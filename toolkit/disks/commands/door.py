"""The doors to a disk's own commands: NVMe's admin queue, and SCSI's, through which ATA's go too; nothing is decided.

Addresses of memory come from arrays: the rescue system has no ctypes.
"""

import fcntl
import struct
from array import array
from dataclasses import dataclass
from typing import Protocol

from toolkit.disks.commands.technique import CommandFailed

_NVME_ADMIN = 0xC0484E41  # linux/nvme_ioctl.h: _IOWR('N', 0x41, struct nvme_passthru_cmd)
_SG_IO = 0x2285  # scsi/sg.h
_ADMIN = struct.Struct("=BBHIIIQQII6III")
_SG = struct.Struct("@iiBBHIPPPIIiPBBBBHHiII0P")  # struct sg_io_hdr, padded at its end
_TO_DEVICE, _FROM_DEVICE, _NO_DATA = -2, -3, -1
_SENSE_BYTES = 64
_CHECK_CONDITION = 2


@dataclass(frozen=True)
class Admin:
    """One command of NVMe's admin set (NVMe 2.0, 3.3.3.1); `reads` is how many bytes it answers with."""

    opcode: int
    namespace: int = 0
    cdw10: int = 0
    cdw11: int = 0
    reads: int = 0
    timeout_ms: int = 60_000


class NvmeDoor(Protocol):
    """Where admin commands go."""

    def admin(self, command: Admin) -> bytes:
        """What the controller answers; raises CommandFailed."""
        ...


@dataclass(frozen=True)
class Answer:
    """What a SCSI command brought: its data, and the sense data, b"" without."""

    data: bytes
    sense: bytes
    good: bool


class ScsiDoor(Protocol):
    """Where SCSI commands go."""

    def command(self, cdb: bytes, *, reads: int = 0, writes: bytes = b"", timeout_ms: int = 60_000) -> Answer:
        """What the disk answers; raises CommandFailed when it never got there or nothing came back."""
        ...


class OpenNvme:
    """The controller behind an open namespace."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def admin(self, command: Admin) -> bytes:
        """Raises CommandFailed."""
        memory = array("B", bytes(command.reads))
        words = bytearray(encoded(command, memory.buffer_info()[0] if command.reads else 0))
        try:
            status = fcntl.ioctl(self._descriptor, _NVME_ADMIN, words)
        except OSError as error:
            raise CommandFailed(f"NVMe command {command.opcode:#x}: {error.strerror}") from None
        if status:
            raise CommandFailed(f"NVMe command {command.opcode:#x} ended with status {status:#x}")
        return memory.tobytes()


def encoded(command: Admin, address: int) -> bytes:
    """A `struct nvme_passthru_cmd`."""
    return _ADMIN.pack(
        command.opcode, 0, 0, command.namespace, 0, 0, 0, address, 0, command.reads,
        command.cdw10, command.cdw11, 0, 0, 0, 0, command.timeout_ms, 0,
    )  # fmt: skip


class OpenScsi:
    """The disk behind an open block device."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def command(self, cdb: bytes, *, reads: int = 0, writes: bytes = b"", timeout_ms: int = 60_000) -> Answer:
        """Raises CommandFailed."""
        block, memory, sense = array("B", cdb), array("B", writes or bytes(reads)), array("B", bytes(_SENSE_BYTES))
        direction = _TO_DEVICE if writes else _FROM_DEVICE if reads else _NO_DATA
        header = bytearray(
            _SG.pack(
                ord("S"), direction, len(cdb), _SENSE_BYTES, 0, len(memory),
                memory.buffer_info()[0] if memory else 0, block.buffer_info()[0], sense.buffer_info()[0],
                timeout_ms, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            )
        )  # fmt: skip
        try:
            fcntl.ioctl(self._descriptor, _SG_IO, header)
        except OSError as error:
            raise CommandFailed(f"SCSI command {cdb[0]:#x}: {error.strerror}") from None
        _, _, _, _, _, _, _, _, _, _, _, _, _, status, _, _, written, host, _, _, _, _ = _SG.unpack(header)
        if host or status not in (0, _CHECK_CONDITION):
            raise CommandFailed(f"SCSI command {cdb[0]:#x} was not answered (host {host:#x}, status {status:#x})")
        return Answer(memory.tobytes() if reads else b"", sense.tobytes()[:written], status == 0)
