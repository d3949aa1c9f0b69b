"""SCSI: SANITIZE (SBC-4, 5.30), where the disk says that it has it (REPORT SUPPORTED OPERATION CODES, SPC-5, 6.38)."""

from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.disks.commands.door import ScsiDoor
from toolkit.disks.commands.technique import Category, CommandFailed, Offer, Sleep, Technique
from toolkit.disks.commands.waiting import poll
from toolkit.disks.device import Progress
from toolkit.disks.refusal import Failed

SANITIZE, REQUEST_SENSE, REPORT_SUPPORTED = 0x48, 0x03, 0xA3
_OVERWRITE, _BLOCK_ERASE, _CRYPTO_ERASE = 1, 2, 3
_IMMEDIATE = 0x80
_SENSE_BYTES = 252
_NOT_READY, _MEDIUM_ERROR = 0x2, 0x3
_IN_PROGRESS, _SANITIZE_FAILED = (0x04, 0x1B), (0x31, 0x03)
_ZEROS_ONCE = bytes([1, 0, 0, 4, 0, 0, 0, 0])
"""SANITIZE's parameter list for one overwriting: the count, the length of the pattern, and the pattern."""


@dataclass(frozen=True)
class Sense:
    """Sense data of either format (SPC-5, 4.4); `progress` is of 65536, None: not told."""

    key: int
    code: tuple[int, int]
    progress: int | None

    @classmethod
    def of(cls, raw: bytes) -> "Sense":
        """From what a command brought; nothing told is no sense (0)."""
        if len(raw) < 8:
            return cls(0, (0, 0), None)
        if raw[0] & 0x7F in (0x72, 0x73):
            parts = {kind: part for kind, part in descriptors(raw) if kind == 2}
            specific = parts.get(2, bytes(8))[4:7]
            return cls(raw[1] & 0xF, (raw[2], raw[3]), _progress(specific))
        return cls(raw[2] & 0xF, (raw[12], raw[13]) if len(raw) > 13 else (0, 0), _progress(raw[15:18]))


def descriptors(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The descriptors of descriptor format sense data: type, and all of it."""
    at = 8
    while at + 2 <= len(raw) and at < 8 + raw[7]:
        length = 2 + raw[at + 1]
        yield raw[at], raw[at : at + length]
        at += length


def _progress(specific: bytes) -> int | None:
    return int.from_bytes(specific[1:3], "big") if len(specific) == 3 and specific[0] & 0x80 else None


def offer(door: ScsiDoor) -> Offer:
    """The kinds of SANITIZE that the disk has, the best first."""
    kinds: tuple[tuple[str, str, int, Category], ...] = (
        ("block-erase", "block erase", _BLOCK_ERASE, "purge"),
        ("crypto-erase", "cryptographic erase", _CRYPTO_ERASE, "purge"),
        ("overwrite", "overwrite", _OVERWRITE, "purge"),
    )
    try:
        found = [
            Technique(f"scsi-{name}", f"SCSI sanitize, {words}", category, Run(door, action))
            for name, words, action, category in kinds
            if _has(door, action)
        ]
    except CommandFailed as failed:
        return Offer(missing=f"the disk does not say what it can: {failed}")
    return Offer(tuple(found))


def _has(door: ScsiDoor, action: int) -> bool:
    """One command, with its service action (reporting option 3); 3 and 5 stand for having it."""
    cdb = bytes([REPORT_SUPPORTED, 0x0C, 3, SANITIZE, 0, action, 0, 0, 0, 64, 0, 0])
    answer = door.command(cdb, reads=64)
    return answer.good and answer.data[1] & 7 in (3, 5)


def sanitize_command(action: int) -> bytes:
    """The command's block: it answers at once, and goes on."""
    length = len(_ZEROS_ONCE) if action == _OVERWRITE else 0
    return bytes([SANITIZE, _IMMEDIATE | action, 0, 0, 0, 0, 0, *length.to_bytes(2, "big"), 0])


@dataclass(frozen=True)
class Run:
    """Begins the operation and follows it."""

    door: ScsiDoor
    action: int

    def __call__(self, progress: Progress, sleep: Sleep) -> None:
        """Raises CommandFailed when it is not begun, Failed when it fails."""
        progress(0.0)
        writes = _ZEROS_ONCE if self.action == _OVERWRITE else b""
        answer = self.door.command(sanitize_command(self.action), writes=writes)
        if not answer.good:
            sense = Sense.of(answer.sense)
            raise CommandFailed(f"SCSI SANITIZE was refused (key {sense.key:#x}, code {sense.code[0]:#x})")
        poll(lambda: sanitized(self.door), progress, sleep)


def sanitized(door: ScsiDoor) -> float:
    """How far it is, by REQUEST SENSE; raises Failed when the disk says that it failed."""
    answer = door.command(bytes([REQUEST_SENSE, 0, 0, 0, _SENSE_BYTES, 0]), reads=_SENSE_BYTES)
    sense = Sense.of(answer.data)
    if sense.key == _NOT_READY and sense.code == _IN_PROGRESS:
        return min((sense.progress or 0) / 65536, 0.99)
    if sense.key == _MEDIUM_ERROR or sense.code == _SANITIZE_FAILED:
        raise Failed("the disk says that its sanitize operation failed")
    if sense.key:
        raise CommandFailed(f"the disk answers with sense key {sense.key:#x}, code {sense.code[0]:#x}")
    return 1.0
