"""A watch from another machine by SSH: a real connection, a plain Python over there, and what it measures kept here."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from tests.media.ssh_server import Listening, ssh_server
from tests.probes.conftest import Authority, TlsServer, wait_until
from toolkit.media.agent_archive import WATCH
from toolkit.media.ssh import fingerprint
from toolkit.model.errors import ReboxError, UnreachableError, VerificationError
from toolkit.model.vantage import SshVantagePoint
from toolkit.probes.watch import Watch, WatchRequest
from toolkit.traffic.far_watch import FarVantagePoint

NAME = "support.example.net"
LONG_S = 60.0


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ssh") / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(path))
    return path


@pytest.fixture
def server(key_file: Path) -> Iterator[Listening]:
    with ssh_server(paramiko.PKey.from_path(key_file)) as listening:
        yield listening


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[TlsServer]:
    server = TlsServer(Authority().issue(tmp_path, NAME))
    yield server
    server.end()


@pytest.fixture
def plain() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield listener


def place(server: Listening, key_file: Path, **other: object) -> FarVantagePoint:
    known = fingerprint(server.host_key.asbytes())
    told = {"driver": "ssh", "name": "branch", "address": "127.0.0.1", "port": server.port, "key_file": "key"}
    return FarVantagePoint(SshVantagePoint.model_validate({**told, "host_key": known, **other}), key_file)


def request(plain: socket.socket) -> WatchRequest:
    return WatchRequest(
        address="127.0.0.1",
        vantage_point="branch",
        icmp_interval_ms=5.0,
        tcp_port=plain.getsockname()[1],
        tcp_interval_ms=20.0,
        capture=False,
        max_seconds=LONG_S,
    )


def answered(watch: Watch, method: str) -> int:
    return watch.result().methods[method].answered if method in watch.result().methods else 0


def test_what_is_sent_there_needs_nothing_but_pythons_own_library(tmp_path: Path) -> None:
    (tmp_path / "sent.zip").write_bytes(WATCH.archive().partition(b"\n")[2])
    import_all = (
        "import sys; sys.path[:0] = [sys.argv[1]]; import toolkit.probes.watch.far, toolkit.probes.watch.https, "
        "toolkit.probes.watch.held; print(sorted(name for name in sys.modules if name.startswith('pydantic')))"
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", "-c", import_all, str(tmp_path / "sent.zip")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_it_watches_from_there_by_our_clock(
    server: Listening, key_file: Path, plain: socket.socket, tls_server: TlsServer, tmp_path: Path
) -> None:
    asked = request(plain).model_copy(
        update={"https_name": NAME, "https_port": tls_server.port, "https_interval_ms": 100.0}
    )
    began = time.monotonic()
    watch = place(server, key_file).start(asked, tmp_path / "w")
    wait_until(lambda: all(answered(watch, method) > 20 for method in ("icmp", "tcp", "https")), 30)
    seen = watch.stop()
    passed_ms = (time.monotonic() - began) * 1000
    assert (seen.ended, seen.problems, seen.request.vantage_point) == ("stopped", (), "branch")
    for method in seen.methods.values():
        assert 0 <= method.last_ms <= passed_ms
        assert method.unwatched == ()
    assert seen.methods["icmp"].lost == seen.methods["tcp"].lost == 0
    assert len(seen.certificates) == 1
    assert seen.clock_error_ms is not None
    assert 0 < seen.clock_error_ms < 500


def test_a_connection_that_is_lost_is_made_anew_and_the_time_between_was_not_watched(
    server: Listening, key_file: Path, plain: socket.socket, tmp_path: Path
) -> None:
    watch = place(server, key_file).start(request(plain), tmp_path / "w")
    wait_until(lambda: answered(watch, "icmp") > 100, 30)
    before = answered(watch, "icmp")
    server.connections[-1].close()
    wait_until(lambda: answered(watch, "icmp") > before + 200, 30)
    seen = watch.stop()
    (pause,) = seen.methods["icmp"].unwatched
    assert pause.end_ms - pause.start_ms > 1500
    assert seen.methods["icmp"].lost == 0
    assert seen.ended == "stopped"


def test_a_machine_that_cannot_be_reached_is_refused_at_the_start(
    server: Listening, key_file: Path, plain: socket.socket, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(UnreachableError, match="the vantage point branch does not answer by SSH"):
        place(server, key_file, port=port).start(request(plain), tmp_path / "a")
    with pytest.raises(VerificationError, match="another machine answers by SSH"):
        place(server, key_file, host_key="SHA256:" + "A" * 43).start(request(plain), tmp_path / "b")
    other = tmp_path / "other"
    paramiko.ECDSAKey.generate().write_private_key_file(str(other))
    with pytest.raises(ReboxError, match="does not let us in by SSH"):
        place(server, other).start(request(plain), tmp_path / "c")
    assert not any((tmp_path / name).exists() for name in "abc"), "another try finds nothing in its way"
