"""Which volumes the disks of an old virtual machine are made of, and all that speaks against wiping them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from toolkit.model.errors import RefusedError
from toolkit.provision.virtual.connection import Hypervisor, domain_xml
from toolkit.provision.virtual.domain_disks import (
    DomainDisk,
    disks_of,
    path_of,
    refresh_pools,
    same_file,
)
from toolkit.provision.virtual.image_header import HeaderError
from toolkit.provision.virtual.layer_users import users
from toolkit.provision.virtual.layers import Layer, Place, layers_of

_NEXT = "Nothing was written. Correct the inventory's [old_vm], or do without it and wipe the disks on the host."
_REMOVABLE = ("cdrom", "floppy")


@dataclass(frozen=True)
class Left:
    """An image below a disk that the inventory leaves as it is, and who uses it, in words; "" for nobody else."""

    layer: Layer
    why: str


@dataclass(frozen=True)
class OldDisk:
    """A disk that may be wiped: `name` is what the inventory calls it.

    `layers` are its own image and those below that are wiped with it, each before what it is laid over; `left` those
    that are not.
    """

    name: str
    disk: DomainDisk
    layers: tuple[Layer, ...]
    left: tuple[Left, ...]


@dataclass(frozen=True)
class Wanted:
    """What the inventory says: the disks that are wiped, and what is left, each by serial number or path."""

    names: tuple[str, ...]
    left: tuple[str, ...] = ()

    def leaves(self, disk: DomainDisk) -> bool:
        """Whether a disk stays as it is."""
        return bool({disk.serial, disk.path, disk.place} & {*self.left} - {""})


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


def find_disks(host: Hypervisor, domain: Any, wanted: Wanted, known: Mapping[str, tuple[Place, ...]]) -> list[OldDisk]:
    """The disks that are to be wiped, with every image they are laid over; changes nothing.

    `known` is what images were laid over before a wipe of this machine began. Raises RefusedError where one may not be
    wiped: it is read only or shared; another machine, a volume laid over it or a disk that is not wiped uses it or what
    it is laid over; it lies in no pool, or it cannot be told what lies below it. It is raised too where the machine has
    snapshots, saved memory or a disk that the inventory does not name: those hold what the disks hold.
    """
    with host.asked("the old virtual machine cannot be looked at"):
        machine, text, uuid = str(domain.name()), domain_xml(domain), str(domain.UUIDString())
        snapshots, saved = domain.snapshotNum(), domain.hasManagedSaveImage()
        now = disks_of(str(domain.XMLDesc()))
    if snapshots or saved:
        what = f"it has {snapshots} snapshots" if snapshots else "its memory is saved on the host"
        command = "snapshot-delete" if snapshots else "managedsave-remove"
        raise RefusedError(
            f"the disks of {machine} are not wiped",
            where=host.uri,
            why=f"{what}, which hold what the disks held",
            next_move=f"Remove them first: virsh {command} {machine}",
        )
    refresh_pools(host)
    there = disks_of(text)
    disks = {name: _disk(host, machine, name, there) for name in wanted.names}
    named = {(disk.serial, disk.place) for disk in disks.values()}
    others = [disk for disk in (*there, *now) if (disk.serial, disk.place) not in named]
    _refuse_unnamed(host, machine, text, others, wanted)
    chains = {name: _chain(host, machine, name, disk, known) for name, disk in disks.items()}
    return _judged(_Machine(host, machine, uuid, there, now), wanted, disks, chains)


@dataclass(frozen=True)
class _Machine:
    host: Hypervisor
    name: str
    uuid: str
    kept: list[DomainDisk]
    now: list[DomainDisk]
    """As it is kept, and as it is now: what was plugged in while it runs is there too."""

    def times(self, key: str) -> int:
        """How many of its disks are that file."""
        found = [[same_file(self.host, path_of(self.host, disk)) for disk in disks] for disks in (self.kept, self.now)]
        return max(keys.count(key) for keys in found)


def _judged(
    machine: _Machine, wanted: Wanted, disks: Mapping[str, DomainDisk], chains: Mapping[str, list[Layer]]
) -> list[OldDisk]:
    """The chains cut where the inventory leaves an image; raises RefusedError for any other image that others use."""
    host = machine.host
    cut = {name: _cut(layers, wanted.left) for name, layers in chains.items()}
    ours = {same_file(host, layer.path): layer.path for mine, _ in cut.values() for layer in mine}
    every = {same_file(host, layer.path) for layers in chains.values() for layer in layers}
    used = users(host, every, machine.uuid)
    tops = [same_file(host, chains[name][0].path) for name in wanted.names]
    for disk in (*machine.kept, *machine.now):
        key = same_file(host, path_of(host, disk))
        if key in ours and key not in tops:
            used.setdefault(key, []).append("another disk of the same machine")
    for key in {key for key in tops if tops.count(key) > 1 or machine.times(key) > 1}:
        used.setdefault(key, []).append("a second disk of the same machine")
    for name, (mine, _) in cut.items():
        for layer in mine:
            if by := used.get(same_file(host, layer.path)):
                what = "it" if layer is mine[0] else f"the image it is laid over, {layer.path},"
                leave = "" if layer is mine[0] else _how_to_leave(layer.path)
                raise _refused(host, machine.name, name, f"{what} is in use by {', '.join(sorted(set(by)))}", leave)
    return [
        OldDisk(
            name,
            disks[name],
            tuple(mine),
            tuple(Left(layer, ", ".join(sorted(set(used.get(same_file(host, layer.path), []))))) for layer in left),
        )
        for name, (mine, left) in cut.items()
    ]


def _cut(layers: Sequence[Layer], left: Collection[str]) -> tuple[list[Layer], list[Layer]]:
    """Those that are wiped and those that are left: what an image that is left is made of is left with it."""
    below: set[str] = set()
    mine, stays = [], []
    for number, layer in enumerate(layers):
        if number and (layer.path in left or layer.path in below):
            stays.append(layer)
            below |= {path for path, _ in layer.below}
        else:
            mine.append(layer)
    return mine, stays


def _disk(host: Hypervisor, machine: str, name: str, there: Sequence[DomainDisk]) -> DomainDisk:
    disks = [disk for disk in there if name in (disk.serial, disk.path, disk.place)]
    if len(disks) != 1:
        listed = ", ".join(f"{disk.serial or 'no serial number'} ({disk.place})" for disk in there) or "none"
        how = f"{len(disks)} disks are" if disks else "no disk is"
        raise _refused(host, machine, name, f"{how} known by that; it has {listed}")
    disk = disks[0]
    removable = disk.device in _REMOVABLE
    for bad, why in (
        (disk.device != "disk" and not removable, f"it is a {disk.device}"),
        (disk.read_only and not removable, "it is read only: an image that others may need"),
        (disk.shared, "it is shared with other machines"),
    ):
        if bad:
            raise _refused(host, machine, name, why)
    return disk


def _refuse_unnamed(host: Hypervisor, machine: str, text: str, others: Sequence[DomainDisk], wanted: Wanted) -> None:
    """A disk, CD or file of the machine that the inventory does not name would be left with what it holds."""
    held = [(disk.serial or disk.place, disk.device) for disk in others if disk.place and not wanted.leaves(disk)]
    described = etree.fromstring(text.encode())
    held += [
        (place, what)
        for what, place in _files_of(described)
        if place and place not in wanted.left and place not in wanted.names
    ]
    if held:
        raise RefusedError(
            f"the disks of {machine} are not wiped",
            where=host.uri,
            why=f"it has more than is named: {', '.join(dict.fromkeys(f'{name} ({what})' for name, what in held))}",
            next_move="Nothing was written. Add each to [old_vm] in the inventory: to disk_serials to have it wiped, "
            "or to leave if it may stay as it is, as an installation CD may.",
        )


def _files_of(described: Any) -> Iterator[tuple[str, str]]:
    """What a guest may have written to beside its disks (https://libvirt.org/formatdomain.html)."""
    yield from (("shared folder", str(one.get("dir", ""))) for one in described.iterfind("devices/filesystem/source"))
    yield from (("persistent memory", str(one.text or "")) for one in described.iterfind("devices/memory/source/path"))


def kept_beside(text: str) -> list[str]:
    """What a host keeps of a machine that is neither a disk nor wiped, in words, by the machine's description."""
    described = etree.fromstring(text.encode())
    found = [f"its UEFI variables ({one.text})" for one in described.iterfind("os/nvram") if one.text]
    if described.find("devices/tpm/backend[@type='emulator']") is not None:
        found.append("the state of its TPM")
    logs = {str(one.get("file")) for one in described.iterfind("devices/*/log") if one.get("file")}
    logs |= {str(one.get("path")) for one in described.iterfind("devices/*[@type='file']/source") if one.get("path")}
    found += [f"what it said on a serial port ({log})" for log in sorted(logs)]
    devices = described.iterfind("devices/hostdev")
    found += [f"a device of the host handed to it ({one.get('type')})" for one in devices]
    return found


def _chain(
    host: Hypervisor, machine: str, name: str, disk: DomainDisk, known: Mapping[str, tuple[Place, ...]]
) -> list[Layer]:
    try:
        return layers_of(host, disk, known)
    except HeaderError as error:
        raise _refused(host, machine, name, str(error)) from None


def _how_to_leave(path: str) -> str:
    return (
        f"Nothing was written. See to the others first; or put {path} into leave of the inventory's [old_vm]: then it "
        "stays as it is, and the record of this disk does not say passed."
    )


def _refused(host: Hypervisor, machine: str, name: str, why: str, next_move: str = "") -> RefusedError:
    return RefusedError(
        f"the disk {name} of {machine} is not wiped", where=host.uri, why=why, next_move=next_move or _NEXT
    )
