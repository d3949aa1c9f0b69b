"""What libvirt refuses, in words for people: which of our errors it is, and what to do."""

import re
import shlex
from typing import Any

import libvirt

from toolkit.model.errors import (
    AuthenticationError,
    InputError,
    PermissionDeniedError,
    ReboxError,
    StorageError,
    UnreachableError,
)

_AUTHENTICATION = (
    libvirt.VIR_ERR_AUTH_FAILED,
    libvirt.VIR_ERR_AUTH_CANCELLED,
    libvirt.VIR_ERR_AUTH_UNAVAILABLE,
    libvirt.VIR_ERR_GNUTLS_ERROR,
)
_WRONG_URI = (libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_CONFIG_UNSUPPORTED)
_NO_SPACE = re.compile(r"No space left|not enough free space|Disk quota exceeded", re.IGNORECASE)
_SSH = re.compile(r"Host key verification failed|Permission denied \(")
"""ssh's own words when a host is not known, or does not know us (ssh(1), ssh_config(5))."""


class LostConnectionError(UnreachableError):
    """libvirt was there and is gone: restarted, or its host is."""


class SchemaError(ReboxError):
    """libvirt's schema knows no such XML."""


def not_connected(error: Any, uri: str) -> ReboxError:
    """Why there is no connection: libvirt is not running, does not let us in, or nobody knows such a URI."""
    code, why = error.get_error_code(), _in_one_line(error)
    if code in _AUTHENTICATION or "certificate" in why:
        return _refused(uri, why)
    if "+ssh:" in uri and _SSH.search(why):
        return AuthenticationError(
            "ssh does not let us through to libvirt",
            where=uri,
            why=why,
            next_move="Let ssh reach that host without a question: its key in known_hosts, yours on that host.",
        )
    if "Permission denied" in why and "socket" in why:
        return PermissionDeniedError(
            "libvirt does not let us in",
            where=uri,
            why=why,
            next_move="Become a member of the group libvirt (then log in anew), or run this as root.",
        )
    if code in _WRONG_URI or "Unable to parse URI" in why:
        return InputError(
            "no libvirt answers to this URI",
            where=uri,
            why=why,
            next_move="Correct provision.uri, e.g. qemu:///system or qemu+ssh://root@HOST/system.",
        )
    return UnreachableError(
        "libvirt does not answer",
        where=uri,
        why=why,
        next_move="Start it on that host (systemctl start libvirtd, or virtqemud.socket), check the way to it with "
        f"virsh -c {shlex.quote(uri)} version, then do the same again.",
    )


def _in_one_line(error: Any) -> str:
    """What libvirt says; QEMU's own words in it come with line breaks."""
    return " ".join(str(error).split())


def explained(error: Any, uri: str, what: str, *, is_lost: bool) -> ReboxError:
    """Why libvirt did not do something; `what` says what was not done, `is_lost` that the connection is gone."""
    code, why = error.get_error_code(), _in_one_line(error)
    if is_lost:
        return LostConnectionError(
            "libvirt went away", where=uri, why=why, next_move="When it is up again, do the same again: it goes on."
        )
    if code in _AUTHENTICATION or code in (libvirt.VIR_ERR_ACCESS_DENIED, libvirt.VIR_ERR_OPERATION_DENIED):
        return _refused(uri, why)
    if code == libvirt.VIR_ERR_XML_INVALID_SCHEMA:
        return SchemaError(what, where=uri, why=why)
    if _NO_SPACE.search(why):
        return StorageError(
            what, where=uri, why=why, next_move="Free space in the storage pool, or choose another with provision.pool."
        )
    return ReboxError(what, where=uri, why=why, next_move="Mend what libvirt says, then do the same again.")


def _refused(uri: str, why: str) -> AuthenticationError:
    return AuthenticationError(
        "libvirt refuses us",
        where=uri,
        why=why,
        next_move="Check the certificates (qemu+tls), keys (qemu+ssh) or rights (polkit) of this user on that host.",
    )
