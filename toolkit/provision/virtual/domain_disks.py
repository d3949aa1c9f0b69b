"""The disks of libvirt's virtual machines, and the volumes and files they lie in; changes nothing."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lxml import etree

from toolkit.model.errors import ReboxError
from toolkit.provision.virtual.connection import Hypervisor, domain_xml


@dataclass(frozen=True)
class DomainDisk:
    """One disk of a domain (https://libvirt.org/formatdomain.html); `path` or `pool` and `volume` say where it lies.

    `told_below`: the paths of the images it is laid over, where the domain says so, as one does that runs; None: it
    does not.
    """

    serial: str
    path: str = ""
    pool: str = ""
    volume: str = ""
    kind: str = "file"
    device: str = "disk"
    format: str = "raw"
    read_only: bool = False
    shared: bool = False
    told_below: tuple[str, ...] | None = None
    network: str = ""
    """What a disk that comes over the network is called there; "" for others."""

    @property
    def place(self) -> str:
        """Where it lies, in words; "" for a drive that holds no medium."""
        return self.path or self.network or (f"{self.pool}/{self.volume}" if self.pool else "")


def disks_of(xml: str) -> list[DomainDisk]:
    """All disks and drives of a domain."""
    return [_disk(one) for one in etree.fromstring(xml.encode()).iterfind("devices/disk")]


def _disk(element: Any) -> DomainDisk:
    source, driver = element.find("source"), element.find("driver")
    told = {} if source is None else source.attrib
    kind = str(element.get("type"))
    return DomainDisk(
        serial=element.findtext("serial") or "",
        path=told.get("file") or told.get("dev") or told.get("dir") or "",
        pool=told.get("pool", ""),
        volume=told.get("volume", ""),
        kind=kind,
        device=element.get("device", "disk"),
        format="raw" if driver is None else driver.get("type", "raw"),
        read_only=element.find("readonly") is not None,
        shared=element.find("shareable") is not None,
        told_below=_told_below(element),
        network=f"{told.get('protocol')}:{told.get('name', '')}" if kind == "network" else "",
    )


def _told_below(element: Any) -> tuple[str, ...] | None:
    if element.find("backingStore") is None:
        return None
    sources = element.iterfind(".//backingStore/source")
    return tuple(place for one in sources if (place := one.get("file") or one.get("dev") or one.get("name") or ""))


def all_disks(domain: Any) -> list[DomainDisk]:
    """Also those plugged in while it runs; raises libvirt's errors, so call it in `asked`."""
    return [*disks_of(domain_xml(domain)), *disks_of(str(domain.XMLDesc()))]


def look_up(host: Hypervisor, disk: DomainDisk) -> Any | None:
    """The volume that a disk is; None: it is none of a storage pool that is active."""
    what = "a volume cannot be looked for"
    if disk.pool:
        return host.find(what, lambda one: one.storagePoolLookupByName(disk.pool).storageVolLookupByName(disk.volume))
    return find_volume(host, disk.path) if disk.path else None


def find_volume(host: Hypervisor, path: str) -> Any | None:
    """The volume at a path; None: there is none in a storage pool that is active."""
    return host.find("a volume cannot be looked for", lambda one: one.storageVolLookupByPath(path))


def active_pools(connection: Any) -> Iterator[Any]:
    """The storage pools whose volumes libvirt can tell of."""
    return (pool for pool in connection.listAllStoragePools() if pool.isActive())


def refresh_pools(host: Hypervisor) -> None:
    """Has libvirt look at its pools again; it does not while somebody fills a volume there."""
    with host.asked("the storage pools cannot be looked at") as connection:
        pools = list(active_pools(connection))
    for pool in pools:
        with suppress(ReboxError), host.asked("the storage pool cannot be looked at"):
            pool.refresh()


def same_file(host: Hypervisor, path: str) -> str:
    """What a file is known by whatever it is called: on our own host two names of one file are the same, links too."""
    if host.is_local and path:
        with suppress(OSError):
            found = os.stat(path)  # noqa: PTH116  (a path of libvirt's, not ours)
            return f"{found.st_dev}:{found.st_ino}"
    return path


def path_of(host: Hypervisor, disk: DomainDisk) -> str:
    """Where a disk lies on its host; "" where that is nowhere, or libvirt cannot tell."""
    if disk.path or not disk.pool:
        return disk.path
    handle = look_up(host, disk)
    return "" if handle is None else str(handle.path())
