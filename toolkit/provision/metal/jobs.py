"""What the installer is told to do on which machine, from the inventory; no secret in clear but its own token."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from toolkit.images.built import find_built, find_image
from toolkit.images.installer_job import CallHome, InstallerJob, Network, write_job_iso
from toolkit.model.inventory import Inventory
from toolkit.model.provision import MetalMachine
from toolkit.provision.first_boot import authorized_keys, first_boot_order
from toolkit.provision.metal.identity import MachineIdentity
from toolkit.provision.metal.media_server import MediaServer

INSTALLER = "installer"
_SECRET_FIELDS = ("admin_password_hash",)


@dataclass(frozen=True)
class InstallOrder:
    """An installation: where, of which image, and what the new box is told at its first power-on."""

    meant: MachineIdentity
    disk_serial: str
    image_sha256: str
    network: Network
    seed: dict[str, JsonValue]
    authorized_keys: tuple[str, ...] = ()
    known_signatures: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Of all of it but the password's hash, which has a new salt each time."""
        seed = {name: value for name, value in self.seed.items() if name not in _SECRET_FIELDS}
        words = [self.meant.serial_number, self.disk_serial, self.image_sha256, seed, *self.authorized_keys]
        text = json.dumps(words, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def write_iso(self, media: MediaServer) -> None:
        """The installer with this job, to the server's file. Raises InputError, StorageError."""
        write_job_iso(installer_iso(), self.job(_call_home(media)), media.file)

    def job(self, report: CallHome | None) -> InstallerJob:
        """As the installer reads it; it ends with the machine off."""
        return InstallerJob(
            action="install",
            machine_serial=self.meant.serial_number,
            macs=self.meant.macs,
            disk_serial=self.disk_serial,
            image_sha256=self.image_sha256,
            seed=self.seed,
            authorized_keys=self.authorized_keys,
            signatures=self.known_signatures,
            network=self.network if report else None,
            report=report,
        )


def install_order(
    inventory: Inventory,
    machine: MetalMachine,
    meant: MachineIdentity,
    admin_password: str,
    path: Callable[[str], Path],
) -> InstallOrder:
    """Raises InputError for an image that is not built or a file that cannot be read."""
    return InstallOrder(
        meant=meant,
        disk_serial=machine.disk_serial,
        image_sha256=find_image(machine.image, path)[1].sha256,
        network=Network(mac=machine.mac, address=machine.addresses[0], gateway=machine.gateway),
        seed=first_boot_order(inventory, machine, admin_password, path),
        authorized_keys=authorized_keys(machine, path),
        known_signatures=machine.known_signatures,
    )


@dataclass(frozen=True)
class WipeOrder:
    """The wiping of a machine's disks, in one go. Without an address of its own it asks DHCP for one to report from.

    Nothing holds the members of a pool there: they are wiped only where `known_signatures` names what they bear.
    """

    meant: MachineIdentity
    disk_serials: tuple[str, ...]
    occasion: str
    known_signatures: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Of machine, disks and occasion: what was wiped then may hold data again now."""
        words = (self.meant.serial_number, *self.disk_serials, self.occasion)
        return hashlib.sha256("\n".join(words).encode()).hexdigest()

    def write_iso(self, media: MediaServer) -> None:
        """The installer with this job, to the server's file. Raises InputError, StorageError."""
        report = _call_home(media)
        job = InstallerJob(
            action="wipe",
            machine_serial=self.meant.serial_number,
            macs=self.meant.macs,
            disk_serials=self.disk_serials,
            signatures=self.known_signatures,
            network=Network(mac=self.meant.macs[0]) if report else None,
            report=report,
        )
        write_job_iso(installer_iso(), job, media.file)


def installer_iso() -> Path:
    """The built installer; raises InputError when it is not built from today's recipe."""
    folder, manifest = find_built(INSTALLER)
    return folder / manifest.image


def _call_home(media: MediaServer) -> CallHome | None:
    if media.certificate is None:
        return None
    return CallHome.model_validate(
        {"url": media.report_url, "token": media.report_token, "certificate_sha256": media.certificate.sha256}
    )
