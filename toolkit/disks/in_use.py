"""Why a disk may not be wiped: every reason there is at this moment, all told at once.

Nothing here is remembered from an earlier look: it is derived anew immediately before the first write. What a container
cannot see (mounts of other process namespaces) the kernel still tells, by not letting the disk be opened for one alone.
"""

import errno
import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from toolkit.disks import blkid, method
from toolkit.disks.facts import Disk, text
from toolkit.disks.refusal import Failed, Refused
from toolkit.disks.signatures import ORDINARY, described, member
from toolkit.disks.stack import Stack, block_number, mounts, unescaped

_TOLD_MAX = 5
_MOMENT_SECONDS = 0.1
_BLKID_LOOKS_AT = 4 << 20
PATIENCE_SECONDS = 3.0


class Reason(StrEnum):
    """Why not; the values are stable, for programs."""

    NOT_IN_PLAN = "not-in-plan"
    NO_SERIAL_NUMBER = "no-serial-number"
    SAME_SERIAL_NUMBER = "same-serial-number"
    SAME_WWN = "same-wwn"
    READ_ONLY = "read-only"
    MOUNTED = "mounted"
    SWAP = "swap"
    HELD = "held"
    OPEN = "open"
    MEMBER = "member"
    SIGNATURE = "signature"
    OWN = "own"
    MEDIUM = "medium"
    ERASING = "erasing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Objection:
    """One reason, with what was found in words; `signature` is the name of one that may be wiped once it is named."""

    reason: Reason
    why: str
    signature: str = ""


@dataclass(frozen=True)
class Rules:
    """What is meant, and what the toolkit needs itself.

    `planned`: serial numbers (a loop device's file) that may be wiped. `media`: those of this run's removable media.
    `own`: files and folders whose disks stay. `signatures`: names of those that may be wiped though others
    may need what bears them. `opened_here`: this process has the disk open for itself alone.
    """

    planned: Collection[str]
    media: Collection[str] = ()
    own: Collection[Path] = ()
    own_names: Collection[str] = ()
    signatures: Collection[str] = ()
    opened_here: bool = False
    system: Path = field(default=Path("/sys"))
    processes: Path = field(default=Path("/proc"))


def objections(disk: Disk, others: Iterable[Disk], rules: Rules, *, patience_seconds: float = 0.0) -> list[Objection]:
    """Everything that speaks against wiping a disk; `others` are all disks there are, with or without this one.

    Who only looks at a disk (udev, blkid, another of these lists) has closed it in a moment: for so long a disk that is
    open is looked at again.
    """
    there, began = list(others), time.monotonic()
    while True:
        found = _objections(disk, there, rules)
        is_open = any(objection.reason is Reason.OPEN for objection in found)
        if not is_open or time.monotonic() - began >= patience_seconds:
            return found
        time.sleep(_MOMENT_SECONDS)


def _objections(disk: Disk, others: Sequence[Disk], rules: Rules) -> list[Objection]:
    stack = Stack(rules.system, rules.processes)
    numbers = _numbers(disk.name, stack)
    return [
        *_meant(disk, rules),
        *_twins(disk, [other for other in others if other.name != disk.name]),
        *_own(disk, stack, rules),
        *_mounted(numbers, rules),
        *_swap(disk.name, numbers, stack),
        *_held(disk.name, stack),
        *_open(disk, numbers, rules),
        *_member(disk, stack, rules),
    ]


def uses(name: str, system: Path = Path("/sys"), processes: Path = Path("/proc")) -> list[Objection]:
    """By what a disk, its partitions or what is made of them is in use: mounted anywhere, swapped to, held."""
    stack = Stack(system, processes)
    numbers = _numbers(name, stack)
    rules = Rules(planned=(), system=system, processes=processes)
    return [*_mounted(numbers, rules), *_swap(name, numbers, stack), *_held(name, stack)]


def _numbers(name: str, stack: Stack) -> dict[str, str]:
    """Device number to name, of the disk, its partitions, and what is made of them."""
    names = [*stack.parts(name), *stack.above(name)]
    return {stack.numbers[each]: each for each in names if stack.numbers.get(each)}


