"""The operator's inventory of a lab: the migration of its old box to its new one, ready to be planned and run."""

import json
from collections.abc import Mapping

from toolkit.emulator.update_server.repository import Repository
from toolkit.lab import operator
from toolkit.lab.bmc import system_id
from toolkit.lab.description import LabDescription
from toolkit.lab.folder import LabFolder
from toolkit.lab.network import BRIDGE
from toolkit.lab.sticks import SERIAL
from toolkit.lab.virtual_world import POOL, SEED_SERIAL, disk_serials
from toolkit.model.inventory import read_inventory

FILE_NAME = "inventory.toml"

_GENTLE_WATCH = {"interval_ms": 5.0, "tcp_interval_ms": 50.0, "https_interval_ms": 2000.0}
"""Under software emulation a TLS handshake keeps a box busy for some 0.2 s: more would be a load test."""

_CLIENTS_PACE = {"interval_ms": 5.0, "tcp_interval_ms": 50.0, "https_interval_ms": 500.0}

Value = str | float | bool | tuple[str, ...]
Table = Mapping[str, Value]


def write_inventory(folder: LabFolder, lab: LabDescription) -> None:
    """Writes `operator/inventory.toml` when the lab has a box to replace and a box to replace it with."""
    boxes = lab.topology.boxes
    old = next((name for name, box in boxes.items() if box.site_version), None)
    new = next((name for name, box in boxes.items() if not box.site_version), None)
    if old is None or new is None:
        return
    text = _toml(_tables(folder, lab, old, new))
    path = folder.operator / FILE_NAME
    read_inventory(text, str(path))
    path.write_text(text, encoding="utf-8")


def _toml(tables: Mapping[str, Table]) -> str:
    # strings, numbers, booleans and lists of strings are written alike in JSON and TOML
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


def _tables(folder: LabFolder, lab: LabDescription, old: str, new: str) -> dict[str, Table]:
    topology = lab.topology

    def secret(name: str) -> str:
        return f"file:{folder.operator / name}"

    assert lab.site  # noqa: S101  a lab with boxes has one
    return {
        "site": {
            "name": lab.site.name,
            "addresses": lab.site.addresses,
            "ca_file": str(folder.authorities),
        },
        "old": {
            "kind": topology.boxes[old].kind,
            **_box(lab, old),
            "client_secret": secret(operator.OLD_API_SECRET),
        },
        "new": {
            "kind": topology.boxes[new].kind,
            **_box(lab, new),
            "client_secret": secret(operator.NEW_API_SECRET),
            "admin_password": secret(operator.NEW_ADMIN_PASSWORD),
        },
        "provision": _provision(folder, lab, new),
        **_bmcs(folder, lab, old, new),
        **_old_vm(lab, old),
        "swing": _swing(lab, new, secret(operator.TSIG_KEY)),
        "package": {"version": topology.swing.package, "eula_accepted": True, "eula_signed_by": "the lab's operator"},
        "certificate": {"passphrase": secret(operator.CERTIFICATE_PASSPHRASE)},
        "backup": {
            "recipients": (operator.secret(folder.operator, operator.BACKUP_RECIPIENT),),
            "identity_file": str(folder.operator / operator.BACKUP_IDENTITY),
            "identity_passphrase": secret(operator.IDENTITY_PASSPHRASE),
            "passphrase": secret(operator.BACKUP_PASSPHRASE),
        },
        **_carry(folder, lab, old, new),
        **({"watch": _GENTLE_WATCH} if topology.backend == "vm" else {}),
        **_vantage_point(folder, lab),
        "reset": {
            "soak_seconds": topology.swing.soak_seconds,
            "confirm_serial_number": topology.boxes[old].serial_number,
        },
    }


def _vantage_point(folder: LabFolder, lab: LabDescription) -> dict[str, Table]:
    """The lab's first client watches too, at a slower pace: all machines of a lab share one machine's processors."""
    client = next((name for name, host in lab.topology.hosts.items() if host.role == "client"), None)
    if client is None:
        return {}
    pace = _GENTLE_WATCH if lab.topology.backend == "vm" else _CLIENTS_PACE
    # a table in brackets of its own is one of several (TOML: array of tables)
    return {
        "[watch.vantage_points]": {"driver": "lab", "name": client, "folder": str(folder.path), "host": client, **pace}
    }


