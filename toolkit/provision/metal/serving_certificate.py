"""The certificate of a server that lives for one step: signed by itself, known by its fingerprint."""

import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# a BMC's clock is often wrong by a day, and its firmware refuses what is valid from a moment ago
_BEFORE, _AFTER = timedelta(days=2), timedelta(days=2)


@dataclass(frozen=True)
class ServingCertificate:
    """Certificate and key in PEM."""

    certificate: bytes
    key: bytes

    @classmethod
    def make(cls, addresses: set[str]) -> "ServingCertificate":
        """A new one for our addresses (P-256)."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rebox installer")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address)) for address in sorted(addresses)])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BEFORE)
            .not_valid_after(now + _AFTER)
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(
            made.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )

    @property
    def sha256(self) -> str:
        """Of its DER form, in lower-case hexadecimal."""
        return sha256(ssl.PEM_cert_to_DER_cert(self.certificate.decode())).hexdigest()

    def context(self) -> ssl.SSLContext:
        """For a server; the key is on the disk (mode 0600) only while it is read."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "both.pem")
            path.touch(mode=0o600)
            path.write_bytes(self.certificate + self.key)
            context.load_cert_chain(path)
        return context
