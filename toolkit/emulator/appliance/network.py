"""*Networking > IP Configuration*: the rules of addresses; the wire itself is moved by `wire.py` (requirement F6)."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address

from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.database import Database, Row
from toolkit.emulator.appliance.facts import Address, NetworkSettings, Route
from toolkit.emulator.appliance.faults import Faults
from toolkit.emulator.appliance.network_state import NetworkState, read_state, write_state
from toolkit.emulator.appliance.network_values import host_name, ip, with_prefix
from toolkit.emulator.appliance.ports import Ports, on_wire
from toolkit.emulator.appliance.refusal import Refusal, conflict, invalid, not_found
from toolkit.emulator.appliance.rtnetlink import default_destination
from toolkit.emulator.appliance.wire import Wire


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
        wires: Mapping[str, Wire],
        *,
        defined: Callable[[str], None],
        withdrawn: Callable[[str], None],
        deleted: Callable[[str], None],
    ) -> None:
        self._database = database
        self._audit = audit
        self._faults = faults
        self._ports = Ports(wires, faults)
        self._defined = defined
        self._withdrawn = withdrawn
        self._deleted = deleted
        self._one_at_a_time = threading.RLock()
        self._held = False

    def settings(self) -> NetworkSettings:
        """All of it as data; no backup holds it."""
        return NetworkSettings(
            hostname=self._database.fact("hostname"),
            interfaces=self._ports.interfaces(),
            addresses=self.addresses(),
            gateway=self._database.fact("gateway"),
            routes=tuple(Route.model_validate(route) for route in self._database.fact("routes", [])),
            dns_servers=tuple(self._database.fact("dns_servers")),
            ntp_servers=tuple(self._database.fact("ntp_servers")),
        )

    def addresses(self) -> tuple[Address, ...]:
        """All, in the order of their ids."""
        return tuple(_entry(row) for row in self._database.rows("SELECT * FROM addresses ORDER BY id"))

    def power_on(self) -> list[str]:
        """Puts what is enabled on the wire, own addresses first; says what is wrong with its routes, if anything is."""
        for entry in sorted(self.addresses(), key=lambda entry: entry.shared):
            if entry.enabled:
                self._ports.on(entry)
        return self._ports.lay_routes(self.state())

    @contextmanager
    def change_guarded(self) -> Iterator[None]:
        """For a change of everything at once, with `state`, `write`, `lay` and `hold`: no other change meanwhile."""
        with self._one_at_a_time:
            yield

    def hold(self, held: bool) -> None:
        """While a guarded change is neither confirmed nor undone, every other is refused: 409 `change_pending`."""
        self._held = held

    def state(self) -> NetworkState:
        """What a guarded change changes, and puts back."""
        return read_state(self._database)

    def write(self, state: NetworkState) -> None:
        """Into the database, in the transaction under way; the wire stays as it is until `lay`."""
        write_state(self._database, state)

    def lay(self, before: NetworkState, after: NetworkState) -> list[str]:
        """Brings the wire from one state to the other as far as it goes; says what could not be done.

        `after` has been written down; `before` is what may be on the wire, all of it or in part.
        """
        there, wanted = ({one.address for one in state.addresses} for state in (before, after))
        for address in wanted - there:
            self._defined(address)
        problems = self._ports.lay(before, after)
        for address in there - wanted:
            self._withdrawn(address)
            self._deleted(address)
        return problems

    def withdraw_from_service(self) -> None:
        """Leaves only the enabled own addresses: the box is being reset and has to be found, but serves no more."""
        for entry in self.addresses():
            if entry.shared or not entry.enabled:
                self._ports.off(entry)
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
            wanted["hostname"] = host_name(hostname)
        if gateway is not None:
            wanted["gateway"] = str(self._reachable(ip(gateway)))
        if dns_servers is not None:
            wanted["dns_servers"] = [str(ip(server)) for server in dns_servers]
        if ntp_servers is not None:
            wanted["ntp_servers"] = [host_name(server) for server in ntp_servers]
        with self._one_at_a_time:
            self.refuse_while_held()
            if gateway is not None:
                self._ports.towards(gateway, self.addresses()).set_route(default_destination(gateway), gateway)
            with self._database.change():
                self._database.put_facts(**wanted)
                self._audit.record(by, "change-network", **wanted)  # type: ignore[arg-type]  # lists of text are JSON
        return self.settings()

    def add_address(
        self, by: str, *, address: str, prefix: int, interface: str, shared: bool, enabled: bool
    ) -> Address:
        """Defines one more address, with a listener ready for it; 409 `conflict`, 422 `invalid_request`."""
        new = with_prefix(address, prefix)
        self.refuse_unknown(interface)
        with self._one_at_a_time:
            self.refuse_while_held()
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
            self.refuse_while_held()
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
                    self._ports.off(entry)
                    raise
            else:
                self._refuse_last(entry)
                self._write(by, entry, False)
                self._ports.off(entry)
                self._withdrawn(entry.address)
            return done

    def delete_address(self, by: str, address_id: int) -> None:
        """Off the wire and forgotten; 404, 409 `last_address`."""
        with self._one_at_a_time:
            self.refuse_while_held()
            entry = self._get(address_id)
            self._refuse_last(entry)
            with self._database.change() as connection:
                connection.execute("DELETE FROM addresses WHERE id = ?", (address_id,))
                self._audit.record(by, "delete-address", address=entry.address)
            self._ports.off(entry)
            self._withdrawn(entry.address)
            self._deleted(entry.address)

    def _take(self, entry: Address) -> None:
        try:
            self._ports.on(entry)
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

    def refuse_unknown(self, interface: str) -> None:
        """422 when the box has no such port."""
        if interface not in self._ports.names:
            raise invalid(f"This box has no interface {interface}.")

    def refuse_while_held(self) -> None:
        """409 `change_pending`: a change that may yet be undone must find what it left."""
        if self._held:
            raise Refusal(
                409, "change_pending", "A change of the network settings waits to be confirmed: nothing was changed."
            )

    def _reachable(self, gateway: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
        if not any(gateway in on_wire(entry).network for entry in self.addresses() if entry.enabled):
            raise invalid(f"The gateway {gateway} lies in no network of an enabled address.")
        return gateway


def _entry(row: Row) -> Address:
    return Address(
        id=row["id"],
        address=row["address"],
        prefix=row["prefix"],
        interface=row["interface"],
        shared=bool(row["shared"]),
        enabled=bool(row["enabled"]),
    )
