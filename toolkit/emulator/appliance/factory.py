"""The factory: lays the disk of a new box, or of one that has served a support site for a while."""

import json
import secrets
import shutil
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretBytes, SecretStr, ValidationError

from toolkit.emulator.appliance.accounts import FACTORY_USERNAME
from toolkit.emulator.appliance.certificate_files import Bundle, read_bundle
from toolkit.emulator.appliance.certificates import lay_certificate
from toolkit.emulator.appliance.clock import Clock
from toolkit.emulator.appliance.content import canonical, recording_name
from toolkit.emulator.appliance.database import Database
from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.first_boot import lay_first_boot
from toolkit.emulator.appliance.identity import Identity, InterfaceAddress, Port, guid_of
from toolkit.emulator.appliance.passwords import hash_password, is_hash
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.site_content import SiteContent, Sizes, recording_content
from toolkit.emulator.appliance.storage_errors import told_as_storage_error
from toolkit.emulator.appliance.support_sessions import ACTIVE_SESSIONS_MAX
from toolkit.emulator.appliance.tls import self_signed
from toolkit.model.errors import InputError
from toolkit.model.version import Version

_LICENCES, _LICENCE_EXPIRY = 25, "2027-12-31"


def _plain_address(text: str) -> str:
    return str(ip_address(text))


