"""Which volumes the disks of an old virtual machine are, and all that speaks against wiping them; changes nothing."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lxml import etree

from toolkit.model.errors import ReboxError, RefusedError
from toolkit.provision.virtual.connection import Hypervisor, domain_xml
from toolkit.provision.virtual.volume_streams import read_beginning

_QCOW2, _EXTERNAL_DATA = b"QFI\xfb", 4
"""QEMU's docs/interop/qcow2.txt: the magic, and the incompatible feature bit 2."""
_NEXT = "Nothing was written. Correct the inventory's [old_vm], or do without it and wipe the disks on the host."


@dataclass(frozen=True)
class DomainDisk:
    """One disk of a domain (https://libvirt.org/formatdomain.html); `path` or `pool` and `volume` say where it lies."""

    serial: str
    path: str = ""
    pool: str = ""
    volume: str = ""
    kind: str = "file"
    device: str = "disk"
    format: str = "raw"
    read_only: bool = False
    shared: bool = False
    chain_told: bool = False
    """Whether the domain says what the disk is laid over, as one does that runs."""

    @property
    def place(self) -> str:
        """Where it lies, in words."""
        return self.path or f"{self.pool}/{self.volume}"


@dataclass(frozen=True)
class OldVolume:
    """A disk that may be wiped: `name` is what the inventory calls it, `handle` libvirt's volume."""

    name: str
    disk: DomainDisk
    handle: Any
    pool: str
    size_bytes: int
    under: str
    """The image that it is laid over, which others may need and which is never wiped; "" when there is none."""


def disks_of(xml: str) -> list[DomainDisk]:
    """All disks and drives of a domain."""
    return [_disk(one) for one in etree.fromstring(xml.encode()).iterfind("devices/disk")]


def _disk(element: Any) -> DomainDisk:
    source, driver = element.find("source"), element.find("driver")
    told = {} if source is None else source.attrib
    return DomainDisk(
        serial=element.findtext("serial") or "",
        path=told.get("file") or told.get("dev") or "",
        pool=told.get("pool", ""),
        volume=told.get("volume", ""),
        kind=str(element.get("type")),
        device=element.get("device", "disk"),
        format="raw" if driver is None else driver.get("type", "raw"),
        read_only=element.find("readonly") is not None,
        shared=element.find("shareable") is not None,
        chain_told=element.find("backingStore") is not None,
    )


def find_machine(host: Hypervisor, name: str, uuid: str, serial_number: str) -> Any:
    """libvirt's domain; raises RefusedError when it is not there, or not the machine that is meant."""
    domain = host.find("the old virtual machine cannot be looked for", lambda one: one.lookupByName(name))
    if domain is None:
        raise RefusedError(f"there is no virtual machine {name}", where=host.uri, next_move=_NEXT)
    with host.asked(f"the virtual machine {name} cannot be looked at"):
        text = domain_xml(domain)
    told = etree.fromstring(text.encode())
    told_serial = told.findtext("sysinfo/system/entry[@name='serial']")
    pairs = [("UUID", uuid.lower(), str(told.findtext("uuid")).lower())]
    if told_serial is not None:
        pairs.append(("serial number", serial_number, told_serial.strip()))
    different = "; ".join(f"its {what} is {seen}, not {meant}" for what, meant, seen in pairs if meant != seen)
    if different:
        raise RefusedError(f"the virtual machine {name} is another one", where=host.uri, why=different, next_move=_NEXT)
    return domain


def find_volumes(host: Hypervisor, domain: Any, names: Sequence[str]) -> list[OldVolume]:
    """The volumes of the disks that are named by serial number or path; raises RefusedError for any that may not be.

    Not wiped is what is read only or shared, what another machine or a volume laid over it uses, what lies in no pool,
    and every disk of a machine with snapshots or saved memory: those hold what the volumes held.
    """
    with host.asked("the old virtual machine cannot be looked at"):
        machine, text = str(domain.name()), domain_xml(domain)
        snapshots, saved = domain.snapshotNum(), domain.hasManagedSaveImage()
    if snapshots or saved:
        what = f"it has {snapshots} snapshots" if snapshots else "its memory is saved on the host"
        command = "snapshot-delete" if snapshots else "managedsave-remove"
        raise RefusedError(
            f"the disks of {machine} are not wiped",
            where=host.uri,
            why=f"{what}, which hold what the disks held",
            next_move=f"Remove them first: virsh {command} {machine}",
        )
    _refresh_pools(host)
    there = disks_of(text)
    found = [_volume(host, machine, name, there) for name in names]
    for volume in found:
        _refuse_if_others_use(host, machine, domain, volume)
    return found


