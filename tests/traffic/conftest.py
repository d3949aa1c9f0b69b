"""A real `named` on a free loopback port, with one zone that takes signed updates."""

import base64
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from toolkit.model.errors import UnreachableError
from toolkit.traffic.dns import Zone, look_up

NAME = "support.example.net"


@dataclass(frozen=True)
class NameServer:
    """A running name server, its key and its log."""

    port: int
    secret: str
    log: Path

    def zone(self, *, secret: str | None = None, key_name: str = "swing") -> Zone:
        return Zone("127.0.0.1", "example.net", port=self.port, key_name=key_name, key_secret=secret or self.secret)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def name_server(tmp_path: Path) -> Iterator[NameServer]:
    port, secret = free_port(), base64.b64encode(secrets.token_bytes(32)).decode()
    (tmp_path / "example.net.zone").write_text(
        f"$ORIGIN example.net.\n$TTL 300\n@ IN SOA ns hostmaster 1 3600 600 86400 60\n@ IN NS ns\n"
        f"ns IN A 127.0.0.1\n{NAME}. IN A 10.77.0.21\n{NAME}. IN AAAA fd77::21\n",
        encoding="ascii",
    )
    (tmp_path / "named.conf").write_text(
        f'options {{ directory "{tmp_path}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n'
        "pid-file none; lock-file none; session-keyfile none; recursion no; dnssec-validation no; };\ncontrols { };\n"
        f'key "swing" {{ algorithm hmac-sha256; secret "{secret}"; }};\n'
        'zone "example.net" { type primary; file "example.net.zone"; update-policy { grant swing zonesub ANY; }; };\n',
        encoding="ascii",
    )
    log = tmp_path / "named.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            ["/usr/sbin/named", "-g", "-c", str(tmp_path / "named.conf")], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait(port)
        yield NameServer(port, secret, log)
    finally:
        server.terminate()
        server.wait(10)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            # connected first: a datagram to a port nobody has opened yet would wait for its time-out
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            look_up("127.0.0.1", NAME, port=port)
        except (OSError, UnreachableError):
            assert time.monotonic() < deadline, "named does not answer"
            time.sleep(0.02)
        else:
            return
