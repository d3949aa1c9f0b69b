"""The images that a disk is made of: its own, the files that hold an image's data, and all that it is laid over.

They are looked at through libvirt, so that the host may be another one. What is wiped says no more what it was laid
over: what was seen is kept here (`known`) from before the first byte is written.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree
from pydantic import BaseModel, ConfigDict, ValidationError

from toolkit.disks.device import MARK
from toolkit.model.errors import StorageError
from toolkit.provision.virtual.connection import Hypervisor
from toolkit.provision.virtual.domain_disks import DomainDisk, find_volume, look_up, same_file
from toolkit.provision.virtual.image_header import (
    HEADER_BYTES_MAX,
    QCOW2,
    Header,
    HeaderError,
    file_named,
    may_be_layered,
    read_header,
)
from toolkit.provision.virtual.volume_streams import read_beginning
from toolkit.storage.errors import storage_error
from toolkit.storage.whole_file import write_whole

_WHOLE = ("raw", "luks", "iso")
"""Formats that are laid over nothing."""
Place = tuple[str, str]
"""Path and format."""


@dataclass(frozen=True)
class Layer:
    """One image, a volume of a storage pool; `handle` is libvirt's, `below` what it is laid over and made of."""

    path: str
    format: str
    pool: str
    handle: Any
    size_bytes: int
    below: tuple[Place, ...]


class KnownLayers:
    """What the images of one machine were laid over before they were wiped, kept in a file."""

    def __init__(self, file: Path, uuid: str) -> None:
        self._file = file
        self._uuid = uuid

    def read(self) -> Mapping[str, tuple[Place, ...]]:
        """By path; empty for a machine that was never wiped. Raises StorageError."""
        try:
            kept = _Kept.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise storage_error(self._file, error, what="it cannot be read what the disks were laid over") from None
        except ValidationError:
            raise StorageError(
                "it cannot be read what the disks were laid over",
                where=str(self._file),
                why="the file is not what rebox writes",
                next_move="Restore that file, or delete it if no wipe of this machine was begun.",
            ) from None
        return kept.below if kept.uuid == self._uuid else {}

    def keep(self, layers: Sequence[Layer]) -> None:
        """Adds what has been seen now; raises StorageError."""
        below = {**self.read(), **{layer.path: layer.below for layer in layers}}
        write_whole(
            self._file,
            _Kept(uuid=self._uuid, below=below).model_dump_json(indent=1).encode(),
            what="it cannot be written down what the disks are laid over",
            then="do the same again; nothing was wiped",
        )


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    uuid: str
    below: dict[str, tuple[Place, ...]]


def layers_of(host: Hypervisor, disk: DomainDisk, known: Mapping[str, tuple[Place, ...]]) -> list[Layer]:
    """All images of a disk, its own first, each before what it is laid over. Raises HeaderError, ReboxError."""
    top = look_up(host, disk)
    if top is None:
        raise HeaderError(f"it lies in no storage pool of that host that is active ({disk.place})")
    with host.asked("a volume cannot be looked at"):
        waiting = [(str(top.path()), disk.format)]
    found: dict[str, Layer] = {}
    while waiting:
        path, kind = waiting.pop(0)
        key = same_file(host, path)
        if key in found:
            raise HeaderError(f"{path} is laid over itself")
        layer = _layer(host, path, kind, known)
        found[key] = layer
        waiting += layer.below
    _refuse_another_chain(host, disk, [*found.values()])
    return [*found.values()]


def _layer(host: Hypervisor, path: str, kind: str, known: Mapping[str, tuple[Place, ...]]) -> Layer:
    handle = find_volume(host, path)
    if handle is None:
        gone = " and is not there" if host.is_local and not os.path.lexists(path) else ""
        raise HeaderError(
            f"it is laid over {path}, which lies in no storage pool that is active{gone}, so that it can be neither "
            "looked at nor wiped (virsh pool-create-as NAME dir --target FOLDER makes a pool of its folder)"
        )
    with host.asked("a volume cannot be looked at"):
        told = etree.fromstring(handle.XMLDesc().encode())
        pool = str(handle.storagePoolLookupByVolume().name())
        path = str(handle.path())
    below: tuple[Place, ...] = ()
    if kind not in _WHOLE:
        beginning = read_beginning(host, handle, HEADER_BYTES_MAX)
        was_wiped = beginning.startswith(MARK) or not beginning.strip(b"\0")
        if was_wiped and path in known:
            below = known[path]
        elif was_wiped:
            raise HeaderError(
                f"what {path} was laid over cannot be told: it is wiped, and nothing is written down here"
            )
        else:
            try:
                kind, below = _below(path, kind, beginning)
            except HeaderError as error:
                raise HeaderError(f"what {path} is laid over cannot be told: {error}") from None
    size = int(told.findtext("physical") or told.findtext("capacity") or 0)
    return Layer(path, kind, pool, handle, size, below)


