"""From a spec to a libvirt domain: pure. What it makes passes libvirt's own schema (`virt-xml-validate`)."""

from dataclasses import dataclass
from typing import Any, Literal

from lxml import etree
from lxml.builder import E

from toolkit.provision.virtual.mark import Mark
from toolkit.provision.virtual.spec import MachineSpec

Acceleration = Literal["kvm", "qemu"]
"""libvirt's words: `qemu` is software emulation."""

DATA_SERIAL, SEED_SERIAL, SYSTEM_SERIAL = "rebox-data", "rebox-seed", "rebox-system"
"""Serial numbers of the disks; by the first the box finds where its data belongs (docs/images.md)."""


@dataclass(frozen=True)
class Files:
    """Paths on the host."""

    system: str
    data: str
    seed: str
    console: str
    kernel: str
    initrd: str


def build_domain(spec: MachineSpec, mark: Mark, files: Files, acceleration: Acceleration) -> Any:
    """The domain's element (lxml). `mark` stands in it, so that from its first moment on it is known to be ours."""
    return E.domain(
        E.name(spec.name),
        E.uuid(mark.uuid),
        E.metadata(mark.element()),
        E.memory(str(spec.memory_mb), unit="MiB"),
        E.vcpu(str(spec.vcpus)),
        E.sysinfo(E.system(E.entry(spec.serial_number, name="serial")), type="smbios"),
        _os(spec, files),
        E.features(E.acpi(), E.apic()),
        # all that the host's own processor can, or that software emulation knows
        E.cpu(mode="maximum"),
        E.clock(offset="utc"),
        E.on_poweroff("destroy"),
        E.on_reboot("restart"),
        E.on_crash("restart"),
        E.devices(
            _disk(files.system, "vda", SYSTEM_SERIAL, "raw" if spec.system_disk == "copy" else "qcow2", first=True),
            _disk(files.data, "vdb", DATA_SERIAL, "qcow2"),
            _disk(files.seed, "vdc", SEED_SERIAL, "raw", read_only=True),
            E.controller(type="usb", model="qemu-xhci" if spec.usb else "none"),
            _interface(spec),
            # the host keeps what it says: a serial port that nobody reads stalls the guest
            E.serial(E.log(file=files.console, append="on"), E.target(port="0"), type="pty"),
            E.console(E.target(type="serial", port="0"), type="pty"),
            *_agent(spec),
            E.memballoon(model="none"),
            E.rng(E.backend("/dev/urandom", model="random"), model="virtio"),
        ),
        type=acceleration,
    )


def check_guest(name: str, kernel: str, initrd: str, acceleration: Acceleration = "kvm") -> str:
    """A guest that runs busybox from the image's initrd and powers off: proof that KVM runs guests on that host."""
    return _text(
        E.domain(
            E.name(name),
            E.memory("256", unit="MiB"),
            E.vcpu("1"),
            E.os(
                E.type("hvm", arch="x86_64", machine="pc"),
                E.kernel(kernel),
                E.initrd(initrd),
                # what follows the two hyphens goes to the first program
                E.cmdline("quiet console=ttyS0 panic=-1 rdinit=/bin/busybox -- poweroff -f"),
            ),
            E.features(E.acpi(), E.apic()),
            E.cpu(mode="maximum"),
            E.on_reboot("destroy"),
            E.devices(E.controller(type="usb", model="none"), E.serial(type="pty"), E.memballoon(model="none")),
            type=acceleration,
        )
    )


def plugged_guest(name: str, spec: MachineSpec) -> str:
    """A guest that is never let run, plugged in where the machine is to be: proof that this can be done."""
    interface = _interface(spec)
    interface.remove(interface.find("mac"))
    return _text(
        E.domain(
            E.name(name),
            E.memory("32", unit="MiB"),
            E.vcpu("1"),
            E.os(E.type("hvm", arch="x86_64", machine="pc")),
            E.devices(E.controller(type="usb", model="none"), interface, E.memballoon(model="none")),
            type="qemu",
        )
    )


def acceleration_of(domain_xml: str) -> str:
    """`kvm`, or `qemu` for software emulation."""
    return str(etree.fromstring(domain_xml.encode()).get("type"))


def mac_addresses(domain_xml: str) -> list[str]:
    """Of all network ports of a domain, in lower case."""
    ports = etree.fromstring(domain_xml.encode()).iterfind("devices/interface/mac")
    return [str(port.get("address")).lower() for port in ports]


def _os(spec: MachineSpec, files: Files) -> Any:
    if spec.firmware == "uefi":
        return E.os(
            E.type("hvm", arch="x86_64", machine="q35"),
            E.firmware(E.feature(enabled="no", name="secure-boot")),
            E.smbios(mode="sysinfo"),
            firmware="efi",
        )
    system = E.os(E.type("hvm", arch="x86_64", machine="pc"))
    if spec.firmware == "direct":
        system.extend([E.kernel(files.kernel), E.initrd(files.initrd), E.cmdline(spec.kernel_command_line)])
    system.append(E.smbios(mode="sysinfo"))
    return system


def _disk(path: str, name: str, serial: str, kind: str, *, first: bool = False, read_only: bool = False) -> Any:
    disk = E.disk(
        E.driver(name="qemu", type=kind),
        E.source(file=path),
        E.target(dev=name, bus="virtio"),
        E.serial(serial),
        type="file",
        device="disk",
    )
    if first:
        disk.append(E.boot(order="1"))
    if read_only:
        disk.append(E.readonly())
    return disk


def _interface(spec: MachineSpec) -> Any:
    where = E.source(bridge=spec.bridge) if spec.bridge else E.source(network=spec.network)
    return E.interface(
        E.mac(address=spec.mac), where, E.model(type="virtio"), type="bridge" if spec.bridge else "network"
    )


def _agent(spec: MachineSpec) -> list[Any]:
    if not spec.guest_agent:
        return []
    return [E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix")]


def _text(element: Any) -> str:
    return etree.tostring(element, encoding="unicode", pretty_print=True)
