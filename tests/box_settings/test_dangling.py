"""What would point at nothing on the new box is found all at once, before anything is carried."""

from typing import Any

from tests.box_settings.boxes import SHARED, address, certificate, new_box, old_box, port
from toolkit.box_settings.captured import BoxSettings
from toolkit.box_settings.carrying import carry
from toolkit.box_settings.dangling import Dangling, find_dangling
from toolkit.box_settings.interface_map import read_interface_map
from toolkit.box_settings.proposal import propose
from toolkit.model.box import NetworkRoute

ALONE: dict[str, Any] = {"interfaces": (port("ens3", 0x22),), "addresses": (address("ens3", "10.77.0.22/24"),)}
"""A new box with a front network only."""


def found(old: BoxSettings, new: BoxSettings, text: str = "", *, swing: str | None = "ens3") -> tuple[Dangling, ...]:
    table = read_interface_map(text, "map.toml", old, new) if text else propose(old, new)
    return find_dangling(old, table, carry(old, new, table), swing_interface=swing)


def test_where_every_interface_has_its_counterpart_nothing_dangles() -> None:
    assert found(old_box(), new_box()) == ()


def test_an_interface_without_a_counterpart_takes_all_that_hangs_on_it_along() -> None:
    old = old_box(certificates=(certificate("admin.example.net", "10.78.0.21"), certificate("other", "10.77.0.21")))
    told = found(old, new_box(**ALONE))
    assert [(one.what, one.where) for one in told] == [
        ("address 10.78.0.21", "eth1 of the old box"),
        ("certificate admin.example.net", "assigned to 10.78.0.21 on the old box"),
        ("route to 10.200.0.0/16", "by 10.78.0.1"),
        ("DNS server 10.78.0.53", "Networking > IP Configuration"),
    ]
    assert "eth1 has no counterpart" in told[0].why
    assert "eth1, by which the old box reaches 10.78.0.1, has no counterpart" in told[2].why
    assert "beside eth1 of the old box" in told[3].why
    for one in told:
        assert "leave" in one.next_move
        assert str(one).startswith(one.what)


def test_what_is_meant_to_stay_behind_does_not_dangle() -> None:
    text = """
        leave = ["10.78.0.21", "10.200.0.0/16", "10.78.0.53"]
        [[interface]]
        old = "eth0"
        new = "ens3"
        [[interface]]
        old = "eth1"
    """
    old = old_box(certificates=(certificate("admin.example.net", "10.78.0.21"),))
    new = new_box(**ALONE)
    # the NTP server that was reached by the route is reached by the gateway now
    assert found(old, new, text) == ()
    carried = carry(old, new, read_interface_map(text, "map.toml", old, new))
    assert (carried.network.routes, carried.network.dns_servers) == ((), ("10.77.0.3",))


def test_a_counterpart_in_another_network_leaves_gateways_and_servers_dangling() -> None:
    moved = new_box(addresses=(address("ens3", "10.77.0.22/24"), address("ens4", "10.90.0.22/24")))
    assert {one.what for one in found(old_box(), moved)} == {"route to 10.200.0.0/16", "DNS server 10.78.0.53"}


def test_a_counterpart_without_an_address_is_no_place() -> None:
    told = found(old_box(), new_box(addresses=(address("ens3", "10.77.0.22/24"),)))
    assert told[0].why == "ens4, the counterpart of eth1, gets no address"


def test_a_shared_address_must_arrive_where_the_inventory_says() -> None:
    (told,) = found(old_box(), new_box(), swing="ens4")[:1]
    assert told.what == f"shared address {SHARED}"
    assert "the table says ens3, and the inventory's new.interface says ens4" in told.why
    assert found(old_box(), new_box(), swing=None) == ()


def test_a_shared_address_that_is_disabled_now_would_dangle_too() -> None:
    old = old_box(
        addresses=(address("eth0", "10.77.0.21/24"), address("eth1", "10.78.0.9/24", shared=True, enabled=False))
    )
    assert "shared address 10.78.0.9" in {one.what for one in found(old, new_box(**ALONE))}


def test_an_address_that_was_switched_off_is_not_missed() -> None:
    old = old_box(
        addresses=(address("eth0", "10.77.0.21/24"), address("eth1", "10.78.0.21/24", enabled=False)),
        routes=(),
        dns_servers=(),
    )
    assert found(old, new_box(**ALONE)) == ()


def test_the_default_route_dangles_when_nothing_is_next_to_it() -> None:
    elsewhere = new_box(interfaces=(port("ens3", 0x22),), addresses=(address("ens3", "10.90.0.22/24"),), gateway=None)
    told = {one.what: one.why for one in found(old_box(routes=(), interfaces=(port("eth0", 1),)), elsewhere)}
    assert told["default route"] == "no interface of the new box is in a network with 10.77.0.1"
    assert told["NTP server 10.200.0.123"] == "no route of the new box leads there"


def test_a_server_behind_a_route_that_is_carried_is_reached() -> None:
    old = old_box(gateway=None, ntp_servers=("10.200.0.123", "fd00::1"))
    new = new_box(gateway=None)
    assert [one.what for one in found(old, new)] == ["NTP server fd00::1"]
    assert NetworkRoute(destination="10.200.0.0/16", gateway="10.78.0.1") in (
        carry(old, new, propose(old, new)).network.routes or ()
    )
