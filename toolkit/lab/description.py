"""`lab.json`: what was built, for programs; it says where secrets are, never what they are."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from toolkit.lab.topology import Topology


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Plate(_Frozen):
    """What the operator knows of a box before first contact: it is printed on it, or shown on its console."""

    tls_sha256: str


class MachineDescription(_Frozen):
    """One machine."""

    role: str
    addresses: tuple[str, ...] = Field(description="Its own, with their prefixes, e.g. 10.77.0.21/24.")
    mac: str
    interface: str
    folder: Path = Field(description="Its logs, and what it keeps.")
    serial_number: str | None = Field(default=None, description="Boxes only.")
    tls_sha256: str | None = Field(default=None, description="Boxes: the certificate on its own address at first.")
    console: Path | None = Field(default=None, description="Boxes: what the box prints on its console.")


class SiteDescription(_Frozen):
    """The site the boxes serve."""

    name: str
    addresses: tuple[str, ...] = Field(description="The shared ones.")
    certificate_sha256: str


class DnsDescription(_Frozen):
    """The name service."""

    zone: str
    server: str
    resolver: str
    tsig_name: str
    tsig_algorithm: str


class BmcDescription(_Frozen):
    """The management controller of the lab's metal."""

    address: str
    username: str
    certificate_sha256: str
    systems: dict[str, str] = Field(description="Its name for each box that is metal.")


class LabDescription(_Frozen):
    """A whole lab as it was built."""

    format: Literal[1] = 1
    name: str
    supervisor: int = Field(description="The machine's process number of the lab's process 1.")
    user_namespace: bool = Field(description="False: root built it, without one.")
    seconds: float = Field(description="How long building took.")
    topology: Topology
    machines: dict[str, MachineDescription]
    site: SiteDescription | None = None
    dns: DnsDescription | None = None
    bmc: BmcDescription | None = None
    operator: dict[str, Path] = Field(
        default_factory=dict, description="What the operator is given: secrets, authorities, the inventory."
    )
