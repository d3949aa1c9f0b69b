"""The way over a router: its hops, and the largest packet that passes."""

import pytest

from tests.probes.conftest import Chain, Link
from toolkit.model.verdict import Verdict
from toolkit.probes.mtu import discover
from toolkit.probes.path import trace


@pytest.mark.parametrize("method", ["udp", "icmp"])
@pytest.mark.parametrize(("far", "router"), [("10.2.0.1", "10.1.0.254"), ("fd00:2::1", "fd00:1::254")])
def test_every_router_on_the_way_is_named(chain: Chain, method: str, far: str, router: str) -> None:
    seen = chain.prober.call(lambda: trace(far, method=method))  # type: ignore[arg-type]
    assert [hop.address for hop in seen.hops] == [router, far]
    assert (seen.verdict, seen.reached, seen.summary) == (Verdict.PASSED, True, f"{far} is 2 hops away")


def test_a_neighbour_is_one_hop_away(chain: Chain) -> None:
    assert chain.prober.call(lambda: trace("10.1.0.254")).summary == "10.1.0.254 is 1 hop away"


def test_a_router_without_a_way_on_says_so(chain: Chain) -> None:
    seen = chain.prober.call(lambda: trace("10.99.0.1"))
    assert seen.verdict is Verdict.FAILED
    assert seen.hops[-1].address == "10.1.0.254"


def test_a_destination_that_keeps_silent_is_unknown_with_the_last_hop_named(chain: Chain) -> None:
    chain.far.run("ip", "route", "replace", "blackhole", "10.1.0.0/24")
    seen = chain.prober.call(lambda: trace("10.2.0.1", hops_max=3, tries=1, timeout_s=0.1))
    assert (seen.verdict, seen.reached) == (Verdict.UNKNOWN, False)
    assert "10.1.0.254" in seen.summary


@pytest.mark.parametrize("far", ["10.2.0.1", "fd00:2::1"])
def test_the_narrow_link_and_the_router_that_names_it_are_found(chain: Chain, far: str) -> None:
    assert chain.prober.call(lambda: discover(far)).mtu == 1500
    chain.router.run("ip", "link", "set", "far0", "mtu", "1400")
    chain.far.run("ip", "link", "set", "eth0", "mtu", "1400")
    seen = chain.prober.call(lambda: discover(far))
    assert (seen.verdict, seen.mtu, seen.interface_mtu, seen.black_hole) == (Verdict.PASSED, 1400, 1500, False)
    assert seen.told_by == ("10.1.0.254" if "." in far else "fd00:1::254")


def test_a_link_that_swallows_large_packets_without_a_word_is_a_black_hole(chain: Chain) -> None:
    # the router does not know that the far end of its cable takes less (a veth still passes a VLAN tag's 4 bytes)
    chain.far.run("ip", "link", "set", "eth0", "mtu", "1400")
    seen = chain.prober.call(lambda: discover("10.2.0.1", tries=1, timeout_s=0.1))
    assert seen.mtu is not None
    assert 1400 <= seen.mtu <= 1404
    assert (seen.black_hole, seen.told_by) == (True, None)
    assert "black hole" in seen.summary


def test_without_any_answer_the_mtu_is_unknown(link: Link) -> None:
    seen = link.prober.call(lambda: discover("10.77.0.99", tries=1, timeout_s=0.1))
    assert (seen.verdict, seen.mtu) == (Verdict.UNKNOWN, None)
