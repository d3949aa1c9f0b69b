"""Puts a new, empty file system on a stick: what was on it is gone, so that its serial number has to be said."""

import re
import subprocess
from collections.abc import Collection

from toolkit.disks.liveness import LiveDevice
from toolkit.disks.page_cache import forget
from toolkit.disks.plugged import Stick, check_same
from toolkit.disks.programs import program
from toolkit.disks.refusal import Failed, Refused
from toolkit.disks.volumes import KINDS, FileSystem, probe
from toolkit.media.carrier import Then, told
from toolkit.media.local import described
from toolkit.media.permitted import check_permitted
from toolkit.model.errors import InputError, RefusedError, VerificationError

_LABEL = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,10}")
_AGAIN = Then("It holds nothing now that can be used. Plug it in again or take another one, and format it.")
_WORDS = {
    "vfat": ("mkfs.vfat", "-I", "-n"),
    "exfat": ("mkfs.exfat", "-L"),
    # its folders are there at once: nothing goes on writing after it has been formatted
    "ext4": ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-m", "0", "-L"),
}


def format_stick(stick: Stick, kind: str, label: str, serial: str, allowed: Collection[str] = ()) -> FileSystem:
    """The new file system, over the whole stick; raises InputError, RefusedError, MediaError, VerificationError."""
    if kind not in KINDS:
        raise InputError(f"{kind!r} is no file system for a stick", next_move=f"Choose one of {', '.join(KINDS)}.")
    if not _LABEL.fullmatch(label):
        raise InputError(
            f"{label!r} cannot be a label",
            next_move="Use 1 to 11 capital letters, digits, hyphens and underscores, the first a letter or a digit.",
        )
    check_permitted(stick, allowed)
    if serial != stick.confirmed_by:
        raise RefusedError(
            "the serial number is not this stick's",
            where=described(stick),
            why="all that is on it would be gone",
            next_move="Look at the stick, and at rebox media list; one without a number is named by its device.",
        )
    with told(described(stick), _AGAIN):
        return _format(stick, kind, label)


def _format(stick: Stick, kind: str, label: str) -> FileSystem:
    if stick.read_only:
        raise Refused("it is write-protected")
    # seen to be unused by the kernel itself; then held, while the program that formats has it alone
    LiveDevice(stick.path, writing=True, alone=True).close()
    device = LiveDevice(stick.path, writing=True)
    try:
        check_same(stick)
        _run("wipefs", "--all", "--quiet", str(stick.path))
        device.check()
        _run(*_WORDS[kind], label, str(stick.path))
        device.check()
        forget(device)
        made = probe(stick.path)
    finally:
        device.close()
    if made is None or (made.kind, made.label) != (kind, label):
        raise VerificationError(
            "the stick does not hold the file system that was put on it",
            where=described(stick),
            next_move="Throw the stick away, and take another one.",
        )
    return made


def _run(*words: str) -> None:
    command = [program(words[0]), *words[1:]]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())[-300:]
        raise Failed(f"{words[0]} ended with {done.returncode}: {said}")
