"""Volumes of one storage pool: made, filled and read through libvirt's streams, so that the host may be another."""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from lxml import etree
from lxml.builder import E

from toolkit.images.manifest import FileRecord
from toolkit.model.errors import InputError, ReboxError, RefusedError, StorageError, VerificationError
from toolkit.provision.virtual.connection import Hypervisor, download_sparse, upload_sparse
from toolkit.provision.virtual.streams import Reader, Said, SparseFile, feed_zeros

KINDS_OF_FILES = ("dir", "fs", "netfs")
"""Pools whose volumes are files: overlays, kernels and console logs can lie in no other."""


class Pool:
    """A storage pool that is active; every call raises ReboxError in libvirt's words."""

    def __init__(self, host: Hypervisor, name: str, handle: Any) -> None:
        self._host = host
        self.name = name
        self._handle = handle
        with host.asked("the storage pool cannot be looked at"):
            self._xml = etree.fromstring(handle.XMLDesc().encode())
            self.is_active = bool(handle.isActive())

    @classmethod
    def find(cls, host: Hypervisor, name: str) -> "Pool | None":
        """The pool, None when there is none of that name."""
        handle = host.find("the storage pool cannot be looked for", lambda one: one.storagePoolLookupByName(name))
        return None if handle is None else cls(host, name, handle)

    @property
    def kind(self) -> str:
        """libvirt's word, e.g. dir or logical."""
        return str(self._xml.get("type"))

    def path(self, volume: str) -> str:
        """Where a volume lies on its host, whether it is there or not."""
        return f"{self._xml.findtext('target/path')}/{volume}"

    def available_bytes(self) -> int:
        """What is free now."""
        self._refresh()
        with self._host.asked("the storage pool cannot be looked at"):
            return int(self._handle.info()[3])

    def has(self, volume: str) -> bool:
        """Whether there is a volume of that name."""
        return self._find(volume) is not None

    def size_bytes(self, volume: str) -> int | None:
        """What a volume holds at most; None when it is not there."""
        found = self._find(volume)
        if found is None:
            return None
        with self._host.asked(f"the volume {volume} cannot be looked at"):
            return int(found.info()[1])

    def make(
        self, volume: str, size_bytes: int, kind: Literal["raw", "qcow2"] = "raw", over: str | None = None
    ) -> None:
        """An empty volume, or one that is laid over the raw volume `over`; StorageError when the pool is full."""
        with self._host.asked(f"the volume {volume} cannot be made"):
            self._handle.createXML(_volume_xml(volume, size_bytes, kind, self.path(over) if over else None))

    def copy(self, source: str, volume: str, size_bytes: int) -> None:
        """A raw volume with what `source` holds, and nothing beyond."""
        with self._host.asked(f"the volume {volume} cannot be made"):
            original = self._handle.storageVolLookupByName(source)
            self._handle.createXMLFrom(_volume_xml(volume, size_bytes, "raw", None), original)

    def delete(self, volume: str) -> None:
        """Deletes a volume; nothing when it is not there."""
        found = self._find(volume)
        if found is None:
            return
        with self._host.asked(f"the volume {volume} cannot be deleted"):
            found.delete()

    def delete_all(self, prefix: str) -> None:
        """Deletes every volume whose name begins so, also what a program has laid beside them (a log's older parts)."""
        self._refresh()
        for volume in self._beginning(prefix):
            self.delete(str(volume.name()))

    def paths(self, prefix: str) -> list[str]:
        """Where every volume lies whose name begins so."""
        with self._host.asked("the storage pool cannot be looked at"):
            return [str(volume.path()) for volume in self._beginning(prefix)]

    def _beginning(self, prefix: str) -> list[Any]:
        with self._host.asked("the storage pool cannot be looked at"):
            return [volume for volume in self._handle.listAllVolumes() if volume.name().startswith(prefix)]

    def write(self, volume: str, content: bytes) -> None:
        """Fills a small volume."""
        with self._host.asked(f"the volume {volume} cannot be written") as connection:
            stream = connection.newStream()
            self._handle.storageVolLookupByName(volume).upload(stream, 0, len(content))
            stream.sendAll(lambda _stream, count, rest: rest.read(count), Reader(content))
            stream.finish()

    def read(self, volume: str) -> bytes:
        """What a small volume holds now; grows while a program writes to it."""
        pieces: list[bytes] = []
        with self._host.asked(f"the volume {volume} cannot be read") as connection:
            stream = connection.newStream()
            self._handle.storageVolLookupByName(volume).download(stream, 0, 0)
            stream.recvAll(lambda _stream, piece, _none: pieces.append(piece), None)
            stream.finish()
        return b"".join(pieces)

    def provide_file(self, volume: str, file: Path, expected: FileRecord, said: Said) -> None:
        """Has `file` in the pool as a raw volume, uploaded unless it is there, and read back either way.

        Raises VerificationError when the file, or what was read back, is not what its manifest says; what was uploaded
        is then gone again.
        """
        if self.has(volume):
            if self._sha256(volume) == expected.sha256:
                said(1.0)
                return
            self._refuse_if_in_use(volume)
            # one whose upload was cut short, or damaged since: nothing lies over it
            self.delete(volume)
        self.make(volume, expected.size_bytes)
        try:
            self._fill(volume, file, expected, said)
        except BaseException:
            self.delete(volume)
            raise

    def _refresh(self) -> None:
        """Has libvirt look at the pool again; it does not while somebody fills a volume there, and that is no harm."""
        with suppress(ReboxError), self._host.asked("the storage pool cannot be looked at"):
            self._handle.refresh()

    def _find(self, volume: str) -> Any | None:
        return self._host.find("a volume cannot be looked for", lambda _: self._handle.storageVolLookupByName(volume))

    def _fill(self, volume: str, file: Path, expected: FileRecord, said: Said) -> None:
        if self._upload(volume, file, expected.size_bytes, said) != expected.sha256:
            raise VerificationError(
                "the image is not what its manifest says",
                where=str(file),
                why="its SHA-256 is another",
                next_move="See rebox image verify; build it again, then do the same again.",
            )
        if self._sha256(volume) != expected.sha256:
            if self.available_bytes() < expected.size_bytes:
                # libvirt does not always say so itself
                raise StorageError(
                    f"the volume {volume} cannot be written",
                    where=f"{self._host.uri}, pool {self.name}",
                    why="No space left in the storage pool",
                    next_move="Free space there, or choose another pool with provision.pool.",
                )
            raise VerificationError(
                f"the volume {volume} does not hold what was written to it",
                where=f"{self._host.uri}, pool {self.name}",
                next_move="Look at that host's disk, then do the same again.",
            )

    def _upload(self, volume: str, file: Path, size_bytes: int, said: Said) -> str:
        try:
            with SparseFile(file, size_bytes, said) as source:
                self._send(volume, source, size_bytes)
                return source.digest.hexdigest()
        except OSError as error:
            raise InputError(
                "the image cannot be read", where=str(file), why=error.strerror or "", next_move="Build it again."
            ) from None

    def _send(self, volume: str, source: SparseFile, size_bytes: int) -> None:
        with self._host.asked(f"the volume {volume} cannot be written") as connection:
            stream = connection.newStream()
            upload_sparse(self._handle.storageVolLookupByName(volume), stream, size_bytes)
            try:
                stream.sparseSendAll(source.read, source.section, source.skip, None)
            except BaseException:
                stream.abort()
                raise
            stream.finish()

    def _sha256(self, volume: str) -> str:
        digest = sha256()
        with self._host.asked(f"the volume {volume} cannot be read") as connection:
            stream = connection.newStream()
            download_sparse(self._handle.storageVolLookupByName(volume), stream)
            stream.sparseRecvAll(
                lambda _stream, piece, _none: digest.update(piece),
                lambda _stream, hole, _none: feed_zeros(digest, hole),
                None,
            )
            stream.finish()
        return digest.hexdigest()

    def _refuse_if_in_use(self, volume: str) -> None:
        path = self.path(volume)
        with self._host.asked("the host's virtual machines cannot be looked at") as connection:
            users = [domain.name() for domain in connection.listAllDomains() if path in domain.XMLDesc()]
            users += [
                other.name()
                for other in self._handle.listAllVolumes()
                if etree.fromstring(other.XMLDesc().encode()).findtext("backingStore/path") == path
            ]
        if users:
            raise RefusedError(
                f"the volume {volume} does not hold the image it is named after",
                where=f"{self._host.uri}, pool {self.name}",
                why=f"its SHA-256 is another, and it is in use by {', '.join(sorted(users))}",
                next_move="Look after those first, then delete it with virsh vol-delete; or choose another pool.",
            )


def _volume_xml(name: str, size_bytes: int, kind: str, over: str | None) -> str:
    volume = E.volume(
        E.name(name),
        E.capacity(str(size_bytes), unit="bytes"),
        # sparse: what has not been written takes no room
        E.allocation("0", unit="bytes"),
        E.target(E.format(type=kind)),
    )
    if over is not None:
        volume.append(E.backingStore(E.path(over), E.format(type="raw")))
    return etree.tostring(volume, encoding="unicode")
