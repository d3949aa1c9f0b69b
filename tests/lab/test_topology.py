"""Topologies as people write them: the fixtures are right, and mistakes are named with file, line and field."""

from pathlib import Path

import pytest

from toolkit.lab.topology import Topology, read_topology
from toolkit.model.errors import InputError

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures" / "labs").glob("*.toml"))


@pytest.mark.parametrize("file", FIXTURES, ids=lambda file: file.stem)
def test_the_fixtures_are_labs_with_an_old_and_a_new_box(file: Path) -> None:
    topology = read_topology(file.read_text(encoding="utf-8"), str(file))

    assert topology.name == file.stem
    assert topology.boxes["old"].site_version == "Bomgar-12.1.6"
    assert topology.boxes["new"].site_version is None
    assert topology.boxes["new"].power == "off"


def test_an_empty_file_is_the_standard_world() -> None:
    topology = read_topology("", "empty.toml")

    assert topology == Topology()
    assert topology.addresses("old") == ("10.77.0.21", "fd77::21")
    assert topology.interfaces(21) == ("10.77.0.21/24", "fd77::21/64")
    assert topology.network.mac(21) == "02:77:00:00:00:21"
    assert topology.resolver_addresses == ("10.77.0.3", "fd77::3")


def test_the_site_stands_for_the_shared_addresses_or_by_dns_for_the_old_box() -> None:
    shared = Topology()
    by_dns = read_topology('[swing]\nmethod = "dns"\n', "dns.toml")

    assert shared.site_addresses == ("10.77.0.20", "fd77::20")
    assert by_dns.site_addresses == ("10.77.0.21", "fd77::21")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[site]\nname = "s.example.net"\nsiez_mb = 3\n', ["lab.toml:3", '"site.siez_mb"', "size_mb"]),
        ("[hosts]\na = { nummer = 3 }\n", ["lab.toml:2", "hosts.a"]),
        ('[hosts]\na = { role = "router", number = 3 }\n', ["lab.toml:2", "hosts.a.role"]),
        ('[boxes.old]\nnumber = 21\nserial_number = "A1"\nbase_version = "three"\n', ["lab.toml:4", "not a version"]),
        ("[hosts]\nA_host = { number = 3 }\n", ["lab.toml:2", "lower-case"]),
        ('backend = "vn"\n', ["lab.toml:1", "backend", "'vm'"]),
        ('backend = "vm"\n[site]\nsize_mb = 900\n', ["data_disk_mb of old is 512", "at least 1928"]),
        ('backend = "vm"\n[hosts]\n[boxes.a]\nnumber = 1\nserial_number = "A"\n', ["role bmc"]),
        ('[hosts]\na = { role = "bmc", number = 3 }\n', ["no metal", 'backend = "vm"']),
        ('ipv4 = "10.77.0.0/33"\n', ["lab.toml:1", "ipv4"]),
        ("[boxes]\n[hosts]\na = { number = 300 }\n", ["no host number 300"]),
        ("[boxes]\n[hosts]\na = { number = 7 }\nb = { number = 7 }\n", ["number 7 of b is taken by a"]),
        ("[boxes]\n[hosts]\na = { number = 20 }\n", ["taken by the site"]),
        ("[boxes]\n[hosts]\n", ["at least one host"]),
        ("[hosts]\na = { number = 3 }\n", ["no host has the role", "others in the lab need"]),
        ('[boxes]\n[hosts]\nr = { role = "resolver", number = 3 }\n', ["role nameserver"]),
        (
            '[boxes]\n[hosts]\nx = { role = "operator", number = 3 }\ny = { role = "operator", number = 4 }\n',
            ["two hosts have the role operator"],
        ),
        ('[site]\nname = "support.example.com"\n', ["does not lie in dns.zone"]),
        (
            '[boxes]\nold = { number = 21, serial_number = "A" }\nnew = { number = 22, serial_number = "A" }\n',
            ["same serial number"],
        ),
        ("this is no toml", ["lab.toml:1", "not TOML"]),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        read_topology(text, "lab.toml")

    for word in words:
        assert word in str(caught.value)
    assert "lab.toml" in caught.value.where
