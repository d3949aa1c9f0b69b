"""What a TLS server serves, good or bad, is reported and never raised."""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.probes.conftest import Authority, TlsServer
from toolkit.model.errors import InputError
from toolkit.model.verdict import Verdict
from toolkit.probes.https import get_health
from toolkit.probes.tls import TlsResult, _served_chain, handshake, observe

NAME = "support.example.net"


def _seen(server: TlsServer, authority: Authority, name: str = NAME) -> TlsResult:
    return observe("127.0.0.1", server.port, server_name=name, anchors=[authority.pem])


def test_a_good_chain_is_accepted_and_its_fingerprint_told(tls_server: TlsServer, authority: Authority) -> None:
    seen = _seen(tls_server, authority)
    assert (seen.verdict, seen.verified, seen.problem, seen.version) == (Verdict.PASSED, True, "", "TLSv1.3")
    der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", tls_server.port)))
    assert seen.sha256 == hashlib.sha256(der).hexdigest() == seen.chain[0].sha256
    assert seen.chain[0].names == (NAME,)


def test_another_name_is_reported(tls_server: TlsServer, authority: Authority) -> None:
    seen = _seen(tls_server, authority, "other.example.net")
    assert (seen.verdict, seen.handshake, seen.verified) == (Verdict.FAILED, True, False)
    assert "it is for support.example.net, not for other.example.net" in seen.problem


def test_a_wildcard_over_a_whole_top_level_domain_is_no_name(
    tls_server: TlsServer, authority: Authority, tmp_path: Path
) -> None:
    tls_server.use(authority.issue(tmp_path, "*.net"))
    seen = _seen(tls_server, authority, "example.net")
    assert (seen.verdict, seen.problem) == (Verdict.FAILED, "it is for *.net, not for example.net")
    tls_server.use(authority.issue(tmp_path, "*.example.net"))
    assert _seen(tls_server, authority).verdict is Verdict.PASSED
    assert _seen(tls_server, authority, "a.b.example.net").verdict is Verdict.FAILED


def test_what_is_no_name_is_said_before_anything_is_sent() -> None:
    with pytest.raises(InputError, match="is not a host name"):
        observe("192.0.2.1", server_name="not a name")


class ConnectionOfAnotherPython:
    """One that keeps the chain somewhere else."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self.getpeercert = connection.getpeercert


def test_where_python_hides_the_chain_the_leaf_is_still_seen(tls_server: TlsServer) -> None:
    with handshake("127.0.0.1", tls_server.port, server_name=NAME) as connection:
        hidden = cast(ssl.SSLSocket, ConnectionOfAnotherPython(connection))
        assert _served_chain(hidden) == _served_chain(connection) == [connection.getpeercert(binary_form=True)]


def test_an_expired_certificate_is_reported(tls_server: TlsServer, authority: Authority, tmp_path: Path) -> None:
    tls_server.use(authority.issue(tmp_path, NAME, days=(-30, -2)))
    seen = _seen(tls_server, authority)
    assert seen.verdict is Verdict.FAILED
    assert "expired" in seen.problem
    tls_server.use(authority.issue(tmp_path, NAME, days=(2, 30)))
    assert "valid only from" in _seen(tls_server, authority).problem


def test_a_chain_to_nobody_known_is_reported(tls_server: TlsServer) -> None:
    stranger = _seen(tls_server, Authority())
    assert "no chain to a trust anchor" in stranger.problem
    system = observe("127.0.0.1", tls_server.port, server_name=NAME)
    assert system.verdict is Verdict.FAILED


def test_a_pinned_leaf_is_trusted_as_a_box_of_its_own(tls_server: TlsServer) -> None:
    served = observe("127.0.0.1", tls_server.port, server_name=NAME, verify=False)
    assert served.verdict is Verdict.UNKNOWN
    pinned = observe("127.0.0.1", tls_server.port, server_name=NAME, anchors=[served.chain[0].pem.encode()])
    assert pinned.verdict is Verdict.PASSED


@pytest.mark.parametrize(("asked", "spoken"), [("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")])
def test_a_version_can_be_asked_for(tls_server: TlsServer, asked: str, spoken: str) -> None:
    seen = observe("127.0.0.1", tls_server.port, version=asked, verify=False)  # type: ignore[arg-type]
    assert seen.version == spoken


@pytest.fixture
def old_server(authority: Authority, tmp_path: Path) -> Iterator[TlsServer]:
    server = TlsServer(authority.issue(tmp_path, NAME), maximum=ssl.TLSVersion.TLSv1_2)
    yield server
    server.end()


def test_a_server_that_cannot_speak_the_version_is_a_failure(old_server: TlsServer) -> None:
    seen = observe("127.0.0.1", old_server.port, version="1.3")
    assert (seen.verdict, seen.handshake) == (Verdict.FAILED, False)
    assert "TLS" in seen.problem


def test_no_server_and_a_server_without_tls_are_failures_and_no_errors() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        silent = observe("127.0.0.1", port, timeout_s=0.2)
        assert (silent.verdict, silent.handshake) == (Verdict.FAILED, False)
        assert "in time" in silent.problem
        assert get_health("127.0.0.1", port, timeout_s=0.2).verdict is Verdict.FAILED
    assert "refused" in observe("127.0.0.1", port).problem
    assert "refused" in get_health("127.0.0.1", port).problem


def test_an_anchor_that_is_none_is_wrong_input(tls_server: TlsServer) -> None:
    with pytest.raises(InputError, match="trust anchor"):
        observe("127.0.0.1", tls_server.port, anchors=[b"nonsense"])


def test_health_is_the_status_beside_the_certificate(tls_server: TlsServer) -> None:
    healthy = get_health("127.0.0.1", tls_server.port, server_name=NAME)
    assert (healthy.verdict, healthy.status) == (Verdict.PASSED, 200)
    assert healthy.sha256 == observe("127.0.0.1", tls_server.port, server_name=NAME, verify=False).sha256
    tls_server.status = 503
    ill = get_health("127.0.0.1", tls_server.port, server_name=NAME)
    assert (ill.verdict, ill.status, ill.sha256) == (Verdict.FAILED, 503, healthy.sha256)
