"""A spec becomes a domain that libvirt's own schema accepts, whatever was chosen; the mark in it says whose it is."""

import itertools
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.provision.virtual.samples import FILES, UUID, mark, spec
from toolkit.model.errors import InputError
from toolkit.provision.virtual.domain import (
    Acceleration,
    acceleration_of,
    build_domain,
    check_guest,
    mac_addresses,
    plugged_guest,
)
from toolkit.provision.virtual.fragment import lay_over, read_fragment
from toolkit.provision.virtual.mark import read_mark
from toolkit.provision.virtual.spec import MachineSpec, differences

FRAGMENT = """\
<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <!-- a machine that is pinned -->
  <vcpu placement='static' cpuset='0-1'>4</vcpu>
  <cputune><shares>2048</shares></cputune>
  <cpu mode='host-passthrough' check='none'/>
  <devices>
    <disk><driver cache='none'/><target dev='vdb'/></disk>
    <interface><mac address='52:54:00:79:00:12'/><model type='e1000e'/></interface>
    <interface type='bridge'><mac address='52:54:00:79:00:99'/><source bridge='br1'/></interface>
    <watchdog model='i6300esb' action='reset'/>
  </devices>
  <qemu:commandline><qemu:arg value='-name'/></qemu:commandline>
</domain>
"""


def text_of(wanted: MachineSpec, acceleration: Acceleration = "qemu", fragment: str | None = None) -> str:
    domain = build_domain(wanted, mark(spec=wanted), FILES, acceleration)
    if fragment is not None:
        domain = lay_over(domain, read_fragment(fragment, "mine.xml"))
    return etree.tostring(domain, encoding="unicode", pretty_print=True)


def assert_valid(xml: str, file: Path) -> None:
    file.write_text(xml)
    done = subprocess.run(["virt-xml-validate", file, "domain"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{xml}"


@pytest.mark.parametrize("firmware", ["direct", "uefi", "bios"])
def test_every_variation_is_what_libvirt_knows(tmp_path: Path, firmware: str) -> None:
    choices = itertools.product(["overlay", "copy"], [("br0", None), (None, "lan")], [True, False], ["kvm", "qemu"])
    for disk, (bridge, network), agent, acceleration in choices:
        wanted = spec(firmware=firmware, system_disk=disk, bridge=bridge, network=network, guest_agent=agent)
        xml = text_of(wanted, acceleration)  # type: ignore[arg-type]  # a product of texts
        assert_valid(xml, tmp_path / "domain.xml")
        assert acceleration_of(xml) == acceleration
        assert ("org.qemu.guest_agent.0" in xml) == agent
        assert ("<kernel>/pool/kernel</kernel>" in xml) == (firmware == "direct")


def test_guests_that_only_prove_something_are_valid_as_well(tmp_path: Path) -> None:
    assert_valid(check_guest("rebox-check", "/kernel", "/initrd"), tmp_path / "check.xml")
    assert_valid(plugged_guest("rebox-check", spec()), tmp_path / "plugged.xml")
    assert mac_addresses(plugged_guest("rebox-check", spec())) == []


def test_the_box_finds_its_serial_number_its_disks_and_its_port() -> None:
    domain: Any = etree.fromstring(text_of(spec()))
    assert domain.findtext("sysinfo/system/entry[@name='serial']") == "RB-NEW-0002"
    assert domain.findall("os/smbios[@mode='sysinfo']")
    serials = {disk.findtext("serial"): disk.find("source").get("file") for disk in domain.iterfind("devices/disk")}
    assert serials == {"rebox-system": "/pool/system", "rebox-data": "/pool/data", "rebox-seed": "/pool/seed"}
    log = domain.find("devices/serial/log")
    assert (log.get("file"), log.get("append")) == ("/pool/console.log", "on")
    assert mac_addresses(text_of(spec())) == ["52:54:00:79:00:12"]


def test_the_mark_counts_for_the_machine_whose_uuid_it_names_only() -> None:
    xml = text_of(spec())
    assert read_mark(xml) == mark()
    assert read_mark(xml.replace(f"<uuid>{UUID}</uuid>", "<uuid>00000000-0000-4000-8000-000000000000</uuid>")) is None
    assert read_mark("<domain><uuid>x</uuid></domain>") is None
    spoilt = xml.replace('"state":"made"', '"state":"something else"')
    assert spoilt != xml
    assert read_mark(spoilt) is None


def test_differences_are_named_field_by_field() -> None:
    assert differences(spec(), spec()) == []
    there = spec(vcpus=4, bridge=None, network="lan", told={"hostname": "new", "gateway": "10.79.0.1"})
    assert differences(there, spec()) == [
        "bridge: is nothing, wanted br0",
        "network: is lan, wanted nothing",
        "vcpus: is 4, wanted 2",
        'told addresses: is nothing, wanted ["10.79.0.12/24"]',
        "told gateway: is 10.79.0.1, wanted nothing",
    ]


def test_the_users_own_fragment_is_laid_over_ours(tmp_path: Path) -> None:
    xml = text_of(spec(), "kvm", FRAGMENT)
    assert_valid(xml, tmp_path / "domain.xml")
    domain: Any = etree.fromstring(xml)
    assert (domain.findtext("vcpu"), domain.find("vcpu").get("cpuset")) == ("4", "0-1")
    assert domain.findtext("cputune/shares") == "2048"
    assert domain.find("cpu").get("mode") == "host-passthrough"
    (data,) = (disk for disk in domain.iterfind("devices/disk") if disk.findtext("serial") == "rebox-data")
    assert (data.find("driver").get("cache"), data.find("driver").get("type")) == ("none", "qcow2")
    assert mac_addresses(xml) == ["52:54:00:79:00:12", "52:54:00:79:00:99"]
    first, _ = domain.iterfind("devices/interface")
    assert (first.find("model").get("type"), first.find("source").get("bridge")) == ("e1000e", "br0")
    assert domain.findall("devices/watchdog")
    assert domain.findall("{http://libvirt.org/schemas/domain/qemu/1.0}commandline")
    assert read_mark(xml) == mark()


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("<domain>\n <devices>\n</domain>", 3, "mismatch"),
        ("", 1, ""),
        ("<network/>", 1, "the outermost element is <network>"),
        ("<domain type='kvm'/>", 1, "KVM is used once a guest has run under it"),
        ("<domain>\n\n<name>other</name></domain>", 3, "<name> is decided here"),
        ("<domain>\n<uuid>x</uuid></domain>", 2, "<uuid> is decided here"),
        ("<domain>\n<metadata/></domain>", 2, "<metadata> is decided here"),
    ],
)
def test_a_fragment_that_cannot_be_used_is_refused_with_the_line(text: str, line: int, why: str) -> None:
    with pytest.raises(InputError) as refused:
        read_fragment(text, "mine.xml")
    assert refused.value.where == f"mine.xml:{line}"
    assert why in refused.value.why


def test_a_fragment_reads_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    text = f"<!DOCTYPE domain [<!ENTITY x SYSTEM 'file://{secret}'>]><domain><title>&x;</title></domain>"
    domain = lay_over(build_domain(spec(), mark(), FILES, "qemu"), read_fragment(text, "mine.xml"))
    assert "hidden" not in etree.tostring(domain, encoding="unicode")
