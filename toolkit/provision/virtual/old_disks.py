"""The disks of an old virtual machine, wiped as volumes of its host's storage pools through libvirt; a `DiskWiper`.

Every byte that a volume holds, of a qcow2 container the container's own, is overwritten with zeros in its place; then
all of it is read back. That is clear, not purge (NIST SP 800-88 Rev. 1, 2.5): what lies below is not reached, which
is the spare cells of the host's disks, blocks that the machine gave back (discard) or that a copy-on-write pool or a
deduplicating store has written elsewhere, and every snapshot or backup that the host's keepers have made. Holes of a
sparse volume are left as they are: nothing lies there, and a large disk must not fill its host. libvirt does not
bring what it writes to the host's disks before it says that it has written it; on our own host we do, and it is read
back from there. On another one that is not known, and told.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from toolkit.appliances.provisioner import DiskEnded
from toolkit.disks.device import MARK
from toolkit.disks.method import OVERWRITE_WORDS
from toolkit.disks.pieces import PIECE
from toolkit.model.errors import ReboxError, RefusedError, StorageError, VerificationError
from toolkit.model.execution import Progress, Result
from toolkit.provision.lock import held
from toolkit.provision.virtual.connection import Hypervisor, connect
from toolkit.provision.virtual.old_volumes import OldVolume, find_machine, find_volumes
from toolkit.provision.virtual.volume_streams import (
    LeftError,
    data_spans,
    must_be_zero,
    read_beginning,
    read_zeros,
    write_at,
    write_zeros,
)

_OFF_SECONDS_MAX, _LOOK_SECONDS = 180.0, 0.5
_NOT_SETTLED = "whether the host has brought the zeros from its memory to its disks is not known"


@dataclass(frozen=True)
class OldVirtualDisks:
    """Those of one virtual machine of a libvirt host. `disk_serials` names them, by serial number or by path."""

    uri: str
    name: str
    uuid: str
    serial_number: str
    disk_serials: tuple[str, ...]
    state: Path
    off_seconds_max: float = _OFF_SECONDS_MAX
    sleep: Callable[[float], None] = time.sleep
    checkpoint: Callable[[str], None] = lambda _stage: None
    """Told of every stage when it has been reached."""

    def check_machine(self) -> None:
        """Raises RefusedError unless it is the machine that is meant, and its disks are its own; changes nothing."""
        with connect(self.uri) as host:
            find_volumes(host, self._machine(host), self.disk_serials)

    def is_off(self) -> bool:
        """As libvirt says; one that was removed is off as well."""
        with connect(self.uri) as host:
            domain = host.find("the old virtual machine cannot be looked for", lambda one: one.lookupByName(self.name))
            return domain is None or not self._is_on(host, domain)

    def wipe(self, disk_serials: tuple[str, ...], occasion: str, progress: Progress, ended: DiskEnded) -> None:
        """Waits until it is off, then overwrites its disks and reads them back; it never starts again.

        It is not switched off here. One volume that may not be wiped keeps all from it. Raises RefusedError before
        anything is written, VerificationError when something is left, ReboxError.
        """
        busy = f"the virtual machine {self.name} is being provisioned or wiped already"
        lock = f"{self.name}-{sha256(self.uri.encode()).hexdigest()[:16]}.lock"
        with held(self.state / "virtual" / lock, busy), connect(self.uri) as host:
            domain = self._machine(host)
            self._wait_until_off(host, domain, progress)
            volumes = find_volumes(host, domain, disk_serials)
            for number, volume in enumerate(volumes):

                def part(fraction: float, phase: str, number: int = number) -> None:
                    progress((number + fraction) / len(volumes), phase)

                self._wipe(_Wiping(host, domain, volume, part), ended)

    def _machine(self, host: Hypervisor) -> Any:
        return find_machine(host, self.name, self.uuid, self.serial_number)

    def _is_on(self, host: Hypervisor, domain: Any) -> bool:
        with host.asked(f"the virtual machine {self.name} cannot be looked at"):
            return bool(domain.isActive())

    def _wait_until_off(self, host: Hypervisor, domain: Any, progress: Progress) -> None:
        looks = int(self.off_seconds_max / _LOOK_SECONDS) + 1
        for look in range(looks):
            if not self._is_on(host, domain):
                return
            progress(0.0, f"waiting until {self.name} is off")
            if look + 1 < looks:
                self.sleep(_LOOK_SECONDS)
        raise self._is_running(host)

    def _is_running(self, host: Hypervisor) -> RefusedError:
        return RefusedError(
            f"the disks of {self.name} are not wiped",
            where=host.uri,
            why="the virtual machine is running",
            next_move=f"Shut it down (virsh shutdown {self.name}), then do the same again.",
        )

    def _wipe(self, work: "_Wiping", ended: DiskEnded) -> None:
        if self._is_on(work.host, work.domain):
            raise self._is_running(work.host)
        began = time.monotonic()

        def tell(result: str, reason: str) -> None:
            ended(work.told(result, reason, time.monotonic() - began))

        try:
            work.overwrite(self.checkpoint)
            work.read_back(self.checkpoint)
            self._must_have_stayed_off(work)
        except _NotWipedError as error:
            tell("failed", error.why)
            raise
        except ReboxError as error:
            tell("unknown", f"{error.what}: {error.why}" if error.why else error.what)
            raise
        except BaseException:
            with suppress(ReboxError):
                tell("unknown", "it was cut off")
            raise
        tell("passed", "")

    def _must_have_stayed_off(self, work: "_Wiping") -> None:
        if self._is_on(work.host, work.domain):
            raise VerificationError(
                f"it is not known what the disk {work.volume.name} holds",
                where=work.host.uri,
                why=f"{self.name} was started while it was wiped",
                next_move="Shut it down and do the same again.",
            )


class _NotWipedError(VerificationError):
    """Something is left."""


class _Wiping:
    """One volume on its way; what is known of it so far."""

    def __init__(self, host: Hypervisor, domain: Any, volume: OldVolume, progress: Progress) -> None:
        self.host = host
        self.domain = domain
        self.volume = volume
        self._progress = progress
        self._size = volume.size_bytes
        self._head = b""
        self._again = False
        self._written = 0
        self._read = 0
        self._passes = 0
        self._settled = False

    def overwrite(self, checkpoint: Callable[[str], None]) -> None:
        """Everything that it holds; a mark at the beginning stays until all else was read back."""
        host, handle = self.host, self.volume.handle
        self._progress(0.0, f"{self.volume.name}: looking where it holds data")
        self._again = read_beginning(host, handle, len(MARK)) == MARK
        spans, self._size = data_spans(host, handle)
        if not self._size:
            raise StorageError(
                f"the volume of {self.volume.name} is empty",
                where=host.uri,
                why="it has no byte that could be overwritten",
                next_move="Look at the machine's disks on that host.",
            )
        self._head = MARK.ljust(PIECE, b"\0")[: self._size]
        write_at(host, handle, 0, self._head)
        checkpoint("marked")
        rest = [(max(at, PIECE), at + size - max(at, PIECE)) for at, size in spans if at + size > PIECE]
        total = sum(size for _, size in rest) or 1
        for span in rest:
            before = self._written

            def said(done: int, before: int = before) -> None:
                self._say(0.0, (before + done) / total)

            write_zeros(host, handle, span, said)
            self._written += span[1]
            checkpoint("overwritten")
        self._written += len(self._head)
        self._settled = self._settle()

    def _say(self, begin: float, fraction: float) -> None:
        self._progress(begin + fraction / 2, f"{self.volume.name}: {'reading back' if begin else 'overwriting'}")

    def read_back(self, checkpoint: Callable[[str], None]) -> None:
        """All of it with the mark, then the beginning once more when the mark is gone."""
        host, handle = self.host, self.volume.handle
        try:
            count = read_zeros(host, handle, self._head, lambda done: self._say(0.5, done / self._size))
            checkpoint("read back")
            write_zeros(host, handle, (0, len(self._head)), lambda _done: None)
            self._passes = 1
            self._settled = self._settle() and self._settled
            must_be_zero(read_beginning(host, handle, len(self._head)))
        except LeftError as left:
            raise _NotWipedError(
                f"the disk {self.volume.name} is not wiped",
                where=self.host.uri,
                why=f"something is left at byte {left.place}",
                next_move="Look at that host's storage; do the same again.",
            ) from None
        if count != self._size:
            raise VerificationError(
                f"it is not known what the disk {self.volume.name} holds",
                where=self.host.uri,
                why=f"{count:,} bytes were read back of {self._size:,}",
                next_move="Do the same again.",
            )
        self._read = count

    def _settle(self) -> bool:
        """Has the host bring it to its disk and forget it, so that it is read from there; whether that can be done."""
        if not self.host.is_local:
            return False
        with self.host.asked("a volume cannot be looked at"):
            path = self.volume.handle.path()
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
        except OSError:  # the files are others' to open; or it is no disk that says so
            return False
        return True

    def told(self, result: str, reason: str, seconds: float) -> Result:
        """As `toolkit.disks` tells of a disk, for the run and for an erasure record."""
        volume = self.volume
        notes = [OVERWRITE_WORDS]
        if volume.under:
            notes.append(f"the image it is laid over, {volume.under}, is not wiped")
        if not self._settled:
            notes.append(_NOT_SETTLED)
        is_path = volume.name == volume.disk.path
        return {
            "disk_serial": volume.name,
            "vendor": "",
            "model": f"{volume.pool}/{volume.handle.name()}",
            "firmware": "",
            "wwn": "",
            "backing_file": volume.name if is_path else "",
            "media_type": f"virtual disk volume ({volume.disk.format}) on {self._host_name()}",
            "size_bytes": self._size,
            "sector_bytes": 512,
            "technique": "; ".join(notes),
            "category": "clear",
            "passes": self._passes,
            "discarded": False,
            "again": self._again,
            "verified": "full" if self._read else "none",
            "bytes_written": self._written,
            "bytes_read": self._read,
            "sample_seed": "",
            "seconds": round(seconds, 1),
            "result": result,
            "reason": reason,
        }

    def _host_name(self) -> str:
        try:
            with self.host.asked("the host cannot be looked at") as connection:
                return str(connection.getHostname())
        except ReboxError:
            return self.host.uri
