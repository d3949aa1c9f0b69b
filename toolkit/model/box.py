"""The nouns a box is described with; drivers fill them, everybody reads them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue


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


class NetworkRoute(_Noun):
    """A static route; `destination` with its prefix length."""

    destination: str
    gateway: str


class NetworkSettings(_Noun):
    """*Networking > IP Configuration* as data; no backup holds it."""

    hostname: str
    interfaces: tuple[NetworkInterface, ...]
    addresses: tuple[NetworkAddress, ...]
    gateway: str | None
    routes: tuple[NetworkRoute, ...] = ()
    dns_servers: tuple[str, ...]
    ntp_servers: tuple[str, ...]


class OwnAddress(_Noun):
    """One of a box's own addresses, as it is asked for."""

    address: str
    prefix: int
    interface: str


class WantedNetwork(_Noun):
    """What network settings are to become; None stays as it is, lists are complete, `gateway` "": none."""

    hostname: str | None = None
    gateway: str | None = None
    routes: tuple[NetworkRoute, ...] | None = None
    dns_servers: tuple[str, ...] | None = None
    ntp_servers: tuple[str, ...] | None = None
    addresses: tuple[OwnAddress, ...] | None = None


class NetworkChange(_Noun):
    """A change of the network settings that the box undoes unless it is confirmed; `reason` says why it did."""

    id: str
    state: Literal["applying", "unconfirmed", "confirmed", "reverted"]
    seconds_left: float
    reason: str | None = None


class TlsSettings(_Noun):
    """Which TLS a box takes; `ciphers`: TLS 1.2 suites by OpenSSL's names, none: the box's own choice."""

    minimum_version: Literal["TLSv1.2", "TLSv1.3"]
    ciphers: tuple[str, ...] = ()


class AdminAccount(_Noun):
    """An account of the box's own pages."""

    username: str
    must_change_password: bool


class BoxAccounts(_Noun):
    """The accounts of the box itself, by name; never a password."""

    admins: tuple[AdminAccount, ...]
    api_accounts: tuple[str, ...]


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


class PasswordChanges(_Noun):
    """Whose passwords on the support site were changed after a point of the box's own list of changes.

    `seq` is where that list ends now; no page shows a password, so this is all that tells of it.
    """

    seq: int
    usernames: tuple[str, ...]


class ResetStatus(_Noun):
    """How far a factory reset is; answered without an account, because the reset destroys the accounts."""

    serial_number: str
    state: Literal["none", "resetting", "complete"]
    finished: datetime | None = None
    next_tls_sha256: str | None = None


ShownKind = Literal["open", "site-page", "status", "network", "accounts", "certificates", "tls", "records", "content"]
"""What an answer would hold if it were given; `open`: whatever everybody may know; `content`: data of the site's."""


class Shown(_Noun):
    """What a box answered to one question; `body` is JSON as it came, or a page's text."""

    caller: Literal["nobody", "the old token", "the old account"]
    call: str
    kind: ShownKind
    status: int
    body: JsonValue


class Exposure(_Noun):
    """What a box gives away to whoever is a stranger to it, or should be one after a factory reset.

    `default_password`: what became of the attempt to replace the factory's password by itself.
    """

    shown: tuple[Shown, ...]
    old_account_known: bool
    default_password: Literal["must-be-replaced", "taken-again", "already-replaced", "not-the-factorys", "unknown"]
