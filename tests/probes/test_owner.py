"""Who owns an address, and whether one may be taken."""

import threading
from functools import partial

import pytest

from tests.probes.conftest import SHARED, SHARED_SIX, Chain, Link
from toolkit.model.errors import InputError, UnknownStateError
from toolkit.model.verdict import Verdict
from toolkit.probes.owner import check_duplicate, find_owners


@pytest.mark.parametrize("address", ["10.77.0.2", "fd00:77::2"])
def test_the_owner_is_named_by_its_mac(link: Link, address: str) -> None:
    seen = link.prober.call(lambda: find_owners(address, wait_s=0.4))
    assert seen.verdict is Verdict.PASSED
    assert seen.mac == link.old.address("eth0")
    assert seen.interface == "eth0"


@pytest.mark.parametrize("address", [SHARED, SHARED_SIX])
def test_two_boxes_that_answer_one_address_are_both_named(link: Link, address: str) -> None:
    link.give(link.old, address)
    link.give(link.new, address)
    seen = link.prober.call(lambda: find_owners(address, wait_s=0.6))
    assert seen.verdict is Verdict.FAILED
    assert seen.mac is None
    assert {owner.mac for owner in seen.owners} == {link.old.address("eth0"), link.new.address("eth0")}
    assert "split brain" in seen.summary


def test_an_address_of_nobody_has_no_owner(link: Link) -> None:
    seen = link.prober.call(lambda: find_owners("10.77.0.99", wait_s=0.3))
    assert seen.verdict is Verdict.FAILED
    assert seen.owners == ()


def test_an_address_beyond_a_gateway_is_refused_for_its_mac_would_be_the_gateways(chain: Chain) -> None:
    with pytest.raises(InputError, match=r"gateway 10\.1\.0\.254"):
        chain.prober.call(lambda: find_owners("10.2.0.1", wait_s=0.2))


def test_the_own_address_cannot_be_asked_from_here(link: Link) -> None:
    with pytest.raises(UnknownStateError, match="own address"):
        link.old.call(lambda: find_owners("10.77.0.2", wait_s=0.2))


@pytest.mark.parametrize("address", [SHARED, SHARED_SIX])
def test_an_address_may_be_taken_only_while_nobody_holds_it(link: Link, address: str) -> None:
    check = partial(check_duplicate, address, "eth0", wait_s=0.5)
    assert link.new.call(check).verdict is Verdict.PASSED
    link.give(link.old, address)
    taken = link.new.call(check)
    assert taken.verdict is Verdict.FAILED
    assert [holder.mac for holder in taken.holders] == [link.old.address("eth0")]
    assert link.old.address("eth0") in taken.summary


def test_the_box_that_hands_the_address_over_may_still_hold_it(link: Link) -> None:
    link.give(link.old)
    allowed = [link.old.address("eth0").upper()]
    assert link.new.call(lambda: check_duplicate(SHARED, "eth0", allowed=allowed, wait_s=0.4)).verdict is Verdict.PASSED
    link.give(link.prober)
    both = link.new.call(lambda: check_duplicate(SHARED, "eth0", allowed=allowed, wait_s=0.4))
    assert both.verdict is Verdict.FAILED
    assert link.prober.address("eth0") in both.summary


def test_checking_for_duplicates_changes_nobodys_table(link: Link) -> None:
    link.give(link.old)
    link.prober.run("ping", "-c1", "-W2", SHARED)
    link.new.call(lambda: check_duplicate(SHARED, "eth0", wait_s=0.3))
    assert link.old.address("eth0") in link.prober.run("ip", "neigh", "show", SHARED).stdout


def test_two_hosts_that_want_the_same_address_at_once_see_each_other(link: Link) -> None:
    seen = []
    # the other one's probes are longer, so that they overlap whoever starts first
    other = threading.Thread(
        target=lambda: seen.append(link.old.call(partial(check_duplicate, SHARED, "eth0", wait_s=4)))
    )
    other.start()
    mine = link.new.call(lambda: check_duplicate(SHARED, "eth0", wait_s=4))
    other.join()
    assert {mine.verdict, seen[0].verdict} == {Verdict.FAILED}


def test_nothing_can_be_checked_on_a_link_that_is_down(link: Link) -> None:
    link.new.run("ip", "link", "set", "eth0", "down")
    with pytest.raises(UnknownStateError, match="eth0 is down"):
        link.new.call(lambda: check_duplicate(SHARED, "eth0"))


def test_an_unknown_interface_and_a_wrong_address_are_told(link: Link) -> None:
    with pytest.raises(InputError, match="no interface 'eth9'"):
        link.new.call(lambda: check_duplicate(SHARED, "eth9"))
    with pytest.raises(InputError, match="not an IP address"):
        check_duplicate("10.77.0", "eth0")
