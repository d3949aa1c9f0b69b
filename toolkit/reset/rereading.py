"""A medium that a record says was erased, read again: read only, and never one that another stands in for."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.disks.device import Progress
from toolkit.disks.direct import DirectReader
from toolkit.disks.facts import Disk, disk_at
from toolkit.disks.identity import Meant, prove
from toolkit.disks.pieces import PIECE, Span
from toolkit.disks.refusal import Refused, Unknown
from toolkit.disks.sampling import covered, samples
from toolkit.model.errors import InputError, PermissionDeniedError, RefusedError, UnknownStateError
from toolkit.model.verdict import Verdict
from toolkit.reset.erasure import Erasure

_USED_AGAIN = (
    "A medium that was taken into use again holds new data: this alone does not show that the erasure was a bad one, "
    "nor that what is there is new."
)
_LOOK = "Look at the disks of this machine: rebox reset list."


@dataclass(frozen=True)
class Rereading:
    """What a second reading found; `first_byte` is the first that is not zero, `bytes_read` counts up to there."""

    verdict: Verdict
    device: str
    identified: str
    """By what it is known that it is the medium of the record, in words."""
    verification: str
    """`full`, or `sampled`: the places that were read when it was erased, no others."""
    bytes_read: int
    first_byte: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Medium:
    """A medium that is there: a disk of this machine, or a path that somebody has named."""

    path: Path
    disk: Disk | None
    identified: str


def find_medium(erasure: Erasure, there: Iterable[Disk]) -> Medium | None:
    """The disk of the record among those that are there; None: it is not.

    Raises UnknownStateError when several have its serial number, or one that has it differs in size or WWN.
    """
    found = [disk for disk in there if disk.identity and disk.identity == erasure.identity]
    if not found:
        return None
    differing = _meant(erasure).differs(found[0])
    if len(found) > 1 or differing:
        raise UnknownStateError(
            f"it cannot be told which disk the record of {erasure.identity} is about",
            where=", ".join(str(disk.path) for disk in found),
            why=differing or "several disks have that serial number",
            next_move="Name the right one with --device; only one that is the record's in all it tells is read.",
        )
    return Medium(found[0].path, found[0], f"its serial number {erasure.identity}, its size and WWN")


def name_medium(erasure: Erasure, path: Path, said_serial: str | None) -> Medium:
    """The medium at a path that somebody has named: a disk, a loop device, an image.

    One that tells another identity is refused. One that tells none, as an image does, is the record's only when
    `said_serial` says so. Raises InputError, RefusedError.
    """
    try:
        told = path.stat()
    except OSError as error:
        raise InputError(
            "there is no such device", where=str(path), why=error.strerror or "", next_move=_LOOK
        ) from None
    if stat.S_ISBLK(told.st_mode):
        return _named_disk(erasure, path, told.st_rdev, said_serial)
    if not stat.S_ISREG(told.st_mode):
        raise InputError("this is neither a disk nor an image", where=str(path), next_move=_LOOK)
    if told.st_size != erasure.capacity_bytes:
        raise _another(erasure, path, f"it has {told.st_size:,} bytes, not {erasure.capacity_bytes:,}")
    return Medium(path, None, _said(erasure, path, str(path.resolve()), said_serial))


def _named_disk(erasure: Erasure, path: Path, number: int, said_serial: str | None) -> Medium:
    folder = Path("/sys/dev/block") / f"{os.major(number)}:{os.minor(number)}"
    if (folder / "partition").exists():
        raise InputError("this is a part of a disk", where=str(path), next_move="Name the whole disk.")
    disk = disk_at(folder)
    if disk.serial and disk.serial != erasure.serial_number:
        raise _another(erasure, path, f"it tells the serial number {disk.serial}")
    said = _said(erasure, path, disk.identity, said_serial)
    differing = Meant("", erasure.capacity_bytes, erasure.wwn if disk.wwn else "").differs(disk)
    if differing:
        raise _another(erasure, path, differing)
    return Medium(path, disk, said)


def _said(erasure: Erasure, path: Path, identity: str, said_serial: str | None) -> str:
    if erasure.identity and identity == erasure.identity:
        return f"what it tells itself ({identity}), and its size"
    if said_serial is None:
        raise RefusedError(
            "it cannot be told whether this is the medium of the record",
            where=str(path),
            why=f"it tells no serial number; the record is about {erasure.identity}",
            next_move="If you know that it is, add --serial with the serial number of the record.",
        )
    if said_serial != erasure.identity:
        raise RefusedError(
            "the serial number given is not the record's",
            where=str(path),
            why=f"the record is about {erasure.identity}",
            next_move="Take the record of that medium.",
        )
    return "its size, and your word (--serial)"


def _another(erasure: Erasure, path: Path, why: str) -> RefusedError:
    return RefusedError(
        f"this is not the medium {erasure.identity} of the record",
        where=str(path),
        why=why,
        next_move="Name the right one, or take the record of this one. Nothing was read.",
    )


def _meant(erasure: Erasure) -> Meant:
    return Meant(erasure.identity, erasure.capacity_bytes, erasure.wwn)


def read_again(erasure: Erasure, medium: Medium, *, sample: bool, progress: Progress) -> Rereading:
    """Reads all of the medium, or the record's own sample, up to the first byte that is not zero.

    Raises RefusedError when another medium has taken its place, InputError when the record names no sample,
    PermissionDeniedError.
    """
    spans = _spans(erasure, sample=sample)
    verification = "sampled" if sample else "full"
    with _opened(medium) as descriptor:
        _prove(erasure, medium, descriptor)
        count, first, trouble = _read(DirectReader(str(medium.path), descriptor), spans, progress)
        _prove(erasure, medium, descriptor)

    def ended(verdict: Verdict, reason: str) -> Rereading:
        return Rereading(verdict, str(medium.path), medium.identified, verification, count, first, reason)

    if trouble:
        return ended(Verdict.UNKNOWN, trouble)
    if first is not None:
        return ended(Verdict.FAILED, f"Something is there: byte {first:,} is not zero. {_USED_AGAIN}")
    if count != covered(spans) or not count:
        return ended(Verdict.UNKNOWN, f"only {count:,} of {covered(spans):,} bytes could be read")
    return ended(Verdict.PASSED, "")


def _spans(erasure: Erasure, *, sample: bool) -> list[Span]:
    size = erasure.capacity_bytes
    if not sample:
        return [(0, size)]
    if not erasure.sample_seed:
        raise InputError(
            "the record names no sample",
            why=f"its verification is {erasure.verification}",
            next_move="Leave --sample out: all of the medium is read.",
        )
    # the wipe has read the beginning whole as well
    head = min(PIECE, size)
    chosen = samples(size, erasure.sector_bytes, erasure.sample_seed)
    return [(0, head), *((max(at, head), at + length - max(at, head)) for at, length in chosen if at + length > head)]


@contextmanager
def _opened(medium: Medium) -> Iterator[int]:
    """Read only, and past the kernel's memory where the file system lets that be."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    try:
        descriptor = os.open(medium.path, flags)
        try:
            direct = os.open(f"/proc/self/fd/{descriptor}", flags | os.O_DIRECT)
            os.close(descriptor)
            descriptor = direct
        except OSError:  # a file system without it
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    except PermissionError:
        raise PermissionDeniedError(
            "the medium cannot be read",
            where=str(medium.path),
            why="this user may not",
            next_move="Run the same command with sudo, or give --no-read: the signature alone.",
        ) from None
    except OSError as error:
        raise UnknownStateError(
            "the medium cannot be read", where=str(medium.path), why=error.strerror or "", next_move=_LOOK
        ) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _prove(erasure: Erasure, medium: Medium, descriptor: int) -> None:
    """Before the reading and after it: names move, and what is unplugged leaves its own to another."""
    if medium.disk is None:
        if os.fstat(descriptor).st_size != erasure.capacity_bytes:
            raise _another(erasure, medium.path, "its size has changed")
        return
    try:
        prove(Meant.seen(medium.disk), descriptor)
    except Refused as refused:
        raise _another(erasure, medium.path, str(refused)) from None


def _read(reader: DirectReader, spans: list[Span], progress: Progress) -> tuple[int, int | None, str]:
    """How many bytes were zero, the first that is not, and why it ended early."""
    total, done = covered(spans) or 1, 0

    def read(count: int) -> None:
        nonlocal done
        done = count
        progress(done / total)

    try:
        left = reader.first_left_in(spans, read)
    except Unknown as unknown:
        return done, None, str(unknown)
    return done, left, ""
