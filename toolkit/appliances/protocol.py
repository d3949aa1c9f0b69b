"""What the toolkit can ask of a box: one small protocol per capability, and the nouns they exchange.

Every driver is held to the same contract tests. Drivers raise only errors of `toolkit.model.errors`: UnreachableError
when the box does not answer, AuthenticationError when it refuses us or shows another TLS certificate than the pinned
one, ApplianceError when it will not or cannot.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, JsonValue

Progress = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and the phase in words."""


class _Noun(BaseModel):
    # a newer box may answer with more than we know: that is no error
    model_config = ConfigDict(frozen=True, extra="ignore")


class RecordCounts(_Noun):
    """How much a box holds."""

    users: int = 0
    teams: int = 0
    jump_clients: int = 0
    sessions: int = 0
    recordings: int = 0
    recording_bytes: int = 0


class BoxStatus(_Noun):
    """*Status > Basics* as data (requirement A3)."""

    model: str
    hostname: str
    serial_number: str
    guid: str
    base_version: str
    site_version: str | None
    site_hostname: str | None
    time: datetime
    boot_id: str
    uptime_seconds: float
    state: Literal["first-boot", "running", "installing", "resetting", "reset-complete"]
    records: RecordCounts
    active_sessions: int = 0
    capabilities: frozenset[str] = frozenset()


class NetworkInterface(_Noun):
    """One network port of a box."""

    name: str
    mac: str
    link: bool
    speed_mbps: int | None = None


class NetworkAddress(_Noun):
    """One address of a box; a shared one is defined on both boxes and enabled on one (requirement F6)."""

    id: int
    address: str
    prefix: int
    interface: str
    shared: bool
    enabled: bool


class NetworkSettings(_Noun):
    """*Networking > IP Configuration* as data; no backup holds it."""

    hostname: str
    interfaces: tuple[NetworkInterface, ...]
    addresses: tuple[NetworkAddress, ...]
    gateway: str | None
    dns_servers: tuple[str, ...]
    ntp_servers: tuple[str, ...]


class CertificateEntry(_Noun):
    """One row of *Security > Certificates*."""

    id: int
    name: str
    issued_to: str
    issued_by: str
    not_before: datetime
    not_after: datetime
    sha256: str
    has_key: bool
    chain_length: int
    warnings: tuple[str, ...]
    addresses: tuple[str, ...]


class UpdateEntry(_Noun):
    """One package the update server offers to this box (requirements U1, U2, U10)."""

    id: str
    kind: Literal["base", "site"]
    version: str
    title: str
    size_bytes: int
    installable: bool
    reason: str | None
    eula_required: bool
    eula_accepted: bool


class SessionPage(_Noun):
    """Some session records in the order of their sequence numbers; `next_after` is None on the last page."""

    sessions: tuple[dict[str, JsonValue], ...]
    next_after: int | None


class ImportResult(_Noun):
    """What became of session records put back: all are counted, none twice."""

    imported: int
    already: int
    refused: tuple[dict[str, str], ...] = ()


class ResetStatus(_Noun):
    """How far a factory reset is; answered without an account, because the reset destroys the accounts."""

    serial_number: str
    state: Literal["none", "resetting", "complete"]
    finished: datetime | None = None


class Identified(Protocol):
    """Says who and how it is."""

    name: str
    address: str

    def status(self) -> BoxStatus: ...
    def health(self) -> tuple[bool, str]: ...


class Networked(Protocol):
    """Shows and changes its network settings."""

    def network(self) -> NetworkSettings: ...
    def prepare_swing(self) -> None: ...
    def set_address_enabled(self, address: str, enabled: bool) -> NetworkAddress: ...


class Certified(Protocol):
    """Holds certificates and serves them per address (requirements H3, H4)."""

    def certificates(self) -> tuple[CertificateEntry, ...]: ...
    def export_certificate(self, certificate_id: int, passphrase: str) -> bytes: ...
    def import_certificate(self, content: bytes, passphrase: str | None) -> CertificateEntry: ...
    def assign_certificate(self, certificate_id: int, addresses: Sequence[str]) -> CertificateEntry: ...
    def delete_certificate(self, certificate_id: int) -> None: ...


class BackedUp(Protocol):
    """Gives and takes backups of its settings (requirements U9, H2, H6)."""

    def download_backup(self, target: Path, passphrase: str, progress: Progress) -> None: ...
    def restore_backup(self, source: Path, passphrase: str, progress: Progress) -> RecordCounts: ...
    def settings(self, kind: str) -> tuple[dict[str, JsonValue], ...]: ...


class Recorded(Protocol):
    """Gives and takes session records and recordings, which no settings backup holds (requirement A5)."""

    def sessions(self, after: int, limit: int) -> SessionPage: ...
    def recording(self, lsid: str, offset: int) -> Iterator[bytes]: ...
    def import_sessions(self, sessions: Sequence[dict[str, JsonValue]]) -> ImportResult: ...
    def import_recording(self, lsid: str, chunks: Iterator[bytes], size_bytes: int, sha256: str) -> ImportResult: ...


class Updatable(Protocol):
    """Lists, checks and installs updates (requirements U1, U2, U10)."""

    def check_for_updates(self) -> tuple[UpdateEntry, ...]: ...
    def eula(self, update_id: str) -> str: ...
    def accept_eula(self, update_id: str, text: str, signed_by: str) -> None: ...
    def install_update(self, update_id: str, progress: Progress) -> None: ...


class Resettable(Protocol):
    """Can be reset to factory defaults and shut down (requirement H8)."""

    def reset(self, serial_number: str, progress: Progress) -> ResetStatus: ...
    def reset_status(self) -> ResetStatus: ...
    def shut_down(self) -> None: ...


class FirstContact(Protocol):
    """Takes a factory box into use: changes its default password and makes our account."""

    def take_into_use(self) -> bool: ...
    def served_fingerprint(self) -> str: ...


class Appliance(
    Identified, Networked, Certified, BackedUp, Recorded, Updatable, Resettable, FirstContact, Protocol
):
    """A box with every capability the migration needs."""
