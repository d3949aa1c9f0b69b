"""Whether a certificate is valid for a host name or an IP address (RFC 9525, before that RFC 6125)."""

import ipaddress
import re

from cryptography import x509
from cryptography.x509.oid import NameOID

from toolkit.model.errors import InputError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# IDNA 2003 (Python's codec) and IDNA 2008 disagree about these: guessing would check another domain
_DEVIATIONS = frozenset("ßς\u200c\u200d")


def normalise(name: str) -> str | IPAddress:
    """A host name as lower-case A-labels without the final dot, or an IP address; raises InputError otherwise."""
    text = name.strip()
    try:
        return ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        pass
    if not text.isascii():
        text = _to_ascii(text)
    text = text.lower().removesuffix(".")
    labels = text.split(".")
    if len(text) > 253 or not all(_LABEL.fullmatch(part) for part in labels) or labels[-1].isdigit():
        raise InputError(
            f"{name!r} is not a host name",
            why="a name is letters, digits and hyphens between dots",
            next_move='Give a name like "support.example.com" or an IP address.',
        )
    return text


def _to_ascii(text: str) -> str:
    next_move = 'Give the name in its ASCII form ("xn--…").'
    if _DEVIATIONS & set(text.lower()):
        raise InputError(f"{text!r} can mean two different names", why="IDNA 2003 and 2008 differ", next_move=next_move)
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise InputError(f"{text!r} is not a host name", why=str(error), next_move=next_move) from None


def matches(pattern: str, name: str) -> bool:
    """Whether a DNS name of a certificate covers a normalised host name.

    A wildcard counts only as the whole left-most label, stands for exactly one label, and needs two labels after it
    (RFC 9525 section 6.3; the last rule is that of OpenSSL and the browsers).
    """
    pattern = pattern.lower().removesuffix(".")
    first, dot, rest = pattern.partition(".")
    if first != "*":
        return bool(pattern) and "*" not in pattern and pattern == name
    host, _, domain = name.partition(".")
    return bool(dot and host) and "*" not in rest and "." in rest and rest == domain


def alternative_names(certificate: x509.Certificate) -> tuple[tuple[str, ...], tuple[IPAddress, ...]] | None:
    """The DNS names and IP addresses of subjectAltName; None when the certificate has none of either kind."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return None
    dns_names = tuple(extension.value.get_values_for_type(x509.DNSName))
    values = extension.value.get_values_for_type(x509.IPAddress)
    addresses = tuple(value for value in values if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address))
    return (dns_names, addresses) if dns_names or addresses else None


def common_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The subject's common names."""
    return tuple(str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def covers(certificate: x509.Certificate, name: str | IPAddress) -> bool:
    """Whether subjectAltName covers a normalised name; the common name does not count (RFC 9525 section 2)."""
    names = alternative_names(certificate)
    if names is None:
        return False
    dns_names, addresses = names
    if isinstance(name, str):
        return any(matches(pattern, name) for pattern in dns_names)
    return name in addresses


def covered_by_common_name(certificate: x509.Certificate, name: str | IPAddress) -> bool:
    """Whether only the common name covers it: old clients accept that, current ones refuse."""
    if alternative_names(certificate) is not None:
        return False
    if isinstance(name, str):
        return any(matches(common, name) for common in common_names(certificate))
    return str(name) in common_names(certificate)