PlainAddress = Annotated[str, AfterValidator(_plain_address)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SharedAddress(_Frozen):
    """An address defined on two boxes and enabled on one (requirement F6)."""

    address: InterfaceAddress
    enabled: bool = False


class Factory(_Frozen):
    """What box to make.

    A `factory` box knows nothing but its plate, its own addresses and where updates come from. An `in-use` box has a
    site package, accounts, a certificate (if given) on every address, and content made from the seed whose recordings
    add up to `size_mb` million bytes; when it is first switched on, `active_sessions` support sessions are in progress.
    """

    serial_number: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    hostname: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")
    interface: str = "eth0"
    mac: str = Field(pattern="^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")
    addresses: tuple[InterfaceAddress, ...] = Field(min_length=1)
    shared_addresses: tuple[SharedAddress, ...] = ()
    more_ports: tuple[Port, ...] = ()
    gateway: PlainAddress | None = None
    dns_servers: tuple[PlainAddress, ...] = ()
    profile: Literal["factory", "in-use"] = "factory"
    base_version: str = "3.3.2"
    clock_offset_seconds: float = 0.0
    update_server: str | None = None
    tuf_root: bytes | None = None
    ca: bytes | None = Field(default=None, description="PEM; whom the box trusts as update server.")

    site: str | None = None
    site_version: str | None = None
    size_mb: int = Field(default=10, ge=0, le=100_000)
    seed: int = 1
    active_sessions: int = Field(default=0, ge=0, le=ACTIVE_SESSIONS_MAX)
    certificate: bytes | None = Field(default=None, description="PEM: leaf and chain.")
    key: SecretBytes | None = Field(default=None, description="PEM, not encrypted.")
    admin_password: SecretStr | None = None
    admin_password_hash: SecretStr | None = Field(
        default=None,
        description="Of a one-time password instead of the factory's well-known one; it opens nothing but its change.",
    )
    api_accounts: dict[str, SecretStr] = Field(default_factory=dict, description="Client id to secret.")


class Made(NamedTuple):
    """What can be read off a box before it is switched on; `served` has the certificate's SHA-256 by address."""

    identity: Identity
    served: dict[str, str]


def manufacture(disk_folder: Path, factory: Factory) -> Made:
    """Lays a box's disk in a new or empty folder; raises InputError, StorageError."""
    _check(factory)
    disk = Disk(disk_folder)
    if disk_folder.exists() and any(disk_folder.iterdir()):
        raise InputError(
            "the folder for the box's disk is not empty", where=str(disk_folder), next_move="Choose a new one."
        )
    disk.lay()
    identity = Identity(
        serial_number=factory.serial_number,
        guid=guid_of(factory.serial_number),
        interface=factory.interface,
        mac=factory.mac,
        addresses=factory.addresses,
        gateway=factory.gateway,
        dns_servers=factory.dns_servers,
        update_server=factory.update_server,
        more_ports=factory.more_ports,
    )
    try:
        with told_as_storage_error(disk_folder):
            served = _lay(disk, factory, identity)
        # last: a disk without its plate was never finished
        identity.write(disk)
    except BaseException:
        shutil.rmtree(disk_folder, ignore_errors=True)
        raise
    return Made(identity, served)


def _check(factory: Factory) -> None:
    """What no single field can tell."""
    _check_ports(factory)
    in_use = factory.profile == "in-use"
    for name in ("site", "site_version"):
        if in_use and getattr(factory, name) is None:
            raise _wrong(f"{name.replace('_', '-')} is missing", "a box in use serves a site", f"Give its {name}.")
    for name in ("certificate", "admin_password", "api_accounts", "shared_addresses", "active_sessions"):
        if not in_use and getattr(factory, name):
            reason = "a box fresh from the factory knows nobody and serves nothing"
            raise _wrong(f"{name.replace('_', ' ')} is given", reason, "Leave it out, or make the box in-use.")
    if factory.admin_password_hash and (in_use or not is_hash(factory.admin_password_hash.get_secret_value())):
        raise _wrong("admin password hash cannot be used", "it is a new box's, made by scrypt", "Make it anew.")
    if (factory.certificate is None) != (factory.key is None):
        raise _wrong("certificate and key are not both given", "one is useless without the other", "Give both.")
    if factory.certificate is not None and factory.key is not None:
        _bundle(factory.certificate, factory.key)
    for version in (factory.base_version, factory.site_version):
        if version is not None:
            Version.parse(version)


def _check_ports(factory: Factory) -> None:
    names = [factory.interface, *(port.name for port in factory.more_ports)]
    if len(set(names)) < len(names):
        raise _wrong("two ports have one name", ", ".join(names), "Give each a name of its own.")


def _wrong(what: str, why: str, next_move: str) -> InputError:
    return InputError(what, where="the box to be made", why=why, next_move=next_move)


def _lay(disk: Disk, factory: Factory, identity: Identity) -> dict[str, str]:
    clock = Clock(disk)
    if factory.clock_offset_seconds:
        clock.set(datetime.now(UTC) + timedelta(seconds=factory.clock_offset_seconds))
    for path, content in ((disk.trust / "tuf-root.json", factory.tuf_root), (disk.trust / "ca.pem", factory.ca)):
        if content is not None:
            disk.write(path, content)
    disk.keys.make()
    database = Database(disk.database, disk.keys)
    database.open()
    try:
        # real time: a wrong clock is the battery's fault, not the factory's
        certificate = Bundle.from_pem(*self_signed(identity.serial_number.lower(), datetime.now(UTC)))
        one_time = factory.admin_password_hash.get_secret_value() if factory.admin_password_hash else None
        lay_first_boot(
            database, identity, certificate, factory.base_version, identity.first_addresses, password=one_time
        )
        if factory.hostname is not None:
            with database.change():
                database.put_facts(hostname=factory.hostname)
        if factory.profile == "in-use":
            _take_into_use(database, disk, factory)
        return {
            row["address"]: row["sha256"]
            for row in database.rows(
                "SELECT address, sha256 FROM addresses JOIN certificates ON certificates.id = certificate_id"
            )
        }
    finally:
        database.close()


def _take_into_use(database: Database, disk: Disk, factory: Factory) -> None:
    site, site_version = factory.site or "", factory.site_version or ""
    content = SiteContent(factory.seed, site, site_version, Sizes.for_megabytes(factory.size_mb))
    # nobody knows the password of a box made without one: programs have their API account
    password = (
        hash_password(factory.admin_password.get_secret_value())
        if factory.admin_password
        else hash_password(secrets.token_urlsafe())
    )
    with database.change() as connection:
        database.put_facts(
            hostname=site,
            site_version=site_version,
            site_hostname=site,
            licences=_LICENCES,
            licence_expiry=_LICENCE_EXPIRY,
            ntp_servers=["ntp.example.net"],
        )
        for shared in factory.shared_addresses:
            address = ip_interface(shared.address)
            connection.execute(
                "INSERT INTO addresses (address, prefix, interface, shared, enabled, certificate_id)"
                " VALUES (?, ?, ?, 1, ?, 1)",
                (str(address.ip), address.network.prefixlen, factory.interface, shared.enabled),
            )
        if factory.certificate is not None and factory.key is not None:
            certificate_id = lay_certificate(connection, _bundle(factory.certificate, factory.key), factory=False)
            connection.execute("UPDATE addresses SET certificate_id = ?", (certificate_id,))
        connection.execute(
            "UPDATE admins SET password = ?, must_change = 0 WHERE username = ?", (password, FACTORY_USERNAME)
        )
        connection.executemany(
            "INSERT INTO api_accounts VALUES (?, ?)",
            [(name, hash_password(secret.get_secret_value())) for name, secret in factory.api_accounts.items()],
        )
        connection.executemany(
            # one hash for all: hashing forty would take longer than all the rest
            "INSERT INTO users VALUES (?, ?, ?, ?, 0)",
            [(user["id"], user["username"], json.dumps(user), password) for user in content.users],
        )
        for kind, records in (
            ("teams", content.teams),
            ("jump-clients", content.jump_clients()),
            ("options", content.options()),
        ):
            connection.executemany(
                "INSERT INTO records VALUES (?, ?, ?)", [(kind, one["id"], json.dumps(one)) for one in records]
            )
        connection.executemany(
            "INSERT INTO active_sessions (lsid, representative, customer, team)"
            " VALUES (:lsid, :representative, :customer, :team)",
            content.active_sessions(factory.active_sessions),
        )
        for record, size_bytes in content.sessions():
            digest = _record(disk, factory.seed, record["lsid"], size_bytes) if size_bytes else None
            connection.execute(
                "INSERT INTO sessions (lsid, record, recording_size, recording_sha256) VALUES (?, ?, ?, ?)",
                (record["lsid"], canonical(record), size_bytes or None, digest),
            )


def _bundle(certificate: bytes, key: SecretBytes) -> Bundle:
    try:
        return read_bundle(certificate + b"\n" + key.get_secret_value(), None)
    except Refusal as refusal:
        raise _wrong("certificate and key cannot be used", refusal.message, "Give a matching pair.") from None


def _record(disk: Disk, seed: int, lsid: str, size_bytes: int) -> str:
    digest = sha256()
    files = disk.files
    with files.writer(disk.recordings / files.opaque(lsid), recording_name(lsid)) as file:
        for piece in recording_content(seed, lsid, size_bytes):
            file.write(piece)
            digest.update(piece)
        file.finish()
    return digest.hexdigest()


def read_factory(fields: dict[str, object]) -> Factory:
    """A Factory from loose fields; InputError names the field that is wrong."""
    try:
        return Factory.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise _wrong(f"{name} cannot be used", first["msg"], "Correct it.") from None
