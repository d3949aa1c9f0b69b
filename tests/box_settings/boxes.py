"""Two boxes as data: an old one with a front and a back network, and a new one with other names for the same places."""

from datetime import UTC, datetime
from typing import Any

from toolkit.box_settings.captured import BoxSettings, ServedCertificate
from toolkit.model.box import (
    AdminAccount,
    BoxAccounts,
    NetworkAddress,
    NetworkInterface,
    NetworkRoute,
    NetworkSettings,
    TlsSettings,
)

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHARED = "10.77.0.20"


def port(name: str, number: int, *, link: bool = True, speed_mbps: int | None = 1000) -> NetworkInterface:
    return NetworkInterface(name=name, mac=f"02:77:00:00:00:{number:02x}", link=link, speed_mbps=speed_mbps)


def address(interface: str, text: str, *, shared: bool = False, enabled: bool = True) -> NetworkAddress:
    place, _, prefix = text.partition("/")
    return NetworkAddress(id=1, address=place, prefix=int(prefix), interface=interface, shared=shared, enabled=enabled)


def settings(serial_number: str, **changes: Any) -> BoxSettings:
    """A box; `changes` are fields of its network settings, or `tls`, `accounts`, `certificates`, `clock`."""
    network = {
        "hostname": serial_number.lower(),
        "interfaces": (),
        "addresses": (),
        "gateway": None,
        "routes": (),
        "dns_servers": (),
        "ntp_servers": (),
    }
    return BoxSettings(
        serial_number=serial_number,
        captured=MOMENT,
        clock_offset_seconds=changes.pop("clock", 0.0),
        tls=changes.pop("tls", TlsSettings(minimum_version="TLSv1.2")),
        accounts=changes.pop("accounts", accounts("rebox")),
        certificates=changes.pop("certificates", ()),
        network=NetworkSettings.model_validate({**network, **changes}),
    )


def accounts(*clients: str) -> BoxAccounts:
    return BoxAccounts(admins=(AdminAccount(username="admin", must_change_password=False),), api_accounts=clients)


def certificate(name: str, *addresses: str) -> ServedCertificate:
    return ServedCertificate(name=name, sha256="0" * 64, addresses=addresses)


def old_box(**changes: Any) -> BoxSettings:
    fields: dict[str, Any] = {
        "interfaces": (port("eth0", 0x21), port("eth1", 0x31)),
        "addresses": (
            address("eth0", "10.77.0.21/24"),
            address("eth1", "10.78.0.21/24"),
            address("eth0", f"{SHARED}/24", shared=True),
        ),
        "gateway": "10.77.0.1",
        "routes": (NetworkRoute(destination="10.200.0.0/16", gateway="10.78.0.1"),),
        "dns_servers": ("10.78.0.53", "10.77.0.3"),
        "ntp_servers": ("ntp.example.net", "10.200.0.123"),
        "certificates": (certificate("support.example.net", SHARED, "10.77.0.21"),),
    }
    return settings("OLD-1", **{**fields, **changes})


def new_box(**changes: Any) -> BoxSettings:
    fields: dict[str, Any] = {
        "interfaces": (port("ens3", 0x22), port("ens4", 0x32, speed_mbps=None)),
        "addresses": (address("ens3", "10.77.0.22/24"), address("ens4", "10.78.0.22/24")),
        "gateway": "10.77.0.1",
    }
    return settings("NEW-1", **{**fields, **changes})
