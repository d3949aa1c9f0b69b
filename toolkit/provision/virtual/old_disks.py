"""The disks of an old virtual machine, wiped as volumes of its host's storage pools through libvirt; a `DiskWiper`.

A disk is wiped with every image it is laid over, unless others use one: then nothing is written, or the disk has not
passed. The lowest image comes first: as long as one is left, the ones above it still say where it is. What was laid
over what is also written down before the first byte is written.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from toolkit.appliances.provisioner import DiskEnded
from toolkit.model.errors import ReboxError, RefusedError, VerificationError
from toolkit.model.execution import Progress
from toolkit.provision.lock import held
from toolkit.provision.virtual.connection import Hypervisor, connect, domain_xml
from toolkit.provision.virtual.domain_disks import same_file
from toolkit.provision.virtual.layer_users import programs
from toolkit.provision.virtual.layers import KnownLayers
from toolkit.provision.virtual.old_volumes import OldDisk, Wanted, find_disks, find_machine, kept_beside
from toolkit.provision.virtual.volume_wiping import NotWipedError, VolumeWiping, told_of

_OFF_SECONDS_MAX, _LOOK_SECONDS = 180.0, 0.5
_CLOSED_LOOKS = 6
"""Who only looks at a volume (libvirt itself) has closed it in a moment."""


@dataclass(frozen=True)
class OldVirtualDisks:
    """Those of one virtual machine of a libvirt host.

    `disk_serials` names them, by serial number or by path; `leave` what stays as it is: other disks and CDs, and images
    below the disks that others use.
    """

    uri: str
    name: str
    uuid: str
    serial_number: str
    disk_serials: tuple[str, ...]
    state: Path
    leave: tuple[str, ...] = ()
    off_seconds_max: float = _OFF_SECONDS_MAX
    sleep: Callable[[float], None] = time.sleep
    checkpoint: Callable[[str], None] = lambda _stage: None
    """Told of every stage when it has been reached."""

    def check_machine(self) -> None:
        """Raises RefusedError unless it is the machine that is meant, and its disks are its own; changes nothing."""
        with connect(self.uri) as host:
            self._find(host, self._machine(host))

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
        with held(self.state / "virtual" / f"{self._here}.lock", busy), connect(self.uri) as host:
            domain = self._machine(host)
            self._wait_until_off(host, domain, progress)
            found = self._find(host, domain)
            self._refuse_if_open(host, found)
            self._known.keep([layer for disk in found for layer in disk.layers])
            self.checkpoint("written down")
            with host.asked("the old virtual machine cannot be looked at"):
                beside = kept_beside(domain_xml(domain))
            work = _Work(host, domain, _host_name(host), beside, ended)
            disks = [disk for disk in found if disk.name in disk_serials]
            for number, disk in enumerate(disks):

                def part(fraction: float, phase: str, number: int = number) -> None:
                    progress((number + fraction) / len(disks), phase)

                self._wipe(work, disk, part)
            self._refuse_if_left(host, disks)

    @property
    def _here(self) -> str:
        return f"{self.name}-{sha256(self.uri.encode()).hexdigest()[:16]}"

    @property
    def _known(self) -> KnownLayers:
        return KnownLayers(self.state / "virtual" / f"{self._here}.layers.json", self.uuid)

    def _machine(self, host: Hypervisor) -> Any:
        return find_machine(host, self.name, self.uuid, self.serial_number)

    def _find(self, host: Hypervisor, domain: Any) -> list[OldDisk]:
        return find_disks(host, domain, Wanted(self.disk_serials, self.leave), self._known.read())

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

    def _refuse_if_open(self, host: Hypervisor, found: list[OldDisk]) -> None:
        """Programs that libvirt does not know: a backup, qemu-nbd, a loop device. Only our own host shows them."""
        if not host.is_local:
            return
        for disk in found:
            for layer in disk.layers:
                by = programs(layer.path)
                for _ in range(_CLOSED_LOOKS):
                    if not by:
                        break
                    self.sleep(_LOOK_SECONDS)
                    by = programs(layer.path)
                if by:
                    raise RefusedError(
                        f"the disk {disk.name} of {self.name} is not wiped",
                        where=host.uri,
                        why=f"{layer.path} is opened by {', '.join(by)}",
                        next_move="Nothing was written. End that, then do the same again.",
                    )

    def _wipe(self, work: "_Work", disk: OldDisk, progress: Progress) -> None:
        if self._is_on(work.host, work.domain):
            raise self._is_running(work.host)
        began = time.monotonic()
        volumes = [self._volume(work, disk, number) for number in range(len(disk.layers))]

        def tell(result: str, reason: str) -> None:
            told = told_of(disk, volumes, work.place, work.beside)
            work.ended({**told, "result": result, "reason": reason, "seconds": round(time.monotonic() - began, 1)})

        try:
            for done, volume in enumerate(reversed(volumes)):
                if not volume.passed:

                    def part(fraction: float, phase: str, done: int = done) -> None:
                        progress((done + fraction) / len(volumes), f"{disk.name}: {phase}")

                    volume.wipe(part, self.checkpoint)
            self._must_have_stayed_off(work, disk)
        except NotWipedError as error:
            tell("failed", error.why)
            raise
        except ReboxError as error:
            tell("unknown", f"{error.what}: {error.why}" if error.why else error.what)
            raise
        except BaseException:
            with suppress(ReboxError):
                tell("unknown", "it was cut off")
            raise
        if disk.left:
            tell("failed", _what_is_left(disk))
        else:
            tell("passed", "")

    def _volume(self, work: "_Work", disk: OldDisk, number: int) -> VolumeWiping:
        """One for each volume, however many disks are laid over it."""
        layer = disk.layers[number]
        key = same_file(work.host, layer.path)
        name = disk.name if not number else layer.path
        return work.volumes.setdefault(key, VolumeWiping(work.host, layer, name))

    def _must_have_stayed_off(self, work: "_Work", disk: OldDisk) -> None:
        if self._is_on(work.host, work.domain):
            raise VerificationError(
                f"it is not known what the disk {disk.name} holds",
                where=work.host.uri,
                why=f"{self.name} was started while it was wiped",
                next_move="Shut it down and do the same again.",
            )

    def _refuse_if_left(self, host: Hypervisor, disks: list[OldDisk]) -> None:
        left = [f"{disk.name}: {_what_is_left(disk)}" for disk in disks if disk.left]
        if left:
            raise VerificationError(
                f"the disks of {self.name} are not wiped to the last layer",
                where=host.uri,
                why="; ".join(left),
                next_move="So says leave in the inventory's [old_vm]. When nobody needs those images any more, take "
                "them out of it and do the same again; or answer for the box: rebox inventory release.",
            )


def _what_is_left(disk: OldDisk) -> str:
    told = [f"{left.layer.path}{f', which is in use by {left.why}' if left.why else ''}" for left in disk.left]
    return f"what it is laid over was left as it is: {'; '.join(told)}"


@dataclass
class _Work:
    """One wipe of a machine: what each of its volumes has come to, and who is told."""

    host: Hypervisor
    domain: Any
    place: str
    beside: list[str]
    ended: DiskEnded
    volumes: dict[str, VolumeWiping] = field(default_factory=dict)


def _host_name(host: Hypervisor) -> str:
    try:
        with host.asked("the host cannot be looked at") as connection:
            return str(connection.getHostname())
    except ReboxError:
        return host.uri