def _meant(disk: Disk, rules: Rules) -> Iterator[Objection]:
    if not disk.identity:
        yield Objection(Reason.NO_SERIAL_NUMBER, "it tells no serial number, so that no plan can name it")
    elif disk.identity not in rules.planned:
        yield Objection(Reason.NOT_IN_PLAN, "its serial number is not in the plan")
    if disk.identity and disk.identity in rules.media:
        yield Objection(Reason.MEDIUM, "it is a removable medium of this run")
    if disk.read_only:
        yield Objection(Reason.READ_ONLY, "it is read-only")


def _twins(disk: Disk, others: Sequence[Disk]) -> Iterator[Objection]:
    same = [other.name for other in others if disk.identity and other.identity == disk.identity]
    if same:
        yield Objection(Reason.SAME_SERIAL_NUMBER, f"{', '.join(same)} has the same serial number")
    ways = [other.name for other in others if disk.wwn and other.wwn == disk.wwn]
    if ways:
        yield Objection(Reason.SAME_WWN, f"{', '.join(ways)} has the same WWN: perhaps another way to the same disk")


def _own(disk: Disk, stack: Stack, rules: Rules) -> Iterator[Objection]:
    if disk.name in rules.own_names:
        yield Objection(Reason.OWN, "this system was started from it")
    here = [str(path) for path in rules.own if disk.name in stack.disks_under(path)]
    if here:
        yield Objection(Reason.OWN, f"this system or the toolkit is on it: {', '.join(here)}")


def _mounted(numbers: dict[str, str], rules: Rules) -> Iterator[Objection]:
    """In any process's mount namespace; a file system without a number of its own is known by its source."""
    seen: set[str] = set()
    found: dict[str, str] = {}
    for process in _processes(rules.processes):
        # the same for most processes; without the right to see it, read again
        namespace = _link(f"{process}/ns/mnt")
        if namespace and namespace in seen:
            continue
        seen.add(namespace)
        for mount in mounts(process / "mountinfo"):
            number = mount.number
            if number.startswith("0:") and mount.source.startswith("/"):
                number = block_number(mount.source)
            if number in numbers:
                found.setdefault(f"{numbers[number]} on {mount.place}", f" (process {process.name})")
    for pool in (rules.system / "fs/btrfs").glob("*/devices/*"):
        if pool.name in numbers.values():
            found[f"{pool.name} in the btrfs file system {pool.parent.parent.name}"] = ""
    if found:
        told = [where + process for where, process in found.items()]
        more = f" and {len(told) - _TOLD_MAX} more" if len(told) > _TOLD_MAX else ""
        yield Objection(Reason.MOUNTED, f"mounted: {', '.join(told[:_TOLD_MAX])}{more}")


def _swap(name: str, numbers: dict[str, str], stack: Stack) -> Iterator[Objection]:
    for line in text(stack.processes / "swaps").splitlines()[1:]:
        path = unescaped(line.split()[0])
        number = block_number(path)
        if number in numbers or (not number and name in stack.disks_under(Path(path))):
            yield Objection(Reason.SWAP, f"the system swaps to {path}")


def _held(disk: str, stack: Stack) -> Iterator[Objection]:
    above = stack.above(disk)
    if above:
        called = {name: text(stack.system / "class/block" / name / "dm/name") for name in above}
        told = ", ".join(f"{name} ({volume})" if volume else name for name, volume in called.items())
        yield Objection(Reason.HELD, f"something is made of it: {told}")


def _open(disk: Disk, numbers: dict[str, str], rules: Rules) -> Iterator[Objection]:
    if not rules.opened_here:
        yield from _opened_alone(disk)
    by: dict[str, None] = {}
    for process in _processes(rules.processes):
        if process.name != str(os.getpid()) and any(number in numbers for number in _devices_open(process)):
            by[f"{text(process / 'comm') or 'a process'} ({process.name})"] = None
    if by:
        yield Objection(Reason.OPEN, f"opened by {', '.join(by)}")


