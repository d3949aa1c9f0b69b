"""Makes a lab's updates and boxes: `python -m toolkit.lab.manufacturer LAB-FOLDER UPDATE-SERVER-URL`.

Everything it needs lies in the lab's folder, so no secret is on its command line. It leaves each box's disk, and
beside it `plate.json`: what can be read off the box without switching it on.
"""

import sys
from pathlib import Path

from pydantic import SecretBytes, SecretStr

from toolkit.emulator.appliance.factory import Factory, SharedAddress, manufacture
from toolkit.emulator.update_server.repository import Offer, Repository, make_repository
from toolkit.images.programs import Workshop
from toolkit.images.seed import write_seed
from toolkit.lab import operator
from toolkit.lab.description import Plate
from toolkit.lab.folder import LabFolder
from toolkit.lab.network import INTERFACE
from toolkit.lab.sticks import make_stick
from toolkit.lab.topology import Topology
from toolkit.lab.virtual_world import disk_serials
from toolkit.model.errors import ReboxError

_EPOCH = 1_767_225_600
"""What every date on a seed is; nothing reads it."""


def factory_order(folder: LabFolder, topology: Topology, name: str) -> Factory:
    """What is ordered for the box called `name`: in service with the lab's site, or without a site."""
    box = topology.boxes[name]
    repository = Repository(folder.updates)
    order = Factory(
        serial_number=box.serial_number,
        interface=INTERFACE,
        mac=topology.network.mac(box.number),
        addresses=topology.interfaces(box.number),
        dns_servers=topology.resolver_addresses,
        base_version=box.base_version,
        clock_offset_seconds=box.clock_offset_seconds,
        update_server=repository.url,
        tuf_root=repository.root_file.read_bytes(),
        ca=folder.authorities.read_bytes(),
    )
    if box.site_version is None:
        return order
    shared = topology.interfaces(topology.site.number) if topology.swing.method == "shared-ip" else ()
    return order.model_copy(
        update={
            "profile": "in-use",
            "site": topology.site.name,
            "site_version": box.site_version,
            "size_mb": topology.site.size_mb,
            "seed": topology.site.seed,
            "active_sessions": topology.site.active_sessions,
            "shared_addresses": tuple(SharedAddress(address=address, enabled=True) for address in shared),
            "certificate": folder.site_certificate.read_bytes(),
            "key": SecretBytes(folder.site_key.read_bytes()),
            "admin_password": SecretStr(operator.secret(folder.operator, operator.OLD_ADMIN_PASSWORD)),
            "api_accounts": {operator.CLIENT_ID: SecretStr(operator.secret(folder.operator, operator.OLD_API_SECRET))},
        }
    )


def make_box(folder: LabFolder, topology: Topology, name: str) -> None:
    """Lays a box's disk and its plate; raises InputError, StorageError."""
    made = manufacture(folder.disk(name), factory_order(folder, topology, name))
    served = made.served[topology.addresses(name)[0]]
    folder.plate(name).write_text(Plate(tls_sha256=served).model_dump_json(), encoding="ascii")


def write_box_seed(folder: LabFolder, topology: Topology, name: str) -> None:
    """Writes the seed by which a virtual machine becomes the box at its first power-on; raises ReboxError."""
    factory = factory_order(folder, topology, name)
    order = factory.model_dump(mode="json", exclude={"interface"}, exclude_defaults=True)
    # these are not dumped as they are: people print models
    for field in ("key", "admin_password"):
        if secret := getattr(factory, field):
            value = secret.get_secret_value()
            order[field] = value.decode() if isinstance(value, bytes) else value
    if factory.api_accounts:
        order["api_accounts"] = {client: secret.get_secret_value() for client, secret in factory.api_accounts.items()}
    order["data_disk_serial"] = disk_serials(topology.boxes[name])[1]
    # a stick is read and written on the machine that it is plugged into
    keys = (folder.operator / operator.STATION_PUBLIC_KEY).read_text(encoding="ascii").splitlines()
    write_seed(
        Workshop(folder.host(name), _EPOCH),
        order,
        folder.seed(name),
        authorized_keys=keys if topology.carry == "media" else (),
    )


def main() -> int:
    """Makes everything for the lab named on the command line; returns the exit status."""
    place, url = sys.argv[1:]
    folder = LabFolder(Path(place))
    topology = Topology.model_validate_json(folder.topology.read_bytes())
    try:
        make_repository(folder.updates, url, offer=Offer(topology.site.name), seed=topology.site.seed)
        if topology.carry == "media":
            make_stick(Workshop(folder.path, _EPOCH), folder, topology)
        for name, box in topology.boxes.items():
            if topology.backend == "namespaces":
                make_box(folder, topology, name)
            elif box.site_version:
                write_box_seed(folder, topology, name)
    except ReboxError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
