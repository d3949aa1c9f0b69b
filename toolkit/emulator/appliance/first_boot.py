"""First-boot defaults: what a box knows when it leaves the factory, and again after a reset."""

from collections.abc import Iterable
from ipaddress import ip_interface

from toolkit.emulator.appliance.accounts import FACTORY_PASSWORD, FACTORY_USERNAME
from toolkit.emulator.appliance.certificate_files import Bundle
from toolkit.emulator.appliance.certificates import lay_certificate
from toolkit.emulator.appliance.database import Connection, Database
from toolkit.emulator.appliance.identity import Identity, PlacedAddress
from toolkit.emulator.appliance.passwords import hash_password


def lay_first_boot(
    database: Database,
    identity: Identity,
    certificate: Bundle,
    base_version: str,
    addresses: Iterable[PlacedAddress],
    *,
    password: str | None = None,
) -> None:
    """Lays the state into an empty database just opened; `addresses` are its own.

    `password` is the hash of a one-time password that stands in for the factory's.
    """
    database.lay()
    with database.change() as connection:
        database.put_facts(
            base_version=base_version,
            hostname=f"box-{identity.serial_number}".lower(),
            gateway=identity.gateway,
            dns_servers=identity.dns_servers,
            ntp_servers=(),
        )
        lay_certificate(connection, certificate, factory=True)
        lay_addresses(connection, addresses)
        password = password or hash_password(FACTORY_PASSWORD)
        connection.execute("INSERT INTO admins VALUES (?, ?, 1)", (FACTORY_USERNAME, password))


def lay_addresses(connection: Connection, addresses: Iterable[PlacedAddress]) -> None:
    """These own addresses and no others, each enabled, each serving the factory's certificate."""
    connection.execute("DELETE FROM addresses")
    for interface, text in addresses:
        address = ip_interface(text)
        connection.execute(
            "INSERT INTO addresses (address, prefix, interface, shared, enabled, certificate_id)"
            " VALUES (?, ?, ?, 0, 1, (SELECT id FROM certificates WHERE factory))",
            (str(address.ip), address.network.prefixlen, interface),
        )
