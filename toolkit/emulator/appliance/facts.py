"""What a box says about itself: the records its services return, its API answers and its pages show."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, PlainSerializer

from toolkit.emulator.appliance.states import BoxState, JobState


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


Moment = Annotated[AwareDatetime, PlainSerializer(_rfc3339, return_type=str, when_used="json")]
"""A time, written as RFC 3339 in UTC with "+00:00"."""


class Fact(BaseModel):
    """A frozen record; its fields are the API's."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RecordCounts(Fact):
    """How much the box holds."""

    users: int = 0
    teams: int = 0
    jump_clients: int = 0
    sessions: int = 0
    recordings: int = 0
    recording_bytes: int = 0


class Status(Fact):
    """*Status > Basics*."""

    model: str
    hostname: str
    serial_number: str
    guid: str
    base_version: str
    site_version: str | None
    site_hostname: str | None
    time: Moment
    boot_id: str = Field(description="Another one after each power-on.")
    uptime_seconds: float
    state: BoxState
    records: RecordCounts
    active_sessions: int
    capabilities: tuple[str, ...]


class Interface(Fact):
    """One network port; `speed_mbps` is None while it cannot be told."""

    name: str
    mac: str
    link: bool
    speed_mbps: int | None


class Address(Fact):
    """One address; a shared one is defined on two boxes and enabled on one of them."""

    id: int
    address: str
    prefix: int
    interface: str
    shared: bool
    enabled: bool


class Route(Fact):
    """A static route; `destination` with its prefix length."""

    destination: str
    gateway: str


class NetworkSettings(Fact):
    """*Networking > IP Configuration*."""

    hostname: str
    interfaces: tuple[Interface, ...]
    addresses: tuple[Address, ...]
    gateway: str | None
    routes: tuple[Route, ...]
    dns_servers: tuple[str, ...]
    ntp_servers: tuple[str, ...]


class NetworkChange(Fact):
    """A change of the network settings that is undone unless it is confirmed; `reason` says why it was undone."""

    id: str
    state: Literal["applying", "unconfirmed", "confirmed", "reverted"]
    by: str
    asked: Moment
    confirm_within_seconds: float
    seconds_left: float = Field(description="0 once it is confirmed or undone.")
    reason: str | None


class TlsSettings(Fact):
    """What TLS the box takes on every address. `ciphers`: TLS 1.2 suites by OpenSSL's names; none: the box's choice."""

    minimum_version: Literal["TLSv1.2", "TLSv1.3"] = "TLSv1.2"
    ciphers: tuple[str, ...] = ()


class AdminAccount(Fact):
    """An account of `/appliance`; never with its password."""

    username: str
    must_change_password: bool


class BoxAccounts(Fact):
    """The accounts of the box itself, by name."""

    admins: tuple[AdminAccount, ...]
    api_accounts: tuple[str, ...]


class Certificate(Fact):
    """One row of *Security > Certificates*; `sha256` is of the leaf's DER, lower-case hex."""

    id: int
    name: str
    issued_to: str
    issued_by: str
    not_before: Moment
    not_after: Moment
    sha256: str
    has_key: bool
    chain_length: int
    warnings: tuple[str, ...]
    addresses: tuple[str, ...]


class JobError(Fact):
    """Why a job failed."""

    error: str
    message: str


class Job(Fact):
    """Something that takes longer than one answer; kept over restarts. `progress` runs from 0 to 1."""

    id: str
    kind: str
    state: JobState
    phase: str
    progress: float
    bytes_done: int
    bytes_total: int
    error: JobError | None


class Update(Fact):
    """One package the update server offers; `reason` says why it is greyed out."""

    id: str
    kind: Literal["base", "site"]
    version: str
    title: str
    size_bytes: int
    installable: bool
    reason: str | None
    eula_required: bool
    eula_accepted: bool
    hostname: str | None
    licences: int | None
    licence_expiry: str | None


class Recording(Fact):
    """The recording of a session."""

    size_bytes: int
    sha256: str


class SessionRecord(Fact):
    """One session as it can be put back on another box, where `recording` counts for nothing: it comes by itself."""

    lsid: str = Field(pattern="^[0-9a-f]{32}$")
    start_time: Moment
    end_time: Moment
    duration_seconds: int
    representative: str
    customer: str
    team: str
    events: tuple[dict[str, JsonValue], ...]
    recording: Recording | None = None


class Session(SessionRecord):
    """One session on this box; `seq` is the box's own order."""

    seq: int


class ActiveSession(Fact):
    """A support session in progress; `address` is the one of the box that it runs over."""

    lsid: str
    start_time: Moment
    representative: str
    customer: str
    team: str
    address: str


class SessionPage(Fact):
    """Some sessions in the order of `seq`; `next_after` is None on the last page."""

    sessions: tuple[Session, ...]
    next_after: int | None


class RefusedSession(Fact):
    """A session record the box did not take."""

    lsid: str
    reason: str


class User(Fact):
    """One user of the support site; never with a password."""

    id: str
    username: str
    display_name: str
    email: str
    rights: tuple[str, ...]
    enabled: bool


class ImportResult(Fact):
    """What became of the session records sent: every one is counted once."""

    imported: int
    already: int
    refused: tuple[RefusedSession, ...]


class AuditEntry(Fact):
    """One call that changed something, and who made it."""

    seq: int
    time: Moment
    actor: str
    action: str
    detail: dict[str, JsonValue]


class ResetStatus(Fact):
    """How far a factory reset is; `finished` is by the box's own clock.

    `next_tls_sha256` is the certificate the box will show after the reset under way, or after the next one.
    """

    serial_number: str
    state: Literal["none", "resetting", "complete"]
    progress: float
    finished: Moment | None
    next_tls_sha256: str


class ResetStarted(Fact):
    """A reset has begun; `next_tls_sha256` is the certificate the box will show afterwards."""

    job: str
    next_tls_sha256: str


class WebSession(Fact):
    """Somebody logged in on one of the two web interfaces."""

    interface: Literal["appliance", "login"]
    username: str
    csrf_token: str
    must_change_password: bool

    @property
    def actor(self) -> str:
        """Who it is, for the audit."""
        return f"{self.interface}:{self.username}"
