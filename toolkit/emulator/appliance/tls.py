"""Server contexts: a new one takes effect with the next handshake, whether the client names a host or not."""

import os
import ssl
from datetime import datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from toolkit.emulator.appliance.facts import TlsSettings

_FACTORY_DAYS = 3650


def self_signed(name: str, now: datetime) -> tuple[bytes, bytes]:
    """Certificate and key (PEM) of a box fresh from the factory, valid for ten years from a day before `now`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_FACTORY_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def fingerprint(chain_pem: bytes) -> str:
    """SHA-256 of the leaf's DER, lower-case hex; the leaf is the first certificate."""
    leaf = x509.load_pem_x509_certificate(chain_pem)
    return sha256(leaf.public_bytes(serialization.Encoding.DER)).hexdigest()


def server_context(chain_pem: bytes, key_pem: bytes) -> ssl.SSLContext:
    """A context that serves this chain; TLS 1.2 and newer, no session tickets: a resumed one shows the old chain."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    # OpenSSL reads files only: this one exists in memory and leaves no copy of the key on any disk
    handle = os.memfd_create("certificate")
    try:
        os.write(handle, chain_pem + b"\n" + key_pem)
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
    return context


def suites(context: ssl.SSLContext) -> list[str]:
    """The TLS 1.2 cipher suites of a context, by OpenSSL's names."""
    return [suite["name"] for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"]


_OWN_CHOICE = suites(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def require(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """The context keeps to the settings from the next handshake on."""
    context.minimum_version = _VERSIONS[settings.minimum_version]
    context.set_ciphers(":".join(settings.ciphers or _OWN_CHOICE))


class ServedCertificates:
    """Which context answers on which address of the box."""

    def __init__(self) -> None:
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._listeners: dict[str, ssl.SSLContext] = {}
        self._settings = TlsSettings()

    def serve(self, address: str, context: ssl.SSLContext) -> None:
        """From the next handshake on."""
        # a handshake that is handed on takes its suites from here, and its versions from the listener's context
        require(context, self._settings)
        self._contexts[address] = context

    def require(self, settings: TlsSettings) -> None:
        """What holds on every address from the next handshake on."""
        self._settings = settings
        for context in (*self._contexts.values(), *self._listeners.values()):
            require(context, settings)

    def listener_context(self, address: str, context: ssl.SSLContext) -> ssl.SSLContext:
        """The context for the address's listener: it hands every handshake on to the one that is served now.

        `context` is served until another is.
        """
        self.serve(address, context)

        def switch(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
            # OpenSSL calls this with None as the name when the client sends none
            connection.context = self._contexts[address]

        listener = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        require(listener, self._settings)
        listener.options |= ssl.OP_NO_TICKET
        listener.num_tickets = 0
        listener.sni_callback = switch
        self._listeners[address] = listener
        return listener
