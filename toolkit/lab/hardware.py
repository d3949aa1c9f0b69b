"""What a lab's machine is made of, as libvirt's domain XML: metal with a BIOS, or a machine handed its kernel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import UUID

from lxml import etree
from lxml.builder import E, ElementMaker

_EMULATED_BMC = "http://openstack.org/xmlns/libvirt/sushy"
"""Under this name sushy-emulator keeps a machine's BIOS settings in its domain."""


@dataclass(frozen=True)
class Drive:
    """A disk; `serial` is what the machine sees on it."""

    file: Path
    serial: str
    format: Literal["raw", "qcow2"] = "raw"


@dataclass(frozen=True)
class Kernel:
    """A kernel that the machine is handed, which starts seconds sooner than one from its disk."""

    file: Path
    initrd: Path
    command_line: str


@dataclass(frozen=True)
class Hardware:
    """One machine. Without `kernel` it starts from its first disk, or from where its BMC says.

    `bios`: settings that its BMC shows instead of the defaults.
    """

    name: str
    serial_number: str
    identity: UUID
    mac: str
    bridge: str
    console: Path
    drives: Sequence[Drive]
    kernel: Kernel | None = None
    memory_mb: int = 1024
    vcpus: int = 2
    accelerated: bool = False
    bios: Mapping[str, str] = field(default_factory=dict)


def domain_xml(machine: Hardware) -> str:
    """The domain XML of a machine (https://libvirt.org/formatdomain.html)."""
    system = E.os(E.type("hvm", arch="x86_64", machine="pc"), E.smbios(mode="sysinfo"))
    if machine.kernel:
        system.extend((
            E.kernel(str(machine.kernel.file)),
            E.initrd(str(machine.kernel.initrd)),
            E.cmdline(machine.kernel.command_line),
        ))  # fmt: skip
    else:
        system.append(E.boot(dev="hd"))
    domain = E.domain(
        E.name(machine.name),
        E.uuid(str(machine.identity)),
        E.memory(str(machine.memory_mb), unit="MiB"),
        E.vcpu(str(machine.vcpus)),
        E.sysinfo(
            E.system(
                E.entry("rebox", name="manufacturer"),
                E.entry(machine.serial_number, name="serial"),
                E.entry(str(machine.identity), name="uuid"),
            ),
            type="smbios",
        ),
        system,
        E.features(E.acpi(), E.apic()),
        E.cpu(mode="host-passthrough" if machine.accelerated else "maximum"),
        # who is reset by its own operating system starts again; who switches itself off stays off
        E.on_poweroff("destroy"),
        E.on_reboot("restart"),
        E.on_crash("destroy"),
        *_metadata(machine),
        _devices(machine),
        type="kvm" if machine.accelerated else "qemu",
    )
    return etree.tostring(domain, pretty_print=True, encoding="unicode")


def _metadata(machine: Hardware) -> list[etree._Element]:
    if not machine.bios:
        return []
    maker = ElementMaker(namespace=_EMULATED_BMC, nsmap={"sushy": _EMULATED_BMC})
    settings = [maker.attribute(name=name, value=value) for name, value in machine.bios.items()]
    return [E.metadata(maker.bios(maker.attributes(*settings)))]


def _devices(machine: Hardware) -> etree._Element:
    # a lab is thrown away: nothing is gained by waiting for its disks
    disks = [
        E.disk(
            E.driver(name="qemu", type=drive.format, cache="unsafe", discard="unmap", detect_zeroes="unmap"),
            E.source(file=str(drive.file)),
            E.target(dev=f"vd{letter}", bus="virtio"),
            E.serial(drive.serial),
            type="file",
            device="disk",
        )
        for letter, drive in zip("abcdefgh", machine.drives, strict=False)
    ]
    devices: etree._Element = E.devices(
        *disks,
        E.interface(E.mac(address=machine.mac), E.source(bridge=machine.bridge), E.model(type="virtio"), type="bridge"),
        E.serial(E.source(path=str(machine.console), append="on"), E.target(port="0"), type="file"),
        E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix"),
        E.controller(type="usb", model="qemu-xhci"),
        E.memballoon(model="none"),
        E.rng(E.backend("/dev/urandom", model="random"), model="virtio"),
    )
    return devices
