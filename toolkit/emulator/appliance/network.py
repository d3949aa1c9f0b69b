"""*Networking > IP Configuration*: the rules of addresses; the wire itself is moved by `wire.py` (requirement F6)."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.database import Database
from toolkit.emulator.appliance.facts import Address, NetworkSettings
from toolkit.emulator.appliance.faults import Faults
from toolkit.emulator.appliance.refusal import Refusal, conflict, invalid, not_found
from toolkit.emulator.appliance.wire import AnyInterface, Wire


class Network:
    """The box's network settings and addresses.

    `defined` is called with an address as soon as it is defined, and must have a listener ready when it returns;
    `withdrawn` when it is off the wire; `deleted` when it is forgotten.
    """

    def __init__(
        self,
        database: Database,
        audit: Audit,
        faults: Faults,
        wire: Wire,
        *,
        defined: Callable[[str], None],
        withdrawn: Callable[[str], None],
        deleted: Callable[[str], None],
    ) -> None:
        self._database = database
        self._audit = audit
        self._faults = faults
        self._wire = wire
        self._defined = defined
        self._withdrawn = withdrawn
        self._deleted = deleted
        self._one_at_a_time = threading.RLock()

    def settings(self) -> NetworkSettings:
        """All of it as data; no backup holds it."""
        return NetworkSettings(
            hostname=self._database.fact("hostname"),
            interfaces=(self._wire.interface(),),
            addresses=self.addresses(),
            gateway=self._database.fact("gateway"),
            dns_servers=tuple(self._database.fact("dns_servers")),
            ntp_servers=tuple(self._database.fact("ntp_servers")),
        )

    def addresses(self) -> tuple[Address, ...]:
        """All, in the order of their ids."""
        return tuple(_entry(row) for row in self._database.rows("SELECT * FROM addresses ORDER BY id"))

    def power_on(self) -> str | None:
        """Puts what is enabled on the wire, own addresses first; says what is wrong with the gateway, if it is."""
        for entry in sorted(self.addresses(), key=lambda entry: entry.shared):
            if entry.enabled:
                self._wire.add(_interface(entry), quiet=self._faults.is_set("no-announcements"))
        gateway = self._database.fact("gateway")
        try:
            if gateway is not None:
                self._wire.set_gateway(gateway)
        except OSError as error:
            return f"gateway {gateway} cannot be used: {error.strerror}"
        return None

    def withdraw_from_service(self) -> None:
        """Leaves only the enabled own addresses: the box is being reset and has to be found, but serves no more."""
        for entry in self.addresses():
            if entry.shared or not entry.enabled:
                self._wire.remove(_interface(entry))
                self._deleted(entry.address)

    def change(
        self,
        by: str,
        *,
        hostname: str | None = None,
        gateway: str | None = None,
        dns_servers: Sequence[str] | None = None,
        ntp_servers: Sequence[str] | None = None,
    ) -> NetworkSettings:
        """Changes what is given (None: leave); Refusal 422 `invalid_request`."""
        wanted: dict[str, str | list[str]] = {}
        if hostname is not None:
            wanted["hostname"] = _hostname(hostname)
        if gateway is not None:
            wanted["gateway"] = str(self._reachable(_ip(gateway)))
        if dns_servers is not None:
            wanted["dns_servers"] = [str(_ip(server)) for server in dns_servers]
        if ntp_servers is not None:
            wanted["ntp_servers"] = [_hostname(server) for server in ntp_servers]
        with self._one_at_a_time:
            if gateway is not None:
                self._wire.set_gateway(gateway)
            with self._database.change():
                self._database.put_facts(**wanted)
                self._audit.record(by, "change-network", **wanted)  # type: ignore[arg-type]  # lists of text are JSON
        return self.settings()

    def add_address(
        self, by: str, *, address: str, prefix: int, interface: str, shared: bool, enabled: bool
    ) -> Address:
        """Defines one more address, with a listener ready for it; 409 `conflict`, 422 `invalid_request`."""
        new = _address_with_prefix(address, prefix)
        if interface != self._wire.interface().name:
            raise invalid(f"This box has no interface {interface}.")
        with self._one_at_a_time:
            with self._database.change() as connection:
                if connection.execute("SELECT 1 FROM addresses WHERE address = ?", (str(new.ip),)).fetchone():
                    raise conflict(f"The address {new.ip} is defined already.")
                cursor = connection.execute(
                    "INSERT INTO addresses (address, prefix, interface, shared, enabled, certificate_id)"
                    " VALUES (?, ?, ?, ?, 0, (SELECT id FROM certificates WHERE factory))",
                    (str(new.ip), prefix, interface, shared),
                )
                self._audit.record(by, "add-address", address=str(new.ip), prefix=prefix, shared=shared)
            self._defined(str(new.ip))
            address_id = int(cursor.lastrowid or 0)
            return self.set_enabled(by, address_id, True) if enabled else self._get(address_id)

    def set_enabled(self, by: str, address_id: int, enabled: bool) -> Address:
        """On the wire and announced, or off it, before it returns; 404, 409 `last_address`.

        Writing it down never lies in the gap of a swing: giving up an address is written before it leaves the wire,
        taking one over after it is there. A crash in between leaves the address where its call did not move it, or
        moves it at power-on; that call was not answered.
        """
        with self._one_at_a_time:
            entry = self._get(address_id)
            done = entry.model_copy(update={"enabled": enabled})
            if self._faults.is_set("says-ok-changes-nothing:address"):
                return done
            if entry.enabled == enabled:
                return entry
            if enabled:
                self._take(entry)
                try:
                    self._write(by, entry, True)
                except BaseException:
                    self._wire.remove(_interface(entry))
                    raise
            else:
                self._refuse_last(entry)
                self._write(by, entry, False)
                self._wire.remove(_interface(entry))
                self._withdrawn(entry.address)
            return done

    def delete_address(self, by: str, address_id: int) -> None:
        """Off the wire and forgotten; 404, 409 `last_address`."""
        with self._one_at_a_time:
            entry = self._get(address_id)
            self._refuse_last(entry)
            with self._database.change() as connection:
                connection.execute("DELETE FROM addresses WHERE id = ?", (address_id,))
                self._audit.record(by, "delete-address", address=entry.address)
            self._wire.remove(_interface(entry))
            self._withdrawn(entry.address)
            self._deleted(entry.address)

    def _take(self, entry: Address) -> None:
        try:
            self._wire.add(_interface(entry), quiet=self._faults.is_set("no-announcements"))
        except OSError as error:
            raise Refusal(
                500, "network", f"The address {entry.address} cannot be put on {entry.interface}: {error.strerror}."
            ) from error

    def _write(self, by: str, entry: Address, enabled: bool) -> None:
        with self._database.change() as connection:
            connection.execute("UPDATE addresses SET enabled = ? WHERE id = ?", (enabled, entry.id))
            self._audit.record(by, "enable-address" if enabled else "disable-address", address=entry.address)

    def _get(self, address_id: int) -> Address:
        row = self._database.row("SELECT * FROM addresses WHERE id = ?", (address_id,))
        if row is None:
            raise not_found(f"address {address_id}")
        return _entry(row)

    def _refuse_last(self, entry: Address) -> None:
        others = [one for one in self.addresses() if one.enabled and not one.shared and one.id != entry.id]
        if not entry.shared and not others:
            raise Refusal(
                409, "last_address", f"{entry.address} is the box's only own address: without it nobody could reach it."
            )

    def _reachable(self, gateway: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
        if not any(gateway in _interface(entry).network for entry in self.addresses() if entry.enabled):
            raise invalid(f"The gateway {gateway} lies in no network of an enabled address.")
        return gateway


def _entry(row: sqlite3.Row) -> Address:
    return Address(
        id=row["id"],
        address=row["address"],
        prefix=row["prefix"],
        interface=row["interface"],
        shared=bool(row["shared"]),
        enabled=bool(row["enabled"]),
    )


def _interface(entry: Address) -> AnyInterface:
    return ip_interface(f"{entry.address}/{entry.prefix}")


def _ip(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise invalid(f"{text!r} is not an IP address.") from None


def _address_with_prefix(address: str, prefix: int) -> AnyInterface:
    plain = _ip(address)
    if plain.is_multicast or plain.is_unspecified or plain.is_loopback:
        raise invalid(f"{plain} cannot be an address of a box.")
    try:
        return ip_interface(f"{plain}/{prefix}")
    except ValueError:
        raise invalid(f"/{prefix} is no prefix length for {plain}.") from None


def _hostname(text: str) -> str:
    labels = text.rstrip(".").split(".")
    if len(text) > 253 or not all(
        0 < len(label) <= 63
        and label.isascii()
        and label.replace("-", "").replace(":", "").isalnum()
        and not label.startswith("-")
        for label in labels
    ):
        raise invalid(f"{text!r} is not a host name.")
    return text
