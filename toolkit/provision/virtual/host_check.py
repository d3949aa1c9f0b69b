"""What must hold on a host before anything is made there: all is looked at, and all that is wrong is said at once."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.images.manifest import Manifest
from toolkit.model.errors import ReboxError, RefusedError
from toolkit.provision.virtual.connection import Hypervisor, destroy, domain_xml, start_transient
from toolkit.provision.virtual.domain import mac_addresses, plugged_guest
from toolkit.provision.virtual.image_volumes import image_bytes_missing
from toolkit.provision.virtual.spec import MachineSpec
from toolkit.provision.virtual.volumes import KINDS_OF_FILES, Pool

_MEMORY = ("free", "buffers", "cached")
_MIB = 1 << 20


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    passed: bool
    summary: str


def check_host(host: Hypervisor, spec: MachineSpec, manifest: Manifest) -> list[Finding]:
    """Looks at memory, pool, network, name and MAC; changes nothing. Raises only what keeps it from looking."""
    return [
        _memory(host, spec),
        *_pool(host, spec, manifest),
        _plug(host, spec),
        *_others(host, spec),
        *_size(spec, manifest),
    ]


def refuse_unless_fit(host: Hypervisor, findings: list[Finding]) -> None:
    """Raises RefusedError with everything that is wrong."""
    wrong = [finding.summary for finding in findings if not finding.passed]
    if wrong:
        raise RefusedError(
            "the virtual machine cannot be made on this host; nothing was changed",
            where=host.uri,
            why="; ".join(wrong),
            next_move="Mend that on the host, or choose otherwise in the inventory's [provision]; then do the same "
            "again.",
        )


def _memory(host: Hypervisor, spec: MachineSpec) -> Finding:
    with host.asked("the host's memory cannot be looked at") as connection:
        kib = connection.getMemoryStats(-1, 0)
    free_mb = sum(int(kib.get(name, 0)) for name in _MEMORY) >> 10
    return Finding(
        "memory", free_mb >= spec.memory_mb, f"{free_mb:,} MiB of memory are available, {spec.memory_mb:,} are needed"
    )


def _pool(host: Hypervisor, spec: MachineSpec, manifest: Manifest) -> Iterator[Finding]:
    pool = Pool.find(host, spec.pool)
    if pool is None:
        yield Finding("pool", False, f"there is no storage pool {spec.pool}")
        return
    if not pool.is_active:
        yield Finding("pool", False, f"the storage pool {spec.pool} is not active (virsh pool-start {spec.pool})")
        return
    if pool.kind not in KINDS_OF_FILES:
        yield Finding("pool", False, f"the storage pool {spec.pool} is of kind {pool.kind}, which holds no files")
        return
    free = pool.available_bytes()
    # disks grow: what they may come to has to fit, not what they take at first
    needed = (spec.system_disk_mb + spec.data_disk_mb) * _MIB + image_bytes_missing(pool, manifest)
    yield Finding(
        "pool",
        free >= needed,
        f"the storage pool {spec.pool} has {free / _MIB:,.0f} MiB free, {needed / _MIB:,.0f} are needed",
    )


def _plug(host: Hypervisor, spec: MachineSpec) -> Finding:
    """Plugs a guest in that is never let run: no list says whether libvirt can really do it."""
    where = f"bridge {spec.bridge}" if spec.bridge else f"network {spec.network}"
    try:
        with host.asked(where) as connection:
            destroy(start_transient(connection, plugged_guest(f"rebox-check-{secrets.token_hex(4)}", spec)))
    except ReboxError as error:
        if type(error) is not ReboxError:
            raise
        return Finding("network", False, f"nothing can be plugged into {where}: {error.why}")
    return Finding("network", True, f"a guest can be plugged into {where}")


def _others(host: Hypervisor, spec: MachineSpec) -> Iterator[Finding]:
    with host.asked("the host's virtual machines cannot be looked at") as connection:
        domains = {domain.name(): domain_xml(domain) for domain in connection.listAllDomains()}
    free = spec.name not in domains
    yield Finding("name", free, f"the name {spec.name} is {'free' if free else 'taken by another virtual machine'}")
    holders = sorted(name for name, xml in domains.items() if name != spec.name and spec.mac in mac_addresses(xml))
    yield Finding(
        "MAC",
        not holders,
        f"the MAC address {spec.mac} is in use by {', '.join(holders)}"
        if holders
        else f"no other virtual machine there has the MAC address {spec.mac}",
    )


def _size(spec: MachineSpec, manifest: Manifest) -> Iterator[Finding]:
    image_mb = -(-manifest.files["disk.raw"].size_bytes // _MIB)
    if spec.system_disk_mb < image_mb:
        yield Finding("system disk", False, f"system_disk_mb is {spec.system_disk_mb}, the image needs {image_mb}")
