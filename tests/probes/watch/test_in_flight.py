"""Attempts that were under way when the network failed: a cable that is pulled for a moment, and a swing."""

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.probes.conftest import SHARED, Authority, Link, wait_until
from toolkit.probes.announce import Announcement
from toolkit.probes.watch import Watch, WatchRequest

NAME = "support.example.net"
LONG_S = 60.0

_SERVER = """
import socket, ssl, sys, threading, time
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
listener = socket.create_server(("0.0.0.0", 443), backlog=1024)
print("ready", flush=True)
def serve(caller):
    try:
        with context.wrap_socket(caller, server_side=True) as connection:
            while data := connection.recv(4096):
                time.sleep(0.02)
                connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nOK")
                if b"close" in data:
                    return
    except OSError:
        pass
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.fixture
def watch(link: Link, authority: Authority, tmp_path: Path) -> Iterator[Watch]:
    """A watch by TCP and HTTPS of two servers, the old one has the address; each takes 20 ms and keeps connections."""
    certificate = authority.issue(tmp_path, NAME)
    link.give(link.old)
    with ExitStack() as servers:
        for host in (link.old, link.new):
            command = [*host.prefix, sys.executable, "-c", _SERVER, str(certificate)]
            server = servers.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            servers.callback(server.kill)
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
        request = WatchRequest(
            address=SHARED, tcp_port=443, https_name=NAME, https_interval_ms=50, max_seconds=LONG_S, capture=False
        )
        started = Watch.start(request, tmp_path / "w", prefix=link.prober.prefix)
        wait_until(lambda: all(seen.answered > 20 for seen in started.result().methods.values()), 20)
        wait_until(lambda: bool(started.result().held))
        yield started
        started.stop()


def pull_cable(link: Link, seconds: float) -> float:
    """Nothing reaches the old box for about so long; returns the milliseconds it may have been."""
    began = time.monotonic()
    link.old.ip("link set eth0 down")
    time.sleep(seconds)
    link.old.ip("link set eth0 up")
    return (time.monotonic() - began) * 1000


def test_a_lost_syn_hangs_for_a_second_though_nobody_new_was_kept_out_for_longer_than_the_cable(
    link: Link, watch: Watch
) -> None:
    lasted_ms = pull_cable(link, 0.3)
    wait_until(lambda: watch.result().methods["tcp"].delayed > 10)
    time.sleep(1.2)
    tcp = watch.stop().methods["tcp"]
    assert 280 < tcp.gap_ms_max < lasted_ms + 100
    # the kernel sends a SYN again after a second (RFC 6298), and that is how long users hang
    assert 900 < tcp.hung_ms_max < 1700
    assert 15 < tcp.delayed + tcp.cut <= lasted_ms / 10 + 20


def test_a_request_that_was_under_way_is_told_with_how_long_it_hung(link: Link, watch: Watch) -> None:
    before = watch.result().methods["https"]
    lasted_ms = pull_cable(link, 0.21)
    wait_until(lambda: watch.result().methods["https"].delayed > before.delayed)
    time.sleep(1.2)
    https = watch.stop().methods["https"]
    assert https.delayed + https.cut >= before.delayed + before.cut + 2
    # what was lost is sent again, a SYN after 1 s, the rest after 200 ms and more (TCP_RTO_MIN)
    assert 200 < https.hung_ms_max < lasted_ms + 1500


def test_a_swing_cuts_what_was_under_way_and_what_was_held(link: Link, watch: Watch) -> None:
    held = watch.result().held[-1]
    link.take(link.old)
    time.sleep(0.21)
    link.give(link.new)
    link.new.call(lambda: Announcement("eth0", SHARED).send())
    wait_until(lambda: any(one.how not in {"not seen", "kept"} for one in watch.result().held), 15)
    wait_until(lambda: watch.result().held[-1].opened_ms > held.opened_ms, 15)
    time.sleep(1.0)
    result = watch.stop()
    https = result.methods["https"]
    # which of the two depends on how far an attempt was when the address went
    assert https.cut + https.delayed >= 1
    assert 100 < https.hung_ms_max < 6000
    (cut,) = [one for one in result.held if one.opened_ms == held.opened_ms]
    assert cut.how in {"reset", "closed"}, "the new box knows nothing of it"
    assert cut.ended_ms is not None
    assert 100 < cut.ended_ms - cut.answered_ms < 3000
    assert result.held[-1].how == "kept", "a new one was opened, and held to the end"


def test_a_service_that_closes_after_every_answer_holds_no_connection_and_was_not_cut(
    authority: Authority, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue(tmp_path, NAME))
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            caller, _ = listener.accept()
            try:
                with caller, context.wrap_socket(caller, server_side=True) as connection:
                    if connection.recv(4096):
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            except OSError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    request = WatchRequest(
        address="127.0.0.1",
        icmp_interval_ms=None,
        capture=False,
        https_name=NAME,
        https_port=listener.getsockname()[1],
        max_seconds=LONG_S,
    )
    watch = Watch.start(request, tmp_path / "w")
    wait_until(lambda: len([one for one in watch.result().held if one.how == "in order"]) == 3, 20)
    time.sleep(0.5)
    ended.set()
    held = watch.stop().held
    with socket.create_connection(listener.getsockname()):
        thread.join(10)
    listener.close()
    assert [one.how for one in held] == ["in order"] * 3, "no more are opened than tell it"
