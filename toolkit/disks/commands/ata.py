"""ATA: SANITIZE DEVICE, or SECURITY ERASE UNIT where it has only that (ACS-3); sent as SCSI ATA PASS-THROUGH (SAT-3).

SECURITY ERASE UNIT wants a password set first. It is no secret: it stands here, so that a disk whose erasure was cut
off, which is locked from then on, is opened again by whoever comes next. A disk that has another's password, or whose
firmware has frozen these commands for this power-on, is not touched by them.
"""

from contextlib import suppress
from dataclasses import dataclass

from toolkit.disks.commands.door import Answer, ScsiDoor
from toolkit.disks.commands.scsi import descriptors
from toolkit.disks.commands.technique import HOURS_12_MS, CommandFailed, Offer, Sleep, Technique
from toolkit.disks.commands.waiting import hold_out, poll
from toolkit.disks.device import Progress
from toolkit.disks.refusal import Failed

PASSWORD = b"rebox wipes this disk"
IDENTIFY, SANITIZE = 0xEC, 0xB4
SET_PASSWORD, UNLOCK, ERASE_PREPARE, ERASE_UNIT, DISABLE_PASSWORD = 0xF1, 0xF2, 0xF3, 0xF4, 0xF6
_STATUS, _CRYPTO_SCRAMBLE, _BLOCK_ERASE, _OVERWRITE = 0x00, 0x11, 0x12, 0x14
_KEYS = {_CRYPTO_SCRAMBLE: 0x43727970, _BLOCK_ERASE: 0x426B4572, _OVERWRITE: 0x4F57_0000_0000}
"""What stands in the LBA field, so that nothing is erased by a slip: "Cryp", "BkEr", "OW" and zeros to write."""
_NO_DATA, _READS, _WRITES = 3, 4, 5  # protocols: non-data, PIO in, PIO out
_DONE, _IN_PROGRESS, _FROZEN = 0x80, 0x40, 0x20
_ATA_STATUS = 9


@dataclass(frozen=True)
class Identity:
    """What IDENTIFY DEVICE tells of erasing: words 59, 82, 85, 89, 90 and 128."""

    sanitizes: bool
    crypto: bool
    overwrites: bool
    block: bool
    has_security: bool
    password_set: bool
    locked: bool
    frozen: bool
    enhanced: bool
    seconds: float
    enhanced_seconds: float

    @classmethod
    def of(cls, page: bytes) -> "Identity":
        """From its 512 bytes."""

        def word(number: int) -> int:
            return int.from_bytes(page[2 * number : 2 * number + 2], "little")

        sanitize, security = word(59), word(128)
        return cls(
            sanitizes=bool(sanitize & 1 << 12),
            crypto=bool(sanitize & 1 << 13),
            overwrites=bool(sanitize & 1 << 14),
            block=bool(sanitize & 1 << 15),
            has_security=bool(word(82) & 2 and security & 1),
            password_set=bool(security & 2),
            locked=bool(security & 4),
            frozen=bool(security & 8),
            enhanced=bool(security & 32),
            seconds=_seconds(word(89)),
            enhanced_seconds=_seconds(word(90)),
        )


def _seconds(word: int) -> float:
    """In units of two minutes, of eight bits or, with bit 15, of fifteen."""
    return 120.0 * (word & 0x7FFF if word & 0x8000 else word & 0xFF)


def pass_through(
    command: int, *, features: int = 0, count: int = 0, lba: int = 0, protocol: int = _NO_DATA, extend: bool = False,
    wants_status: bool = False,
) -> bytes:  # fmt: skip
    """ATA PASS-THROUGH (16) (SAT-3, 12.2.2); with `wants_status` the registers come back as sense data."""
    data = {_NO_DATA: 0, _READS: 0x0E, _WRITES: 0x06}[protocol]
    at = lba.to_bytes(6, "little")
    return bytes([
        0x85, protocol << 1 | extend, data | wants_status << 5,
        features >> 8, features & 0xFF, count >> 8, count & 0xFF,
        at[3], at[0], at[4], at[1], at[5], at[2], 0x40 if extend else 0, command, 0,
    ])  # fmt: skip


def offer(door: ScsiDoor) -> Offer:
    """What the disk offers, the best first; changes nothing."""
    try:
        identity = _identify(door)
        frozen = identity.sanitizes and _registers(door.command(_sanitize_command(_STATUS)))[0] & _FROZEN
    except CommandFailed as failed:
        return Offer(missing=f"the disk does not say what it can: {failed}")
    found: list[Technique] = []
    if identity.sanitizes and not frozen:
        kinds = (
            (identity.block, "block-erase", "block erase", _BLOCK_ERASE),
            (identity.crypto, "crypto-scramble", "crypto scramble", _CRYPTO_SCRAMBLE),
            (identity.overwrites, "overwrite", "overwrite", _OVERWRITE),
        )
        found += [_sanitize(door, name, words, feature) for has, name, words, feature in kinds if has]
    missing = "the firmware has frozen the disk's sanitize commands" if frozen else ""
    if identity.has_security and identity.frozen:
        missing = "the firmware has frozen the disk's security commands: take its power away and give it back"
    elif identity.has_security and identity.password_set:
        missing = "the disk has a security password"
    elif identity.has_security:
        found += [_secure_erase(door, identity, enhanced=True)] if identity.enhanced else []
        found.append(_secure_erase(door, identity, enhanced=False))
    return Offer(tuple(found), missing)


