"""A spec with every field, to be varied."""

from typing import Any

from toolkit.provision.virtual.domain import Files
from toolkit.provision.virtual.mark import Mark
from toolkit.provision.virtual.spec import MachineSpec

UUID = "5f1d0f0c-8b5e-4f27-9d57-0d4d3c9b7a11"
FILES = Files(
    system="/pool/system", data="/pool/data", seed="/pool/seed", console="/pool/console.log", kernel="/pool/kernel",
    initrd="/pool/initrd",
)  # fmt: skip


def spec(**changes: Any) -> MachineSpec:
    """The sample with other values."""
    fields: dict[str, Any] = {
        "name": "new-box", "serial_number": "RB-NEW-0002", "mac": "52:54:00:79:00:12", "bridge": "br0", "network": None,
        "pool": "default", "vcpus": 2, "memory_mb": 1024, "system_disk": "overlay", "system_disk_mb": 640,
        "data_disk_mb": 2048, "firmware": "direct", "guest_agent": True, "autostart": True, "domain_fragment": None,
        "image_sha256": "1" * 64, "kernel_sha256": "2" * 64, "initrd_sha256": "3" * 64,
        "kernel_command_line": "root=UUID=x quiet", "told": {"hostname": "new", "addresses": ["10.79.0.12/24"]},
    }  # fmt: skip
    return MachineSpec.model_validate({**fields, **changes})


def mark(**changes: Any) -> Mark:
    """A mark on it."""
    fields: dict[str, Any] = {
        "state": "made", "uuid": UUID, "maker": "host:/runs/1/inventory.toml", "lock": "host:/lock", "spec": spec(),
    }  # fmt: skip
    return Mark.model_validate({**fields, **changes})