def _volume(host: Hypervisor, machine: str, name: str, there: Sequence[DomainDisk]) -> OldVolume:
    disks = [disk for disk in there if name in (disk.serial, disk.path)]
    if len(disks) != 1:
        listed = ", ".join(f"{disk.serial or 'no serial number'} ({disk.place})" for disk in there) or "none"
        how = f"{len(disks)} disks are" if disks else "no disk is"
        raise _refused(host, machine, name, f"{how} known by that; it has {listed}")
    disk = disks[0]
    for bad, why in (
        (disk.device != "disk", f"it is a {disk.device}"),
        (disk.read_only, "it is read only: an image that others may need"),
        (disk.shared, "it is shared with other machines"),
    ):
        if bad:
            raise _refused(host, machine, name, why)
    handle = _look_up(host, disk)
    if handle is None:
        raise _refused(host, machine, name, f"it lies in no storage pool of that host ({disk.place})")
    with host.asked(f"the volume of {name} cannot be looked at"):
        told = etree.fromstring(handle.XMLDesc().encode())
        pool = handle.storagePoolLookupByVolume().name()
        size = int(told.findtext("physical") or told.findtext("capacity") or 0)
    if _keeps_data_elsewhere(read_beginning(host, handle, 80)):
        raise _refused(host, machine, name, "its qcow2 container keeps its data in another file")
    return OldVolume(name, disk, handle, pool, size, told.findtext("backingStore/path") or "")


def _look_up(host: Hypervisor, disk: DomainDisk) -> Any | None:
    what = "a volume cannot be looked for"
    if disk.pool:
        return host.find(what, lambda one: one.storagePoolLookupByName(disk.pool).storageVolLookupByName(disk.volume))
    return host.find(what, lambda one: one.storageVolLookupByPath(disk.path)) if disk.path else None


def _keeps_data_elsewhere(header: bytes) -> bool:
    if header[:4] != _QCOW2 or len(header) < 80:
        return False
    version, (features,) = struct.unpack(">I", header[4:8])[0], struct.unpack(">Q", header[72:80])
    return version >= 3 and bool(features & _EXTERNAL_DATA)


def _refuse_if_others_use(host: Hypervisor, machine: str, domain: Any, volume: OldVolume) -> None:
    with host.asked(f"who uses the volume of {volume.name} cannot be looked at") as connection:
        key, own = volume.handle.key(), domain.UUIDString()
        users = [
            f"the virtual machine {other.name()}"
            for other in connection.listAllDomains()
            if other.UUIDString() != own and any(_is(host, disk, key) for disk in _all_disks(other))
        ]
        users += [
            f"perhaps the virtual machine {other.name()}: its disk {disk.path} lies in no storage pool, so that it "
            "cannot be seen what it is laid over"
            for other in connection.listAllDomains()
            if other.UUIDString() != own
            for disk in disks_of(other.XMLDesc())
            if disk.path and disk.format != "raw" and not disk.chain_told and _look_up(host, disk) is None
        ]
        twice = sum(_is(host, disk, key) for disk in disks_of(domain_xml(domain)))
        for pool in _active(connection):
            users += [
                f"the volume {other.name()}, which is laid over it"
                for other in pool.listAllVolumes()
                if _is(host, DomainDisk("", _under(other)), key)
            ]
    if twice != 1:
        users.append("a second disk of the same machine")
    if users:
        raise _refused(host, machine, volume.name, f"it is in use by {', '.join(sorted(set(users)))}")


def _all_disks(domain: Any) -> Iterator[DomainDisk]:
    """Also those plugged in while it runs, and those under them as far as libvirt knows."""
    for text in (domain_xml(domain), domain.XMLDesc()):
        yield from disks_of(text)
        for source in etree.fromstring(text.encode()).iterfind("devices/disk//backingStore/source"):
            yield DomainDisk("", source.get("file") or source.get("dev") or "")


def _is(host: Hypervisor, disk: DomainDisk, key: str) -> bool:
    if disk.path == key:
        return True
    handle = _look_up(host, disk)
    return handle is not None and handle.key() == key


def _under(volume: Any) -> str:
    return etree.fromstring(volume.XMLDesc().encode()).findtext("backingStore/path") or ""


def _active(connection: Any) -> Iterator[Any]:
    return (pool for pool in connection.listAllStoragePools() if pool.isActive())


def _refresh_pools(host: Hypervisor) -> None:
    """Has libvirt look at its pools again; it does not while somebody fills a volume there."""
    with host.asked("the storage pools cannot be looked at") as connection:
        pools = list(_active(connection))
    for pool in pools:
        with suppress(ReboxError), host.asked("the storage pool cannot be looked at"):
            pool.refresh()


def _refused(host: Hypervisor, machine: str, name: str, why: str) -> RefusedError:
    return RefusedError(f"the disk {name} of {machine} is not wiped", where=host.uri, why=why, next_move=_NEXT)
