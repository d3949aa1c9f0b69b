"""libvirt, known here alone: connects to any URI, and says in words for people what libvirt refuses.

Beside `libvirt_errors` the only module that imports libvirt, which carries no types: what it returns goes by `Any`.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from xml.etree import ElementTree

import libvirt

from toolkit.provision.virtual.libvirt_errors import explained, not_connected

# otherwise libvirt writes every error to stderr as well, past everybody
libvirt.registerErrorHandler(lambda _context, _error: None, None)

_NOT_FOUND = (
    libvirt.VIR_ERR_NO_DOMAIN,
    libvirt.VIR_ERR_NO_STORAGE_POOL,
    libvirt.VIR_ERR_NO_STORAGE_VOL,
    libvirt.VIR_ERR_NO_NETWORK,
    libvirt.VIR_ERR_NO_DOMAIN_METADATA,
)


_SILENT_SECONDS, _SILENT_TIMES = 5, 5
"""A remote libvirt is asked every 5 s whether it is there, and given up after five times without an answer."""


@dataclass(frozen=True)
class HostFacts:
    """What a host says of itself; versions as libvirt counts them (major * 10^6 + minor * 10^3 + release)."""

    uuid: str
    hostname: str
    qemu_version: int
    libvirt_version: int
    offers_kvm: bool


class Hypervisor:
    """One connection to a libvirt host."""

    def __init__(self, uri: str, handle: Any) -> None:
        self.uri = uri
        self.handle = handle

    @property
    def is_local(self) -> bool:
        """Whether it is the machine we run on."""
        return _is_local(self.uri)

    @contextmanager
    def asked(self, what: str) -> Iterator[Any]:
        """Yields libvirt's own connection; its errors come out as ours, each beginning with `what`."""
        try:
            yield self.handle
        except libvirt.libvirtError as error:
            raise explained(error, self.uri, what, is_lost=not self._is_alive()) from None

    def find(self, what: str, ask: Callable[[Any], Any]) -> Any | None:
        """What `ask` looks up on the connection; None when there is no such thing."""
        with self.asked(what) as handle:
            try:
                return ask(handle)
            except libvirt.libvirtError as error:
                if error.get_error_code() in _NOT_FOUND:
                    return None
                raise

    def facts(self) -> HostFacts:
        """Read anew each time: a host may have been upgraded."""
        with self.asked("the host cannot be looked at") as handle:
            capabilities = ElementTree.fromstring(handle.getCapabilities())  # noqa: S314  libvirt's own words
            return HostFacts(
                uuid=capabilities.findtext("host/uuid") or handle.getHostname(),
                hostname=handle.getHostname(),
                qemu_version=handle.getVersion(),
                libvirt_version=handle.getLibVersion(),
                offers_kvm=capabilities.find("guest/arch[@name='x86_64']/domain[@type='kvm']") is not None,
            )

    def _is_alive(self) -> bool:
        try:
            return bool(self.handle.isAlive())
        except libvirt.libvirtError:
            return False

    def close(self) -> None:
        """Ends the connection, also one that is broken."""
        with suppress(libvirt.libvirtError):
            self.handle.close()


@contextmanager
def connect(uri: str) -> Iterator[Hypervisor]:
    """A connection while the block runs; raises what `not_connected` says."""
    if not _is_local(uri):
        _events()
    try:
        handle = libvirt.open(_without_questions(uri))
    except libvirt.libvirtError as error:
        raise not_connected(error, uri) from None
    hypervisor = Hypervisor(uri, handle)
    try:
        if not hypervisor.is_local:
            _notice_silence(hypervisor)
        yield hypervisor
    finally:
        hypervisor.close()


def _notice_silence(hypervisor: Hypervisor) -> None:
    """Has the connection broken when the other side falls silent: a host that crashed closes no connection itself."""
    with hypervisor.asked("the connection cannot be watched") as handle:
        handle.setKeepAlive(_SILENT_SECONDS, _SILENT_TIMES)


@cache
def _events() -> None:
    """libvirt's own loop, in a thread of its own, for the life of the process: keep-alive needs it."""
    libvirt.virEventRegisterDefaultImpl()

    def run() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=run, daemon=True, name="libvirt events").start()


def domain_xml(domain: Any) -> str:
    """The domain as it is kept, whether it runs or not; raises libvirt's errors, so call it in `asked`."""
    return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))


def set_metadata(domain: Any, element: str, prefix: str, namespace: str) -> None:
    """Replaces our element in the domain that is kept."""
    domain.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT, element, prefix, namespace, libvirt.VIR_DOMAIN_AFFECT_CONFIG
    )


def start_transient(handle: Any, xml: str) -> Any:
    """A paused guest that is written down nowhere, and that libvirt takes away when we are gone."""
    return handle.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED | libvirt.VIR_DOMAIN_START_AUTODESTROY)


def define(handle: Any, xml: str) -> Any:
    """Keeps a domain that is not started; libvirt compares it with its schema first."""
    return handle.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)


_UNDEFINE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE,
    libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA,
    libvirt.VIR_DOMAIN_UNDEFINE_NVRAM,
    0x10,  # libvirt-domain.h: VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA, libvirt 5.6
    0x20,  # VIR_DOMAIN_UNDEFINE_TPM, libvirt 8.9
)
"""All that libvirt itself keeps for a domain, the kinds that it has learnt last at the end."""


def undefine(domain: Any) -> None:
    """Forgets a domain with all that libvirt itself keeps for it; one that runs goes on until it is off.

    A libvirt that does not know a kind yet keeps none of it: it is asked again without, one by one.
    """
    for count in range(len(_UNDEFINE), -1, -1):
        try:
            domain.undefineFlags(sum(_UNDEFINE[:count]))
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG or not count:
                raise
        else:
            return


def at_work_on(domain: Any, targets: Iterable[str]) -> list[str]:
    """What libvirt is doing with a domain that runs and would be cut off by its end, in words."""
    if not domain.isActive():
        return []
    found = [f"a block job on {target}" for target in targets if domain.blockJobInfo(target)]
    if domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
        found.append("a backup, a migration or a save of it")
    return found


def snapshot_texts(domain: Any) -> list[str]:
    """The descriptions of a domain's snapshots."""
    return [str(snapshot.getXMLDesc()) for snapshot in domain.listAllSnapshots()]


def destroy(domain: Any) -> None:
    """Switches a guest off at once; one that is off or gone already is none of our trouble."""
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
            raise


def upload_sparse(volume: Any, stream: Any, length: int) -> None:
    """Begins an upload whose holes are not carried."""
    volume.upload(stream, 0, length, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)


def download_sparse(volume: Any, stream: Any) -> None:
    """Begins a download whose holes are not carried."""
    volume.download(stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)


def _is_local(uri: str) -> bool:
    return re.match(r"[a-z+]+:///", uri) is not None


def _without_questions(uri: str) -> str:
    """ssh must not ask for a password on a terminal nobody looks at (libvirt's `no_tty`)."""
    if "+ssh://" not in uri or "no_tty=" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}no_tty=1"
