"""SCSI SANITIZE against a disk that refuses what it does not know: no disk here has it, QEMU's neither."""

from collections.abc import Iterator

import pytest

from toolkit.disks.commands.door import Answer, OpenScsi
from toolkit.disks.commands.scsi import REPORT_SUPPORTED, REQUEST_SENSE, SANITIZE, Sense, offer, sanitized
from toolkit.disks.commands.technique import CommandFailed
from toolkit.disks.commands.waiting import under_way
from toolkit.disks.refusal import Failed, Unknown

NO_SENSE = bytes([0x70, 0, 0, 0, 0, 0, 0, 10]) + bytes(10)


def sense(key: int, code: int, qualifier: int, progress: int | None = None) -> bytes:
    """Fixed format."""
    raw = bytearray(18)
    raw[0], raw[2], raw[7], raw[12], raw[13] = 0x70, key, 10, code, qualifier
    if progress is not None:
        raw[15:18] = bytes([0x80, *progress.to_bytes(2, "big")])
    return bytes(raw)


class Disk:
    """It has some kinds of SANITIZE; `says` is what REQUEST SENSE answers, one after the other."""

    def __init__(self, *kinds: int, refuses: bool = False) -> None:
        self.kinds, self.refuses = kinds, refuses
        self.says: Iterator[bytes | None] = iter(())
        self.begun: list[tuple[bytes, bytes]] = []

    def command(self, cdb: bytes, *, reads: int = 0, writes: bytes = b"", timeout_ms: int = 60_000) -> Answer:
        if cdb[0] == REPORT_SUPPORTED:
            assert (cdb[1], cdb[2], cdb[3], reads) == (0x0C, 3, SANITIZE, 64)
            return Answer(bytes([0, 3 if cdb[5] in self.kinds else 1]).ljust(64, b"\0"), b"", good=True)
        if cdb[0] == REQUEST_SENSE:
            said = next(self.says)
            if said is None:
                raise CommandFailed("no answer")
            return Answer(said.ljust(reads, b"\0"), b"", good=True)
        if cdb[0] == SANITIZE and not self.refuses:
            self.begun.append((cdb, writes))
            return Answer(b"", b"", good=True)
        return Answer(b"", sense(5, 0x20, 0), good=False)


def erase(disk: Disk) -> list[float]:
    told: list[float] = []
    offer(disk).techniques[0].run(told.append, lambda _: None)
    return told


def test_only_what_the_disk_says_it_has_is_offered_the_best_first() -> None:
    assert [one.name for one in offer(Disk(1, 2, 3)).techniques] == [
        "scsi-block-erase", "scsi-crypto-erase", "scsi-overwrite",
    ]  # fmt: skip
    assert offer(Disk()).techniques == ()


def test_it_goes_on_by_itself_and_is_followed_by_its_sense_data() -> None:
    disk = Disk(2)
    disk.says = iter([sense(2, 4, 0x1B, 0), sense(2, 4, 0x1B, 0x8000), None, NO_SENSE])
    assert erase(disk) == [0.0, 0.0, 0.5, 1.0]
    assert disk.begun == [(bytes([0x48, 0x82, 0, 0, 0, 0, 0, 0, 0, 0]), b"")]


def test_an_erasure_that_goes_on_by_itself_is_known() -> None:
    disk = Disk(2)
    disk.says = iter([sense(2, 4, 0x1B, 0x8000), NO_SENSE, sense(3, 0x31, 3), None])
    assert [under_way(lambda: sanitized(disk)) for _ in range(4)] == [0.5, None, None, None]


def test_an_overwriting_is_told_to_write_zeros_once() -> None:
    disk = Disk(1)
    disk.says = iter([NO_SENSE])
    erase(disk)
    assert disk.begun == [(bytes([0x48, 0x81, 0, 0, 0, 0, 0, 0, 8, 0]), bytes([1, 0, 0, 4, 0, 0, 0, 0]))]


def test_a_disk_that_refuses_has_done_nothing_and_one_that_fails_is_not_erased() -> None:
    with pytest.raises(CommandFailed, match="was refused"):
        erase(Disk(2, refuses=True))
    failing = Disk(2)
    failing.says = iter([sense(2, 4, 0x1B, 0), sense(3, 0x31, 3)])
    with pytest.raises(Failed, match="operation failed"):
        erase(failing)


def test_of_a_disk_that_falls_silent_nobody_can_say() -> None:
    silent = Disk(2)
    silent.says = iter([sense(2, 4, 0x1B, 0), *[None] * 100])
    with pytest.raises(Unknown, match="no longer says"):
        erase(silent)


def test_sense_data_of_both_formats_are_read() -> None:
    described = bytes([0x72, 2, 4, 0x1B, 0, 0, 0, 8, 2, 6, 0, 0, 0x80, 0x40, 0, 0])
    assert Sense.of(described) == Sense.of(sense(2, 4, 0x1B, 0x4000)) == Sense(2, (4, 0x1B), 0x4000)
    assert Sense.of(b"") == Sense(0, (0, 0), None)


def test_what_is_no_scsi_disk_refuses_the_command() -> None:
    with open("/dev/null", "rb") as nothing, pytest.raises(CommandFailed, match="0x3"):  # noqa: PTH123
        OpenScsi(nothing.fileno()).command(bytes([REQUEST_SENSE, 0, 0, 0, 252, 0]), reads=252)