def _opened_alone(disk: Disk) -> Iterator[Objection]:
    """open(2), O_EXCL: a block device in use by the system (e.g. mounted) is not opened, in whatever namespace."""
    try:
        os.close(os.open(disk.path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        busy = error.errno == errno.EBUSY
        why = "the system holds it for itself alone" if busy else f"it cannot be opened: {error.strerror}"
        yield Objection(Reason.OPEN if busy else Reason.UNREADABLE, why)


def _devices_open(process: Path) -> Iterator[str]:
    folder = f"{process}/fd"
    try:
        opened = os.listdir(folder)  # noqa: PTH208  (thousands of them: as text they take a fifth of the time)
    except OSError:
        return  # it is gone, or not ours to see
    for one in opened:
        # what is no device is not asked: a file on a dead server would never answer
        if "/dev/" in _link(f"{folder}/{one}"):
            yield block_number(f"{folder}/{one}")


def _member(disk: Disk, stack: Stack, rules: Rules) -> Iterator[Objection]:
    """What a signature on the disk or a partition tells that others may need, and any that is not known."""
    try:
        descriptor = os.open(disk.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return  # told above
    try:
        for name, begin, size in _places(disk, stack):
            for found in _signatures(disk, descriptor, begin, size, rules.signatures):
                yield _needed(name, found)
    except OSError as error:
        yield _unreadable(error, method.erasing(disk, descriptor))
    except (Failed, Refused) as error:
        yield Objection(Reason.UNREADABLE, f"whether others need what is on it cannot be told: {error}")
    finally:
        os.close(descriptor)


def _signatures(disk: Disk, descriptor: int, begin: int, size: int, named: Collection[str]) -> list[str]:
    """Those that are neither ordinary nor named: what the table here finds, then what blkid does beside it.

    blkid passes over what is ordinary, named or found already, so that no mark hides another. It takes what cannot be
    read for nothing: where it looks is read here first, so that it raises OSError.
    """

    def read(offset: int, length: int) -> bytes:
        length = min(length, size - offset)
        return os.pread(descriptor, length, begin + offset) if offset >= 0 and length > 0 else b""

    for offset in (0, max(0, size - _BLKID_LOOKS_AT)):
        read(offset, _BLKID_LOOKS_AT)
    found = [name for name in member(read, size) if name not in named]
    told = blkid.probe(disk.path, begin, size, passing_over=[*ORDINARY, *named, *found]).get("TYPE", "")
    return [*found, told] if told and told not in named else found


def _needed(name: str, signature: str) -> Objection:
    if words := described(signature):
        why = f"{name} is a member of {words} ({signature}), which others may need"
        return Objection(Reason.MEMBER, why, signature)
    what = "several signatures, which blkid does not tell apart" if signature == blkid.SEVERAL else "a signature"
    return Objection(Reason.SIGNATURE, f"{name} bears {what} ({signature}): who needs it is not known here", signature)


def _unreadable(error: OSError, erasing: float | None) -> Objection:
    """A disk that still erases itself reads and writes nothing, also when it had no power meanwhile."""
    if erasing is None:
        return Objection(Reason.UNREADABLE, f"whether it is a member of an array cannot be read: {error.strerror}")
    why = f"it still erases itself, as it was told to earlier ({erasing:.0%}): wait for the end, then wipe it"
    return Objection(Reason.ERASING, why)


def _places(disk: Disk, stack: Stack) -> Iterator[tuple[str, int, int]]:
    yield disk.name, 0, disk.size_bytes
    for name in stack.parts(disk.name)[1:]:
        folder = stack.system / "class/block" / name
        yield name, int(text(folder / "start") or 0) * 512, int(text(folder / "size") or 0) * 512


def _processes(folder: Path) -> Iterator[Path]:
    for one in folder.iterdir():
        if one.name.isdigit():
            yield one


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  (the same)
    except OSError:
        return ""
