"""Kinds of fields that people write in TOML: addresses, fingerprints, names, versions; each says what it must be."""

import ipaddress
import re
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator

from toolkit.model.errors import InputError
from toolkit.model.version import Version


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _fingerprint(text: str) -> str:
    digits = text.removeprefix("sha256:").replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("a TLS fingerprint is the certificate's SHA-256: 64 hexadecimal digits, as openssl prints it")
    return digits


def _ssh_fingerprint(text: str) -> str:
    # SHA-256 in base64 without its padding (OpenSSH's own form)
    if not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", text):
        raise ValueError('an SSH host key is given as ssh-keygen -l shows it: "SHA256:" and 43 characters')
    return text


def _host_name(text: str) -> str:
    if len(text) > 253 or not re.fullmatch(r"(?i)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*", text):
        raise ValueError("this is not a host name")
    return text.lower()


def _version(text: str) -> str:
    try:
        return str(Version.parse(text))
    except InputError as error:
        raise ValueError(f"{error.what}; {error.why}") from None


def _recipient(text: str) -> str:
    if text.upper().startswith("AGE-SECRET-KEY-"):
        raise ValueError(
            "this is a secret key and is not repeated here; give its public key (age1…), and make a new key: "
            "this one has been shown"
        )
    # an X25519 public key in bech32, which has neither 1, b, i nor o after the prefix (age-encryption.org/v1)
    if not re.fullmatch(r"age1[02-9ac-hj-np-z]{58}", text):
        raise ValueError(
            "this is no age recipient; give a public key as rebox backup keygen or age-keygen -y prints it (age1…)"
        )
    return text


def _interface_address(text: str) -> str:
    if "/" not in text:
        raise ValueError('an address is written with its prefix, e.g. "10.77.0.22/24"')
    return str(ipaddress.ip_interface(text))


def _mac(text: str) -> str:
    digits = text.lower().replace("-", ":")
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", digits):
        raise ValueError('a MAC is six pairs of hexadecimal digits, e.g. "52:54:00:12:34:56"')
    if int(digits[:2], 16) & 1:
        raise ValueError("this MAC is a multicast address; a network port has none of those")
    return digits


def _uuid(text: str) -> str:
    return str(UUID(text))


Address = Annotated[str, AfterValidator(_address)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
SshFingerprint = Annotated[str, AfterValidator(_ssh_fingerprint)]
HostName = Annotated[str, AfterValidator(_host_name)]
Recipient = Annotated[str, AfterValidator(_recipient)]
VersionText = Annotated[str, AfterValidator(_version)]
InterfaceAddress = Annotated[str, AfterValidator(_interface_address)]
Mac = Annotated[str, AfterValidator(_mac)]
Uuid = Annotated[str, AfterValidator(_uuid)]
