"""ATA sanitize and secure erase against a disk that refuses what it does not know, and keeps its password's rules.

QEMU's ATA disks have neither set of commands; that they answer IDENTIFY DEVICE is seen where the installer wipes one.
"""

import struct

import pytest

from toolkit.disks.commands import ata
from toolkit.disks.commands.ata import PASSWORD, Identity, clear_password, offer, pass_through
from toolkit.disks.commands.door import Answer
from toolkit.disks.commands.technique import CommandFailed, Technique
from toolkit.disks.commands.waiting import under_way
from toolkit.disks.refusal import Failed

BLOCK, CRYPTO, OVERWRITE = 1 << 15, 1 << 13, 1 << 14


class Disk:
    """`sanitize` is word 59 without its first bit; the password goes as ACS-3's security states say."""

    def __init__(
        self, *, sanitize: int = 0, security: bool = False, enhanced: bool = False, frozen: bool = False,
        password: bytes = b"", locked: bool = False, fails: int = 0,
    ) -> None:  # fmt: skip
        self.sanitize, self.security, self.enhanced, self.frozen = sanitize, security, enhanced, frozen
        self.password, self.locked, self.fails = password, locked, fails
        self.prepared = False
        self.done: list[str] = []
        self.flags = iter([(0x40, 0), (0x40, 0x8000), (0x80, 0)])

    def command(self, cdb: bytes, *, reads: int = 0, writes: bytes = b"", timeout_ms: int = 60_000) -> Answer:
        assert (cdb[0], len(cdb)) == (0x85, 16)
        command = cdb[14]
        if command == self.fails:
            return Answer(b"", b"", good=False)
        if command == ata.IDENTIFY:
            assert (cdb[1], cdb[2], cdb[6], reads) == (4 << 1, 0x0E, 1, 512)
            return Answer(self._identify(), b"", good=True)
        if command == ata.SANITIZE:
            return self._sanitize(cdb)
        known = {
            ata.SET_PASSWORD: self._set, ata.UNLOCK: self._unlock, ata.ERASE_PREPARE: self._prepare,
            ata.ERASE_UNIT: self._erase, ata.DISABLE_PASSWORD: self._disable,
        }  # fmt: skip
        if command not in known or self.frozen:
            return Answer(b"", b"", good=False)
        if command != ata.ERASE_PREPARE:
            assert (cdb[1], cdb[2], cdb[6], len(writes)) == (5 << 1, 0x06, 1, 512)
        return Answer(b"", b"", good=known[command](writes))

    def _identify(self) -> bytes:
        words = [0] * 256
        words[59] = self.sanitize | (1 << 12 if self.sanitize else 0)
        words[82], words[89], words[90] = 2 * self.security, 30, 0x8000 | 300
        bits = (self.security, bool(self.password), self.locked, self.frozen, False, self.enhanced)
        words[128] = sum(bit << number for number, bit in enumerate(bits))
        return struct.pack("<256H", *words)

    def _sanitize(self, cdb: bytes) -> Answer:
        feature, lba = cdb[4], bytes([cdb[11], cdb[9], cdb[7], cdb[12], cdb[10], cdb[8]])
        assert cdb[1] == 3 << 1 | 1, "non-data, 48 bits"
        flags, progress = (0, 0)
        if feature == 0:
            flags, progress = next(self.flags) if self.done else (0x20 if self.frozen else 0, 0)
        elif lba != {0x11: b"\0\0Cryp", 0x12: b"\0\0BkEr", 0x14: b"OW\0\0\0\0"}.get(feature):
            return self._status(0, 0, error=True)
        else:
            self.done.append(f"sanitize {feature:#x}")
        return self._status(flags, progress)

    @staticmethod
    def _status(flags: int, progress: int, *, error: bool = False) -> Answer:
        ata_status = bytes(
            [9, 12, 1, 4 if error else 0, flags, 0, 0, progress & 0xFF, 0, progress >> 8, 0, 0, 0, error]
        )
        return Answer(b"", bytes([0x72, 1, 0, 0x1D, 0, 0, 0, len(ata_status)]) + ata_status, good=False)

    def _set(self, page: bytes) -> bool:
        self.password = page[2:34]
        return not self.locked

    def _unlock(self, page: bytes) -> bool:
        right = page[2:34] == self.password
        self.locked = self.locked and not right
        return right

    def _prepare(self, page: bytes) -> bool:
        self.prepared = True
        return not page

    def _erase(self, page: bytes) -> bool:
        right = self.prepared and page[2:34] == self.password
        if right:
            self.done.append("enhanced erase" if page[0] & 2 else "erase")
            self.password = b""
        return right

    def _disable(self, page: bytes) -> bool:
        right = not self.locked and page[2:34] == self.password
        self.password = b"" if right else self.password
        return right


