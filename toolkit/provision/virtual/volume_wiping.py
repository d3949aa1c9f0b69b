"""One volume of a storage pool, overwritten through libvirt and read back; and what is told of a disk made of several.

Every byte that a volume holds, of a qcow2 container the container's own, is overwritten with zeros in its place; then
all of it is read back. That is clear, not purge (NIST SP 800-88 Rev. 1, 2.5): what lies below is not reached, which
is the spare cells of the host's disks, blocks that the machine gave back (discard) or that a copy-on-write pool or a
deduplicating store has written elsewhere, and every snapshot or backup that the host's keepers have made. Holes of a
sparse volume are left as they are: nothing lies there, and a large disk must not fill its host. libvirt does not
bring what it writes to the host's disks before it says that it has written it; on our own host we do, and it is read
back from there. On another one that is not known, and told.
"""

import os
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import JsonValue

from toolkit.disks.device import MARK
from toolkit.disks.method import OVERWRITE_WORDS
from toolkit.disks.pieces import PIECE
from toolkit.model.errors import ReboxError, StorageError, VerificationError
from toolkit.model.execution import Progress, Result
from toolkit.provision.virtual.connection import Hypervisor
from toolkit.provision.virtual.layers import Layer
from toolkit.provision.virtual.old_volumes import OldDisk
from toolkit.provision.virtual.volume_streams import (
    LeftError,
    data_spans,
    must_be_zero,
    read_beginning,
    read_zeros,
    write_at,
    write_zeros,
)

_NOT_SETTLED = "whether the host has brought the zeros from its memory to its disks is not known"


class NotWipedError(VerificationError):
    """Something is left."""