def _provision(folder: LabFolder, lab: LabDescription, new: str) -> Table:
    topology, box = lab.topology, lab.topology.boxes[new]
    if topology.backend == "namespaces":
        return {"driver": "lab", "folder": str(folder.path), "host": new}
    machine: dict[str, Value] = {
        "mac": lab.machines[new].mac,
        "addresses": topology.interfaces(box.number),
        "dns_servers": topology.resolver_addresses,
        "base_version": box.base_version,
        "update_server": f"https://{topology.single('update-server')}.{topology.dns.zone}",
        "update_root_file": str(Repository(folder.updates).root_file),
        "update_ca_file": str(folder.authorities),
    }
    if topology.carry == "media":
        machine["authorized_keys_file"] = str(folder.operator / operator.STATION_PUBLIC_KEY)
    if box.kind == "virtual":
        place: Table = {"name": new, "pool": POOL, "bridge": BRIDGE, "usb": topology.carry == "media"}
        return {"driver": "libvirt", **place, **machine, "memory_mb": box.memory_mb, "data_disk_mb": box.data_disk_mb}
    system, data = disk_serials(box)
    return {"driver": "redfish", "disk_serial": system, "data_disk_serial": data, **machine}


def _carry(folder: LabFolder, lab: LabDescription, old: str, new: str) -> dict[str, Table]:
    """How the stick goes; in a lab of programs a folder stands for the port that it is plugged into."""
    if lab.topology.carry == "network":
        return {}

    def station(name: str) -> Table:
        if lab.topology.backend == "namespaces":
            return {"driver": "folder", "folder": str(folder.sticks(name))}
        return {
            "driver": "ssh",
            "address": lab.topology.addresses(name)[0],
            "key_file": str(folder.operator / operator.STATION_KEY),
            "console_file": str(folder.console(name)),
        }

    return {
        "carry": {"stick": f"serial={SERIAL}"},
        "carry.old": station(old),
        "carry.new": station(new),
        "carry.mover": {"folder": str(folder.path), "old_host": old, "new_host": new},
    }


def _bmcs(folder: LabFolder, lab: LabDescription, old: str, new: str) -> dict[str, Table]:
    """The tables of the BMCs there are."""
    if lab.topology.backend == "namespaces":
        return {}
    boxes, tables = lab.topology.boxes, dict[str, Table]()
    if boxes[new].kind == "physical":
        tables["provision.bmc"] = _bmc(folder, lab, new)
    if boxes[old].kind == "physical":
        macs = (lab.machines[old].mac,)
        tables["old_bmc"] = {**_bmc(folder, lab, old), "macs": macs, "disk_serials": disk_serials(boxes[old])}
    return tables


def _old_vm(lab: LabDescription, old: str) -> dict[str, Table]:
    """The table of an old box that is a virtual machine of the lab's libvirt."""
    box = lab.topology.boxes[old]
    if lab.topology.backend == "namespaces" or box.kind != "virtual":
        return {}
    uuid = str(system_id(box.serial_number))
    # its seed is the lab's file, outside of the pool, and goes with the lab
    leave = (SEED_SERIAL,)
    return {"old_vm": {"name": old, "machine_uuid": uuid, "disk_serials": disk_serials(box), "leave": leave}}


def _bmc(folder: LabFolder, lab: LabDescription, name: str) -> Table:
    """How the operator reaches the BMC of a box that is metal."""
    assert lab.bmc  # noqa: S101  a lab with metal has one
    return {
        "url": f"https://{lab.bmc.address}",
        "username": lab.bmc.username,
        "password": f"file:{folder.operator / operator.BMC_PASSWORD}",
        "tls_sha256": lab.bmc.certificate_sha256,
        "system": lab.bmc.systems[name],
        "machine_uuid": lab.bmc.systems[name],
        "media_address": lab.topology.addresses(str(lab.topology.single("operator")))[0],
        "console_file": str(folder.console(name)),
    }


def _box(lab: LabDescription, name: str) -> Table:
    tls_sha256 = lab.machines[name].tls_sha256
    return {
        "address": lab.topology.addresses(name)[0],
        "serial_number": lab.topology.boxes[name].serial_number,
        # a machine that is still to be made shows its certificate on its console
        **({"tls_sha256": tls_sha256} if tls_sha256 else {}),
        "client_id": operator.CLIENT_ID,
    }


def _swing(lab: LabDescription, new: str, tsig_secret: str) -> Table:
    if lab.topology.swing.method == "shared-ip" or lab.dns is None:
        return {"method": "shared-ip"}
    return {
        "method": "dns",
        "server": lab.dns.server,
        "zone": lab.dns.zone,
        "ttl_seconds": lab.topology.swing.ttl_seconds,
        "resolvers": (lab.dns.resolver,),
        "new_addresses": lab.topology.addresses(new),
        "tsig_name": lab.dns.tsig_name,
        "tsig_algorithm": lab.dns.tsig_algorithm,
        "tsig_secret": tsig_secret,
    }
