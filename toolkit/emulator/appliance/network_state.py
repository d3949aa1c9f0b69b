"""The network settings as one value that can be kept, changed and put back whole; shared addresses are not part of it.

A shared address is moved between two boxes: putting it back where it was could make it answer twice.
"""

from toolkit.emulator.appliance.database import Database
from toolkit.emulator.appliance.facts import Fact, Route


class OwnAddress(Fact):
    """An address of the box's own; `id`, `certificate_id` None: a new one, which serves the factory's certificate."""

    id: int | None = None
    address: str
    prefix: int
    interface: str
    enabled: bool = True
    certificate_id: int | None = None


class NetworkState(Fact):
    """Everything that a guarded change may change."""

    hostname: str
    gateway: str | None
    routes: tuple[Route, ...]
    dns_servers: tuple[str, ...]
    ntp_servers: tuple[str, ...]
    addresses: tuple[OwnAddress, ...]


def read_state(database: Database) -> NetworkState:
    """As it was last written."""
    return NetworkState(
        hostname=database.fact("hostname"),
        gateway=database.fact("gateway"),
        routes=tuple(Route.model_validate(route) for route in database.fact("routes", [])),
        dns_servers=tuple(database.fact("dns_servers")),
        ntp_servers=tuple(database.fact("ntp_servers")),
        addresses=tuple(
            OwnAddress(
                id=row["id"],
                address=row["address"],
                prefix=row["prefix"],
                interface=row["interface"],
                enabled=bool(row["enabled"]),
                certificate_id=row["certificate_id"],
            )
            for row in database.rows("SELECT * FROM addresses WHERE NOT shared ORDER BY id")
        ),
    )


def write_state(database: Database, state: NetworkState) -> None:
    """All of it, in the transaction under way."""
    with database.change() as connection:
        database.put_facts(
            hostname=state.hostname,
            gateway=state.gateway,
            routes=[route.model_dump() for route in state.routes],
            dns_servers=state.dns_servers,
            ntp_servers=state.ntp_servers,
        )
        connection.execute("DELETE FROM addresses WHERE NOT shared")
        connection.executemany(
            # a certificate may have been deleted since: then the factory's is served
            "INSERT INTO addresses (id, address, prefix, interface, shared, enabled, certificate_id)"
            " VALUES (:id, :address, :prefix, :interface, 0, :enabled, COALESCE("
            " (SELECT id FROM certificates WHERE id = :certificate_id), (SELECT id FROM certificates WHERE factory)))",
            [one.model_dump() for one in state.addresses],
        )
