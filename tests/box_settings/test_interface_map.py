"""The table people edit: read with line and reason, proposed where it can be told, and never guessed."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.box_settings.boxes import address, new_box, old_box, port, settings
from toolkit.box_settings.captured import BoxSettings
from toolkit.box_settings.interface_map import InterfaceMap, own_addresses, read_interface_map
from toolkit.box_settings.proposal import propose, write_map
from toolkit.model.errors import InputError

OLD, NEW = old_box(), new_box()
GOOD = """\
leave = ["10.200.0.123"]

[[interface]]
old = "eth0"
old_mac = "02:77:00:00:00:21"
new = "ens3"

[[interface]]
old = "eth1"
new = "ens4"
addresses = ["10.78.0.25/24", "fd78::25/64"]
"""


def read(text: str) -> InterfaceMap:
    return read_interface_map(text, "map.toml", OLD, NEW)


def test_a_row_says_which_interface_becomes_which_and_with_which_addresses() -> None:
    table = read(GOOD)
    assert [(row.old, row.new) for row in table.interface] == [("eth0", "ens3"), ("eth1", "ens4")]
    assert table.interface[0].addresses == ("10.77.0.22/24",), "left out: those it has"
    assert table.interface[1].addresses == ("10.78.0.25/24", "fd78::25/64")
    assert table.leave == ("10.200.0.123",)


@pytest.mark.parametrize(
    ("line", "wrong", "where", "told"),
    [
        ('old = "eth0"', 'old = "eth7"', 4, ("the old box has no interface eth7", "eth0 (02:77:00:00:00:21, link up")),
        ('new = "ens3"', 'new = "ens7"', 6, ("the new box has no interface ens7", "ens4 (02:77:00:00:00:32, link up)")),
        ('new = "ens4"', 'new = "ens3"', 10, ("eth0 and eth1 of the old box would both become ens3",)),
        ('old = "eth1"', 'old = "eth0"', 9, ("eth0 has two rows",)),
        ("00:21", "00:99", 5, ("eth0 of the old box has another MAC", "made for another box")),
        ("10.78.0.25/24", "10.77.0.21/24", 11, ("10.77.0.21 cannot be an address", "both boxes are on")),
        ("10.78.0.25/24", "10.77.0.20/24", 11, ("10.77.0.20 cannot be an address", "moved by the swing")),
        ("fd78::25/64", "10.78.0.25/25", 11, ("10.78.0.25 is given twice",)),
        ("10.78.0.25/24", "10.78.0.25", 11, ("written with its prefix",)),
        ("10.78.0.25/24", "10.78.0.256/24", 11, ("does not appear to be an IPv4 or IPv6",)),
        ("10.200.0.123", "10.200.0.124", 1, ('"10.200.0.124" cannot be left behind', "10.200.0.0/16")),
        ("old_mac", "oldmac", 5, ("there is no such field", 'Did you mean "old_mac"?')),
        ('"02:77:00:00:00:21"', '"02:77"', 5, ("a MAC is six pairs",)),
        ('new = "ens4"\n', "", 8, ("eth1 has no counterpart (new is missing) and so no addresses",)),
        ('new = "ens3"', 'new = "ens3', 6, ("this is not TOML",)),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_the_reason(
    line: str, wrong: str, where: int, told: tuple[str, ...]
) -> None:
    assert line in GOOD
    with pytest.raises(InputError) as caught:
        read(GOOD.replace(line, wrong, 1))
    assert caught.value.where == f"map.toml:{where}"
    assert caught.value.next_move
    for words in told:
        assert words in str(caught.value)


def test_an_interface_that_was_forgotten_is_named() -> None:
    with pytest.raises(InputError, match="interface eth1 of the old box is not in the table") as caught:
        read(GOOD.partition('[[interface]]\nold = "eth1"')[0])
    assert 'Add [[interface]] with old = "eth1"' in caught.value.next_move


def test_an_empty_table_forgets_all() -> None:
    with pytest.raises(InputError, match="interface eth0 of the old box is not in the table"):
        read("")


def test_interfaces_in_one_network_belong_together_whatever_their_names() -> None:
    assert [(row.old, row.new, row.addresses) for row in propose(OLD, NEW).interface] == [
        ("eth0", "ens3", ("10.77.0.22/24",)),
        ("eth1", "ens4", ("10.78.0.22/24",)),
    ]


def test_a_mac_that_was_kept_says_more_than_a_network_and_a_network_more_than_a_name() -> None:
    kept = new_box(interfaces=(port("ens3", 0x31), port("ens4", 0x32)))  # eth1's MAC, in eth0's network
    assert propose(OLD, kept).interface[1].new == "ens3"
    crossed = new_box(
        interfaces=(port("eth0", 0x22), port("eth1", 0x32)),
        addresses=(address("eth1", "10.77.0.22/24"), address("eth0", "10.78.0.22/24")),
    )
    assert [(row.old, row.new) for row in propose(OLD, crossed).interface] == [("eth0", "eth1"), ("eth1", "eth0")]


def test_what_could_be_either_is_left_open() -> None:
    strange = new_box(
        interfaces=(port("a", 1), port("b", 2), port("c", 3)), addresses=(address("a", "192.168.9.2/24"),)
    )
    assert [row.new for row in propose(OLD, strange).interface] == [None, None]
    text = write_map(propose(OLD, strange), OLD, strange)
    assert text.count("# new = ") == 2
    assert "a (02:77:00:00:00:01, link up, 1,000 Mbit/s): 192.168.9.2/24" in text


# any two boxes

NAMES = st.lists(st.from_regex(r"[a-z]{1,3}[0-9]{0,2}", fullmatch=True), min_size=1, max_size=4, unique=True)


@st.composite
def boxes(draw: st.DrawFn, serial_number: str, third: int) -> BoxSettings:
    names = draw(NAMES)
    macs = draw(st.lists(st.integers(0, 5), min_size=len(names), max_size=len(names), unique=True))
    nets = draw(st.lists(st.integers(70, 73), max_size=3, unique=True))
    return settings(
        serial_number,
        interfaces=tuple(map(port, names, macs)),
        addresses=tuple(address(draw(st.sampled_from(names)), f"10.{net}.0.{third}/24") for net in nets),
    )


@given(boxes("OLD-1", 21), boxes("NEW-1", 22))
def test_a_proposal_never_gives_an_interface_twice_and_reads_back_as_it_was_meant(
    old: BoxSettings, new: BoxSettings
) -> None:
    table = propose(old, new)
    assert [row.old for row in table.interface] == [one.name for one in old.network.interfaces]
    given_away = [row.new for row in table.interface if row.new is not None]
    assert len(given_away) == len(set(given_away))
    assert set(given_away) <= {one.name for one in new.network.interfaces}
    for row in table.interface:
        assert row.addresses == (own_addresses(new, row.new) if row.new else None)
    text = write_map(table, old, new)
    assert read_interface_map(text, "map.toml", old, new) == table
    assert {row.get("new_mac") for row in tomllib.loads(text)["interface"]} - {None} <= {
        one.mac for one in new.network.interfaces
    }


@given(boxes("OLD-1", 21), boxes("NEW-1", 22))
def test_a_box_proposed_to_itself_keeps_every_interface(old: BoxSettings, new: BoxSettings) -> None:
    assert [row.new for row in propose(old, old).interface] == [one.name for one in old.network.interfaces]
    assert propose(old, new) == propose(old, new)


@given(st.text(max_size=200))
def test_no_text_is_more_than_refused(text: str) -> None:
    # eth0 and eth1 never come together by chance: whatever it is, it is refused, and nothing else happens
    with pytest.raises(InputError, match=r"map\.toml"):
        read(text)
