"""The inventory: what is there and what is wanted, as people write it in TOML; it never holds a secret."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from toolkit.model.carry import Carry
from toolkit.model.fields import Address, Fingerprint, HostName, Recipient, VersionText
from toolkit.model.provision import ExistingProvision, MetalMachine, NewMachine, OldBmc, OldVirtualMachine, Provision
from toolkit.model.secret import SecretReference
from toolkit.model.settings_text import read_settings
from toolkit.model.vantage import VantagePoint


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Site(_Table):
    """What users reach by name."""

    name: HostName = Field(description="The name users type; the certificate must be issued to it.")
    addresses: tuple[Address, ...] = Field(
        min_length=1,
        description="shared-ip: the shared addresses that move. dns: the addresses the name has before the swing.",
    )
    port: int = Field(default=443, ge=1, le=65535)
    ca_file: str | None = Field(
        default=None, description="PEM file of the authorities users trust; without it the system's are used."
    )


class Box(_Table):
    """One box and how to reach it."""

    driver: Literal["emulated"] = Field(
        default="emulated", description='How to talk to it. "emulated": the automation API of docs/appliance-api.md.'
    )
    kind: Literal["physical", "virtual"] = "physical"
    address: Address = Field(description="Its own address, not the shared one.")
    port: int = Field(default=443, ge=1, le=65535)
    serial_number: str = Field(min_length=1)
    tls_sha256: Fingerprint | None = Field(
        default=None,
        description="SHA-256 of the TLS certificate it serves on its own address: from its console, its seed or its "
        "first-boot screen. First contact is refused when another is served. Left out for a machine that is made here: "
        "it is read off its console.",
    )
    interface: str = "eth0"
    client_id: str = Field(default="rebox", description="The box's API account.")
    client_secret: SecretReference
    admin_password: SecretReference | None = Field(
        default=None, description="New box only: the password that replaces the factory one at first login."
    )


class SharedAddressSwing(_Table):
    """The site's addresses are disabled on the old box and enabled on the new one (requirement F6)."""

    method: Literal["shared-ip"]
    overlap: bool = Field(
        default=False, description="Enable on the new box before disabling on the old: no gap, two owners for a moment."
    )
    interface: str = Field(
        default="", description="Our own interface towards the site; empty: the one the route to the site takes."
    )


class DnsSwing(_Table):
    """The site's name is pointed at the new box (requirement F6)."""

    method: Literal["dns"]
    server: Address = Field(description="The primary server of the zone, which takes RFC 2136 updates.")
    port: int = Field(default=53, ge=1, le=65535)
    zone: HostName
    ttl_seconds: int = Field(default=30, ge=1, le=86400, description="The TTL during the swing; put back afterwards.")
    resolvers: tuple[Address, ...] = Field(min_length=1, description="All of them must answer with the new address.")
    new_addresses: tuple[Address, ...] = Field(min_length=1, description="What the name points at after the swing.")
    tsig_name: str
    tsig_algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    tsig_secret: SecretReference


class Package(_Table):
    """The site package the new box gets (requirements U10, H5)."""

    version: VersionText
    eula_accepted: bool = Field(default=False, description="True: you have read and accept the package's EULA.")
    eula_signed_by: str = ""

    @model_validator(mode="after")
    def _signed(self) -> "Package":
        if self.eula_accepted and not self.eula_signed_by:
            raise ValueError("eula_accepted needs eula_signed_by: who accepts it")
        return self


class Certificate(_Table):
    """How the site's certificate travels (requirement H3)."""

    passphrase: SecretReference = Field(description="Encrypts the exported private key.")


class Backup(_Table):
    """How backups are kept (requirements U9, H2)."""

    recipients: tuple[Recipient, ...] = Field(min_length=1, description="age recipients (age1…) that can open them.")
    identity_file: str = Field(description="The age identity, itself protected by a passphrase.")
    identity_passphrase: SecretReference
    passphrase: SecretReference = Field(description="The passphrase the box itself puts on its settings backup.")
    records: bool = Field(default=True, description="Extract session records and recordings too; no backup holds them.")
    changed_meanwhile: Literal["carry", "block"] = Field(
        default="carry",
        description="What becomes of a setting that is changed on the old box after it was backed up. carry: before "
        "the swing a fresh backup is restored on the new box, which nobody uses yet, and what no backup holds is "
        "carried again; after it, users that were disabled are disabled. block: the run stops and says what to enter "
        "by hand. What cannot be carried, or was changed on both boxes, stops the run either way, until the new box "
        "shows it. carry is the default: a user who was disabled must not get in again because somebody was asleep.",
    )
    leave_changes: tuple[str, ...] = Field(
        default=(),
        description='Changes that are meant to stay behind, as the run names them: "users/user-0041", "options/KEY".',
    )