def technique(disk: Disk, name: str) -> Technique:
    return next(one for one in offer(disk).techniques if one.name == name)


def run(disk: Disk, name: str) -> list[float]:
    told: list[float] = []
    technique(disk, name).run(told.append, lambda _: None)
    return told


def test_sanitize_comes_before_secure_erase_and_only_enhanced_purges() -> None:
    everything = offer(Disk(sanitize=BLOCK | CRYPTO | OVERWRITE, security=True, enhanced=True)).techniques
    assert [(one.name, one.category) for one in everything] == [
        ("ata-block-erase", "purge"), ("ata-crypto-scramble", "purge"), ("ata-overwrite", "purge"),
        ("ata-enhanced-erase", "purge"), ("ata-secure-erase", "clear"),
    ]  # fmt: skip
    assert [one.name for one in offer(Disk(security=True)).techniques] == ["ata-secure-erase"]
    assert offer(Disk()).techniques == ()


@pytest.mark.parametrize("name", ["ata-block-erase", "ata-crypto-scramble", "ata-overwrite"])
def test_sanitize_is_begun_by_its_key_and_followed_to_its_end(name: str) -> None:
    disk = Disk(sanitize=BLOCK | CRYPTO | OVERWRITE)
    assert run(disk, name) == [0.0, 0.0, 0.5, 1.0]
    assert len(disk.done) == 1


def test_an_erasure_that_goes_on_by_itself_is_known() -> None:
    disk = Disk(sanitize=BLOCK)
    # begun by somebody else, before we came
    disk.done.append("sanitize")
    disk.flags = iter([(0x40, 0x8000), (0x80, 0), (0, 0)])
    assert [under_way(lambda: ata.sanitized(disk)) for _ in range(3)] == [0.5, None, None]
    assert under_way(lambda: ata.sanitized(Disk(fails=ata.SANITIZE))) is None


def test_a_sanitize_operation_that_ends_without_saying_that_it_is_done_failed() -> None:
    disk = Disk(sanitize=BLOCK)
    disk.flags = iter([(0x40, 0), (0, 0)])
    with pytest.raises(Failed, match="operation failed"):
        run(disk, "ata-block-erase")


def test_a_secure_erase_sets_a_password_and_leaves_none() -> None:
    disk = Disk(security=True, enhanced=True)
    run(disk, "ata-enhanced-erase")
    run(disk, "ata-secure-erase")
    assert (disk.done, disk.password) == (["enhanced erase", "erase"], b"")


@pytest.mark.parametrize("command", [ata.ERASE_PREPARE, ata.ERASE_UNIT])
def test_the_password_is_taken_away_also_when_the_erasure_fails(command: int) -> None:
    disk = Disk(security=True, fails=command)
    with pytest.raises((CommandFailed, Failed)):
        run(disk, "ata-secure-erase")
    assert (disk.done, disk.password) == ([], b"")


def test_a_disk_locked_by_an_erasure_that_was_cut_off_is_opened_again_and_anothers_is_not() -> None:
    ours = Disk(security=True, password=PASSWORD.ljust(32, b"\0"), locked=True)
    assert "has a security password" in offer(ours).missing
    clear_password(ours)
    assert [one.name for one in offer(ours).techniques] == ["ata-secure-erase"]
    others = Disk(security=True, password=b"another's".ljust(32, b"\0"), locked=True)
    clear_password(others)
    assert (others.locked, others.password[:9]) == (True, b"another's")
    assert offer(others).techniques == ()


def test_frozen_commands_are_not_offered_and_the_way_out_is_told() -> None:
    frozen = offer(Disk(sanitize=BLOCK, security=True, frozen=True))
    assert frozen.techniques == ()
    assert "take its power away" in frozen.missing


def test_how_long_it_takes_is_in_units_of_two_minutes() -> None:
    identity = Identity.of(Disk(security=True)._identify())
    assert (identity.seconds, identity.enhanced_seconds) == (30 * 120.0, 300 * 120.0)


def test_a_command_stands_in_its_block_as_sat_wants_it() -> None:
    block = pass_through(0xB4, features=0x0014, count=1, lba=0x4F5700000000, extend=True, wants_status=True)
    assert block == bytes([0x85, 7, 0x20, 0, 0x14, 0, 1, 0, 0, 0x57, 0, 0x4F, 0, 0x40, 0xB4, 0])
