"""Many hosts and many ports: everybody who answers is found, and nobody else."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import IPv6

from benchmarks.arena import Host
from tests.probes.conftest import Link
from toolkit.model.errors import InputError
from toolkit.model.verdict import Verdict
from toolkit.probes.ports import ports_of, sweep_ports, syn_segments
from toolkit.probes.sweep import hosts_listed, hosts_of, requests, sweep_hosts


@pytest.fixture
def crowd(link: Link) -> Link:
    """The old box answers for 10.78.0.0/22 and fd00:78::/112."""
    link.old.run("ip", "route", "add", "local", "10.78.0.0/22", "dev", "lo")
    link.old.run("ip", "-6", "route", "add", "local", "fd00:78::/112", "dev", "lo")
    link.prober.run("ip", "route", "add", "10.78.0.0/16", "via", "10.77.0.2")
    link.prober.run("ip", "-6", "route", "add", "fd00:78::/64", "via", "fd00:77::2")
    return link


def test_every_one_of_a_thousand_hosts_is_found_and_no_other(crowd: Link) -> None:
    crowd.old.run("ip", "route", "add", "blackhole", "10.78.4.0/24")
    hosts = hosts_of(["10.78.0.0/22"])
    dead = hosts_of(["10.78.4.0/28"])
    seen = crowd.prober.call(lambda: sweep_hosts([*dead, *hosts], timeout_s=0.3))
    assert seen.answered == tuple(hosts)
    assert seen.silent == tuple(dead)
    assert (seen.verdict, seen.asked, seen.unsent) == (Verdict.FAILED, len(hosts) + len(dead), ())


def test_in_a_network_somebody_must_answer_of_those_listed_everybody(crowd: Link) -> None:
    crowd.old.run("ip", "route", "add", "blackhole", "10.78.4.0/24")
    crowd.old.run("ip", "route", "add", "local", "10.78.4.7", "dev", "lo")

    def verdict_of(*texts: str) -> tuple[Verdict, str]:
        hosts, listed = hosts_of(texts), hosts_listed(texts)
        seen = crowd.prober.call(lambda: sweep_hosts(hosts, must_answer=listed, timeout_s=0.2, retries=0))
        return seen.verdict, seen.summary

    assert verdict_of("10.78.4.0/28") == (Verdict.PASSED, "1 of 14 hosts answer")
    assert verdict_of("10.78.4.0/28", "10.78.4.7") == (Verdict.PASSED, "1 of 14 hosts answer")
    assert verdict_of("10.78.4.0/28", "10.78.4.8") == (Verdict.FAILED, "1 of 14 hosts answer")
    assert verdict_of("10.78.4.7", "10.78.4.8") == (Verdict.FAILED, "1 of 2 hosts answer")
    assert verdict_of("10.78.4.16/28") == (Verdict.FAILED, "0 of 14 hosts answer")


def test_ipv6_hosts_are_swept_as_well(crowd: Link) -> None:
    hosts = [f"fd00:78::{number:x}" for number in range(1, 400)]
    assert crowd.prober.call(lambda: sweep_hosts(hosts)).verdict is Verdict.PASSED


def test_a_host_to_whom_the_kernel_does_not_send_is_unknown(crowd: Link) -> None:
    seen = crowd.prober.call(lambda: sweep_hosts(["10.78.0.1", "192.0.2.1"], timeout_s=0.1))
    assert (seen.verdict, seen.answered, seen.unsent) == (Verdict.UNKNOWN, ("10.78.0.1",), ("192.0.2.1",))


def test_the_requests_made_by_arithmetic_are_what_scapy_would_have_built() -> None:
    for number, request in enumerate(requests(70, 4, 0xABCD, 5)):
        assert request == bytes(ICMP(id=0xABCD, seq=number) / bytes(5))
    last = list(requests(65536, 4, 0xFFFF, 56))[-1]
    assert last == bytes(ICMP(id=0xFFFF, seq=65535) / bytes(56))


@contextlib.contextmanager
def _listening(host: Host, ports: list[int]) -> Iterator[None]:
    script = (
        "import socket, sys\n"
        "kept = [socket.create_server(('::', int(p)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)"
        " for p in sys.argv[1:]]\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [*host.prefix, sys.executable, "-c", script, *map(str, ports)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield
        server.communicate()


def test_every_open_port_is_found_and_no_closed_one(crowd: Link) -> None:
    opened = [22, 443, 1000, 1001, 1999]
    with _listening(crowd.old, opened):
        seen = crowd.prober.call(
            lambda: sweep_ports(hosts_of(["10.78.0.1", "10.78.1.0/30"]), ports_of("22,443,1000-2000"))
        )
        six = crowd.prober.call(lambda: sweep_ports(["fd00:78::1"], ports_of("1-1100")))
    assert [host.address for host in seen.hosts] == ["10.78.0.1", "10.78.1.1", "10.78.1.2"]
    for host in seen.hosts:
        assert list(host.open) == opened
        assert len(host.closed) == 1003 - len(opened)
        assert host.filtered == ()
    assert seen.verdict is Verdict.PASSED
    assert six.hosts[0].open == (22, 443, 1000, 1001)


def test_a_silent_host_is_unknown(crowd: Link) -> None:
    crowd.old.run("ip", "route", "add", "blackhole", "10.78.4.0/24")
    seen = crowd.prober.call(lambda: sweep_ports(["10.78.4.1"], [22, 80], timeout_s=0.1, retries=1))
    assert seen.verdict is Verdict.UNKNOWN
    assert seen.hosts[0].filtered == (22, 80)


@pytest.mark.parametrize(("number", "port"), [(0, 1), (0xFFFFFF, 65535), (0x7FFFFE, 443)])
def test_the_segments_made_by_arithmetic_are_what_scapy_would_have_built(number: int, port: int) -> None:
    segment = syn_segments(40000, number, bytes([10, 0, 0, 1]), bytes([255, 254, 253, 252]))(port)
    wanted = IP(src="10.0.0.1", dst="255.254.253.252") / TCP(sport=40000, dport=port, seq=number + port, window=64240)
    assert segment == bytes(wanted)[20:]
    six = IPv6() / TCP(sport=40000, dport=port, seq=number + port, window=64240, chksum=0)
    assert syn_segments(40000, number, b"", b"")(port) == bytes(six)[40:]


@pytest.mark.parametrize("text", ["0", "65536", "20-10", "http", "", "1,,2"])
def test_wrong_ports_are_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        ports_of(text)
    assert caught.value.next_move


def test_a_range_the_wrong_way_round_is_told_from_a_port_that_is_none() -> None:
    with pytest.raises(InputError, match="larger port") as caught:
        ports_of("80-20")
    assert "20-80" in caught.value.next_move


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.0/8", "host"])
def test_wrong_networks_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        hosts_of([text])


def test_an_empty_or_a_mixed_sweep_is_refused() -> None:
    for addresses in ([], ["10.0.0.1", "fd00::1"]):
        with pytest.raises(InputError):
            sweep_hosts(addresses)
        with pytest.raises(InputError):
            sweep_ports(addresses, [80])
