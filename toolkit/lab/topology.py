"""The topology: which world the lab builds, as people write it in TOML; every field has a default."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from toolkit.lab.addresses import Network
from toolkit.lab.folder import LAB_NAME, LAB_NAME_IN_WORDS
from toolkit.model.fields import HostName, VersionText
from toolkit.model.settings_text import read_settings
from toolkit.storage.given_file import read_given_text

Role = Literal["operator", "client", "update-server", "nameserver", "resolver", "bmc", "plain"]

_SINGLE: tuple[Role, ...] = ("operator", "update-server", "nameserver", "resolver", "bmc")


def _machine_name(text: str) -> str:
    # it becomes the name of a bridge port, which the kernel limits to 15 characters, and a label in DNS
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,13}[a-z0-9]|[a-z]", text):
        raise ValueError("a machine's name is 1 to 15 lower-case letters, digits and hyphens, and starts with a letter")
    return text


def _lab_name(text: str) -> str:
    if not LAB_NAME.fullmatch(text):
        raise ValueError(f"a lab's name is {LAB_NAME_IN_WORDS}")
    return text


MachineName = Annotated[str, AfterValidator(_machine_name)]
LabName = Annotated[str, AfterValidator(_lab_name)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Site(_Table):
    """What the boxes serve."""

    name: HostName = Field(default="support.example.net", description="The name users type; it lies in the zone.")
    number: int = Field(default=20, ge=1, description="The shared addresses' number in both networks.")
    size_mb: int = Field(
        default=1, ge=0, le=100_000, description="How much the old box's recordings take, in 10^6 bytes."
    )
    seed: int = Field(default=1, description="The same seed gives the same content.")
    active_sessions: int = Field(
        default=0, ge=0, le=1000, description="Support sessions in progress when the old box is first switched on."
    )


class Dns(_Table):
    """The name service."""

    zone: HostName = "example.net"
    ttl_seconds: int = Field(default=300, ge=0, le=86400, description="TTL of every record of the zone.")


class Swing(_Table):
    """How the site is to move from the old box to the new one."""

    method: Literal["shared-ip", "dns"] = "shared-ip"
    soak_seconds: float = Field(default=3.0, ge=0, description="How long the new box serves before the old is reset.")
    ttl_seconds: int = Field(default=2, ge=1, le=86400, description="The TTL during a swing by DNS.")
    package: VersionText = Field(default="Bomgar-12.2.0", description="The site package the new box is to get.")


class Machine(_Table):
    """What every machine of the lab has: one address in each network, and a switch."""

    number: int = Field(ge=1, description="21 is 10.77.0.21 and fd77::21: the number as it reads, in both networks.")
    power: Literal["on", "off"] = Field(default="on", description="Whether it is switched on when the lab comes up.")


class Host(Machine):
    """A machine that is no appliance."""

    role: Role = Field(default="plain", description="What runs on it; nothing does on operator, client and plain.")


class Box(Machine):
    """An appliance: in service with a site, or as it leaves the factory."""

    serial_number: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$", max_length=40)
    base_version: VersionText = "3.3.2"
    site_version: VersionText | None = Field(
        default=None, description="None: as it leaves the factory, without a site."
    )
    clock_offset_seconds: float = Field(default=0.0, description="How wrong its clock is (requirement A3).")
    kind: Literal["physical", "virtual"] = Field(
        default="physical",
        description='With backend "vm": metal behind a BMC, or a virtual machine. A virtual box without a site is made '
        "by who provisions it.",
    )
    memory_mb: int = Field(default=1024, ge=512, le=16_384, description='In 2^20 bytes; with backend "vm".')
    data_disk_mb: int = Field(
        default=512, ge=256, le=16_384, description='Its data disk, in 2^20 bytes; with backend "vm".'
    )


def _standard_hosts() -> dict[MachineName, Host]:
    return {
        "ns": Host(role="nameserver", number=2),
        "resolver": Host(role="resolver", number=3),
        "updates": Host(role="update-server", number=4),
        "operator": Host(role="operator", number=10),
        "client1": Host(role="client", number=11),
        "client2": Host(role="client", number=12),
    }


def _standard_boxes() -> dict[MachineName, Box]:
    return {
        "old": Box(number=21, serial_number="RB-OLD-0001", site_version="Bomgar-12.1.6"),
        "new": Box(number=22, serial_number="RB-NEW-0002", base_version="3.3.3", power="off", kind="virtual"),
    }


class Topology(_Table):
    """A whole lab."""

    name: LabName = Field(default="lab", description="The lab's name; `--name` goes before it.")
    backend: Literal["namespaces", "vm"] = Field(
        default="namespaces", description='What a box is: a program in a namespace, or a machine of its own ("vm").'
    )
    ipv4: ipaddress.IPv4Network = ipaddress.IPv4Network("10.77.0.0/24")
    ipv6: ipaddress.IPv6Network = ipaddress.IPv6Network("fd77::/64")
    site: Site = Site()
    dns: Dns = Dns()
    swing: Swing = Swing()
    carry: Literal["network", "media"] = Field(
        default="network", description="media: backups and certificates travel on a USB stick, which the lab moves."
    )
    hosts: dict[MachineName, Host] = Field(default_factory=_standard_hosts)
    boxes: dict[MachineName, Box] = Field(default_factory=_standard_boxes)

    @property
    def machines(self) -> dict[str, Host | Box]:
        """Every machine by name."""
        return {**self.hosts, **self.boxes}

    @property
    def network(self) -> Network:
        """Where numbers become addresses."""
        return Network(self.ipv4, self.ipv6)

    def single(self, role: Role) -> str | None:
        """The name of the only host with that role, if there is one."""
        return next((name for name, host in self.hosts.items() if host.role == role), None)

    def addresses(self, name: str) -> tuple[str, str]:
        """A machine's IPv4 and IPv6 address; raises KeyError."""
        return self.network.addresses(self.machines[name].number)

    def interfaces(self, number: int) -> tuple[str, str]:
        """A number's IPv4 and IPv6 address, each with its prefix length."""
        ipv4, ipv6 = self.network.addresses(number)
        return f"{ipv4}/{self.ipv4.prefixlen}", f"{ipv6}/{self.ipv6.prefixlen}"

    @property
    def resolver_addresses(self) -> tuple[str, ...]:
        """Whom the machines ask for names; empty when nobody can be asked."""
        resolver = self.single("resolver") or self.single("nameserver")
        return self.addresses(resolver) if resolver else ()

    @property
    def site_addresses(self) -> tuple[str, ...]:
        """What the site's name stands for at first: the shared addresses, or those of the box in service."""
        serving = next((name for name, box in self.boxes.items() if box.site_version), None)
        if self.swing.method == "dns" and serving:
            return self.addresses(serving)
        return self.network.addresses(self.site.number)

    @model_validator(mode="before")
    @classmethod
    def _metal_has_a_bmc(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("backend") == "vm" and "hosts" not in values:
            return {**values, "hosts": {**_standard_hosts(), "bmc": Host(role="bmc", number=5)}}
        return values

    @model_validator(mode="after")
    def _can_be_built(self) -> "Topology":
        if not self.machines:
            raise ValueError("a lab needs at least one host")
        for name in self.hosts.keys() & self.boxes.keys():
            raise ValueError(f"{name} is there twice, as a host and as a box")
        for role in _SINGLE:
            if sum(host.role == role for host in self.hosts.values()) > 1:
                raise ValueError(f"two hosts have the role {role}; a lab has one at most")
        self._check_numbers()
        self._check_needs()
        return self

    def _check_numbers(self) -> None:
        owners = {self.site.number: "the site"}
        for name, machine in self.machines.items():
            if machine.number in owners:
                raise ValueError(f"number {machine.number} of {name} is taken by {owners[machine.number]}")
            owners[machine.number] = name
        for number in owners:
            self.network.addresses(number)

    def _check_needs(self) -> None:
        needed: dict[Role, tuple[Role, ...]] = {"resolver": ("nameserver",)}
        present = {host.role for host in self.hosts.values()}
        wanted = {need for role in present for need in needed.get(role, ())}
        if self.boxes:
            wanted |= {"nameserver", "resolver", "update-server"}
        if self.backend == "vm" and any(box.kind == "physical" for box in self.boxes.values()):
            wanted.add("bmc")
        if self.backend == "namespaces" and "bmc" in present:
            raise ValueError('a host has the role bmc, and there is no metal; write backend = "vm", or leave it out')
        for role in sorted(wanted - present):
            raise ValueError(f"no host has the role {role}, which others in the lab need")
        if self.backend == "vm":
            for name, box in self.boxes.items():
                if box.site_version and box.data_disk_mb < 2 * self.site.size_mb + 128:
                    raise ValueError(
                        f"data_disk_mb of {name} is {box.data_disk_mb}: a site of {self.site.size_mb} MB needs "
                        f"at least {2 * self.site.size_mb + 128}"
                    )
        serials = [box.serial_number for box in self.boxes.values()]
        if len(set(serials)) != len(serials):
            raise ValueError("two boxes have the same serial number")
        if not f".{self.site.name}".endswith(f".{self.dns.zone}"):
            raise ValueError(f"site.name {self.site.name} does not lie in dns.zone {self.dns.zone}")


def read_topology(text: str, file_name: str) -> Topology:
    """The topology in `text`; raises InputError naming file, line and field."""
    return read_settings(text, file_name, Topology)


def load_topology(file: Path) -> Topology:
    """The topology in a file; raises InputError as `read_topology` does, and when the file cannot be read."""
    text = read_given_text(file, what="the topology cannot be read", next_move="Give the path of a TOML file.")
    return read_topology(text, str(file))