class VolumeWiping:
    """One volume on its way; what is known of it so far. `name` is what people are told that it is."""

    def __init__(self, host: Hypervisor, layer: Layer, name: str) -> None:
        self.layer = layer
        self.size_bytes = layer.size_bytes
        self.again = False
        self.bytes_written = 0
        self.bytes_read = 0
        self.passes = 0
        self.settled = False
        self.result: Literal["passed", "failed", "unknown"] = "unknown"
        self.reason = "it was not begun"
        self._host = host
        self._name = name
        self._head = b""

    @property
    def passed(self) -> bool:
        """Whether it was wiped and read back."""
        return self.result == "passed"

    def wipe(self, progress: Progress, checkpoint: Callable[[str], None]) -> None:
        """Overwrites it and reads it back. Raises NotWipedError when something is left, ReboxError."""
        self.reason = "it was cut off"
        try:
            self._overwrite(progress, checkpoint)
            self._read_back(progress, checkpoint)
        except NotWipedError as error:
            self.result, self.reason = "failed", error.why
            raise
        except ReboxError as error:
            self.reason = f"{error.what}: {error.why}" if error.why else error.what
            raise
        self.result, self.reason = "passed", ""

    def _overwrite(self, progress: Progress, checkpoint: Callable[[str], None]) -> None:
        """Everything that it holds; a mark at the beginning stays until all else was read back."""
        host, handle = self._host, self.layer.handle
        progress(0.0, "looking where it holds data")
        self.again = read_beginning(host, handle, len(MARK)) == MARK
        spans, self.size_bytes = data_spans(host, handle)
        if not self.size_bytes:
            raise StorageError(
                f"the volume of {self._name} is empty",
                where=host.uri,
                why="it has no byte that could be overwritten",
                next_move="Look at the machine's disks on that host.",
            )
        self._head = MARK.ljust(PIECE, b"\0")[: self.size_bytes]
        write_at(host, handle, 0, self._head)
        checkpoint("marked")
        rest = [(max(at, PIECE), at + size - max(at, PIECE)) for at, size in spans if at + size > PIECE]
        total = sum(size for _, size in rest) or 1
        for span in rest:
            before = self.bytes_written

            def said(done: int, before: int = before) -> None:
                progress((before + done) / total / 2, "overwriting")

            write_zeros(host, handle, span, said)
            self.bytes_written += span[1]
            checkpoint("overwritten")
        self.bytes_written += len(self._head)
        self.settled = self._settle()

    def _read_back(self, progress: Progress, checkpoint: Callable[[str], None]) -> None:
        """All of it with the mark, then the beginning once more when the mark is gone."""
        host, handle = self._host, self.layer.handle

        def said(done: int) -> None:
            progress(0.5 + done / self.size_bytes / 2, "reading back")

        try:
            count = read_zeros(host, handle, self._head, said)
            checkpoint("read back")
            write_zeros(host, handle, (0, len(self._head)), lambda _done: None)
            self.passes = 1
            self.settled = self._settle() and self.settled
            must_be_zero(read_beginning(host, handle, len(self._head)))
        except LeftError as left:
            raise NotWipedError(
                f"the disk {self._name} is not wiped",
                where=host.uri,
                why=f"something is left at byte {left.place} of {self.layer.path}",
                next_move="Look at that host's storage; do the same again.",
            ) from None
        if count != self.size_bytes:
            raise VerificationError(
                f"it is not known what the disk {self._name} holds",
                where=host.uri,
                why=f"{count:,} bytes were read back of {self.size_bytes:,}",
                next_move="Do the same again.",
            )
        self.bytes_read = count
        checkpoint("wiped")

    def _settle(self) -> bool:
        """Has the host bring it to its disk and forget it, so that it is read from there; whether that can be done."""
        if not self._host.is_local:
            return False
        try:
            descriptor = os.open(self.layer.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
        except OSError:  # the files are others' to open; or it is no disk that says so
            return False
        return True

    def told(self) -> Result:
        """For the record: one image of a disk."""
        return {
            "place": self.layer.path,
            "format": self.layer.format,
            "size_bytes": self.size_bytes,
            "bytes_read": self.bytes_read,
            "technique": OVERWRITE_WORDS,
            "verification": "full" if self.bytes_read else "none",
            "again": self.again,
            "result": self.result,
            "reason": self.reason,
        }


def told_of(disk: OldDisk, volumes: Sequence[VolumeWiping], place: str, beside: Sequence[str]) -> Result:
    """As `toolkit.disks` tells of a disk, but for how it ended; sizes are of all images together.

    `place` is the host's name, `beside` what it keeps of the machine that is no disk.
    """
    notes = [OVERWRITE_WORDS]
    if not all(volume.settled for volume in volumes):
        notes.append(_NOT_SETTLED)
    own = volumes[0].layer
    is_read = all(volume.bytes_read for volume in volumes)
    layers: list[JsonValue] = [volume.told() for volume in volumes]
    layers += [_left(left.layer, left.why) for left in disk.left]
    return {
        "disk_serial": disk.name,
        "vendor": "",
        "model": f"{own.pool}/{own.handle.name()}",
        "firmware": "",
        "wwn": "",
        "backing_file": disk.name if disk.name != disk.disk.serial else "",
        "media_type": f"virtual disk volume ({own.format}) on {place}",
        "size_bytes": sum(volume.size_bytes for volume in volumes),
        "sector_bytes": 512,
        "technique": "; ".join(notes),
        "category": "clear",
        "passes": min(volume.passes for volume in volumes),
        "discarded": False,
        "again": any(volume.again for volume in volumes),
        "verified": "full" if is_read else "none",
        "bytes_written": sum(volume.bytes_written for volume in volumes),
        "bytes_read": sum(volume.bytes_read for volume in volumes),
        "sample_seed": "",
        "layers": layers,
        "kept_beside": [*beside],
    }


def _left(layer: Layer, why: str) -> Result:
    return {
        "place": layer.path,
        "format": layer.format,
        "size_bytes": layer.size_bytes,
        "bytes_read": 0,
        "technique": "none",
        "verification": "none",
        "again": False,
        "result": "left",
        "reason": f"in use by {why}" if why else "left as the inventory says",
    }
