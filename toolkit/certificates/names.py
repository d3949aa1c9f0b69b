"""Whether a certificate is valid for a host name or an IP address (RFC 9525, before that RFC 6125)."""

import ipaddress

from cryptography import x509
from cryptography.x509.oid import NameOID

from toolkit.model.host_names import IPAddress, covered_by, matches


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
    return names is not None and covered_by(name, *names)


def covered_by_common_name(certificate: x509.Certificate, name: str | IPAddress) -> bool:
    """Whether only the common name covers it: old clients accept that, current ones refuse."""
    if alternative_names(certificate) is not None:
        return False
    if isinstance(name, str):
        return any(matches(common, name) for common in common_names(certificate))
    return str(name) in common_names(certificate)