class CarriedSettings(_Table):
    """How the box's own settings, which no backup holds, are carried: network, TLS."""

    interface_map: str | None = Field(
        default=None,
        description="The table of interfaces, old to new, as rebox box-settings map writes it; without it, it is made "
        "from what the boxes have.",
    )
    hostname: bool = Field(default=False, description="True: the new box gets the old one's host name too.")
    confirm_within_seconds: float = Field(
        default=60.0,
        ge=5,
        le=3600,
        description="The new box undoes a change of its network settings unless it is reached within so long.",
    )


class Watch(_Table):
    """How closely the site is watched, from before the swing until the run has ended."""

    interval_ms: float = Field(default=1.0, ge=0.1, le=10000)
    tcp_interval_ms: float = Field(default=10.0, ge=1, le=10000)
    https_interval_ms: float = Field(default=100.0, ge=10, le=60000)
    seconds_max: float | None = Field(
        default=None,
        gt=0,
        le=7 * 86400,
        description="The watch ends by itself after this long; without it after a day, or after twice what the plan "
        "expects where that is longer.",
    )
    vantage_points: tuple[VantagePoint, ...] = Field(
        default=(), description="From where else the same watch runs; the report shows the worst and each."
    )

    @model_validator(mode="after")
    def _named_once(self) -> "Watch":
        names = [place.name for place in self.vantage_points]
        if len(set(names)) < len(names):
            raise ValueError("two vantage points have the same name")
        if "here" in names:
            raise ValueError('"here" is the machine that rebox runs on: give the vantage point another name')
        return self


class Reset(_Table):
    """What becomes of the old box (requirement H8)."""

    soak_seconds: float = Field(
        default=1200.0,
        ge=0,
        description="How long the new box must have served before the old one may be reset; 20 minutes outlast the "
        "ARP time-out of gateways that ignore gratuitous ARP.",
    )
    soak_gap_ms_max: float = Field(
        default=5000.0,
        gt=0,
        description="A gap longer than this, by any method of the watch, fails the soak; what of it is a pause of the "
        "watch itself does not count.",
    )
    confirm_serial_number: str | None = Field(
        default=None, description="The old box's serial number, typed again; without it, it is asked for."
    )


class Inventory(_Table):
    """One migration, as people write it."""

    procedure: Literal["hardware-migration"] = "hardware-migration"
    site: Site
    old: Box
    new: Box
    provision: Provision = ExistingProvision()
    old_bmc: OldBmc | None = Field(
        default=None, description="Metal: the old box's BMC, through which its disks are wiped once it is reset."
    )
    old_vm: OldVirtualMachine | None = Field(
        default=None,
        description="A virtual machine: the old box's, whose volumes are wiped once it is reset and off.",
    )
    swing: SharedAddressSwing | DnsSwing = Field(discriminator="method")
    package: Package
    certificate: Certificate
    backup: Backup
    box_settings: CarriedSettings = CarriedSettings()
    carry: Carry | None = Field(
        default=None, description="Backups and certificates travel on a stick; without it, with rebox itself."
    )
    watch: Watch = Watch()
    reset: Reset = Reset()

    @model_validator(mode="after")
    def _two_boxes(self) -> "Inventory":
        if self.old.serial_number == self.new.serial_number:
            raise ValueError(f"old and new are the same box: both have the serial number {self.old.serial_number}")
        if (self.old.address, self.old.port) == (self.new.address, self.new.port):
            raise ValueError(f"old and new are the same box: both have the address {self.old.address}")
        for role, box, made_here in (
            ("old", self.old, False),
            ("new", self.new, isinstance(self.provision, NewMachine)),
        ):
            if box.tls_sha256 is None and not made_here:
                raise ValueError(
                    f"{role}.tls_sha256 is missing: by what is the {role} box recognised at first contact?"
                )
        if self.old_vm is not None and (self.old_bmc is not None or self.old.kind != "virtual"):
            raise ValueError('old_vm is for a virtual old box: old.kind = "virtual", and no [old_bmc]')
        if self.watch.seconds_max is not None and self.watch.seconds_max <= self.reset.soak_seconds:
            raise ValueError("watch.seconds_max ends the watch before the soak has ended (reset.soak_seconds)")
        if self.new.admin_password is None:
            raise ValueError("new.admin_password is missing: a factory box insists on a new password at first login")
        self._check_stick()
        if isinstance(self.swing, SharedAddressSwing):
            taken = {self.old.address, self.new.address} & set(self.site.addresses)
            if taken:
                raise ValueError(f"{taken.pop()} is a box's own address and cannot be the shared one as well")
        return self

    def _check_stick(self) -> None:
        """Raises ValueError where the stick that carries the data is among the disks that are wiped or written."""
        if self.carry is None:
            return
        written: tuple[str, ...] = (self.provision.disk_serial,) if isinstance(self.provision, MetalMachine) else ()
        for disks in (self.old_bmc, self.old_vm):
            written += disks.disk_serials if disks else ()
        for serial in written:
            if self.carry.stick == f"serial={serial}":
                raise ValueError(f"carry.stick is the disk {serial}, which is wiped or written anew")


def read_inventory(text: str, file_name: str) -> Inventory:
    """The inventory in `text`; raises InputError naming file, line and field."""
    return read_settings(text, file_name, Inventory)