def _identify(door: ScsiDoor) -> Identity:
    answer = door.command(pass_through(IDENTIFY, count=1, protocol=_READS), reads=512)
    if not answer.good:
        raise CommandFailed("IDENTIFY DEVICE was refused")
    return Identity.of(answer.data)


# ------------------------------------------------------------------------------------------------- sanitize


def _sanitize_command(feature: int) -> bytes:
    count = 1 if feature == _OVERWRITE else 0
    return pass_through(
        SANITIZE, features=feature, count=count, lba=_KEYS.get(feature, 0), extend=True, wants_status=True
    )


def _sanitize(door: ScsiDoor, name: str, words: str, feature: int) -> Technique:
    def run(progress: Progress, sleep: Sleep) -> None:
        progress(0.0)
        answer = door.command(_sanitize_command(feature))
        _registers(answer)
        poll(lambda: sanitized(door), progress, sleep)

    return Technique(f"ata-{name}", f"ATA sanitize, {words}", "purge", run)


def sanitized(door: ScsiDoor) -> float:
    """How far it is, by SANITIZE STATUS EXT (ACS-3, 7.36.6); raises Failed when it ended otherwise than well."""
    flags, progress = _registers(door.command(_sanitize_command(_STATUS)))
    if flags & _IN_PROGRESS:
        return min(progress / 65536, 0.99)
    if not flags & _DONE:
        raise Failed("the disk says that its sanitize operation failed")
    return 1.0


def _registers(answer: Answer) -> tuple[int, int]:
    """Flags (count, bits 15 to 8) and progress (LBA, bits 15 to 0) of the ATA status that came as sense data."""
    status = next((part for kind, part in descriptors(answer.sense) if kind == _ATA_STATUS), b"")
    if len(status) < 14:
        raise CommandFailed("the ATA command's status did not come back")
    if status[13] & 1:
        raise CommandFailed(f"the ATA command was refused (error {status[3]:#x})")
    return status[4], status[9] << 8 | status[7]


# ------------------------------------------------------------------------------------------- secure erase


def security_page(*, enhanced: bool = False) -> bytes:
    """The 512 bytes that security commands take: for the user's password, level high."""
    return bytes([2 if enhanced else 0, 0]) + PASSWORD.ljust(32, b"\0") + bytes(478)


def _secure_erase(door: ScsiDoor, identity: Identity, *, enhanced: bool) -> Technique:
    seconds = identity.enhanced_seconds if enhanced else identity.seconds

    def run(progress: Progress, sleep: Sleep) -> None:
        progress(0.0)
        _security(door, SET_PASSWORD, "SECURITY SET PASSWORD")
        try:
            _plain(door, ERASE_PREPARE, "SECURITY ERASE PREPARE")
            what = "the disk's secure erase failed"
            hold_out(lambda: _erase(door, enhanced), seconds, progress, what)
        finally:
            # an erasure that ended has taken it away; one that did not has not
            clear_password(door)

    words = f"ATA security erase unit, {'enhanced' if enhanced else 'normal'}"
    # Rev. 1, tables: the normal mode leaves out what was set aside
    return Technique(f"ata-{'enhanced' if enhanced else 'secure'}-erase", words, "purge" if enhanced else "clear", run)


def _erase(door: ScsiDoor, enhanced: bool) -> None:
    _security(door, ERASE_UNIT, "SECURITY ERASE UNIT", enhanced=enhanced, timeout_ms=HOURS_12_MS)


def clear_password(door: ScsiDoor) -> None:
    """Takes away the password that an erasure of ours has left, also a cut-off one; another's stays as it is."""
    with suppress(CommandFailed):
        identity = _identify(door)
        if not identity.has_security or not identity.password_set or identity.frozen:
            return
        if identity.locked:
            _security(door, UNLOCK, "SECURITY UNLOCK")
        _security(door, DISABLE_PASSWORD, "SECURITY DISABLE PASSWORD")


def _security(door: ScsiDoor, command: int, name: str, *, enhanced: bool = False, timeout_ms: int = 60_000) -> None:
    cdb = pass_through(command, count=1, protocol=_WRITES)
    if not door.command(cdb, writes=security_page(enhanced=enhanced), timeout_ms=timeout_ms).good:
        raise CommandFailed(f"{name} was refused")


def _plain(door: ScsiDoor, command: int, name: str) -> None:
    if not door.command(pass_through(command)).good:
        raise CommandFailed(f"{name} was refused")
