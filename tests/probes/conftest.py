"""Small worlds of real packets: a link with two boxes, a path over a router, a TLS server, a DNS server."""

import contextlib
import datetime
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from benchmarks.arena import Arena, Host, arena

SHARED = "10.77.0.50"
SHARED_SIX = "fd00:77::50"


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits for something that is going to be true, and fails when it is not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.01)


@dataclass
class Link:
    """One link: the prober, two boxes, and a switch between them."""

    arena: Arena
    prober: Host
    old: Host
    new: Host

    def give(self, host: Host, address: str = SHARED) -> None:
        host.ip(f"addr add {address}/{64 if ':' in address else 24} dev eth0")

    def take(self, host: Host, address: str = SHARED) -> None:
        host.ip(f"addr del {address}/{64 if ':' in address else 24} dev eth0")


@pytest.fixture
def link() -> Iterator[Link]:
    with arena() as made:
        hosts = [made.host(name) for name in ("prober", "old", "new")]
        switch = made.host("switch")
        switch.ip("link add br0 type bridge", "link set br0 up")
        for number, host in enumerate(hosts, start=1):
            made.wire(host, "eth0", switch, f"port{number}")
            switch.ip(f"link set port{number} master br0")
            host.ip(f"addr add 10.77.0.{number}/24 dev eth0", f"addr add fd00:77::{number}/64 dev eth0")
        yield Link(made, *hosts)


@dataclass
class Chain:
    """Prober, router and a far host behind it."""

    prober: Host
    router: Host
    far: Host


@pytest.fixture
def chain() -> Iterator[Chain]:
    with arena() as made:
        prober, router, far = (made.host(name) for name in ("prober", "router", "far"))
        made.wire(prober, "eth0", router, "near0")
        made.wire(router, "far0", far, "eth0")
        for host, interface, number in ((prober, "eth0", 1), (router, "near0", 254)):
            host.ip(f"addr add 10.1.0.{number}/24 dev {interface}", f"addr add fd00:1::{number}/64 dev {interface}")
        for host, interface, number in ((far, "eth0", 1), (router, "far0", 254)):
            host.ip(f"addr add 10.2.0.{number}/24 dev {interface}", f"addr add fd00:2::{number}/64 dev {interface}")
        for host, net in ((prober, 1), (far, 2)):
            host.ip(f"route add default via 10.{net}.0.254", f"route add default via fd00:{net}::254")
        for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            router.set(name, "1")
        yield Chain(prober, router, far)


@dataclass
class Authority:
    """A root that signs what a test asks for."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Root")])
        self.certificate = (
            self._builder(self.name, self.key.public_key(), days=(-1, 30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: tuple[int, int]
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )

    def issue(self, folder: Path, name: str, *, days: tuple[int, int] = (-1, 30)) -> Path:
        """A file with certificate and key for one name."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key(), days)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        path = folder / f"{name}-{certificate.serial_number:x}.pem"
        path.write_bytes(
            certificate.public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return path


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


class TlsServer:
    """Answers every request with one status; the certificate can be changed while it runs."""

    def __init__(self, certificate: Path, *, maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        self.status = 200
        self.maximum = maximum
        self.use(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._ended = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def use(self, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = self.maximum
        context.load_cert_chain(certificate)
        self._context = context

    def _serve(self) -> None:
        while True:
            caller, _ = self._listener.accept()
            with caller, contextlib.suppress(OSError):
                if self._ended:
                    return
                caller.settimeout(5)
                with self._context.wrap_socket(caller, server_side=True) as connection:
                    if connection.recv(4096):
                        connection.sendall(f"HTTP/1.1 {self.status} X\r\nContent-Length: 2\r\n\r\nOK".encode())

    def end(self) -> None:
        self._ended = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join(10)
        self._listener.close()


@pytest.fixture
def tls_server(authority: Authority, tmp_path: Path) -> Iterator[TlsServer]:
    server = TlsServer(authority.issue(tmp_path, "support.example.net"))
    yield server
    server.end()


class NameServer:
    """A real `named` with one zone, on a free port of 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._zone = folder / "zone"
        self.serve("192.0.2.10", serial=7)
        (folder / "named.conf").write_text(
            f"""options {{ directory "{folder}"; listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
            pid-file none; session-keyfile none; managed-keys-directory "{folder}"; recursion no; }};
            controls {{ }};
            zone "example.net" {{ type primary; file "{self._zone}"; }};""",
            encoding="utf-8",
        )
        self._process = subprocess.Popen(
            ["named", "-g", "-n", "1", "-c", str(folder / "named.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def serve(self, address: str, *, serial: int, ttl: int = 60) -> None:
        self._zone.write_text(
            f"$TTL {ttl}\n@ SOA ns.example.net. root.example.net. {serial} 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n"
            f"support A {address}\nsupport AAAA 2001:db8::10\nalias CNAME support\n",
            encoding="utf-8",
        )

    def reload(self) -> None:
        self._process.send_signal(1)

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture
def name_server(tmp_path: Path) -> Iterator[NameServer]:
    from toolkit.probes.dns import zone_serial  # noqa: PLC0415 - only the tests with a server need it

    server = NameServer(tmp_path)
    try:
        wait_until(lambda: zone_serial("example.net", "127.0.0.1", port=server.port, timeout_s=0.2) == 7)
        yield server
    finally:
        server.end()
