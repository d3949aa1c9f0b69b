"""What programs send: every body names its fields, and refuses others."""

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from toolkit.emulator.appliance.facts import Moment, SessionRecord
from toolkit.emulator.appliance.guarded_change import SECONDS_MAX, SECONDS_MIN

AddressText = Annotated[IPv4Address | IPv6Address, AfterValidator(str)]


class Body(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid")


class ErrorAnswer(BaseModel):
    """Every error: a stable code and a sentence."""

    error: str
    message: str


class TokenAnswer(BaseModel):
    """An access token (RFC 6749 section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 (it is no secret but the kind of one)
    expires_in: int = Field(description="Seconds.")


class NewPassword(Body):
    """The factory account, and the password that replaces the factory's."""

    username: str
    password: str
    new_password: str


class ReplacingPassword(Body):
    """At least 12 characters."""

    new_password: str


class ClientSecret(Body):
    """The secret of an API account, at least 24 characters."""

    client_secret: str


class ClockTime(Body):
    """A time, with its offset from UTC."""

    time: AwareDatetime


class ClockAnswer(BaseModel):
    """The box's clock."""

    time: Moment


class NetworkWanted(Body):
    """What is left out stays as it is."""

    hostname: str | None = None
    gateway: str | None = None
    dns_servers: list[str] | None = None
    ntp_servers: list[str] | None = None


class WantedAddress(Body):
    """One of the box's own addresses."""

    address: str
    prefix: int = Field(ge=1, le=128)
    interface: str


class WantedRoute(Body):
    """A static route; `destination` with its prefix length."""

    destination: str
    gateway: str


class GuardedNetworkChange(NetworkWanted):
    """What is left out stays; lists are complete; `gateway` "": none. Undone unless it is confirmed in time."""

    confirm_within_seconds: float = Field(ge=SECONDS_MIN, le=SECONDS_MAX)
    routes: list[WantedRoute] | None = None
    addresses: list[WantedAddress] | None = None


class WantedTls(Body):
    """Both are replaced."""

    minimum_version: Literal["TLSv1.2", "TLSv1.3"]
    ciphers: list[str] = []


class NewAddress(Body):
    """An address to be defined."""

    address: str
    prefix: int = Field(ge=1, le=128)
    interface: str
    shared: bool
    enabled: bool


class Enabled(Body):
    """The *Enabled* box of an address."""

    enabled: bool


class CertificateExport(Body):
    """What to export, and how. Without a passphrase the key is not encrypted."""

    include_key: bool
    passphrase: str | None = None
    format: Literal["pem", "pkcs12"]


class Assignment(Body):
    """All addresses that serve the certificate from now on."""

    addresses: list[str]


class Signature(Body):
    """A signed EULA: the SHA-256 of the text that was read, and who signs."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    signed_by: str


class BackupRequest(Body):
    """null: the backup is not protected by a passphrase."""

    passphrase: str | None = None


class FirstPassword(Body):
    """At least 12 characters; it has to be changed at the first log-in."""

    password: str


class NewUser(FirstPassword):
    """A user of the support site, with a first password."""

    username: str
    display_name: str
    email: str = ""


class SupportSession(Body):
    """Who helps, by username, and who is helped."""

    username: str
    customer: str = Field(min_length=1, max_length=200)


class SessionsImport(Body):
    """Session records to be put back."""

    sessions: list[SessionRecord] = Field(max_length=1000)


class ResetRequest(Body):
    """The serial number of the box that is to be reset, so that no other is."""

    serial_number: str
