"""Where a new box comes from, as people write it in the inventory's `[provision]` table."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from toolkit.model.fields import Address, InterfaceAddress, Mac, VersionText
from toolkit.model.secret import SecretReference


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


class LibvirtProvision(NewMachine):
    """The new box is a virtual machine that is made through libvirt."""

    driver: Literal["libvirt"]
    uri: str = Field(default="qemu:///system", description="Any libvirt URI: local, qemu+ssh, qemu+tls.")
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


class RedfishProvision(NewMachine):
    """The new box is metal whose BMC speaks Redfish: the installer is booted on it from virtual media."""

    driver: Literal["redfish"]
    bmc: str = Field(description="The BMC's URL, e.g. https://10.77.0.31.")
    bmc_username: str = "admin"
    bmc_password: SecretReference
    disk_serial: str = Field(min_length=1, description="Serial number of the disk that is written.")


Provision = Annotated[
    LabProvision | ExistingProvision | LibvirtProvision | RedfishProvision, Field(discriminator="driver")
]
