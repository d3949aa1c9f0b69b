"""What the new box is to be set to, and how the two compare afterwards."""

from tests.box_settings.boxes import accounts, address, new_box, old_box, port
from toolkit.box_settings.captured import BoxSettings
from toolkit.box_settings.carrying import Carried, as_wanted, carry
from toolkit.box_settings.comparison import Likeness, Row, compare
from toolkit.box_settings.interface_map import InterfaceMap, MappedInterface
from toolkit.box_settings.proposal import propose
from toolkit.model.box import NetworkRoute, OwnAddress, TlsSettings

STRICT = TlsSettings(minimum_version="TLSv1.3")


def carried(old: BoxSettings, new: BoxSettings, *, hostname: bool = False) -> Carried:
    return carry(old, new, propose(old, new), hostname=hostname)


def test_routes_servers_and_tls_are_carried_and_what_is_the_boxs_own_is_not() -> None:
    wanted = carried(old_box(tls=STRICT), new_box())
    assert wanted.tls == STRICT
    assert wanted.network.routes == old_box().network.routes
    assert wanted.network.dns_servers == ("10.78.0.53", "10.77.0.3")
    assert wanted.network.ntp_servers == ("ntp.example.net", "10.200.0.123")
    assert wanted.network.hostname == "new-1"
    assert wanted.addresses == as_wanted(new_box()).addresses
    assert not {one.address for one in wanted.addresses} & {one.address for one in old_box().network.addresses}


def test_the_host_name_is_carried_when_it_is_wanted() -> None:
    assert carried(old_box(), new_box(), hostname=True).network.hostname == "old-1"


def test_a_gateway_and_servers_that_only_the_new_box_has_stay() -> None:
    new = new_box(
        gateway="10.77.0.254",
        routes=(NetworkRoute(destination="10.9.0.0/16", gateway="10.77.0.1"),),
        dns_servers=("10.77.0.4",),
    )
    wanted = carried(old_box(dns_servers=()), new).network
    assert (wanted.gateway, wanted.dns_servers) == ("10.77.0.254", ("10.77.0.4",))
    assert [route.destination for route in wanted.routes or ()] == ["10.200.0.0/16", "10.9.0.0/16"]
    assert carried(old_box(), new_box(gateway=None)).network.gateway == "10.77.0.1"


def test_an_interface_that_stands_in_no_row_keeps_its_addresses() -> None:
    table = InterfaceMap(
        interface=(MappedInterface(old="eth0", new="ens3", addresses=("10.77.0.25/24",)), MappedInterface(old="eth1"))
    )
    assert carry(old_box(), new_box(), table).addresses == (
        OwnAddress(address="10.77.0.25", prefix=24, interface="ens3"),
        OwnAddress(address="10.78.0.22", prefix=24, interface="ens4"),
    )


def test_once_it_is_carried_there_is_nothing_left_to_carry() -> None:
    old, new = old_box(tls=STRICT), new_box()
    wanted = carried(old, new)
    network = new.network.model_copy(
        update={
            "routes": wanted.network.routes,
            "dns_servers": wanted.network.dns_servers,
            "ntp_servers": wanted.network.ntp_servers,
        }
    )
    after = new.model_copy(update={"network": network, "tls": wanted.tls})
    assert as_wanted(after) == wanted == carried(old, after)


# comparing


def rows(old: BoxSettings, new: BoxSettings) -> dict[str, Row]:
    table = propose(old, new)
    return {row.setting: row for row in compare(old, new, table, carry(old, new, table))}


def test_every_setting_is_compared_and_says_whether_it_is_meant_to_differ() -> None:
    told = rows(old_box(), new_box())
    assert {name: row.likeness for name, row in told.items()} == {
        "interface eth0": Likeness.MEANT,
        "interface eth1": Likeness.MEANT,
        "hostname": Likeness.MEANT,
        "gateway": Likeness.SAME,
        "routes": Likeness.DIFFERENT,
        "dns_servers": Likeness.DIFFERENT,
        "ntp_servers": Likeness.DIFFERENT,
        "addresses": Likeness.MEANT,
        "tls": Likeness.SAME,
        "clock_offset_seconds": Likeness.SAME,
        "admins": Likeness.SAME,
        "api_accounts": Likeness.SAME,
    }
    assert told["interface eth1"].new == "ens4 (02:77:00:00:00:32, link up): 10.78.0.22/24"


def test_an_account_that_is_missing_is_named_for_its_password_cannot_be_carried() -> None:
    told = rows(old_box(accounts=accounts("rebox", "crm")), new_box())["api_accounts"]
    assert (told.likeness, told.old, told.new) == (Likeness.DIFFERENT, ["rebox", "crm"], ["rebox"])
    assert told.why.startswith("make crm on the new box")


def test_a_wrong_clock_is_told_and_one_that_was_wrong_is_not_carried() -> None:
    assert rows(old_box(), new_box(clock=-90.0))["clock_offset_seconds"].likeness is Likeness.DIFFERENT
    assert rows(old_box(clock=-90.0), new_box())["clock_offset_seconds"].likeness is Likeness.MEANT


def test_a_cable_that_is_missing_is_told() -> None:
    told = rows(old_box(), new_box(interfaces=(port("ens3", 0x22), port("ens4", 0x32, link=False))))
    assert (told["interface eth1"].likeness, told["interface eth1"].why) == (Likeness.DIFFERENT, "ens4 has no link")


def test_an_interface_of_no_counterpart_is_shown_as_none() -> None:
    alone = new_box(interfaces=(port("ens3", 0x22),), addresses=(address("ens3", "10.77.0.22/24"),))
    assert rows(old_box(), alone)["interface eth1"].new is None
