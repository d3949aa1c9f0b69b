"""Where a new box comes from, as people write it in the inventory's `[provision]` table."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from toolkit.model.fields import Address, Fingerprint, InterfaceAddress, Mac, Uuid, VersionText
from toolkit.model.firmware import FirmwareScope
from toolkit.model.secret import SecretReference

Signature = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,40}$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabProvision(_Table):
    """The new box is a machine of a running lab: it is switched on there."""

    driver: Literal["lab"]
    folder: str = Field(description="The lab's folder.")
    host: str = "new"


class ExistingProvision(_Table):
    """The new box is there and switched on; nothing is made, everything is checked."""

    driver: Literal["existing"] = "existing"


class NewMachine(_Table):
    """A machine that is made from an image, and what it is told at its first power-on (docs/images.md).

    It makes its own keys and shows their fingerprints on its console, so that `new.tls_sha256` need not be known.
    """

    image: str = Field(
        default="appliance", description="A recipe's name, whose built image is taken, or the folder of an image."
    )
    mac: Mac = Field(description="The network port's, kept from the box that is replaced or chosen anew.")
    addresses: tuple[InterfaceAddress, ...] = Field(min_length=1, description="The box's own, each with its prefix.")
    hostname: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")
    gateway: Address | None = None
    dns_servers: tuple[Address, ...] = ()
    base_version: VersionText | None = Field(default=None, description="None: what the image says.")
    update_server: str | None = Field(default=None, description="URL of the update server, if it is not the maker's.")
    update_root_file: str | None = Field(default=None, description="That server's root of trust (TUF root.json).")
    update_ca_file: str | None = Field(default=None, description="PEM file of the authority of its TLS certificate.")
    authorized_keys_file: str | None = Field(
        default=None, description="Public keys, one a line, that may log in as root by SSH; without it nobody may."
    )


class LibvirtProvision(NewMachine):
    """The new box is a virtual machine that is made through libvirt."""

    driver: Literal["libvirt"]
    uri: str = Field(
        default="qemu:///system",
        pattern=r"^qemu(\+[a-z0-9]+)?://",
        description="Any libvirt URI of a QEMU host: local, qemu+ssh, qemu+tls.",
    )
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", description="The virtual machine's name.")
    pool: str = Field(default="default", description="The storage pool its disks are made in.")
    bridge: str | None = Field(default=None, description="The host's bridge it is plugged into; or `network`.")
    network: str | None = Field(default=None, description="The libvirt network it is plugged into; or `bridge`.")
    vcpus: int = Field(default=2, ge=1, le=256)
    memory_mb: int = Field(default=1024, ge=256, description="In 2^20 bytes.")
    system_disk: Literal["overlay", "copy"] = Field(
        default="overlay",
        description="overlay: laid over the image, which the pool then has to keep; copy: stands by itself.",
    )
    system_disk_mb: int | None = Field(default=None, ge=64, description="In 2^20 bytes; None: as large as the image.")
    data_disk_mb: int = Field(default=2048, ge=64, description="The disk with all that the box knows, in 2^20 bytes.")
    firmware: Literal["direct", "uefi", "bios"] = Field(
        default="direct", description="direct: it is handed its kernel, which starts seconds sooner."
    )
    usb: bool = Field(default=False, description="Whether it has a USB controller, for sticks to be handed through.")
    guest_agent: bool = Field(default=True, description="Whether there is a channel for the QEMU guest agent.")
    autostart: bool = Field(default=True, description="Whether it starts with its host.")
    boot_seconds_max: float = Field(default=300.0, gt=0, description="How long its first words are waited for.")
    domain_file: str | None = Field(
        default=None, description="XML file with a fragment of a libvirt domain, laid over what is made here."
    )

    @model_validator(mode="after")
    def _plugged_in_once(self) -> "LibvirtProvision":
        if (self.bridge is None) == (self.network is None):
            raise ValueError("give either bridge or network: where the virtual machine is plugged in")
        return self


class Bmc(_Table):
    """A BMC that speaks Redfish, and how the machine behind it gets its installer."""

    url: str = Field(pattern=r"^https://", description="E.g. https://10.77.0.31; never without TLS.")
    username: str = "admin"
    password: SecretReference
    tls_sha256: Fingerprint | None = Field(
        default=None, description="SHA-256 of its TLS certificate, read off its own pages; or `ca_file`."
    )
    ca_file: str | None = Field(default=None, description="PEM file of the authority that issued its certificate.")
    system: str | None = Field(default=None, description="Id of the system, where the BMC has several.")
    machine_serial: str | None = Field(
        default=None, min_length=1, description="The machine's own serial number; left out: the box's."
    )
    machine_uuid: Uuid | None = Field(
        default=None, description="The machine's UUID; needed where the BMC tells no serial number."
    )
    media_address: Address = Field(description="Our address, from which the BMC fetches the installer.")
    media_port: int = Field(default=0, ge=0, le=65535, description="0: any that is free.")
    media_http: bool = Field(default=False, description="True: this BMC fetches by plain HTTP only.")
    media_mb_max: int | None = Field(default=None, ge=1, description="The largest ISO it takes, in 2^20 bytes.")
    report_address: Address | None = Field(
        default=None, description="Our address as the machine reaches it, if it is another than `media_address`."
    )
    console_file: str | None = Field(
        default=None, description="File in which the machine's serial console is kept, by a console server or SOL."
    )

    @model_validator(mode="after")
    def _recognised(self) -> "Bmc":
        if (self.tls_sha256 is None) == (self.ca_file is None):
            raise ValueError("give either tls_sha256 or ca_file: by what is the BMC recognised?")
        if self.media_http and not self.console_file:
            raise ValueError("media_http needs console_file: the installer reports by HTTPS only")
        return self


_KNOWN = Field(
    default=(),
    description="Signatures on those disks, by blkid's names, that may be lost though others may need what bears them: "
    'a member of a pool or array, e.g. ["linux_raid_member"]; without it such a disk is refused.',
)


class MetalMachine(NewMachine):
    """A physical machine whose disk the installer writes."""

    disk_serial: str = Field(min_length=1, description="Serial number of the disk that is written.")
    data_disk_serial: str | None = Field(
        default=None,
        min_length=1,
        description="Serial number of the disk with all that the box knows; it must be blank.",
    )
    known_signatures: tuple[Signature, ...] = _KNOWN


class RedfishProvision(MetalMachine):
    """The new box is metal whose BMC speaks Redfish: the installer is booted on it from virtual media."""

    driver: Literal["redfish"]
    bmc: Bmc


class OperatorProvision(MetalMachine):
    """The new box is metal without a BMC: a person boots the installer on it, from a USB stick or by PXE."""

    driver: Literal["operator"]
    machine_serial: str | None = Field(
        default=None, min_length=1, description="The machine's own serial number; left out: the box's."
    )


class OldBmc(Bmc):
    """The old box's BMC: once the box has been reset, disks are wiped and firmware is reset through it."""

    macs: tuple[Mac, ...] = Field(min_length=1, description="The machine's network ports; the BMC must know them all.")
    disk_serials: tuple[str, ...] = Field(min_length=1, description="Serial numbers of the disks that are wiped.")
    known_signatures: tuple[Signature, ...] = _KNOWN
    firmware_reset: FirmwareScope = Field(
        default="bios",
        description="What of the firmware is reset where the BMC offers it: bios (settings and Secure Boot keys), "
        "bios-and-bmc (the BMC too, which may not be reachable afterwards), none.",
    )


