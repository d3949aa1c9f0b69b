"""From an inventory to what a virtual machine is made from: image, spec, seed and the user's own fragment."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolkit.images.built import find_image
from toolkit.images.manifest import Manifest
from toolkit.images.programs import Workshop
from toolkit.images.seed import write_seed
from toolkit.model.inventory import Inventory
from toolkit.model.provision import LibvirtProvision
from toolkit.provision.first_boot import authorized_keys, first_boot_order, order_without_password
from toolkit.provision.virtual.fragment import Fragment, read_fragment
from toolkit.provision.virtual.spec import MachineSpec, machine_spec
from toolkit.storage.given_file import read_given_text


@dataclass(frozen=True)
class Preparation:
    """All that is needed before the host is asked for anything.

    `seed` makes a whole disk, with a secret's hash in it: it is called only where a machine is to be made.
    """

    spec: MachineSpec
    image: Path
    manifest: Manifest
    seed: Callable[[], bytes]
    fragment: Fragment | None


def prepare(
    inventory: Inventory,
    provision: LibvirtProvision,
    admin_password: Callable[[], str],
    path: Callable[[str], Path],
) -> Preparation:
    """Raises InputError for an image that is not built, a file that cannot be read, a fragment that cannot be used."""
    image, manifest = find_image(provision.image, path)
    text = fragment = None
    if provision.domain_file is not None:
        file = path(provision.domain_file)
        text = read_given_text(file, next_move="Correct provision.domain_file.")
        fragment = read_fragment(text, str(file))
    order = order_without_password(inventory, provision, path)
    keys = authorized_keys(provision, path)
    spec = machine_spec(
        provision,
        manifest,
        order,
        serial_number=inventory.new.serial_number,
        fragment=text,
        authorized_keys=keys,
    )

    def seed() -> bytes:
        whole = first_boot_order(inventory, provision, admin_password(), path)
        with tempfile.TemporaryDirectory(prefix="rebox-seed-") as scratch:
            disk = Path(scratch) / "seed"
            write_seed(Workshop(Path(scratch), 1), whole, disk, authorized_keys=keys)
            return disk.read_bytes()

    return Preparation(spec, image, manifest, seed, fragment)
