"""What a virtual machine is to be, as plain data that can be kept beside it and compared with."""

import json
from hashlib import sha256
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from toolkit.images.manifest import INITRD, KERNEL, Manifest
from toolkit.model.provision import LibvirtProvision

_LONG = 100


class MachineSpec(BaseModel):
    """All that shapes a virtual machine, and nothing of where or when it is made; sizes in 2^20 bytes.

    `told` is what it is told at its first power-on, but for the password; long texts are there by their SHA-256.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    serial_number: str
    mac: str
    bridge: str | None
    network: str | None
    pool: str
    vcpus: int
    memory_mb: int
    system_disk: Literal["overlay", "copy"]
    system_disk_mb: int
    data_disk_mb: int
    firmware: Literal["direct", "uefi", "bios"]
    usb: bool = False
    guest_agent: bool
    autostart: bool
    domain_fragment: str | None
    image_sha256: str
    kernel_sha256: str
    initrd_sha256: str
    kernel_command_line: str
    told: dict[str, JsonValue]
    authorized_keys: tuple[str, ...] = ()


def machine_spec(
    provision: LibvirtProvision,
    manifest: Manifest,
    order: dict[str, JsonValue],
    *,
    serial_number: str,
    fragment: str | None,
    authorized_keys: tuple[str, ...] = (),
) -> MachineSpec:
    """The spec for an inventory's table, the image it names, and the seed's order but for the password."""
    image_mb = -(-manifest.files["disk.raw"].size_bytes >> 20)
    return MachineSpec(
        name=provision.name,
        serial_number=serial_number,
        mac=provision.mac.lower(),
        bridge=provision.bridge,
        network=provision.network,
        pool=provision.pool,
        vcpus=provision.vcpus,
        memory_mb=provision.memory_mb,
        system_disk=provision.system_disk,
        system_disk_mb=provision.system_disk_mb or image_mb,
        data_disk_mb=provision.data_disk_mb,
        firmware=provision.firmware,
        usb=provision.usb,
        guest_agent=provision.guest_agent,
        autostart=provision.autostart,
        domain_fragment=None if fragment is None else _digest(fragment),
        image_sha256=manifest.sha256,
        kernel_sha256=manifest.files[KERNEL].sha256,
        initrd_sha256=manifest.files[INITRD].sha256,
        kernel_command_line=manifest.command_line,
        told={name: _short(value) for name, value in sorted(order.items())},
        authorized_keys=authorized_keys,
    )


def differences(there: MachineSpec, wanted: MachineSpec) -> list[str]:
    """What is not the same, each as `field: is …, wanted …`; empty when it is the same machine."""
    is_, should = there.model_dump(mode="json"), wanted.model_dump(mode="json")
    pairs = [(name, is_.pop(name), should.pop(name)) for name in [*is_] if name != "told"]
    told, telling = is_["told"], should["told"]
    pairs += [(f"told {name}", told.get(name), telling.get(name)) for name in sorted({*told, *telling})]
    return [f"{name}: is {_said(one)}, wanted {_said(other)}" for name, one, other in pairs if one != other]


def _said(value: JsonValue) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)


def _short(value: JsonValue) -> JsonValue:
    return _digest(value) if isinstance(value, str) and len(value) > _LONG else value


def _digest(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}"