class OldVirtualMachine(_Table):
    """The old box's virtual machine: its volumes are wiped through libvirt once the box was reset and is off."""

    uri: str = Field(
        default="qemu:///system",
        pattern=r"^qemu(\+[a-z0-9]+)?://",
        description="Any libvirt URI of a QEMU host: local, qemu+ssh, qemu+tls.",
    )
    name: str = Field(min_length=1, description="The virtual machine's name on that host.")
    machine_uuid: Uuid = Field(description="Its UUID, as virsh domuuid tells it.")
    machine_serial: str | None = Field(
        default=None, min_length=1, description="The serial number that it is given (SMBIOS); left out: the box's."
    )
    disk_serials: tuple[str, ...] = Field(
        min_length=1,
        description="Serial numbers of the disks that are wiped, with every image they are laid over; for a disk or CD "
        "without one, the path of its volume.",
    )
    leave: tuple[str, ...] = Field(
        default=(),
        description="What stays as it is, by serial number or path: other disks and CDs of the machine, and images "
        "below its disks that others use. A disk over such an image has not passed.",
    )

    @model_validator(mode="after")
    def _each_once(self) -> "OldVirtualMachine":
        if both := {*self.disk_serials} & {*self.leave}:
            raise ValueError(f"{both.pop()} is in disk_serials and in leave")
        if len({*self.disk_serials}) != len(self.disk_serials):
            raise ValueError("disk_serials names a disk twice")
        return self


Provision = Annotated[
    LabProvision | ExistingProvision | LibvirtProvision | RedfishProvision | OperatorProvision,
    Field(discriminator="driver"),
]
