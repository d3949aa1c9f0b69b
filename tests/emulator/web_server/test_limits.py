"""Nobody takes the server away from the others: limits in all and per address, and a time for everything."""

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.emulator.web_server.served import GOOD, Served, served, status
from toolkit.emulator.web_server.limits import Limits

HEAD = b"POST / HTTP/1.1\r\nHost: box\r\nContent-Length: 100000\r\n\r\n"


def closed_after(connection: socket.socket, seconds: float, drip: Callable[[], None] = lambda: None) -> float:
    """When the other side has hung up; fails when it has not after so many seconds."""
    began = time.monotonic()
    connection.settimeout(0.1)
    while time.monotonic() - began < seconds:
        try:
            drip()
            if not connection.recv(4096):
                return time.monotonic() - began
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - began
    pytest.fail(f"still open after {seconds} s")


def drips(connection: ssl.SSLSocket, byte: bytes) -> Callable[[], None]:
    return lambda: connection.sendall(byte)


def test_whoever_says_nothing_is_hung_up_on(tmp_path: Path) -> None:
    with served(tmp_path, Limits(silent_seconds=1)) as server, server.silent() as connection:
        assert closed_after(connection, 10) >= 0.9
        assert status(server.ask(GOOD)) == 200


def test_a_handshake_that_does_not_end_is_hung_up_on(tmp_path: Path) -> None:
    with served(tmp_path, Limits(handshake_seconds=1)) as server, server.silent() as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert closed_after(connection, 10) >= 0.9


@pytest.mark.parametrize("started", [b"", GOOD[:20]], ids=["no head", "half a head"])
def test_a_head_that_does_not_come_to_its_end_is_hung_up_on(tmp_path: Path, started: bytes) -> None:
    with served(tmp_path, Limits(header_seconds=1)) as server, server.tls() as connection:
        connection.sendall(started)
        assert closed_after(connection, 10) >= 0.9


def test_a_head_that_comes_byte_by_byte_is_hung_up_on(tmp_path: Path) -> None:
    with served(tmp_path, Limits(header_seconds=1)) as server, server.tls() as connection:
        connection.sendall(GOOD[:-2] + b"X: ")
        assert closed_after(connection, 10, drips(connection, b"a")) < 5
        assert server.requests.seen == []


def test_the_second_head_on_a_connection_has_its_time_too(tmp_path: Path) -> None:
    with served(tmp_path, Limits(header_seconds=1)) as server, server.tls() as connection:
        connection.sendall(GOOD)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.sendall(GOOD[:10])
        assert closed_after(connection, 10, drips(connection, b"a")) < 5


def test_a_body_that_comes_byte_by_byte_is_hung_up_on_and_a_fast_one_is_not(tmp_path: Path) -> None:
    limits = Limits(body_seconds=1, body_bytes_per_second_min=1000)
    with served(tmp_path, limits) as server, server.tls() as slow, server.tls() as fast:
        slow.sendall(HEAD)
        assert closed_after(slow, 10, drips(slow, b"a")) < 6
        fast.sendall(HEAD)
        for _ in range(20):  # longer than a body without a byte may take
            fast.sendall(bytes(5000))
            time.sleep(0.1)
        assert fast.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_connection_that_waits_between_requests_is_kept_for_its_time(tmp_path: Path) -> None:
    limits = Limits(silent_seconds=0.5, handshake_seconds=0.5, header_seconds=0.5, keep_alive_seconds=3)
    with served(tmp_path, limits) as server, server.tls() as connection:
        connection.sendall(GOOD)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        assert closed_after(connection, 10) > 2


def test_one_address_does_not_take_all_and_is_served_nevertheless(tmp_path: Path) -> None:
    with served(tmp_path, Limits(per_address_max=10)) as server, ExitStack() as stack:
        silent = [stack.enter_context(server.silent()) for _ in range(40)]
        assert status(server.ask(GOOD)) == 200, "the one that waited longest has made room"
        assert _open(silent) <= 10


def test_those_at_work_are_not_closed_for_a_new_one(tmp_path: Path) -> None:
    with served(tmp_path, Limits(per_address_max=3)) as server, ExitStack() as stack:
        working = [stack.enter_context(server.tls()) for _ in range(3)]
        for connection in working:
            connection.sendall(HEAD + bytes(50_000))
        _wait_until(lambda: len(server.requests.seen) == 3)
        with server.silent() as refused:
            assert closed_after(refused, 5) < 5, "there is no room, and it is told so at once"
        for connection in working:
            connection.sendall(bytes(50_000))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_the_limit_in_all_holds(tmp_path: Path) -> None:
    with served(tmp_path, Limits(connections_max=10)) as server, ExitStack() as stack:
        silent = [stack.enter_context(server.silent()) for _ in range(40)]
        assert status(server.ask(GOOD)) == 200
        assert _open(silent) <= 10


def _open(connections: list[socket.socket]) -> int:
    """How many of them the server has not closed."""
    for connection in connections:
        connection.setblocking(False)
    time.sleep(0.3)
    count = 0
    for connection in connections:
        try:
            connection.recv(1)
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_full_of_silent_connections_ends_in_good_order(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with served(tmp_path, Limits()) as server:
            silent = [stack.enter_context(server.silent()) for _ in range(100)]
            assert _serves(server)
        assert _open(silent) == 0


def _serves(server: Served) -> bool:
    return status(server.ask(GOOD)) == 200
