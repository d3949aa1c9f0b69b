"""What an announcement changes in the tables of others."""

import json

import pytest

from tests.probes.conftest import SHARED, SHARED_SIX, Link, wait_until
from toolkit.model.errors import InputError, UnreachableError
from toolkit.probes.announce import announce


def _neighbour(link: Link, address: str) -> str:
    found = json.loads(link.prober.run("ip", "-j", "neigh", "show", address).stdout)
    return str(found[0].get("lladdr", "")) if found else ""


@pytest.mark.parametrize("address", [SHARED, SHARED_SIX])
def test_an_announcement_moves_the_address_in_every_neighbours_table(link: Link, address: str) -> None:
    link.give(link.old, address)
    link.prober.run("ping", "-c1", "-W2", address)
    assert _neighbour(link, address) == link.old.address("eth0")
    link.take(link.old, address)
    link.give(link.new, address)
    link.new.call(lambda: announce("eth0", address, count=1))
    wait_until(lambda: _neighbour(link, address) == link.new.address("eth0"), 2)
    link.prober.run("ping", "-c1", "-W2", address)


def test_announcing_for_another_box_leaves_the_switch_alone(link: Link) -> None:
    link.give(link.new)
    link.prober.run("ping", "-c1", "-W2", SHARED)
    place = link.new.address("eth0")
    # the old box speaks for the new one; traffic to the new one must still arrive there
    assert link.old.call(lambda: announce("eth0", SHARED, place, count=2, interval_s=0.01)) == 4
    assert _neighbour(link, SHARED) == place
    link.prober.run("ping", "-c1", "-W2", SHARED)


def test_what_cannot_be_announced_is_told(link: Link) -> None:
    with pytest.raises(InputError, match="not a MAC"):
        link.new.call(lambda: announce("eth0", SHARED, "02:00:00"))
    link.new.run("ip", "link", "set", "eth0", "down")
    with pytest.raises(UnreachableError, match="could not be announced"):
        link.new.call(lambda: announce("eth0", SHARED))