def _below(path: str, kind: str, beginning: bytes) -> tuple[str, tuple[Place, ...]]:
    """Its format, also where nobody has said it, and what lies below."""
    if not kind:
        if not may_be_layered(beginning):
            return "raw", ()
        header = read_header(beginning) if beginning.startswith(QCOW2) else Header(backing="?")
        if header.backing or header.data_file:
            # as libvirt does: a guest may have written there what looks like an image over somebody else's
            raise HeaderError("its format is said nowhere (qemu-img rebase -u -F FORMAT says it)")
        return "qcow2", ()
    if kind != "qcow2":
        raise HeaderError(f"its format, {kind}, is not known here")
    return kind, tuple(places_below(path, read_header(beginning)))


def places_below(path: str, header: Header) -> Iterator[Place]:
    """Path and format of what a qcow2 image names; raises HeaderError for what is no file of its host."""
    if header.data_file:
        yield file_named(header.data_file, path, beside=False)[0], "raw"
    if header.backing:
        place, kind = file_named(header.backing, path)
        yield place, header.backing_format or kind


def _refuse_another_chain(host: Hypervisor, disk: DomainDisk, layers: Sequence[Layer]) -> None:
    """Where the machine itself says what a disk is laid over, that is what counts when it runs."""
    if disk.told_below is None:
        return
    told = {same_file(host, path) for path in disk.told_below}
    seen = {same_file(host, layer.path) for layer in layers[1:]}
    if told != seen:
        raise HeaderError(
            f"the machine says that it is laid over {', '.join(disk.told_below) or 'nothing'}, the images themselves "
            f"over {', '.join(layer.path for layer in layers[1:]) or 'nothing'}"
        )


class Followed:
    """What other machines' disks are laid over, as far as it can be seen: by pools, on our own host by files too."""

    def __init__(self, host: Hypervisor, volumes: Sequence[Any]) -> None:
        self._host = host
        self._below: dict[str, list[Place]] = {}
        for volume in volumes:
            told = etree.fromstring(volume.XMLDesc().encode())
            path, kind = str(volume.path()), told.findtext("backingStore/path") or ""
            form = told.find("backingStore/format")
            places = [(kind, "" if form is None else str(form.get("type")))] if kind else []
            self._below[same_file(host, path)] = [*places, *self._data_file(told, path)]

    def _data_file(self, told: Any, path: str) -> list[Place]:
        """libvirt does not tell of it."""
        form = told.find("target/format")
        if form is None or form.get("type") != "qcow2" or not self._host.is_local:
            return []
        with suppress(HeaderError, OSError):
            header = read_header(_beginning(path))
            return [place for place in places_below(path, header) if header.data_file]
        return []

    def keys(self, path: str, kind: str) -> Iterator[str]:
        """What a disk is made of, as `same_file` names it; raises HeaderError where that cannot be seen."""
        waiting, seen = [(path, kind)], set[str]()
        while waiting:
            path, kind = waiting.pop()
            key = same_file(self._host, path)
            if key in seen:
                continue
            seen.add(key)
            yield key
            if kind not in _WHOLE:
                waiting += self._below[key] if key in self._below else self._seen(path)

    def _seen(self, path: str) -> list[Place]:
        if not self._host.is_local:
            raise HeaderError(f"{path} lies in no storage pool, so that it cannot be seen what it is laid over")
        try:
            beginning = _beginning(path)
        except (FileNotFoundError, NotADirectoryError):
            return []  # what is not there is laid over nothing
        except OSError as error:
            raise HeaderError(f"{path} cannot be read ({error.strerror})") from None
        if not beginning.startswith(QCOW2):
            if may_be_layered(beginning):
                raise HeaderError(f"{path} is of a format that is not known here")
            return []
        return [*places_below(path, read_header(beginning))]


def _beginning(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(HEADER_BYTES_MAX)
