"""Echo requests and whole connections to one address."""

import socket
from functools import partial

import pytest

from tests.probes.conftest import Link
from toolkit.model.errors import InputError
from toolkit.model.verdict import Verdict
from toolkit.probes.echo import echo
from toolkit.probes.tcp import connect


@pytest.mark.parametrize("address", ["10.77.0.2", "fd00:77::2"])
def test_a_host_that_is_there_answers(link: Link, address: str) -> None:
    seen = link.prober.call(lambda: echo(address, count=3, interval_s=0.01))
    assert (seen.verdict, seen.sent, seen.answered) == (Verdict.PASSED, 3, 3)
    assert seen.rtt_ms_min is not None
    assert 0 < seen.rtt_ms_min < 1000


def test_it_works_without_raw_sockets_where_the_system_allows_ping_sockets(link: Link) -> None:
    link.prober.set("net.ipv4.ping_group_range", "0 0")
    for address in ("10.77.0.2", "fd00:77::2"):
        assert link.prober.call(partial(echo, address, count=2, interval_s=0.01)).answered == 2


def test_a_host_that_is_not_there_is_a_failure_and_no_error(link: Link) -> None:
    seen = link.prober.call(lambda: echo("10.77.0.99", count=1, timeout_s=0.2))
    assert (seen.verdict, seen.answered, seen.rtt_ms_max) == (Verdict.FAILED, 0, None)
    nowhere = link.prober.call(lambda: echo("192.0.2.1", count=1, timeout_s=0.2))
    assert nowhere.verdict is Verdict.FAILED
    assert "unreachable" in nowhere.summary


def test_a_port_is_open_closed_or_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        opened = connect("127.0.0.1", port)
        assert (opened.verdict, opened.state) == (Verdict.PASSED, "open")
    closed = connect("127.0.0.1", port)
    assert (closed.verdict, closed.state, closed.connect_ms) == (Verdict.FAILED, "closed", None)


def test_a_host_without_a_route_is_unreachable_and_a_silent_one_filtered(link: Link) -> None:
    assert link.prober.call(lambda: connect("192.0.2.1", 80, timeout_s=0.2)).state == "unreachable"
    assert link.prober.call(lambda: connect("10.77.0.99", 80, timeout_s=0.2)).state == "filtered"


def test_a_name_is_no_address() -> None:
    with pytest.raises(InputError, match="not an IP address"):
        echo("support.example.net")
