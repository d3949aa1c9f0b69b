"""All that a box shows of its settings, as records that can be compared; pure."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from toolkit.backup.compare import VOLATILE, Record
from toolkit.backup.settings_backup import KINDS as BACKED_UP
from toolkit.backup.settings_backup import Settings
from toolkit.box_settings.captured import BoxSettings

PASSWORDS, CERTIFICATES, BOX_SETTINGS = "passwords", "certificates", "box-settings"
KINDS = (*BACKED_UP, PASSWORDS, CERTIFICATES, BOX_SETTINGS)

Shown = Mapping[str, Sequence[Record]]
"""By kind, the records of one box at one moment, each with a stable `id`; never a secret, which no box shows."""

UNSTEADY = {
    "captured": "when we looked",
    "clock_offset_seconds": "clocks drift by themselves",
    "network.interfaces": "ports are hardware; link and speed come and go",
    "network.addresses.enabled of shared ones": "the swing itself moves them",
    "accounts.admins.must_change_password": "becomes false by logging in",
}
"""What is captured of a box and is left out here, with the reason; fields of records: `backup.compare.VOLATILE`."""


def shown(settings: Settings, box_settings: BoxSettings, passwords: Sequence[str] = ()) -> Shown:
    """What a box shows, kind by kind; `passwords`: whose were changed since the moment that it is compared with."""
    certificates: list[Record] = [
        {"id": one.sha256, "name": one.name, "addresses": list[JsonValue](sorted(one.addresses))}
        for one in box_settings.certificates
    ]
    return {
        **{kind: tuple(settings.get(kind, ())) for kind in BACKED_UP},
        PASSWORDS: tuple({"id": username} for username in passwords),
        CERTIFICATES: tuple(certificates),
        BOX_SETTINGS: tuple(_box_records(box_settings)),
    }


def _box_records(box: BoxSettings) -> Iterator[Record]:
    network = box.network
    yield {"id": "hostname", "value": network.hostname}
    yield {"id": "gateway", "value": network.gateway or ""}
    yield {"id": "dns_servers", "value": list[JsonValue](network.dns_servers)}
    yield {"id": "ntp_servers", "value": list[JsonValue](network.ntp_servers)}
    for route in network.routes:
        yield {"id": f"route {route.destination}", "gateway": route.gateway}
    for entry in network.addresses:
        place: Record = {"prefix": entry.prefix, "interface": entry.interface}
        if entry.shared:
            yield {"id": f"shared address {entry.address}", **place}
        else:
            yield {"id": f"address {entry.address}", **place, "enabled": entry.enabled}
    yield {"id": "tls", "minimum_version": box.tls.minimum_version, "ciphers": list[JsonValue](box.tls.ciphers)}
    for admin in box.accounts.admins:
        yield {"id": f"administrator {admin.username}"}
    for account in box.accounts.api_accounts:
        yield {"id": f"API account {account}"}


def digests(records: Shown) -> dict[str, str]:
    """By kind, SHA-256 of its records without what changes by itself: whether two moments are the same, quickly."""
    return {
        kind: hashlib.sha256(
            json.dumps(
                sorted((steady(record) for record in records[kind]), key=lambda record: str(record["id"])),
                sort_keys=True,
            ).encode()
        ).hexdigest()
        for kind in KINDS
    }


def steady(record: Record) -> dict[str, JsonValue]:
    """A record without its volatile fields, at any depth."""
    return {name: _steady(value) for name, value in record.items() if name not in VOLATILE}


def _steady(value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return steady(value)
    if isinstance(value, list):
        return [_steady(inner) for inner in value]
    return value
