"""NVMe: sanitize (all of the subsystem, what was set aside too), or format with secure erase (NVM Express 2.0)."""

import struct
from dataclasses import dataclass

from toolkit.disks.commands.door import Admin, NvmeDoor
from toolkit.disks.commands.technique import HOURS_12_MS, CommandFailed, Offer, Sleep, Technique
from toolkit.disks.commands.waiting import hold_out, poll
from toolkit.disks.device import Progress
from toolkit.disks.refusal import Failed

IDENTIFY, GET_LOG_PAGE, FORMAT, SANITIZE = 0x06, 0x02, 0x80, 0x84
_CONTROLLER, _NAMESPACE, _ACTIVE_NAMESPACES = 1, 0, 2
_SANITIZE_LOG, _LOG_BYTES = 0x81, 512
_BLOCK_ERASE, _CRYPTO_ERASE = 2, 4
_USER_DATA, _CRYPTO = 1, 2
_FORMAT_SECONDS = 60.0


@dataclass(frozen=True)
class Controller:
    """What Identify Controller tells of erasing (figure 275): OACS, FNA and SANICAP."""

    formats: bool
    format_is_of_all: bool
    crypto_format: bool
    crypto_sanitize: bool
    block_sanitize: bool

    @classmethod
    def of(cls, page: bytes) -> "Controller":
        """From the 4096 bytes of the page."""
        optional, fna, sanicap = int.from_bytes(page[256:258], "little"), page[524], page[328]
        return cls(
            formats=bool(optional & 2),
            format_is_of_all=bool(fna & 3),
            crypto_format=bool(fna & 4),
            crypto_sanitize=bool(sanicap & 1),
            block_sanitize=bool(sanicap & 2),
        )


def offer(door: NvmeDoor, namespace: int) -> Offer:
    """What the disk offers; nothing that would reach beyond this namespace while there are others."""
    try:
        controller = Controller.of(door.admin(Admin(IDENTIFY, cdw10=_CONTROLLER, reads=4096)))
        page = door.admin(Admin(IDENTIFY, cdw10=_ACTIVE_NAMESPACES, reads=4096))
    except CommandFailed as failed:
        return Offer(missing=f"the NVMe controller does not say what it can: {failed}")
    active = [number for (number,) in struct.iter_unpack("<I", page) if number]
    alone = active == [namespace]
    found: list[Technique] = []
    if alone and controller.block_sanitize:
        found.append(_sanitize(door, "block-erase", "block erase", _BLOCK_ERASE))
    if alone and controller.crypto_sanitize:
        found.append(_sanitize(door, "crypto-erase", "cryptographic erase", _CRYPTO_ERASE))
    if controller.formats and (alone or not controller.format_is_of_all):
        found.append(_format(door, namespace, "format", "user data erase", _USER_DATA))
        if controller.crypto_format:
            found.append(_format(door, namespace, "format-crypto", "cryptographic erase", _CRYPTO))
    others = ", ".join(str(number) for number in active if number != namespace)
    return Offer(tuple(found), f"the controller has other namespaces: {others}" if others else "")


def _sanitize(door: NvmeDoor, name: str, words: str, action: int) -> Technique:
    def run(progress: Progress, sleep: Sleep) -> None:
        progress(0.0)
        door.admin(Admin(SANITIZE, cdw10=action, timeout_ms=HOURS_12_MS))
        poll(lambda: sanitized(door), progress, sleep)

    return Technique(f"nvme-{name}", f"NVMe sanitize, {words}", "purge", run)


def sanitized(door: NvmeDoor) -> float:
    """How far a sanitize operation is (log page 0x81: SPROG, SSTAT); raises Failed when it failed."""
    dwords = _LOG_BYTES // 4 - 1
    log = door.admin(Admin(GET_LOG_PAGE, 0xFFFFFFFF, cdw10=_SANITIZE_LOG | dwords << 16, reads=_LOG_BYTES))
    progress, status = int.from_bytes(log[:2], "little"), int.from_bytes(log[2:4], "little")
    state = status & 7
    if state in (1, 4):  # done; done, and deallocated although it was not asked to
        return 1.0
    if state == 2:
        return min(progress / 65536, 0.99)
    raise Failed("the disk says that its sanitize operation failed" if state == 3 else "the disk has sanitized nothing")


def _format(door: NvmeDoor, namespace: int, name: str, words: str, erase: int) -> Technique:
    def run(progress: Progress, sleep: Sleep) -> None:
        progress(0.0)
        # as it is formatted now, so that it keeps its sectors' size
        page = door.admin(Admin(IDENTIFY, namespace, _NAMESPACE, reads=4096))
        command = Admin(FORMAT, namespace, format_word(page, erase), timeout_ms=HOURS_12_MS)
        hold_out(lambda: door.admin(command), _FORMAT_SECONDS, progress, "the disk does not format itself")

    return Technique(f"nvme-{name}", f"NVMe format, {words}", "purge", run)


def format_word(page: bytes, erase: int) -> int:
    """Dword 10 of Format NVM, from Identify Namespace's NLBAF, FLBAS and DPS, and the secure erase setting."""
    flbas, protection = page[26], page[29]
    low, high = flbas & 0xF, flbas >> 5 & 3 if page[25] >= 16 else 0
    return low | (flbas >> 4 & 1) << 4 | (protection & 7) << 5 | (protection >> 3 & 1) << 8 | erase << 9 | high << 12
